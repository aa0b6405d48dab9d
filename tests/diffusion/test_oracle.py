"""The oracle: its closed forms, and DDPM's variances judged on one Gaussian, where the KL divergence is exact."""
import math

import numpy as np
import pytest
import torch
from beds import LINEAR, abar_at, mixture_eps, normal, seeded

from effml_lab.diffusion import levels, oracle, samplers


@pytest.mark.parametrize("t", [0, 200, 600, 999])
def test_the_oracle_is_the_closed_form(t):
    level, x = LINEAR(t), normal(32, 2)
    mixture = oracle.ring()
    x0 = (x.numpy() - level.sigma * mixture_eps(x.numpy(), level.alpha, level.sigma)) / level.alpha
    np.testing.assert_allclose(mixture.denoise(x, level).numpy(), x0, atol=1e-9)
    x.requires_grad_()
    gradient, = torch.autograd.grad(mixture.log_pdf(x, level).sum(), x)
    torch.testing.assert_close(mixture.score(x, level), gradient, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(mixture.posterior(x, level).sum(-1), torch.ones(32, dtype=torch.float64))


def test_the_oracle_takes_unequal_weights_and_widths():
    means, std, weights = (torch.tensor(v, dtype=torch.float64) for v in ([[-1], [2]], [0.2, 0.5], [3, 1]))
    mixture = oracle.GaussianMixture(means, std, weights)
    x, level = torch.linspace(-8, 8, 4001, dtype=torch.float64)[:, None], LINEAR(300)
    density = mixture.log_pdf(x, level).exp()
    mean = level.alpha * (0.75 * -1 + 0.25 * 2)
    assert torch.trapezoid(density, x[:, 0]).item() == pytest.approx(1, abs=1e-8)
    assert torch.trapezoid(density * x[:, 0], x[:, 0]).item() == pytest.approx(mean, abs=1e-8)
    points = mixture.sample(100_000, seeded())
    assert points.mean().item() == pytest.approx(-0.25, abs=0.02)
    assert points.var().item() == pytest.approx(0.75 * (0.04 + 1) + 0.25 * (0.25 + 4) - 0.0625, rel=0.02)
    with pytest.raises(ValueError, match=r"\(K, D\)"):
        oracle.GaussianMixture(torch.zeros(3), 0.1)


def test_the_oracle_takes_a_level_for_each_row():
    """As many rows as components: a level spread over those would go unseen."""
    x, t = normal(8, 2), torch.tensor([3.0, 80, 200, 321, 480, 700, 850, 999], dtype=torch.float64)
    mixture, level = oracle.ring(8), LINEAR(t[:, None], like=x)
    for name in ("denoise", "score", "log_pdf", "posterior"):
        rows = torch.cat([getattr(mixture, name)(x[i:i + 1], LINEAR(t[i].item())) for i in range(8)])
        torch.testing.assert_close(getattr(mixture, name)(x, level), rows)
    with pytest.raises(ValueError, match=r"needs the shape \(8, 1\), got \(8,\)"):
        mixture.denoise(x, LINEAR(t, like=x))


@pytest.mark.parametrize("means", [[[0, 0], [1, 1]], torch.tensor([[0, 0], [1, 1]]), [[False, False], [True, True]]])
def test_whole_numbers_for_means_keep_a_fractional_width(means):
    mixture, x = oracle.GaussianMixture(means, 0.25), normal(5, 2)
    exact = oracle.GaussianMixture(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), 0.25)
    assert mixture.means.dtype == mixture.std.dtype == torch.float32 and mixture.std.tolist() == [0.25, 0.25]
    assert torch.equal(mixture.denoise(x, LINEAR(300)), exact.denoise(x, LINEAR(300)))
    assert len(mixture.sample(1000, seeded()).unique()) > 1000


# One Gaussian N(0.5, 0.05^2), leading spacing: KL to the data in nats, and the standard deviation under large variance.
TABLE = {10: (0.668, 0.956, 17.1, 0.311), 50: (0.140, 0.274, 0.424, 0.085),
         100: (0.0469, 0.119, 0.0779, 0.065), 1000: (1.69e-3, 5.64e-3, 5.94e-5, 0.050)}


def gaussian_by_hand(n: int, mean: float, std: float, method: str) -> tuple[float, float, float]:
    """Mean and variance through the papers' updates: eps = sigma (x - alpha m) / (alpha^2 s^2 + sigma^2) is affine."""
    m, v, times = 0.0, 1.0, list(range(0, 1000, 1000 // n))[::-1]
    for t, s in zip(times, times[1:] + [-1]):
        abar_t, abar_s = abar_at(t), abar_at(s)
        slope = math.sqrt(1 - abar_t) / (abar_t * std**2 + 1 - abar_t)
        beta = 1 - abar_t / abar_s
        if method == "ddim":
            on_x = math.sqrt(abar_s / abar_t)
            on_eps, noise = math.sqrt(1 - abar_s) - on_x * math.sqrt(1 - abar_t), 0.0
        else:
            on_x = 1 / math.sqrt(1 - beta)
            on_eps = -on_x * beta / math.sqrt(1 - abar_t)
            noise = 0.0 if s < 0 else {"small": beta * (1 - abar_s) / (1 - abar_t), "large": beta}[method]
        m, v = on_x * m + on_eps * slope * (m - math.sqrt(abar_t) * mean), (on_x + on_eps * slope) ** 2 * v + noise
    return m, math.sqrt(v), math.log(std) - math.log(v) / 2 + (v + (m - mean) ** 2) / (2 * std**2) - 0.5


@pytest.mark.parametrize("n", TABLE)
def test_table_of_variances_on_one_gaussian(n):
    grid = LINEAR.grid(n, "leading")
    runs = {method: oracle.gaussian_run(grid, 0.5, 0.05, method) for method in ("ddim", "small", "large")}
    for method, run in runs.items():
        assert run == pytest.approx(gaussian_by_hand(n, 0.5, 0.05, method), rel=1e-6, abs=1e-12)
    ddim, small, large = (run[2] for run in runs.values())
    assert (ddim, small, large) == pytest.approx(TABLE[n][:3], rel=4e-3)
    assert runs["large"][1] == pytest.approx(TABLE[n][3], abs=5e-4)
    assert n > 10 or large > 10 * small > ddim
    assert n < 1000 or large < 0.1 * ddim < small


def test_kl_of_ddim_falls_almost_quadratically():
    counts = (100, 200, 500, 1000)
    kl = [oracle.gaussian_run(LINEAR.grid(n, "trailing"), 0.5, 0.3)[2] for n in counts]
    assert np.polyfit(np.log(counts), np.log(kl), 1)[0] == pytest.approx(-1.9, abs=0.1)
    assert oracle.gaussian_run(LINEAR.grid(1000, "trailing"), 0.5, 1.0, "large")[2] == pytest.approx(2.7e-9, rel=0.05)


@pytest.mark.parametrize("method", ["ddim", "small", "large"])
@pytest.mark.parametrize("schedule", [levels.edm(), levels.flow()], ids=["edm", "flow"])
def test_off_the_variance_preserving_family_too(schedule, method):
    """From sigma, where `start` begins; by hand, in x and its forward moves, on N(0.5, 0.3^2)."""
    mean, std, grid = 0.5, 0.3, schedule.grid(40, "lambda", lam=(-4.0, 4.0))
    m, v = 0.0, grid[0].sigma ** 2
    assert samplers.start((100_000,), grid, seeded()).std().item() == pytest.approx(math.sqrt(v), rel=0.01)
    for cur, nxt in zip(grid, grid[1:]):
        a, b, s, r = cur.alpha, nxt.alpha, cur.sigma, nxt.sigma
        gain = a * std**2 / (a**2 * std**2 + s**2)
        beta = s**2 - (a / b) ** 2 * r**2                               # of the forward move from nxt to cur
        on_x = r / s if method == "ddim" else a / b * r**2 / s**2      # Bayes' rule for q(x_nxt | x_cur, x0)
        noise = {"ddim": 0.0, "small": beta * r**2 / s**2, "large": beta * (r > 0)}[method]
        on_x0 = b - on_x * a
        m, v = on_x * m + on_x0 * (mean + gain * (m - a * mean)), (on_x + on_x0 * gain) ** 2 * v + noise
    assert oracle.gaussian_run(grid, mean, std, method)[:2] == pytest.approx((m, math.sqrt(v)), rel=1e-9)


@pytest.mark.parametrize("method", ["ddim", "small", "large"])
@pytest.mark.parametrize("n", [5, 20])
def test_the_gaussian_recursion_is_what_the_samplers_do(method, n):
    """Monte Carlo through the real samplers, within four standard errors."""
    mean, std, count = 0.5, 0.3, 200_000
    data = oracle.GaussianMixture(torch.tensor([[mean]], dtype=torch.float64), std)
    x, grid, rng = normal(count, 1), LINEAR.grid(n, "leading"), seeded(1)
    ddim = method == "ddim"
    end = samplers.last(samplers.ddim(data.denoise, x, grid) if ddim else
                        samplers.ddpm(data.denoise, x, grid, method, rng))
    m, s, kl = oracle.gaussian_run(grid, mean, std, method)
    assert abs(end.mean().item() - m) < 4 * s / math.sqrt(count)
    assert abs(end.std().item() - s) < 4 * s / math.sqrt(2 * count)
    assert kl == pytest.approx(math.log(std / s) + (s**2 + (m - mean) ** 2) / (2 * std**2) - 0.5)


@pytest.mark.parametrize("method, std", [("big", 0.1), ("ddim", 0.0)])
def test_a_run_is_of_known_methods_on_data_with_a_spread(method, std):
    with pytest.raises(ValueError, match="method is ddim, small or large, and std lies above 0"):
        oracle.gaussian_run(LINEAR.grid(4), 0.5, std, method)
