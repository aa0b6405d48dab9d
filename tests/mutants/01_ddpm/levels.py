import torch

EXERCISE = "01-levels"


def right_product(betas):
    abar = torch.cumprod(1 - betas, dim=0)
    return abar.sqrt(), (1 - abar).sqrt(), abar / (1 - abar)


def right_loop(betas):
    abar, product = [], 1.0
    for beta in betas:
        product = product * (1 - beta)
        abar.append(product)
    abar = torch.stack(abar)
    alpha, sigma = abar**0.5, (1 - abar) ** 0.5
    return [alpha, sigma, alpha**2 / sigma**2]


def right_logs(betas):
    abar = torch.log1p(-betas.double()).cumsum(0).exp().to(betas.dtype)
    return abar.sqrt(), torch.sqrt(1 - abar), 1 / (1 / abar - 1)


def from_abar(betas, abar):
    return abar.sqrt(), (1 - abar).sqrt(), abar / (1 - abar)


def wrong_one_step(betas):
    return from_abar(betas, 1 - betas)


def wrong_late(betas):
    abar = (1 - betas).cumprod(0)
    abar = torch.cat([abar.new_ones(1), abar[:-1]])
    return abar.sqrt(), (1 - abar).sqrt(), abar / (1 - abar).clamp(min=1e-6)


def wrong_no_roots(betas):
    abar = (1 - betas).cumprod(0)
    return abar, 1 - abar, abar / (1 - abar)


def wrong_amplitude_ratio(betas):
    abar = (1 - betas).cumprod(0)
    return abar.sqrt(), (1 - abar).sqrt(), (abar / (1 - abar)).sqrt()


def wrong_complement(betas):
    alpha = (1 - betas).cumprod(0).sqrt()
    return alpha, 1 - alpha, alpha**2 / (1 - alpha**2)


def wrong_cumsum(betas):
    abar = (1 - betas).cumsum(0)
    return abar.sqrt(), (1 - abar).abs().sqrt(), abar / (1 - abar)


def wrong_upside_down(betas):
    abar = (1 - betas).cumprod(0)
    return abar.sqrt(), (1 - abar).sqrt(), (1 - abar) / abar


RIGHT = [right_product, right_loop, right_logs]
WRONG = [
    (wrong_one_step, ["one step only", "the noise of one step", "beta was used"]),
    (wrong_late, ["one step late"]),
    (wrong_no_roots, ["square root is missing", "this is the variance"]),
    (wrong_amplitude_ratio, ["ratio of amplitudes"]),
    (wrong_complement, ["squares that add up"]),
    (wrong_cumsum, ["a sum where a product"]),
    (wrong_upside_down, ["upside down"]),
]
