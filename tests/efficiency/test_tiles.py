"""Kernels in tiles: what they compute and move, what they are refused, and that Triton runs the same source to the same end."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from effml_lab.efficiency.tiles import TileError, launch, tl

HERE = Path(__file__).parent


def double(x, y, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + i, 2 * tl.load(x + i, mask=i < n), mask=i < n)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.sampled_from([torch.float32, torch.float16, torch.int32, torch.int8]))
def test_every_number_is_moved_once_and_counted(n, dtype):
    x, y = torch.arange(n).remainder(50).to(dtype), torch.zeros(n, dtype=dtype)
    traffic = launch(double, (-(-n // 64),), x, y, n, BLOCK=64)
    assert torch.equal(y, 2 * x) and traffic.loaded == {"x": n * x.element_size()} and traffic.bytes == 2 * n * x.element_size()


def test_a_part_of_a_wider_matrix_is_read_in_place():
    def rows(x, y, stride, W: tl.constexpr):
        tl.store(y + tl.program_id(0) * W + tl.arange(0, W), tl.load(x + tl.program_id(0) * stride + tl.arange(0, W)))
    wide, made = torch.arange(60.0).view(6, 10), torch.zeros(6, 4)
    launch(rows, (6,), wide[:, 3:7], made, 10, W=4)
    assert torch.equal(made, wide[:, 3:7])


@pytest.mark.parametrize("kernel, said", [
    (lambda x, y: tl.store(y + tl.arange(0, 16), tl.load(x + tl.arange(0, 16))), "reaches for element 10 of x, which has 10"),
    (lambda x, y: tl.load(x + -1), "element -1"),
    (lambda x, y: tl.store(y, tl.program_id(0)), "two programs write element 0 of y"),
    (lambda x, y: tl.arange(0, 10), "powers of two"),
    (lambda x, y: tl.zeros((4, 6), tl.float32), "powers of two"), (lambda x, y: tl.load(x + 0.5), "whole numbers: divide"),
    (lambda x, y: tl.arange(0, 4).softmax(), "a tile has no .softmax"), (lambda x, y: tl.arange(0, 4)[0], "only given new sides"),
    (lambda x, y: tl.arange(0, 4) and 1, "a tile is many numbers"),
    (lambda x, y: tl.arange(0, 4) + tl.arange(0, 8), "do not fit"),
    (lambda x, y: tl.store(y + tl.arange(0, 4), tl.arange(0, 8)), "is stored to places (4,)"),
    (lambda x, y: tl.dot(tl.zeros((8, 16), tl.float32), tl.zeros((16, 16), tl.float32)), "each side at least 16"),
    (lambda x, y: tl.dot(tl.zeros((16, 16), tl.int8), tl.zeros((16, 16), tl.float32)), "one type"),
    (lambda x, y: tl.dot(*[tl.zeros((32, 32), tl.int8)] * 2, tl.zeros((32, 32), tl.int32)), "out_dtype=tl.int32"),
    (lambda x, y: tl.dot(*[tl.zeros((16, 16), tl.float16)] * 3), "acc in float32"),
    (lambda x, y: tl.dot(*[tl.zeros((16, 16), tl.int8)] * 2), "K of at least 32"),
    (lambda x, y: tl.dot(*[tl.zeros((32, 32), tl.int32)] * 2), "int8 or floats"),
    (lambda x, y: tl.dot(*[tl.zeros((32, 32), tl.int8)] * 2, tl.zeros((16, 32), tl.int32), out_dtype=tl.int32),
     "acc of (32, 32)"),
    (lambda x, y: torch.exp(tl.zeros((4,), tl.float32)), "torch does not run"), (lambda x, y: x[0:4], "no tensor: tl.load(x"),
    (lambda x, y: tl.load(x + torch.arange(4)), "torch does not run"), (lambda x, y: round(tl.arange(0, 4)), "tl.floor"),
    (lambda x, y: tl.arange(0, 4).T, "tl.trans(tile)"), (lambda x, y: tl.exp(tl.zeros((4,), tl.float16)), "float32"),
    (lambda x, y: tl.load(x + tl.arange(0, 4), mask=tl.arange(0, 4)), "by comparing"),
    (lambda x, y: tl.load(x + tl.arange(0, 4), mask=tl.arange(0, 2) < 1), "does not fit places"),
    (lambda x, y: tl.arange(0, tl.program_id(0) + 4), "known when a kernel is compiled"),
    (lambda x, y: tl.store(y + tl.program_id(0), tl.load(y + 1 - tl.program_id(0))),
     "read by one program and written by another")])
def test_what_a_gpu_would_do_in_silence_is_told(kernel, said):
    with pytest.raises((TileError, TypeError), match=said.replace("(", r"\(").replace(")", r"\)")):
        launch(kernel, (2,), torch.zeros(10), torch.zeros(10))


def test_what_a_mask_keeps_out_is_nothing_to_rely_on():
    def summed(x, y, n):
        tl.store(y, tl.sum(tl.load(x + tl.arange(0, 8), mask=tl.arange(0, 8) < n), 0))
    y = torch.zeros(1)
    launch(summed, (1,), torch.ones(5), y, 5)
    assert y.isnan().all()


def test_whole_products_add_up_exactly_and_halves_in_float32():
    a, b = (torch.randint(-127, 128, (16, 64), dtype=torch.int8, generator=torch.Generator().manual_seed(i)) for i in range(2))

    def product(a, b, out, K: tl.constexpr):
        i, k = tl.arange(0, 16), tl.arange(0, K)
        left, right = tl.load(a + i[:, None] * K + k[None, :]), tl.load(b + i[None, :] * K + k[:, None])
        tl.store(out + i[:, None] * 16 + i[None, :], tl.dot(left, right))
    whole, floats = torch.zeros(16, 16, dtype=torch.int32), torch.zeros(16, 16)
    launch(product, (1,), a, b, whole, K=64)
    launch(product, (1,), a.half(), b.half(), floats, K=64)
    assert torch.equal(whole, (a.int() @ b.int().T)) and torch.equal(floats, whole.float())


def test_a_launch_inside_another_leaves_its_counts_alone():
    def outer(x, y, n):
        before = tl.load(x + tl.arange(0, 4))
        launch(double, (1,), torch.ones(4), torch.zeros(4), 4, BLOCK=4)
        tl.store(y + tl.arange(0, 4), before)
    assert launch(outer, (1,), torch.ones(4), torch.zeros(4), 4).bytes == 32


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Triton is for Linux")
def test_triton_runs_the_same_source_to_the_same_end():
    """Right answers of lab 06 in Triton's own interpreter, on their exercises' cases."""
    done = subprocess.run([sys.executable, "written_in_triton.py"], cwd=HERE, capture_output=True, text=True, env=os.environ | {
        "TRITON_INTERPRET": "1"})
    assert done.returncode == 0 and "9 kernels agree" in done.stdout, done.stdout[-2000:] + done.stderr[-3000:]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Triton is for Linux")
def test_triton_compiles_the_same_source_for_cards_that_are_not_there(tmp_path):
    done = subprocess.run([sys.executable, "compiled_ahead.py"], cwd=HERE, capture_output=True, text=True, env=os.environ | {
        "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)})
    assert done.returncode == 0 and "17 kernels compiled" in done.stdout, done.stdout[-2000:] + done.stderr[-3000:]


@pytest.mark.parametrize("value", [-7, -1, 0, 5, 7])
def test_whole_numbers_divide_and_add_up_as_tritons(value):
    def kernel(out, n, x):
        tl.store(out, n // 2), tl.store(out + 1, n % 4), tl.store(out + 2, tl.cdiv(n, 4)), tl.store(out + 3, -n // 2)
        tl.store(out + 4, tl.sum(tl.load(x + tl.arange(0, 4)), 0))
        tl.store(out + 5 + tl.arange(0, 2), (tl.arange(0, 2) + n) // 2)
    out, x = torch.zeros(7, dtype=torch.int32), torch.full((4,), 100, dtype=torch.int8)
    launch(kernel, (1,), out, value, x)
    cut = lambda a, b: int(a / b)
    assert out.tolist() == [cut(value, 2), value - 4 * cut(value, 4), cut(value + 3, 4), cut(-value, 2), 400,
                            cut(value, 2), cut(value + 1, 2)]


def test_a_part_of_a_tensor_ends_where_it_ends():
    with pytest.raises(TileError, match="element 4 of x, which has 4"):
        launch(lambda x, y: tl.load(x + tl.arange(0, 8)), (1,), torch.arange(20.0)[:4], torch.zeros(1))


def test_arguments_too_many_are_refused():
    with pytest.raises(TileError, match="takes 2 arguments, and 3 were given"):
        launch(lambda x, y: None, (1,), torch.zeros(1), 2, 3)
