"""Levels, schedules and grids: published constants, exact tables, inverses, every spacing, and bad input."""
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from effml_lab.diffusion import levels
from effml_lab.diffusion.samplers import ddim, last, start

TABLES = {"linear": levels.linear(), "scaled_linear": levels.scaled_linear(), "cosine": levels.cosine()}
SCHEDULES = TABLES | {"edm": levels.edm(), "flow": levels.flow(), "vp_sde": levels.vp_sde()}


def test_constants_of_the_published_schedules():
    linear, scaled, cosine = (TABLES[k] for k in TABLES)
    assert linear(999).alpha ** 2 == pytest.approx(4.036e-5, rel=1e-3)
    assert (linear(999).alpha, scaled(999).alpha) == (pytest.approx(0.00635, abs=5e-6), pytest.approx(0.0683, abs=5e-5))
    assert (linear(999).lam, linear(0).lam) == (pytest.approx(-5.059, abs=5e-4), pytest.approx(4.605, abs=5e-4))
    assert (cosine(999).lam, cosine(0).lam) == (pytest.approx(-9.92, abs=5e-3), pytest.approx(5.05, abs=5e-3))
    assert cosine(999).alpha ** 2 == pytest.approx(2.4e-9, rel=0.02) and cosine.lams[0] == -5.1


def test_tables_are_exact_at_integers():
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    abar = torch.cumprod(1 - betas, 0)
    level = levels.linear()(torch.arange(1000), like=abar)
    torch.testing.assert_close(level.alpha, abar.sqrt(), rtol=1e-13, atol=0)
    torch.testing.assert_close(level.sigma, (1 - abar).sqrt(), rtol=1e-13, atol=0)
    one = levels.linear()(777)
    assert all(isinstance(field, float) for field in one) and one.t == 777.0
    assert one.alpha == pytest.approx(abar[777].sqrt().item(), rel=1e-13)


def test_a_short_table_still_ends_in_noise():
    for steps in (20, 50, 100, 250):
        assert levels.linear(steps)(steps - 1).alpha < 0.01


@pytest.mark.parametrize("steps, least", [(levels.linear, 20), (levels.scaled_linear, 12)])
def test_a_table_too_short_for_its_betas_says_from_where_on_it_is_not(steps, least):
    assert len(steps(least).grid(least, "trailing")) == least + 1
    for short in (1, 2, 10, least - 1):
        with pytest.raises(ValueError, match=rf"take {least} steps or more, or cosine") as caught:
            steps(short)
        assert "\n" not in str(caught.value)
    assert levels.cosine(10)(9).alpha < 0.01


def test_diffusers_stand_in_for_pure_noise_is_pure_noise():
    """Where betas are rescaled to zero SNR its Euler, DPM and UniPC schedulers write 2^-24 over the last alpha-bar, 0."""
    abar = levels.zero_snr(levels.linear())(torch.arange(1000), like=torch.zeros((), dtype=torch.float64)).alpha ** 2
    assert abar[-1] == 0 and abar[-2] < 2**-24                 # so that the table as they give it rises at its end
    patched = abar.clone()
    patched[-1] = 2**-24
    schedule = levels.from_alphas_cumprod(patched.float())
    assert schedule(999) == (999.0, 0.0, 1.0) and schedule(998).alpha == pytest.approx(abar[-2].sqrt().item(), rel=1e-6)
    falls = torch.tensor([0.5, 1e-3, 2**-24])
    assert levels.from_alphas_cumprod(falls)(2).alpha == pytest.approx(2**-12)
    for table in ([0.5, 1e-3, 1e-3], [0.5, 0.6, 2**-24], [0.5, 0.0, 0.0]):
        with pytest.raises(ValueError, match="strictly falling"):
            levels.from_alphas_cumprod(torch.tensor(table))


@pytest.mark.parametrize("name", ["EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler",
                                  "DPMSolverMultistepScheduler", "UniPCMultistepScheduler"])
def test_schedulers_of_diffusers_with_zero_snr_are_read(name):
    diffusers = pytest.importorskip("diffusers")
    peer = getattr(diffusers, name)(beta_schedule="linear", beta_start=1e-4, beta_end=0.02, rescale_betas_zero_snr=True)
    schedule, ours = levels.from_alphas_cumprod(peer.alphas_cumprod), levels.zero_snr(levels.linear())
    assert schedule(999).lam == -math.inf
    for t in (0, 500, 900, 990):
        assert schedule(t).alpha == pytest.approx(ours(t).alpha, rel=2e-3)


def test_a_device_without_float64_gets_its_levels_from_the_cpu(monkeypatch):
    t, schedule = torch.tensor([3, 999]), levels.linear()
    usual = schedule(t)
    monkeypatch.setattr(levels, "NO_FLOAT64", ("cpu",))
    moved, cpu = [], torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: moved.append(self) or cpu(self))
    for ours, theirs in zip(schedule(t), usual):
        assert torch.equal(ours, theirs) and ours.device == t.device
    assert len(moved) == 1


@pytest.mark.parametrize("name", SCHEDULES)
def test_each_family_keeps_its_law(name):
    schedule = SCHEDULES[name]
    for level in schedule.grid(20, "lambda", clean=False):
        total = {"edm": level.alpha, "flow": level.alpha + level.sigma}.get(name, math.hypot(level.alpha, level.sigma))
        assert total == pytest.approx(1, abs=1e-14)
        assert name != "edm" or level.t == pytest.approx(math.log(level.sigma) / 4)
        assert name != "flow" or level.t == pytest.approx(level.sigma)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(list(SCHEDULES)), share=st.floats(0, 1))
def test_at_inverts_the_schedule(name, share):
    schedule = SCHEDULES[name]
    lam = schedule.lams[0] + share * (schedule.lams[1] - schedule.lams[0])
    level = schedule.at(lam)
    assert level.lam == pytest.approx(lam, abs=1e-9)
    again = schedule(level.t)
    assert (again.alpha, again.sigma) == (pytest.approx(level.alpha, rel=1e-9), pytest.approx(level.sigma, rel=1e-9))


@settings(max_examples=40, deadline=None)
@given(shape=st.lists(st.integers(1, 4), max_size=3),
       dtype=st.sampled_from([torch.float32, torch.float64, torch.int64]),
       like=st.sampled_from([None, torch.float32, torch.float64, torch.float16]))
def test_a_tensor_of_times_gives_tensors_of_its_shape(shape, dtype, like):
    t = torch.randint(0, 1000, shape).to(dtype)
    level = levels.linear()(t, like=None if like is None else torch.zeros(1, dtype=like))
    dtype = like or torch.get_default_dtype()
    for field, own in zip(level, (torch.promote_types(dtype, torch.float32), dtype, dtype)):      # 16 bits have no 999
        assert field.shape == t.shape and field.device == t.device and field.dtype == own
    assert level.lam.shape == t.shape


def test_timesteps_are_those_of_diffusers():
    """leading and trailing are DDIMScheduler's, linspace DPMSolverMultistepScheduler's; ties in rounding included."""
    diffusers = pytest.importorskip("diffusers")
    schedule, doubled = levels.linear(), 0
    peers = {"leading": "DDIMScheduler", "trailing": "DDIMScheduler", "linspace": "DPMSolverMultistepScheduler"}
    for n in (1, 2, 4, 7, 10, 26, 48, 58, 61, 96, 102, 250, 333, 486, 500, 999):
        for name, cls in peers.items():
            peer = getattr(diffusers, cls)(timestep_spacing=name)
            peer.set_timesteps(n)
            theirs = peer.timesteps.tolist()
            doubled += theirs[-1] == -1                     # at n = 61 theirs has an entry too many: t = -1
            ours = schedule.grid(n, name)
            assert [level.t for level in ours[:-1]] == theirs[:n] and ours[-1] == levels.CLEAN
    assert doubled


def test_grids_have_n_steps_and_the_spacing_of_their_name():
    schedule = levels.linear()
    for n in (1, 2, 5, 40):
        for name in levels.SPACINGS:
            grid = schedule.grid(n, name)
            assert len(grid) == n + 1 and grid[-1].sigma == 0
            assert all(a.lam < b.lam for a, b in zip(grid, grid[1:]))
    lams = [level.lam for level in schedule.grid(16, "lambda", lam=(-5, 3), clean=False)]
    assert len(lams) == 17 and np.allclose(lams, np.linspace(-5, 3, 17), atol=1e-12)
    sigma = [level.sigma / level.alpha for level in levels.edm().grid(18, "karras")[:-1]]
    rho, i = 7, np.arange(18)
    assert np.allclose(sigma, (80 ** (1 / rho) + i / 17 * (0.002 ** (1 / rho) - 80 ** (1 / rho))) ** rho, rtol=1e-9)
    times = [level.t for level in schedule.grid(20, "quadratic")[:-1]]
    assert np.allclose(times[::-1], np.linspace(0, math.sqrt(800), 20) ** 2)
    assert [round(level.t, 9) for level in levels.flow().grid(4, "trailing")] == [1, 0.75, 0.5, 0.25, 0]


def test_zero_terminal_snr():
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    root = torch.cumprod(1 - betas, 0).sqrt()
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])           # keep the first, bring the last to 0
    schedule = levels.zero_snr(levels.linear())
    given = schedule(torch.arange(1000), like=root).alpha
    torch.testing.assert_close(given, root, rtol=0, atol=1e-12)
    assert schedule(999) == (999.0, 0.0, 1.0) and schedule(999).lam == -math.inf
    assert all(math.isfinite(lam) for lam in schedule.lams) and schedule.at(schedule.lams[0]).t == pytest.approx(998)
    grid = schedule.grid(10, "trailing")
    x = start((4, 1, 2, 2), grid, torch.Generator().manual_seed(0))
    end = last(ddim(lambda x, level: torch.full_like(x, 0.25), x, grid))
    assert (end == 0.25).all()
    with pytest.raises(ValueError, match="outside this schedule"):
        schedule.at(-20.0)


@pytest.mark.parametrize("call, says", [
    (lambda: levels.linear()(1000), "t must lie in"), (lambda: levels.linear()(float("nan")), "t must lie in"),
    (lambda: levels.linear()(torch.tensor([0, -1])), "t must lie in"),
    (lambda: levels.linear().at(9.0), "outside this schedule"),
    (lambda: levels.linear().grid(0), "at least one step"),
    (lambda: levels.linear().grid(4, "uniform"), "unknown spacing 'uniform': choose one of leading, "),
    (lambda: levels.linear().grid(4, "leading", clean=False), "leave clean=True"),
    (lambda: levels.linear().grid(4, lam=(3, -5)), "from the noisy end up to the clean one"),
    (lambda: levels.linear().grid(4, lam=(-20, 3)), "outside this schedule"),
    (lambda: levels.linear().grid(1001, "trailing"), "at least 1001 times"),
    (lambda: levels.linear().grid(1000, "linspace"), "at least 1001 times"),
    (lambda: levels.flow().grid(4, "leading"), "use spacing='lambda'"),
    (lambda: levels.edm().grid(4, "trailing"), "use 'lambda' or 'karras'"),
    (lambda: levels.from_alphas_cumprod(torch.tensor([0.5, 0.9])), "strictly falling"),
    (lambda: levels.from_alphas_cumprod(torch.tensor([1.0, 0.9])), "strictly falling"),
    (lambda: levels.from_betas(torch.tensor([0.1, float("nan")])), "every beta"),
    (lambda: levels.from_betas(torch.tensor([0.1, 2.0])), "every beta must lie in"),
])
def test_bad_input_is_one_sentence(call, says):
    with pytest.raises(ValueError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)
