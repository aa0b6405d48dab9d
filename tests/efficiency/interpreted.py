"""The kernels in Triton's interpreter against float64; run by test_kernels.py in a process of its own (TRITON_INTERPRET=1)."""
import itertools
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from effml_lab.bench import kernels
from effml_lab.efficiency import quant, svdlinear, svdquant
from effml_lab.efficiency.kernels import dequantize, gemm_up, launch, quantize_down

assert launch.INTERPRETED
MODES = list(svdquant.MODES)
SHAPES = [(1, 72, 224, 16), (33, 130, 320, 32), (70, 72, 320, 64), (70, 130, 224, 20), (33, 72, 128, 0)]


@pytest.fixture(autouse=True)
def large_tiles(monkeypatch):
    """In the interpreter a program costs more than its work."""
    parts = {"gemm": {"BN": 64, "GROUP_M": 2}, "quantize": {"STAGES": 2, "SPLIT": 2}}
    monkeypatch.setattr(launch, "settings", lambda kernel, cc, m: {"BM": 64, "num_warps": 4} | parts.get(
        kernel, parts[kernel.split("_")[0]]))


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def layer(n, k, r, mode, bias=True, dtype=torch.float16):
    split = svdquant.Split(svdquant.smooth_scale(randn(9, k), randn(n, k, seed=1)), 0.3 * randn(n, r, seed=2),
                           0.3 * randn(r, k, seed=3), svdquant.MODES[mode](randn(n, k, seed=4)))
    return svdlinear.SVDQuantLinear(split, randn(n, seed=5) if bias else None, mode, dtype)


def stored(made):
    return made.codes, made.scale, made.multiplier


def close(got, want, tolerance):
    assert got.isfinite().all() and (got.double() - want).abs().max() <= tolerance * want.abs().max()


@pytest.fixture(autouse=True)
def poisoned(monkeypatch):
    """What no program writes is NaN, or 77 in whole numbers."""
    empty = torch.empty

    def filled(*args, **named):
        out = empty(*args, **named)
        return out.fill_(torch.nan if out.is_floating_point() else 77)
    monkeypatch.setattr(torch, "empty", filled)


@pytest.mark.parametrize("mode, shape", list(itertools.product(MODES, SHAPES)))
def test_codes_and_scales_are_equal_bit_by_bit(mode, shape):
    m, n, k, r = shape
    made, x = layer(n, k, r, mode), randn(m, k, seed=6).half()
    got, want = (f(x, made.smooth, made.down, mode) for f in (quantize_down.quantize_down, quantize_down.reference))
    assert torch.equal(got[0], want[0]) and torch.equal(got[1], want[1])
    if r:
        close(got[2], x.double() @ made.down.double().T, 1e-5)


@pytest.mark.parametrize("mode, shape", list(itertools.product(MODES, SHAPES)))
@pytest.mark.parametrize("bias", [True, False])
def test_the_product_is_that_of_float64(mode, shape, bias):
    m, n, k, r = shape
    made, x = layer(n, k, r, mode, bias), randn(m, k, seed=6).half()
    codes, scales, la = quantize_down.reference(x, made.smooth, made.down, mode)
    got = gemm_up.gemm_up(codes, scales, la, stored(made), made.up, made.bias, torch.float16)
    close(got, gemm_up.reference(codes, scales, la.double(), stored(made), made.up, made.bias, torch.float64), 1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_both_together_are_the_layer(mode):
    made, x = layer(130, 320, 32, mode), randn(33, 320, seed=6).half()
    codes, scales, la = quantize_down.quantize_down(x, made.smooth, made.down, mode)
    got = gemm_up.gemm_up(codes, scales, la, stored(made), made.up, made.bias, x.dtype)
    close(got, made(x.double()).double(), 2e-3)
    again = gemm_up.gemm_up(*quantize_down.quantize_down(x, made.smooth, made.down, mode), stored(made), made.up,
                            made.bias, x.dtype)
    assert torch.equal(got, again)


def converted(kind, rank, mode):
    """A layer as a user makes it of a real one, and inputs that its search has not seen."""
    torch.manual_seed(0)
    if kind is nn.Linear:
        made = svdlinear.SVDQuantLinear.from_linear(kind(224, 72), randn(64, 224), rank, mode, exponents=[(0.5, 0.5)], rounds=2)
        return made, randn(33, 224, seed=7).half()
    made = svdlinear.SVDQuantConv2d.from_conv(kind(16, 40, 3, 2, 1), randn(2, 16, 9, 8), rank, mode, exponents=[(0.5, 0.5)])
    return made, randn(1, 16, 9, 8, seed=7).half()


@pytest.mark.parametrize("mode, kind, rank", list(itertools.product(MODES, (nn.Linear, nn.Conv2d), (0, 16, 20, 32))))
def test_a_converted_layer_is_the_same_by_kernels_and_by_plain_pytorch(mode, kind, rank, monkeypatch):
    made, x = converted(kind, rank, mode)
    want = made(x.double())                                             # takes the plain route
    monkeypatch.setattr(svdlinear, "route", lambda x: "fused")
    close(made(x), want, 2e-3)
    assert all(kept.is_contiguous() for kept in made.state_dict().values())


@pytest.mark.parametrize("mode", MODES)
def test_operands_may_lie_in_memory_as_they_like(mode):
    made, x = converted(nn.Linear, 32, mode)
    given = kernels.tensors(made)
    turned = [t if t is None or t.ndim < 2 else t.T.contiguous().T for t in given]
    assert torch.equal(svdlinear.fused(x, *turned), svdlinear.fused(x, *given))
    dense = [dequantize.dequantize(*parts[:4], torch.float16) for parts in (turned, given)]
    assert torch.equal(*dense)


def test_the_benchmark_times_layers_of_a_user_and_none_that_is_wrong(monkeypatch):
    layers, x = kernels.pairs(224, 72, "cpu", torch.float16), torch.randn(33, 224).half()
    found = kernels.compared(layers, x)
    assert all(right["layer"] < 2e-3 for right in found.values()) and [len(layer.down) for layer in layers["w4a8"]] == [32, 0]
    assert all(layer.smooth.unique().numel() > 1 for pair in layers.values() for layer in pair)
    right = svdlinear.fused
    monkeypatch.setattr(svdlinear, "fused", lambda x, *given: 1.05 * right(x, *given))
    with pytest.raises(RuntimeError, match="nothing was timed"):
        kernels.compared(layers, x)


def test_a_size_that_is_whole_is_not_measured_again_unless_it_was_withdrawn(tmp_path):
    size, path = kernels.Size([(128, 32)], (16,), 64, 2**12), tmp_path / "kernels.jsonl"
    kernels.measure(tmp_path, size=size)
    once = path.read_text().splitlines()
    kernels.measure(tmp_path, size=size)
    assert path.read_text().splitlines() == once and '"whole, 128 -> 32"' in once[-1]
    path.write_text("\n".join(line.replace('"settings": {', '"settings": {"note": "withdrawn", ') for line in once) + "\n")
    kernels.measure(tmp_path, size=size)
    assert len(path.read_text().splitlines()) == 2 * len(once)


@pytest.mark.parametrize("mode", MODES)
def test_whole_numbers_come_out_exactly(mode):
    """Without a branch, and with scales of 1, the product is that of the codes."""
    n, m, k = 72, 33, 256
    made = layer(n, k, 0, mode, bias=False)
    made.scale.fill_(1)
    q = torch.randint(-7, 8, (m, k), generator=torch.Generator().manual_seed(0)).to(torch.int8)
    a, s = (quant.pack(q), torch.ones(m, k // 64).half()) if mode == "w4a4" else (q, torch.ones(m).half())
    w = quant.unpack(made.codes, svdquant.OFFSET[mode]).long()
    w = w if made.multiplier is None else (w.unflatten(1, (-1, 64)) * made.multiplier.T[..., None]).flatten(1)
    got = gemm_up.gemm_up(a, s, torch.empty(m, 0), stored(made), made.up, None, torch.float16)
    want = q.long() @ w.T
    assert torch.equal(got.double(), want.half().double())


@pytest.mark.parametrize("mode", MODES)
def test_rows_of_zeros_outliers_and_strides(mode):
    made, wide = layer(72, 224, 32, mode), randn(40, 448, seed=6).half()
    wide[3], wide[5, 10] = 0, 1e4
    for x in (wide[:, :224], wide[:, ::2], wide[:, :224].T.contiguous().T):
        codes, scales, la = quantize_down.quantize_down(x, made.smooth, made.down, mode)
        assert torch.equal(codes, quantize_down.reference(x, made.smooth, made.down, mode)[0])
        got = gemm_up.gemm_up(codes, scales, la, stored(made), made.up, made.bias, torch.float16)
        want = gemm_up.reference(codes, scales, la.double(), stored(made), made.up, made.bias, torch.float64)
        close(got, want, 1e-3)
        assert (got[3] == made.bias).all()


@pytest.mark.parametrize("mode", MODES)
def test_a_branch_beyond_sixteen_bits_stays_finite(mode):
    made, x = layer(72, 224, 16, mode), randn(4, 224, seed=6).half()
    x[1, 7] = 6e4
    made.down.data[:, 7], made.up.data[:] = 4.0, made.up * 1e-4                   # la is 240,000
    made.scale *= 1e-3
    codes, scales, la = quantize_down.quantize_down(x, made.smooth, made.down, mode)
    assert la.abs().max() > 65504
    assert gemm_up.gemm_up(codes, scales, la, stored(made), made.up, made.bias, torch.float16).isfinite().all()


@pytest.mark.parametrize("mode", MODES)
def test_bfloat16(mode):
    made, x = layer(72, 224, 32, mode, dtype=torch.bfloat16), randn(33, 224, seed=6).bfloat16()
    codes, scales, la = quantize_down.quantize_down(x, made.smooth, made.down, mode)
    assert torch.equal(codes, quantize_down.reference(x, made.smooth, made.down, mode)[0])
    got = gemm_up.gemm_up(codes, scales, la, stored(made), made.up, made.bias, x.dtype)
    close(got, gemm_up.reference(codes, scales, la.double(), stored(made), made.up, made.bias, torch.float64), 1e-2)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n, k", [(72, 224), (130, 320)])
def test_dequantized_weights(mode, n, k):
    made = layer(n, k, 16, mode)
    got = dequantize.dequantize(*stored(made), made.smooth, torch.float16)
    close(got, dequantize.reference(*stored(made), made.smooth, torch.float64), 1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_no_rows_and_other_dtypes(mode):
    made = layer(72, 224, 16, mode)
    codes, scales, la = quantize_down.quantize_down(torch.zeros(0, 224).half(), made.smooth, made.down, mode)
    assert gemm_up.gemm_up(codes, scales, la, stored(made), made.up, made.bias, torch.float16).shape == (0, 72)
    with pytest.raises(ValueError, match="float16 and bfloat16 inputs, got torch.float32") as error:
        quantize_down.quantize_down(randn(2, 224), made.smooth, made.down, mode)
    assert "\n" not in str(error.value)


MOVES = {"shl": lambda a, b: a << b, "shr": lambda a, b: a >> b, "and": lambda a, b: a & b, "xor": lambda a, b: a ^ b,
         "mul": lambda a, b: a * b, "mad": lambda a, b, c: a * b + c}


def executed(asm: str, given: dict[str, int]) -> dict[str, int]:
    """The registers after a few lines of PTX on 32-bit whole numbers."""
    kept = dict(given)
    for move, to, *args in (re.split(r"[ ,]+", line.strip()) for line in asm.split(";") if line.strip() and ".reg" not in line):
        read = [kept[a] if a in kept else int(a, 0) for a in args]
        kept[to] = MOVES[move.split(".")[0]](*read) & 0xFFFFFFFF
    return kept


def test_the_assembly_is_the_plain_form():
    """The interpreter cannot run it and no GPU may be at hand: so it is run here, on every byte and multiplier."""
    sixteenfold, multiplied = re.findall(r'"""\{(.*?)\}"""', Path(gemm_up.__file__).read_text(), re.S)
    signed = lambda byte: byte - 256 if byte > 127 else byte
    each = lambda word: [signed(word >> 8 * i & 255) for i in range(4)]
    for start in range(256):
        bytes4 = [start, 255 - start, start ^ 0x5A, (7 * start + 3) % 256]
        word = sum(byte << 8 * i for i, byte in enumerate(bytes4))
        got = executed(sixteenfold, {"$2": word})
        assert each(got["$0"]) == [signed((b << 4) & 255) for b in bytes4]
        assert each(got["$1"]) == [signed(b & 240) for b in bytes4]
        for m in range(1, 17):
            got = executed(multiplied, {"$2": word, "$3": m * 0x01010101})
            assert each(got["$0"]) == [((b & 15) - 8) * m for b in bytes4]
            assert each(got["$1"]) == [((b >> 4) - 8) * m for b in bytes4]
