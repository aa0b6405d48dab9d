# ---
# jupyter:
#   effml_lab: {title: "Quantization: four bits, and a branch for what does not fit", minutes: {reading: 45}}
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # Quantization: four bits, and a branch for what does not fit
#
# Fewer steps leave each step as dear as it was. Quantization makes the step itself cheaper: numbers of 16 bits become codes of
# 8 or 4, with a scale that many of them share. Stored weights shrink, so do the bytes that a step has to read, and products of
# small whole numbers are faster than of long ones.
#
# **You will see** what a code is and who shares a scale; why a diffusion network has to be calibrated along its path; what
# outliers do, how smoothing and a branch of low rank deal with them (SVDQuant), and what a whole network in 4 bits draws.
#
# **You need** lectures 01 and 02.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ## Notation
#
# | here | in the package | meaning | elsewhere |
# |---|---|---|---|
# | $Q(x)$ | `quant.rounded` | $x$ as it comes back from its codes | |
# | $\Delta$ | `scale` | what a code counts | $s$, step size |
# | $x W^T$ | | inputs (rows, K), weights (N, K); a column of both is a *channel* | $XW$ |
# | $s$ | `smooth` | factors of smoothing, one a channel | $\lambda$ |
# | $L_2 L_1$ | `up`, `down` | a branch of rank $r$ in 16 bits: $L_2$ (N, r), $L_1$ (r, K) | $L_1 L_2$ of $X W$ |
# | $R$ | `rest` | what it leaves, in 4 bits | |
# | W4A8 | `"w4a8"` | weights in 4 bits, activations (inputs) in 8 | |

# %% slideshow={"slide_type": "skip"}
import torch

from effml_lab import bench
from effml_lab.bench import beds
from effml_lab.bench.layers import bed as made_up
from effml_lab.efficiency import quant
from effml_lab.efficiency.quantized import quantized, stored
from effml_lab.measure import plots

torch.set_num_threads(1)
seeded = lambda seed: torch.Generator().manual_seed(seed)


def told(interval, form=".3f"):
    """A recorded value with its interval, in words."""
    value, low, high = (format(interval[key], form) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


layers, nets, ranges, calibration = (bench.recorded(name) for name in ("layers", "quant", "ranges", "calibration"))
UNRECORDED = "Nothing is recorded here yet: `python -m effml_lab bench layers`, `ranges`, `quant` and `calibration` do that."

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What bits buy
#
# A layer reads its weights once, and multiplies them with every row. With few rows reading is all of its time, with many the
# products are:
#
# - **bytes**: 4 bits and a scale of 16 bits for 64 of them are 4.25 bits a weight, 3.8 times fewer than 16;
# - **operations**: 4-bit tensor cores multiply at up to four times the rate of 16 bits, INT4 on Turing, Ampere and Ada, FP4 on
#   Blackwell. Hopper has none: its shortest are 8 bits, at twice the rate (lecture 06).
#
# Weights alone in 4 bits (W4A16) save bytes, and are unpacked to multiply in 16 bits: right for language models that write one
# token at a time. A large diffusion network sees thousands of rows at once and is bound by products: it needs its activations
# quantized, too (W4A4).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A code and a scale
#
# $$q = \text{clip}\Big(\text{round}\big(\tfrac{x}{\Delta}\big) + z\Big), \qquad x \approx \Delta\,(q - z) .$$
#
# - **symmetric** ($z = 0$, codes $-7$ to $7$): what kernels like. **Asymmetric**: every code is used where numbers have one sign,
#   as behind a GELU. (SVDQuant's release has those inputs unsigned; here they are symmetric, at about twice the error.)
# - Who shares $\Delta$: a tensor, a row (a channel of weights, a token of inputs), a **group** of 64 neighbours in a row.
# - **dynamic** scales are found in each input, **static** ones beforehand. Biases stay as they are.
#
# One loud number takes the codes from all that share its scale:

# %%
row = torch.randn(64, generator=seeded(3))
loud = row.clone()
loud[20] = 25.0
with figure("64 numbers and the codes of 4 bits that they are rounded to: without an outlier they spread over 15 levels, with one of size 25 "
            "nearly all fall on 0", width=9, height=2.8, cols=2) as axes:
    for ax, (name, values) in zip(axes, {"64 numbers": row, "one of them is 25": loud}.items()):
        told_back = quant.rounded(values[None], 4, "group")[0]
        ax.plot(values, ".", color=plots.look(0).color, label="x")
        ax.plot(told_back, "_", markersize=9, color=plots.look(1).color, label="Q(x)")
        keep = values.abs() < 10
        error = ((told_back - values)[keep].norm() / values[keep].norm()).item()
        ax.set(title=f"{name}: the others are off by {error:.0%}", ylim=(-4, 4), xlabel="channel")
    axes[0].legend(fontsize=8)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Look first
#
# How loud is the loudest input channel of a layer, beside the median one? Large language models have few that are tens of times
# as loud, in nearly every token; large diffusion transformers have them, too, changing with $t$. Ours are small, and mostly
# tame: outliers have to be **planted**, so that in 32 bits the DiT computes the same.
#
# - *rescaled*: $W x = (W / c)\,(c\,x)$, four channels 30 times as loud, the next layer's columns as many times smaller;
# - *shifted*: $W x + b = W (x + c) + (b - W c)$, a constant of 30 in four channels, taken off in the next layer's bias.

# %%
if ranges:
    with figure("For the layers of the UNet, of the DiT, and of the DiT with outliers planted in two ways, in order of size: the loudest input "
                "channel over the median one", width=9, height=3) as ax:
        for k, name in enumerate(("unet", "dit", "rescaled", "shifted")):
            ratios = sorted(ranges[f"ranges, {name}"].settings["inputs"].values())
            ax.plot(torch.linspace(0, 1, len(ratios)), ratios, plots.look(k).marker, color=plots.look(k).color, label=name)
        ax.set(yscale="log", xlabel="share of the layers", ylabel="loudest / median channel")
        ax.legend()
    for name in ("unet", "dit", "rescaled", "shifted"):
        row = ranges[f"ranges, {name}"]
        print(f"{name:8} median over layers: inputs {told(row.quality['inputs'], '.1f')}, weights {told(row.quality['weights'], '.1f')}")
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Scales that hold along the path
#
# Static scales need examples. A diffusion network sees noise first and pictures last, and what its layers are given changes on
# the way. **PTQ4DM** (Shang et al. 2023) takes examples from the network's own *denoising* path, all over it with more near the
# picture; **Q-Diffusion** (Li et al. 2023) at even intervals. Below, the course's UNet in W8A8 with one scale a tensor, by
# where they came from. (SVDQuant's input scales are dynamic; its $s$ and its branch are fitted along the path as well.)

# %%
if calibration:
    with figure("Squared error of x0 over t of the UNet in W8A8 with static scales from noise alone, pictures alone, the whole path, and more of "
                "it near the picture", height=3) as ax:
        names = {"noise": "noise alone", "clean": "pictures alone", "uniform": "the whole path", "ndtc": "more near the picture"}
        for k, (choice, label) in enumerate(names.items()):
            row = calibration[f"w8a8, one scale, {choice}"]
            plots.curve(ax, row.settings["t"], row.settings["mse"], label=f"{label}: {row.quality['x0']['value']:.1e} on average", k=k)
        ax.set(yscale="log", xlabel="t", ylabel="squared error of x0")
        ax.invert_xaxis()
        ax.legend(fontsize=8)
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Two families in one tensor
#
# Where a UNet concatenates a shortcut, two families of numbers meet, one from below and one from the side. With one scale for
# both the quieter one loses; Q-Diffusion splits the layer and gives each part its own. In large UNets the ranges of the two
# differ by up to 200 times. Here, the squared error of such a layer alone:

# %%
ratios = {name.rpartition(", ")[2]: row.quality["ratio"] for name, row in calibration.items() if name.startswith("two scales over one")}
for name, ratio in ratios.items():
    print(f"{name:18} squared error with two scales over that with one: {told(ratio)}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Smooth
#
# $x W^T = (x / s)\,(W s)^T$, for any $s > 0$, one a channel. SmoothQuant (Xiao et al. 2023):
#
# $$s_j = \frac{(\max |x_j|)^{a}}{(\max |W_j|)^{1 - a}} .$$
#
# Difficulty moves from the inputs to the weights. An exact rescaling is undone *exactly*: $c\,x$ and $W / c$ make $c\,s$ of
# $s$. The hard kind is loud in the inputs while its weights are like all others (*shifted*): then smoothing makes columns of $W
# s$ loud, which 8 bits can bear and 4 cannot.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Split
#
# SVDQuant (Li et al. 2025): give what is loud in $W s$ a way out, in 16 bits and of low rank,
#
# $$W s = L_2 L_1 + R, \qquad y = Q(x / s)\,Q(R)^T + (x / s)\,(L_2 L_1)^T + \text{bias} .$$
#
# With $\hat x = x / s$ the error is at most
#
# $$\|\hat x\|\,\|R - Q(R)\| + \|\hat x - Q(\hat x)\|\,\big(\|R\| + \|R - Q(R)\|\big) :$$
#
# **both** terms shrink with $R$, as long as rests look alike (the paper assumes how they are distributed). By Eckart and Young
# the SVD leaves the smallest $R$ of all branches of that rank. The branch absorbs the outliers; the rest is what becomes easy.
# ($a$ must be searched again *with* the branch in place; and $L_2 L_1$ can be refined by turns, as the SVD of $W s - Q(R)$.)
# Below, a layer that is made up, loud in the inputs alone; dotted, what is lost if all *quiet* channels are left out:

# %%
if layers:
    with figure("Relative error of a layer of 512 in W4A4 with eight outlier channels and without: rounded, smoothed, with a branch, with both",
                width=9, height=3, cols=2) as axes:
        ways = ("rounded", "smoothing only", "branch only", "SVDQuant")
        for ax, outliers in zip(axes, (8, 0)):
            w, _, held = made_up(outliers)
            quiet = held * (held.abs().amax(0) < 20)
            if outliers:
                ax.axhline(((quiet @ w.T).norm() / (held @ w.T).norm()).item(), color=plots.MUTED, linestyle=":")
            for k, way in enumerate(ways):
                error = layers[f"{way}, w4a4, {outliers} outliers"].quality["error"]["value"]
                ax.bar(way, error, color=plots.look(k).color)
                ax.text(k, error, f"{error:.3f}", ha="center", va="bottom", fontsize=8)
            ax.set(title=f"{outliers or 'no'} outlier channels of 512", ylim=(0, 0.28), ylabel="relative error")
            ax.tick_params(labelsize=8)
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What it takes
#
# $4 + 16/64 + 16\,r\,(1/K + 1/N)$ bits a weight, and a number of 16 bits a channel: cheap where layers are wide.

# %%
for name, row in layers.items():
    if name.startswith("bytes, w4a4"):
        print(f"{name.rpartition(', ')[2]:14} {row.bytes:>12,} bytes, {row.settings['of 16 bits']:.2f} times fewer than with 16 bits a weight")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Where the branch runs
#
# Alone, the branch would read and write the activations once more: 57% more latency at rank 32, its authors report. So it
# shares what is there: the **down** projection reads the same input as the *quantization* before the layer, the **up**
# projection adds to the same output as the *4-bit product*. Two kernels, no extra pass. That is lab 06.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A whole network
#
# `quantized(net, seen, mode, rank)` converts the large layers. What stays in 16 bits is seen from how layers are called, so the
# same call serves networks of diffusers (`hub`):

# %%
for name in ("unet", "dit"):
    bed = beds.bed(name, 12)
    made = quantized(bed.net, bed.seen, "w8a8")
    reasons = list(made.whole.values())
    print(f"{name}: {len(made.rows)} layers converted, {sum(row.before for row in made.rows) / 4:,.0f} weights;",
          ", ".join(f"{reasons.count(why)} {why}" for why in dict.fromkeys(reasons)), "stay")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### With outliers (planted)
#
# The same noises, the DiT with outliers planted by a shift, twelve evaluations of 2M. PSNR compares with *the same net's own
# picture* in 32 bits: it says how far a path has moved, not how good a picture is. One that lands on another shape is 10 dB
# "worse", and may be as good.

# %%
bed = beds.bed("shifted", 24)
coarse = {"exponents": [None, *((k / 5, 1 - k / 5) for k in range(1, 5))], "rounds": 4}
ways = {"rounded": {"rank": 0, "exponents": [None]}, "smoothing only": coarse | {"rank": 0},
        "branch only": {"rank": 32, "exponents": [None]}, "SVDQuant, rank 32": coarse | {"rank": 32}}
exact = beds.drawn(bed.net, bed.grid, 12)
with figure("Twelve noises drawn by the DiT with outliers planted by a shift, in 32 bits, and in W4A4: rounded, smoothed, with a branch alone, and with both, "
            "with the PSNR and megabytes of each", width=9, height=4.4, rows=5) as axes:
    plots.images(axes[0], exact, f"32 bits, {2 * stored(bed.net) / 1e6:.1f} MB", cols=12)
    for ax, (name, how) in zip(axes[1:], ways.items()):
        made = quantized(bed.net, bed.seen, "w4a4", **how)
        images = beds.drawn(made.net, bed.grid, 12)
        psnr = 10 * torch.log10(4 / (images - exact).square().mean())
        plots.images(ax, images, f"{name}: {psnr:.1f} dB, {made.bytes() / 1e6:.2f} MB", cols=12)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### At equal bytes
#
# A branch costs bytes, and whoever spends more gets more. The control spends them on the codes instead, in the layers that err
# most: 8 bits a weight, or smaller groups, until the network is as large as with the branch; smoothing is searched for as ever.
# (No kernels that one would run, and rounded to nearest.) PSNR to the network in 32 bits, of the median picture, against what
# is stored. Everything below 16 bits is *simulated*: there is no axis of time. How the DiT without outliers fares, the lab
# asks.

# %%
def spent(ax, net):
    """PSNR over bytes of all ways to quantize a network, as recorded."""
    families = {"rounded": ("w4a4, rounded", "w4a8, rounded", "w4a16, rounded", "w8a8, rounded"), "smoothing only": ("w4a4, smoothing only",),
                "SVDQuant, w4a4, rank 8 to 64": tuple(f"SVDQuant, w4a4, rank {rank}" for rank in (8, 16, 32, 64)),
                "equal bytes": tuple(name.partition(", ")[2] for name in nets if name.startswith(f"{net}, equal bytes"))}
    for k, (label, names) in enumerate(families.items()):
        rows = [nets[f"{net}, {name}"] for name in names]
        ax.errorbar([row.bytes / 1e6 for row in rows], [row.quality["psnr"]["value"] for row in rows],
                    yerr=[[abs(row.quality["psnr"][end] - row.quality["psnr"]["value"]) for row in rows] for end in ("low", "high")],
                    fmt=plots.look(k).marker, color=plots.look(k).color, label=label, capsize=2)
    ax.set(title=net, xlabel="megabytes stored", ylabel="PSNR of the median picture, dB")


if any(name.startswith("shifted, equal bytes") for name in nets):
    with figure("PSNR over megabytes for the UNet and for the DiT with outliers planted by a shift: rounded, smoothed, SVDQuant at four ranks, and the "
                "controls of equal bytes", width=10, height=3.4, cols=2) as axes:
        for ax, net in zip(axes, ("unet", "shifted")):
            spent(ax, net)
        axes[0].legend(fontsize=7)
    for net in ("unet", "shifted"):
        for name, row in nets.items():
            if name.startswith(f"{net}, SVDQuant, w4a4, rank 32 over equal"):
                print(f"{name}: {told(row.quality['decibels'], '.1f')} dB, median picture {told(row.quality['decibels_median'], '.1f')}")
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A LoRA beside the branch
#
# $W + a\,b$ with a LoRA's $a$ (N, l), $b$ (l, K): both are of low rank, so the LoRA can stand *beside* the branch, $L_2' =
# [L_2, a]$, $L_1' = [L_1; b]$ (in the coordinates that the branch reads). Nothing is quantized again. SVDQuant's authors do so
# with LoRAs that were trained on the network in 16 bits. Below, one of 150 steps on red shapes alone, trained on top of the
# network in 4 bits:

# %%
for name, row in nets.items():
    if "LoRA" in name:
        about = row.settings
        print(f"{name}: red {told(row.quality['before'], '.2f')} before, {told(row.quality['after'], '.2f')} after; "
              f"{about['bytes before']:,} bytes, then {about['bytes after']:,}; on top or beside differ by {about['beside to on top']:.1g}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Published, with their baselines
#
# FLUX.1-dev, 12B weights, INT4 W4A4, 5,000 prompts of MJHQ, against its own pictures in 16 bits:
#
# | | PSNR | LPIPS | FID (16 bits: 20.3) |
# |---|---|---|---|
# | rounded | 18.5 | .322 | 20.2 |
# | SVDQuant | 20.1 | .256 | 20.1 |
# | SVDQuant with GPTQ | 21.0 | .223 | 19.9 |
#
# Model 3.6 times smaller, memory 3.5 times. Time on a laptop's 4090: 3.0 times as fast as NF4, whose weights are unpacked to multiply in
# 16 bits; 8.7 to 10.1 times as fast as 16 bits on a laptop where those do not fit and are offloaded. In NVFP4 on a 5090, where
# 16 bits fit: 3.1 times. (From SVDQuant's repository.) A speed means little without what it is compared with.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - A code needs a scale, and who shares it decides what an outlier costs.
# - Calibrate along the sampler's path.
# - Smoothing moves outliers, the branch absorbs them, the rest is rounded.
# - Bytes are counted with scales and branch, at the width at hand. Equal **bytes** decide whether they were well spent, equal
#   **time** whether 4-bit activations were worth it.
# - Look first whether there are outliers. What the branch is worth without them, the lab asks.
#
# **Next**: lab 05, and lecture 06, the kernels.
