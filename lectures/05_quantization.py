# ---
# jupyter:
#   effml_lab: {title: "Quantization: four bits, and a branch for what does not fit", minutes: {reading: 45}}
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # Quantization: four bits, and a branch for what does not fit
#
# Fewer steps leave each step as dear as it was. Quantization makes the step itself cheaper: numbers of 16 bits become
# codes of 8 or 4, with a scale that many of them share.

# %% [markdown] slideshow={"slide_type": "notes"}
# Stored weights shrink, so do the bytes that a step has to read, and products of small whole numbers are faster than of
# long ones. Fewer bytes are less time only where bytes are the bound (lecture 06).
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
# | $x W^T$ | | inputs (rows, K), weights (N, K); a column is a *channel* | $XW$ |
# | $s$ | `smooth` | factors of smoothing | $\lambda$ |
# | $L_2 L_1$ | `up`, `down` | a branch of rank $r$ in 16 bits: $L_2$ (N, r), $L_1$ (r, K) | $L_1 L_2$ of $X W$ |
# | $R$ | `rest` | what it leaves, in 4 bits | |
# | W4A8 | `"w4a8"` | weights in 4 bits, activations in 8 | |

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
# With few rows reading the weights is all of a layer's time, with many the products are:
#
# - **bytes**: 4 bits and a scale for 64 of them are 4.25 bits a weight, 3.8 times fewer than 16;
# - **operations**: 4-bit tensor cores (the part of a GPU that multiplies tiles) have up to four times the rate of 16 bits.

# %% [markdown] slideshow={"slide_type": "notes"}
# A layer reads its weights once, and multiplies them with every row. 4-bit cores: INT4 on Turing, Ampere and Ada, FP4
# on Blackwell. Hopper has none: its shortest are 8 bits, at twice the rate (lecture 06).
#
# Weights alone in 4 bits (W4A16) save bytes, and are unpacked to multiply in 16 bits: right for language models that write one
# token at a time. A large diffusion network sees thousands of rows at once and is bound by products: it needs its activations
# quantized, too (W4A4).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A code and a scale
#
# $$q = \text{clip}\Big(\text{round}\big(\tfrac{x}{\Delta}\big) + z\Big), \qquad x \approx \Delta\,(q - z) .$$
#
# - **symmetric** ($z = 0$, codes $-7$ to $7$) or **asymmetric**;
# - $\Delta$ is shared by a tensor, a row, or a **group** of 64 neighbours in a row;
# - **dynamic** scales are found in each input, **static** ones beforehand.
#
# One loud number takes the codes from all that share its scale:

# %% [markdown] slideshow={"slide_type": "notes"}
# Symmetric codes are what kernels like. With asymmetric ones every code is used where numbers have one sign, as behind
# a GELU. (SVDQuant's release has those inputs unsigned; here they are symmetric, at about 2.4 times the error.) A row
# is a channel of weights or a token of inputs. Biases stay as they are.

# %%
row = torch.randn(64, generator=seeded(3))
loud = row.clone()
loud[20] = 25.0
with figure("64 numbers and the codes of 4 bits that they are rounded to: without an outlier they spread over 14 levels, with one of size 25 "
            "nearly all fall on 0", width=9, height=2.8, cols=2) as axes:
    for ax, (name, values) in zip(axes, {"64 numbers": row, "one of them is 25": loud}.items()):
        told_back = quant.rounded(values[None], 4, "group")[0]
        ax.plot(values, ".", color=plots.look(0).color, label="x")
        ax.plot(told_back, "_", markersize=9, color=plots.look(1).color, label="Q(x)")
        keep = values.abs() < 10
        error = ((told_back - values)[keep].norm() / values[keep].norm()).item()
        ax.set(title=f"{name}: {'the others are ' if len(values[keep]) < 64 else ''}off by {error:.0%}", ylim=(-4, 4), xlabel="channel", ylabel="value")
    axes[1].annotate("25", (20, 3.7), ha="center")
    axes[0].legend(fontsize=8)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Look first
#
# The loudest input channel of a layer over the median one: tens, in large transformers. Ours are mostly tame: outliers
# are **planted**, so that in 32 bits the DiT computes the same.
#
# - *rescaled*: $W x = (W / c)\,(c\,x)$, four channels 30 times as loud;
# - *shifted*: $W x + b = W (x + c) + (b - W c)$, a constant of 30 in four channels.

# %% [markdown] slideshow={"slide_type": "notes"}
# Large language models have few channels that are tens of times as loud, in nearly every token; large diffusion
# transformers have them, too, changing with $t$. What makes up for a rescaling is the next layer's columns, as many
# times smaller, and for a shift the next layer's bias. Nine of the twelve layers can be planted so.

# %%
if ranges:
    with figure("For the layers of the UNet, of the DiT, and of the DiT with outliers planted in two ways, in order of size: the loudest input "
                "channel over the median one", width=9, height=2.8) as ax:
        for k, name in enumerate(("unet", "dit", "rescaled", "shifted")):
            ratios = sorted(ranges[f"ranges, {name}"].settings["inputs"].values())
            ax.plot(torch.linspace(0, 1, len(ratios)), ratios, plots.look(k).marker, color=plots.look(k).color, label=name)
        ax.set(yscale="log", xlabel="share of the layers", ylabel="loudest / median channel")
        ax.legend()
    print("median over layers:", "; ".join(f"{name} inputs {ranges[f'ranges, {name}'].quality['inputs']['value']:.1f}, "
                                           f"weights {ranges[f'ranges, {name}'].quality['weights']['value']:.1f}"
                                           for name in ("unet", "dit", "rescaled", "shifted")))
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Scales that hold along the path
#
# Static scales need examples, and what a layer is given changes on the way from noise to picture. **PTQ4DM** and
# **Q-Diffusion** take them from the network's own *denoising* path. Below, a UNet in W8A8 with one scale a tensor, by
# where it came from:

# %% [markdown] slideshow={"slide_type": "notes"}
# PTQ4DM (Shang et al. 2023) takes examples all over the path with more near the picture; Q-Diffusion (Li et al. 2023)
# at even intervals. Each end serves itself best, and fails at the other; the whole path is never best and never bad.
# More near the picture changes nothing here. (SVDQuant's input scales are dynamic; its $s$ and its branch are fitted
# along the path as well.)

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
# Where a UNet concatenates a shortcut, two families of numbers meet. With one scale for both the quieter one loses;
# Q-Diffusion splits the layer and gives each part its own. The squared error of such a layer alone:

# %% [markdown] slideshow={"slide_type": "notes"}
# One family comes from below and one from the side. In large UNets their ranges differ by up to 200 times. Of the
# course's UNet two layers gain little, two 13 and 28 times.

# %%
ratios = {name.rpartition(", ")[2]: row.quality["ratio"] for name, row in calibration.items() if name.startswith("two scales over one")
          and row.settings["checkpoint"] == calibration["w8a8, one scale, uniform"].settings["checkpoint"]}
for name, ratio in ratios.items():
    print(f"{name:18} squared error with two scales over that with one: {told(ratio)}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Smooth
#
# $x W^T = (x / s)\,(W s)^T$, for any $s > 0$, one a channel. SmoothQuant (Xiao et al. 2023):
#
# $$s_j = \frac{(\max |x_j|)^{a}}{(\max |W_j|)^{1 - a}} .$$
#
# Difficulty moves from the inputs to the weights. An exact rescaling is undone *exactly*. The hard kind is loud in the
# inputs while its weights are like all others (*shifted*).

# %% [markdown] slideshow={"slide_type": "notes"}
# $c\,x$ and $W / c$ make $c\,s$ of $s$. For the hard kind smoothing makes columns of $W s$ loud, which 8 bits can bear
# and 4 cannot.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Split
#
# SVDQuant (Li et al. 2025): give what is loud in $W s$ a way out, in 16 bits and of low rank,
#
# $$W s = L_2 L_1 + R, \qquad y = Q(x / s)\,Q(R)^T + (x / s)\,(L_2 L_1)^T + \text{bias} .$$
#
# With $\hat x = x / s$ the error is at most (**both** terms shrink with $R$)
#
# $$\|\hat x\|\,\|R - Q(R)\| + \|\hat x - Q(\hat x)\|\,\big(\|R\| + \|R - Q(R)\|\big) :$$

# %% [markdown] slideshow={"slide_type": "notes"}
# Both terms shrink as long as rests look alike (the paper assumes how they are distributed). By Eckart and Young the SVD leaves the
# smallest $R$ of all branches of that rank. The branch absorbs the outliers; the rest is what becomes easy. ($a$ must
# be searched again *with* the branch in place; and $L_2 L_1$ can be refined by turns, as the SVD of $W s - Q(R)$.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A layer that is made up
#
# Loud in the inputs alone, in eight channels of 512; dotted, what is lost if all *quiet* channels are left out. Right, the same
# without outliers.

# %% [markdown] slideshow={"slide_type": "notes"}
# The branch takes 2 bits a weight of a layer as narrow as this one. Rounding to 5 bits instead gives 0.119 without outliers,
# where the branch gives 0.124.

# %%
if layers:
    with figure("Relative error of a layer of 512 in W4A4: with eight outlier channels 0.206 rounded, 0.093 smoothed, 0.175 with a branch, 0.034 with both, "
                "and 0.26 without its quiet channels; with none 0.153, 0.153, 0.124 and 0.124",
                width=9, height=3, cols=2) as axes:
        ways = ("rounded", "smoothing only", "branch only", "SVDQuant")
        for ax, outliers in zip(axes, (8, 0)):
            w, _, held = made_up(outliers)
            quiet = held * (held.abs().amax(0) < 20)
            if outliers:
                ax.axhline(((quiet @ w.T).norm() / (held @ w.T).norm()).item(), color=plots.MUTED, linestyle=":", label="quiet channels left out")
                ax.legend(fontsize=8, loc="upper right")
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
# Alone, the branch would read and write the activations once more: 57% more latency at rank 32, its authors report. So
# **down** reads what the *quantization* reads, and **up** adds to what the *4-bit product* writes. Two kernels, no
# extra pass: lab 06.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A whole network
#
# `quantized(net, seen, mode, rank)` converts the large layers. What stays in 16 bits is seen from how layers are
# called:

# %% [markdown] slideshow={"slide_type": "notes"}
# So the same call serves networks of diffusers (`hub`). The DiT keeps 2.95 of its 7.68 MB in 16 bits, mostly AdaLN (the
# layers that make scales and shifts of the time): it gets 1.5 times smaller, not 3.8. With AdaLN in 4 bits as well the
# planted DiT takes 3.09 MB, and the median picture has 21.3 dB instead of 23.1.

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
# The DiT with outliers planted by a shift, twelve evaluations of 2M, in 32 bits and in W4A4. PSNR compares with *the
# same net's own picture* in 32 bits: how far a path has moved, not how good a picture is.

# %% [markdown] slideshow={"slide_type": "notes"}
# PSNR is $10 \log_{10}$ of the squared range over the mean squared difference: 20 dB is a tenth of the range. A picture
# that lands on another shape is many dB "worse", and may be as good; **moved** counts those that differ by more than
# 0.2, root mean squared.

# %%
bed = beds.bed("shifted", 24)
coarse = {"exponents": [None, *((k / 5, 1 - k / 5) for k in range(1, 5))], "rounds": 4}
ways = {"rounded": {"rank": 0, "exponents": [None]}, "smoothing only": coarse | {"rank": 0},
        "branch only": {"rank": 32, "exponents": [None]}, "SVDQuant, rank 32": coarse | {"rank": 32}}
exact = beds.drawn(bed.net, bed.grid, 12)
with figure("Twelve noises drawn by the DiT with outliers planted by a shift, in 32 bits, and in W4A4: rounded, smoothed, with a branch alone, and with both, "
            "with the PSNR of the median picture, how many moved, and megabytes", width=9, height=4.4, rows=5) as axes:
    plots.images(axes[0], exact, f"32 bits, {2 * stored(bed.net) / 1e6:.1f} MB", cols=12)
    for ax, (name, how) in zip(axes[1:], ways.items()):
        made = quantized(bed.net, bed.seen, "w4a4", **how)
        images = beds.drawn(made.net, bed.grid, 12)
        off = (images - exact).square().mean((1, 2, 3))
        psnr, moved = 10 * torch.log10(4 / off.median()), int((off.sqrt() > 0.2).sum())
        plots.images(ax, images, f"{name}: median {psnr:.1f} dB, {moved} of 12 moved, {made.bytes() / 1e6:.2f} MB", cols=12)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### At equal bytes
#
# A branch costs bytes. The control spends them on the codes instead, in the layers that err most: 8 bits a weight, or
# smaller groups. PSNR of the median picture against what is stored; below 16 bits *simulated*.

# %% [markdown] slideshow={"slide_type": "notes"}
# Codes are lengthened until the network is as large as with the branch; smoothing is searched for as ever. (No kernels
# that one would run, and rounded to nearest. Ranks 8 and 16 store alike, padded to 16.) Of the mean square, which the
# few pictures that end elsewhere rule, SVDQuant is no better than smoothing or any control here (from -1.0 to -0.7 dB,
# and no interval leaves out 0). It moves 35% of the pictures, smoothing 66%; rank 16 moves 29%: more rank is not always
# better. How the DiT without outliers fares, the lab asks.
#
# The UNet is no such comparison. Its layers are so narrow that the branch takes back what codes saved: rank 32 stores
# 1.60 MB where 16 bits take 1.68, and 8 bits, rounded, draw as well (39.9 and 39.3 dB) with 1.05.

# %%
def spent(ax, net):
    """PSNR over bytes of all ways to quantize a network, as recorded."""
    ax.axvline(nets[f"{net}, bf16"].bytes / 1e6, color=plots.MUTED, linestyle=":", label="16 bits")
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
    with figure("PSNR over megabytes for the DiT with outliers planted by a shift: rounded from 8 to 30 dB, smoothed 18.5, SVDQuant from 19.9 to 29.2, and "
                "the controls of equal bytes from 19 to 22.1", width=9, height=3.1) as ax:
        spent(ax, "shifted")
        ax.legend(fontsize=7)
    for name, row in nets.items():
        if name.startswith("shifted, SVDQuant, w4a4, rank 32 over equal"):
            print(f"ahead of {name.partition(' over ')[2]}: median {told(row.quality['decibels_median'], '.1f')} dB, pooled "
                  f"{told(row.quality['decibels'], '.1f')}")
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A LoRA beside the branch
#
# $W + A\,B$ with a LoRA's $A$ (N, l), $B$ (l, K): both are of low rank, so the LoRA can stand *beside* the branch,
# $L_2' = [L_2, A]$, $L_1' = [L_1; B]$. Nothing is quantized again. Below, one of 150 steps on red shapes alone:

# %% [markdown] slideshow={"slide_type": "notes"}
# In the coordinates that the branch reads. SVDQuant's authors do so with LoRAs that were trained on the network in 16
# bits; this one was trained on top of the network in 4 bits. On top or beside differ by a last bit: the branch keeps 16
# bits, and that may turn a code of a later layer.

# %%
for name, row in nets.items():
    if "LoRA" in name:
        about = row.settings
        print(f"{name}: red {told(row.quality['before'], '.2f')} before, {told(row.quality['after'], '.2f')} after; "
              f"{about['bytes before']:,} bytes, then {about['bytes after']:,}; on top or beside differ by {about['beside to on top']:.1g}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Published, with their baselines
#
# FLUX.1-dev, 12B weights, W4A4, 5,000 prompts of MJHQ, against its own pictures in 16 bits:
#
# | | PSNR | LPIPS | FID (16 bits: 20.3) |
# |---|---|---|---|
# | NF4, weights alone | 19.5 | .272 | 20.6 |
# | rounded | 18.5 | .322 | 20.2 |
# | SVDQuant | 20.1 | .256 | 20.1 |
# | SVDQuant with GPTQ | 21.0 | .223 | 19.9 |

# %% [markdown] slideshow={"slide_type": "notes"}
# FID does not tell them apart: rounding is no worse than 16 bits. (LPIPS is a distance in the features of a network;
# NF4 stores weights alone in 4 bits.) Model 3.6 times smaller, memory 3.5 times. Time on a laptop's 4090: 3.0 times as
# fast as NF4, whose weights are unpacked to multiply in 16 bits; 8.7 to 10.1 times as fast as 16 bits on a laptop where
# those do not fit and are offloaded. In NVFP4 on a 5090, where 16 bits fit: 3.1 times. (From SVDQuant's repository.) A
# speed means little without what it is compared with.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - A code needs a scale, and who shares it decides what an outlier costs.
# - Calibrate along the sampler's path.
# - Smoothing moves outliers, the branch absorbs them, the rest is rounded.
# - Equal **bytes** decide whether they were well spent, equal **time** whether 4-bit activations were worth it.

# %% [markdown] slideshow={"slide_type": "notes"}
# Bytes are counted with scales and branch, at the width at hand. Look first whether there are outliers. What the branch
# is worth without them, the lab asks.
#
# **Next**: lab 05, and lecture 06, the kernels.
#
# **Read on**: Xiao et al. (2023), [SmoothQuant](https://arxiv.org/abs/2211.10438); Shang et al. (2023),
# [PTQ4DM](https://arxiv.org/abs/2211.15736); Li et al. (2023), [Q-Diffusion](https://arxiv.org/abs/2302.04304); Li et
# al. (2025), [SVDQuant](https://arxiv.org/abs/2411.05007); Frantar et al. (2023),
# [GPTQ](https://arxiv.org/abs/2210.17323), which rounds weights one after another and lets later ones make up for
# earlier.
