"""Continuous time: drift and diffusion in closed form, the walks against the papers' formulas, and what they draw.

Song et al. 2021 with beta(t) = 0.1 + 19.9 t is written here again; on one Gaussian every walk is affine, so that its
KL divergence to the data is exact; on the ring, samples are told from data by a permutation test on their MMD.
"""
import math

import numpy as np
import pytest
import torch
from beds import DEVICES, LINEAR, normal, seeded

from effml_lab.diffusion import levels, oracle, samplers, sde

VP = levels.vp_sde()
RING = oracle.ring()
WALKS = {"euler_maruyama": sde.euler_maruyama, "pf_ode": sde.pf_ode, "predictor_corrector": sde.predictor_corrector}


def times(n, first=1.0, final=1e-3):
    return np.linspace(first, final, n + 1).tolist()


def beta(t):
    return 0.1 + 19.9 * t


def abar(t):
    return math.exp(-(0.1 * t + 9.95 * t * t))


def score_of(x, t):
    """The exact score of the ring at time t."""
    level = levels.Level(t, math.sqrt(abar(t)), math.sqrt(1 - abar(t)))
    return (level.alpha * RING.denoise(x, level) - x) / level.sigma**2


# Drift and diffusion.

@pytest.mark.parametrize("t", [0.01, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("schedule, drift, square", [
    (VP, lambda t: -beta(t) / 2, beta),
    (levels.flow(), lambda t: -1 / (1 - t), lambda t: 2 * t / (1 - t)),
    (levels.edm(), lambda t: 0.0, lambda t: 8 * math.exp(8 * t)),           # sigma = e^4t, g^2 = d sigma^2 / dt
], ids=["vp", "flow", "edm"])
def test_drift_and_diffusion(schedule, drift, square, t):
    f, g = sde.drift_diffusion(schedule, t)
    assert f == pytest.approx(drift(t), rel=1e-6, abs=1e-9) and g**2 == pytest.approx(square(t), rel=1e-6)


def test_a_table_has_the_drift_of_its_betas():
    """Half its beta a step, as far as a table of steps is a continuous time at all."""
    for t in (50, 300, 700, 950):
        f, g = sde.drift_diffusion(LINEAR, t)
        own = 1e-4 + (0.02 - 1e-4) * t / 999
        assert (f, g**2) == (pytest.approx(-own / 2, rel=0.03), pytest.approx(own, rel=0.03))


def test_a_schedule_is_the_law_of_its_forward_sde():
    """From one point, Euler-Maruyama up in time ends at alpha x0 + sigma noise."""
    count, x0 = 100_000, 0.7
    for schedule, ts in ((VP, times(100, 0.0, 0.5)), (levels.flow(), times(200, 0.0, 0.6))):
        x = samplers.last(sde.forward(torch.full((count,), x0, dtype=torch.float64), schedule, ts, seeded(6)))
        level = schedule(ts[-1])
        assert x.mean().item() == pytest.approx(level.alpha * x0, abs=0.01)
        assert x.std().item() == pytest.approx(level.sigma, rel=0.01)


def test_vp_sde_is_its_published_integral():
    for t in (1e-4, 0.2, 1.0):
        assert VP(t).alpha == pytest.approx(math.sqrt(abar(t)), rel=1e-12)
        assert VP(t).sigma == pytest.approx(math.sqrt(1 - abar(t)), rel=1e-9)
        assert VP.at(VP(t).lam).t == pytest.approx(t, rel=1e-9)
    assert VP(1.0).lam == pytest.approx(levels.linear(10_000)(9999.0).lam, rel=1e-3)


# The walks, step by step.

def test_euler_maruyama_is_the_reverse_sde():
    """dx = (-beta x / 2 - beta score) dt + sqrt(beta) dw backwards; the last step returns the mean."""
    x = by_hand = normal(16, 2)
    ts, rng = times(12), seeded(3)
    for t, s in zip(ts, ts[1:]):
        by_hand = by_hand + (beta(t) / 2 * by_hand + beta(t) * score_of(by_hand, t)) * (t - s)
        if s != ts[-1]:
            by_hand = by_hand + math.sqrt(beta(t) * (t - s)) * torch.randn(x.shape, generator=rng, dtype=x.dtype)
    ours = samplers.last(sde.euler_maruyama(RING.denoise, x, VP, ts, seeded(3)))
    torch.testing.assert_close(ours, by_hand, rtol=0, atol=1e-4)            # the slope of a schedule at its end: 1e-5


def test_the_probability_flow_takes_half_the_score():
    x = by_hand = normal(16, 2)
    for t, s in zip(times(12), times(12)[1:]):
        by_hand = by_hand + beta(t) / 2 * (by_hand + score_of(by_hand, t)) * (t - s)
    torch.testing.assert_close(samplers.last(sde.pf_ode(RING.denoise, x, VP, times(12))), by_hand, rtol=0, atol=1e-4)


def test_the_corrector_is_a_langevin_step_before_the_predictor():
    """Song et al. 2021, algorithm 5: size 2 (1 - beta dt) (r |z| / |score|)^2, norms averaged over the batch."""
    x, (t, s), rng = normal(16, 2), (0.6, 0.5), seeded(3)
    z, score = torch.randn(x.shape, generator=rng, dtype=x.dtype), score_of(x, t)
    size = 2 * abar(t) / abar(s) * (0.16 * z.norm(dim=1).mean() / score.norm(dim=1).mean()) ** 2
    moved = x + size * score + (2 * size).sqrt() * z
    moved = moved + (beta(t) / 2 * moved + beta(t) * score_of(moved, t)) * (t - s)
    ours = samplers.last(sde.predictor_corrector(RING.denoise, x, VP, [t, s], seeded(3)))
    torch.testing.assert_close(ours, moved, rtol=0, atol=1e-8)


@pytest.mark.parametrize("schedule, ts", [
    (VP, [1.0, 0.4, 1e-3]), (LINEAR, [999, 400, 30]), (levels.flow(), [0.99, 0.1])], ids=["vp", "table", "flow"])
def test_the_adaptive_solver_and_euler_meet_where_ddim_does(schedule, ts):
    """Three roads to one end point: adaptive in lam, Euler in t, DDIM in sigma / alpha; the last two of order one."""
    x = normal(32, 2) * schedule(ts[0]).sigma
    exact = samplers.last(sde.pf_ode_adaptive(RING.denoise, x, schedule, ts, tol=1e-9))
    grid = lambda n: schedule.grid(n, lam=(schedule(ts[0]).lam, schedule(ts[-1]).lam), clean=False)
    for road in (lambda n: sde.pf_ode(RING.denoise, x, schedule, times(n, ts[0], ts[-1])),
                 lambda n: samplers.ddim(RING.denoise, x, grid(n))):
        errors = [(samplers.last(road(n)) - exact).norm(dim=-1).mean().item() for n in (200, 400)]
        assert errors[0] / errors[1] == pytest.approx(2, abs=0.25) and errors[1] < 0.02


# One Gaussian N(0.5, 0.5^2): exact KL to the data.

KL = {10: (0.12, 1.0e-3), 50: (8.6e-5, 7e-5), 100: (1.9e-5, 1.8e-5), 1000: (5e-7, 5e-6)}


def exact_kl(walk, n, mean=0.5, std=0.5):
    """Through the walk itself, two points a step, since it is affine; the variance of the noise by the formula."""
    data = oracle.GaussianMixture(torch.tensor([[mean]], dtype=torch.float64), std)
    m, v, ts = 0.0, 1.0, times(n)
    for t, s in zip(ts, ts[1:]):
        ends = samplers.last(walk(data.denoise, torch.tensor([[0.0], [1.0]]).double(), VP, [t, s]))
        at0, at1 = ends.flatten().tolist()
        noise = beta(t) * (t - s) if walk is sde.euler_maruyama and s != ts[-1] else 0.0
        m, v = at0 + (at1 - at0) * m, (at1 - at0) ** 2 * v + noise
    return (v / std**2 - 1 - math.log(v / std**2) + (m - mean) ** 2 / std**2) / 2


@pytest.mark.parametrize("n", KL)
def test_kl_on_one_gaussian(n):
    """The SDE forgets that it began at N(0, 1) instead of at p_1; the ODE carries the difference along: a floor."""
    of_sde, of_ode = exact_kl(sde.euler_maruyama, n), exact_kl(sde.pf_ode, n)
    assert (of_sde, of_ode) == (pytest.approx(KL[n][0], rel=0.1), pytest.approx(KL[n][1], rel=0.1))


def sampled_kl(x, mean=0.5, std=0.5):
    """KL of a Gaussian of the sample's moments to the data; what sampling adds is about 1 / count."""
    m, v = x.mean().item(), x.var().item()
    return (v / std**2 - 1 - math.log(v / std**2) + (m - mean) ** 2 / std**2) / 2


def test_a_corrector_mends_a_score_of_the_wrong_size_and_nothing_else():
    """At 400 network calls each: a score 5% too long, the exact one, one pushed aside by 5% of the noise."""
    data = oracle.GaussianMixture(torch.tensor([[0.5]], dtype=torch.float64), 0.5)
    eps = lambda x, level: (x - level.alpha * data.denoise(x, level)) / level.sigma
    wrong = {"exact": (1.0, 0.0), "long": (1.05, 0.0), "aside": (1.0, 0.05)}

    def kl(walk, n, scale, shift):
        denoise = lambda x, level: (x - level.sigma * (scale * eps(x, level) + shift)) / level.alpha
        return sampled_kl(samplers.last(walk(denoise, normal(10_000, 1), VP, times(n), seeded(5))))
    without = {name: kl(sde.euler_maruyama, 400, *error) for name, error in wrong.items()}
    with_it = {name: kl(sde.predictor_corrector, 200, *error) for name, error in wrong.items()}
    assert with_it["long"] < without["long"] / 2
    assert without["exact"] < with_it["exact"] < without["long"] / 4
    assert with_it["aside"] > without["aside"]


# What is drawn.

def p_value(x, y, count: int = 199, width: float = 0.5, rows: int = 1024) -> float:
    """The share of random relabellings whose squared MMD is at least that of x against y. Gretton et al. 2012.

    With signs s = +1 for x, -1 for y the statistic is s^T K s, K the Gaussian kernel of all points, made by rows.
    """
    both = torch.cat([x, y])
    signs = torch.cat([torch.ones(len(x)), -torch.ones(len(y))])
    shuffles = [signs[torch.randperm(len(signs), generator=seeded(i))] for i in range(count)]
    labels = torch.stack([signs, *shuffles], 1)
    found = torch.zeros(count + 1)
    for part, own in zip(both.split(rows), labels.split(rows)):
        kernel = torch.cdist(part, both).square_().div_(-2 * width**2).exp_()
        found += (own * (kernel @ labels)).sum(0)
    return (found >= found[0]).float().mean().item()


def drawn(walk, n, count):
    x = torch.randn(count, 2, generator=seeded(1))
    return samplers.last(walk(oracle.ring(dtype=torch.float32).denoise, x, VP, times(n), seeded(2)))


@pytest.mark.parametrize("walk", [sde.euler_maruyama, sde.pf_ode], ids=["sde", "ode"])
def test_sde_and_ode_have_the_marginals_of_the_data(walk):
    data = RING.sample(4096, seeded(3)).float()
    assert p_value(drawn(walk, 1000, 4096), data) > 0.01


@pytest.mark.parametrize("walk, n", [(sde.euler_maruyama, 10), (sde.pf_ode, 4)], ids=["sde", "ode"])
def test_and_too_few_steps_have_not(walk, n):
    assert p_value(drawn(walk, n, 1024), RING.sample(1024, seeded(3)).float()) < 0.01


# Boundaries.

@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1,), (3, 2), (2, 1, 4, 4), (0, 2)])
def test_walks_keep_shape_dtype_and_device(shape, dtype, device):
    x = torch.ones(shape, dtype=dtype, device=device)
    for schedule, ts in ((VP, [1.0, 0.5, 0.0]), (LINEAR, [999, 10, 0]), (levels.edm(), [1.0, 0.0])):
        for walk in WALKS.values():
            states = list(walk(lambda x, level: 0.5 * x, x, schedule, ts))
            assert len(states) == len(ts) - 1 and (x == 1).all()
            assert all((s.shape, s.dtype, s.device) == (x.shape, dtype, x.device) for s in states)
    end, = sde.pf_ode_adaptive(lambda x, level: 0.5 * x, x, VP, [1.0, 0.5])
    assert (end.shape, end.dtype, end.device) == (x.shape, dtype, x.device)


def test_a_walk_leaves_gradients_and_the_global_generator_alone():
    state = torch.get_rng_state()
    for walk in WALKS.values():
        for x in walk(RING.denoise, normal(4, 2).requires_grad_(), VP, times(3), seeded()):
            assert torch.is_grad_enabled() and not x.requires_grad
    assert torch.equal(state, torch.get_rng_state())


def lost_half_way(x, level):
    return torch.full_like(x, math.nan) if level.lam > 0 else 0.5 * x


@pytest.mark.filterwarnings("ignore:overflow|invalid")
@pytest.mark.parametrize("method", ["DOP853", "RK45", "Radau"])
def test_the_adaptive_solver_says_that_it_did_not_arrive(method):
    with pytest.raises(ValueError, match="the adaptive solver stopped at lam = ") as caught:
        samplers.last(sde.pf_ode_adaptive(lost_half_way, X, VP, [1.0, 1e-3], method=method))
    assert "\n" not in str(caught.value)


X = torch.zeros(2, 2)


@pytest.mark.parametrize("call, says", [
    (lambda: samplers.last(sde.euler_maruyama(RING.denoise, X, VP, [1.0])), "fall strictly, two of them or more"),
    (lambda: samplers.last(sde.pf_ode(RING.denoise, X, VP, [0.5, 0.5])), "fall strictly"),
    (lambda: samplers.last(sde.predictor_corrector(RING.denoise, X, VP, [0.1, 0.5])), "fall strictly"),
    (lambda: samplers.last(sde.euler_maruyama(RING.denoise, X, VP, [1.5, 0.5])), r"within this schedule's \[0, 1\]"),
    (lambda: samplers.last(sde.pf_ode(RING.denoise, X, LINEAR, [999, float("nan")])), "fall strictly"),
    (lambda: samplers.last(sde.forward(X, VP, [0.5, 0.1])), "rise strictly"),
    (lambda: samplers.last(sde.euler_maruyama(RING.denoise, X, levels.flow(), [1.0, 0.5])), "alpha = 0"),
    (lambda: samplers.last(sde.pf_ode_adaptive(RING.denoise, X, VP, [1.0, 0.0])), "sigma > 0 all along"),
    (lambda: samplers.last(sde.pf_ode_adaptive(RING.denoise, X, levels.flow(), [1.0, 0.5])), "alpha > 0"),
    (lambda: levels.zero_snr(levels.flow()), "table"),
])
def test_bad_input_is_one_sentence(call, says):
    with pytest.raises(ValueError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)
