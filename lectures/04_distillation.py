# ---
# jupyter:
#   effml_lab: {title: "Distillation: steps that are trained away", minutes: {reading: 45}}
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # Distillation: steps that are trained away
#
# A better solver asks its network less often, down to about ten times a picture. Below that, the path between two
# levels is too curved to be guessed from where one stands. It can be *learned*: a **student**, begun as a copy of its
# **teacher**, is trained to do in one step what the teacher does in several.

# %% [markdown] slideshow={"slide_type": "notes"}
# **You will see** what a student can be taught: the end of a path, two steps of it, a guided guess, one answer all along, or
# what passes for real; why weights and guidance decide whether it works; and what each costs.
#
# **You need** lectures 02 and 03.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ## Notation
#
# As before $x = \alpha\,x_0 + \sigma\,\epsilon$, and $D(x)$ is a guess of $x_0$; SNR is $\alpha^2 / \sigma^2$.
#
# | here | in the package | meaning | elsewhere |
# |---|---|---|---|
# | $D$, $D_s$ | `teacher`, `student` | guesses of $x_0$ | $\hat x_\eta$ and $\hat x_\theta$ |
# | $z, z', z''$ | `z` | a state, and where two steps of the teacher lead | $z_t, z_{t'}, z_{t''}$ |
# | | `cur`, `mid`, `nxt` | their levels | $t, t', t''$ |
# | $f$, $f^-$ | `student`, `slow` | a consistency model, its slow copy | $f_\theta$, $f_{\theta^-}$ |

# %% [markdown] slideshow={"slide_type": "notes"}
# A student is a denoiser like any other: its weights differ, and the levels at which it may be asked; one that is told $w$ has an
# input more. Two measures of error come up: **off by**, the root mean squared distance from where 64 steps of the teacher lead
# the same noises (on a ring of radius 1; unrelated points are 1.4 apart), and **squared MMD**, a distance between sets of points
# (unbiased, so it may fall below 0). **Moved** is the share of pictures that differ from the teacher's by more than 0.2, root
# mean squared.

# %% slideshow={"slide_type": "skip"}
import torch

from effml_lab import bench, models
from effml_lab.diffusion import samplers
from effml_lab.diffusion.guidance import guided
from effml_lab.measure import plots
from effml_lab.models.students import student
from effml_lab.recipes import ring
from effml_lab.recipes import ring_students as on_ring

torch.set_num_threads(1)
seeded = lambda seed: torch.Generator().manual_seed(seed)


def told(interval, form=".3f"):
    """A recorded value with its interval, in words."""
    value, low, high = (format(interval[key], form) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def show(ax, points, title, k=1):
    ax.plot(*points[:800].T, ".", markersize=2, color=plots.look(k).color)
    ax.set(title=title, xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), xticks=[], yticks=[], aspect="equal")


recorded, plane = bench.recorded("distill"), bench.recorded("plane")
UNRECORDED = "Nothing is recorded here yet: `python -m effml_lab bench plane` and `bench distill` do that."

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One step cannot do it, and could
#
# Of pure noise the best guess of $x_0$ is the mean of the data, so one DDIM step draws the mean. Yet many DDIM steps
# are a *function* of the noise. Nothing forbids a network that computes it at once. It has to be taught.

# %%
net = models.load("ring")
reference = on_ring.drawn(on_ring.told(net), ring.FULL)
with figure("Samples of a ring of eight Gaussians with 32, 4, 2 and 1 steps of DDIM: with fewer steps the clusters run together, and with one "
            "step all are one point in the middle", width=10, height=2.7, cols=4) as axes:
    for ax, steps in zip(axes, (32, 4, 2, 1)):
        points = on_ring.drawn(on_ring.told(net), steps)
        off = "the reference" if steps == 32 else f"off by {ring.apart(points, reference):.2f}"
        show(ax, points, f"DDIM, {steps} step{'s' * (steps > 1)}: {off}", k=0)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Shown the end
#
# Luhman and Luhman (2021): store pairs of a noise and the teacher's picture of it, and train on them, asked at the
# first level alone,
#
# $$L = \mathbb{E}\, \big\| D_s(x_T) - x_\text{teacher}(x_T) \big\|^2 .$$
#
# - The teacher must be deterministic, and a picture must **keep its noise**.
# - Where noises near each other lead to different pictures, a squared error draws between them.

# %% [markdown] slideshow={"slide_type": "notes"}
# In the paper most of the cost is the pairs, a million of a hundred steps; of ours, a third. What is learned if a
# picture does not keep its noise, the lab asks.

# %%
if "pairs, 1 step" in plane:
    found = plane["pairs, 1 step"].quality
    print(f"ring, pairs, 1 step: off by {told(found['error'])}, spread {told(found['spread'])} of the teacher's, in a cluster "
          f"{told(found['within'], '.0%')}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One step for two
#
# Salimans and Ho (2022), **progressive distillation**: one step of the student lands where two of the teacher's do, at
# $z''$. Set $\alpha'' \hat x + \frac{\sigma''}{\sigma} (z - \alpha \hat x)$ equal to $z''$:
#
# $$\hat x_\text{target} = \frac{z'' - \frac{\sigma''}{\sigma}\, z}{\alpha'' - \frac{\sigma''}{\sigma}\, \alpha} .$$
#
# It begins as its teacher, and then becomes the teacher of the next round: 32, 16, 8, 4, 2, 1.

# %% [markdown] slideshow={"slide_type": "notes"}
# From $z$ the teacher walks to $z'$ and on to $z''$; the expression is where the student's step leads with a guess
# $\hat x$. Two calls of a teacher a picture and step of training, with other pictures in every step: not fewer calls in
# all than pairs take (here 3.4 times the work), but nothing stored, and no data but to make noisy inputs.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A floor, not a cap
#
# $\|\Delta \epsilon\|^2 = \text{SNR}\, \|\Delta x\|^2$ and $\|\Delta v\|^2 = (\text{SNR} + 1)\, \|\Delta x\|^2$. The
# first level of every student has an SNR of almost 0: there the loss of $\epsilon$ asks nothing of it. So take $v$'s,
# or $\max(\text{SNR}, 1)$.

# %% [markdown] slideshow={"slide_type": "notes"}
# "Truncated SNR" is the larger of the errors of $x$ and $\epsilon$, where $\alpha^2 + \sigma^2 = 1$. With a *cap* at 1
# the noisy levels starve. (One level alone only scales the loss: at one step the cap fails since a gradient of
# $10^{-10}$ drowns in Adam's constant. Min-SNR is another thing: a cap at 5, on purpose, in training from scratch.)

# %%
if plane:
    counts = (16, 8, 4, 2, 1)
    with figure("Distance to the teacher's 64 steps over the number of steps, for DDIM, and for students with floor and with cap, bands from "
                "the least to the greatest of three trainings", height=3) as ax:
        names = {"DDIM": "ddim", "students, floor": "progressive, floor", "students, cap": "progressive, cap"}
        for k, (label, name) in enumerate(names.items()):
            rows = [plane[f"{name}, {steps} steps"].quality["error"] for steps in counts]
            plots.curve(ax, counts, *([row[key] for row in rows] for key in ("value", "low", "high")), label=label, k=k)
        ax.set(xscale="log", yscale="log", xlabel="steps", ylabel="off by", xticks=counts, xticklabels=counts)
        ax.minorticks_off()
        ax.legend()
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Distilled, then guided
#
# A student that was trained with the class told follows its teacher at $w = 1$. SnapFusion (Li et al. 2023) guides both
# sides of the loss. Distilling both guesses, with and without the class, is the best shown at $w = 1$, 2 and 4.

# %% [markdown] slideshow={"slide_type": "notes"}
# Guidance takes $D(\varnothing) + w\,(D(y) - D(\varnothing))$. What a student trained with the class alone is worth
# under it the lab measures: $w$ multiplies the difference of two guesses, and one of them nobody asked for in training.
#
# SnapFusion guides the teacher's two steps and the student's one, with $w$ from a range, mixed with the plain loss.
# Here, with one $w = 3$, that is best at 3, and at 1 and 4 worse than no student. Mixing half and half helps at 1 and 2
# and costs at 3, where the error doubles. Distilling both guesses is half again above the best at 3.

# %%
if plane:
    with figure("How far four steps are off over the weight of guidance in use, for no student and three ways to train one, bands over three "
                "trainings", height=3.2) as ax:
        ways = ("no student", "class and none", "guided, w = 3", "half guided, w = 3")
        for k, name in enumerate(ways):
            rows = [plane[f"{name}, 4 steps, used at w = {w:g}"].quality["error"] for w in (1, 2, 3, 4)]
            plots.curve(ax, (1, 2, 3, 4), *([row[key] for row in rows] for key in ("value", "low", "high")), label=name, k=k)
        ax.set(yscale="log", xlabel="w in use", ylabel="off by", xticks=(1, 2, 3, 4))
        ax.set_yticks((0.05, 0.1, 0.2, 0.4), ("0.05", "0.1", "0.2", "0.4"))
        ax.minorticks_off()
        ax.legend(fontsize=7, ncols=2)
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Guidance in one call
#
# Meng et al. (2023), stage 1: a student that is *told* $w$ learns the guided guess, $w$ drawn anew for each picture.
# Half of the calls. Stage 2 is progressive distillation of that student.

# %% [markdown] slideshow={"slide_type": "notes"}
# That leads to one call a step, of few steps.
#
# Here the embedding of $w$ starts at zero, so that the student begins as its teacher, bit for bit. After 77 minutes on
# two cores it takes about a third off the error of doing nothing at $w = 2$ to 4; near $w = 1$, where doing nothing is
# exact, it is worse. At $w = 3$ half of the error goes in nearly pure noise, a third below $t = 600$, and least in
# between.

# %%
rows = {name: row for name, row in recorded.items() if name.startswith("weighted")}
if rows:
    weights = [float(name.rpartition("= ")[2]) for name in rows]
    for name in ("one call at w = 3, t below 600", "one call at w = 3, t from 950"):
        print(f"{name}: error of v {told(recorded[name].quality['told w'])}, doing nothing {told(recorded[name].quality['nothing'])}")
    with figure("Error of v over w, for one call that is told w and for doing nothing; the range it was trained on is shaded", height=2.8) as ax:
        for k, (key, label) in enumerate({"told w": "one call, told w", "nothing": "doing nothing"}.items()):
            ax.axvspan(*next(iter(rows.values())).settings["trained on"], color=plots.MUTED, alpha=0.08 if k else 0)
            plots.curve(ax, weights, *([row.quality[key][part] for row in rows.values()] for part in ("value", "low", "high")), label=label, k=k)
        ax.set(xlabel="w", ylabel="relative error of v")
        ax.legend()
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One answer all along a path
#
# A **consistency model** (Song et al. 2023) gives the same answer from every point of a path of the probability-flow
# ODE, its end: $f(x, \text{clean}) = x$, and neighbours agree,
#
# $$L = \mathbb{E}\, \big\| f(x_\text{cur}) - f^-(x_\text{nxt}) \big\|^2, \qquad f^- \text{ a slow copy, without gradient.}$$
#
# - **Distillation**: $x_\text{nxt}$ is a step of the teacher. LCM: of the *guided* teacher, $w$ told.
# - **Training**: the step is made with the very picture that $x$ is made of: no teacher in the loss.

# %% [markdown] slideshow={"slide_type": "notes"}
# $D = \alpha x - \sigma v$ meets the first demand by its form. LCM: Luo et al. 2023. In training the step is made with
# the same noise as $x$; as steps shrink, its loss is that of distilling an exact teacher (theorem 2). Below it begins
# with the teacher's weights, too. Later work does without the slow copy (Song and Dhariwal 2023).

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### As many steps as one likes
#
# Guess the end, add **fresh** noise of a lower level, guess again. What that does to the set of pictures, and what to each of
# them, are two things:

# %%
if plane:
    with figure("Over the steps of a consistency model, distilled and trained without a teacher: the squared maximum mean discrepancy to the data falls, "
                "and the distance to the teacher's points rises", width=9, height=2.9, cols=2) as axes:
        for ax, (key, title) in zip(axes, {"mmd": "squared MMD to the data", "error": "off by, from the same noise"}.items()):
            for k, name in enumerate(("consistency", "consistency, no teacher")):
                rows = [plane[f"{name}, {steps} steps"].quality[key] for steps in (1, 2, 4, 8)]
                plots.curve(ax, (1, 2, 4, 8), *([row[part] for row in rows] for part in ("value", "low", "high")), label=name, k=k)
            ax.set(xscale="log", xlabel="steps", title=title, xticks=(1, 2, 4, 8), xticklabels=(1, 2, 4, 8))
            ax.minorticks_off()
        axes[0].legend(fontsize=8)
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A critic of noisy pictures
#
# A squared error to a target that is hard to reach draws between. UFOGen (Xu et al. 2023) asks whether the guess could
# be real: real picture and guess both go to a level by the *forward* kernel, and a critic tells them apart.
#
# $$L_C = \text{softplus}(-C(x'_\text{real})) + \text{softplus}(C(x'_\text{fake}))$$
#
# $$L_s = \text{softplus}(-C(x'_\text{fake})) + 0.1\,\min(\text{SNR}, 1)\,\|D_s - x_0\|^2 .$$

# %% [markdown] slideshow={"slide_type": "notes"}
# Each has its own noise. The weight $0.1\,\min(\text{SNR}, 1)$, jumps to any cleaner level, and two turns of the critic
# for one are ours; the paper goes to the next level. The critic sees noisy guesses and not what they were made from: if
# it cannot tell them from noisy pictures, the guesses are spread as pictures are, in one step. (Diffusion GANs draw the
# fake from the posterior, part of which is $x$ itself, and need several.) How near the student ends is a matter of
# detail: here, of momentum. On the ring pairs bring as many points into a cluster and are nearer as a set, after a
# quarter of the training steps; the critic needs no pairs.

# %%
for name in ("critic, 1 step", "critic, with momentum, 1 step", "pairs, 1 step", "the teacher's 64 steps", "real points"):
    if name in plane:
        quality = plane[name].quality
        print(f"ring, {name:30} in a cluster {told(quality['within'], '.0%')}, {quality['modes']['value']:.3g} of 8 clusters hit, squared MMD {quality['mmd']['value']:.4f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## On pictures
#
# Down a column: the same number of evaluations; the first row is the teacher. `progressive` keeps the picture of its
# noise in 91% of cases at 8 steps and in 56% at 1 (the cross is one that it does not); a consistency model of several
# steps draws others.

# %%
base, cosine = models.denoiser("shapes")
kinds = torch.arange(6)
x = samplers.start((6, 3, 32, 32), cosine.grid(4, "karras"), seeded(8))


def solved(sampler, steps):
    return samplers.last(sampler(guided(base, kinds, None, 1.0), x, cosine.grid(steps, "karras")))


def drawn_by(name, steps):
    denoise, grid, sampler = student(name, steps=steps)
    more = {"rng": seeded(9)} if name.startswith("consistency") else {}
    return samplers.last(sampler(guided(denoise, kinds, None, 1.0), x, grid, **more))


full = solved(samplers.ddim, 64)
with figure("Six noises, rows for DDIM with 64 steps, 2M, progressive students and a consistency model, a column for 1, 2, 4 and 8 evaluations", width=11,
            height=3.6, rows=4, cols=4) as axes:
    for column, steps in zip(axes.T, (1, 2, 4, 8)):
        made = {"DDIM, 64": full, "2M": solved(samplers.dpmpp_2m, steps),
                "progressive": drawn_by(f"progressive_{steps}", steps), "consistency": drawn_by("consistency", steps)}
        for ax, (name, images) in zip(column, made.items()):
            plots.images(ax, images, name if name == "DDIM, 64" else f"{name}, {steps}", cols=6)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### One evaluation, five ways
#
# Halving and pairs agree; the critic's pictures are grainy, and mostly of another kind.

# %%
once = {"progressive_1": "progressive", "consistency": "consistency", "consistency_alone": "no teacher", "one_step": "pairs", "ufogen": "critic"}
with figure("The same six noises in one evaluation, by five students: halved again and again, consistency with and without a teacher, pairs, "
            "and a critic; beside them 2M with twenty", width=11, height=2.6, rows=2, cols=3) as axes:
    for ax, (name, told_as) in zip(axes.flat, once.items()):
        plots.images(ax, drawn_by(name, 1), told_as, cols=6)
    plots.images(axes.flat[-1], solved(samplers.dpmpp_2m, 20), "2M, 20 evaluations", cols=6)

# %% [markdown] slideshow={"slide_type": "notes"}
# Halving and pairs are soft where a small change of the noise leads to another size, place or ground. The critic's
# student shows the wanted kind no more often than chance (0.187; 1/6). Its distance, 218, is no worse than halving's,
# 222: one number alone would have hidden it. Longer training was not tried.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Measured
#
# All on the karras grid; solvers and students from the same noises.

# %%
groups = {"DDIM": "ddim, ", "2M": "dpmpp_2m, ", "progressive": "progressive_", "consistency": "consistency, ",
          "no teacher": "consistency_alone", "pairs": "one_step, ", "critic": "ufogen, "}
if recorded:
    with figure("Over the evaluations a picture, with intervals: share of the wanted kind, and Fréchet distance to real shapes, for solvers and "
                "students", width=10, height=3.2, cols=2) as axes:
        for ax, (metric, title) in zip(axes, {"wanted": "shows the wanted kind", "frechet": "Fréchet distance"}.items()):
            for k, (label, begins) in enumerate(groups.items()):
                rows = [row for name, row in recorded.items() if name.startswith(begins) and metric in row.quality and row.nfe <= 8
                        and row.settings["spacing"] == "karras"]
                if rows:
                    rows.sort(key=lambda row: row.nfe)
                    plots.curve(ax, [row.nfe for row in rows], *([row.quality[metric][part] for row in rows] for part in (
                        "value", "low", "high")), label=label, k=k)
            ax.set(xscale="log", xlabel="evaluations", title=title, xticks=(1, 2, 4, 8), xticklabels=(1, 2, 4, 8))
            ax.minorticks_off()
        axes[1].set(yscale="log", ylim=(8, 1000))
        for ax, metric in zip(axes, ("wanted", "frechet")):
            ax.axhline(recorded["ddim, 64 steps"].quality[metric]["value"], color=plots.MUTED, linestyle=":", label="DDIM, 64 steps")
        axes[1].legend(fontsize=7, ncols=2)
else:
    print(UNRECORDED)

# %% slideshow={"slide_type": "skip"}
once = {name: row for name, row in recorded.items() if row.nfe == 1 and "rmse" in row.quality and not name.startswith(("dpmpp", "unipc"))}
for name, row in sorted(once.items(), key=lambda item: -item[1].quality["wanted"]["value"]):
    print(f"one evaluation, {name:27} wanted kind {told(row.quality['wanted'])}, distance {told(row.quality['frechet'], '.0f')}")
for name, row in recorded.items():
    if "ratio" in row.quality:
        print(f"{name:32} error {told(row.quality['ratio'])} times that of {row.settings['over']}")
for name in ("progressive_8, 8 steps", "dpmpp_2m, 8 steps, karras"):
    if name in recorded:
        print(f"{name:32} error {told(recorded[name].quality['rmse'])}")

# %% [markdown] slideshow={"slide_type": "notes"}
# DDIM is the weakest of the solvers. At 8 steps halving is not to be told from 2M: it is at 4 and fewer that students win.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Measured under guidance
#
# Told $w$ a step takes one call, so there are twice as many steps for the same evaluations. At 8 of them told $w$ shows the kind in
# 0.95, two calls in 0.61, and no guidance at all in 0.88.

# %% [markdown] slideshow={"slide_type": "notes"}
# With so few evaluations two calls are worse than none. The distance of told $w$, 12.6, cannot be told from that without guidance,
# 17.2. LCM, consistency of the guided path, is ahead at 1 to 4, and level at 8. All on the karras grid.

# %%
guided_rows = {"2M, two calls": "guided, two calls, w = 2,", "2M, told w": "guided, weighted, w = 2,",
               "consistency, told w": "guided, consistency_guided, w = 2,", "2M, no guidance": "dpmpp_2m, "}
if any(name.startswith("guided, ") for name in recorded):
    with figure("Over the evaluations a picture at w = 2, with intervals: share of the wanted kind, and Fréchet distance, for 2M with two calls "
                "a step, with one that is told w, for a consistency model that is told w, and for 2M without guidance", width=10, height=3, cols=2) as axes:
        for ax, (metric, title) in zip(axes, {"wanted": "shows the wanted kind", "frechet": "Fréchet distance"}.items()):
            for k, (label, begins) in enumerate(guided_rows.items()):
                rows = sorted((row for name, row in recorded.items() if name.startswith(begins) and row.settings["spacing"] == "karras"
                               and row.nfe <= 8 and metric in row.quality), key=lambda row: row.nfe)
                plots.curve(ax, [row.nfe for row in rows], *([row.quality[metric][part] for row in rows] for part in (
                    "value", "low", "high")), label=label, k=k)
            ax.set(xscale="log", xlabel="evaluations", title=title, xticks=(1, 2, 4, 8), xticklabels=(1, 2, 4, 8))
            ax.minorticks_off()
        axes[1].set(yscale="log")
        axes[1].legend(fontsize=8)
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What it costs
#
# A solver costs nothing beforehand. A student costs its training: calls that are learned from, with a pass back, and
# calls of teachers and slow copies.

# %% [markdown] slideshow={"slide_type": "notes"}
# A call with a pass back is three times the work of a plain one. Above some number of evaluations a student wins
# nothing that could be told from a solver's: the lab asks which, and after how many pictures a training has paid. In
# one evaluation halving shows the wanted kind most often; pairs cannot be told from it by kind and distance, for a
# third of the training.

# %%
for name in ("progressive_8, 8 steps", "progressive_1, 1 step", "consistency, 4 steps", "consistency_alone, 4 steps", "one_step, 1 step",
             "ufogen, 1 step", "guided, weighted, w = 2, 8 steps, karras", "guided, consistency_guided, w = 2, 4 steps"):
    if name in recorded:
        cost, moved = recorded[name].settings["training"], recorded[name].quality.get("moved")
        print(f"{name.removesuffix(', karras'):42} learned from {cost['learned from']:>9,.0f}, plain calls {cost['without a pass back']:>9,.0f}; kind "
              f"{told(recorded[name].quality['wanted'], '.2f')}" + (f", {moved['value']:.0%} moved" if moved else ""))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Which one
#
# | | learns | steps | needs |
# |---|---|---|---|
# | pairs | the end of a path | 1 | stored pictures of a teacher |
# | progressive | two steps of its teacher | those it was trained for | a teacher, data, rounds |
# | told $w$ | the guided guess | its teacher's | a teacher, data |
# | consistency | its neighbour's answer | 1 to as many as levels | data, with a teacher or without |
# | a critic | what passes for real | 1 | data, a second network |

# %% [markdown] slideshow={"slide_type": "notes"}
# They combine: told $w$, then halved; consistency of a guided teacher (LCM); a critic on top of any.

# %% [markdown] slideshow={"slide_type": "notes"}
# ## To read
#
# - Luhman and Luhman 2021, *Knowledge distillation in iterative generative models*
# - Salimans and Ho 2022, *Progressive distillation for fast sampling of diffusion models*
# - Meng et al. 2023, *On distillation of guided diffusion models*
# - Song et al. 2023, *Consistency models*; Luo et al. 2023, *Latent consistency models*
# - Li et al. 2023, *SnapFusion*; Xu et al. 2023, *UFOGen*
#
# Left out: distribution matching distillation, rectified flow's reflow, and adversarial diffusion distillation.
