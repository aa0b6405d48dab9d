"""What a user does with a converted layer: casts, freezes, wakes and calls it as the layer that it replaces."""
import pytest
import torch
from torch import nn

from effml_lab.efficiency import quant, svdlinear, svdquant

QUICK = {"exponents": [(0.5, 0.5)], "rounds": 2}


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_a_frozen_layer_passes_gradients_on():
    layer = svdlinear.SVDQuantLinear.from_linear(nn.Linear(64, 32).requires_grad_(False), randn(9, 64), 16, **QUICK)
    x = randn(3, 64).requires_grad_()
    layer(x).sum().backward()
    assert x.grad.isfinite().all() and x.grad.any() and all(p.grad is None for p in layer.parameters())
    for made in (layer, quant.QuantLinear(nn.Linear(64, 32))):
        assert torch.equal(torch.compile(made, backend="aot_eager", fullgraph=True)(x), made(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_converted_layer_shares_no_memory_with_what_it_is_from(dtype):
    linear, conv = nn.Linear(64, 48, dtype=dtype), nn.Conv2d(4, 48, 3, dtype=dtype)
    rows, pictures = randn(9, 64), randn(2, 4, 8, 8)
    split = svdquant.search(linear.weight, rows, 16, **QUICK)
    half = svdquant.Split(split.smooth.half(), split.up.to(dtype), split.down.to(dtype), split.rest)
    for made in (svdlinear.SVDQuantLinear.from_linear(linear, rows, 16, **QUICK), quant.QuantLinear(linear),
                 svdlinear.SVDQuantConv2d.from_conv(conv, pictures, 16, **QUICK), quant.QuantConv2d(conv),
                 svdlinear.SVDQuantLinear(half, linear.bias, "w4a4", dtype)):
        theirs = {t.untyped_storage().data_ptr() for t in (*linear.parameters(), *conv.parameters(), *half[:3])}
        mine = [t.untyped_storage().data_ptr() for t in made.state_dict().values()]
        assert not theirs & set(mine) and len(mine) == len(set(mine))
        made.double()
    assert linear.bias.dtype == conv.bias.dtype == dtype


@pytest.mark.parametrize("mode", list(svdquant.MODES))
def test_a_cast_changes_the_branch_alone(mode):
    linear, x = nn.Linear(200, 48), randn(9, 200)
    for layer, rounding in ((svdlinear.SVDQuantLinear.from_linear(linear, x, 16, mode, **QUICK), 2e-3),
                            (quant.QuantLinear(linear, 4, "group", act={"bits": 8, "per": "tensor"}, seen=x), 2e-4)):
        kept, want = {name: value.clone() for name, value in layer.named_buffers()}, layer(x)
        assert svdquant.relative(layer.double()(x.double()), want) < 1e-6
        assert svdquant.relative(layer.bfloat16().float()(x), want) < rounding
        assert all(torch.equal(value, kept[name]) and value.dtype == kept[name].dtype for name, value in layer.named_buffers())


def test_layers_take_what_theirs_take():
    linear, conv = nn.Linear(200, 48), nn.Conv2d(8, 12, 4, padding="same", dilation=(1, 2))
    rows, pictures = randn(64, 200), randn(6, 8, 9, 10)
    alike = lambda a, b: a.shape == b.shape and svdquant.relative(a, b) < 0.15
    for layer in (svdlinear.SVDQuantLinear.from_linear(linear, rows, 16, "w4a8", **QUICK),
                  svdlinear.SVDQuantLinear.from_linear(linear, rows[0], 16, "w4a8", **QUICK), quant.QuantLinear(linear)):
        for x in (rows[0], rows, rows.view(2, 4, 8, 200), rows[:0]):
            assert alike(layer(x), linear(x)) and alike(layer(input=x), linear(x))
    for moves in ({"padding": "same", "dilation": (1, 2)}, {"padding": "valid"}, {"padding": (2, 1), "stride": (2, 3)}):
        conv = nn.Conv2d(8, 12, (4, 3), **moves)
        for layer in (svdlinear.SVDQuantConv2d.from_conv(conv, pictures, 4, "w4a8", **QUICK),
                      svdlinear.SVDQuantConv2d.from_conv(conv, pictures[0], 4, "w4a8", **QUICK),
                      quant.QuantConv2d(conv, act={"bits": 8, "per": "tensor"}, seen=pictures, parts=(2, 6))):
            assert alike(layer(pictures), conv(pictures)) and alike(layer(input=pictures[0]), conv(pictures[0]))


@pytest.mark.parametrize("mode", list(svdquant.MODES))
@pytest.mark.parametrize("seed", range(3))
def test_a_channel_dead_in_calibration_is_an_ordinary_one_later(mode, seed):
    torch.manual_seed(seed)
    linear, x, held = nn.Linear(256, 128), randn(512, 256, seed=seed), randn(64, 256, seed=seed + 9)
    dead = x.clone()
    dead[:, [7, 50, 90]] = 0
    alive, woken = (svdquant.relative(svdlinear.SVDQuantLinear.from_linear(linear, rows, 16, mode, rounds=3)(held), linear(held))
                    for rows in (x, dead))
    assert woken < 1.05 * alive
    assert torch.equal(svdquant.smooth_scale(torch.zeros(4, 8), randn(3, 8)), torch.ones(8))


@pytest.mark.parametrize("mode", list(svdquant.MODES))
@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_inputs_of_any_size_are_smoothed(mode, size):
    linear, x, held = nn.Linear(128, 64, bias=False), randn(256, 128), randn(64, 128, seed=1)
    error = lambda by: svdquant.relative(svdlinear.SVDQuantLinear.from_linear(linear, by * x, 16, mode, rounds=2)(by * held),
                                         linear(by * held))
    assert error(size) < 1.1 * error(1)


def lora(a, b):
    return svdlinear.SVDQuantLinear.from_linear(nn.Linear(64, 32), randn(9, 64), 16, **QUICK).add_lora(a, b)


def scaled(by):
    linear = nn.Linear(64, 32)
    linear.weight.data *= by
    return linear


@pytest.mark.parametrize("call, told", [
    (lambda: lora(randn(32, 4).fill_(1e5), randn(4, 64)), "beyond torch.float16: divide it"),
    (lambda: lora(randn(32, 4), randn(5, 64)), r"b \(r, 64\), got \(32, 4\) and \(5, 64\)"),
    (lambda: lora(randn(31, 4), randn(4, 64)), r"a \(32, r\)"),
    (lambda: svdquant.two_level(randn(4, 64).fill_(torch.nan)), "NaN"),
    (lambda: svdlinear.SVDQuantLinear.from_linear(scaled(torch.nan), randn(9, 64), 0, "w4a8"), "NaN"),
    (lambda: svdlinear.SVDQuantLinear.from_linear(scaled(1e9), randn(9, 64), 16), "beyond torch.float16"),
    (lambda: quant.QuantLinear(scaled(1e-6)), "scales of 16 bits resolve"),
    (lambda: quant.QuantLinear(scaled(1e9)), "scales of 16 bits resolve"),
    (lambda: quant.QuantLinear(scaled(1), act={"bits": 8, "per": "tensor"}, seen=1e-7 * randn(9, 64)), "16 bits resolve"),
    (lambda: svdlinear.SVDQuantConv2d.from_conv(nn.Conv2d(3, 4, 3), randn(2, 3, 8, 8))(randn(2, 4, 8, 8)), r"\(B, 3, H, W\)")])
def test_bad_input_gets_one_sentence(call, told):
    with pytest.raises(ValueError, match=told) as caught:
        call()
    assert "\n" not in str(caught.value)
