"""Every solver against the formula of its own paper, written here again in the paper's coordinates, float64.

x = alpha x0 + sigma eps, lam = log(alpha / sigma), h = lam_nxt - lam_cur. Karras et al. write y = x / alpha over
s = sigma / alpha; Lu et al. and Zhao et al. write x over lam. The denoiser is a crooked made-up one, the grids are
uneven, and the families variance preserving, flow and EDM all pass the same formulas.
"""
import math
from functools import partial

import numpy as np
import pytest
import torch
from beds import LINEAR, normal, seeded

from effml_lab.diffusion import levels, samplers
from effml_lab.diffusion.guess import parabola
from effml_lab.diffusion.levels import CLEAN, Level


def wavy(x, level):
    return torch.tanh(3 * x + level.alpha) * 0.8 - 0.3 * level.sigma / (1 + level.sigma) * torch.cos(x)


def uneven(schedule, n: int = 13, low: float = -4.0, high: float = 4.0) -> list[Level]:
    share = torch.rand(n - 1, generator=seeded(4), dtype=torch.float64).sort().values
    return [schedule.at(lam) for lam in [low, *(low + (high - low) * share).tolist(), high]]


GRIDS = {name: uneven(schedule) for name, schedule in
         {"vp": LINEAR, "flow": levels.flow(), "edm": levels.edm()}.items()}
GRIDS["vp to the clean image"] = GRIDS["vp"] + [CLEAN]


def pairs(grid):
    return [(cur, nxt, nxt.lam - cur.lam) for cur, nxt in zip(grid, grid[1:])]


def first_order(x, x0, cur, nxt):
    """DPM-Solver++1, Lu et al. 2022b."""
    return nxt.sigma / cur.sigma * x - nxt.alpha * math.expm1(cur.lam - nxt.lam) * x0


def ddim_in_lam(x, grid):
    for cur, nxt, _ in pairs(grid):
        x = first_order(x, wavy(x, cur), cur, nxt)
    return x


def ddim_in_sigma(x, grid):
    """Euler's method for dy / ds = (y - x0) / s, Karras et al. 2022."""
    y = x / grid[0].alpha
    for cur, nxt, _ in pairs(grid):
        s, s_next = cur.sigma / cur.alpha, nxt.sigma / nxt.alpha
        y = y + (s_next - s) * (y - wavy(cur.alpha * y, cur)) / s
    return grid[-1].alpha * y


def heun(x, grid):
    """Karras et al. 2022, algorithm 1."""
    y = x / grid[0].alpha
    for cur, nxt, _ in pairs(grid):
        s, s_next = cur.sigma / cur.alpha, nxt.sigma / nxt.alpha
        slope = (y - wavy(cur.alpha * y, cur)) / s
        euler = y + (s_next - s) * slope
        if s_next:
            slope = slope / 2 + (euler - wavy(nxt.alpha * euler, nxt)) / s_next / 2
        y = y + (s_next - s) * slope
    return grid[-1].alpha * y


def eps_of(x, level):
    return (x - level.alpha * wavy(x, level)) / level.sigma


def dpm_solver_2(x, grid):
    """Lu et al. 2022a, with the middle anywhere (r in (0, 1]), in noise prediction."""
    while len(grid) > 2 and grid[2].sigma:
        (cur, mid, nxt), grid = grid[:3], grid[2:]
        h, r = nxt.lam - cur.lam, (mid.lam - cur.lam) / (nxt.lam - cur.lam)
        eps = eps_of(x, cur)
        u = mid.alpha / cur.alpha * x - mid.sigma * math.expm1(r * h) * eps
        x = (nxt.alpha / cur.alpha * x - nxt.sigma * math.expm1(h) * eps
             - nxt.sigma / (2 * r) * math.expm1(h) * (eps_of(u, mid) - eps))
    return ddim_in_lam(x, grid)


def dpmpp_2m(x, grid):
    """Lu et al. 2022b, algorithm 2."""
    old, h_old = None, None
    for cur, nxt, h in pairs(grid):
        x0 = wavy(x, cur)
        r = None if old is None or not nxt.sigma else h_old / h
        d = x0 if r is None else (1 + 1 / (2 * r)) * x0 - 1 / (2 * r) * old
        x, old, h_old = first_order(x, d, cur, nxt), x0, h
    return x


def dpmpp_2m_sde(x, grid, rng):
    """Lu et al. 2022b: SDE-DPM-Solver++(2M)."""
    old, h_old = None, None
    for cur, nxt, h in pairs(grid):
        x0 = wavy(x, cur)
        d = x0 if old is None or not nxt.sigma else x0 + h / (2 * h_old) * (x0 - old)
        z = torch.randn(x.shape, generator=rng, dtype=x.dtype) if nxt.sigma else 0
        gain = -math.expm1(-2 * h)
        x = nxt.sigma / cur.sigma * math.exp(-h) * x + nxt.alpha * gain * d + nxt.sigma * math.sqrt(gain) * z
        old, h_old = x0, h
    return x


def dpmpp_3m(x, grid, factor=1.0, corrected=False, lower_last=False):
    """The third-order multistep update of the authors' code: D2 = (D1_0 - D1_1) / (r0 + r1), Newton's with factor 2.

    corrected: after the second call the first step again, by UniC of order 2 (rho = 1/2, B2(h) = e^h - 1).
    """
    m, lams, begun = [], [], x
    for i, (cur, nxt, h) in enumerate(pairs(grid)):
        m, lams = [wavy(x, cur), *m[:2]], [cur.lam, *lams[:2]]
        if corrected and i == 1:
            x = first_order(begun, m[1], grid[0], cur) - cur.alpha * math.expm1(lams[1] - lams[0]) * (m[0] - m[1]) / 2
        order = min(len(m), {len(grid) - 2: 1, len(grid) - 3: 2}.get(i, 3) if lower_last else 3)
        out = first_order(x, m[0], cur, nxt)
        if nxt.sigma and order == 2:
            r0 = (lams[0] - lams[1]) / h
            out = out - nxt.alpha * math.expm1(-h) * (m[0] - m[1]) / r0 / 2
        if nxt.sigma and order == 3:
            r0, r1 = (lams[0] - lams[1]) / h, (lams[1] - lams[2]) / h
            d10, d11 = (m[0] - m[1]) / r0, (m[1] - m[2]) / r1
            d1, d2 = d10 + r0 / (r0 + r1) * (d10 - d11), factor * (d10 - d11) / (r0 + r1)
            out = out + nxt.alpha * (math.expm1(-h) / h + 1) * d1 - nxt.alpha * ((math.expm1(-h) + h) / h**2 - 0.5) * d2
        x = out
    return x


def unipc_2(x, grid):
    """Zhao et al. 2023, UniP and UniC with p = 2 and B(h) = e^h - 1, data prediction: R rho = b by a solver."""
    m, lams, old, before = [], [], None, None
    for cur, nxt, h in pairs(grid):
        m, lams = [wavy(x, cur), *m[:2]], [cur.lam, *lams[:2]]
        if before is not None:
            x = first_order(old, m[1], before, cur) - cur.alpha * math.expm1(lams[1] - lams[0]) * unic(m, lams)
        old, before = x, cur
        x = first_order(x, m[0], cur, nxt)
        if len(m) > 1 and nxt.sigma:
            x = x - nxt.alpha * math.expm1(-h) * 0.5 * (m[1] - m[0]) * h / (lams[1] - lams[0])
        yield x


def unic(m, lams):
    """sum of rho_k D_k / r_k: over the step from lams[1] to lams[0], r = 1 for its end, and the guess before."""
    h = lams[0] - lams[1]
    if len(m) == 2:
        return 0.5 * (m[0] - m[1])
    r = (lams[2] - lams[1]) / h
    phi2 = (math.expm1(-h) / -h - 1) / math.expm1(-h)
    phi3 = ((math.expm1(-h) / -h - 1) / -h - 0.5) / math.expm1(-h)
    rho = np.linalg.solve(np.array([[1, 1], [r, 1]]), np.array([phi2, 2 * phi3]))
    return rho[0] * (m[2] - m[1]) / r + rho[1] * (m[0] - m[1])


FORMULAS = {
    "DDIM is DPM-Solver++1": (samplers.ddim, ddim_in_lam),
    "DDIM is Euler in sigma / alpha": (samplers.ddim, ddim_in_sigma),
    "heun": (samplers.heun, heun),
    "dpm_2s": (samplers.dpm_2s, dpm_solver_2),
    "dpmpp_2m": (samplers.dpmpp_2m, dpmpp_2m),
    "dpmpp_3m as published": (partial(samplers.dpmpp_3m, factor=1.0), dpmpp_3m),
    "dpmpp_3m": (samplers.dpmpp_3m, partial(dpmpp_3m, factor=2.0)),
    "dpmpp_3m_corrected": (samplers.SAMPLERS["dpmpp_3m_corrected"], partial(dpmpp_3m, factor=2.0, corrected=True)),
    "dpmpp_3m to a lower end": (partial(samplers.dpmpp_3m, lower_last=True), partial(dpmpp_3m, factor=2.0, lower_last=True)),
    "unipc": (samplers.unipc, lambda x, grid: samplers.last(unipc_2(x, grid))),
}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", FORMULAS)
def test_formula_of_its_paper(name, grid):
    sampler, formula = FORMULAS[name]
    x = normal(8, 3) * GRIDS[grid][0].sigma
    assert (samplers.last(sampler(wavy, x, GRIDS[grid])) - formula(x, GRIDS[grid])).abs().max() < 1e-10


@pytest.mark.parametrize("grid", ["vp", "flow", "vp to the clean image"])
def test_the_stochastic_2m(grid):
    x, grid = normal(8, 3), GRIDS[grid]
    ours = samplers.last(samplers.SAMPLERS["dpmpp_2m_sde"](wavy, x, grid, rng=seeded(2)))
    assert (ours - dpmpp_2m_sde(x, grid, seeded(2))).abs().max() < 1e-10


def test_flow_is_euler_along_the_velocity():
    """x + (s - t) v with v = eps - x0, alpha = 1 - t, sigma = t: Liu et al. 2023."""
    grid = levels.flow().grid(9, "trailing")
    x = by_hand = normal(8, 3)
    for cur, nxt, _ in pairs(grid):
        x0 = wavy(by_hand, cur)
        by_hand = by_hand + (nxt.t - cur.t) * ((by_hand - (1 - cur.t) * x0) / cur.t - x0)
    assert (samplers.last(samplers.ddim(wavy, x, grid)) - by_hand).abs().max() < 1e-12


def test_churn():
    """Karras et al. 2022, algorithm 2, with S_churn = 6, noise between 0.05 and 50 only, S_noise = 1.007."""
    schedule, rng = levels.edm(), seeded(3)
    grid = schedule.grid(12, "karras")
    x = by_hand = 80 * normal(8, 3)
    for cur, nxt, _ in pairs(grid):
        gamma = min(6 / 12, math.sqrt(2) - 1) if 0.05 <= cur.sigma <= 50 else 0
        hat = cur.sigma * (1 + gamma)
        if gamma:
            z = 1.007 * torch.randn(x.shape, generator=rng, dtype=x.dtype)
            by_hand = by_hand + math.sqrt(hat**2 - cur.sigma**2) * z
        slope = (by_hand - wavy(by_hand, Level(0, 1.0, hat))) / hat
        euler = by_hand + (nxt.sigma - hat) * slope
        if nxt.sigma:
            slope = slope / 2 + (euler - wavy(euler, nxt)) / nxt.sigma / 2
        by_hand = by_hand + (nxt.sigma - hat) * slope
    ours = samplers.last(samplers.heun(wavy, x, grid, schedule.at, 6.0, (0.05, 50.0), 1.007, seeded(3)))
    assert (ours - by_hand).abs().max() < 1e-10


def test_churn_leaves_alpha_0_alone():
    schedule = levels.zero_snr(levels.scaled_linear())
    grid = schedule.grid(5, "trailing")
    plain, churned = ([*samplers.heun(wavy, normal(8, 3), grid, schedule.at, churn, rng=seeded(1))] for churn in (0.0, 1.0))
    assert grid[0].alpha == 0 and torch.equal(plain[0], churned[0]) and not torch.equal(plain[1], churned[1])


def test_churn_keeps_the_marginal_of_any_family():
    """Noise added from lam to lam - log(1 + gamma) is the forward process: x stays alpha x0 + sigma noise."""
    x0, count = 0.7, 400_000
    for schedule in (LINEAR, levels.flow(), levels.edm()):
        cur, up = schedule.at(0.5), schedule.at(0.5 - math.log(1.3))
        x, hat = samplers._churned(cur.alpha * x0 + cur.sigma * normal(count), cur, up, 1.0, seeded(8))
        assert hat == up and abs(x.mean().item() - up.alpha * x0) < 4 * up.sigma / math.sqrt(count)
        assert x.std().item() == pytest.approx(up.sigma, rel=4 / math.sqrt(2 * count))


@pytest.mark.parametrize("h", [0.02, 0.5, 3.0])
def test_the_corrected_third_order_is_the_exact_integral_of_the_parabola(h):
    """The mean of Lagrange's polynomial under w(tau) = h e^-(1 - tau)h / (1 - e^-h), by Gauss-Legendre quadrature."""
    values, taus = normal(3), np.array([0.0, -0.7, -1.9])
    node, weight = np.polynomial.legendre.leggauss(40)
    tau = (node + 1) / 2
    density = weight / 2 * h * np.exp(-(1 - tau) * h) / -math.expm1(-h)
    lagrange = sum(values[i].item() * np.prod([(tau - taus[j]) / (taus[i] - taus[j]) for j in range(3) if j != i], 0)
                   for i in range(3))
    ours = parabola(values[0], (values[1], taus[1]), (values[2], taus[2]), h)
    assert ours.item() == pytest.approx((density * lagrange).sum(), rel=1e-10)


# At the ends: a step out of alpha = 0 or into sigma = 0 is of first order in every solver.

WHOLE = levels.zero_snr(LINEAR).grid(7, "trailing")         # from alpha = 0 to sigma = 0


@pytest.mark.parametrize("name", samplers.SAMPLERS)
def test_first_order_at_both_ends(name):
    seen, x = [], normal(8, 3)

    def denoise(x, level):
        seen.append((wavy(x, level), level))
        return seen[-1][0]
    states = list(samplers.SAMPLERS[name](denoise, x, WHOLE))
    assert all(state.isfinite().all() for state in states)
    torch.testing.assert_close(states[-1], seen[-1][0], rtol=0, atol=1e-12)
    assert seen[-1][1] == WHOLE[-2]
    if name in DETERMINISTIC:
        torch.testing.assert_close(states[0], first_step(x), rtol=0, atol=1e-12)


DETERMINISTIC = ("ddim", "heun", "dpm_2s", "dpmpp_2m", "dpmpp_3m", "dpmpp_3m_corrected", "unipc")


def first_step(x):
    return WHOLE[1].alpha * wavy(x, WHOLE[0]) + WHOLE[1].sigma * x             # at alpha = 0 all of x is noise


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("corrected", [False, True])
def test_third_order_of_few_steps_may_be_lowered_at_its_end(n, corrected):
    x, grid = normal(8, 3), LINEAR.grid(n, "lambda", lam=(-2, 2), clean=False)
    ours = samplers.last(samplers.dpmpp_3m(wavy, x, grid, corrected=corrected, lower_last=True))
    assert (ours - dpmpp_3m(x, grid, 2.0, corrected, lower_last=True)).abs().max() < 1e-12


@pytest.mark.parametrize("name", samplers.SAMPLERS)
@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_what_a_run_costs(name, n):
    """One network call a step, Heun two, less one for the step into sigma = 0; one state a step."""
    for clean in (True, False):
        calls = []
        states = list(samplers.SAMPLERS[name](lambda x, level: calls.append(level) or 0.5 * x, normal(2, 2),
                                              LINEAR.grid(n, "lambda", clean=clean)))
        assert len(states) == n and len(calls) == (2 * n - clean if name == "heun" else n)
        assert all(level.sigma > 0 for level in calls)
