"""Answers to 05-lora: right ones, and wrong ones with the causes that a report may name for them."""
import torch

EXERCISE = "05-lora"


def right(up, down, s, a, b):
    return torch.cat([up, a], 1), torch.cat([down, b * s], 0)


def right_first(up, down, s, a, b):
    return torch.hstack([a, up]), torch.vstack([b @ torch.diag(s), down])


def right_loop(up, down, s, a, b):
    for j in range(a.shape[1]):
        up, down = torch.cat([up, a[:, j:j + 1]], 1), torch.cat([down, (b[j] * s)[None]])
    return up, down


RIGHT = [right, right_first, right_loop]
WRONG = [
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down, b])), ["the LoRA reads x"]),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down, b / s])), ["b is divided by s"]),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down, b]) * s), ["the old branch is multiplied by s"]),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down * s, b])), ["and the LoRA is not"]),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down / s, b])), ["the old branch is divided by s"]),
    (lambda up, down, s, a, b: (torch.cat([up, -a], 1), torch.cat([down, b * s])), ["taken off"]),
    (lambda up, down, s, a, b: (torch.cat([up, 2 * a], 1), torch.cat([down, b * s])), ["counted twice"]),
    (lambda up, down, s, a, b: (torch.cat([up, 0 * a], 1), torch.cat([down, b * s])), ["the LoRA is missing"]),
    (lambda up, down, s, a, b: (torch.cat([0 * up, a], 1), torch.cat([down, b * s])), ["the old branch is missing"]),
    (lambda up, down, s, a, b: (a, b * s), ["the LoRA alone"]),
    (lambda up, down, s, a, b: (up, down), ["the ranks are not added"]), (lambda up, down, s, a, b: up @ down + a @ b, []),
    (lambda up, down, s, a, b: (up @ down + a @ (b * s), s), ["the whole matrix"]),
    (lambda up, down, s, a, b: (torch.cat([a, up], 1), torch.cat([down, b * s])), []),
    (lambda up, down, s, a, b: (torch.cat([up, a], 0), torch.cat([down, b], 1)), []),
    (lambda up, down, s, a, b: (torch.cat([down, b * s]), torch.cat([up, a], 1)), []),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down, b * s]).T), []),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down, b * s.mean()])), ["the mean of s"]),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1), torch.cat([down, b * s.sqrt()])), ["the root of s"]),
    (lambda up, down, s, a, b: (torch.cat([up, a], 1).round(), torch.cat([down, b * s])), []),
]
