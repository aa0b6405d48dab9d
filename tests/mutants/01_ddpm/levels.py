"""Answers to 01-levels: right ones, and wrong ones with the causes that a report may name for them."""
import itertools
import operator

import numpy as np
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


def right_numpy(betas):
    abar = np.cumprod(1 - betas.numpy())
    return tuple(torch.from_numpy(v) for v in (np.sqrt(abar), np.sqrt(1 - abar), abar / (1 - abar)))


class RightModule(torch.nn.Module):
    def forward(self, betas):
        return right_product(betas)


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


def wrong_product_of_betas(betas):
    return from_abar(betas, betas.cumprod(0))


def wrong_swapped(betas):
    alpha, sigma, snr = right_product(betas)
    return sigma, alpha, snr


def wrong_alpha_for_abar(betas):
    alpha = right_product(betas)[0]
    return alpha, (1 - alpha).sqrt(), alpha / (1 - alpha)


def wrong_abar_for_alpha(betas):
    abar = (1 - betas).cumprod(0)
    sigma = (1 - abar**2).sqrt()
    return abar, sigma, abar**2 / sigma**2


def wrong_decibels(betas):
    alpha, sigma, snr = right_product(betas)
    return alpha, sigma, 10 * snr.log10()


def wrong_lists(betas):
    return [v.tolist() for v in right_product(betas)]


def wrong_numpy(betas):
    return [v.numpy() for v in right_product(betas)]


def wrong_one_number(betas):
    return from_abar(betas, torch.prod(1 - betas))


def wrong_in_place(betas):
    betas *= -1
    betas += 1
    return from_abar(betas, betas.cumprod(0))


def with_abar(make):
    return lambda betas: from_abar(betas, make(betas))


def reordered(*order):
    return lambda betas: tuple(right_product(betas)[i] for i in order)


def wrong_notebooks(betas):
    return right_product(torch.linspace(1e-4, 0.02, 1000).to(betas))


def wrong_late_unclamped(betas):
    return from_abar(betas, torch.cat([betas.new_ones(1), (1 - betas).cumprod(0)[:-1]]))


def wrong_sigma_then_ratio(betas):
    abar = (1 - betas).cumprod(0)
    sigma = 1 - abar
    return abar.sqrt(), sigma, abar / sigma**2


def wrong_half_a_root(betas):
    abar = (1 - betas).cumprod(0)
    return abar.sqrt(), (1 - abar).sqrt(), abar / (1 - abar).sqrt()


def right_list_of_alphas(betas):
    alpha = (1 - betas).sqrt().cumprod(0)
    sigma = (1 - alpha.square()).sqrt()
    return alpha, sigma, (alpha / sigma) ** 2


def right_accumulate(betas):
    abar = betas.new_tensor(list(itertools.accumulate((1 - betas).tolist(), operator.mul)))
    return torch.sqrt(abar), torch.sqrt(1 - abar), torch.exp(abar.log() - torch.log(1 - abar))


RIGHT = [right_product, right_loop, right_logs, right_numpy, RightModule(), right_list_of_alphas, right_accumulate]
WRONG = [
    (wrong_one_step, ["one step only", "the noise of one step", "beta was used"]),
    (wrong_late, ["one step late"]),
    (wrong_no_roots, ["square root is missing", "this is the variance"]),
    (wrong_amplitude_ratio, ["ratio of amplitudes"]),
    (wrong_complement, ["squares that add up"]),
    (wrong_cumsum, ["a sum where a product"]),
    (wrong_upside_down, ["upside down"]),
    (wrong_product_of_betas, ["the product of the betas"]),
    (wrong_swapped, ["another order, sigma, alpha, snr"]),
    (wrong_alpha_for_abar, ["alpha² belongs under the root", "alpha where alpha-bar belongs"]),
    (wrong_abar_for_alpha, ["the square root is missing", "squared once more"]),
    (wrong_decibels, ["in decibels"]),
    (wrong_lists, []),
    (wrong_numpy, []),
    (wrong_one_number, []),
    (wrong_in_place, []),
    (reordered(2, 0, 1), ["another order, snr, alpha, sigma"]),
    (reordered(0, 2, 1), ["another order, alpha, snr, sigma"]),
    (wrong_notebooks, ["the notebook's own table"]),
    (wrong_late_unclamped, ["one step late"]),
    (wrong_sigma_then_ratio, ["this is the variance"]),
    (wrong_half_a_root, ["already, without a root"]),
    (with_abar(lambda betas: 1 - betas.cumprod(0)), ["1 less the product"]),
    (with_abar(lambda betas: 1 - betas.cumsum(0)), ["1 less the sum"]),
    (with_abar(lambda betas: (1 - betas).cumprod(0).cumprod(0)), ["taken twice"]),
    (with_abar(lambda betas: torch.prod(1 - betas).expand(len(betas))), ["one product of all steps"]),
    (with_abar(lambda betas: (-betas.cumsum(0)).exp()), ["exp of minus the sum"]),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def wrong_snr_eps(betas):
    abar = torch.cumprod(1 - betas, 0)
    return (abar.sqrt(), (1 - abar).sqrt(), abar / (1 - abar + 0.001))


def wrong_clamp(betas):
    abar = torch.cumprod(1 - betas, 0).clamp(min=0.05)
    return (abar.sqrt(), (1 - abar).sqrt(), abar / (1 - abar))


def wrong_uses_notebook_abar(betas):
    b = torch.linspace(0.0001, 0.02, len(betas))
    abar = torch.cumprod(1 - b, 0)
    return (abar.sqrt(), (1 - abar).sqrt(), abar / (1 - abar))


def wrong_abar_of_roots(betas):
    abar = torch.cumprod((1 - betas).sqrt(), 0)
    return (abar.sqrt(), (1 - abar).sqrt(), abar / (1 - abar))


def wrong_exp_cumsum(betas):
    abar = torch.exp(-torch.cumsum(betas, 0))
    return (abar.sqrt(), (1 - abar).sqrt(), abar / (1 - abar))


def wrong_edm_sigma(betas):
    abar = torch.cumprod(1 - betas, 0)
    s = ((1 - abar) / abar).sqrt()
    return (torch.ones_like(s), s, 1 / s ** 2)


def wrong_reversed(betas):
    abar = torch.cumprod((1 - betas).flip(0), 0).flip(0)
    return (abar.sqrt(), (1 - abar).sqrt(), abar / (1 - abar))


def wrong_snr_half(betas):
    abar = torch.cumprod(1 - betas, 0)
    return (abar.sqrt(), (1 - abar).sqrt(), abar.sqrt() / (1 - abar))


def wrong_snr_abar_squared(betas):
    abar = torch.cumprod(1 - betas, 0)
    return (abar.sqrt(), (1 - abar).sqrt(), abar ** 2 / (1 - abar) ** 2)


def wrong_snr_precedence(betas):
    abar = torch.cumprod(1 - betas, 0)
    return (abar.sqrt(), (1 - abar).sqrt(), abar / 1 - abar)


def wrong_sqrt_betas_product(betas):
    abar = torch.cumprod(1 - betas.sqrt(), 0)
    return (abar.sqrt(), (1 - abar).sqrt(), abar / (1 - abar))


WRONG += [
    (wrong_snr_eps, []),
    (wrong_clamp, []),
    (wrong_uses_notebook_abar, []),
    (wrong_abar_of_roots, ["sqrt(1 - alpha): alpha² belongs under the ro", "the square root is taken twice"]),
    (wrong_exp_cumsum, ["exp of minus the sum of the betas is what sm"]),
    (wrong_edm_sigma, ["alpha = 1 is EDM's convention: here alpha² +"]),
    (wrong_reversed, ["counted from the other end"]),
    (wrong_snr_half, ["alpha over sigma²: both are squared"]),
    (wrong_snr_abar_squared, ["squared twice: alpha-bar is alpha² and 1 - a"]),
    (wrong_snr_precedence, ["abar / 1 - abar is abar - abar: put brackets"]),
    (wrong_sqrt_betas_product, ["sqrt(beta) where beta belongs: alpha-bar is "]),
]
