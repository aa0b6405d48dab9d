"""Quantization: grids, who shares a scale, packed storage, and layers that keep their weights in 4 or 8 bits."""
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from effml_lab.efficiency import quant


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(rows=st.integers(1, 5), width=st.integers(1, 200), per=st.sampled_from(list(quant.PER)),
       bits=st.sampled_from([4, 8]), symmetric=st.booleans(), shift=st.floats(-3, 3))
@settings(max_examples=60, deadline=None)
def test_what_comes_back_is_within_half_a_step(rows, width, per, bits, symmetric, shift):
    x = randn(rows, width) + shift
    codes = quant.quantize(x, bits, per, symmetric)
    low, high = quant.limits(bits, symmetric)
    assert low <= codes.q.min() and codes.q.max() <= high
    back = quant.blocks(quant.dequantize(codes), per)
    step = codes.scale.float() * (1 if symmetric else 2)        # an asymmetric zero is rounded too: another half step
    assert ((back - quant.blocks(x, per)).abs() <= step / 2 * 1.01 + 2**-10 * x.abs().max()).all()
    assert quant.dequantize(codes).shape == x.shape


@pytest.mark.parametrize("bits, symmetric, ends", [(4, True, (-7, 7)), (8, True, (-127, 127)), (4, False, (-8, 7)),
                                                   (8, False, (-128, 127))])
def test_the_extremes_get_the_outermost_codes(bits, symmetric, ends):
    x = torch.linspace(-2, 2, 41)[None]
    codes = quant.quantize(x, bits, "channel", symmetric)
    assert (codes.q.min().item(), codes.q.max().item()) == ends


def test_scales_are_shared_by_those_who_should():
    x = randn(3, 130)
    shapes = {per: tuple(quant.quantize(x, 8, per).scale.shape) for per in quant.PER}
    assert shapes == {"tensor": (1, 1, 1), "channel": (3, 1, 1), "token": (3, 1, 1), "group": (3, 3, 1)}
    loud = x.clone()
    loud[0, 0] = 100
    quiet = lambda per: (quant.rounded(loud, 4, per) - loud).abs()[2].max()
    assert quiet("tensor") > 10 * quiet("channel")


def test_blocks_of_zeros_stay_zeros():
    for per in quant.PER:
        assert not quant.rounded(torch.zeros(2, 70), 4, per).any()
        assert not quant.rounded(torch.zeros(2, 70), 8, per, symmetric=False).any()


def test_asymmetric_codes_use_the_side_that_is_there():
    x = randn(4, 256).relu()
    error = lambda symmetric: (quant.rounded(x, 4, "channel", symmetric) - x).square().mean()
    assert error(False) < 0.4 * error(True)


def test_a_static_scale_is_not_moved_by_what_comes():
    fixed = quant.fit(randn(64, 32), 8, "tensor")
    small, large = quant.quantize(0.1 * randn(4, 32), 8, "tensor", fixed=fixed), quant.quantize(
        9 * randn(4, 32), 8, "tensor", fixed=fixed)
    assert small.q.abs().max() < 20 and large.q.abs().max() == 127


@pytest.mark.parametrize("call, told", [
    (lambda: quant.fit(torch.full((2, 2), torch.nan)), "NaN"), (lambda: quant.fit(torch.ones(2), bits=3), "choose 4 or 8"),
    (lambda: quant.fit(torch.ones(2, 2), per="row"), "choose one of tensor, channel"),
    (lambda: quant.pack(torch.zeros(1, 64)), "multiple of 128"), (lambda: quant.pack(torch.full((1, 128), 9)), "-8 to 7"),
    (lambda: quant.Rounded({"per": "token"}, torch.ones(2, 2)), "per='tensor'"),
    (lambda: quant.QuantConv2d(torch.nn.Conv2d(4, 4, 3, groups=2)), "one group"),
    (lambda: quant.QuantLinear(torch.nn.SiLU()), "a SiLU is not quantized here: give a Linear"),
    (lambda: quant.QuantConv2d(torch.nn.Conv2d(4, 4, 3), act={"per": "token"}), "per='tensor'")])
def test_bad_input_gets_one_sentence(call, told):
    with pytest.raises(ValueError, match=told) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("offset", [0, 8])
def test_every_code_survives_packing(offset):
    q = torch.arange(-8, 8, dtype=torch.int8).repeat(3, 24)
    q = q[:, torch.randperm(q.shape[1], generator=torch.Generator().manual_seed(1))]
    packed = quant.pack(q, offset)
    assert packed.dtype == torch.uint8 and packed.numel() == q.numel() // 2
    assert torch.equal(quant.unpack(packed, offset), q)


def test_the_layout_is_planes_of_whole_groups():
    q = (torch.arange(256) % 16 - 8).to(torch.int8)[None]
    packed = quant.pack(q, 8)[0]
    for pair, byte in ((0, 0), (0, 63), (1, 5)):
        low, high = (q[0, 128 * pair + half + byte].int() + 8 for half in (0, 64))
        assert packed[64 * pair + byte] == low + 16 * high
    assert quant.pack(torch.full((1, 128), -1))[0, 0] == 0xFF


@pytest.mark.parametrize("bits, per", [(4, "channel"), (4, "group"), (8, "channel"), (8, "group"), (8, "tensor")])
@pytest.mark.parametrize("width", [128, 200])
def test_a_layer_multiplies_what_its_codes_stand_for(bits, per, width):
    linear, x = torch.nn.Linear(width, 24), randn(5, width)
    layer = quant.QuantLinear(linear, bits, per)
    torch.testing.assert_close(layer(x), F.linear(x, quant.rounded(linear.weight, bits, per), linear.bias))
    groups = -(-width // 64)
    codes = 24 * (-(-width // 128) * 64 if bits == 4 else 64 * groups if per == "group" else width)
    scales = {"channel": 24, "group": 24 * groups, "tensor": 1}[per]
    assert quant.bytes_of(layer) == codes + 2 * scales + 4 * 24


def test_the_inputs_are_rounded_where_asked_and_the_state_holds_static_scales():
    linear, x = torch.nn.Linear(96, 8), randn(7, 96)
    dynamic = quant.QuantLinear(linear, act={"bits": 8, "per": "token"})
    static = quant.QuantLinear(linear, act={"bits": 8, "per": "tensor"}, seen=x)
    exact = linear(x)
    for layer in (dynamic, static):
        assert 0 < (layer(x) - exact).norm() / exact.norm() < 0.02
    assert any("inputs" in key for key in static.state_dict()) and not any("inputs" in key for key in dynamic.state_dict())


@pytest.mark.parametrize("stride, padding, dilation", [(1, 1, 1), (2, 1, 1), (1, 2, 2)])
def test_a_convolution_keeps_its_geometry(stride, padding, dilation):
    conv, x = torch.nn.Conv2d(8, 12, 3, stride, padding, dilation), randn(2, 8, 11, 10)
    layer = quant.QuantConv2d(conv, 8, act={"bits": 8, "per": "tensor"}, seen=x)
    assert (layer(x) - conv(x)).norm() / conv(x).norm() < 0.02


def test_concatenated_inputs_with_scales_of_their_own():
    deep, skip = randn(4, 8, 6, 6), 100 * randn(4, 8, 6, 6, seed=1)
    conv, x = torch.nn.Conv2d(16, 8, 3, padding=1, bias=False), torch.cat([deep, skip], 1)
    conv.weight.data[:, 8:] /= 100                                      # both halves matter alike
    error = lambda parts: (quant.QuantConv2d(conv, 8, act={"bits": 8, "per": "tensor"}, seen=x, parts=parts)(x)
                           - conv(x)).square().mean()
    assert error((8, 8)) < 0.5 * error(())
