"""Answers to 04-pairs: right ones, and wrong ones with the causes that a report may name for them."""
import torch
import torch.nn.functional as F

EXERCISE = "04-pairs"


def right(student, x, image, level):
    return (student(x, level) - image).square().mean()


def right_library(student, x, image, level):
    return F.mse_loss(student(x, level), image)


def right_rows(student, x, image, level):
    off = (image - student(x, level)).flatten(1)
    return (off**2).mean(1).mean()


def change(make):
    return lambda student, x, image, level: make(student(x, level), x, image, level)


def wrong_no_grad(student, x, image, level):
    with torch.no_grad():
        return (student(x, level) - image).square().mean()


def wrong_item(student, x, image, level):
    return (student(x, level) - image).square().mean().item()


def wrong_twice(student, x, image, level):
    return ((student(x, level) - image) * (student(x, level) - image)).mean()


def wrong_at_picture(student, x, image, level):
    return (student(image, level) - x).square().mean()


def wrong_in_place(student, x, image, level):
    image -= student(x, level)
    return (image**2).mean()


def wrong_clean(student, x, image, level):
    return (student(x, level._replace(t=0.0)) - image).square().mean()


def wrong_mutual(student, x, image, level):
    return (student(x, level) - student(image, level)).square().mean()


RIGHT = [right, right_library, right_rows]
WRONG = [
    (change(lambda g, x, y, at: (g - y).square().sum()), ["the sum:"]),
    (change(lambda g, x, y, at: (g - y).square().flatten(1).sum(1).mean()), ["a sum over each picture"]),
    (change(lambda g, x, y, at: (g - y).square().mean() / 2), ["halved"]),
    (change(lambda g, x, y, at: (g - y).square().mean().sqrt()), ["the root"]),
    (change(lambda g, x, y, at: (g - y).abs().mean()), ["absolute errors"]),
    (change(lambda g, x, y, at: (g - y).mean() ** 2), []),
    (change(lambda g, x, y, at: (g - y).square()), []),
    (change(lambda g, x, y, at: (g - y).square().flatten(1).mean(1)), []),
    (change(lambda g, x, y, at: (x - y).square().mean()), ["x is compared with the picture", "nothing can be learned"]),
    (change(lambda g, x, y, at: (g - x).square().mean()), ["compared with its noise"]),
    (change(lambda g, x, y, at: (g - at.alpha * y - at.sigma * x).square().mean()), ["made noisy first"]),
    (change(lambda g, x, y, at: (g * y).mean()), ["a product"]),
    (change(lambda g, x, y, at: (g - y).square().mean().detach()), ["nothing can be learned"]),
    (change(lambda g, x, y, at: ((x - at.alpha * g) / at.sigma - y).square().mean()), []),
    (change(lambda g, x, y, at: g), []), (change(lambda g, x, y, at: (g - y).norm()), []),
    (lambda student, x, image, level: (student(image, level) - image).square().mean(), ["asked about the picture"]),
    (wrong_no_grad, ["nothing can be learned"]), (wrong_item, []), (wrong_twice, []), (wrong_at_picture, []),
    (wrong_in_place, []),
    (wrong_clean, ["asked at another level"]), (wrong_mutual, []),
]
