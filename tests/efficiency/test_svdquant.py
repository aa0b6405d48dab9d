"""SVDQuant: what smoothing and the branch buy with outliers and without, its storage, and whole nets through `swap`."""
import math

import pytest
import torch
from torch import nn

from effml_lab.bench import unet
from effml_lab.diffusion import levels
from effml_lab.diffusion.denoise import Denoiser
from effml_lab.efficiency import calibrate, quant, svdlinear, svdquant, swap
from effml_lab.nets.unet import UNet

COARSE = [None] + [(a, 1 - a) for a in (0.3, 0.5, 0.8, 0.95)]


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def bed(outliers: int, width: int = 512) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights, inputs to calibrate with and inputs to measure on; some input channels thirty times as loud."""
    w, x = randn(width, width) / math.sqrt(width), randn(2048, width, seed=1)
    x[:, torch.randperm(width, generator=torch.Generator().manual_seed(2))[:outliers]] *= 30
    return w, x[:1024], x[1024:]


def error(w, held, split, mode="w4a4"):
    return svdquant.relative(svdquant.apply(held, split, mode), held @ w.T)


@pytest.fixture(scope="module")
def errors():
    w, fitted, held = bed(8)
    ways = {"plain": (0, [None]), "svd": (32, [None]), "smooth": (0, svdquant.EXPONENTS), "both": (32, svdquant.EXPONENTS)}
    return {name: error(w, held, svdquant.search(w, fitted, rank, "w4a4", tried)) for name, (rank, tried) in ways.items()}


def test_with_outliers_both_moves_are_needed(errors):
    assert errors["both"] <= 0.25 * errors["plain"] and errors["both"] <= 0.5 * errors["smooth"]
    assert errors["plain"] > errors["svd"] > errors["smooth"] > errors["both"]


def test_without_outliers_there_is_little_to_gain():
    w, fitted, held = bed(0)
    plain, both = (error(w, held, svdquant.search(w, fitted, rank, "w4a4", COARSE)) for rank in (0, 32))
    assert 0.8 <= both / plain <= 1.0


@pytest.mark.parametrize("mode", list(svdquant.MODES))
def test_the_error_falls_with_the_rank(mode):
    w, fitted, held = bed(8, 256)
    found = [error(w, held, svdquant.search(w, fitted, rank, mode, COARSE, rounds=4), mode) for rank in (0, 8, 32, 64)]
    assert found == sorted(found, reverse=True)


def test_the_branch_changes_which_smoothing_is_best():
    w, fitted, held = bed(8, 256)
    alone = svdquant.search(w, fitted, 0, exponents=svdquant.EXPONENTS)
    then = svdquant.Split(alone.smooth, *svdquant.lowrank_residual(w * alone.smooth, 32))
    assert error(w, held, svdquant.search(w, fitted, 32)) < 0.9 * error(w, held, then)


def test_smoothing_is_exact_before_rounding():
    w, x, _ = bed(8)
    s = svdquant.smooth_scale(x, w)
    assert svdquant.relative((x.double() / s) @ (w.double() * s).T, x.double() @ w.double().T) < 1e-12
    assert svdquant.relative((x / s) @ (w * s).T, x @ w.T) < 1e-6
    shared = svdquant.smooth_scale(x, w, share=4)
    assert torch.equal(shared, shared.view(-1, 4)[:, :1].expand(-1, 4).flatten())


def test_turns_of_branch_and_codes_help_and_never_hurt():
    w = randn(256, 256)
    missed = lambda rounds: (lambda up, down, rest: (w - up @ down - rest.dense()).norm())(
        *svdquant.lowrank_residual(w, 32, "w4a4", rounds))
    assert missed(20) < 0.98 * missed(1)


def test_a_branch_is_close_to_the_best_of_its_rank():
    w = randn(200, 8) @ randn(8, 300, seed=1) + 0.1 * randn(200, 300, seed=2)
    up, down = svdquant.lowrank(w, 8)
    u, s, v = torch.linalg.svd(w)
    assert (w - up @ down).norm() <= 1.001 * s[8:].norm()
    assert torch.equal(up, svdquant.lowrank(w, 8)[0])


def test_two_levels_fit_eight_bits_and_beat_one():
    w = randn(64, 300) * torch.rand(64, 1, generator=torch.Generator().manual_seed(3))
    two = svdquant.two_level(w)
    whole = two.codes.unflatten(1, (-1, 64)).int() * two.multiplier[..., None]
    assert two.multiplier.min() >= 1 and two.multiplier.max() <= 16 and -128 <= whole.min() and whole.max() <= 127
    one = svdquant.grouped(w)
    assert one.codes.abs().max() == 7
    assert (two.dense()[:, :300] - w).norm() < (one.dense()[:, :300] - w).norm()


@pytest.mark.parametrize("mode", list(svdquant.MODES))
@pytest.mark.parametrize("width", [256, 1024, 3072])
def test_bytes_are_those_of_the_closed_form(width, mode):
    linear, rank = nn.Linear(width, width), 32
    split = svdquant.Split(torch.ones(width), torch.zeros(width, rank), torch.zeros(rank, width),
                           svdquant.MODES[mode](torch.ones(1, width)))
    rest = svdquant.Weights(*(part if part is None else part.expand(width, -1) for part in split.rest))
    layer = svdlinear.SVDQuantLinear(split._replace(rest=rest), linear.bias, mode)
    scales = {"w4a4": 2 * width * width // 64, "w4a8": width * width // 64 + 2 * width}[mode]
    assert quant.bytes_of(layer) == width * width // 2 + scales + 2 * width + 2 * rank * 2 * width + 2 * width


def test_padding_is_stored_and_changes_nothing():
    linear, x = nn.Linear(200, 30), randn(9, 200)
    layer = svdlinear.SVDQuantLinear.from_linear(linear, x, 20, "w4a8", exponents=COARSE)
    assert layer.codes.shape == (30, 128) and layer.up.shape == (30, 32) and layer.down.shape == (32, 200)
    codes = quant.unpack(layer.codes, 8)
    assert not codes[:, 200:].any() and svdquant.relative(layer(x), linear(x)) < 0.1


@pytest.mark.parametrize("mode", list(svdquant.MODES))
def test_the_module_is_what_was_searched_and_keeps_its_bias(mode):
    w, fitted, held = bed(8, 256)
    linear = nn.Linear(256, 256)
    linear.weight.data, split = w, svdquant.search(w, fitted, 16, mode, COARSE)
    layer = svdlinear.SVDQuantLinear.from_linear(linear, fitted, 16, mode, exponents=COARSE)
    want = svdquant.apply(held, split, mode) + linear.bias
    assert svdquant.relative(layer(held), want) < 2e-3                  # the branch is kept in 16 bits
    assert layer(held.view(4, 256, 256)).shape == (4, 256, 256)
    torch.testing.assert_close(layer.bias.float(), linear.bias, atol=1e-3, rtol=0)
    again = svdlinear.SVDQuantLinear(split, linear.bias, mode)
    again.load_state_dict(layer.state_dict())
    assert torch.equal(again(held), layer(held))


def test_rank_zero_no_bias_and_bfloat16():
    linear, x = nn.Linear(128, 40, bias=False, dtype=torch.bfloat16), randn(6, 128).bfloat16()
    layer = svdlinear.SVDQuantLinear.from_linear(linear, x, 0, exponents=COARSE)
    assert layer.bias is None and layer.up.shape == (40, 0) and layer.up.dtype == torch.bfloat16
    assert layer(x).dtype == torch.bfloat16 and svdquant.relative(layer(x).float(), linear(x).float()) < 0.3


def test_a_lora_is_ranks_beside_the_branch():
    w, fitted, held = bed(8, 256)
    linear = nn.Linear(256, 256)
    linear.weight.data = w
    layer = svdlinear.SVDQuantLinear.from_linear(linear, fitted, 16, exponents=COARSE)
    before, codes = layer(held), layer.codes.clone()
    a, b = (0.1 * randn(256, 4)).half().float(), (0.1 * randn(4, 256, seed=1)).half().float()
    layer.add_lora(a, b)
    assert svdquant.relative(layer(held), before + held @ (a @ b).T) < 1e-4
    assert torch.equal(layer.codes, codes) and layer.up.shape[1] == 32


@pytest.mark.parametrize("call, told", [
    (lambda: svdquant.search(randn(8, 16), randn(4, 16), rank=9), "choose 0 to 8"),
    (lambda: svdquant.search(randn(8, 16), randn(4, 16), mode="w3"), "choose one of w4a4, w4a8"),
    (lambda: svdquant.search(randn(8, 16), randn(4, 16).fill_(torch.nan), rank=0), "NaN"),
    (lambda: svdlinear.SVDQuantConv2d.from_conv(nn.Conv2d(4, 4, 3, groups=2), randn(1, 4, 8, 8)), "one group"),
    (lambda: svdquant.search(randn(8, 16), randn(4, 12)), r"inputs \(rows, 16\)"),
    (lambda: svdquant.search(randn(8, 16), randn(0, 16)), "at least one"),
    (lambda: svdlinear.SVDQuantLinear.from_linear(nn.ReLU(), randn(4, 4)), "a ReLU is not quantized here"),
    (lambda: svdlinear.SVDQuantConv2d.from_conv(nn.Linear(4, 4), randn(4, 4)), "give a Conv2d"),
    (lambda: svdlinear.SVDQuantLinear.from_linear(nn.Linear(4, 4), randn(4, 4), 0)(torch.ones(2, 4).int()), "floating-point"),
    (lambda: svdlinear.SVDQuantLinear.from_linear(nn.Linear(4, 4), randn(4, 4), 0)(torch.ones(2, 5)), r"\(\.\.\., 4\)"),
    (lambda: calibrate.chosen([], "best"), "choose one of noise"),
    (lambda: swap.swap(nn.Sequential(nn.Linear(4, 4)), {}), "never reached 0")])
def test_bad_input_gets_one_sentence(call, told):
    with pytest.raises(ValueError, match=told) as caught:
        call()
    assert "\n" not in str(caught.value)


class Block(nn.Module):
    """A block of a diffusion transformer: attention and MLP, each shifted and scaled by the condition."""

    def __init__(self, width: int):
        super().__init__()
        self.modulate, self.qkv, self.out = nn.Linear(width, 4 * width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.enter, self.leave = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x, emb):
        shift, scale, moved, sized = self.modulate(emb)[:, None].chunk(4, -1)
        norm = lambda h: torch.nn.functional.layer_norm(h, h.shape[-1:])
        q, k, v = self.qkv(norm(x) * (1 + scale) + shift).chunk(3, -1)
        x = x + self.out(torch.nn.functional.scaled_dot_product_attention(q, k, v))
        return x + self.leave(torch.nn.functional.gelu(self.enter(norm(x) * (1 + sized) + moved)))


class DiT(nn.Module):
    def __init__(self, width: int = 64):
        super().__init__()
        self.patch, self.time = nn.Conv2d(3, width, 2, 2), nn.Linear(1, width)
        self.blocks, self.last = nn.ModuleList(Block(width) for _ in range(2)), nn.Linear(width, 12)

    def forward(self, x, t):
        emb, h = self.time(t[:, None] / 1000), self.patch(x)
        tokens = h.flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens, emb)
        return nn.functional.pixel_shuffle(self.last(tokens).transpose(1, 2).unflatten(2, h.shape[2:]), 2)


def peer():
    """diffusers' UNet2DModel."""
    pytest.importorskip("diffusers")
    return unet.Sample(unet.peer(8, 3, (32, 32), 1, attention=(False, True)))


def visited(net, shape=(6, 3, 8, 8)):
    denoise, schedule = Denoiser(net, "eps"), levels.linear()
    x = randn(*shape)
    return denoise, calibrate.chosen(calibrate.trajectory(denoise, x, schedule.grid(8, "trailing")), "uniform", 6)


@pytest.mark.parametrize("mode", list(svdquant.MODES))
@pytest.mark.parametrize("make", [DiT, lambda: UNet(3, (32, 32), 1, attention=(False, True)), peer], ids=["dit", "unet", "peer"])
def test_a_whole_net_is_swapped(make, mode):
    torch.manual_seed(0)
    net = make()
    for p in net.parameters():                                          # a fresh net predicts zero
        nn.init.normal_(p, std=0.05)
    denoise, batches = visited(net)
    kept = {key: value.clone() for key, value in net.state_dict().items()}
    where = lambda name, layer: min(layer.weight.shape[:2]) >= 32 and "time_" not in name       # theirs reads a weight's dtype
    seen = calibrate.calibrate(denoise, net, batches)
    made, rows = swap.swap(net, seen, where, rank=16, mode=mode, exponents=COARSE, rounds=2)
    assert all(torch.equal(value, kept[key]) for key, value in net.state_dict().items())
    named = {name for name, layer in calibrate.layers(net).items() if where(name, layer)}
    assert {row.name for row in rows} == named and len(rows) > 5
    for row in rows:
        old, new = net.get_submodule(row.name), made.get_submodule(row.name)
        assert isinstance(new, svdlinear.SVDQuantLinear) and 0 < row.error < 0.5
        assert row.bytes < row.before or old.weight[0].numel() < 64     # which are filled up to 128
        assert new.bias is not None and torch.allclose(new.bias.float(), old.bias, atol=1e-3)
    x, t = randn(2, 3, 8, 8, seed=4), torch.tensor([10.0, 900.0])
    assert made(x, t).isfinite().all() and svdquant.relative(made(x, t), net(x, t)) < 0.5
    level = batches[0][1]
    assert svdquant.relative(Denoiser(made)(x, level), denoise(x, level)) < 0.5


def test_calibrating_leaves_no_hook_behind_and_thins_out_rows():
    net = DiT(32)
    denoise, batches = visited(net)
    seen = calibrate.calibrate(denoise, net, batches, keep=10)
    assert all(len(rows) <= 6 * 10 for name, rows in seen.items() if name != "patch") and seen["patch"].ndim == 4
    with pytest.raises(RuntimeError):
        calibrate.calibrate(denoise, net, [(randn(2, 5, 8, 8), batches[0][1])])
    assert not any(layer._forward_pre_hooks for layer in net.modules())


def test_strategies_pick_their_times():
    visits = list(range(100))
    rng = torch.Generator().manual_seed(0)
    assert calibrate.chosen(visits, "noise", 3) == [0, 0, 0] and calibrate.chosen(visits, "clean", 2) == [99, 99]
    assert calibrate.chosen(visits, "uniform", 3) == [0, 50, 99]
    picked = torch.tensor(calibrate.chosen(visits, "ndtc", 2000, rng)).float()
    assert 55 < picked.median() < 65 and (picked == 99).float().mean() > 0.15
