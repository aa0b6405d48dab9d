# ---
# jupyter:
#   effml_lab: {title: "Kernels: what a layer costs, and where the branch goes", minutes: {reading: 45}}
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # Kernels: what a layer costs, and where the branch goes
#
# A network in 4 bits is small. Whether it is *fast* is decided by the hardware, by what a layer moves and what it can
# multiply, and by how its parts are put together.

# %% [markdown] slideshow={"slide_type": "notes"}
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
# | $s$ | factors of smoothing, as in lecture 05 |
# | $u$, $t$ | scales of inputs and of weights |
# | $L_2 L_1$ | the branch, `up` (N, r) and `down` (r, K); `la` $= x\,L_1^T$ |
# | w4a8, w4a4 | weights in 4 bits, inputs in 8, or in 4 |

# %% [markdown] slideshow={"slide_type": "notes"}
# Other than in lecture 05, $L_1$ holds $1 / s$ already. A few words of hardware: a GPU has some hundred **multiprocessors**. Each
# holds tiles in **registers**, multiplies tiles on **tensor cores**, and does all else on slower *ordinary cores*; what does not
# fit lies in its **shared memory**, in a **cache** that all of them share, and in the card's memory. A **CUDA graph** is a
# recorded row of launches that is replayed without Python. TF32 and FP8 are floats of 19 and of 8 bits.

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
# A layer moves at least $(M K\,b_x + N K\,b_W + 16\,M N) / 8$ bytes and makes $2 M N K$ operations. The longer of both
# decides: the **roofline** (Williams et al. 2009). For layers of 1,152 (DiT-XL's width), with an H100's ceilings as
# measured:

# %% [markdown] slideshow={"slide_type": "notes"}
# Numbers have $b_x$ and $b_W$ bits; memory and arithmetic work side by side. The ceilings are the library's own
# products, bf16 792 and int8 894 tera-operations a second; the data sheet says 989 and 1,979, and FP8 has reached
# 1,140.

# %%
many, width = [2**i for i in range(17)], 1152
with figure("Tera-operations a second that are possible at best over the number of rows, for a layer of 1,152 on an H100: rising with the rows while bytes "
            "decide, then level; with few rows 4-bit weights lie four times as high; they are level from 128 rows on, 16 bits from 512; w4a8 levels an "
            "eighth above the other two", height=3.2) as ax:
    for k, (name, bits, top) in enumerate((("16 bits", (16, 16), CARD["float"]), ("w4a16", (16, 4), CARD["float"]), ("w4a8", (8, 4), CARD["whole"]))):
        moved = [(m * width * bits[0] + width * width * bits[1] + 16 * m * width) / 8 for m in many]
        plots.curve(ax, many, [min(top, CARD["bytes"] * 2 * m * width**2 / b) / 1e12 for m, b in zip(many, moved)], label=name, k=k)
    ax.set(xscale="log", yscale="log", xlabel="rows", ylabel="tera-operations a second")
    ax.legend(fontsize=8)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What follows
#
# - With few rows weights are all that is read: 4 bits win, whatever multiplies (W4A16).
# - With thousands of rows, as in a diffusion transformer, products decide. Fewer bits *of weights alone* win nothing. Both sides have to be short.

# %% [markdown] slideshow={"slide_type": "notes"}
# Few rows: language models that write one token at a time. Unpacking weights that are not read often even costs. Tensor
# cores multiply what they were built for: INT4 on Turing, Ampere and Ada, FP4 on Blackwell. Hopper's shortest are 8
# bits.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A kernel is a program for one tile
#
# In **Triton** (Tillet et al. 2019) one writes what *one* program does, for its own tile: which places it loads, what
# it computes, where it stores. Registers, threads and shared memory are the compiler's.

# %% [markdown] slideshow={"slide_type": "notes"}
# A launch starts thousands of programs, some hundreds at a time. The course runs the same source in plain PyTorch,
# program by program, and counts every byte (`effml_lab.efficiency.tiles`). The program below adds two vectors:

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
# A program makes a tile of $y$. It walks along $K$: a tile of inputs, a tile of weights, their product added to an
# *accumulator* in registers. With sides $B_M$, $B_N$
#
# $$\text{bytes} = \frac{N}{B_N}\,M K\,\frac{b_x}{8} + \frac{M}{B_M}\,N K\,\frac{b_W}{8} + 2 M N .$$
#
# Twice the side, half the reads.

# %% [markdown] slideshow={"slide_type": "notes"}
# Every tile of $x$ is read by all programs of its row of tiles. (Much of that comes from the cache: programs that share
# weights run near each other.)

# %%
def drawn(ax, size, name, marked=(), step=(4, 4)):
    """A matrix as a grid of tiles, some of them marked."""
    ax.set(xlim=(0, 24), ylim=(16, 0), xticks=[], yticks=[], title=name, aspect="equal")       # all to one scale
    ax.grid(False)
    ax.spines[:].set_visible(False)
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
# Run as four operations it reads $x$ twice, writes $y$, reads it and writes it again. SVDQuant makes two kernels of it:
#
# 1. **quantize and down**: a tile of $x$ is read once, for scales, codes *and* `la`;
# 2. **product and up**: before the tile of $y$ leaves the registers, `la` $L_2^T$ is added.

# %% [markdown] slideshow={"slide_type": "notes"}
# SVDQuant: Li et al. 2025, section 4.3. The second product is thin. What the branch moves at least, beside the layer
# without it, at $M$ = 4,096 and rank 32:

# %%
for k, n in ((1152, 1152), (1152, 4608), (3072, 12288)):
    m, r = 4096, 32
    apart = 2 * m * k + 4 * m * n + 4 * m * r + 2 * r * (k + n)
    fused = 8 * m * r + 2 * r * (k + n)
    print(f"{k:>5} -> {n:<6} apart {apart / 1e6:6.1f} MB   fused {fused / 1e6:4.1f} MB   of {2 * m * (k + n) / 1e6:6.1f} MB that x and y have")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Kernel 1: one read, three uses
#
# For a tile of rows, 64 columns at a time (w4a4):
#
# - `la += tile @ down`$^T$, on $x$ as it is;
# - $v = x / s$, its largest $|v|$ a group and row: the scale; $\text{round}(v / \text{scale})$: the codes, two a byte.

# %% [markdown] slideshow={"slide_type": "notes"}
# In **w4a4** a group's scale is known when its 64 columns are: one pass. In **w4a8** a *row* has one scale, known at
# its end: a second launch makes the codes, one a byte, and finds $x$ in the cache where it fits. So w4a8 is three
# launches, and $x$ is read from memory once at best. ($1 / s$ is folded into `down` beforehand.)

# %%
with figure("Kernel 1 reads a tile of x and a tile of down, and writes a tile of codes, with its scales, and at the end la", width=9, height=2.4, cols=4) as axes:
    drawn(axes[0], (16, 24), "x: a tile", [((4,), (8,))])
    drawn(axes[1], (4, 24), "down: a tile", [((), ()), ((0,), (8,))])
    drawn(axes[2], (16, 24), "codes: a tile", [((), ()), ((), ()), ((4,), (8,))])
    drawn(axes[3], (16, 4), "la: at the end", [((), ()), ((), ()), ((), ()), ((4,), (0,))])

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Kernel 2: where scales enter
#
# Products of codes are whole numbers, exact in 32 bits. A scale that can leave the sum over $k$ costs one
# multiplication an *output*:
#
# $$y_{mn} = u_m\,t_n \sum_k a_{mk}\,b_{nk} + \dots \qquad\text{but}\qquad y_{mn} = \sum_g u_{mg}\,t_{ng} \sum_{k \in g} a_{mk}\,b_{nk} + \dots$$
#
# Left, **w4a8**. Right, **w4a4**: after every 64 products the sums of a tile become floats, are scaled and added, on
# the *ordinary* cores. That is **promotion**.

# %% [markdown] slideshow={"slide_type": "notes"}
# Groups of 64 on both sides in w4a4. w4a8 stays on the left: a group of weights has a whole multiplier of 1 to 16, code
# times multiplier fits 8 bits, and one float scale a channel is left (after QServe, Lin et al. 2024).

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Details that decide
#
# - **Layout**: of 128 codes of a row, byte $j$ holds code $j$ and code $64 + j$: one load gives two groups.
# - **Unpacking** four bytes at once, for w4a4 to *sixteen times* the value.
# - **Operands**: for w4a8 the tile is computed transposed, from registers.
# - **The branch**: a product in TF32 into the same accumulator.

# %% [markdown] slideshow={"slide_type": "notes"}
# In the layout nothing is shuffled. Unpacking takes three logical instructions for w4a4, where sixteen times the value
# saves the sign extension and 1/256 is multiplied once, at the end; eleven for w4a8, which multiplies by the group's
# factor as well. $W X^T$: unpacked weights go to the tensor cores straight from registers. `la` may exceed what 16 bits
# hold, hence TF32; for w4a8 the accumulator takes it once its whole numbers have become floats.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What the compiler made of it
#
# One turn of the loop, 128 of $K$, counted in the compiled code: clocks for products, for all instructions, for
# conversions. They overlap, so the tallest decides; bars are shares of it.

# %% [markdown] slideshow={"slide_type": "notes"}
# Triton compiles for cards that are not there, and its disassembler shows the loop. w4a8 converts nothing. (That of
# w4a4 on 9.0 the lab works out.)

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
# - On Ada promotion is level with the products: 516 clocks and 512.
# - A clock of Hopper makes four times as many 8-bit products, and no more ordinary operations: what follows, the lab works out.
# - w4a8 has nothing to promote.

# %% [markdown] slideshow={"slide_type": "notes"}
# This was known *before* a GPU ran any of it. A count is a bound: it does not see waiting.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What a GPU made of it
#
# Whole layers, quantization and branch included, beside the library's 16-bit layer, from CUDA graphs. Dots are two
# turns of one run; w4a8 and w4a4 with tiles that were withdrawn since.

# %% [markdown] slideshow={"slide_type": "notes"}
# Warm in the cache where it fits. The library's 8-bit products are given quantized operands; int8 writes sums of 32
# bits, twice the bytes. The tiles of kernel 1 that are committed now are not measured in a whole layer yet. Three of
# six sizes are shown; the others are in [the results](../data/results/README.md).

# %%
sizes, rows = ("3072 -> 12288", "3072 -> 3072", "1152 -> 1152"), (1024, 4096, 16384)
ways = {"w4a8": "w4a8", "w4a4": "w4a4", "int8": "library, 8 bits", "fp8": "library, FP8"}
recorded = all(f"{way}, {size}, M = {m}" in kernels for way in ways for size in sizes for m in rows)
if recorded:
    with figure("Speed over the 16-bit layer over the number of rows, for layers of three sizes: w4a8 from 0.33 to 1.14, near 1 only for wide layers with many "
                "rows; w4a4 at about half or less; the library's int8 from 0.74 to 1.02, its FP8 above 1", width=10, height=3.2, cols=3) as axes:
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
# Time over the same w4a8 layer without a branch: in the two kernels, and as two more products of the library.

# %%
if recorded:
    with figure("Share of time that a branch of rank 32 adds to a w4a8 layer over the number of rows, fused and apart, for layers of three sizes: fused 3 to 10% "
                "for the wide ones and 8 to 28% at 1,152; apart 40 to 73%", width=10, height=2.8, cols=3) as axes:
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
# - The *product* reached 800 tera-operations, two fifths of what our count allows.
# - **Kernel 1** took three times as long with its thin product: `down` was read 256 times, by programs of 16 rows.
# - With 64 rows it was fast, and at one size in seven *wrong*: a race in the compiled code.

# %% [markdown] slideshow={"slide_type": "notes"}
# The library's int8 makes 679 on that layer. The count saw nothing in the product's way: bytes and counts are bounds,
# not forecasts. Kernel 1 fetched $x$ about once. The race: the compiler left a product running while a later tile was
# copied over its operand. So the committed tiles have 32 rows, by kernel 1's own times a fiftieth to a tenth of a layer
# slower; the rows above were taken with 64 ([notes](../data/results/kernels.md)).

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### In a whole network
#
# A call of a DiT in 4 bits beside one in 16, 4,096 tokens in all, two turns each. `dit` is lab 05's net, `xl` and
# `flux` 4 and 2 blocks of random weights, as wide as DiT-XL and FLUX.

# %% [markdown] slideshow={"slide_type": "notes"}
# Launched from Python, a small network waits for its launches, and a 4-bit layer has more of them. From a CUDA graph
# nothing waits, and still all of these are slower than in 16 bits. Taken with the withdrawn tiles, and `xl` and `flux`
# were not compared with plain PyTorch. AdaLN stays in 16 bits, hence bytes fall less than fourfold.

# %%
if forward:
    for name, row in forward.items():
        if "16 bits" not in name:
            graph, eager = (" and ".join(f"{turn:.2f}" for turn in row.settings[kind]["ratio"]) for kind in ("graph", "eager"))
            smaller = forward[f"{name.partition(',')[0]}, 16 bits"].bytes / row.bytes
            told = "; median picture {:.1f} dB".format(row.quality["psnr"]["value"]) if row.quality else ""
            print(f"{name:10} {graph} times as fast from a graph, {eager} from Python; {smaller:.2f} times fewer bytes{told}")
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Attention without its matrix
#
# $\text{softmax}(q k^T)\,v$ has $N^2$ scores. FlashAttention (Dao et al. 2022) walks through keys tile by tile and
# keeps, for each query, the largest score, the sum of weights and the sum of weighted values. What autograd keeps of
# one head of 64:

# %% [markdown] slideshow={"slide_type": "notes"}
# When a larger score comes, both sums are scaled down by $e^{\text{old} - \text{new}}$. Exact, and nothing of size
# $N^2$ is ever stored.

# %%
attention = [row for row in memory.values() if "tokens" in row.settings]
if attention:
    with figure("Megabytes kept by one head of attention over the number of tokens, as products and a softmax, and fused", height=2.8) as ax:
        for k, (fused, name) in enumerate({False: "products and a softmax", True: "fused"}.items()):
            picked = [row for row in attention if row.settings["fused"] == fused]
            plots.curve(ax, [row.settings["tokens"] for row in picked], [row.bytes / 1e6 for row in picked], label=name, k=k)
        ax.set(xlabel="tokens", ylabel="megabytes kept", xscale="log", yscale="log")
        ax.legend(fontsize=8)
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Gradient checkpointing
#
# Training keeps what each block computed until the gradients come back. **Checkpointing** (Chen et al. 2016) keeps a
# block's *inputs* and computes the rest once more. Random blocks as wide as the DiT's, 16 pictures:

# %% [markdown] slideshow={"slide_type": "notes"}
# A block at a time: a third more work in theory; here steps take 1.24 to 1.35 times as long, with no order in the
# depth. Sampling keeps nothing, so there it does nothing. Bytes are those that the way forth leaves.

# %%
for name, row in memory.items():
    if name.startswith(("checkpoint", "sampling")) :
        time = row.quality.get("time")
        told = f", a step takes {time['value']:.2f} ({time['low']:.2f} to {time['high']:.2f}) times as long" if row.settings.get("again") else ""
        print(f"{name:40} {row.bytes / 1e6:7.1f} MB{told}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Published
#
# - **Nunchaku** (Li et al. 2025), W4A4 with a fused branch: 3.0 times as fast as W4A16 in NF4 on a laptop's 4090.
# - **QServe** (Lin et al. 2024): 20 to 90% of the time of 4-bit loops is dequantizing.
# - **FlashAttention** (Dao et al. 2022): GPT-2's attention 7.6 times as fast.

# %% [markdown] slideshow={"slide_type": "notes"}
# Nunchaku: INT4 tensor cores, groups of 64, rank 32. A branch that is not fused costs 57% more latency. Its installer
# refused Hopper at the time of writing. QServe has two levels of scales. **Marlin** (Frantar et al. 2024), W4A16: an
# issue of vLLM (2497) reports 3.2 times the speed of 16 bits at 16 rows and 0.6 to 0.74 from 256 rows on, on a card
# that it does not name. FlashAttention is beside PyTorch's attention of its day.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Bytes or operations: find out which bounds you before you save the other.
# - A kernel reads as seldom as its tiles allow, and keeps its sums where they are made.
# - Scales outside the sum, the branch in the accumulator.
# - Counting refutes early; only a clock confirms, and only after a comparison.

# %% [markdown] slideshow={"slide_type": "notes"}
# On Hopper these kernels buy weights of 1.5 to 1.8 times fewer bytes, as AdaLN stays in 16 bits, and no time. On cards
# that multiply 4 bits they can buy time as well: published, 3.0 times NF4 on a 4090 and 3.1 times 16 bits on a 5090. It
# is not measured here, and our w4a4 multiplies in 8 bits everywhere.
#
# **Next**: lab 06, and lecture 07: fewer numbers to begin with.
#
# **Read on**: Williams et al. (2009), [Roofline](https://doi.org/10.1145/1498765.1498785); Tillet et al. (2019),
# [Triton](https://doi.org/10.1145/3315508.3329973); Li et al. (2025), [SVDQuant](https://arxiv.org/abs/2411.05007); Lin
# et al. (2024), [QServe](https://arxiv.org/abs/2405.04532); Frantar et al. (2024),
# [Marlin](https://arxiv.org/abs/2408.11743); Dao et al. (2022), [FlashAttention](https://arxiv.org/abs/2205.14135);
# Chen et al. (2016), [Training deep nets with sublinear memory cost](https://arxiv.org/abs/1604.06174).
