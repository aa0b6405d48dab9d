"""Exact attention by tiles, by the library's kernels, and checkpointing: same numbers, other costs."""
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from effml_lab.efficiency import attention


def qkv(tokens=37, keys=53, width=16, dtype=torch.float32):
    rng = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, n, width, generator=rng).to(dtype) for n in (tokens, keys, keys)]


@given(tile=st.integers(1, 70), tokens=st.integers(1, 50), keys=st.integers(1, 60))
@settings(max_examples=30, deadline=None)
def test_tiles_of_any_size_give_the_same(tile, tokens, keys):
    q, k, v = qkv(tokens, keys)
    torch.testing.assert_close(attention.tiled(q, k, v, tile), attention.naive(q, k, v), atol=1e-5, rtol=1e-5)


def test_the_running_maximum_holds_large_scores():
    q, k, v = qkv()
    k[..., -1, :] *= 1e4                                                # the largest score comes last
    assert attention.tiled(q * 100, k, v, 8).isfinite().all()
    torch.testing.assert_close(attention.tiled(q * 100, k, v, 8), attention.naive(q * 100, k, v), atol=1e-4, rtol=1e-4)


def test_tiles_keep_the_precision_of_their_inputs():
    q, k, v = qkv(dtype=torch.float64)
    torch.testing.assert_close(attention.tiled(q, k, v, 8), attention.naive(q, k, v), atol=1e-14, rtol=1e-13)


def test_scores_beyond_sixteen_bits_stay_finite_as_the_library_has_them():
    q, k, v = (t.half() for t in qkv())
    q, k = 200 * q, 200 * k                                             # scores of 200,000
    want = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(attention.tiled(q, k, v, 8), want, atol=2e-3, rtol=2e-3)


def test_no_more_than_a_tile_of_scores_exists():
    q, k, v = qkv(256, 256)
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, fn, types, args=(), kwargs=None):
            nonlocal largest
            out = fn(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                largest = max(largest, out.numel())
            return out

    with Watch():
        attention.tiled(q, k, v, 32)
    assert largest <= 2 * 3 * 256 * 16                                  # the result itself, not 256 x 256 scores


@pytest.mark.parametrize("backend", ["math", "flash"])
def test_the_library_agrees(backend):
    q, k, v = qkv()
    torch.testing.assert_close(attention.exact(q, k, v, backend), attention.naive(q, k, v), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("call, told", [(lambda: attention.exact(*qkv(), "fast"), "choose one of math"),
                                        (lambda: attention.exact(*qkv(), "cudnn"), "does not run for torch.float32 on cpu"),
                                        (lambda: attention.exact(*(t[0] for t in qkv())), r"with q \(3, 37, 16\)"),
                                        (lambda: attention.exact(*qkv()[:2], qkv()[2].double()), "of one dtype"),
                                        (lambda: attention.exact(qkv()[0][..., :8], *qkv()[1:]), r"k \(\.\.\., S, d\)"),
                                        (lambda: attention.tiled(*qkv()[:2], qkv()[2][..., :40, :], 53), r"v \(\.\.\., S, e\)"),
                                        (lambda: attention.tiled(qkv()[0], *qkv(keys=0)[1:]), "S at least 1"),
                                        (lambda: attention.tiled(*qkv(), 0), "one token or more")])
def test_bad_input_gets_one_sentence(call, told):
    with pytest.raises(ValueError, match=told) as error:
        call()
    assert "\n" not in str(error.value)


def stack(wrap):
    torch.manual_seed(0)
    return nn.Sequential(*(wrap(nn.Sequential(nn.Linear(32, 256), nn.GELU(), nn.Linear(256, 32))) for _ in range(4)))


def test_checkpoints_keep_less_and_change_no_gradient():
    x = torch.randn(64, 32)
    plain, bought = stack(lambda block: block), stack(attention.Checkpointed)
    bytes_of = lambda net: attention.saved_bytes(lambda: net(x))
    assert bytes_of(bought) < 0.3 * bytes_of(plain)
    for net in (plain, bought):
        net(x).square().sum().backward()
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(plain.parameters(), bought.parameters()))


def test_at_inference_nothing_is_kept_with_or_without():
    for wrap in (lambda block: block, attention.Checkpointed):
        with torch.no_grad():
            assert attention.saved_bytes(lambda: stack(wrap)(torch.randn(8, 32))) == 0
