# ---
# jupyter:
#   effml_lab: {title: "Quantization: four bits, and a branch for what does not fit", minutes: {reading: 80, coding: 110}}
# ---

# %% [markdown]
# # Lab 05 · Quantization: four bits, and a branch for what does not fit
#
# Fewer steps (labs 02 and 04) leave each step as dear as it was. This lab makes the step itself cheaper: weights and inputs of
# the large layers get **4 bits** instead of 16. That is a quarter of the bytes to store and to read, and products of 4-bit
# numbers, which some GPUs do at four times the rate of 16-bit ones. You write rounding, packing, and what has to be done about
# **outliers**, a few channels so loud that what shares a scale with them is rounded to nothing: smoothing, and SVDQuant's
# branch of low rank. Then a whole network runs in 4 bits, and you ask whether the branch was worth its bytes.
#
# Storage here is real, to the byte. The *arithmetic* is simulated: codes are multiplied as ordinary numbers, on a CPU, and no
# time is claimed. Lab 06 writes the kernels.
#
# **You will be able to**
# - round a tensor to 4 bits in groups, store two codes a byte, and say what a layer takes, to the byte;
# - find the channels whose rounding costs most, and say why they are not the loud ones;
# - move outliers from inputs to weights and from there into a branch in 16 bits, and put a LoRA beside it;
# - look at what a layer is given along a sampler's path, and say what that means for scales that are fixed beforehand;
# - ask of any improvement in quantization what it cost, and run the control that decides.
#
# **You need** labs 01 to 03: levels, DDIM, attention; matrix products and the SVD. Section 6 ends in a place to pause.
#
# ## Notation
#
# | papers | here | in code | meaning |
# |---|---|---|---|
# | $\Delta$ | | `scale` | what a code counts, one for each group of neighbours in a row |
# | $Q(x)$ | $Q(x)$ | `rounded(x)` | $x$ as it comes back from its codes |
# | $X W$ | $x W^T$ | `x @ w.T` | inputs (rows, K), weights (N, K); a column of both is a *channel* |
# | $\lambda$, also $s$ | $s$ | `s` | factors of smoothing, one a channel |
# | $L_1$, $L_2$ | | `down`, `up` | the branch: (r, K) and (N, r), in 16 bits |
# | $R$ | | `rest` | what the branch leaves |
# | W4A8, W4A4 | | `"w4a8"`, `"w4a4"` | weights in 4 bits, activations (inputs) in 8, or in 4 |

# %%
import torch

from effml_lab.bench import beds
from effml_lab.course import panel
from effml_lab.efficiency import quant
from effml_lab.measure import plots

torch.set_num_threads(1)
seeded = lambda seed: torch.Generator().manual_seed(seed)
off = lambda got, want: ((got - want).norm() / want.norm()).item()  # relative error

# %% [markdown]
# ## 1 · Codes
#
# The network of this lab is a **DiT** (Peebles and Xie 2023), a transformer on patches of 4 x 4 pixels that was trained to draw
# the course's shapes. It is small: in 32 bits, too, only two thirds of its pictures show the kind that was asked for. That will
# do, since we compare it with itself. Nearly all of its *work* is in four linear layers a block, which see every token, and
# those are what is quantized. `bed.net` is the network, and `bed.seen` holds some of what each of its layers was given while it
# drew 48 pictures. We look at one layer first.

# %%
bed = beds.bed("dit")
LAYER = "blocks.1.mlp.0"
of = lambda bed: (bed.seen[LAYER], *bed.net.get_submodule(LAYER).parameters())  # inputs (rows, K), weights (N, K), bias (N,)
x, w, bias = of(bed)
print(f"inputs {tuple(x.shape)}, weights {tuple(w.shape)}; the network has {sum(p.numel() for p in bed.net.parameters()):,} weights")

# %% [markdown]
# A number in 4 bits is one of 16 codes. We use the symmetric grid: whole numbers from $-7$ to $7$ (one stays unused), and a
# **scale** that says what a code counts. The largest of the numbers that share a scale should get the largest code:
#
# $$\text{scale} = \frac{\max |x|}{2^{b-1} - 1}, \qquad q = \text{round}\!\left(\frac{x}{\text{scale}}\right), \qquad x \approx
# \text{scale} \cdot q .$$
#
# So nothing has to be clipped. Who shares a scale is a choice. Here it is a **group** of neighbours along a row: small groups
# fit better, and cost more scales.
#
# **Exercise 1: codes and scales** (about 6 lines). $K$ is a multiple of `group`. Where all of a group is 0, take 1 for its
# scale. The scales are in the type of $x$, (rows, K / group); the codes are `torch.int8`, in the shape of $x$.
#
# <details><summary>Hint</summary>
#
# `x.unflatten(1, (-1, group))` is $x$ as (rows, groups, group). `torch.where(scale == 0, 1.0, scale)`. Round *before*
# `.to(torch.int8)`, which cuts off.
#
# </details>

# %%
def quantize(x, bits, group):
    """(q, scale): int8 codes in the shape of x (rows, K), and a scale for each group of neighbours, (rows, K / group)."""
    ### BEGIN SOLUTION
    part = x.unflatten(1, (-1, group))
    scale = part.abs().amax(2) / (2 ** (bits - 1) - 1)
    scale = torch.where(scale == 0, 1.0, scale)
    q = (part / scale[..., None]).round().to(torch.int8)
    return q.flatten(1), scale
    ### END SOLUTION

# %%
check("05-quantize", quantize, points=4)

# %%
def rounded(x, bits=4, group=64):
    """x as it comes back from its codes."""
    q, scale = quantize(x, bits, group)
    return (q.unflatten(1, (-1, group)) * scale[..., None]).flatten(1)


widths = (3, 4, 5, 6, 7, 8)
with figure("Relative error of rounding over bits, for the weights of a layer and for its inputs, with one scale a row and in groups "
            "of 64 and 16: each bit halves it, smaller groups help a little", width=8, height=3, cols=2) as axes:
    for ax, (name, t) in zip(axes, {"weights": w, "inputs": x}.items()):
        for k, group in enumerate((256, 64, 16)):
            plots.curve(ax, widths, [off(rounded(t, bits, group), t) for bits in widths], label=f"groups of {group}", k=k)
        ax.set(yscale="log", xlabel="bits", title=name)
    axes[0].set(ylabel="relative error")
    axes[0].legend()

# %% [markdown]
# Each bit more halves the error. With 4 bits and groups of 64 the weights as a whole are off by about a tenth, the inputs by
# more: and that in every layer, each of which is given what the layers before it got wrong.
#
# ## 2 · Look first
#
# Large transformers have **outliers**: a few channels that are tens of times as loud as the rest, language models in nearly
# every token (Dettmers et al. 2022, Xiao et al. 2023). Does our small one? A second network helps to see what is at stake: a
# copy of the DiT in which, before three layers of each block, four channels are made 30 times as loud, and the columns of the
# layer that reads them as many times smaller,
#
# $$\tfrac{1}{c}\,W\,(c\,x) = W x ,$$
#
# so that in 32 bits it computes *the same*. These outliers were **planted**, and wherever they are shown we say so.

# %%
loud = beds.bed("rescaled")
same = torch.randn(8, 3, 32, 32, generator=seeded(0)), torch.full((8,), 500.0)
print(f"the two networks in 32 bits differ by {off(loud.net(*same), bed.net(*same)):.0e}")
both = {"as trained": of(bed), "planted": of(loud)}

# %% [markdown]
# What does the rounding of one input channel cost? The output's error is $(x - Q(x))\,W^T$. If the errors of different channels
# have nothing to do with each other, its square is a sum over channels $k$ of
#
# $$e_k = \Big(\sum_\text{rows} (x - Q(x))_k^2\Big) \Big(\sum_n W_{nk}^2\Big),$$
#
# how far the channel is off, times how much the layer makes of it.
#
# **Exercise 2: whose rounding costs most** (about 3 lines). Return each channel's share, so that all shares add up to 1.
#
# <details><summary>Hint</summary>
#
# Rows are dimension 0 of both `x` (rows, K) and `w` (N, K).
#
# </details>

# %%
def channel_error(x, rounded_x, w):
    """The share of each input channel in the squared error of x W^T, (K,); rounded_x: x as it comes back from its codes."""
    ### BEGIN SOLUTION
    cost = (x - rounded_x).square().sum(0) * w.square().sum(0)
    return cost / cost.sum()
    ### END SOLUTION

# %%
check("05-channel", channel_error, points=3)

# %%
with figure("For each input channel of a layer, as trained and planted: above how loud it is, below its share of the squared error. "
            "Planted, all channels of a group with a loud one have a large share", width=10, height=4.4, rows=2, cols=2) as axes:
    for column, (name, (given, weight, _)) in zip(axes.T, both.items()):
        column[0].bar(range(256), given.abs().amax(0), width=1.0, color=plots.look(0).color)
        column[0].set(title=f"{name}: largest |input|", yscale="log")
        column[1].bar(range(256), channel_error(given, rounded(given), weight), width=1.0, color=plots.look(1).color)
        column[1].set(title="share of the squared error", xlabel="channel (groups of 64)")

# %% [markdown]
# As trained, the loudest channel of this layer is about six times as loud as the median one: no outlier as large models have
# them. Planted, look at the **groups** of 64. All channels that share a scale are off by up to half a code. The loudest of a
# group *is* its scale: its code is 7 or $-7$ and comes back nearly exactly (and here its weights are small besides). What is
# lost is the *quiet* channels beside it: most of them are rounded to 0.
#
# ## 3 · Two codes a byte
#
# `int8` has eight bits, and a code only four. Storage becomes real when two of them share a byte. The package's layout takes
# 128 codes of a row at a time: byte $j$ of 64 holds code $j$ in its low four bits and code $64 + j$ in its high four. So the
# low halves of 64 bytes are one whole group and the high halves the next, and a kernel never has to shuffle. Numbers below 0
# are kept in two's complement: $-1$ is `1111`, $-8$ is `1000`.
#
# **Exercise 3: pack and unpack** (about 7 lines in all). Codes are int8, (rows, K), $K$ a multiple of 128; bytes are
# `torch.uint8`, (rows, K / 2). Our grid ends at $-7$, but four bits have room for $-8$, and other grids use it: take it, too.
#
# <details><summary>Hint</summary>
#
# `code & 15` keeps the low four bits, below 0 too. `b << 4` moves them up, `byte >> 4` down; work in `torch.int16`, which has
# room. `q.unflatten(1, (-1, 2, 64)).unbind(2)` gives both halves. On the way back, 8 to 15 stand for $-8$ to $-1$.
#
# </details>

# %%
def pack(q):
    """Codes (rows, K), int8, to bytes (rows, K / 2), uint8."""
    ### BEGIN SOLUTION
    low, high = (q.to(torch.int16) & 15).unflatten(1, (-1, 2, 64)).unbind(2)
    return (low | high << 4).to(torch.uint8).flatten(1)
    ### END SOLUTION


def unpack(packed):
    """Bytes (rows, K / 2) back to codes (rows, K), int8."""
    ### BEGIN SOLUTION
    pair = packed.to(torch.int16).unflatten(1, (-1, 64))
    q = torch.stack([pair & 15, pair >> 4], 2).flatten(1)
    return torch.where(q > 7, q - 16, q).to(torch.int8)
    ### END SOLUTION

# %%
check("05-pack", (pack, unpack), points=4)

# %%
try:
    q, scale = quantize(w, 4, 64)
    stored = pack(q)
    again = (unpack(stored).unflatten(1, (-1, 64)) * scale[..., None]).flatten(1)
    print(f"in 16 bits {2 * w.numel():,} bytes; codes {stored.numel():,} and scales {2 * scale.numel():,}")
    print(f"what comes back is off by {off(again, w):.3f}, as it was before: {off(rounded(w), w):.3f}")
except NotImplementedError:
    print("Nothing to store yet: exercises 1 and 3 are needed.")

# %% [markdown]
# ## 4 · Smooth
#
# Back to the outliers. A product does not change if a channel of $x$ is divided by a number and the same channel of $W$ is
# multiplied by it: $x W^T = (x / s)\,(W s)^T$. So difficulty can be *moved*, from inputs that are hard to round to weights that
# are easy. How far? SmoothQuant (Xiao et al. 2023) takes, for each channel,
#
# $$s = \frac{(\max |x|)^{a}}{(\max |W|)^{1 - a}} .$$
#
# With $a = 1$ all of a channel's loudness goes to the weights, with $a = 0.5$ both are equally loud afterwards.
#
# **Exercise 4: smoothing** (about 4 lines). Maxima are taken a channel, over all rows. A dead channel, in which the inputs, the
# weights or both are all 0, gets $s = 1$; a faint one is not dead. (The package gives it the median of the others.) Do not forget
# that $|x|$ is meant.
#
# <details><summary>Hint</summary>
#
# `x.abs().amax(0)`. `torch.where((mx > 0) & (mw > 0), ..., 1.0)`.
#
# </details>

# %%
def smooth(x, w, a):
    """(x / s, w * s, s): inputs (rows, K), weights (N, K), factors (K,)."""
    ### BEGIN SOLUTION
    mx, mw = x.abs().amax(0), w.abs().amax(0)
    s = torch.where((mx > 0) & (mw > 0), mx**a / mw ** (1 - a), 1.0)
    return x / s, w * s, s
    ### END SOLUTION

# %%
check("05-smooth", smooth, points=3)

# %%
powers = [k / 10 for k in range(1, 10)]
with figure("Relative error of the layer's output over the exponent a of smoothing, as trained and planted, with the error without "
            "smoothing dotted: the two smoothed curves are one", height=3) as ax:
    for k, (name, (given, weight, bias)) in enumerate(both.items()):
        want = given @ weight.T + bias
        moved = [smooth(given, weight, a)[:2] for a in powers]
        plots.curve(ax, powers, [off(rounded(a) @ rounded(b).T + bias, want) for a, b in moved], label=f"{name}, smoothed", k=k)
        ax.axhline(off(rounded(given) @ rounded(weight).T + bias, want), color=plots.look(k).color, linestyle=":", label=f"{name}, rounded")
    ax.set(yscale="log", xlabel="a", ylabel="relative error of the output")
    ax.legend(fontsize=8, ncols=2)

# %% [markdown]
# The two smoothed curves are *one*: put $c\,x$ and $W / c$ into the formula of $s$, and $s$ becomes $c\,s$, whatever $a$. An
# exact rescaling is exactly undone. These outliers were the easy kind: whoever made the inputs loud made the weights quiet.
#
# ## 5 · Split
#
# The hard kind is loud in the inputs while its weights are like all others. It can be planted, too, by a **shift**: add a
# constant $c$ to a channel, and take it off in the bias of the layer that reads it, $W x + b = W (x + c) + (b - W c)$. Again
# the network computes the same. But smoothing now has to make columns of the weights loud, and weights have 4 bits, too.

# %%
hard = beds.bed("shifted")
print(f"shifted and as trained, in 32 bits, differ by {off(hard.net(*same), bed.net(*same)):.0e}")
three = {"as trained": of(bed), "rescaled": of(loud), "shifted": of(hard)}
with figure("Largest weight of each column, before and after smoothing with a = 0.8, as trained, with outliers planted by rescaling and by "
            "a shift", width=11, height=2.6, cols=3) as axes:
    for ax, (name, (given, weight, _)) in zip(axes, three.items()):
        ax.plot((smooth(given, weight, 0.8)[1]).abs().amax(0), color=plots.look(1).color, label="W s")
        ax.plot(weight.abs().amax(0), color=plots.look(0).color, linestyle=":", label="W")
        ax.set(title=name, xlabel="channel", ylabel="largest |weight|", yscale="log")
    axes[0].legend(fontsize=8)

# %% [markdown]
# SVDQuant (Li et al. 2025) gives what is loud in $W s$ a way out. Take from the smoothed weights the best approximation of low
# rank, keep that in **16 bits**, and round only what is left:
#
# $$W s = \underbrace{\text{up}\;\text{down}}_{\text{16 bits, rank } r} + \underbrace{\text{rest}}_{\text{4 bits}} .$$
#
# By Eckart and Young (1936) no matrix of rank $r$ leaves a smaller rest than the first $r$ terms of the SVD $U S V^T$. Where
# rests look alike, a smaller one has a smaller rounding error. It is the *branch* that absorbs what was loud: the rest is what
# becomes easy.
#
# **Exercise 5: a branch and a rest** (about 4 lines). Return `up`, `down` and `rest` of a matrix, the rank being 1 or more.
# Nothing is rounded here: all three stay in the type of `w`, and the SVD is exact: an approximate one, as `torch.svd_lowrank`,
# leaves more.
#
# <details><summary>Hint</summary>
#
# `torch.linalg.svd` with `full_matrices=False` gives U, the singular values, largest first, and V^T. The values belong to one
# of the factors (or their roots to both).
#
# </details>

# %%
def split(w, rank):
    """(up, down, rest): (N, rank), (rank, K) and (N, K), so that w = up down + rest and the rest is as small as it can be."""
    ### BEGIN SOLUTION
    u, s, vt = torch.linalg.svd(w, full_matrices=False)
    up, down = u[:, :rank] * s[:rank], vt[:rank]
    return up, down, w - up @ down
    ### END SOLUTION

# %%
check("05-split", split, points=3)

# %%
ranks = (0, 4, 8, 16, 32, 64, 96)
with figure("What is left of the smoothed weights after a branch, and its rounding error, over the rank, as trained and shifted", width=9,
            height=3, cols=2) as axes:
    for k, name in enumerate(("as trained", "shifted")):
        weight = smooth(*three[name][:2], 0.8)[1]
        rests = [split(weight, rank)[2] if rank else weight for rank in ranks]
        plots.curve(axes[0], ranks, [(rest.norm() / weight.norm()).item() for rest in rests], label=name, k=k)
        plots.curve(axes[1], ranks, [((rest - rounded(rest)).norm() / weight.norm()).item() for rest in rests], label=name, k=k)
    axes[0].set(title="the rest", xlabel="rank", ylabel="over the weights' own size")
    axes[1].set(title="its rounding error", xlabel="rank", yscale="log")
    axes[0].legend(fontsize=8)

# %% [markdown]
# Shifted, a few directions hold more of the weights, and rank 4 takes them out. After that the rest falls slowly, in both: what
# is left of a layer is far from low rank. At this width a branch of rank 32 is a lot, too: it has a sixth as many numbers as
# this layer, in 16 bits each. Keep that in mind.
#
# ## 6 · All parts in their places
#
# The whole layer:
#
# $$y = Q(x / s)\; Q(\text{rest})^T + (x / s)\; \text{down}^T\, \text{up}^T + \text{bias} .$$
#
# The branch reads $x / s$ as it is, unrounded, and what it computes is never rounded either: a path of its own for the part of
# the product that matters most.
#
# **Exercise 6: the layer** (about 2 lines). `bias` is (N,). `rounded` is handed in, so that it can be exchanged for one that
# does nothing. Compute in the type of `x`: a GPU would keep the branch in 16 bits, here we only count it so.
#
# <details><summary>Hint</summary>
#
# `down` was made of $W s$, and so was `rest`: who reads what?
#
# </details>

# %%
def layer(x, s, up, down, rest, bias, rounded):
    """The outputs (rows, N) of inputs x (rows, K); rounded(t) is t as it comes back from its codes."""
    ### BEGIN SOLUTION
    x = x / s
    return rounded(x) @ rounded(rest).T + x @ down.T @ up.T + bias
    ### END SOLUTION

# %%
check("05-layer", layer, points=3)

# %%
def best(x, w, bias, rank, smoothing=True, bits=4, group=64):
    """The least error of the layer over the exponents of smoothing, the branch in place."""
    errors = []
    for a in powers if smoothing else [None]:
        moved, s = (w, torch.ones(w.shape[1])) if a is None else smooth(x, w, a)[1:]
        up, down, rest = split(moved, rank) if rank else (moved[:, :0], moved[:0], moved)
        errors.append(off(layer(x, s, up, down, rest, bias, lambda t: rounded(t, bits, group)), x @ w.T + bias))
    return min(errors)


with figure("Relative error of one layer, as trained, rescaled and shifted: rounded, only smoothed, only with a branch of rank 32, and "
            "with both", width=11, height=3, cols=3) as axes:
    ways = {"rounded": (0, False), "smoothing": (0, True), "branch": (32, False), "both": (32, True)}
    for ax, (name, given) in zip(axes, three.items()):
        errors = [best(*given, *how) for how in ways.values()]
        for k, (label, error) in enumerate(zip(ways, errors)):
            ax.bar(label, error, color=plots.look(k).color)
            ax.text(k, error, f"{error:.3f}", ha="center", va="bottom", fontsize=8)
        ax.set(title=name, ylabel="relative error", ylim=(0, 1.15 * max(errors)))

# %% [markdown]
# Shifted is what the method is for: smoothing hands the outliers to the weights, the branch takes them from there, and only
# both together are near what they reach without outliers. Rescaled, smoothing alone undoes the outliers, and the branch adds
# what it adds as trained. But *there* it nearly halves the error, too, and that should make you suspicious: what does it help
# against, if there are no outliers? Section 7 asks.
#
# Try it: bits, group, exponent and rank on the shifted layer, with the error, and the bytes beside 16 bits.

# %%
def bars(ax, bits, group, a, rank):
    (given, weight, bias), group = three["shifted"], {"64": 64, "16": 16, "a row": 256}[group]
    moved, s = smooth(given, weight, a)[1:]
    up, down, rest = split(moved, rank) if rank else (moved[:, :0], moved[:0], moved)
    error = off(layer(given, s, up, down, rest, bias, lambda t: rounded(t, bits, group)), given @ weight.T + bias)
    kept = quant.bytes_of(quant.Stored(rest, bits, group)) + 2 * sum(t.numel() for t in (up, down, s))
    ax.barh(["error", "bytes"], [error, kept / (2 * weight.numel())], color=[plots.look(j).color for j in (0, 1)])
    ax.set(xlim=(0, 1), title=f"off by {error:.3f}, {kept / (2 * weight.numel()):.0%} of 16 bits")


panel(bars, {"bits": [4, 8], "group": ["64", "16", "a row"], "a": (0.0, 1.0, 0.5), "rank": (0, 96, 32)}, height=1.6)

# %% [markdown]
# **A place to pause.** If you come back later, run the first code cell and the next one: they define all that is needed below.
# (Your point at the very end takes your `quantize`.)

# %%
import torch

from effml_lab import bench, models
from effml_lab.bench import beds
from effml_lab.course import shortened
from effml_lab.diffusion import samplers
from effml_lab.diffusion.denoise import Denoiser
from effml_lab.diffusion.guidance import guided
from effml_lab.efficiency.quantized import merged, quantized, stored, tuned
from effml_lab.measure import plots

torch.set_num_threads(1)
seeded = lambda seed: torch.Generator().manual_seed(seed)
off = lambda got, want: ((got - want).norm() / want.norm()).item()
said = lambda name: f"you predicted {globals()[name]!s:.6}" if globals().get(name, ...) is not ... else "nothing was predicted"
part = lambda estimate, form=".1f": f"{estimate['value']:{form}} ({estimate['low']:{form}} to {estimate['high']:{form}})"
bed, hard = beds.bed("dit"), beds.bed("shifted")

# %% [markdown]
# ## 7 · The whole network
#
# `quantized(net, seen, mode, rank)` converts all large layers of a network in these steps; it searches the exponent for each
# layer, with the branch in place. Some layers stay in 16 bits. Those that tell a block time and class (AdaLN) see one row a
# picture: there is little work to save, and every token hangs on what they say. (Their bytes count all the same: in this small
# network they are more than half of what is stored.) The first and the last layer have few channels, and an error there is one
# of the picture itself.
#
# We judge pictures by their **PSNR** to those of the network in 32 bits from the same noise, $10 \log_{10} (4 / \text{mean
# squared difference})$ decibels, since a picture reaches from $-1$ to 1: 20 dB are an error of a tenth of that range, 40 dB of
# a hundredth, and 6 dB more are half the error. It says how far a path has moved, not how good a picture is: one that lands on
# another shape is far off, and may be as good. So we take the *median* picture; a mean over all is ruled by the few that land
# elsewhere.
#
# **Predict before you look.** The DiT *as trained* is rounded to W4A4, and then again with smoothing. By how many decibels will
# smoothing alone raise the PSNR of its pictures? (A negative number if you think that it does harm.)

# %%
smoothing_guess = ...
### BEGIN SOLUTION
smoothing_guess = 1.0
### END SOLUTION

# %%
check("05-guess-smoothing", smoothing_guess, points=1)

# %%
coarse = {"exponents": [None, *((k / 5, 1 - k / 5) for k in range(1, 5))], "rounds": 4}  # a and 1 - a; `bench quant` tries more
plain = {"rank": 0, "exponents": [None]}
psnr = lambda got, want: 10 * torch.log10(4 / (got - want).square().mean((1, 2, 3)).median()).item()
ways = {"rounded": plain, "smoothed": {**coarse, "rank": 0}, "SVDQuant, rank 32": {**coarse, "rank": 32}}
count, nets, drawn = shortened(24, 6), {}, {}
for name, given in {"as trained": bed, "planted by a shift": hard}.items():
    drawn[name, "32 bits"] = beds.drawn(given.net, given.grid, count)
    for way, how in ways.items():
        nets[name, way] = quantized(given.net, given.seen, "w4a4", **how)
        drawn[name, way] = beds.drawn(nets[name, way].net, given.grid, count)

# %%
with figure("The same six noises drawn by the DiT as trained and with planted outliers, in 32 bits, rounded to W4A4, smoothed, and with a branch of "
            "rank 32, with the PSNR and the megabytes of each", width=11, height=3.4, rows=4, cols=2) as axes:
    for column, name in zip(axes.T, ("as trained", "planted by a shift")):
        exact = drawn[name, "32 bits"]
        plots.images(column[0], exact[:6], f"{name}, 32 bits: {2 * stored(bed.net) / 1e6:.1f} MB", cols=6)
        for ax, way in zip(column[1:], ways):
            plots.images(ax, drawn[name, way][:6], f"{way}: {psnr(drawn[name, way], exact):.1f} dB, {nets[name, way].bytes() / 1e6:.2f} MB", cols=6)
gain = psnr(drawn["as trained", "smoothed"], drawn["as trained", "32 bits"]) - psnr(drawn["as trained", "rounded"], drawn["as trained", "32 bits"])
print(f"as trained, smoothing alone: {gain:+.1f} dB;", said("smoothing_guess"))

# %% [markdown]
# Even rounded, the network as trained draws mostly the same pictures. Smoothing, which lowered the error of our layer by a fifth,
# does nothing for them: errors of layers add up along the network and along the path, and no layer sees that. With planted
# outliers, rounding destroys the pictures; smoothing brings back some of what is large, and with the branch most are what they
# were. So far so good for the branch: many decibels, with outliers *and without*. But look at the megabytes.
#
# **The control.** The branch is not free: at this width rank 32 takes six tenths as many bytes again as codes and scales
# themselves. *Any* method gets better if it may spend so much more. So let the other side spend it, too, smoothed as before: on
# 8 bits a weight or on smaller groups, in the layers that err most, until the network takes as many bytes. `bench quant` has
# done that, with more pictures and a finer search ("wanted" is the share of pictures that show the wanted kind). There is no
# column of time: all of this is simulated.

# %%
recorded = {name: row for name, row in bench.recorded("quant").items() if "psnr" in row.quality}
for name, row in recorded.items():
    if row.settings["net"] in ("dit", "shifted"):
        told, same = row.quality, row.settings["way"] == "fp32"
        print(f"{name:50} PSNR {'-' if same else part(told['psnr']):22}  {row.bytes / 1e6:5.2f} MB  wanted {told['wanted']['value']:.2f}")
if not recorded:
    print("Nothing is recorded in this copy of the course: `python -m effml_lab bench quant` does it.")

# %% [markdown]
# **Read a number.** On the DiT *as trained* (rows that begin with "dit"), how many decibels of PSNR does SVDQuant with rank 32
# in w4a4 lie above the **best** of the rows "dit, equal bytes, ..."? (To a tenth; a negative number if it lies below. The
# package fills ranks up to a multiple of 16, so rank 8 takes as much as 16.)

# %%
worth_read = ...
### BEGIN SOLUTION
value = lambda name: recorded[name].quality["psnr"]["value"]
others = [value(name) for name in recorded if name.startswith("dit, equal bytes")]
worth_read = value("dit, SVDQuant, w4a4, rank 32") - max(others) if others else 0.0
### END SOLUTION

# %%
check("05-read-worth", worth_read, points=1)

# %% [markdown]
# Two more things that were recorded: how loud the loudest channel is, in all layers; and what SVDQuant is ahead of each
# control, picture by picture (the median of these differences is not quite the difference of two medians).

# %%
for name, row in bench.recorded("ranges").items():
    most = max(row.settings["inputs"].values())
    print(f"{name:20} loudest over median input channel: {part(row.quality['inputs'])} in the median layer, at most {most:.0f}")
for name, row in bench.recorded("quant").items():
    if "over equal bytes" in name and not name.startswith("unet"):
        print(f"{name:85} {part(row.quality['decibels_median'])} dB")

# %% [markdown]
# Spent on the **weights**, as many bytes stay decibels behind the branch, and that with next to no outliers. Look at why: they do
# nothing for the **inputs**, and those have 4 bits, too. The branch reads its inputs unrounded. It is a path of its own for the
# part of the product that counts most, and shrinks what *both* roundings can spoil. The third control gives the inputs small
# groups as well, and comes near: most of what the branch is worth here is what it does for the inputs. (Small groups of inputs
# are not free either. Their scales are stored nowhere, but a GPU would have to find them, and to multiply by them every few
# products: lab 06 counts what that costs.) Outliers of the hard kind make everything worse, the branch too; at this width they do
# not make it the only way.
#
# ## 8 · To the byte
#
# A branch of rank $r$ has $r\,(N + K)$ numbers, and the layer $N K$: the wider the layer, the cheaper the branch. How wide must
# it be?
#
# **Exercise 7: to the byte** (about 1 line). Count all that a layer $K \to N$ keeps: codes, two a byte; a scale of 16 bits for
# each group of each row; `up`, `down` and $s$ in 16 bits. $K$ is a multiple of twice the group, and nothing is padded, not even
# the rank. No bias.
#
# <details><summary>Hint</summary>
#
# 16 bits are two bytes. A row has `k / group` groups, and there are `n` rows.
#
# </details>

# %%
def bytes_of(n, k, rank, group):
    """Bytes of a 4-bit layer with weights (n, k), groups of `group` and a branch."""
    ### BEGIN SOLUTION
    return n * k / 2 + 2 * n * k / group + 2 * rank * (n + k) + 2 * k
    ### END SOLUTION

# %%
check("05-bytes", bytes_of, points=2)

# %%
sides = range(128, 4097, 128)
with figure("How many times fewer bytes than with 16 bits a square layer takes, over its width, with branches of rank 0, 16, 32 and 64: all "
            "rise towards that of rank 0", height=3) as ax:
    for k, rank in enumerate((0, 16, 32, 64)):
        plots.curve(ax, sides, [2 * n * n / bytes_of(n, n, rank, 64) for n in sides], label=f"rank {rank}", k=k)
    ax.axvline(256, color=plots.MUTED, linestyle=":", label="our DiT")
    ax.set(xlabel="width of a square layer", ylabel="times smaller than 16 bits")
    ax.legend(fontsize=8)

# %% [markdown]
# SVDQuant's authors report a model 3.6 times smaller, with layers of 3,072 and more. Ours are far at the left.
#
# **Work out a number.** What is the least width of a square layer, a multiple of 128, at which rank 32 with groups of 64 leaves
# a ratio of *at least* 3?

# %%
width_read = ...
### BEGIN SOLUTION
width_read = next(n for n in range(128, 4097, 128) if 2 * n * n >= 3 * bytes_of(n, n, 32, 64))
### END SOLUTION

# %%
check("05-read-width", width_read, points=1)

# %% [markdown]
# ## 9 · A LoRA beside the branch
#
# A branch of low rank is also what a **LoRA** is (Hu et al. 2022): $W + a\,b$, learned for a style or a subject while $W$
# stays, with $a$ (N, l) and $b$ (l, K) of a small rank $l$. On a quantized layer one might add $a\,b$ to the weights and
# quantize again, and lose part of what was learned. SVDQuant has a better place for it: *beside the branch*. The sum of a
# product of rank $r$ and one of rank $l$ is one product of rank $r + l$.
#
# **Exercise 8: beside the branch** (about 2 lines). The LoRA was trained on $x$, and this layer's branch reads $x / s$. (A
# factor $\alpha / l$, where somebody uses it, is in $a$ already.)
#
# <details><summary>Hint</summary>
#
# `torch.cat`. What must be done to $b$, so that $(x / s)\,b'^T = x\,b^T$?
#
# </details>

# %%
def add_lora(up, down, s, a, b):
    """(up, down) of a branch that reads x / s and adds a LoRA's x b^T a^T as well: (N, r + l) and (r + l, K)."""
    ### BEGIN SOLUTION
    return torch.cat([up, a], 1), torch.cat([down, b * s], 0)
    ### END SOLUTION

# %%
check("05-lora", add_lora, points=2)

# %% [markdown]
# `tuned(net)` puts a fresh LoRA beside every 4-bit layer of a network and freezes the rest; `merged(net)` puts the trained ones
# where yours does, by the package's own function. Below, a short training on scenes in *red* alone, on top of the network in 4
# bits. (The authors go the other way round: they take LoRAs that somebody trained on the network in 16 bits. What one call on
# top and one beside differ by is rounding: the branch keeps 16 bits, and a last bit may turn a code of a later layer.)

# %%
from effml_lab.bench import lora

four = quantized(bed.net, bed.seen, "w4a4", rank=32, exponents=[None, (0.5, 0.5)], rounds=4).net
on_top = lora.taught(four, steps=shortened(60, 2))
beside = merged(on_top)
with figure("Six noises drawn by the network in 4 bits, with a LoRA that has seen red shapes alone on top of it, and with the same LoRA "
            "beside the branches", width=10, height=1.5, cols=3) as axes:
    sets = {"4 bits": four, "a LoRA on top": on_top, "beside the branches": beside}
    for ax, (name, net) in zip(axes, sets.items()):
        drawn = beds.drawn(net, bed.grid, 6)
        plots.images(ax, drawn, name, cols=6)
given = torch.randn(4, 3, 32, 32, generator=seeded(1)), torch.full((4,), 500.0)
print(f"one call, on top or beside: {off(beside(*given), on_top(*given)):.0e} apart")

# %% [markdown]
# ## 10 · Along the path
#
# So far the scales of the inputs were found anew in each input, *dynamic*. For a scale that many rows share, that costs a pass
# over the inputs. *Static* scales are found once, beforehand, and for that somebody has to say which inputs will come. In
# diffusion that is not obvious: a network sees noise first and a picture last, and what its layers are given changes on the
# way. The place to look is the sampler's **own path** (Shang et al. 2023; Li et al. 2023).
#
# **Exercise 9: what a layer sees** (about 5 lines). Walk the DDIM path and return the largest |input| of the layer at each
# level at which the denoiser is asked, a tensor of as many numbers, the noisiest first. The denoiser calls the layer once.
# Leave the layer as you found it.
#
# <details><summary>Hint</summary>
#
# `handle = layer.register_forward_pre_hook(hook)` calls `hook(module, given)` before each call of the layer; `given[0]` is its
# input. `handle.remove()` ends it. A sampler runs only while somebody takes its states: `for _ in samplers.ddim(denoise, x,
# grid): pass`.
#
# </details>

# %%
def ranges(denoise, layer, x, grid):
    """The largest |input| of a layer at each level of the DDIM path from x, a tensor (levels - 1,)."""
    ### BEGIN SOLUTION
    found = []
    handle = layer.register_forward_pre_hook(lambda module, given: found.append(given[0].abs().max()))
    for _ in samplers.ddim(denoise, x, grid):
        pass
    handle.remove()
    return torch.stack(found)
    ### END SOLUTION

# %%
check("05-path", ranges, points=4)

# %%
course, cosine = models.denoiser("shapes")  # the UNet
grid = cosine.grid(25, "trailing")
kinds = torch.arange(12) % 6
x = samplers.start((12, 3, 32, 32), grid, seeded(4))
walks = {"UNet": (course.net, ("up.3.block.skip", "up.3.block.leave.3", "down.0.block.enter.2")),
         "DiT": (bed.net, ("blocks.0.attention.qkv", "blocks.1.mlp.2", "blocks.2.mlp.2"))}
with figure("Largest input of three layers of the UNet and of the DiT over t, from noise at the left to the picture at the right", width=10,
            height=3, cols=2) as axes:
    for ax, (name, (net, layers)) in zip(axes, walks.items()):
        denoise = guided(Denoiser(net, "v"), kinds, None, 1.0)
        for k, layer_name in enumerate(layers):
            most = ranges(denoise, net.get_submodule(layer_name), x, grid)
            plots.curve(ax, [level.t for level in grid[:-1]], most / most[0], label=f"{layer_name}: {most.max() / most.min():.1f} times", k=k)
        ax.set(xlabel="t", title=f"{name}: largest |input|, first = 1", yscale="log")
        ax.invert_xaxis()
        ax.legend(fontsize=7)

# %%
calibrated = bench.recorded("calibration")
for choice, what in {"noise": "noise alone", "clean": "pictures alone", "uniform": "the whole path", "ndtc": "more near the picture"}.items():
    if f"w8a8, one scale, {choice}" in calibrated:
        error = part(calibrated[f"w8a8, one scale, {choice}"].quality["x0"], ".2e")
        print(f"UNet in w8a8, static scales from {what:20}: squared error of x0 {error}")

# %% [markdown]
# Scales from one end serve the other badly. Those from the whole path reach everywhere, at the cost of resolution where the
# inputs are small. (SVDQuant's input scales are dynamic. But its $s$ and its branch are fixed beforehand, and fitted along the
# path as well.)
#
# **In your own words.** A colleague shows you a table: a small diffusion transformer, rounded to W4A4, and with SVDQuant's
# branch of rank 32, whose PSNR is nearly 7 dB higher. "So", the table says, "the branch absorbs the outliers." Answer in five to
# eight sentences, with two numbers from the tables above: what else could explain them; which control decides whether it
# is the bytes, and what it says here; how you would find out whether there *are* outliers; and what the branch does for a
# network that has none.

# %% [markdown] written="05-why" points=4
# The branch takes bytes, at this width six tenths as many again as codes and scales, and whoever stores more loses less, with
# or without outliers. The control spends as many bytes on the codes: where they go into the weights, the DiT as trained rises
# from 23.5 dB to 26 at most, and to 29 where the inputs have small groups as well; the branch reaches 30. So nearly six of the
# seven decibels can be had without a branch, and about one is its own. Whether outliers have to do with it is seen in the
# inputs: as trained the loudest channel is five times as loud as the median one in the median layer and at most eight times,
# where outliers were planted 15 and 37 times, so there are next to none; and smoothing, which is made for outliers, gains
# nothing alone. The colleague's sentence is wrong for this network: what the branch does for it is to read its inputs unrounded
# and to take the largest part of the product, so that the roundings of weights *and* inputs act on a smaller rest. With
# outliers planted by a shift it does what its authors say: smoothing alone reaches 19 dB there, the branch alone 16, and both 23.
#
# <!-- ### BEGIN MARK SCHEME -->
# **Mark scheme.** One point each: (1) the branch takes bytes, and more bytes alone could explain a gain; (2) the control of
# equal bytes, and what it says here: SVDQuant stays ahead, by four to five decibels where the bytes go into the weights, by about
# one beside the best control; (3) outliers are looked for in the inputs, the loudest channel beside the median one (or: in how
# little smoothing alone gains), and there are next to none; (4) half a point: the branch is an unrounded path for the largest
# part of the product; half a point: it helps the rounding of *inputs*, too, which bytes in the weights cannot. The two numbers
# may stand anywhere; half a point off if there are fewer.
# <!-- ### END MARK SCHEME -->

# %% [markdown]
# ## Summary
#
# A code, a scale, a group. A channel that is loud spoils those that share its scale; smoothing moves the loudness into the
# weights, and the branch takes it from there, in 16 bits. What that buys depends on outliers, which large networks have and
# ours had to be given, and on width, which decides what the branch costs. Whether bytes were well spent only equal bytes can
# tell; whether 4-bit *inputs* were worth their errors only time can, on a GPU that multiplies them.
#
# Below are your marks, and your point on a plot over bytes: the DiT with its large layers rounded to 4 bits by your `quantize`
# alone, weights only. The error is that of the median picture, to the network in 32 bits from the same noise.
#
# **Next**, lab 06: kernels that multiply the codes as codes.

# %%
point, saved = None, 0
try:
    net = beds.bed("dit").net
    for name, each in net.named_modules():
        if name.startswith("blocks") and name.endswith(("qkv", "out", "mlp.0", "mlp.2")):
            q, scale = quantize(each.weight, 4, 64)
            saved += 2 * each.weight.numel() - (q.numel() // 2 + 2 * scale.numel())
            each.weight.data = (q.unflatten(1, (-1, 64)) * scale[..., None]).flatten(1)  # as numbers; stored, two codes a byte
    point = beds.measured("your 4-bit weights", net, stored(net) - saved, n=shortened(240, 12))
except Exception as error:
    print("Your point needs exercise 1, written and run:", str(error) or "it is still a stub.")
summary(point)
