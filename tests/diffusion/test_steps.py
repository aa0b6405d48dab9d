"""The step, DDPM and DDIM against the papers' own formulas, written here a second time from alpha-bar.

Nothing below compares one of our functions with another built on it: DDPM eq. 7, 11 and 12, DDIM eq. 12 and 16.
"""
import math

import pytest
import torch
from beds import LINEAR, abar_at, level_at, normal, seeded, wavy
from hypothesis import given, settings
from hypothesis import strategies as st

from effml_lab.diffusion import denoise as dn
from effml_lab.diffusion import levels, samplers
from effml_lab.diffusion.levels import Level

# Ho et al. 2020: the posterior q(x_s | x_t, x_0), with beta = 1 - abar_t / abar_s for any kept pair s < t.

def posterior(x, x0, t: int, s: int):
    alpha, abar_t, abar_s = abar_at(t) / abar_at(s), abar_at(t), abar_at(s)
    beta = 1 - alpha
    mean = (math.sqrt(abar_s) * beta * x0 + math.sqrt(alpha) * (1 - abar_s) * x) / (1 - abar_t)        # eq. 7
    return mean, beta * (1 - abar_s) / (1 - abar_t), beta


PAIRS = [(999, 998), (500, 499), (1, 0), (0, -1), (999, 900), (700, 20), (40, -1), (999, -1)]


@pytest.mark.parametrize("t, s", PAIRS)
def test_posterior_mean_and_both_variances(t, s):
    x, x0 = normal(64), normal(64, seed=1)
    mean, small, large = posterior(x, x0, t, s)
    cur, nxt = level_at(t), level_at(s)
    torch.testing.assert_close(samplers.step(x, x0, cur, nxt, samplers.share(cur, nxt)), mean, rtol=0, atol=2e-12)
    assert samplers.VARIANCES["small"](cur, nxt) ** 2 == pytest.approx(small, abs=1e-14)
    assert samplers.VARIANCES["large"](cur, nxt) ** 2 == pytest.approx(large, rel=1e-9)


FAMILIES = {"vp": LINEAR, "flow": levels.flow(), "edm": levels.edm()}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("lams", [(-3.0, -2.5), (-1.0, 0.7), (2.0, 2.1)])
def test_the_large_variance_is_that_of_the_forward_move_in_every_family(name, lams):
    """x_t = (a_t / a_s) x_s + noise must have the variance sigma_t^2, so the noise has sigma_t^2 - (a_t / a_s)^2 sigma_s^2."""
    cur, nxt = (FAMILIES[name].at(lam) for lam in lams)
    forward = cur.sigma**2 - (cur.alpha / nxt.alpha) ** 2 * nxt.sigma**2
    assert samplers.VARIANCES["large"](cur, nxt) ** 2 == pytest.approx(forward, rel=1e-9)
    small = forward * nxt.sigma**2 / cur.sigma**2                       # Bayes: its product with N(x0, sigma_s^2), eq. 7
    assert samplers.VARIANCES["small"](cur, nxt) ** 2 == pytest.approx(small, rel=1e-9)


@pytest.mark.parametrize("variance", ["small", "large"])
@pytest.mark.parametrize("name", FAMILIES)
def test_ddpm_ends_at_the_data_in_every_family(name, variance):
    """400 steps on one Gaussian N(0.5, 0.3^2), whose denoiser is written here."""
    def denoise(x, level):
        return 0.5 + level.alpha * 0.09 / (level.alpha**2 * 0.09 + level.sigma**2) * (x - level.alpha * 0.5)
    grid = FAMILIES[name].grid(400, lam=(-4.3, 4.5))
    end = samplers.last(samplers.ddpm(denoise, grid[0].sigma * normal(40_000), grid, variance, seeded(2)))
    assert end.mean().item() == pytest.approx(0.5, abs=0.01) and end.std().item() == pytest.approx(0.3, abs=0.006)


@pytest.mark.parametrize("t", [999, 500, 1])
def test_posterior_mean_from_eps(t):
    x, eps = normal(64), normal(64, seed=1)
    beta = 1 - abar_at(t) / abar_at(t - 1)
    mean = (x - beta * eps / math.sqrt(1 - abar_at(t))) / math.sqrt(1 - beta)                       # eq. 11
    cur, nxt = level_at(t), level_at(t - 1)
    x0 = dn.Denoiser(lambda x, t: eps, "eps")(x, cur)
    torch.testing.assert_close(samplers.step(x, x0, cur, nxt, samplers.share(cur, nxt)), mean, rtol=0, atol=1e-11)


@pytest.mark.parametrize("variance", ["small", "large"])
@pytest.mark.parametrize("n", [4, 25, 1000])
def test_ddpm_is_algorithm_2(variance, n):
    """The whole chain by hand, with the same draws, and none of them at the last step."""
    times, rng = list(range(0, 1000, 1000 // n))[::-1], seeded(3)
    x = by_hand = normal(8, 1, 2, 2)
    for t, s in zip(times, times[1:] + [-1]):
        mean, small, large = posterior(by_hand, wavy(by_hand, LINEAR(t)), t, s)
        z = torch.randn(x.shape, generator=rng, dtype=x.dtype) if s >= 0 else 0.0
        by_hand = mean + math.sqrt({"small": small, "large": large}[variance]) * z
    ours = samplers.last(samplers.ddpm(wavy, x, LINEAR.grid(n, "leading"), variance, seeded(3)))
    torch.testing.assert_close(ours, by_hand, rtol=0, atol=1e-9)


# Song et al. 2021: eq. 12 with the standard deviation of eq. 16.

def ddim_eq12(x, x0, t: int, s: int, eta: float, z):
    abar_t, abar_s = abar_at(t), abar_at(s)
    eps = (x - math.sqrt(abar_t) * x0) / math.sqrt(1 - abar_t)
    std = eta * math.sqrt((1 - abar_s) / (1 - abar_t)) * math.sqrt(1 - abar_t / abar_s)
    return math.sqrt(abar_s) * x0 + math.sqrt(1 - abar_s - std**2) * eps + std * z


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("t, s", PAIRS)
def test_step_is_ddim_eq_12_and_eta_scales_the_standard_deviation(t, s, eta):
    x, x0, z = normal(64), normal(64, seed=1), normal(64, seed=2)
    cur, nxt = level_at(t), level_at(s)
    ours = samplers.step(x, x0, cur, nxt, samplers.share(cur, nxt, eta), z)
    torch.testing.assert_close(ours, ddim_eq12(x, x0, t, s, eta, z), rtol=0, atol=2e-12)


@pytest.mark.parametrize("eta", [0.0, 0.5])
def test_ddim_chain(eta):
    times, rng = [900, 640, 300, 20, 0], seeded(5)
    x = by_hand = normal(8, 3)
    for t, s in zip(times, times[1:] + [-1]):
        z = torch.randn(x.shape, generator=rng, dtype=x.dtype) if eta and s >= 0 else 0.0
        by_hand = ddim_eq12(by_hand, wavy(by_hand, LINEAR(t)), t, s, eta, z)
    grid = [level_at(t) for t in times + [-1]]
    torch.testing.assert_close(samplers.last(samplers.ddim(wavy, x, grid, eta, seeded(5))), by_hand, rtol=0, atol=1e-12)


def test_ddpm_small_is_ddim_with_eta_one():
    x, grid = normal(16, 2), LINEAR.grid(50, "leading")
    small = samplers.last(samplers.ddpm(wavy, x, grid, "small", seeded(7)))
    torch.testing.assert_close(small, samplers.last(samplers.ddim(wavy, x, grid, 1.0, seeded(7))), rtol=0, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(cur=st.tuples(st.floats(0, 2), st.floats(0.05, 2)), nxt=st.tuples(st.floats(0, 2), st.floats(0, 2)),
       fresh=st.floats(0, 1))
def test_the_folded_step_is_the_plain_one(cur, nxt, fresh):
    """For any pair of levels of any family: take eps out at cur, put it back at nxt with a share renewed."""
    x, x0, z, cur, nxt = normal(9), normal(9, seed=1), normal(9, seed=2), Level(0.0, *cur), Level(0.0, *nxt)
    eps = (x - cur.alpha * x0) / cur.sigma
    plain = nxt.alpha * x0 + nxt.sigma * (math.sqrt(1 - fresh**2) * eps + fresh * z)
    torch.testing.assert_close(samplers.step(x, x0, cur, nxt, fresh, z), plain, rtol=0, atol=1e-11)


def test_ddim_is_euler_in_sigma_over_alpha_and_a_rotation_in_v():
    grid = LINEAR.grid(40, "lambda", lam=(-5, 3), clean=False)
    x = normal(16, 2)
    y = x / grid[0].alpha
    for cur, nxt in zip(grid, grid[1:]):
        s, s_next = cur.sigma / cur.alpha, nxt.sigma / nxt.alpha
        y = y + (s_next - s) * (y - wavy(cur.alpha * y, cur)) / s                                   # EDM eq. 3, Euler
    ours = samplers.last(samplers.ddim(wavy, x, grid))
    torch.testing.assert_close(ours, grid[-1].alpha * y, rtol=0, atol=1e-11)
    cur, nxt = grid[10], grid[11]
    x0, eps = normal(16, seed=3), normal(16, seed=4)
    turn = math.atan2(cur.sigma, cur.alpha) - math.atan2(nxt.sigma, nxt.alpha)
    rotated = math.cos(turn) * (cur.alpha * x0 + cur.sigma * eps) - math.sin(turn) * (cur.alpha * eps - cur.sigma * x0)
    torch.testing.assert_close(samplers.step(dn.noised(x0, cur, eps), x0, cur, nxt), rotated, rtol=0, atol=1e-13)
