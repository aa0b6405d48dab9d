# ---
# jupyter:
#   effml_lab: {title: "Kernels: what a layer costs, and where the branch goes", minutes: {reading: 70, coding: 200}}
# ---

# %% [markdown]
# # Lab 06 · Kernels: what a layer costs, and where the branch goes
#
# Lab 05 made layers small. This lab is about making them *fast*. A GPU computes far more than it can read, so the first question
# about any layer is what it moves; the second, what its arithmetic units can do with it. You answer both with a few lines of
# arithmetic, and then write **kernels**: programs that each take a tile of the work, load it, compute on it, store it. At the
# end stands the layer of lab 05 as two kernels, codes and branch together, and after it attention without its matrix.
#
# You write in the words of **Triton**, the language in which most such kernels are written today. Your kernels run *here*, on any
# machine, in plain PyTorch, one program after the other, and every byte they load or store is counted. With a GPU, the same
# source is compiled, and timed. The marks need no GPU and no clock: they ask whether a kernel is right, and what it moves.
#
# **You will be able to**
# - say from bytes and operations how fast a layer can be at best, and which of the two is in the way;
# - write a kernel in tiles, with ragged edges, that reads nothing twice and nothing that is not there;
# - multiply codes as codes, and put scales and a branch of low rank where they cost next to nothing;
# - say why the same 4-bit layer is fast on one card and slow on another;
# - compute exact attention, and gradients, without the memory that they seem to need.
#
# A few words of hardware: a GPU has some hundred *multiprocessors*; each holds tiles in *registers*, multiplies tiles on *tensor
# cores*, and does all else on slower *ordinary cores*.
#
# **You need** lab 05, broadcasting, and how a matrix lies in memory; no GPU, and no Triton. Section 5 ends in a place to pause.
#
# ## Notation
#
# | here | meaning |
# |---|---|
# | $M$, $K$, $N$ | rows of the inputs, inputs and outputs of a layer: $(M, K) \to (M, N)$, weights $(N, K)$ |
# | `program` | one of many copies of a kernel; each knows its number |
# | tile | a block of numbers that a program holds; its sides are powers of two |
# | `BM`, `BN`, `BK` | sides of tiles, known when the kernel is compiled |
# | w4a8, w4a4 | weights in 4 bits, inputs in 8, or in 4 |
# | `la`, `up`, `down` | the branch: `la` $= x\,$`down`$^T$, and `la` `up`$^T$ is added to the output |

# %%
import torch

from effml_lab import bench
from effml_lab.bench import written
from effml_lab.efficiency import quant
from effml_lab.efficiency.tiles import TileError, launch, tl
from effml_lab.measure import plots

torch.set_num_threads(1)
seeded = lambda seed: torch.Generator().manual_seed(seed)
randn = lambda *shape, seed=0: torch.randn(shape, generator=seeded(seed))
codes_of = lambda *shape, most=127, seed=0: torch.randint(-most, most + 1, shape, generator=seeded(seed), dtype=torch.int8)
nan = float("nan")
said = lambda name: f"you predicted {globals()[name]!s:.6}" if globals().get(name, ...) is not ... else "nothing was predicted"


def tried(kernel, grid, *args, **constants):
    """Bytes that a launch moves; nan, and one sentence, where the kernel is not written yet or breaks."""
    try:
        return launch(kernel, grid, *args, **constants).bytes
    except NotImplementedError:
        print(f"`{kernel.__name__}` is not written yet.")
    except TileError as error:
        print(f"`{kernel.__name__}` breaks: {error}.")
    return nan


# %% [markdown]
# ## 1 · How fast can it be?
#
# A layer reads its inputs and weights, each at least once, and writes its outputs. It multiplies every row with every column of
# weights: $M N K$ products, and as many sums. Both take time, and a GPU does them side by side, so the longer one decides:
#
# $$\text{seconds} \ge \max\left(\frac{\text{bytes}}{\text{bytes a second}},\ \frac{\text{operations}}{\text{operations a
# second}}\right) .$$
#
# This is the **roofline** (Williams et al. 2009). It is a bound, not a promise: kernels are measured against it.
#
# **Exercise 1: bytes, operations, the least time** (about 3 lines). Inputs $(m, k)$ have `x_bits` bits a number, weights $(n, k)$
# `w_bits`, outputs $(m, n)$ always 16. A product and a sum count as two operations. Scales, bias and branch are left out. A card
# moves `byte_rate` bytes and makes `op_rate` operations a second.
#
# <details><summary>Hint</summary>
#
# Eight bits are a byte. The two times are an amount over a rate, and the larger one counts.
#
# </details>

# %%
def roofline(m, k, n, x_bits, w_bits, byte_rate, op_rate):
    """(bytes, operations, seconds): the least that a layer moves and computes, and the least time for both together."""
    ### BEGIN SOLUTION
    moved = (m * k * x_bits + n * k * w_bits + m * n * 16) / 8
    operations = 2 * m * n * k
    return moved, operations, max(moved / byte_rate, operations / op_rate)
    ### END SOLUTION

# %%
check("06-roofline", roofline, points=3)

# %% [markdown]
# What a card really copies and multiplies is measured. For this course an H100 was (`bench kernels`):

# %%
CARD = {"bytes": 3.0e12, "float": 7.2e14, "whole": 8.9e14}  # where this copy of the course has no records
CARD = next((row.settings["ceilings"] for row in bench.recorded("kernels").values() if "ceilings" in row.settings), CARD)
print(f"{CARD['bytes'] / 1e12:.1f} TB a second; {CARD['float'] / 1e12:.0f} tera-operations a second in 16 bits, {CARD['whole'] / 1e12:.0f} in 8")

# %% [markdown]
# A large diffusion transformer has layers of 3,072 inputs and 12,288 outputs, and its 4,096 tokens are 4,096 rows. A language
# model that writes a word has one row.
#
# **Predict before you look.** With one row such a layer in 16 bits waits for its bytes. From about how many rows on does it wait
# for its operations?

# %%
rows_guess = ...
### BEGIN SOLUTION
rows_guess = 250
### END SOLUTION

# %%
check("06-guess-rows", rows_guess, points=1)

# %%
many = [4**i for i in range(9)]
with figure("The least time of a layer with 3,072 inputs and 12,288 outputs over the number of rows, in 16 bits and with weights of 4 bits, on "
            "an H100: level where bytes decide, rising where operations do", height=3.2) as ax:
    for k, (label, bits, rate) in enumerate((("16 bits", (16, 16), "float"), ("weights in 4 bits, products in 16", (16, 4), "float"),
                                             ("w4a8, products in 8", (8, 4), "whole"))):
        plots.curve(ax, many, [1e6 * roofline(m, 3072, 12288, *bits, CARD["bytes"], CARD[rate])[2] for m in many], label=label, k=k)
    ax.axvline(4096, color=plots.MUTED, linestyle=":")
    ax.set(xscale="log", yscale="log", xlabel="rows", ylabel="microseconds at least")
    ax.legend(fontsize=8)
    alone = lambda m: [1e6 * a / b for a, b in zip(roofline(m, 3072, 12288, 16, 16, CARD["bytes"], CARD["float"]), (CARD["bytes"], CARD["float"]))]
    print(f"16 bits: operations decide from {next(m for m in range(1, 4096) if alone(m)[1] >= alone(m)[0])} rows on;", said("rows_guess"))
    print("4,096 rows: bytes alone {:.0f} us, operations alone {:.0f} us".format(*alone(4096)))

# %% [markdown]
# With few rows a layer waits for its weights: 4 bits instead of 16 make it faster whatever it multiplies with. That is how
# language models write, one token at a time. A diffusion transformer has thousands of rows: it waits for products, and smaller
# *weights* alone win nothing. It has to multiply shorter numbers: so the inputs are quantized, too. (8-bit *whole-number*
# products of this card's library are hardly faster than those of 16 bits, where the data sheet promises twice the rate. One
# measures.)
#
# ## 2 · A kernel in tiles
#
# A kernel is one function that many programs run, each with another number. This one doubles a vector. Its arguments `x` and `y`
# are **pointers**: where a tensor begins. A pointer plus a tile of whole numbers is a tile of places.

# %%
def double(x, y, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + i, 2 * tl.load(x + i, mask=i < n), mask=i < n)


x = randn(1000)
y = torch.full((1000,), torch.nan)
traffic = launch(double, (4,), x, y, 1000, BLOCK=256)  # four programs of 256
print(torch.equal(y, 2 * x), traffic)

# %% [markdown]
# The last of four programs has 232 numbers left and a tile of 256. The **mask** says which places are there. What it leaves out
# of a load is whatever happened to be in a register (here NaN, or 77 in whole numbers), unless `other=0.0` says what it is. A GPU
# does not check: a read beyond the edge gives somebody else's numbers, a write destroys them. Here it is told. Try it: take the
# first of the two `mask=i < n` out.
#
# The words of this lab: `tl.program_id, load, store, arange, zeros, full, maximum, minimum, max(t, axis), sum(t, axis), abs,
# floor, exp, where, dot, trans, cdiv, static_range`, types such as `tl.float32`, operators, and `.to(dtype)`. No slices, no
# `and`, no lists that collect tiles, nothing of torch: a kernel is not Python on a GPU, and it moves tiles, not single numbers.
# (All of it is in `effml_lab/efficiency/tiles`.)
#
# Matrices lie in memory row by row. Element $(r, c)$ is at $r\,\cdot$ `stride` $+\,c$, where `stride` is how far rows lie
# apart: the width of the matrix, or more, where it is a part of a wider one.
#
# **Exercise 2: a copy** (about 5 lines). Program $(i, j)$ copies the tile of `BR` rows and `BC` columns with that number. Its
# number is `tl.program_id(0)`, `tl.program_id(1)`. Rows of `x` lie `stride` numbers apart, and those of `y` lie `cols` numbers
# apart. Any `rows` and `cols` have to do.
#
# <details><summary>Hint</summary>
#
# `r[:, None]` is a column, `c[None, :]` a row, and a column plus a row is a tile. `a & b` for masks, not `and`.
#
# </details>

# %%
def copy(x, y, rows, cols, stride, BR: tl.constexpr, BC: tl.constexpr):
    """y (rows, cols) = x (rows, cols), whose rows lie `stride` numbers apart. Programs: (rows / BR, cols / BC), rounded up."""
    ### BEGIN SOLUTION
    r = tl.program_id(0) * BR + tl.arange(0, BR)
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    inside = (r[:, None] < rows) & (c[None, :] < cols)
    tile = tl.load(x + r[:, None] * stride + c[None, :], mask=inside)
    tl.store(y + r[:, None] * cols + c[None, :], tile, mask=inside)
    ### END SOLUTION

# %%
check("06-copy", copy, points=3)

# %%
from effml_lab.datasets import shapes

scene = shapes.render(shapes.draw(1, seeded(2)), 64)[0].mean(0)  # (64, 64)
part = scene[:, 8:53]  # 45 columns of 64: the stride stays 64
made = torch.full((64, 45), torch.nan)
with figure("A picture whose columns 8 to 52 were copied by the kernel, beside it the copy: they should be alike", width=6, height=2.6, cols=2) as axes:
    tried(copy, (4, 2), part, made, 64, 45, 64, BR=16, BC=32)
    for ax, (title, image) in zip(axes, {"45 of 64 columns": part, "your copy": made}.items()):
        ax.imshow(image.numpy(), cmap="gray", vmin=-1, vmax=1)
        ax.set(title=title, xticks=[], yticks=[])
        ax.grid(False)


n = 8192
print(written.timed(copy, (n // 32, n // 128), lambda device: (torch.randn(n, n, device=device), torch.empty(n, n, device=device), n, n, n),
                    {"BR": 32, "BC": 128}, lambda x, *rest: x.clone(), moved=8 * n * n, tolerance=0))

# %% [markdown]
# ## 3 · Rows to codes
#
# The layer of lab 05 is given numbers and needs codes. In w4a8 each **row** of the inputs, a token, has one scale, found in the
# row itself: $\text{scale} = \max |x| / 127$, and codes from $-127$ to 127. A row is too long for a tile, so a program goes
# through it tile by tile, and keeps what it has to know: the largest $|x|$ *so far*, one for each of its rows. Only then are
# codes possible, in a second pass.
#
# **Exercise 3: a scale a row, and codes** (about 13 lines). `x` (M, K), `codes` (M, K) int8, `scales` (M,). Tiles are (BM, BK), and
# each program has BM rows. To the nearest whole number: Triton has no `round`; `tl.floor(v + 0.5)` does it. A loop over
# `range(0, K, BK)` is an ordinary one. Read `x` at most twice. No row is all zeros.
#
# <details><summary>Hint</summary>
#
# `tl.zeros((BM,), tl.float32)` to begin with; `tl.maximum(a, b)` is the larger of two tiles, number by number, `tl.max(t, 1)` the
# largest of each row. Beyond the edge, 0 is a good value to load.
#
# </details>

# %%
def quantize_rows(x, codes, scales, M, K, BM: tl.constexpr, BK: tl.constexpr):
    """Codes -127..127 (M, K) and scales (M,) of x (M, K). Programs: (M / BM,), rounded up."""
    ### BEGIN SOLUTION
    r = tl.program_id(0) * BM + tl.arange(0, BM)
    most = tl.zeros((BM,), tl.float32)
    for start in range(0, K, BK):
        c = start + tl.arange(0, BK)
        tile = tl.load(x + r[:, None] * K + c[None, :], mask=(r[:, None] < M) & (c[None, :] < K), other=0.0)
        most = tl.maximum(most, tl.max(tl.abs(tile), 1))
    scale = most / 127
    tl.store(scales + r, scale, mask=r < M)
    for start in range(0, K, BK):
        c = start + tl.arange(0, BK)
        inside = (r[:, None] < M) & (c[None, :] < K)
        tile = tl.load(x + r[:, None] * K + c[None, :], mask=inside, other=0.0)
        tl.store(codes + r[:, None] * K + c[None, :], tl.floor(tile / scale[:, None] + 0.5).to(tl.int8), mask=inside)
    ### END SOLUTION

# %%
check("06-rows", quantize_rows, points=6)

# %%
x = randn(40, 70) * torch.logspace(-2, 1, 40)[:, None]  # rows from quiet to loud
codes, scales = torch.zeros(40, 70, dtype=torch.int8), torch.full((40,), torch.nan)
tried(quantize_rows, (5,), x, codes, scales, 40, 70, BM=8, BK=32)
with figure("Relative error of each of 40 rows, from quiet to loud, in codes of 8 bits: with a scale a row by the kernel, and with one scale for "
            "all rows, where quiet rows are lost", height=3) as ax:
    whole = x.abs().max() / 127
    for k, (name, again) in enumerate({"a scale a row, your kernel": codes * scales[:, None], "one scale for all": (x / whole).round() * whole}.items()):
        plots.curve(ax, range(40), ((again - x).norm(dim=1) / x.norm(dim=1)).tolist(), label=name, k=k)
    ax.set(yscale="log", xlabel="row", ylabel="relative error")
    ax.legend(fontsize=8)

# %% [markdown]
# ## 4 · Codes back to numbers
#
# Weights lie in memory with two codes a byte, as `pack` of lab 05 laid them: of 128 codes of a row, byte $j$ of 64 holds code $j$
# in its low four bits and code $64 + j$ in its high four. Each half of 64 is a group with a scale of its own. Why that order? A
# program loads 64 bytes in one go and has two whole groups, with no code out of place.
#
# **Exercise 4: unpack** (about 9 lines). `packed` (N, K / 2) uint8, `scales` (N, K / 64), `out` (N, K). Program $(i, j)$ has BN
# rows and the $j$-th 128 codes of each, groups $2j$ and $2j + 1$. (In code `K // 2`: `/` makes floats.) Nibbles are in two's
# complement: 8 to 15 stand for $-8$ to $-1$. Read a byte once.
#
# <details><summary>Hint</summary>
#
# `byte.to(tl.int32)` has room. `(byte >> 4) & 15` is the high nibble. `tl.where(condition, a, b)`. `for half in
# tl.static_range(2)` is a loop that the compiler unrolls.
#
# </details>

# %%
def unpack(packed, scales, out, N, K, BN: tl.constexpr):
    """out (N, K) = codes times the scales of their groups. Programs: (N / BN, K / 128), the first rounded up."""
    ### BEGIN SOLUTION
    n, j, pair = tl.program_id(0) * BN + tl.arange(0, BN), tl.arange(0, 64), tl.program_id(1)
    byte = tl.load(packed + n[:, None] * (K // 2) + pair * 64 + j[None, :], mask=n[:, None] < N, other=0).to(tl.int32)
    for half in tl.static_range(2):
        nibble = (byte >> (4 * half)) & 15
        code = tl.where(nibble > 7, nibble - 16, nibble).to(tl.float32)
        group = 2 * pair + half
        scale = tl.load(scales + n * (K // 64) + group, mask=n < N, other=0.0)
        tl.store(out + n[:, None] * K + group * 64 + j[None, :], code * scale[:, None], mask=n[:, None] < N)
    ### END SOLUTION

# %%
check("06-unpack", unpack, points=4)

# %%
from effml_lab import models

weight = models.load("dit").blocks[1].mlp[0].weight.detach()[:96]  # (96, 256)
stored = quant.quantize(weight, 4, "group")
again = torch.full((96, 256), torch.nan)
tried(unpack, (6, 2), quant.pack(stored.q.flatten(1)), stored.scale[..., 0].float(), again, 96, 256, BN=16)
with figure("Weights of the DiT of lab 05, and what your kernel makes of their codes: alike but for the rounding", width=9, height=2.2, cols=2) as axes:
    for ax, (title, image) in zip(axes, {"weights": weight, "from 4 bits, your kernel": again}.items()):
        ax.imshow(image.numpy(), cmap="viridis", vmin=-0.3, vmax=0.3, aspect="auto")
        ax.set(title=title, xlabel="input channel")
        ax.grid(False)

# %% [markdown]
# On a card whose tensor cores Triton does not reach (a T4), that is all there is: weights unpacked, then the library's product in
# 16 bits. It saves memory and no time. From here on codes are multiplied *as codes*.
#
# ## 5 · A product of codes
#
# Program $(i, j)$ makes a tile (BM, BN) of the output. It needs BM rows of the inputs and BN rows of the weights, all of $K$;
# again it goes tile by tile, and adds up in an *accumulator* that never leaves it. `tl.dot(a, b, acc)` adds to `acc` the product
# of tiles (BM, BK) and (BK, BN): that is what tensor cores do. Codes of 8 bits have products of up to 15 bits, and thousands of
# them are added: the sums are whole numbers of **32 bits**, exact. (With an `acc` of whole numbers `tl.dot` wants
# `out_dtype=tl.int32`; its sides are 16 at least.)
#
# **Exercise 5: a product in tiles** (about 9 lines). `a` (M, K) int8, `b` (N, K) int8, `out` (M, N) int32 $=$ `a` `b`$^T$. Row
# $n$ of `b` begins at $n K$: load its tile as (BK, BN), so that no transpose is needed.
#
# <details><summary>Hint</summary>
#
# Begin with `tl.zeros((BM, BN), tl.int32)`. The tile of `b` has $k$ along its first side and $n$ along its second. What lies
# beyond the edge of $K$ must not count.
#
# </details>

# %%
def product(a, b, out, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """out (M, N) int32 = a (M, K) times b (N, K), transposed. Programs: (M / BM, N / BN), rounded up."""
    ### BEGIN SOLUTION
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    n = tl.program_id(1) * BN + tl.arange(0, BN)
    acc = tl.zeros((BM, BN), tl.int32)
    for start in range(0, K, BK):
        k = start + tl.arange(0, BK)
        left = tl.load(a + m[:, None] * K + k[None, :], mask=(m[:, None] < M) & (k[None, :] < K), other=0)
        right = tl.load(b + n[None, :] * K + k[:, None], mask=(n[None, :] < N) & (k[:, None] < K), other=0)
        acc = tl.dot(left, right, acc, out_dtype=tl.int32)
    tl.store(out + m[:, None] * N + n[None, :], acc, mask=(m[:, None] < M) & (n[None, :] < N))
    ### END SOLUTION

# %%
check("06-dot", product, points=4)

# %%
a, b = codes_of(128, 128), codes_of(128, 128, seed=1)
sides, moved = (16, 32, 64, 128), []
for side in sides:
    out = torch.zeros(128, 128, dtype=torch.int32)
    moved.append(tried(product, (128 // side, 128 // side), a, b, out, 128, 128, 128, BM=side, BN=side, BK=32))
with figure("Kilobytes that your product of 128 x 128 codes loads and stores, over the side of its tiles, with the least that is possible dotted: "
            "larger tiles move less", height=3) as ax:
    plots.curve(ax, sides, [kilo / 1e3 for kilo in moved], label="counted")
    ax.axhline((2 * 128 * 128 + 4 * 128 * 128) / 1e3, color=plots.MUTED, linestyle=":", label="everything once")
    ax.set(xscale="log", xlabel="side of a tile", ylabel="kilobytes moved", ylim=(0, None))
    ax.set_xticks(sides, sides)
    ax.minorticks_off()
    ax.legend()
n = 4096
print(written.timed(product, (n // 128, n // 128), lambda device: (
    *(torch.randint(-127, 128, (n, n), device=device, dtype=torch.int8) for _ in range(2)), torch.empty(n, n, device=device, dtype=torch.int32), n, n, n),
    {"BM": 128, "BN": 128, "BK": 64, "num_warps": 8}, lambda a, b, *rest: torch._int_mm(a, b.T), moved=6 * n * n, operations=2 * n**3, dot=True, tolerance=0))

# %% [markdown]
# A row of `a` is loaded once for every tile of the output that needs it: twice the side, half the reads. What stops tiles from
# growing is room: the accumulator lives in registers, and 128 times 256 numbers of 32 bits are half of those that a
# multiprocessor has.
#
# **A place to pause.** If you come back later, run the first code cell and the second: they define all that is needed below.
#
# ## 6 · Scales and branch, at the end
#
# Codes are not numbers yet. In w4a8 row $m$ of the inputs has a scale $s_m$ and row $n$ of the weights $t_n$, so
#
# $$y_{mn} = s_m\, t_n \sum_k a_{mk}\, b_{nk} \; + \; \sum_r \text{la}_{mr}\, \text{up}_{nr} .$$
#
# The scales have left the sum: two multiplications for each *output*, instead of any for each product. And the branch of lab 05 is
# one more product into the same accumulator: `la` (M, R) is there already, and `up` (N, R) is thin. Done by a library afterwards,
# it would read the whole output, add to it, and write it again.
#
# **Exercise 6: the whole layer** (about 5 lines more than exercise 5). `s` (M,), `t` (N,), `la` (M, RANK), `up` (N, RANK) and `out`
# (M, N) are float32, RANK is a power of two from 16 on. The sums of codes stay whole numbers, in 32 bits, to the
# end of the loop. Load what is needed once at the end, not in the loop.
#
# <details><summary>Hint</summary>
#
# Which of the two has scales, the codes or the branch? `acc.to(tl.float32)`; `tl.dot(left, right, y)` returns `y` plus the product.
#
# </details>

# %%
def layer(a, s, b, t, la, up, out, M, N, K, RANK: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """out (M, N) = (a b^T) s t + la up^T, with codes a (M, K), b (N, K). Programs: (M / BM, N / BN), rounded up."""
    ### BEGIN SOLUTION
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    n = tl.program_id(1) * BN + tl.arange(0, BN)
    acc = tl.zeros((BM, BN), tl.int32)
    for start in range(0, K, BK):
        k = start + tl.arange(0, BK)
        left = tl.load(a + m[:, None] * K + k[None, :], mask=(m[:, None] < M) & (k[None, :] < K), other=0)
        right = tl.load(b + n[None, :] * K + k[:, None], mask=(n[None, :] < N) & (k[:, None] < K), other=0)
        acc = tl.dot(left, right, acc, out_dtype=tl.int32)
    rows, cols = tl.load(s + m, mask=m < M, other=0.0), tl.load(t + n, mask=n < N, other=0.0)
    r = tl.arange(0, RANK)
    left = tl.load(la + m[:, None] * RANK + r[None, :], mask=m[:, None] < M, other=0.0)
    right = tl.load(up + n[None, :] * RANK + r[:, None], mask=n[None, :] < N, other=0.0)
    y = tl.dot(left, right, acc.to(tl.float32) * rows[:, None] * cols[None, :])
    tl.store(out + m[:, None] * N + n[None, :], y, mask=(m[:, None] < M) & (n[None, :] < N))
    ### END SOLUTION

# %%
check("06-layer", layer, points=4)

# %%
x, w = randn(48, 256, seed=3), models.load("dit").blocks[1].mlp[0].weight.detach()[:96]
u, values, vt = torch.linalg.svd(w)
up, down = (u[:, :16] * values[:16]).contiguous(), vt[:16]  # row after row, as the kernel reads it
bits = {"no branch": (w, torch.zeros(96, 16)), "rank 16": (w - up @ down, up)}
off = {}
for name, (rest, factor) in bits.items():
    s, t = x.abs().amax(1) / 127, rest.abs().amax(1) / 7
    a, b = (x / s[:, None]).round().to(torch.int8), (rest / t[:, None]).round().to(torch.int8)
    out = torch.full((48, 96), torch.nan)
    tried(layer, (3, 3), a, s, b, t, x @ down.T, factor, out, 48, 96, 256, RANK=16, BM=16, BN=32, BK=64)
    off[name] = ((out - x @ w.T).norm() / (x @ w.T).norm()).item()
with figure("Relative error of a layer of the DiT in your kernel, inputs in 8 bits and weights in 4, without a branch and with one of rank 16", width=5,
            height=2.6) as ax:
    for k, (name, error) in enumerate(off.items()):
        ax.bar(name, error, color=plots.look(k).color)
        ax.text(k, error, f"{error:.3f}", ha="center", va="bottom")
    ax.set(ylabel="relative error")

# %% [markdown]
# ## 7 · Why not 4 bits on both sides?
#
# Ampere and Ada have tensor cores for 4-bit integers, Blackwell for 4-bit floats. **Hopper** has neither: there w4a4 unpacks to 8
# bits. That alone would still run at the rate of 8 bits. But faithful w4a4 has a scale for every *group* of 64, on both sides.
# Group scales cannot leave the sum over $k$: after every 64 products the whole numbers of a tile are turned into floats, scaled
# and added, by the ordinary cores. That is called **promotion**. On a fast card they cannot keep up.
#
# Compiled ahead of time for three generations, the main loops were counted in machine code: how many clocks of a multiprocessor
# one turn needs for each of its units. They work side by side, so the largest of a *row* decides. (Turns of different rows are not
# equally long: their tiles differ.)

# %%
counted = {(row.settings["kernel"], row.settings["cc"]): row.settings for row in bench.recorded("instructions").values() if "macs" in row.settings}
print(f"{'kernel':12} {'capability':>10} {'products':>9} {'instructions':>13} {'conversions':>12}   clocks of a turn")
for (kernel, cc), row in counted.items():
    print(f"{kernel:12} {cc / 10:10.1f} {row['tensor']:9.0f} {row['issue']:13.0f} {row['convert']:12.0f}")
if not counted:
    print("Nothing is recorded in this copy of the course: `python -m effml_lab bench instructions` does it.")

# %% [markdown]
# **Work out a number.** 8.0 is Ampere (A100), 8.9 Ada, 9.0 Hopper. What share of the tensor cores' 8-bit peak can w4a4's loop
# (`gemm_w4a4`) reach *at best* on Hopper, in percent? (The clocks of the products, over the largest of the three in that row.)

# %%
promotion_read = ...
### BEGIN SOLUTION
row = counted.get(("gemm_w4a4", 90))
promotion_read = 100 * row["tensor"] / max(row["tensor"], row["issue"], row["convert"]) if row else 0.0
### END SOLUTION

# %%
check("06-read-promotion", promotion_read, points=1)

# %%
timed = {name: row for name, row in bench.recorded("kernels").items() if row.ms and "K" in row.settings}
label, rows = "3072 -> 12288", (1024, 4096, 16384)
ways = {"w4a8": "w4a8, branch fused", "w4a8, unfused": "w4a8, branch apart", "w4a4": "w4a4, branch fused", "int8": "library, 8 bits", "fp8": "library, FP8"}
if all(f"{way}, {label}, M = {m}" in timed for way in ways for m in rows):
    device = timed[f"w4a8, {label}, M = 4096"].device
    with figure(f"Speed over the library's 16-bit layer at three numbers of rows, measured on an {device}: w4a8 about as fast, with its branch apart "
                "slower, w4a4 half as fast, FP8 up to 1.8 times as fast", height=3.2) as ax:
        for k, (way, name) in enumerate(ways.items()):
            speed = [timed[f"{way}, {label}, M = {m}"].settings["ratio"]["graph"] for m in rows]
            plots.curve(ax, rows, [sum(pair) / 2 for pair in speed], label=name, k=k)
        ax.axhline(1, color=plots.MUTED, linestyle=":")
        ax.set(xscale="log", xlabel="rows", ylabel="times as fast as 16 bits", ylim=(0, 2))
        ax.set_xticks(rows, rows)
        ax.minorticks_off()
        ax.legend(fontsize=7, ncols=2)
else:
    print("No GPU has run the kernels of this copy of the course yet: `python -m effml_lab bench kernels --device cuda`.")

# %% [markdown]
# So the package has a second mode for such cards, *w4a8*: in it a group's scale is a small whole number, code times number fits 8
# bits again, and the sum stays whole to the end (after QServe, Lin et al. 2024; yours is simpler still, without groups). A count
# is a bound: by it w4a4 could be about as fast as 16 bits. Measured, it is half as fast, since a count does not see waiting.
# w4a8, which the count lets free, draws level, and passes 16 bits a little where rows are many. Four bits buy *memory* on this
# card. The library's FP8 product, on operands quantized beforehand and stored in twice the bytes, is the fastest.
#
# ## 8 · One read, two uses
#
# The branch needs `la` $= x\,$`down`$^T$, and the codes need $x$, too. Two kernels would read the inputs twice. SVDQuant's first
# kernel reads a tile **once**, for the codes with their scales and for the product with `down`.
#
# **Exercise 7: codes and la from one read** (about 11 lines). `x` (M, K), $K$ a multiple of 64, `down` (RANK, K). Here each
# *group* of 64 has a scale, $\max |x| / 7$, and codes from $-7$ to 7 (w4a4), so one pass is enough: `codes` (M, K) int8, `scales`
# (M, K / 64), `la` (M, RANK). The branch reads $x$ as it is. No group is all zeros.
#
# <details><summary>Hint</summary>
#
# A loop over groups: the tile of one is (BM, 64). Load that of `down` as (64, RANK), channels along its first side.
#
# </details>

# %%
def quantize_down(x, down, codes, scales, la, M, K, RANK: tl.constexpr, BM: tl.constexpr):
    """Codes -7..7 (M, K), scales (M, K / 64) and la (M, RANK) = x down^T, x being read once. Programs: (M / BM,), rounded up."""
    ### BEGIN SOLUTION
    m, r = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, RANK)
    total = tl.zeros((BM, RANK), tl.float32)
    for group in range(K // 64):
        k = group * 64 + tl.arange(0, 64)
        tile = tl.load(x + m[:, None] * K + k[None, :], mask=m[:, None] < M, other=0.0)
        factor = tl.load(down + r[None, :] * K + k[:, None])
        total = tl.dot(tile, factor, total)
        scale = tl.max(tl.abs(tile), 1) / 7
        tl.store(scales + m * (K // 64) + group, scale, mask=m < M)
        tl.store(codes + m[:, None] * K + k[None, :], tl.floor(tile / scale[:, None] + 0.5).to(tl.int8), mask=m[:, None] < M)
    tl.store(la + m[:, None] * RANK + r[None, :], total, mask=m[:, None] < M)
    ### END SOLUTION

# %%
check("06-fused", quantize_down, points=5)

# %% [markdown]
# **Work out a number.** How many megabytes ($10^6$ bytes) does this save at 4,096 rows of 3,072 inputs in 16 bits, compared with
# two kernels that each read $x$?

# %%
saved_read = ...
### BEGIN SOLUTION
saved_read = 4096 * 3072 * 2 / 1e6
### END SOLUTION

# %%
check("06-read-saved", saved_read, points=1)

# %% [markdown]
# Bytes are not everything. The package's first version of this kernel fetched $x$ from memory about once, as it should, and took
# 83 microseconds on an H100, where codes alone took 26 and the library's `x @ down.T` alone 7. Its tiles had 16 rows: a product
# with 16 rows and 32 columns keeps tensor cores waiting, and `down` was read again by each of 256 programs. Larger tiles halved
# the time. Fused, the branch then added 3 to 6% to a layer of 3,072 and 12,288 from 4,096 rows on, apart 45%. (That was with
# tiles of 64 rows, which raced at another size: compiled, a product was still running while its tile was written over. Those of
# 32 that are there now, a few percent slower, were not measured in a whole layer yet. The story is in `data/results/kernels.md`.)
#
# ## 9 · Attention without its matrix
#
# The same idea, one step further. Attention of $N$ tokens is $\text{softmax}(q k^T \cdot \text{scale})\, v$, and $q k^T$ has
# $N^2$ numbers: at 4,096 tokens, 32 bits each, 67 MB a head, written and read again. **FlashAttention** (Dao et al. 2022) never
# stores it. A program has BM queries and walks over tiles of keys and values. It keeps, for each query, the largest score so far
# $\mu$, the sum of weights so far $\ell$, and the sum of weighted values so far. A new tile of scores $S$ may bring a larger one.
# Then all that was summed before was computed with the old one, and is scaled down; the new weights take the new one:
#
# $$\mu' = \max(\mu, \max S), \quad c = e^{\mu - \mu'}, \quad P = e^{S - \mu'}, \qquad \ell' = c\,\ell + \textstyle\sum P, \quad
# \text{acc}' = c\;\text{acc} + P\, v .$$
#
# At the end $\text{acc} / \ell$ is the softmax, exactly: this is no approximation (Milakov and Gimelshein 2018).
#
# **Exercise 8: attention in tiles** (about 15 lines). One head, `q`, `k`, `v`, `out` (N, D), D a power of two; `scale` is a
# number, and need not be $1 / \sqrt{D}$. Every query sees every key. Keys beyond the edge must get no weight. Scores may be in
# the hundreds.
#
# <details><summary>Hint</summary>
#
# Begin with `tl.full((BM,), -float("inf"), tl.float32)`. Load keys as (D, BN). `tl.where(n[None, :] < N, score, -float("inf"))`.
#
# </details>

# %%
def attention(q, k, v, out, N, scale, D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    """out (N, D) = softmax(q k^T scale) v, all of (N, D). Programs: (N / BM,), rounded up."""
    ### BEGIN SOLUTION
    m, d = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, D)
    queries = tl.load(q + m[:, None] * D + d[None, :], mask=m[:, None] < N, other=0.0)
    most, total = tl.full((BM,), -float("inf"), tl.float32), tl.zeros((BM,), tl.float32)
    acc = tl.zeros((BM, D), tl.float32)
    for start in range(0, N, BN):
        n = start + tl.arange(0, BN)
        keys = tl.load(k + n[None, :] * D + d[:, None], mask=n[None, :] < N, other=0.0)
        score = tl.where(n[None, :] < N, tl.dot(queries, keys) * scale, -float("inf"))
        new = tl.maximum(most, tl.max(score, 1))
        weight, old = tl.exp(score - new[:, None]), tl.exp(most - new)
        values = tl.load(v + n[:, None] * D + d[None, :], mask=n[:, None] < N, other=0.0)
        total = total * old + tl.sum(weight, 1)
        acc = tl.dot(weight, values, acc * old[:, None])
        most = new
    tl.store(out + m[:, None] * D + d[None, :], acc / total[:, None], mask=m[:, None] < N)
    ### END SOLUTION

# %%
check("06-attention", attention, points=7)

# %%
tokens, moved = (32, 64, 128, 256), []
for n in tokens:
    q, k, v = (randn(n, 16, seed=seed) for seed in range(3))
    moved.append(tried(attention, (n // 32,), q, k, v, torch.zeros(n, 16), n, 0.25, D=16, BM=32, BN=32))
with figure("Kilobytes that one head of attention moves over the number of tokens: your kernel, counted, and in steps that store the matrix of "
            "scores", height=3) as ax:
    plots.curve(ax, tokens, [kilo / 1e3 for kilo in moved], label="your kernel")
    plots.curve(ax, tokens, [4 * (4 * n * 16 + 4 * n * n) / 1e3 for n in tokens], label="scores and weights stored and read", k=1)
    ax.set(xlabel="tokens", ylabel="kilobytes moved")
    ax.legend(fontsize=8)
n = 4096
print(written.timed(attention, (n // 64,), lambda device: (*(torch.randn(n, 64, device=device) for _ in range(3)), torch.empty(n, 64, device=device), n, 0.125),
                    {"D": 64, "BM": 64, "BN": 64}, lambda q, k, v, *rest: torch.nn.functional.scaled_dot_product_attention(
                        q[None, None], k[None, None], v[None, None])[0, 0], moved=16 * n * 64, operations=4 * n * n * 64, dot=True))

# %% [markdown]
# Both curves are parabolas, since keys are read again for each tile of queries; but a tile of 32 queries reads 32 times less than
# one by one, and larger tiles less still. The room that attention needs no longer grows with $N^2$.
#
# ## 10 · Memory on the way back
#
# Training has a memory problem that sampling has not. The gradient of a block needs what the block computed on the way, so all of
# it is kept until the way back, in every block. **Gradient checkpointing** (Chen et al. 2016) keeps the *input* of each block
# alone, and computes the rest again when it is needed: about a third more work, for a fraction of the memory.
#
# **Exercise 9: made again on the way back** (about 5 lines). This function is called on the way back, when gradients are switched
# off, with the `x` that was kept. That `x` is part of an older graph: leave it alone, and use a copy that is detached from it.
# Run the block once more, with gradients, and send `grad` through it, *and no further*: the weights' `.grad` add up as ever, and
# the gradient of `x` is returned. Leave the block's mode and the switch for gradients as they are.
#
# <details><summary>Hint</summary>
#
# `torch.enable_grad()` is a context manager; a detached copy of `x` can ask for gradients; `torch.autograd.backward` takes
# outputs and what came in for them.
#
# </details>

# %%
def back(block, x, grad):
    """The gradient of x (..., D) for a gradient of block(x); gradients of the block's weights are added to their .grad."""
    ### BEGIN SOLUTION
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = block(x)
    torch.autograd.backward(y, grad)
    return x.grad
    ### END SOLUTION

# %%
check("06-checkpoint", back, points=3)

# %%
class Recomputed(torch.autograd.Function):
    """A block of which the input alone is kept; `back` does the rest."""

    @staticmethod
    def forward(ctx, x, block):
        ctx.block, _ = block, ctx.save_for_backward(x)
        return block(x)

    @staticmethod
    def backward(ctx, grad):
        return back(ctx.block, *ctx.saved_tensors, grad), None


def kept(run, x):
    """Megabytes kept for the way back; the gradient of x."""
    sizes, x = {}, x.clone().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.update({t.data_ptr(): t.numel() * t.element_size()}) or t, lambda t: t):
        y = run(x)
    y.sum().backward()
    return sum(sizes.values()) / 1e6, x.grad


torch.manual_seed(0)
blocks = [torch.nn.Sequential(torch.nn.LayerNorm(64), torch.nn.Linear(64, 256), torch.nn.GELU(), torch.nn.Linear(256, 64)) for _ in range(12)]
depths, plain, again = range(1, 13), [], []
for depth in depths:
    def through(x, call):
        for block in blocks[:depth]:
            x = x + call(block, x)
        return x
    try:
        first, exact = kept(lambda x: through(x, lambda block, x: block(x)), randn(512, 64))
        second, same = kept(lambda x: through(x, lambda block, x: Recomputed.apply(x, block)), randn(512, 64))
    except NotImplementedError:
        first, second, exact, same = nan, nan, torch.full((1,), nan), torch.zeros(1)
    plain.append(first), again.append(second)
with figure("Megabytes kept for the way back over the number of blocks, as usual and with your function: both grow, one several times as fast", height=3) as ax:
    plots.curve(ax, depths, plain, label="everything kept")
    plots.curve(ax, depths, again, label="inputs of blocks alone, your function", k=1)
    ax.set(xlabel="blocks", ylabel="megabytes kept (weights included)")
    ax.legend(fontsize=8)
with torch.no_grad():
    print(f"gradients differ by {(exact - same).abs().max():.0e} (nan: not written yet); without gradients nothing is kept, either way: {through(randn(512, 64), lambda block, x: block(x)).grad_fn}")

# %% [markdown]
# When sampling, nothing is kept: there is no way back, and checkpointing does nothing for it but cost calls.
#
# **In your own words.** Somebody reports: "On our H100, our W4A4 model is slower than 16 bits, so 4 bits are useless." Answer in
# five to eight sentences, with two numbers from this notebook: what decides the time of such a layer at thousands of rows; what
# holds W4A4 in groups back on this card; what would be different with W4A8, with few rows, and on another card; and what 4 bits
# buy in any case.

# %% [markdown] written="06-why" points=4
# At thousands of rows a layer of 3,072 inputs is bound by its operations: in 16 bits at 4,096 rows they take about 390
# microseconds, its bytes about 70. So only shorter *products* help, and Hopper has no 4-bit ones: W4A4 runs in the 8-bit tensor
# cores at best. It does not get that far. With a scale for each group of 64 on both sides the whole sums of a tile have to be
# turned into floats and scaled after every 64 products, and counted in machine code that leaves the tensor cores of our loop at
# most 39% of their 8-bit peak; measured, the layer has about half the speed of 16 bits. W4A8 with whole group multipliers keeps
# its sums whole to the end and is as fast as 16 bits or a little faster. With few rows the bytes of the weights decide, and there
# a quarter of them is a gain whatever multiplies. On Ada, whose ordinary cores keep up with its tensor cores, the same W4A4 loop
# can reach nearly the whole peak, and it has 4-bit products besides. And everywhere the weights take about a quarter of the
# memory, so a model fits where it did not.
#
# <!-- ### BEGIN MARK SCHEME -->
# **Mark scheme.** One point each: (1) at thousands of rows operations decide, not bytes, with a number; (2) Hopper has no 4-bit
# products, and group scales force sums to be promoted in the loop, which bounds ours at 39% of the 8-bit peak (or: half the speed
# of 16 bits, measured); (3) half a point: W4A8 keeps whole sums and draws level; half a point: with few rows small weights win,
# or on Ada W4A4 does; (4) memory is a quarter in any case. Half a point off where there are fewer than two numbers.
# <!-- ### END MARK SCHEME -->

# %% [markdown]
# ## Summary
#
# Bytes and operations bound a layer, and which of them does depends on its rows. A kernel is good if it reads everything once and
# keeps its sums where they are made. Scales belong outside the sum, a branch into the accumulator, quantization where the inputs
# are being read anyway. Whether that is fast a count of instructions can refute, and only a clock confirm.
#
# Below are your marks, the recorded speed of the whole, and the plot of lab 05 again: what the bytes draw that these kernels move.
#
# **Next**, lab 07: fewer pixels. A diffusion model that works in a latent space.

# %%
summary()
