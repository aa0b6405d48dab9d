"""What a network predicts, what it is trained on, and how a Denoiser turns that into a guess of x0."""
import math
from dataclasses import replace

import pytest
import torch
from beds import ABAR, DEVICES, LINEAR, abar_at, normal, seeded

from effml_lab.diffusion import denoise as dn
from effml_lab.diffusion import levels
from effml_lab.diffusion.levels import Level
from effml_lab.diffusion.step import step


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


def told_one_row(call, given):
    with pytest.raises(ValueError, match=r"needs the shape \(3, 1, 1, 1\)") as caught:
        call()
    assert str(given) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(3,), (3, 1), (1, 3, 1, 1), (3, 3), (1, 1, 1, 3), (2, 1, 1, 1)])
def test_levels_that_would_be_spread_over_the_wrong_axis_are_refused(shape):
    """Three levels beside (3, 1, 3, 3): torch would give each column of the pictures its own."""
    x, level = normal(3, 1, 3, 3), LINEAR(torch.full(shape, 400.0))
    told_one_row(lambda: dn.Denoiser(lambda x, t: x)(x, level), shape)
    told_one_row(lambda: dn.noised(x, level, x), shape)
    told_one_row(lambda: step(x, x, level, LINEAR(3)), shape)
    told_one_row(lambda: step(x, x, LINEAR(999), level), shape)


def test_one_level_for_all_and_one_for_each_are_taken():
    x, t = normal(3, 1, 3, 3), torch.tensor([5.0, 500.0, 900.0], dtype=torch.float64)
    by_hand = torch.stack([LINEAR(t[i].item()).alpha * x[i] + LINEAR(t[i].item()).sigma for i in range(3)])
    torch.testing.assert_close(dn.noised(x, LINEAR(t.reshape(3, 1, 1, 1), like=x), torch.ones_like(x)), by_hand)
    one = dn.noised(x, LINEAR(500), torch.ones_like(x))
    for shape in ((), (1,), (1, 1, 1, 1)):
        torch.testing.assert_close(dn.noised(x, LINEAR(t[1].reshape(shape), like=x), torch.ones_like(x)), one)
    flat = dn.noised(torch.ones(3, dtype=torch.float64), LINEAR(t, like=t), torch.zeros(3))      # rows of one number
    assert flat.tolist() == pytest.approx([math.sqrt(abar_at(int(t))) for t in t])


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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_loss_in_few_bits_still_tells_the_net_its_true_times(dtype):
    """bfloat16 has 8 bits: it would round half of the times, the last of them to 1000, outside the table."""
    seen = {}

    def net(x, t):
        seen.update(x=x, t=t)
        return torch.zeros_like(x)
    dn.loss(net, torch.ones(4000, 1, 1, 1, dtype=dtype), LINEAR, "x0", seeded())
    drawn = (torch.rand(4000, generator=seeded()) * 1000).floor()
    assert seen["x"].dtype == dtype and seen["t"].dtype == torch.promote_types(dtype, torch.float32)
    assert seen["t"].tolist() == drawn.tolist() and seen["t"].max() == 999
    level = LINEAR(drawn, like=torch.ones((), dtype=dtype))
    assert level.alpha.dtype == level.sigma.dtype == dtype
    torch.testing.assert_close(level.alpha, ABAR[drawn.long()].sqrt().to(dtype), rtol=1e-6, atol=0)


def test_training_is_refused_where_the_output_says_nothing_of_x0():
    """Zero terminal SNR leaves no alpha at the last time; EDM's preconditioning is defined at alpha = 1 only."""
    x0, net, zero = torch.zeros(2, 1, 2, 2), lambda x, t: x, levels.zero_snr(LINEAR)
    for pred, schedule in (("eps", zero), ("edm", LINEAR), ("edm", levels.flow())):
        with pytest.raises(ValueError, match=f"an {pred}-prediction says nothing of x0") as caught:
            dn.loss(net, x0, schedule, pred)
        assert "\n" not in str(caught.value)
    for pred, schedule in (("v", zero), ("x0", zero), ("flow", zero), ("eps", levels.flow()), ("eps", levels.vp_sde())):
        assert dn.loss(net, x0, schedule, pred).isfinite()


def test_no_image_at_all():
    x0, net = torch.zeros(0, 1, 4, 4), torch.nn.Conv2d(1, 1, 1)
    denoise = dn.Denoiser(lambda x, t: net(x))
    assert denoise(x0, LINEAR(5)).shape == x0.shape
    assert denoise(x0, LINEAR(torch.zeros(0, 1, 1, 1))).shape == x0.shape
    with pytest.raises(ValueError, match="one at least"):
        dn.loss(net, x0, LINEAR)


def test_forward_process_has_the_moments_of_eq_4():
    x0, n = 0.7, 200_000
    for t in (0, 300, 999):
        x = dn.noised(torch.full((n,), x0, dtype=torch.float64), LINEAR(t), normal(n, seed=t))
        mean, var = math.sqrt(abar_at(t)) * x0, 1 - abar_at(t)
        assert x.mean().item() == pytest.approx(mean, abs=4 * math.sqrt(var / n))
        assert x.var().item() == pytest.approx(var, rel=4 * math.sqrt(2 / n))


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


def test_a_net_may_be_cast_after_its_denoiser_is_made():
    seen = []

    class Net(torch.nn.Conv2d):
        def forward(self, x, t):
            seen.append(x.dtype)
            return super().forward(x)
    net, x = Net(1, 1, 1), torch.ones(2, 1, 4, 4)
    denoise = dn.Denoiser(net)
    for cast in (net.bfloat16, net.double, net.float):
        cast()
        with torch.no_grad():
            assert denoise(x, LINEAR(999)).dtype == x.dtype
    assert seen == [torch.bfloat16, torch.float64, torch.float32]


def test_a_denoiser_can_be_compiled_at_several_levels():
    """Floats that change from call to call become symbols there, and the whole must stay one graph."""
    net = torch.nn.Conv2d(1, 1, 1)
    denoise = dn.Denoiser(lambda x, t: net(x), "v")
    compiled = torch.compile(lambda x, level: denoise(x, level), backend="eager", fullgraph=True)
    for t in (5, 7, 300):
        torch.testing.assert_close(compiled(torch.ones(2, 1, 2, 2), LINEAR(t)), denoise(torch.ones(2, 1, 2, 2), LINEAR(t)))


def test_clipping_is_a_denoiser_too():
    denoise = dn.clipped(lambda x, level: 3 * x)
    assert denoise(torch.tensor([-1.0, 0.1, 1.0]), LINEAR(5)).tolist() == pytest.approx([-1, 0.3, 1])


def test_the_times_that_are_trained_on_can_be_chosen():
    told = []
    dn.loss(lambda x, t: told.append(t) or x, torch.zeros(500, 1), LINEAR, rng=seeded(0), times=lambda u: 0.9 + 0.1 * u)
    assert told[0].min() >= 900 and told[0].max() <= 999
