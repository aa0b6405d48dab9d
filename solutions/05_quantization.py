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
# **outliers**, few channels so loud that everything beside them is rounded to nothing: smoothing, and SVDQuant's branch of low
# rank. Then a whole network runs in 4 bits, and you ask whether the branch was worth its bytes.
#
# Storage here is real, to the byte. The *arithmetic* is simulated: codes are multiplied as ordinary numbers, on a CPU, and no
# time is claimed. Lab 06 writes the kernels.
#
# **You will be able to**
# - round a tensor to 4 bits in groups, store two codes a byte, and say what a layer takes, to the byte;
# - find the channel whose rounding costs most, and say why it is not the loud one alone;
# - move outliers from inputs to weights and from there into a branch in 16 bits, and put a LoRA beside it;
# - look at what a layer is given along a sampler's path, and say what that means for scales that are fixed beforehand;
# - ask of any improvement in quantization what it cost, and run the control that decides.
#
# **You need** labs 01 and 02: levels, DDIM; matrix products and the SVD. Section 6 ends in a place to pause.
#
# ## Notation
#
# | papers | here | in code | meaning |
# |---|---|---|---|
# | $\Delta$, also $s$ | | `scale` | what a code counts: $x \approx$ `scale` $\cdot\, q$, one for each group of neighbours in a row |
# | $Q(x)$ | $Q(x)$ | `rounded(x)` | $x$ as it comes back from its codes |
# | $X W$ | $x W^T$ | `x @ w.T` | inputs (rows, K) times weights (N, K): a row is a token, a column of both a *channel* |
# | $\lambda$, also $s$ | $s$ | `s` | factors of smoothing, one a channel |
# | $L_1$, $L_2$ | | `down`, `up` | the branch: (r, K) and (N, r), in 16 bits |
# | $R$ | | `rest` | what the branch leaves |
# | W4A8 | | `"w4a8"` | weights of 4 bits, activations (inputs) of 8 |

# %%
import torch

from effml_lab import bench, models
from effml_lab.bench import beds
from effml_lab.course import panel, shortened
from effml_lab.diffusion import samplers
from effml_lab.efficiency.planted import planted
from effml_lab.efficiency.quantized import quantized
from effml_lab.measure import plots

torch.set_num_threads(1)
seeded = lambda seed: torch.Generator().manual_seed(seed)
off = lambda got, want: ((got - want).norm() / want.norm()).item()  # relative error
said = lambda name: f"you predicted {globals()[name]!s:.6}" if globals().get(name, ...) is not ... else "nothing was predicted"
part = lambda estimate, form=".1f": f"{estimate['value']:{form}} ({estimate['low']:{form}} to {estimate['high']:{form}})"

# %% [markdown]
# ## 1 · Codes
#
# The network of this lab is a **DiT** (Peebles and Xie 2023), a transformer on patches of 4 x 4 pixels that draws the course's
# shapes. Nearly all of its weights lie in large linear layers, four a block, and those are what is quantized. `bed.net` is the
# network, and `bed.seen` holds what each of its layers was given while it drew 48 pictures. We look at one layer first.

# %%
bed = beds.bed("dit")
LAYER = "blocks.2.mlp.0"
x, w = bed.seen[LAYER], bed.net.get_submodule(LAYER).weight  # (rows, K) and (N, K)
print(f"inputs {tuple(x.shape)}, weights {tuple(w.shape)}; the network has {sum(p.numel() for p in bed.net.parameters()):,} weights")

# %% [markdown]
# A number in 4 bits is one of 16 codes. We use the symmetric grid: whole numbers from $-7$ to $7$, and a **scale** that says
# what a code counts. The largest of the numbers that share a scale should get the largest code:
#
# $$\text{scale} = \frac{\max |x|}{2^{b-1} - 1}, \qquad q = \text{round}\!\left(\frac{x}{\text{scale}}\right), \qquad x \approx
# \text{scale} \cdot q .$$
#
# Who shares a scale is a choice. Here it is a **group** of neighbours along a row: small groups fit better, and cost more
# scales.
#
# **Exercise 1: codes and scales** (about 6 lines). $K$ is a multiple of `group`. Where all of a group is 0, take 1 for its
# scale. The scales are in the type of $x$, (rows, K / group); the codes are `torch.int8`, in the shape of $x$.
#
# <details><summary>Hint</summary>
#
# `x.unflatten(1, (-1, group))` is $x$ as (rows, groups, group). `torch.where(scale == 0, 1.0, scale)`. Round *before* `.to(torch.int8)`, which
# cuts off.
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
        for k, group in enumerate((192, 64, 16)):
            plots.curve(ax, widths, [off(rounded(t, bits, group), t) for bits in widths], label=f"groups of {group}", k=k)
        ax.set(yscale="log", xlabel="bits", title=name)
    axes[0].set(ylabel="relative error")
    axes[0].legend()

# %% [markdown]
# Each bit more halves the error. Four bits leave about a tenth of every number's size, in every layer, which then meets the
# errors of all the others.
#
# ## 2 · Look first
#
# Large transformers have **outliers**: few channels that are tens of times as loud as the rest, in every token (Dettmers et al.
# 2022). Does our small one? A second network helps to see what is at stake. `planted` makes a copy of the DiT in which four
# channels before three of a block's layers are 30 times as loud, and the next layer's columns as many times smaller,
#
# $$\tfrac{1}{c}\,W\,(c\,x) = W x ,$$
#
# so that in 32 bits it computes *the same*. These outliers were put there, and wherever they are shown we say **planted**.

# %%
loud = beds.bed("planted")
same = torch.randn(8, 3, 32, 32, generator=seeded(0)), torch.full((8,), 500.0)
print(f"the two networks in 32 bits differ by {off(loud.net(*same), bed.net(*same)):.0e}")
both = {"as trained": (x, w), "planted": (loud.seen[LAYER], loud.net.get_submodule(LAYER).weight)}

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
def channel_error(x, told, w):
    """The share of each input channel in the squared error of x W^T, (K,); told: x as it comes back from its codes."""
    ### BEGIN SOLUTION
    cost = (x - told).square().sum(0) * w.square().sum(0)
    return cost / cost.sum()
    ### END SOLUTION

# %%
check("05-channel", channel_error, points=3)

# %%
with figure("For each input channel of a layer, as trained and planted: above how loud it is, below its share of the squared error. "
            "Planted, all channels of a group with a loud one have a large share", width=10, height=4.4, rows=2, cols=2) as axes:
    for column, (name, (given, weight)) in zip(axes.T, both.items()):
        column[0].bar(range(192), given.abs().amax(0), width=1.0, color=plots.look(0).color)
        column[0].set(title=f"{name}: largest |input|", yscale="log")
        column[1].bar(range(192), channel_error(given, rounded(given), weight), width=1.0, color=plots.look(1).color)
        column[1].set(title="share of the squared error", xlabel="channel (groups of 64)")

# %% [markdown]
# As trained, no channel stands out by more than a few times: this network has *no* outliers to speak of. Planted, look at the
# **groups** of 64. All channels that share a scale are off by about as much, up to half a code, whether they are loud or not.
# The loud channel itself has small weights now, so it does not count for much. What is lost is the *quiet* channels beside it:
# most of them are rounded to 0.
#
# ## 3 · Two codes a byte
#
# `int8` has eight bits, and a code only four. Storage becomes real when two of them share a byte. The package's layout takes 128
# codes of a row at a time: byte $j$ of 64 holds code $j$ in its low half and code $64 + j$ in its high half, so that each half
# of the bytes is a whole group, and a kernel never has to shuffle. Numbers below 0 are kept in two's complement: $-1$ is `1111`,
# $-8$ is `1000`.
#
# **Exercise 3: pack and unpack** (about 7 lines in all). Codes are int8 from $-8$ to $7$, (rows, K), $K$ a multiple of 128;
# bytes are `torch.uint8`, (rows, K / 2).
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
    wide = bed.net.blocks[2].mlp[2].weight  # (192, 768): 768 is a multiple of 128
    q, scale = quantize(wide, 4, 64)
    stored = pack(q)
    again = (unpack(stored).unflatten(1, (-1, 64)) * scale[..., None]).flatten(1)
    print(f"in 16 bits {2 * wide.numel():,} bytes; codes {stored.numel():,} and scales {2 * scale.numel():,}")
    print(f"what comes back is off by {off(again, wide):.3f}, as it was before: {off(rounded(wide), wide):.3f}")
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
# **Exercise 4: smoothing** (about 4 lines). Maxima are taken a channel, over all rows. A dead channel, in which the inputs or the weights are all
# 0, gets $s = 1$.
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
            "smoothing dotted: planted it falls far, as trained hardly", height=3) as ax:
    for k, (name, (given, weight)) in enumerate(both.items()):
        want = given @ weight.T
        plots.curve(ax, powers, [off(rounded(a) @ rounded(b).T, want) for a, b, _ in (smooth(given, weight, p) for p in powers)],
                    label=f"{name}, smoothed", k=k)
        ax.axhline(off(rounded(given) @ rounded(weight).T, want), color=plots.look(k).color, linestyle=":", label=f"{name}, rounded")
    ax.set(yscale="log", xlabel="a", ylabel="relative error of the output")
    ax.legend(fontsize=8, ncols=2)

# %% [markdown]
# Planted, the right $a$ takes the error down to where it was without outliers, more or less: smoothing undoes what planting did.
# Where there are no outliers there is little to move.
#
# ## 5 · Split
#
# Large models have outliers that no $s$ can hide: what leaves the inputs is now in the weights, and they have 4 bits, too.
# SVDQuant (Li et al. 2025) gives them a way out. Take from the smoothed weights the best approximation of low rank, keep that in
# **16 bits**, and round only what is left:
#
# $$W s = \underbrace{\text{up}\;\text{down}}_{\text{16 bits, rank } r} + \underbrace{\text{rest}}_{\text{4 bits}} .$$
#
# By Eckart and Young (1936) no matrices of rank $r$ leave a smaller rest than the first $r$ terms of the SVD $U S V^T$. A
# smaller rest has a smaller rounding error, and it is the *branch* that absorbs what was loud: the rest is what becomes easy.
#
# **Exercise 5: a branch and a rest** (about 4 lines).
#
# <details><summary>Hint</summary>
#
# `u, s, vt = torch.linalg.svd(w, full_matrices=False)`, the singular values `s` sorted, largest first. They belong to one of
# the factors (or their roots to both).
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
with figure("What is left of the weights after a branch, and its rounding error, over the rank, for weights as trained and for planted and "
            "smoothed ones", height=3) as ax:
    smoothed = {"as trained": w, "planted, smoothed": smooth(*both["planted"], 0.8)[1]}
    for k, (name, weight) in enumerate(smoothed.items()):
        rests = [split(weight, rank)[2] if rank else weight for rank in ranks]
        plots.curve(ax, ranks, [(rest.norm() / weight.norm()).item() for rest in rests], label=f"{name}: the rest", k=2 * k)
        plots.curve(ax, ranks, [((rest - rounded(rest)).norm() / weight.norm()).item() for rest in rests],
                    label=f"{name}: its rounding error", k=2 * k + 1)
    ax.set(yscale="log", xlabel="rank", ylabel="of the weights' own size")
    ax.legend(fontsize=8)

# %% [markdown]
# The rounding error follows the size of the rest. Note how slowly both fall: the weights of a trained network are far from low
# rank. At width 192 a branch of rank 32 is a lot, too: it holds a quarter as many numbers as the layer itself, in 16 bits each.
# Keep that in mind.
#
# ## 6 · All parts in their places
#
# The whole layer:
#
# $$y = Q(x / s)\; Q(\text{rest})^T + (x / s)\; \text{down}^T\, \text{up}^T + \text{bias} .$$
#
# The branch reads $x / s$ as it is, unrounded, and what it computes is never rounded either: a path in 16 bits for the part of
# the product that matters most.
#
# **Exercise 6: the layer** (about 2 lines). `rounded` is handed in, so that it can be exchanged for one that does nothing.
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
check("05-layer", layer, points=4)

# %%
def best(x, w, rank, smoothing=True, bits=4, group=64):
    """The least error of the layer over the exponents of smoothing, the branch in place."""
    errors, nothing = [], torch.zeros(len(w))
    for a in powers if smoothing else [None]:
        moved, s = (w, torch.ones(w.shape[1])) if a is None else smooth(x, w, a)[1:]
        up, down, rest = split(moved, rank)
        errors.append(off(layer(x, s, up, down, rest, nothing, lambda t: rounded(t, bits, group)), x @ w.T))
    return min(errors)


with figure("Relative error of one layer, as trained and planted: rounded, only smoothed, only with a branch of rank 32, and with both",
            width=8, height=3, cols=2) as axes:
    ways = {"rounded": (0, False), "smoothing": (0, True), "branch": (32, False), "both": (32, True)}
    for ax, (name, (given, weight)) in zip(axes, both.items()):
        errors = [best(given, weight, *how) for how in ways.values()]
        for k, (label, error) in enumerate(zip(ways, errors)):
            ax.bar(label, error, color=plots.look(k).color)
            ax.text(k, error, f"{error:.3f}", ha="center", va="bottom", fontsize=8)
        ax.set(title=name, ylabel="relative error", ylim=(0, 1.15 * max(errors)))

# %% [markdown]
# Planted, smoothing does most of the work here and the branch the rest. As trained, smoothing does next to nothing, and the
# branch helps all the same. *That* should make you suspicious: what does it help against, if there are no outliers? Section 7
# asks.
#
# Try it: bits, group, exponent and rank on the planted layer, with the error, and the bytes beside the layer in 16 bits.

# %%
def told(ax, bits, group, a, rank):
    given, weight = both["planted"]
    (n, k), group = weight.shape, {"64": 64, "16": 16, "a row": weight.shape[1]}[group]
    moved, s = smooth(given, weight, a)[1:]
    up, down, rest = split(moved, rank)
    error = off(layer(given, s, up, down, rest, torch.zeros(n), lambda t: rounded(t, bits, group)), given @ weight.T)
    size = n * k * bits / 8 + 2 * n * k / group + 2 * rank * (n + k) + 2 * k
    ax.barh(["error", "bytes"], [error, size / (2 * n * k)], color=[plots.look(j).color for j in (0, 1)])
    ax.set(xlim=(0, 1), title=f"off by {error:.3f}, {size / (2 * n * k):.0%} of 16 bits")


panel(told, {"bits": (3, 8, 4), "group": ["64", "16", "a row"], "a": (0.0, 1.0, 0.5), "rank": (0, 96, 32)}, height=1.6)

# %% [markdown]
# **A place to pause.** Nothing of yours from above is needed below. The next cell defines again what is.

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
bed, loud = beds.bed("dit"), beds.bed("planted")

# %% [markdown]
# ## 7 · The whole network
#
# `quantized(net, seen, mode, rank)` converts all large layers of a network, with your steps: it searches the exponent for each
# layer, with the branch in place. Some layers stay in 16 bits. Time, class and AdaLN see one row a picture: there is no work to
# save, and every token hangs on what they say. The first and the last layer are small, and an error there is one of the picture
# itself.
#
# We judge pictures by their **PSNR** to those of the network in 32 bits from the same noise, $10 \log_{10} (4 / \text{mean
# squared difference})$, since a picture reaches from $-1$ to 1. In decibels: 20 is a tenth of the half range, 40 a hundredth, and 6 more
# are half the error.
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
coarse = {"exponents": [None, *((k / 5, 1 - k / 5) for k in range(1, 5))], "rounds": 4}  # fewer than `bench quant` tries
plain = {"rank": 0, "exponents": [None]}
psnr = lambda got, want: 10 * torch.log10(4 / (got - want).square().mean()).item()
ways = {"rounded": plain, "smoothed": {**coarse, "rank": 0}, "SVDQuant, rank 32": {**coarse, "rank": 32}}
count, nets, drawn = shortened(24, 6), {}, {}
for name, given in {"as trained": bed, "planted": loud}.items():
    drawn[name, "32 bits"] = beds.drawn(given.net, given.grid, count)
    for way, how in ways.items():
        nets[name, way] = quantized(given.net, given.seen, "w4a4", **how)
        drawn[name, way] = beds.drawn(nets[name, way].net, given.grid, count)

# %%
with figure("The same six noises drawn by the DiT as trained and planted, in 32 bits, rounded to W4A4, smoothed, and with a branch of "
            "rank 32, with the PSNR and the megabytes of each", width=11, height=3.4, rows=4, cols=2) as axes:
    for column, name in zip(axes.T, ("as trained", "planted")):
        exact = drawn[name, "32 bits"]
        plots.images(column[0], exact[:6], f"{name}, 32 bits: {2 * stored(bed.net) / 1e6:.1f} MB", cols=6)
        for ax, way in zip(column[1:], ways):
            plots.images(ax, drawn[name, way][:6], f"{way}: {psnr(drawn[name, way], exact):.1f} dB, {nets[name, way].bytes() / 1e6:.2f} MB", cols=6)
gain = psnr(drawn["as trained", "smoothed"], drawn["as trained", "32 bits"]) - psnr(drawn["as trained", "rounded"], drawn["as trained", "32 bits"])
print(f"as trained, smoothing alone: {gain:+.1f} dB;", said("smoothing_guess"))
