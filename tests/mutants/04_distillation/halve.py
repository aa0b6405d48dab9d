"""Answers to 04-halve: right ones, and wrong ones with the causes that a report may name for them."""
import copy
import random

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


# A newcomer's own, written before any check was run


def train_theirs(student, teacher, loss, batches, opt):
    for batch in batches:
        opt.zero_grad()
        loss(student, teacher, *batch).backward()
        opt.step()
    return student


def newcomers_shallow(teacher, loss, batches, lr=1e-3):
    """I took copy.copy, which shares the weights."""
    student = copy.copy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    return train_theirs(student, teacher, loss, batches, opt)


def newcomers_zero_before_step(teacher, loss, batches, lr=1e-3):
    """I cleared the gradients between backward and step."""
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    for batch in batches:
        loss(student, teacher, *batch).backward()
        opt.zero_grad()
        opt.step()
    return student


def newcomers_loss_args(teacher, loss, batches, lr=1e-3):
    """I swapped student and teacher in the loss."""
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    return train_theirs(teacher, student, loss, batches, opt) and student


def newcomers_returns_teacher(teacher, loss, batches, lr=1e-3):
    """I returned the teacher."""
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    train_theirs(student, teacher, loss, batches, opt)
    return teacher


def newcomers_return_in_loop(teacher, loss, batches, lr=1e-3):
    """My return is indented too far: one batch only."""
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    for batch in batches:
        opt.zero_grad()
        loss(student, teacher, *batch).backward()
        opt.step()
        return student


def newcomers_freezes_teacher(teacher, loss, batches, lr=1e-3):
    """I froze the caller's teacher for good."""
    student = copy.deepcopy(teacher)
    teacher.requires_grad_(False)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    return train_theirs(student, teacher, loss, batches, opt)


def newcomers_one_step_of_sum(teacher, loss, batches, lr=1e-3):
    """I added up the losses of all batches and made one step."""
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    total = 0
    for batch in batches:
        total = total + loss(student, teacher, *batch)
    opt.zero_grad()
    total.backward()
    opt.step()
    return student


def newcomers_clipped(teacher, loss, batches, lr=1e-3):
    """I clipped the gradient norm to 1, as in big trainings."""
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    for batch in batches:
        opt.zero_grad()
        loss(student, teacher, *batch).backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        opt.step()
    return student


def newcomers_adamw(teacher, loss, batches, lr=1e-3):
    """I took AdamW, as everybody does today."""
    student = copy.deepcopy(teacher)
    opt = torch.optim.AdamW(student.parameters(), lr=lr)
    return train_theirs(student, teacher, loss, batches, opt)


def newcomers_drop_last(teacher, loss, batches, lr=1e-3):
    """Off by one: the last batch is left out."""
    student, batches = copy.deepcopy(teacher), list(batches)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    for i in range(len(batches) - 1):
        opt.zero_grad()
        loss(student, teacher, *batches[i]).backward()
        opt.step()
    return student


def newcomers_shuffled(teacher, loss, batches, lr=1e-3):
    """I shuffled the batches, as one does."""
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    batches = list(batches)
    random.Random(0).shuffle(batches)
    return train_theirs(student, teacher, loss, batches, opt)


RIGHT = [right, right_late_zero, right_grads]
WRONG = [
    (written(zero=False), ["gradients add up"]), (written(step=False), ["nothing was learned"]),
    (written(backward=False), ["nothing was learned"]), (written(begin=lambda t: t), ["the teacher itself"]),
    (written(begin=fresh), ["does not begin with"]), (written(begin=copy.copy), ["share their weights"]),
    (written(optimizer=torch.optim.SGD), ["SGD, where"]), (written(taught=lambda s, t: s), ["its own teacher"]),
    (written(whose=lambda s, t: t.parameters()), ["nothing was learned"]),
    (written(over=lambda b: b[:1]), ["the first batch alone"]), (written(over=lambda b: b[-1:]), ["only the last"]),
    (written(over=lambda b: b * 2), ["gone through twice"]), (written(over=lambda b: b[::-1]), ["another order"]),
    (written(back=lambda s, t: t), ["the teacher is returned"]), (written(back=lambda s, t: None), []),
    (wrong_new_optimizer, ["a new optimizer"]), (wrong_rate, ["Adam's own rate"]), (wrong_zero_between, ["nothing was learned"]),
    (wrong_packed, []), (wrong_return_in_loop, ["the first batch alone"]),
    (wrong_weights, []), (wrong_outside, ["one step for all"]),
    (newcomers_shallow, ["student and teacher share their weights"]),
    (newcomers_zero_before_step, ["nothing was learned"]),
    (newcomers_loss_args, ["student and teacher are exchanged"]),
    (newcomers_returns_teacher, ["the teacher is returned"]),
    (newcomers_return_in_loop, ["the first batch alone"]),
    (newcomers_freezes_teacher, ["the teacher is frozen for good, and whoever copi"]),
    (newcomers_one_step_of_sum, ["one step for all batches together"]),
    (newcomers_clipped, ["the gradients are clipped"]),
    (newcomers_adamw, ["AdamW, where Adam was asked for"]),
    (newcomers_drop_last, ["this is where all but the last batch lead"]),
    (newcomers_shuffled, ["the batches come in another order"]),
]
