# ---
# jupyter:
#   effml_lab: {title: "Kernels: what a layer costs, and where the branch goes", minutes: {reading: 45}}
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # Kernels: what a layer costs, and where the branch goes
#
# A network in 4 bits is small. Whether it is *fast* is decided by the hardware, by what a layer moves and what it can multiply, and
# by how its parts are put together.
#
# **You will see** what bounds a layer before a line of code is written; a 4-bit layer with its branch as two kernels, tile by tile;
# what a compiler makes of them, and what a GPU made of them; and the same thought applied to attention and to training.
#
# **You need** lecture 05.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ## Notation
#
# | here | meaning |
# |---|---|
# | $M$, $K$, $N$ | rows, inputs, outputs: $x$ (M, K), weights (N, K), $y$ (M, N) |
# | tile | a block of numbers that one program holds, its sides powers of two |
# | $s$, $t$ | scales of inputs and of weights |
# | $L_2 L_1$ | the branch, `up` (N, r) and `down` (r, K); `la` $= x\,L_1^T$ |
# | w4a8, w4a4 | weights in 4 bits, inputs in 8, or in 4 |

# %% slideshow={"slide_type": "skip"}
import torch

from effml_lab import bench
from effml_lab.efficiency.tiles import launch, tl
from effml_lab.measure import plots

torch.set_num_threads(1)
kernels, counted, forward, memory = (bench.recorded(name) for name in ("kernels", "instructions", "forward", "memory"))
UNRECORDED = "Nothing is recorded here yet: `python -m effml_lab bench kernels --device cuda`, `forward`, `instructions` and `memory` do that."
CARD = next((row.settings["ceilings"] for row in kernels.values() if "ceilings" in row.settings), {"bytes": 3.0e12, "float": 7.2e14, "whole": 8.9e14})

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Bytes or operations
#
# A layer reads $x$ and $W$ and writes $y$: at least $(M K\,b_x + N K\,b_W + 16\,M N) / 8$ bytes for numbers of $b_x$ and $b_W$ bits. It makes
# $2 M N K$ operations. Memory and arithmetic work side by side, so the longer of both decides: the **roofline** (Williams et al.
# 2009). Below, what an H100, as measured, can do at best for layers of 1,152 inputs and outputs (DiT-XL's width):

# %%
many, width = [2**i for i in range(17)], 1152
with figure("Tera-operations a second that are possible at best over the number of rows, for a layer of 1,152 on an H100: rising with the rows while bytes "
            "decide, then level; weights of 4 bits rise earlier, and are level where 16 bits are", height=3.2) as ax:
    for k, (name, bits, top) in enumerate((("16 bits", (16, 16), CARD["float"]), ("w4a16", (16, 4), CARD["float"]), ("w4a8", (8, 4), CARD["whole"]))):
        moved = [(m * width * bits[0] + width * width * bits[1] + 16 * m * width) / 8 for m in many]
        plots.curve(ax, many, [min(top, CARD["bytes"] * 2 * m * width**2 / b) / 1e12 for m, b in zip(many, moved)], label=name, k=k)
    ax.set(xscale="log", yscale="log", xlabel="rows", ylabel="tera-operations a second")
    ax.legend(fontsize=8)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What follows
#
# - With few rows, as in language models that write one token at a time, weights are all that is read: 4 bits win, whatever
#   multiplies (W4A16).
# - With thousands of rows, as in a diffusion transformer, products decide. Fewer bits *of weights alone* win nothing; unpacking them
#   even costs. Both sides have to be short.
# - Tensor cores multiply what they were built for: INT4 on Turing, Ampere and Ada, FP4 on Blackwell. Hopper's shortest are 8 bits.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A kernel is a program for one tile
#
# A GPU runs thousands of programs at once, each on its own tile. In **Triton** (Tillet et al. 2019) one writes what *one* of them does:
# which places it loads, what it computes, where it stores. Registers, threads and shared memory are the compiler's. The course runs
# the same source in plain PyTorch, program by program, and counts every byte (`effml_lab.efficiency.tiles`).

# %%
def add(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)  # places of this program
    tl.store(out + i, tl.load(x + i, mask=i < n) + tl.load(y + i, mask=i < n), mask=i < n)


x, y, out = torch.randn(1000), torch.randn(1000), torch.empty(1000)
traffic = launch(add, (4,), x, y, out, 1000, BLOCK=256)
print(torch.equal(out, x + y), "- bytes loaded", traffic.loaded, "stored", traffic.stored)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A product in tiles
#
# A program makes a tile of $y$. It walks along $K$: a tile of inputs, a tile of weights, their product added to an *accumulator* in
# registers. Every tile of $x$ is read by all programs of its row of tiles: with sides $B_M$, $B_N$
#
# $$\text{bytes} = \frac{N}{B_N}\,M K\,\frac{b_x}{8} + \frac{M}{B_M}\,N K\,\frac{b_W}{8} + 2 M N .$$
#
# Twice the side, half the reads. (Much of that comes from the second-level cache: programs that share weights run near each other.)

# %%
def drawn(ax, size, name, marked=(), step=(4, 4)):
    """A matrix as a grid of tiles, some of them marked."""
    ax.set(xlim=(0, size[1]), ylim=(size[0], 0), xticks=[], yticks=[], title=name, aspect="equal")
    ax.grid(False)
    for r in range(0, size[0], step[0]):
        for c in range(0, size[1], step[1]):
            k = next((k for k, (rows, cols) in enumerate(marked) if r in rows and c in cols), None)
            ax.add_patch(plots.plt.Rectangle((c, r), step[1], step[0], edgecolor="white", facecolor="#dddddd" if k is None else plots.look(k).color))


with figure("A tile of y needs a row of tiles of x and a row of tiles of W, which it walks through along K", width=9, height=2.6, cols=3) as axes:
    drawn(axes[0], (16, 24), "x (M, K): one row of tiles", [((4,), range(0, 24, 4))])
    drawn(axes[1], (16, 24), "W (N, K): one row of tiles", [((), ()), ((8,), range(0, 24, 4))])
    drawn(axes[2], (16, 16), "y (M, N): one tile", [((), ()), ((), ()), ((4,), (8,))])

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The layer as two kernels
#
# $$y = Q(x / s)\,Q(R)^T + (x\,L_1^T)\,L_2^T + \text{bias} .$$
#
# Run as four operations it reads $x$ twice, writes $y$, reads it and writes it again. SVDQuant (Li et al. 2025, section 4.3) makes two kernels of it:
#
# 1. **quantize and down**: a tile of $x$ is read once, for scales, codes *and* `la`;
# 2. **product and up**: before the tile of $y$ leaves the registers, `la` $L_2^T$ is added as one more, thin product.
#
# What the branch moves at least, beside the layer without it, at $M$ = 4,096 and rank 32:

# %%
for k, n in ((1152, 1152), (1152, 4608), (3072, 12288)):
    m, r = 4096, 32
    apart = 2 * m * k + 4 * m * n + 4 * m * r + 2 * r * (k + n)
    fused = 8 * m * r + 2 * r * (k + n)
    print(f"{k:>5} -> {n:<6} apart {apart / 1e6:6.1f} MB   fused {fused / 1e6:4.1f} MB   of {2 * m * (k + n) / 1e6:6.1f} MB that x and y have")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Kernel 1: one read, three uses
#
# For a tile of rows, 64 columns at a time:
#
# - `la += tile @ down`$^T$, on $x$ as it is ($1 / s$ is folded into `down` beforehand);
# - $v = x / s$, its largest $|v|$ a group and row: the scale; $\text{round}(v / \text{scale})$: the codes, two a byte.
#
# In **w4a4** a group's scale is known when its 64 columns are: one pass. In **w4a8** a *row* has one scale, known at its end: a second
# pass makes the codes, and finds $x$ in the cache.

# %%
with figure("Kernel 1 reads a tile of x and a tile of down, and writes a tile of codes, scales, and at the end la", width=9, height=2.4, cols=4) as axes:
    drawn(axes[0], (16, 24), "x: a tile", [((4,), (8,))])
    drawn(axes[1], (4, 24), "down: a tile", [((), ()), ((0,), (8,))])
    drawn(axes[2], (16, 24), "codes: a tile", [((), ()), ((), ()), ((4,), (8,))])
    drawn(axes[3], (16, 4), "la: at the end", [((), ()), ((), ()), ((), ()), ((4,), (0,))])

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Kernel 2: where scales enter
#
# Products of codes are whole numbers, exact in 32 bits. Where a scale can leave the sum over $k$, it costs one multiplication for each
# *output*:
#
# $$y_{mn} = s_m\,t_n \sum_k a_{mk}\,b_{nk} + \dots \qquad\text{but}\qquad y_{mn} = \sum_g s_{mg}\,t_{ng} \sum_{k \in g} a_{mk}\,b_{nk} + \dots$$
#
# On the right, groups of 64 on both sides (**w4a4**): after every 64 products the sums of a tile become floats, are scaled and added, on
# the *ordinary* cores. That is **promotion**. **w4a8** stays on the left: a group of weights has a whole multiplier of 1 to 16, code
# times multiplier fits 8 bits, and one float scale a channel is left (after QServe, Lin et al. 2024).

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Details that decide
#
# - **Layout.** Of 128 codes of a row, byte $j$ holds code $j$ and code $64 + j$: one load gives two whole groups, nothing is shuffled.
# - **Unpacking** four bytes at once, in three logical instructions. For w4a4 to *sixteen times* the value, which saves the sign
#   extension; 1/256 is multiplied once, at the end.
# - **Operands.** For w4a8 the tile is computed transposed, $W X^T$: unpacked weights go to the tensor cores straight from registers.
# - **The branch** is a product in TF32 into the same accumulator: `la` may exceed what 16 bits hold.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What the compiler made of it
#
# Triton compiles for cards that are not there, and its disassembler shows the loop. One turn, 128 of $K$, counted: clocks of a
# multiprocessor for products, for all instructions, and for conversions. They overlap, so the tallest decides; all bars are shares of
# it. (That of w4a4 on 9.0 the lab works out.)

# %%
loops = {(row.settings["kernel"][5:], row.settings["cc"]): row.settings for row in counted.values() if "macs" in row.settings}
if loops:
    with figure("Shares of the largest of products, instructions and conversions in one turn of the main loop: on 8.0 conversions of w4a4 are largest and products "
                "half of them, on 8.9 products and instructions are level; of w4a8 products are largest everywhere", width=10, height=3.2, cols=2) as axes:
        for ax, (mode, cards) in zip(axes, {"w4a4": {80: "8.0 (A100)", 89: "8.9 (L4, 4090)"},
                                            "w4a8": {80: "8.0 (A100)", 89: "8.9 (L4, 4090)", 90: "9.0 (H100)"}}.items()):
            for k, (part, name) in enumerate((("tensor", "products"), ("issue", "instructions"), ("convert", "conversions"))):
                shares = [loops[mode, cc][part] / max(loops[mode, cc][each] for each in ("tensor", "issue", "convert")) for cc in cards]
                ax.bar([i + 0.27 * (k - 1) for i in range(len(cards))], shares, 0.25, color=plots.look(k).color, label=name)
            ax.set_xticks(range(len(cards)), cards.values())
            ax.set(title=mode, ylabel="share of the largest", ylim=(0, 1.35))
        axes[0].legend(fontsize=8, ncols=3)
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Read it
#
# A clock and multiprocessor of Hopper makes four times as many 8-bit products as one of Ada, and as many ordinary operations. So on Ada
# promotion hides behind the products, on Hopper the products wait for it. w4a8 has nothing to promote. This was known *before* a GPU ran
# any of it. A count is a bound: it does not see waiting.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What a GPU made of it
#
# Whole layers, quantization and branch included, beside the library's 16-bit layer, replayed from CUDA graphs (warm in the cache where it
# fits). Dots are two turns of one run. The library's 8-bit products are given quantized operands, and do nothing else.

# %%
sizes, rows = ("3072 -> 12288", "3072 -> 3072", "1152 -> 1152"), (1024, 4096, 16384)
ways = {"w4a8": "w4a8", "w4a4": "w4a4", "int8": "library, 8 bits", "fp8": "library, FP8"}
recorded = all(f"{way}, {size}, M = {m}" in kernels for way in ways for size in sizes for m in rows)
if recorded:
    with figure("Speed over the 16-bit layer over the number of rows, for layers of three sizes: w4a8 near 1 for the widest with many rows and below for the "
                "others, w4a4 at half or less, FP8 above 1", width=10, height=3.2, cols=3) as axes:
        for ax, size in zip(axes, sizes):
            for k, (way, name) in enumerate(ways.items()):
                pairs = [kernels[f"{way}, {size}, M = {m}"].settings["ratio"]["graph"] for m in rows]
                plots.curve(ax, rows, [sum(pair) / 2 for pair in pairs], label=name, k=k)
                ax.plot([m for m in rows for _ in range(2)], [turn for pair in pairs for turn in pair], ".", color=plots.look(k).color)
            ax.axhline(1, color=plots.MUTED, linestyle=":")
            ax.set(xscale="log", title=size, xlabel="rows", ylim=(0, 2.6))
            ax.set_xticks(rows, rows, fontsize=8)
            ax.minorticks_off()
        axes[0].set(ylabel="times as fast as 16 bits")
        axes[0].legend(fontsize=7, ncols=2, loc="upper left")
    first = kernels[f"w4a8, {sizes[0]}, M = 4096"]
    print(f"{first.device}, {first.date[:10]}; it copies {CARD['bytes'] / 1e12:.1f} TB/s, multiplies {CARD['float'] / 1e12:.0f} T (bf16), {CARD['whole'] / 1e12:.0f} T (int8)")
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What the branch adds
#
# Time over the same layer without a branch: in the two kernels, and as two more products of the library.

# %%
if recorded:
    with figure("Share of time that a branch of rank 32 adds to a w4a8 layer over the number of rows, fused and apart, for layers of three sizes: fused a few percent "
                "for wide layers, apart about half", width=10, height=2.8, cols=3) as axes:
        for ax, size in zip(axes, sizes):
            bare = [kernels[f"w4a8, no branch, {size}, M = {m}"].settings["graph"]["median"] for m in rows]
            for k, (way, name) in enumerate({"w4a8": "fused", "w4a8, unfused": "apart"}.items()):
                time = [kernels[f"{way}, {size}, M = {m}"].settings["graph"]["median"] for m in rows]
                plots.curve(ax, rows, [100 * (t / b - 1) for t, b in zip(time, bare)], label=name, k=k)
            ax.set(xscale="log", title=size, xlabel="rows", ylim=(0, 100))
            ax.set_xticks(rows, rows, fontsize=8)
            ax.minorticks_off()
        axes[0].set(ylabel="percent more time")
        axes[0].legend(fontsize=8)
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Three things it taught
#
# - The *product* reached 800 tera-operations, as many as the library's int8. **Kernel 1** fetched $x$ about once and took three times as
#   long with its thin product as without: `down` was read 256 times, by programs of 16 rows. Bytes are a bound, not a forecast.
# - With 64 rows it was fast, and at one size in seven wrong: the compiler left a product running while a later tile was copied over its
#   operand.
# - So the committed tiles have 32 rows, a fiftieth to a tenth of a layer slower; the rows above were taken with 64
#   ([notes](../data/results/kernels.md)).

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### In a whole network
#
# A call of a DiT in 4 bits beside one in 16, 4,096 tokens in all. Launched from Python, a small network waits for its launches, and a 4-bit
# layer has more of them. From a CUDA graph nothing waits, and still all of these are slower than in 16 bits: on this card 4 bits buy
# memory.

# %%
if forward:
    for name, row in forward.items():
        if "16 bits" not in name:
            graph, eager = (sum(row.settings[kind]["ratio"]) / 2 for kind in ("graph", "eager"))
            told = "; PSNR to 32 bits {:.1f} dB in the median picture, {:.1f} in all".format(
                *(row.quality[key]["value"] for key in ("psnr", "psnr_pooled"))) if row.quality else ""
            print(f"{name:10} {graph:.2f} times as fast from a graph, {eager:.2f} from Python{told}")
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Attention without its matrix
#
# $\text{softmax}(q k^T)\,v$ has $N^2$ scores. FlashAttention (Dao et al. 2022) walks through keys tile by tile and keeps, for each query, the
# largest score so far, the sum of weights and the sum of weighted values; when a larger score comes, both sums are scaled down by
# $e^{\text{old} - \text{new}}$. Exact, and nothing of size $N^2$ is ever stored. What autograd keeps of one head of 64:

# %%
attention = [row for row in memory.values() if "tokens" in row.settings]
if attention:
    with figure("Megabytes kept by one head of attention over the number of tokens, as products and a softmax, and fused", height=2.8) as ax:
        for k, (fused, name) in enumerate({False: "products and a softmax", True: "fused"}.items()):
            picked = [row for row in attention if row.settings["fused"] == fused]
            plots.curve(ax, [row.settings["tokens"] for row in picked], [row.bytes / 1e6 for row in picked], label=name, k=k)
        ax.set(xlabel="tokens", ylabel="megabytes kept")
        ax.legend(fontsize=8)
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Gradient checkpointing
#
# Training keeps what each block computed until the gradients come back. **Checkpointing** (Chen et al. 2016) keeps a block's *inputs* and
# computes the rest once more, a block at a time: a third more work in theory. Sampling keeps nothing, so there it does nothing. Blocks of
# the DiT, 16 pictures, what the way forth leaves:

# %%
for name, row in memory.items():
    if name.startswith(("checkpoint", "sampling")) and row.settings["depth"] in (3, 12):
        time = row.quality.get("time")
        told = f", a step takes {time['value']:.2f} ({time['low']:.2f} to {time['high']:.2f}) times as long" if row.settings.get("again") else ""
        print(f"{name:40} {row.bytes / 1e6:7.1f} MB{told}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Published
#
# - **Nunchaku** (Li et al. 2025): W4A4 on INT4 tensor cores, groups of 64, rank 32, both kernels fused; 3.0 times as fast as W4A16 in NF4
#   on a laptop's 4090. A branch that is not fused costs 57% more latency. Its installer refuses Hopper.
# - **QServe** (Lin et al. 2024): two levels of scales; 20 to 90% of the time of W4A4 and W4A16 loops is spent on dequantizing.
# - **Marlin**: W4A16, 3.2 times as fast as 16 bits at 16 rows and 0.6 to 0.74 from 256 rows on, as one user measured.
# - **FlashAttention** (Dao et al. 2022): the attention of GPT-2 7.6 times as fast as PyTorch's of its day.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Bytes or operations: find out which bounds you before you save the other.
# - A kernel reads as seldom as its tiles allow, and keeps its sums where they are made.
# - Scales outside the sum, the branch in the accumulator, quantization where the inputs are read anyway.
# - Counting refutes early; only a clock confirms, and only after a comparison.
# - On Hopper 4 bits buy memory. On cards that multiply 4 bits they buy time.
#
# **Next**: lab 06, and lecture 07: fewer numbers to begin with.
