"""Answers to 04-halve: right ones, and wrong ones with the causes that a report may name for them."""
import copy

import torch
from torch import nn

EXERCISE = "04-halve"


def right(teacher, loss, batches, lr=1e-3):
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    for batch in batches:
        value = loss(student, teacher, *batch)
        opt.zero_grad()
        value.backward()
        opt.step()
    return student


def right_late_zero(teacher, loss, batches, lr=1e-3):
    student = copy.deepcopy(teacher).train()
    opt = torch.optim.AdamW(student.parameters(), lr, weight_decay=0.0)
    for i in range(len(batches)):
        loss(student, teacher, *batches[i]).backward()
        opt.step()
        opt.zero_grad()
    return student


def right_grads(teacher, loss, batches, lr=1e-3):
    student = copy.deepcopy(teacher)
    weights = list(student.parameters())
    opt = torch.optim.Adam(weights, lr=lr)
    for a, b in batches:
        for weight, grad in zip(weights, torch.autograd.grad(loss(student, teacher, a, b), weights)):
            weight.grad = grad
        opt.step()
    return student


def written(begin=copy.deepcopy, optimizer=torch.optim.Adam, whose=lambda s, t: s.parameters(), zero=True, step=True,
            backward=True, taught=lambda s, t: t, over=lambda b: b, back=lambda s, t: s):
    """The right one with one thing changed."""
    def answer(teacher, loss, batches, lr=1e-3):
        student = begin(teacher)
        opt = optimizer(whose(student, teacher), lr=lr)
        for batch in over(batches):
            value = loss(student, taught(student, teacher), *batch)
            if zero:
                opt.zero_grad()
            if backward:
                value.backward()
            if step:
                opt.step()
        return back(student, teacher)
    return answer


def fresh(teacher):
    torch.manual_seed(3)
    return nn.Linear(3, 3, dtype=torch.float64)


def wrong_new_optimizer(teacher, loss, batches, lr=1e-3):
    student = copy.deepcopy(teacher)
    for batch in batches:
        opt = torch.optim.Adam(student.parameters(), lr=lr)
        opt.zero_grad()
        loss(student, teacher, *batch).backward()
        opt.step()
    return student


def wrong_rate(teacher, loss, batches, lr=1e-3):
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters())
    for batch in batches:
        opt.zero_grad()
        loss(student, teacher, *batch).backward()
        opt.step()
    return student


def wrong_zero_between(teacher, loss, batches, lr=1e-3):
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    for batch in batches:
        loss(student, teacher, *batch).backward()
        opt.zero_grad()
        opt.step()
    return student


def wrong_packed(teacher, loss, batches, lr=1e-3):
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    for batch in batches:
        opt.zero_grad()
        loss(student, teacher, batch).backward()
        opt.step()
    return student


def wrong_return_in_loop(teacher, loss, batches, lr=1e-3):
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    for batch in batches:
        opt.zero_grad()
        loss(student, teacher, *batch).backward()
        opt.step()
        return student
    return student


def wrong_weights(teacher, loss, batches, lr=1e-3):
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    for batch in batches:
        opt.zero_grad()
        loss(student, teacher, *batch).backward()
        opt.step()
    return list(student.parameters())


def wrong_outside(teacher, loss, batches, lr=1e-3):
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    opt.zero_grad()
    for batch in batches:
        loss(student, teacher, *batch).backward()
    opt.step()
    return student


RIGHT = [right, right_late_zero, right_grads]
WRONG = [
    (written(zero=False), ["gradients add up"]), (written(step=False), ["nothing was learned"]),
    (written(backward=False), ["nothing was learned"]), (written(begin=lambda t: t), ["the teacher itself"]),
    (written(begin=fresh), []), (written(begin=copy.copy), ["the teacher's weights were trained"]),
    (written(optimizer=torch.optim.SGD), ["SGD, where"]), (written(taught=lambda s, t: s), ["its own teacher"]),
    (written(whose=lambda s, t: t.parameters()), ["nothing was learned"]),
    (written(over=lambda b: b[:1]), ["only the first"]), (written(over=lambda b: b[-1:]), ["only the last"]),
    (written(over=lambda b: b * 2), ["gone through twice"]), (written(over=lambda b: b[::-1]), []),
    (written(back=lambda s, t: t), ["the teacher itself"]), (written(back=lambda s, t: None), []),
    (wrong_new_optimizer, ["a new optimizer"]), (wrong_rate, ["Adam's own rate"]), (wrong_zero_between, ["nothing was learned"]),
    (wrong_packed, []), (wrong_return_in_loop, ["only the first"]), (wrong_weights, []), (wrong_outside, []),
]
