# ---
# jupyter:
#   effml_lab: {title: "Guidance: from something to what was asked for", minutes: {reading: 50}}
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # Guidance: from something to what was asked for
#
# So far the models drew *something*. Nobody wants something. A network can be told what to draw, by a number, a
# sentence or an outline, and *guidance* turns up how much it listens. That made models follow what is asked; it also
# doubles the number of evaluations.

# %% [markdown] slideshow={"slide_type": "notes"}
# So it belongs in a course on efficiency.
#
# **You will see** how conditions get into a network without harm; two kinds of guidance derived from Bayes' rule, and that they
# are one where everything is exact; what is sampled under guidance, and what is not; what guidance buys, takes and costs,
# measured on pictures; and where three quarters of the extra cost can be saved.
#
# **You need** lectures 01 and 02.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ## Notation
#
# As before $x = \alpha\, x_0 + \sigma\, \epsilon$, and $D(x)$ is the guess of $x_0$. New is the condition.
#
# | here | in the package | meaning | elsewhere |
# |---|---|---|---|
# | $y$ | `cond` | what is asked for | $c$ |
# | $\varnothing$ | `null` | asked for nothing | an empty prompt |
# | $D(x, y)$ | `denoise(x, level, cond)` | the guess, told $y$ | $x_\theta(x, c)$ |
# | $w$ | `w` | weight of guidance, 1 is off | $1 + w$ (Ho and Salimans), $s$ (GLIDE), `guidance_scale` (diffusers) |
# | $s$ | `s` | scale of a classifier's guidance, 0 is off | $s$ (Dhariwal and Nichol) |

# %% slideshow={"slide_type": "skip"}
import torch

from effml_lab import bench, models
from effml_lab.datasets import captions, shapes
from effml_lab.diffusion import levels, oracle, samplers
from effml_lab.diffusion.denoise import clipped
from effml_lab.diffusion.guidance import classifier_guided, guided, rescaled
from effml_lab.measure import planes, plots
from effml_lab.models import reader
from effml_lab.models.samples import SPACING
from effml_lab.nets.control import Controlled

torch.set_num_threads(1)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def told(interval, form=".3f"):
    """A recorded value with its 95% interval, in words."""
    value, low, high = (format(interval[key], form) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


recorded, conditions = bench.recorded("guidance"), bench.recorded("conditions")
UNRECORDED = "Nothing is recorded here yet: `python -m effml_lab bench guidance` and `bench conditions` do that."

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Getting a condition in
#
# A network is told the time, and a class, by a vector $e$. What may a block do with it?
#
# - **Add** it: $h + W e$. It moves features.
# - **Scale and shift**: $\text{norm}(h)\,(1 + \gamma) + \beta$ with $(\gamma, \beta) = W e$, *AdaGN*. It can also turn features down.
#
# Below, both with equally many weights: the loss of AdaGN over that of adding.

# %% [markdown] slideshow={"slide_type": "notes"}
# The vector is one for each image, and every block is given it. Adding: Ho et al. 2020, Stable Diffusion's UNets.
# AdaGN: Dhariwal and Nichol 2021, section 3.1. Diffusion transformers scale and shift behind a layer norm, and gate
# what leaves a block, which starts at zero (Peebles and Xie 2023).
#
# A condition that is added to a **trained** network starts at zero: $W = 0$ leaves it as it was, to the last bit.
#
# What the figure says: AdaGN's loss is 1.5% lower, and lower with all three seeds (0.8 to 2.0%). The interval is the
# noise of validation alone; seeds differ by more. Scale and shift take twice the weights of a sum, so the embedding is
# narrower here, to be fair; and the layer that scales starts at zero while the one that adds starts at random, so part
# of this may be the start.

# %%
row = conditions.get("AdaGN, loss over that of adding")
if row:
    ratios = row.settings["ratios"]
    with figure("Validation loss of AdaGN over that of adding, for three seeds, and all together with its interval",
                height=2.2) as ax:
        ax.plot(range(len(ratios)), ratios, "o", color=plots.look(0).color, label="a seed")
        ax.errorbar(len(ratios), row.quality["ratio"]["value"], fmt="s", color=plots.look(1).color, capsize=3,
                    label="all, noise of validation",
                    yerr=[[row.quality["ratio"]["value"] - row.quality["ratio"]["low"]],
                          [row.quality["ratio"]["high"] - row.quality["ratio"]["value"]]])
        ax.axhline(1, color=plots.MUTED, linestyle=":")
        ax.set(xticks=range(len(ratios) + 1), xticklabels=[*row.settings["seeds"], "all"], xlabel="seed",
               ylabel="loss ratio")
        ax.legend()
    print(f"digits, {row.settings['steps']} steps, {' and '.join(f'{n:,}' for n in row.settings['parameters'].values())} weights:",
          told(row.quality["ratio"]))
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Both guesses in one network
#
# Everything below needs two guesses: $D(x, y)$, and $D(x, \varnothing)$, which was told nothing. One network learns
# both if, in training, a share of the conditions (0.1 to 0.2) is replaced by $\varnothing$ (Ho and Salimans 2021).

# %% [markdown] slideshow={"slide_type": "notes"}
# $\varnothing$ is a condition with an embedding of its own.
#
# A common mistake is to take zeros for $\varnothing$ afterwards: the network was never trained on them.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Guidance by a classifier
#
# Let a classifier know $p(y \mid x)$ of *noisy* $x$, at every level. Bayes' rule, $p(x \mid y) \propto p(x)\, p(y \mid x)$, gives
#
# $$\nabla \log p(x \mid y) = \nabla \log p(x) + \nabla \log p(y \mid x) .$$
#
# A sampler wants $D$. With Tweedie's $\nabla \log p = (\alpha D - x) / \sigma^2$, and a scale $s$ in front of the new term:
#
# $$D_s(x) = D(x) + s\, \frac{\sigma^2}{\alpha}\, \nabla \log p(y \mid x), \qquad
#   \hat\epsilon_s = \hat\epsilon - s\, \sigma\, \nabla \log p(y \mid x) .$$

# %% [markdown] slideshow={"slide_type": "notes"}
# The second form is eq. 14 of Dhariwal and Nichol (2021), for $s = 1$. In DDPM's step the mean moves by $s\, \Sigma\,
# \nabla \log p(y \mid x)$, $\Sigma$ being the step's variance (their algorithm 1); that holds for short steps. Their
# best results guide a *conditional* model: a scale $s$ there is $w = 1 + s$ below.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Guidance without one
#
# If both guesses are exact, their difference is the gradient of a classifier. Read Bayes' rule the other way:
#
# $$\nabla \log p(y \mid x) = \nabla \log p(x \mid y) - \nabla \log p(x)
#   = \frac{\alpha}{\sigma^2} \big( D(x, y) - D(x, \varnothing) \big) .$$
#
# Put it in: the factors cancel, and
#
# $$D_w(x) = D(x, \varnothing) + w\, \big( D(x, y) - D(x, \varnothing) \big),$$
#
# **classifier-free guidance** (CFG), with $w = s$.

# %% [markdown] slideshow={"slide_type": "notes"}
# The paper writes $(1 + w)\,\epsilon(x, y) - w\,\epsilon(x, \varnothing)$: the same, its $w$ being ours less 1. Since
# $\epsilon$, $v$, $x_0$ and the velocity of a flow differ by affine maps that know nothing of $y$, any of them may be
# guided. Two *learned* guesses need not be the gradient of anything (Ho and Salimans say so themselves): one speaks of
# an *implicit* classifier.
#
# $\varnothing$ may be any other prompt: what a *negative prompt* says is pushed away. And the second guess need not be
# unconditional at all: a weaker version of the same model also improves pictures, with less loss of variety
# (autoguidance, [Karras et al. 2024](https://arxiv.org/abs/2406.02507)).

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Guided past the class
#
# A mixture like that of lecture 02, of three wider blobs, each a class. Arrows go a third of the way to the guess; grey is the
# noised density of all three.

# %%
schedule, mixture = levels.linear(), oracle.ring(3, std=0.45)      # three overlapping classes
points, none = planes.lattice(13), torch.tensor([3])
level, first = schedule(120.0), torch.zeros(len(points), dtype=torch.long)
free = guided(mixture.denoise, first, none, 2.0)(points, level)
pulled = classifier_guided(mixture.denoise, mixture.log_posterior, first, 2.0)(points, level)
print(f"largest difference of the two guidances, w = s = 2: {(free - pulled).abs().max():.1e}")
shown = {"told nothing": mixture.denoise(points, level), "told class 0": mixture.denoise(points, level, first),
         "w = 2": free}
with figure("Arrows from each point towards the guess of where it came from, a third as long: told nothing they go to the middle of the blobs, "
            "told a class to the blob on the right, and with w = 2 they are longer and reach beyond it", width=9, height=3, cols=3) as axes:
    for ax, (title, guess) in zip(axes, shown.items()):
        planes.shade(ax, lambda x: mixture.log_pdf(x, level))
        planes.arrows(ax, points, guess - points, title, length=1 / 3)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What is sampled, and what is not
#
# Along the way the guided score is that of $p_t(x \mid y)^w\, p_t(x)^{1 - w}$. Do samples follow the sharpened class,
# $p_0(x \mid y)^w\, p_0(x)^{1 - w}$? They do not:
#
# $$\text{noise}\big( p(x \mid y)^w\, p(x)^{1 - w} \big) \neq \text{noise}(p(x \mid y))^w\; \text{noise}(p(x))^{1 - w} .$$
#
# A sampler needs the scores of *one* family, noised from one density.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### In one dimension it can be drawn
#
# Two classes, guidance towards the right one, by DDIM and by DDPM:

# %%
two = oracle.GaussianMixture(torch.tensor([[-1.0], [1.0]], dtype=torch.float64), 0.6)
grid, axis = schedule.grid(200, "trailing"), torch.linspace(-2, 5, 701, dtype=torch.float64)[:, None]
noises = samplers.start((8000, 1), grid, seeded(0)).double()
right, clean = torch.ones(1, dtype=torch.long), schedule(0.0)
with figure("For w = 1, 2 and 4 the density of the class, the sharpened density, and histograms of guided samples by "
            "DDIM and by DDPM; for w above 1 DDIM's lies farthest to the right", width=10, height=2.8, cols=3) as axes:
    for ax, w in zip(axes, (1.0, 2.0, 4.0)):
        ways = {"DDIM": samplers.ddim, "DDPM": lambda *run: samplers.ddpm(*run, rng=seeded(1))}
        strong = guided(two.denoise, right, torch.tensor([2]), w)
        ends = {name: samplers.last(way(strong, noises, grid)) for name, way in ways.items()}
        log = two.log_pdf(axis, clean) + w * two.log_posterior(axis, clean)[:, 1]
        one = two.log_pdf(axis, clean) + two.log_posterior(axis, clean)[:, 1]
        for name, kind, color in zip(ends, ("stepfilled", "step"), (plots.MUTED, plots.look(2).color)):
            ax.hist(ends[name].flatten(), 60, range=(-1, 3.5), density=True, color=color, alpha=0.5 if kind == "stepfilled" else 1,
                    histtype=kind, linewidth=1.5, label=name)
        density = log.softmax(0)
        middle = (density * axis[:, 0]).sum()
        spread = (density * (axis[:, 0] - middle) ** 2).sum().sqrt()
        print(f"w = {w:g}:", "; ".join(f"{name} mean {x.mean():.2f}, spread {x.std():.2f}" for name, x in ends.items()),
              f"; sharpened {middle:.2f}, {spread:.2f}")
        for k, (name, value) in enumerate((("the class", one), ("sharpened", log))):
            density = value.softmax(0) / (axis[1] - axis[0])
            ax.plot(axis, density, color=plots.look(k).color, linestyle=plots.look(k).line, label=name)
        ax.set(title=f"w = {w:g}", yticks=[], xlim=(-1, 3.5), ylim=(0, 1.3), xlabel="x")
    axes[0].legend(fontsize=8)

# %% [markdown] slideshow={"slide_type": "notes"}
# At $w = 1$ all agree. Beyond it samples lie too far from the other class: at $w = 4$ the mean of DDIM's is 1.8 and of
# DDPM's 1.4, that of the sharpened class 1.1. They also crowd: their spreads are 0.34 and 0.47, where it has 0.51.
#
# DDIM and DDPM even give different sets for the same $w$, so there is no one target, and neither gives the sharpened class
# (Bradley and Nakkiran 2024). In very many dimensions the effect vanishes (Pavasovic et al. 2025, for
# mixtures): whether pictures show it must be measured. Judge guidance by what comes out.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Guide first, then clip
#
# Implementations clip the guess to the range of pictures. Clip *after* the two are combined: the combination leaves the
# range. Below, a weight that is far too large:

# %% [markdown] slideshow={"slide_type": "notes"}
# Clip $D(x, y)$ and $D(x, \varnothing)$ *before* they are combined, and their difference is another one. (Imagen clips
# at a quantile of the guided guess, and divides by it: dynamic thresholding, Saharia et al. 2022.)
#
# Strong guidance leaves the range, and spreads values more, here mostly by black grounds and larger shapes. Lin et al.
# (2024, eq. 15-16) give the guided output, $v$ say, some of the standard deviation of the conditional one back, a share
# $\phi$ of it: `rescaled`. Rescaling gives the spread back, and draws other colours and grounds.

# %%
denoise, cosine = models.denoiser("shapes")
course_grid, kinds, no_kind = cosine.grid(20, SPACING), torch.arange(6), torch.tensor([6])
start = samplers.start((6, 3, 32, 32), course_grid, seeded(5))
variants = {"w = 1": guided(denoise, kinds, no_kind, 1.0), "w = 10": guided(denoise, kinds, no_kind, 10.0),
            "w = 10, clipped last": clipped(guided(denoise, kinds, no_kind, 10.0)),
            "w = 10, rescaled": rescaled(denoise, kinds, no_kind, 10.0, phi=0.7)}
with figure("The same six noises at w = 1, at w = 10, at w = 10 clipped after guiding, and rescaled", height=5.2,
            rows=4, width=5.5) as axes:
    for ax, (title, guide) in zip(axes, variants.items()):
        images = samplers.last(samplers.dpmpp_2m(guide, start, course_grid))
        plots.images(ax, images, f"{title}: deviation within a picture {images.std((1, 2, 3)).mean():.2f}, "
                     f"out of range {(images.abs() > 1).float().mean():.0%}", cols=6)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## On pictures: what it buys and takes
#
# The model of `shapes` is told the kind. A judge reads each picture. The same noises, 20 steps of 2M, eight weights:
# the share of the wanted kind, the Fréchet distance, and how evenly colours, sizes and grounds are spread (1: as evenly
# as can be).

# %%
rows = [row for name, row in recorded.items() if name.startswith("shapes, w") and "inside" not in name]
if rows:
    with figure("Over the weight: the share of the wanted kind rises to 0.95 at w = 1 and hardly beyond; the Fréchet distance is least near "
                "w = 1.5 and grows from 3 on; the evenness of the other attributes is level up to 2, then falls", width=10, height=2.8, cols=3) as axes:
        labels = {"kind": "wanted kind", "frechet": "Fréchet distance", "evenness": "evenness"}
        for k, (ax, (name, label)) in enumerate(zip(axes, labels.items())):
            values = [row.quality[name] for row in rows]
            plots.curve(ax, [row.settings["w"] for row in rows],
                        *([v[key] for v in values] for key in ("value", "low", "high")), k=k)
            ax.set(xlabel="w", title=label)
        axes[0].set(ylim=(0.93, 1), title=f"wanted kind ({rows[0].quality['kind']['value']:.2f} at w = 0)")
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "notes"}
# The wanted kind is soon as good as it gets. The distance cannot be told from that of $w = 1$ at first, and then grows. On
# large models it first falls clearly, probably because their unguided pictures are poor and guidance mends them; our small
# model's are good already.
#
# Each picture may be fine and the *set* of them still be wrong: what nobody asked for shifts too. Guidance follows the implicit
# classifier wherever this becomes surer. The lab finds out what shifts here.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### And a classifier of one's own?
#
# `shapes_noisy` reads the kind at every level. It pulls the guess that was told *nothing*:

# %% [markdown] slideshow={"slide_type": "notes"}
# From 0.17 of the wanted kind to 0.30 at $s = 1$ and 0.59 at $s = 5$; told the kind, the network shows it in 0.95 unguided. The
# distances cannot be told from that of the network that was told nothing. Near pure noise the classifier reads little, and
# $\sigma^2 / \alpha$, above 100 there, multiplies its error.

# %%
card = models.card("shapes_noisy")["quality"]
print("; ".join(f"{name} {share['value']:.3f}" for name, share in card.items()))
for name, row in recorded.items():
    if "classifier" in name:
        print(f"{name}: kind {told(row.quality['kind'])}, distance {told(row.quality['frechet'], '.1f')}")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What it costs, and how to pay less
#
# Guidance evaluates the network twice a step, in one batch of two rows or in two calls. Kynkäänniemi et al. (2024)
# guide only where $\sigma / \alpha$ lies in an interval, `within`: no harm to the set can be measured, at a weight that
# ruins it if used everywhere.

# %% [markdown] slideshow={"slide_type": "notes"}
# (A classifier's gradient costs a pass forward and back through the classifier.)
#
# Where is it needed? The two guesses of $x_0$ differ most in the middle: by 0.12 (root mean square over 240 noised
# shapes) at $\sigma / \alpha = 11$, by 0.03 at 164 and by 0.01 at 0.5. At high noise the difference is small, but $w$
# multiplies it, and what it decides there, size and ground, is not undone; at low noise nothing of the kind is left to
# decide.

# %%
pairs = [(name, recorded[name]) for name in ("shapes, w = 1", "shapes, w = 5", "shapes, w = 5 inside")
         if name in recorded]
for name, row in pairs:
    print(f"{name:22} {row.nfe:3g} evaluations; kind {told(row.quality['kind'])}, distance {told(row.quality['frechet'], '.1f')}")
ratios = torch.tensor([level.sigma / level.alpha for level in course_grid[:-1]])
with figure("The twenty levels of the grid over sigma / alpha on a logarithmic axis, those within 0.3 and 5 filled",
            height=1.5) as ax:
    inside = (ratios > 0.3) & (ratios <= 5)
    ax.axvspan(0.3, 5, color=plots.MUTED, alpha=0.15)
    ax.plot(ratios[inside], torch.zeros(int(inside.sum())), "o", color=plots.look(0).color, label="guided")
    ax.plot(ratios[~inside], torch.zeros(int((~inside).sum())), "o", markerfacecolor="none",
            color=plots.look(1).color, label="plain")
    ax.set(xscale="log", xlabel="sigma / alpha", yticks=[])
    ax.legend(ncols=2, fontsize=8)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## In words
#
# Most words of a sentence concern some pixels and not others. **Cross-attention** lets the pixels ask (Rombach et al.
# 2022): queries $q$ of pixels, keys $k$ and values $v$ of words, a softmax over the words,
#
# $$\text{read} = \text{softmax}\big( q k^\top / \sqrt d \big)\, v,$$

# %% [markdown] slideshow={"slide_type": "notes"}
# Short sentences are padded; here padding gets $-\infty$ before the softmax, hence no weight (Stable Diffusion does not
# mask it). A row of padding alone would be $\exp(-\infty)$ everywhere, $0 / 0$: our prompt of nothing is a start token,
# which was trained.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What four captions draw
#
# `scenes` is the course's model with a two-layer encoder of words, trained from the weights of `shapes`. Rows are weights.

# %%
text, _ = models.denoiser("scenes")
lines = ["a small red star towards the top left, on grey", "a large purple ring towards the bottom right, on white",
         "a large green circle at the top left and a small yellow cross at the bottom right, on black",
         "a small blue square above a large red triangle, on white"]
start = samplers.start((4, 3, 32, 32), course_grid, seeded(9))
with figure("Pictures of four captions, from the same noises, told nothing and at the weights 1, 2 and 4",
            height=3.9, width=5) as ax:
    tokens = captions.tokens(lines)
    sets = [samplers.last(samplers.dpmpp_2m(guided(text, tokens, captions.nothing(), w), start, course_grid))
            for w in (0.0, 1.0, 2.0, 4.0)]
    plots.images(ax, torch.cat(sets), cols=4)
    ax.set_yticks([33 * i + 16 for i in range(4)], ["nothing", "w = 1", "w = 2", "w = 4"])
    ax.set_xticks([33 * i + 16 for i in range(4)], ["1", "2", "3", "4"])
print(*(f"{k + 1}. {line}" for k, line in enumerate(lines)), sep="\n")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Is it what was said?
#
# Both scenes of two shapes fail at every weight: the cross is a blob or a square, the blue square a second red
# triangle, beside instead of above. In numbers, scenes of one shape, and pairs of kind and colour that never stood
# together in a caption:

# %% [markdown] slideshow={"slide_type": "notes"}
# Where a shape is, which captions say too, is not judged here. Six pairs of kind and colour, one for each kind, never
# stood together **in a caption** of the training, though each half of them did. The base that `scenes` started from,
# told no colour, has drawn them. So this tests whether the words are put together, not whether the painter has seen the
# picture. They are put together: all four right in 0.91 against 0.945 of the usual captions at $w = 1$, with intervals
# that overlap, and in 0.998 against 1 at $w = 2$.

# %%
told_right = {name: row for name, row in recorded.items()
              if name.startswith("scenes, ") and row.settings["w"] in (1, 2)}
names = [*reader.READ, "all four"]
if told_right:
    with figure("Shares of pictures that show the kind, colour, size and ground of their caption, and all four, for two "
                "weights, with usual captions and with pairs that were held out", width=8, height=3) as ax:
        for k, (name, row) in enumerate(told_right.items()):
            values = [row.quality[what] for what in names]
            ax.errorbar([i + 0.1 * (k - 1.5) for i in range(len(names))], [v["value"] for v in values],
                        fmt=plots.look(k).marker,
                        yerr=[[v["value"] - v["low"] for v in values], [v["high"] - v["value"] for v in values]],
                        color=plots.look(k).color, capsize=2, label=name.removeprefix("scenes, "))
        ax.set(xticks=range(len(names)), xticklabels=names, ylabel="share that is right")
        ax.legend(fontsize=8)
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Once a prompt
#
# In a UNet with cross-attention, keys and values depend on the words alone: neither on $t$ nor on $x$. Computed once,
# they serve all steps.

# %% [markdown] slideshow={"slide_type": "notes"}
# It saves what the encoder and these layers cost, here for 16 rows of one prompt that would be encoded row by row at
# every call. For large text encoders everybody keeps at least the encoder's output; where words are updated in every
# block beside the pixels (SD3, FLUX), that is all that can be kept.

# %%
kept = conditions.get("keys once a prompt, time over at every call")
if kept:
    print(f"{kept.settings['calls']} calls with {kept.settings['rows']} rows: {told(kept.quality['ratio'])} times the time; "
          f"{kept.settings['multiply-adds saved']:.1%} of the multiply-adds saved; largest difference of the outputs "
          f"{kept.settings['largest difference']:.1g}")
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## By an outline
#
# **ControlNet** (Zhang et al. 2023) tells a trained network where things are. The base is frozen. A trainable copy of
# its way down sees the hint $c$, and what it finds is added:
#
# $$\text{decode}\big( \text{encode}(h) + Z_2(\text{encode}'(h' + Z_1(c))) \big) .$$
#
# $Z_1$ and $Z_2$ are convolutions whose weights and biases **begin at zero**: at first this is the base's own output, to
# the last bit. How does anything learn behind zeros?

# %% [markdown] slideshow={"slide_type": "notes"}
# $h$ and $h'$ are what the first layer of each makes of $x$; what the copy finds goes, pixel by pixel, to what the base
# leaves for its way up. The gradient of a weight of $Z_2$ is what comes in times what comes back: not zero. What goes
# on to the copy is multiplied by $Z_2 = 0$. After one step $Z_2 \ne 0$, and the copy moves too:

# %%
torch.manual_seed(0)
base = {"channels_in": 3, "widths": [16, 16], "blocks": 1, "stem": 2}
fresh = Controlled(base)
for weight in fresh.base.parameters():
    torch.nn.init.normal_(weight, 0, 0.1)
fresh.begin_as_base()
x, t, cond = torch.randn(2, 3, 16, 16), torch.tensor([100.0, 700.0]), {"hint": torch.rand(2, 1, 16, 16)}
moved = torch.optim.SGD([w for w in fresh.parameters() if w.requires_grad], 0.1)
size = lambda weights: max(w.grad.abs().max().item() for w in weights if w.grad is not None)
for step in range(3):
    moved.zero_grad()
    (fresh(x, t, cond) - x).square().mean().backward()
    print(f"step {step}: largest gradient of Z2 {size(fresh.zeros.parameters()):.2g}, of the copy {size(fresh.own.parameters()):.2g}, "
          f"of Z1 {size(fresh.seen.parameters()):.2g}")
    moved.step()

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Drawn from outlines
#
# `control` was trained on edges, with the kind left out half of the time; here it is not told. Overlap: the area that the shape
# asked for and the one drawn share, over what either covers. `control_masks` sees filled shapes instead.

# %%
control, _ = models.denoiser("control")
wish = shapes.draw(6, seeded(31))
told_where = {"hint": shapes.edges(wish), "class": no_kind.expand(6)}
start = samplers.start((6, 3, 32, 32), course_grid, seeded(32))
images = samplers.last(samplers.dpmpp_2m(lambda x, level: control(x, level, told_where), start, course_grid))
with figure("Above six outlines, below what the controlled model draws from them", height=2.2, rows=2,
            width=5) as axes:
    plots.images(axes[0], 2 * told_where["hint"] - 1, cols=6)
    plots.images(axes[1], images, cols=6)
for name, row in conditions.items():
    if "overlap" in row.quality:
        print(f"{name:24} overlap {told(row.quality['overlap'])}; shows the kind {told(row.quality['kind'])}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## To take home
#
# - What is added to a trained network starts at zero.
# - The difference of two guesses stands for the gradient of an implicit classifier. Guidance follows it: $D_\varnothing + w\,(D_y - D_\varnothing)$, $w = 1$ being off.
# - Guided samples do not follow the sharpened class; they overshoot, and what nobody asked for shifts.
# - It costs two evaluations. On an interval, fewer.

# %% [markdown] slideshow={"slide_type": "notes"}
# Judge guidance by what was asked for *and* by a distance, on the same noises.
#
# **Read on**: Dhariwal and Nichol (2021), [Diffusion models beat GANs on image synthesis](https://arxiv.org/abs/2105.05233); Ho
# and Salimans (2021), [Classifier-free diffusion guidance](https://arxiv.org/abs/2207.12598); Kynkäänniemi et al. (2024),
# [Applying guidance in a limited interval](https://arxiv.org/abs/2404.07724); Lin et al. (2024), [Common diffusion noise
# schedules and sample steps are flawed](https://arxiv.org/abs/2305.08891); Rombach et al. (2022), [Latent
# diffusion](https://arxiv.org/abs/2112.10752); Peebles and Xie (2023), [DiT](https://arxiv.org/abs/2212.09748); Saharia et al.
# (2022), [Imagen](https://arxiv.org/abs/2205.11487); Bradley and Nakkiran (2024), [Classifier-free guidance is a
# predictor-corrector](https://arxiv.org/abs/2408.09000); Pavasovic et al. (2025), [Classifier-free guidance: from
# high-dimensional analysis to generalized guidance forms](https://arxiv.org/abs/2502.07849); Zhang et al. (2023),
# [ControlNet](https://arxiv.org/abs/2302.05543).
#
# **Next**: the two evaluations of guidance become one (guidance distillation, Meng et al. 2023), and twenty steps become
# four, by training.
