"""Answers to 06-checkpoint: right ones, and wrong ones with the causes that a report may name for them."""
import copy

import torch

EXERCISE = "06-checkpoint"


def back(block, x, grad):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = block(x)
    torch.autograd.backward(y, grad)
    return x.grad


def by_method(block, x, grad):
    copy = x.clone().detach()
    copy.requires_grad = True
    with torch.enable_grad():
        block(copy).backward(grad)
    return copy.grad


def by_sum(block, x, grad):
    with torch.set_grad_enabled(True):
        x = x.detach().requires_grad_()
        (block(x) * grad).sum().backward()
    return x.grad


def by_hand(block, x, grad):
    weights = list(block.parameters())
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        found = torch.autograd.grad(block(x), (x, *weights), grad)
    for weight, more in zip(weights, found[1:]):
        weight.grad = more if weight.grad is None else weight.grad + more
    return found[0]


def input_alone(block, x, grad):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(block(x), x, grad)[0]


def of_the_sum(block, x, grad):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        block(x).sum().backward()
    return x.grad


def not_detached(block, x, grad):
    with torch.enable_grad():
        x.requires_grad_()
        block(x).backward(grad)
    return x.grad


def no_graph(block, x, grad):
    x = x.detach().requires_grad_()
    block(x).backward(grad)
    return x.grad


def twice(block, x, grad):
    block(x)
    return back(block, x, grad)


def both_times(block, x, grad):
    back(block, x, grad)
    return back(block, x, grad)


def overwritten(block, x, grad):
    block.zero_grad()
    return back(block, x, grad)


def output(block, x, grad):
    back(block, x, grad)
    return block(x)


def handed_on(block, x, grad):
    return grad


def nothing_returned(block, x, grad):
    back(block, x, grad)


def times_output(block, x, grad):
    return grad * block(x)


def clears(block, x, grad):
    made = back(block, x, grad)
    for weight in block.parameters():
        weight.grad = None
    return made


def cloned(block, x, grad):
    with torch.enable_grad():
        z = x.clone().requires_grad_()
        z.retain_grad()
        y = block(z)
    torch.autograd.backward(y, grad)
    return z.grad


def switched_on(block, x, grad):
    torch.set_grad_enabled(True)
    x = x.detach().requires_grad_()
    block(x).backward(grad)
    return x.grad


def in_eval(block, x, grad):
    block.eval()
    return back(block, x, grad)


def in_place(block, x, grad):
    x.detach_().requires_grad_()
    with torch.enable_grad():
        block(x).backward(grad)
    return x.grad


def added_again(block, x, grad):
    before = [0 if weight.grad is None else weight.grad.clone() for weight in block.parameters()]
    made = back(block, x, grad)
    for weight, old in zip(block.parameters(), before):
        weight.grad += old
    return made


def of_the_mean(block, x, grad):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (block(x) * grad).mean().backward()
    return x.grad


def copied(block, x, grad):
    block = copy.deepcopy(block)
    return back(block, x, grad)


@torch.enable_grad()
def decorated(block, x, grad):
    x = x.detach().requires_grad_()
    torch.dot(block(x).flatten(), grad.flatten()).backward()
    return x.grad


RIGHT = [back, by_method, by_sum, by_hand, decorated]
WRONG = [
    (cloned, ["x.detach()"]), (input_alone, ["no gradient"]), (of_the_sum, ["of the sum of the outputs"]), (not_detached, []),
    (no_graph, []), (twice, ["twice is the work"]), (both_times, ["twice", "work of two"]), (overwritten, ["overwritten"]),
    (output, ["block's output", "work of two"]), (handed_on, ["came in", "never called", "no gradient"]),
    (nothing_returned, []), (times_output, ["times the output", "no gradient"]), (clears, []),
    (switched_on, ["left switched on"]), (in_eval, ["mode was changed"]), (in_place, ["x itself was changed"]),
    (added_again, ["added twice: backward adds"]), (of_the_mean, ["of the mean"]), (copied, ["never called"])]
