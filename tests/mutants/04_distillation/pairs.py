"""Answers to 04-pairs: right ones, and wrong ones with the causes that a report may name for them."""
import torch
import torch.nn.functional as F

from effml_lab.diffusion.denoise import noised

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


# A newcomer's own, written before any check was run


def newcomers_square_of_mean(student, x, image, level):
    """I took the mean first and squared then."""
    return (student(x, level) - image).mean().square()


def newcomers_unsquared_norm(student, x, image, level):
    """I took the length of the difference and forgot to square it."""
    return (student(x, level) - image).flatten(1).norm(dim=1).mean()


def newcomers_snr(student, x, image, level):
    """I weighted it with the SNR, as the papers do."""
    return (level.alpha ** 2 / level.sigma ** 2 * (student(x, level) - image).square()).mean()


def newcomers_huber(student, x, image, level):
    """I took smooth L1, it is more robust."""
    return F.smooth_l1_loss(student(x, level), image)


def newcomers_clamped(student, x, image, level):
    """I clipped the guess to [-1, 1] as one does with pictures."""
    return (student(x, level).clamp(-1, 1) - image).square().mean()


def newcomers_target_noise(student, x, image, level):
    """I subtracted the guess from the noise and compared that with the picture, as if the student guessed the noise."""
    return (x - student(x, level) - image).square().mean()


def newcomers_renoised(student, x, image, level):
    """I trained it as a denoiser: I made the picture noisy with x and asked for the picture."""
    return (student(noised(image, level, x), level) - image).square().mean()


def newcomers_no_square(student, x, image, level):
    """I forgot the square, only the mean of the difference."""
    return (student(x, level) - image).mean()


RIGHT = [right, right_library, right_rows]
WRONG = [
    (change(lambda g, x, y, at: (g - y).square().sum()), ["the sum:"]),
    (change(lambda g, x, y, at: (g - y).square().flatten(1).sum(1).mean()), ["a sum over each picture"]),
    (change(lambda g, x, y, at: (g - y).square().mean() / 2), ["halved"]),
    (change(lambda g, x, y, at: (g - y).square().mean().sqrt()), ["the root"]),
    (change(lambda g, x, y, at: (g - y).abs().mean()), ["absolute errors"]),
    (change(lambda g, x, y, at: (g - y).mean() ** 2), ["the mean before the square"]),
    (change(lambda g, x, y, at: (g - y).square()), ["the mean is missing"]),
    (change(lambda g, x, y, at: (g - y).square().flatten(1).mean(1)), ["one number a row"]),
    (change(lambda g, x, y, at: (x - y).square().mean()), ["x is compared with the picture", "nothing can be learned"]),
    (change(lambda g, x, y, at: (g - x).square().mean()), ["compared with its noise"]),
    (change(lambda g, x, y, at: (g - at.alpha * y - at.sigma * x).square().mean()), ["made noisy first"]),
    (change(lambda g, x, y, at: (g * y).mean()), ["a product"]),
    (change(lambda g, x, y, at: (g - y).square().mean().detach()), ["nothing can be learned"]),
    (change(lambda g, x, y, at: ((x - at.alpha * g) / at.sigma - y).square().mean()), []),
    (change(lambda g, x, y, at: g), ["the mean is missing"]),
    (change(lambda g, x, y, at: (g - y).norm()), ["the length of the difference"]),
    (lambda student, x, image, level: (student(image, level) - image).square().mean(), ["asked about the picture"]),
    (wrong_no_grad, ["nothing can be learned"]), (wrong_item, ["a plain number"]), (wrong_twice, []), (wrong_at_picture, [
        "noise and picture are exchanged"]),
    (wrong_in_place, []),
    (wrong_clean, ["asked at another level"]), (wrong_mutual, []),
    (newcomers_square_of_mean, ["the mean before the square"]),
    (newcomers_unsquared_norm, ["the length of each row's difference, and the mea"]),
    (newcomers_snr, ["the error is weighted by the SNR"]),
    (newcomers_huber, ["smooth L1, Huber's loss"]),
    (newcomers_clamped, ["the guess is clipped to [-1, 1]", "nothing can be learned"]),
    (newcomers_target_noise, ["the guess is taken off the noise"]),
    (newcomers_renoised, ["the student is asked about the picture made nois"]),
    (newcomers_no_square, ["the mean of the errors themselves"]),
]
