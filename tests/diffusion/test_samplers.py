"""What holds of every sampler: shapes, types, devices, draws, gradients, and what each refuses."""
import pytest
import torch
from beds import DEVICES, LINEAR, normal, seeded, wavy
from hypothesis import given, settings
from hypothesis import strategies as st

from effml_lab.diffusion import denoise as dn
from effml_lab.diffusion import levels, oracle, samplers
from effml_lab.diffusion.levels import Level


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", samplers.SAMPLERS)
def test_samplers_keep_shape_dtype_and_device(name, device):
    @settings(max_examples=12, deadline=None)
    @given(shape=st.lists(st.integers(0, 3), min_size=1, max_size=4), n=st.integers(1, 4),
           dtype=st.sampled_from([torch.float32, torch.float64]))
    def keeps(shape, dtype, n):
        x = torch.zeros(shape, dtype=dtype, device=device)
        states = list(samplers.SAMPLERS[name](lambda x, level: 0.5 * x, x, LINEAR.grid(n, "trailing")))
        assert len(states) == n and (x == 0).all()
        for state in states:
            assert (state.shape, state.dtype, state.device) == (x.shape, x.dtype, x.device)
    keeps()


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


X = torch.zeros(1, 1, 2, 2)
DOWN = [name for name in samplers.SAMPLERS if name != "ddim"]


def run(name, grid):
    return samplers.last(samplers.SAMPLERS[name](wavy, X, grid))


def refused(call, says):
    with pytest.raises(ValueError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", samplers.SAMPLERS)
def test_every_sampler_refuses_a_grid_that_turns_or_is_no_grid(name):
    refused(lambda: run(name, LINEAR.grid(4)[:1]), "two levels or more, got 1")
    refused(lambda: run(name, [LINEAR(5), LINEAR(900), LINEAR(0)]), "fall in noise from each level to the next")
    refused(lambda: run(name, [LINEAR(900), LINEAR(5), LINEAR(5)]), "fall in noise from each level to the next")


@pytest.mark.parametrize("name", DOWN)
def test_only_ddim_without_noise_goes_up(name):
    refused(lambda: run(name, LINEAR.grid(4, clean=False)[::-1]), "only ddim with eta = 0")


@pytest.mark.parametrize("call, says", [
    (lambda: run("ddim", LINEAR.grid(4)[::-1]), "cannot start at sigma = 0"),
    (lambda: samplers.last(samplers.ddim(wavy, X, LINEAR.grid(4, clean=False)[::-1], eta=1.0)), "rises in noise"),
    (lambda: samplers.last(samplers.ddpm(wavy, X, LINEAR.grid(4), "medium")), "unknown variance 'medium'"),
    (lambda: samplers.last(samplers.heun(wavy, X, LINEAR.grid(4), churn=1.0)), "pass at=schedule.at"),
    (lambda: samplers.last(samplers.heun(wavy, X, LINEAR.grid(4), LINEAR.at, churn=1.0)), "outside this schedule"),
    (lambda: samplers.last(samplers.ddim(lambda x, level: x / 0 * 0, X, LINEAR.grid(4))), "ended in NaN"),
    (lambda: samplers.last(iter(())), "made no step"),
    (lambda: dn.Denoiser(wavy, "score"), "unknown prediction 'score'"),
    (lambda: dn.Denoiser(lambda x, t: x)(X, Level(9.0, 0.0, 1.0)), "at alpha = 0 an eps-prediction"),
    (lambda: dn.Denoiser(lambda x, t: x)(X, Level(9, 0, 1)), "at alpha = 0 an eps-prediction"),
    (lambda: dn.Denoiser(lambda x, t: x, "edm")(X, LINEAR(500)), "edm alpha = 1"),
    (lambda: dn.loss(lambda x, t: x, X.to(torch.uint8), LINEAR), "floating-point images"),
    (lambda: dn.loss(lambda x, t: x, X, levels.edm(), "edm"), "finite range of t"),
])
def test_bad_input_is_one_sentence(call, says):
    refused(call, says)


@pytest.mark.parametrize("family", [levels.linear, levels.flow, levels.edm])
@pytest.mark.parametrize("variance", ["small", "large"])
def test_many_steps_of_ddpm_draw_the_data_on_every_family(family, variance):
    """On data N(0, 0.3^2) both variances come to 0.3 from their own side: the large one as that of the forward process."""
    schedule = family()
    data, grid = oracle.GaussianMixture(torch.zeros(1, 1, dtype=torch.float64), 0.3), schedule.grid(500, "lambda")
    x = samplers.start((20000, 1), grid, seeded(0)).double()
    spread = samplers.last(samplers.ddpm(data.denoise, x, grid, variance, seeded(1))).std().item()
    assert 0.294 < spread < 0.306
