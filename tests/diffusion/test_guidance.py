"""Guidance: what it computes, what it costs at the net, its two variants, and what it refuses.

Nets are made up; what they say is combined here again by the papers' formulas, in eps or v, and the NFE is counted as
rows at the net.
"""
import math

import pytest
import torch
from beds import LINEAR, normal

from effml_lab.diffusion import denoise as dn
from effml_lab.diffusion import levels, samplers
from effml_lab.diffusion.guidance import guided, rescaled, within
from effml_lab.diffusion.levels import Level

X, LEVEL = normal(3, 1, 2, 2), LINEAR(500)
COND, NULL = torch.tensor([1, 2, 3]), torch.tensor([0])


class Net:
    """tanh(x + condition), -0.7 where there is none; it keeps the number of rows of every call."""

    def __init__(self):
        self.rows = []

    def __call__(self, x, t, cond=None):
        self.rows.append(len(x))
        return torch.tanh(x - 0.7 if cond is None else x + cond.reshape(-1, 1, 1, 1))


def by_hand(w, null=0.0, x=X, level=LEVEL, cond=COND):
    """Ho and Salimans eq. 6 in eps, (1 + (w - 1)) with - (w - 1) without, turned into x0."""
    eps = w * torch.tanh(x + cond.reshape(-1, 1, 1, 1)) - (w - 1) * torch.tanh(x + null)
    return (x - level.sigma * eps) / level.alpha


@pytest.mark.parametrize("w, rows", [(0.0, [3]), (0, [3]), (1.0, [3]), (0.5, [6]), (3.0, [6]), (-1.0, [6])])
def test_guidance_is_the_formula_and_costs_what_it_says(w, rows):
    net = Net()
    torch.testing.assert_close(guided(dn.Denoiser(net), COND, NULL, w)(X, LEVEL), by_hand(w))
    assert net.rows == rows


@pytest.mark.parametrize("w, rows", [(0.0, [3]), (1.0, [3]), (3.0, [3, 3])])
def test_without_a_null_the_net_is_called_without_a_condition(w, rows):
    net = Net()
    torch.testing.assert_close(guided(dn.Denoiser(net), COND, None, w)(X, LEVEL), by_hand(w, null=-0.7))
    assert net.rows == rows


@pytest.mark.parametrize("null, rows", [(NULL, [6]), (None, [3, 3])])
@pytest.mark.parametrize("shape", [(3,), (3, 1, 1, 1)])
def test_a_weight_for_each_image(null, rows, shape):
    net, w = Net(), torch.tensor([0.0, 1.0, 4.0], dtype=torch.float64)
    ours = guided(dn.Denoiser(net), COND, null, w.reshape(shape))(X, LEVEL)
    each = torch.cat([by_hand(w[i].item(), 0.0 if null is not None else -0.7)[i:i + 1] for i in range(3)])
    torch.testing.assert_close(ours, each)
    assert net.rows == rows


@pytest.mark.parametrize("w, rows", [(torch.tensor(3.0), [6]), (torch.tensor([1.0]), [3]), (torch.tensor(0), [3])])
def test_a_weight_in_a_tensor_of_one_is_a_number(w, rows):
    net = Net()
    torch.testing.assert_close(guided(dn.Denoiser(net), COND, NULL, w)(X, LEVEL), by_hand(w.item()))
    assert net.rows == rows


def test_a_weight_for_each_image_of_another_dtype():
    x, w = X.float(), torch.tensor([2.0, 3.0, 4.0], dtype=torch.float64)
    assert guided(dn.Denoiser(Net()), COND, NULL, w)(x, LEVEL).dtype == torch.float32


@pytest.mark.parametrize("make", [guided, rescaled])
def test_a_level_for_each_image(make):
    """Distilling guidance trains at a time of each image's own: the two halves of the call have the same times."""
    t = torch.tensor([5.0, 500.0, 900.0], dtype=torch.float64)
    for null in (NULL, None):
        rows = torch.cat([make(dn.Denoiser(Net()), COND[i:i + 1], null, 3.0)(X[i:i + 1], LINEAR(t[i].item()))
                          for i in range(3)])
        torch.testing.assert_close(make(dn.Denoiser(Net()), COND, null, 3.0)(X, LINEAR(t.reshape(3, 1, 1, 1), like=X)), rows)


def test_no_image_at_all():
    x, none = X[:0], COND[:0]
    for w in (0.0, 1.0, 3.0, torch.zeros(0)):
        for cond in (COND[:1], none):
            assert guided(dn.Denoiser(Net()), cond, NULL, w)(x, LEVEL).shape == x.shape
    assert rescaled(dn.Denoiser(Net()), none, NULL, 3.0)(x, LEVEL).shape == x.shape


def test_a_condition_may_hold_several_tensors():
    x, level, seen = normal(3, 1, 2, 2), LINEAR(500), []

    def net(x, t, cond):
        seen.append([cond["words"].shape, cond["more"]["size"].shape])
        return torch.tanh(x + cond["words"].mean((1, 2)).reshape(-1, 1, 1, 1) * cond["more"]["size"].reshape(-1, 1, 1, 1))
    tell = lambda words, size: {"words": words, "more": {"size": size}}
    cond, null = tell(normal(3, 5, 2), torch.tensor([[2.0]])), tell(torch.zeros(1, 5, 2), torch.tensor([[3.0]]))
    denoise, rows = dn.Denoiser(net), tell(cond["words"], torch.full((3, 1), 2.0))
    with_cond, without = denoise(x, level, rows), denoise(x, level, tell(torch.zeros(3, 5, 2), torch.full((3, 1), 3.0)))
    torch.testing.assert_close(guided(denoise, cond, null, 3.0)(x, level), without + 3 * (with_cond - without))
    torch.testing.assert_close(guided(denoise, cond, null, 1.0)(x, level), with_cond)
    assert seen[-2:] == [[(6, 5, 2), (6, 1)], [(3, 5, 2), (3, 1)]]


# Lin et al. 2024, eq. 15-16, of what their nets predict, v: the deviation of each image over all its numbers.

def rescaled_by_hand(pos, neg, w, phi):
    cfg = neg + w * (pos - neg)
    std = lambda o: torch.stack([row.flatten().std() for row in o]).reshape(-1, 1, 1, 1)
    return phi * cfg * std(pos) / std(cfg) + (1 - phi) * cfg


@pytest.mark.parametrize("schedule", [LINEAR, levels.flow()], ids=["vp", "flow"])
@pytest.mark.parametrize("phi", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("pred", ["v", "eps", "x0", "flow"])
def test_rescaled_guidance_is_that_of_the_output_named(pred, phi, schedule):
    level, w, net = schedule.at(-0.4), 5.0, Net()
    o = rescaled_by_hand(torch.tanh(X + COND.reshape(-1, 1, 1, 1)), torch.tanh(X), w, phi)
    a, s = level.alpha, level.sigma
    x0 = {"v": (a * X - s * o) / (a**2 + s**2), "eps": (X - s * o) / a, "x0": o, "flow": (X - s * o) / (a + s)}[pred]
    ours = rescaled(dn.Denoiser(net, pred), COND, NULL, w, phi, pred)(X, level)
    torch.testing.assert_close(ours, x0)
    assert net.rows == [6]


def test_rescaling_is_diffusers_own():
    pipe = pytest.importorskip("diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion")
    pos, neg, w = torch.tanh(X + COND.reshape(-1, 1, 1, 1)), torch.tanh(X), 7.5
    eps = pipe.rescale_noise_cfg(neg + w * (pos - neg), pos, guidance_rescale=0.7)
    ours = rescaled(dn.Denoiser(Net()), COND, NULL, w, 0.7, "eps")(X, LEVEL)
    torch.testing.assert_close(ours, (X - LEVEL.sigma * eps) / LEVEL.alpha)


def test_rescaling_costs_nothing_where_there_is_nothing_to_rescale():
    net = Net()
    torch.testing.assert_close(rescaled(dn.Denoiser(net, "v"), COND, NULL, 1.0)(X, LEVEL),
                               guided(dn.Denoiser(Net(), "v"), COND, NULL, 1.0)(X, LEVEL))
    assert net.rows == [3]
    w = torch.tensor([1.0, 2.0, 5.0])
    each = torch.cat([rescaled(dn.Denoiser(Net(), "v"), COND, NULL, float(w[i]))(X, LEVEL)[i:i + 1] for i in range(3)])
    torch.testing.assert_close(rescaled(dn.Denoiser(Net(), "v"), COND, NULL, w)(X, LEVEL), each)
    flat = dn.Denoiser(lambda x, t, cond: 0 * x + cond.reshape(-1, 1, 1, 1), "v")           # no deviation at all
    assert rescaled(flat, COND, NULL, 3.0)(X, LEVEL).isfinite().all()


# Kynkaanniemi et al. 2024: w where sigma_lo < sigma <= sigma_hi, in EDM's sigma, which is ours over alpha.

@pytest.mark.parametrize("schedule", [LINEAR, levels.flow(), levels.edm()], ids=["vp", "flow", "edm"])
@pytest.mark.parametrize("ratio, w, rows", [(0.1, 1.0, [3]), (0.2999, 1.0, [3]), (0.31, 3.0, [6]), (1.9, 3.0, [6]),
                                            (2.1, 1.0, [3]), (40.0, 1.0, [3])])
def test_guidance_on_an_interval(ratio, w, rows, schedule):
    net, level = Net(), schedule.at(-math.log(ratio))
    denoise = dn.Denoiser(net)
    strong, plain = guided(denoise, COND, NULL, 3.0), guided(denoise, COND, NULL, 1.0)
    torch.testing.assert_close(within(strong, plain, 0.3, 2.0)(X, level), by_hand(w, level=level))
    assert net.rows == rows


def test_an_interval_is_open_below_and_closed_above_and_reaches_pure_noise():
    inside, outside = lambda x, level: x + 1, lambda x, level: x
    say = lambda level, low, high: (within(inside, outside, low, high)(X, level) == X + 1).all().item()
    assert not say(Level(0, 1.0, 0.5), 0.5, 2.0) and say(Level(0, 1.0, 2.0), 0.5, 2.0)
    pure = levels.zero_snr(LINEAR)(999)
    assert say(pure, 0.5, math.inf) and not say(pure, 0.5, 1e9)


def test_an_interval_in_a_run_costs_what_lies_in_it():
    net, grid = Net(), levels.edm().grid(10, "karras")
    denoise, cond = dn.Denoiser(net), torch.ones(3)
    wrapped = within(guided(denoise, cond, NULL, 3.0), guided(denoise, cond, NULL, 1.0), 0.3, 5.0)
    samplers.last(samplers.ddim(wrapped, samplers.start((3, 1, 2, 2), grid).double(), grid))
    inside = sum(0.3 < level.sigma <= 5.0 for level in grid[:-1])
    assert 0 < inside < 10 and sum(net.rows) == 3 * (10 + inside)


# What is refused.

WORDS = {"words": torch.zeros(3, 5, 2), "size": torch.ones(3, 1)}


def ask(cond=COND, null=NULL, w=3.0):
    return guided(dn.Denoiser(lambda x, t, cond=None: x), cond, null, w)(X, LEVEL)


@pytest.mark.parametrize("call, says", [
    (lambda: ask(WORDS, {"words": torch.zeros(1, 5, 2)}), "one form.*size.*words"),
    (lambda: ask({"words": torch.zeros(1, 5, 2)}, WORDS), "one form.*size.*words"),
    (lambda: ask(WORDS, NULL), "one form"), (lambda: ask(COND, WORDS), "one form"),
    (lambda: ask(WORDS | {"size": {"w": COND}}, WORDS), "one form"),
    (lambda: ask(WORDS, WORDS | {"words": torch.zeros(3, 7, 2)}), "one form.*5, 2.*7, 2"),
    (lambda: ask(torch.arange(2)), "a condition for each of the 3 images, or one for all, got 2"),
    (lambda: ask(null=torch.arange(6)), "a condition for each of the 3 images, or one for all, got 6"),
    (lambda: ask(torch.tensor(4)), "with a first dimension, .* got a tensor without one"),
    (lambda: ask(cond=None), "got NoneType"), (lambda: ask(cond=3), "tensors .* or dicts of them, got int"),
    (lambda: ask(w=torch.ones(2)), r"w must be a number or one for each of the 3 images"),
    (lambda: ask(w=torch.ones(3, 1)), r"w must be a number or one for each"),
    (lambda: ask(w=torch.ones(1, 1, 2, 2)), r"w must be a number or one for each"),
    (lambda: rescaled(dn.Denoiser(Net()), COND, NULL, 3.0, phi=1.5), "phi"),
    (lambda: rescaled(dn.Denoiser(Net()), COND, NULL, 3.0, pred="score"), "unknown prediction 'score'"),
    (lambda: within(ask, ask, 2.0, 0.3), "from low up to high, got 2 and 0.3"),
    (lambda: within(ask, ask, -1.0, 0.3), "from low up to high"),
    (lambda: within(ask, ask, 0.3, 2.0)(X, LINEAR(torch.full((3, 1, 1, 1), 500.0))), "one level for all"),
])
def test_bad_input_is_one_sentence(call, says):
    with pytest.raises(ValueError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)
