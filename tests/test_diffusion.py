"""The formalism against the papers' own formulas, written here a second time from alpha-bar, and on the oracle.

Nothing below compares one of our functions with another built on it: DDPM eq. 7, 11 and 12, DDIM eq. 12 and 16, the
probability-flow ODE (solved by DOP853) and the closed forms of a Gaussian are the other side.
"""
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from effml_lab.diffusion import denoise as dn
from effml_lab.diffusion import levels, oracle, samplers
from effml_lab.diffusion.guidance import guided
from effml_lab.diffusion.levels import Level
from effml_lab.diffusion.train import Run, fit

ABAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
LINEAR = levels.linear()
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"))]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tensors of a few hundred numbers: threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def seeded(seed: int = 0, device: str = "cpu") -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def wavy(x, level):
    """A made-up denoiser, far from linear, so that no identity holds by luck."""
    return torch.tanh(3 * x + level.t / 500) * 0.8


def abar_at(t: int) -> float:
    return 1.0 if t < 0 else ABAR[t].item()


def level_at(t: int) -> Level:
    return levels.CLEAN if t < 0 else LINEAR(t)


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


# What a network predicts.

def outputs(x0, eps, alpha: float, sigma: float) -> dict:
    """The five targets from their definitions; EDM: F = (x0 - c_skip x) / c_out with sigma_data = 1/2."""
    skip, out = 0.25 / (sigma**2 + 0.25), sigma * 0.5 / math.sqrt(sigma**2 + 0.25)
    return {"eps": eps, "x0": x0, "v": alpha * eps - sigma * x0, "flow": eps - x0,
            "edm": (x0 - skip * (x0 + sigma * eps)) / out}


@pytest.mark.parametrize("pred", list(dn.PREDICTIONS))
@pytest.mark.parametrize("alpha, sigma", [(0.8, 0.6), (0.3, 0.7), (0.01, 1.0), (1.0, 0.5), (1.0, 40.0), (0.9, 0.9)])
def test_a_denoiser_recovers_x0_from_any_prediction(pred, alpha, sigma):
    alpha = 1.0 if pred == "edm" else alpha
    x0, eps, level = normal(5, 1, 4, 4), normal(5, 1, 4, 4, seed=1), Level(123.5, alpha, sigma)
    x, seen = alpha * x0 + sigma * eps, {}

    def net(given, t):
        seen.update(given=given, t=t)
        return outputs(x0, eps, alpha, sigma)[pred]
    torch.testing.assert_close(dn.Denoiser(net, pred)(x, level), x0, rtol=0, atol=1e-12)
    scale = 1 / math.sqrt(sigma**2 + 0.25) if pred == "edm" else 1.0
    torch.testing.assert_close(seen["given"], scale * x)
    assert seen["t"].tolist() == [123.5] * 5
    torch.testing.assert_close(dn.PREDICTIONS[pred].target(x0, eps, level), outputs(x0, eps, alpha, sigma)[pred])


def test_a_denoiser_takes_a_level_for_each_row():
    """In training and in consistency models each image has its own time."""
    x, t = normal(3, 1, 2, 2), torch.tensor([5.0, 500.0, 900.0])
    denoise = dn.Denoiser(lambda x, t: torch.tanh(x + t.reshape(-1, 1, 1, 1) / 1000))
    rows = torch.cat([denoise(x[i:i + 1], LINEAR(t[i].item())) for i in range(3)])
    torch.testing.assert_close(denoise(x, LINEAR(t.reshape(-1, 1, 1, 1), like=x)), rows, rtol=0, atol=1e-6)


def test_losses_differ_by_powers_of_the_signal_to_noise_ratio():
    """|d eps|^2 = SNR |d x0|^2 and |d v|^2 = (1 + SNR) |d x0|^2: what training on each output weighs."""
    level, x, guess, other = LINEAR(400), normal(64), normal(64, seed=1), normal(64, seed=2)
    snr = abar_at(400) / (1 - abar_at(400))
    gap = {}
    for pred in ("eps", "v", "x0"):
        to_x0 = dn.Denoiser(lambda x, t: guess, pred)(x, level) - dn.Denoiser(lambda x, t: other, pred)(x, level)
        gap[pred] = ((guess - other).square().sum() / to_x0.square().sum()).item()
    assert (gap["eps"], gap["v"], gap["x0"]) == (pytest.approx(snr), pytest.approx(1 + snr), pytest.approx(1))


@pytest.mark.parametrize("pred", list(dn.PREDICTIONS))
def test_loss_is_zero_for_a_net_that_knows_the_answer_and_one_for_predicting_zero(pred):
    """The net sees only (x, t) and one known image: it can solve for eps. Zero output leaves E|target|^2."""
    image = torch.linspace(-1, 1, 16, dtype=torch.float64).reshape(1, 1, 4, 4)
    edm = replace(levels.edm(), span=(-1.5, 1.0))                # the preconditioning is defined at alpha = 1
    schedule = {"flow": levels.flow(), "edm": edm}.get(pred, LINEAR)

    def knows(x, t):
        level = schedule(t.reshape(-1, 1, 1, 1), like=x)
        scale = 1 / (level.sigma**2 + 0.25).sqrt() if pred == "edm" else 1.0
        eps = (x / scale - level.alpha * image) / level.sigma
        skip, out = 0.25 / (level.sigma**2 + 0.25), level.sigma * 0.5 / (level.sigma**2 + 0.25).sqrt()
        return {"eps": eps, "x0": image + 0 * x, "v": level.alpha * eps - level.sigma * image, "flow": eps - image,
                "edm": (image - skip * (image + level.sigma * eps)) / out}[pred]
    batch = image.expand(64, -1, -1, -1)
    assert dn.loss(knows, batch, schedule, pred, seeded()).item() < 1e-16
    if pred == "eps":
        zero = dn.loss(lambda x, t: torch.zeros_like(x), batch, schedule, rng=seeded())
        assert zero.item() == pytest.approx(1, abs=0.1)


def test_loss_draws_t_evenly_over_the_table_and_pairs_it_with_its_level():
    seen = []

    def net(x, t):
        seen.append((x, t))
        return torch.zeros_like(x)
    dn.loss(net, torch.zeros(20000, 1, 2, 2), LINEAR, rng=seeded(1))
    x, t = seen[0]
    assert t.shape == (20000,) and (t == t.round()).all() and 0 <= t.min() and t.max() <= 999
    counts = torch.histc(t, 10, 0, 1000)
    assert ((counts - 2000).abs() < 5 * math.sqrt(2000)).all() and {0, 999} <= set(t.int().tolist())
    late = t > 900
    assert x[late].var().item() == pytest.approx((1 - ABAR[t[late].long()]).mean().item(), rel=0.05)


def test_forward_process_has_the_moments_of_eq_4():
    x0, n = 0.7, 200_000
    for t in (0, 300, 999):
        x = dn.noised(torch.full((n,), x0, dtype=torch.float64), LINEAR(t), normal(n, seed=t))
        mean, var = math.sqrt(abar_at(t)) * x0, 1 - abar_at(t)
        assert x.mean().item() == pytest.approx(mean, abs=4 * math.sqrt(var / n))
        assert x.var().item() == pytest.approx(var, rel=4 * math.sqrt(2 / n))


# Guidance.

def test_guidance_is_one_call_of_twice_the_rows_and_equals_two_calls():
    x, cond, null, calls = normal(3, 1, 2, 2), torch.tensor([1, 2, 3]), torch.tensor([0]), []

    def net(x, t, cond):
        calls.append(len(x))
        return torch.tanh(x + cond.reshape(-1, 1, 1, 1))
    denoise, level = dn.Denoiser(net), LINEAR(500)
    with_cond, without = denoise(x, level, cond), denoise(x, level, null.expand(3))
    calls.clear()
    for w in (0.0, 0.5, 3.0):
        torch.testing.assert_close(guided(denoise, cond, null, w)(x, level), without + w * (with_cond - without))
    assert calls == [6, 6, 6]
    calls.clear()
    torch.testing.assert_close(guided(denoise, cond, null, 1.0)(x, level), with_cond, rtol=0, atol=0)
    assert calls == [3]


def test_guiding_x0_is_guiding_eps():
    x, level, w = normal(3, 1, 2, 2), LINEAR(500), 3.0
    net = lambda x, t, cond: torch.tanh(x + cond.reshape(-1, 1, 1, 1))
    cond, null, t = torch.full((3,), 2.0), torch.zeros(3), torch.full((3,), 500.0)
    eps = (1 + (w - 1)) * net(x, t, cond) - (w - 1) * net(x, t, null)      # Ho and Salimans eq. 6, with w - 1 for w
    expected = (x - level.sigma * eps) / level.alpha
    torch.testing.assert_close(guided(dn.Denoiser(net), cond, null, w)(x, level), expected)


# The oracle, by its definition and by numbers.

def mixture_eps(x: np.ndarray, alpha: float, sigma: float, std: float = 0.25, k: int = 8) -> np.ndarray:
    """The exact noise prediction of k Gaussians on the unit circle, in NumPy."""
    angle = np.arange(k) * 2 * np.pi / k
    means = np.stack([np.cos(angle), np.sin(angle)], -1)
    v = alpha**2 * std**2 + sigma**2
    offset = x[:, None] - alpha * means
    log = -(offset**2).sum(-1) / (2 * v)
    weight = np.exp(log - log.max(1, keepdims=True))
    return sigma * ((weight / weight.sum(1, keepdims=True))[..., None] * offset).sum(1) / v


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


@pytest.fixture(scope="module")
def flow_end():
    """64 points at lam = -5 and where the probability-flow ODE takes them at lam = 3: dy / ds = (y - x0) / s."""
    x = normal(64, 2)
    ends = [LINEAR.at(lam) for lam in (-5.0, 3.0)]

    def slope(s, y):
        alpha = 1 / math.sqrt(1 + s * s)
        return mixture_eps(alpha * y.reshape(-1, 2), alpha, s * alpha).ravel()
    first, final = (level.sigma / level.alpha for level in ends)
    run = solve_ivp(slope, (first, final), (x / ends[0].alpha).numpy().ravel(), method="DOP853", rtol=1e-12, atol=1e-12)
    return x, ends[1].alpha * torch.from_numpy(run.y[:, -1]).reshape(-1, 2)


@pytest.mark.parametrize("spacing, tolerance", [("lambda", 0.05), ("karras", 0.05)])
def test_ddim_is_of_order_one(flow_end, spacing, tolerance):
    x, exact = flow_end
    counts, errors = (64, 128, 256, 512), []
    for n in counts:
        grid = LINEAR.grid(n, spacing, lam=(-5, 3), clean=False)
        end = samplers.last(samplers.ddim(oracle.ring().denoise, x, grid))
        errors.append((end - exact).norm(dim=-1).mean().item())
    assert -np.polyfit(np.log(counts), np.log(errors), 1)[0] == pytest.approx(1.0, abs=tolerance)


def test_inversion_and_back_gains_half_with_twice_the_steps():
    """ODE up, ODE down: what returns differs from the start by O(1 / n)."""
    x, errors = oracle.ring().sample(64, seeded()), []
    for n in (100, 200, 400):
        grid = LINEAR.grid(n, "lambda", lam=(-5, 3), clean=False)
        start = grid[-1].alpha * x
        up = samplers.last(samplers.ddim(oracle.ring().denoise, start, grid[::-1]))
        back = samplers.last(samplers.ddim(oracle.ring().denoise, up, grid))
        errors.append((back - start).norm(dim=-1).mean().item())
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.2) and errors[1] / errors[2] == pytest.approx(2, abs=0.2)


# One Gaussian N(0.5, 0.05^2), leading spacing: KL to the data in nats, and the standard deviation under large variance.
TABLE = {10: ("0.67", "0.96", "17", "0.311"), 50: ("0.14", "0.27", "0.42", "0.085"),
         100: ("0.047", "0.12", "0.078", "0.065"), 1000: ("0.0017", "0.0056", "5.9e-05", "0.050")}


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
    assert (*(f"{kl:.2g}" for kl in (ddim, small, large)), f"{runs['large'][1]:.3f}") == TABLE[n]
    assert n > 10 or large > 10 * small > ddim
    assert n < 1000 or large < 0.1 * ddim < small


def test_kl_of_ddim_falls_almost_quadratically():
    counts = (100, 200, 500, 1000)
    kl = [oracle.gaussian_run(LINEAR.grid(n, "trailing"), 0.5, 0.3)[2] for n in counts]
    assert np.polyfit(np.log(counts), np.log(kl), 1)[0] == pytest.approx(-1.9, abs=0.1)
    assert oracle.gaussian_run(LINEAR.grid(1000, "trailing"), 0.5, 1.0, "large")[2] == pytest.approx(2.7e-9, rel=0.05)


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


# Boundaries.

@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", samplers.SAMPLERS)
def test_samplers_keep_shape_dtype_and_device(name, device):
    @settings(max_examples=12, deadline=None)
    @given(shape=st.lists(st.integers(1, 3), min_size=1, max_size=4), n=st.integers(1, 4),
           dtype=st.sampled_from([torch.float32, torch.float64]))
    def keeps(shape, dtype, n):
        x = torch.zeros(shape, dtype=dtype, device=device)
        states = list(samplers.SAMPLERS[name](lambda x, level: 0.5 * x, x, LINEAR.grid(n, "trailing")))
        assert len(states) == n and (x == 0).all()
        for state in states:
            assert (state.shape, state.dtype, state.device) == (x.shape, x.dtype, x.device)
    keeps()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_denoiser_casts_to_the_net_and_back(device, dtype):
    seen = {}

    class Net(torch.nn.Conv2d):
        def forward(self, x, t):
            seen.update(x=x, t=t)
            return super().forward(x)
    denoise = dn.Denoiser(Net(1, 1, 1).to(device, dtype))
    for own in (torch.float32, torch.float64):
        x = torch.ones(2, 1, 4, 4, device=device, dtype=own)
        with torch.no_grad():
            assert denoise(x, LINEAR(999)).dtype == own
        assert seen["x"].dtype == dtype and seen["t"].tolist() == [999.0, 999.0]        # bfloat16 would make it 1000


def test_draws_happen_on_the_generator_and_without_one_on_the_global_state():
    grid = LINEAR.grid(3, "trailing")
    torch.manual_seed(11)
    first = samplers.last(samplers.ddpm(wavy, normal(4, 2), grid))
    torch.manual_seed(11)
    assert torch.equal(first, samplers.last(samplers.ddpm(wavy, normal(4, 2), grid)))
    assert not torch.equal(first, samplers.last(samplers.ddpm(wavy, normal(4, 2), grid)))
    state = torch.get_rng_state()
    samplers.last(samplers.ddpm(wavy, samplers.start((4, 2), grid, seeded()).double(), grid, rng=seeded()))
    assert torch.equal(state, torch.get_rng_state())


def test_start_has_the_scale_of_the_first_level():
    draw = lambda grid: samplers.start((20_000,), grid, seeded()).std().item()
    assert draw(LINEAR.grid(4, "leading")) == pytest.approx(1, rel=0.02)
    assert draw(levels.edm().grid(4, "karras")) == pytest.approx(80, rel=0.02)
    assert draw(levels.flow().grid(4, "trailing")) == pytest.approx(1, rel=0.02)
    assert draw([levels.flow()(0.5), levels.CLEAN]) == pytest.approx(0.5, rel=0.02)


def test_gradient_mode_is_not_leaked_while_a_sampler_is_suspended():
    weight = torch.ones(1, requires_grad=True)
    run = samplers.ddim(lambda x, level: weight * x, torch.ones(2, 1), LINEAR.grid(3, "trailing"))
    state = next(run)
    assert torch.is_grad_enabled() and not state.requires_grad
    for state in run:
        assert torch.is_grad_enabled() and not state.requires_grad


def test_clipping_is_a_denoiser_too():
    denoise = dn.clipped(lambda x, level: 3 * x)
    assert denoise(torch.tensor([-1.0, 0.1, 1.0]), LINEAR(5)).tolist() == pytest.approx([-1, 0.3, 1])


def test_the_clean_level_is_never_fed_to_a_net():
    seen = []
    denoise = lambda x, level: seen.append(level) or x
    for sampler in samplers.SAMPLERS.values():
        samplers.last(sampler(denoise, torch.ones(1, 1), LINEAR.grid(5, "leading")))
    assert all(level.sigma > 0 for level in seen) and len(seen) == 5 * len(samplers.SAMPLERS)


X = torch.zeros(1, 1, 2, 2)


@pytest.mark.parametrize("call, says", [
    (lambda: samplers.last(samplers.ddim(wavy, X, LINEAR.grid(4)[::-1])), "cannot start at sigma = 0"),
    (lambda: samplers.last(samplers.ddim(wavy, X, LINEAR.grid(4, clean=False)[::-1], eta=1.0)), "must hold two levels"),
    (lambda: samplers.last(samplers.ddpm(wavy, X, LINEAR.grid(4, clean=False)[::-1])), "must hold two levels"),
    (lambda: samplers.last(samplers.ddpm(wavy, X, LINEAR.grid(4)[:1])), "must hold two levels"),
    (lambda: samplers.last(samplers.ddim(wavy, X, [LINEAR(5), LINEAR(900), LINEAR(0)])), "fall in noise"),
    (lambda: samplers.last(samplers.ddpm(wavy, X, LINEAR.grid(4), "medium")), "unknown variance 'medium'"),
    (lambda: samplers.last(samplers.ddim(lambda x, level: x / 0 * 0, X, LINEAR.grid(4))), "ended in NaN"),
    (lambda: samplers.last(iter(())), "made no step"),
    (lambda: dn.Denoiser(wavy, "score"), "unknown prediction 'score'"),
    (lambda: dn.Denoiser(lambda x, t: x)(X, Level(9.0, 0.0, 1.0)), "at alpha = 0"),
    (lambda: dn.loss(lambda x, t: x, X.to(torch.uint8), LINEAR), "floating-point images"),
    (lambda: dn.loss(lambda x, t: x, X, levels.edm(), "edm"), "finite range of t"),
])
def test_bad_input_is_one_sentence(call, says):
    with pytest.raises(ValueError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


# Training.

def toy_loss(net, step):
    return dn.loss(lambda x, t: net(x), torch.full((32, 4), 0.5), LINEAR, rng=seeded(step))


def test_a_resumed_run_repeats_the_unbroken_one():
    fresh = lambda: (torch.manual_seed(0), Run(torch.nn.Linear(4, 4)))[1]
    whole, broken, resumed = fresh(), fresh(), fresh()
    values = dict(fit(whole, toy_loss, 30, warmup=5))
    for done, _ in fit(broken, toy_loss, 30, warmup=5):
        if done == 12:
            break
    resumed.load({k: v.clone() for k, v in broken.state().items()})
    assert resumed.done == 12 and values.items() >= dict(fit(resumed, toy_loss, 30, warmup=5)).items()
    for a, b in zip(whole.state().values(), resumed.state().values()):
        assert torch.equal(a, b)
    assert values[30] < values[1] and sorted(values) == list(range(1, 31))
