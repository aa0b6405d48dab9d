# ---
# jupyter:
#   effml_lab: {title: "Distillation: from many steps to four, two and one", minutes: {reading: 90, coding: 110}}
# ---

# %% [markdown]
# # Lab 04 · Distillation: from many steps to four, two and one
#
# A better solver brought lab 02 from a thousand evaluations to ten. Below that no solver is good: there is too little to go by.
# The other way out is to *train the steps away*. A **student**, which begins as a copy of its **teacher**, learns to do in one
# step what the teacher does in several. You write the losses of six such trainings, see each of them work or fail on points in
# the plane within seconds, and then look at students of the course's model, whose trainings took from ten minutes to an hour.
#
# **You will be able to**
# - say what a student of one step can learn from pairs of noise and picture, and what it costs to have them;
# - derive where one step has to aim to land where two did, and halve the number of steps again and again;
# - distil guidance: two calls into one, and steps that stay right when they are guided;
# - train and use a consistency model, and judge what a squared error cannot;
# - say at which number of evaluations training pays, and after how many pictures it has paid.
#
# **You need** labs 02 and 03: levels, `step`, DDIM, guidance. Section 5 ends in a place to pause.
#
# ## Notation
#
# | papers | here | in code | meaning |
# |---|---|---|---|
# | $z_t$, $x_t$ | $z$, $x$ | `z`, `x` | a noisy picture, at level `cur` |
# | $z_{t'}$, $z_{t''}$ | $z'$, $z''$ | | where the teacher's first step leads, and its second |
# | $t, t', t''$ | | `cur`, `mid`, `nxt` | their levels, noisiest first; $\alpha'', \sigma''$ are those of `nxt` |
# | $\hat x_\eta$, $\hat x_\theta$ | $\hat x$ | `teacher(x, level)`, `student(x, level)` | a guess of $x_0$ |
# | $f_\theta$, $f_{\theta^-}$ | $f$, $f^-$ | `student`, `slow` | a consistency model, and a slow copy (EMA) of it, which gets no gradient |
# | SNR | $\alpha^2 / \sigma^2$ | | signal to noise |
# | NFE | | `nfe` | evaluations of the network a picture |

# %%
import copy

import torch
import torch.nn.functional as F

from effml_lab import bench, models
from effml_lab.course import shortened
from effml_lab.datasets import shapes
from effml_lab.diffusion import samplers
from effml_lab.diffusion.denoise import Denoiser, noised
from effml_lab.diffusion.guidance import guided
from effml_lab.diffusion.step import step
from effml_lab.efficiency.distill import progressive, stops
from effml_lab.measure import plots
from effml_lab.models.students import student as stored
from effml_lab.recipes import progressive as course_rounds
from effml_lab.recipes import ring
from effml_lab.recipes import ring_students as on_ring

torch.set_num_threads(1)  # small batches are too little to share between cores
seeded = lambda seed: torch.Generator().manual_seed(seed)
open_net = lambda net: copy.deepcopy(net).requires_grad_()  # stored networks come frozen: a copy that can be trained
said = lambda name: f"you predicted {globals()[name]!s:.6}" if globals().get(name, ...) is not ... else "nothing was predicted"
part = lambda estimate: f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"

# %% [markdown]
# ## 1 · Shown the answer
#
# The bed of this lab is a ring of eight small Gaussians, and a small network that has learned to denoise it. Points are quickly
# drawn, quickly trained on, and seen at a glance. `on_ring.told(net)` is that network as a denoiser `(x, level)`, told a class
# if one is given and none otherwise. Below are its samples with DDIM: with 32 steps, and with few.

# %%
teacher = models.load("ring")  # a net of v, told one of eight classes or none; here none
reference = on_ring.drawn(on_ring.told(teacher), ring.FULL)


def show(ax, points, title, k=1):
    ax.plot(*points[:800].T, ".", markersize=2, color=plots.look(k).color)
    ax.set(title=title, xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), xticks=[], yticks=[], aspect="equal")


with figure("Samples of the ring with 32, 4, 2 and 1 steps of DDIM: eight clusters, a ring, a disc, one "
            "heap in the middle", width=10, height=2.7, cols=4) as axes:
    for ax, steps in zip(axes, (32, 4, 2, 1)):
        points = on_ring.drawn(on_ring.told(teacher), steps)
        show(ax, points, f"DDIM, {steps} step{'s' * (steps > 1)}: off by {ring.apart(points, reference):.2f}", k=0)

# %% [markdown]
# "Off by" is the distance from where 32 steps lead from the same noise (the root of the mean squared distance;
# the ring has radius 1). One step draws the *mean* of the data. It has to: of pure noise, the best guess of $x_0$ is the mean.
# But one step *could* do better, since DDIM with many steps is a function: each noise has its own picture. Luhman and Luhman
# (2021) store pairs of a noise and the picture that the teacher makes of it, and train a student on them, asked at the noisiest
# level alone, the first:
#
# $$L = \mathbb{E}\,\big\| \hat x_\text{student}(x_T) - x_\text{teacher}(x_T) \big\|^2.$$
#
# Of such losses we always take the mean over all numbers of all pictures.
#
# **Exercise 1: shown the answer** (about 1 line).
#
# <details><summary>Hint</summary>
#
# `student(x, level)` is the student's guess of $x_0$, and after one step into the clean end it is the picture.
# `.square().mean()`.
#
# </details>

# %%
def pair_loss(student, x, image, level):
    """The mean squared error of the student's guess at the noise x, at its level, to the teacher's picture of it."""
    ### BEGIN SOLUTION
    return (student(x, level) - image).square().mean()
    ### END SOLUTION

# %%
check("04-pairs", pair_loss, points=1)

# %% [markdown]
# **Predict before you look.** Suppose that somebody stores the pairs carelessly: every noise is there and every picture is
# there, but they are *shuffled*, so that a noise stands beside another noise's picture. The student is trained on them just as
# long. The spread of the data (the standard deviation of its points) is 0.71 along each axis. What will be the spread of what
# this student draws?

# %%
spread_guess = ...
### BEGIN SOLUTION
spread_guess = 0.05
### END SOLUTION

# %%
check("04-guess-spread", spread_guess, points=1)

# %%
trainings = shortened(600, 60)
with figure("Samples of the teacher with 32 steps, of the student of one step that was shown pairs, and of the one that was shown "
            "shuffled pairs", width=8, height=2.8, cols=3) as axes:
    show(axes[0], reference, "teacher, 32 steps", k=0)
    for ax, shuffled in zip(axes[1:], (False, True)):
        net = on_ring.by_pairs(teacher, shuffled, n=4096, training=trainings, loss=pair_loss)
        points = on_ring.drawn(on_ring.told(net), 1)
        show(ax, points, f"{'shuffled pairs' if shuffled else 'pairs'}, 1 step: spread {points.std(0).mean():.2f}")
print("shuffled:", said("spread_guess"))

# %% [markdown]
# The pairs are everything. From shuffled ones the best answer to every noise is the mean of all pictures, and
# that is what is learned: not noise, not a random picture, *one point*. (In images it is a grey blur.) With the right pairs the
# student is on the ring in one step, more often where the clusters are than between them: what lies between belongs to noises
# at the border of two clusters, where the function to be learned is steep.
#
# What did it cost? 4,096 pairs of 32 evaluations are 131,072 evaluations of the teacher, before the first step of training.
# Luhman and Luhman made a million pairs of a hundred steps. And these pairs are all that the student will ever see, each of
# them a whole path. Can a student learn from a *piece* of a path, and from another one in every batch?
#
# ## 2 · One step for two
#
# Salimans and Ho (2022) ask less of a student: to do in one step what its teacher does in *two*. Then no path has to be walked
# to its end. Make a picture noisy, let the teacher walk two DDIM steps from there, from `cur` via `mid` to `nxt`, where it
# arrives at $z''$. The student's one DDIM step from `cur` to `nxt`, with a guess $\hat x$ of $x_0$, leads to
#
# $$\alpha'' \hat x + \frac{\sigma''}{\sigma}\,(z - \alpha\,\hat x),$$
#
# ($\alpha$, $\sigma$ of `cur`, $\alpha''$, $\sigma''$ of `nxt`). Set this equal to $z''$ and solve for $\hat x$: that is the
# guess which the student has to learn.
#
# **Exercise 2: where to aim** (about 5 lines). The teacher is asked, not trained: no gradient may reach it. The fields of a
# level are plain numbers in a sampler and tensors, one number a row, in training: the same lines serve both, without an `if`.
# (`step` takes both; the package's samplers take plain numbers alone.)
#
# <details><summary>Hint</summary>
#
# `step(z, x0, cur, mid)` makes one DDIM step. Collect what multiplies $\hat x$ in the formula above: it is $\alpha'' -
# \frac{\sigma''}{\sigma} \alpha$. The rest, $\frac{\sigma''}{\sigma} z$, goes to the other side. `with torch.no_grad():`
# around the teacher.
#
# </details>

# %%
def target(teacher, z, cur, mid, nxt):
    """The x0 with which one step from z at cur lands where the teacher's two do, by mid to nxt."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        half = step(z, teacher(z, cur), cur, mid)
        end = step(half, teacher(half, mid), mid, nxt)
    keep = nxt.sigma / cur.sigma
    return (end - keep * z) / (nxt.alpha - keep * cur.alpha)
    ### END SOLUTION

# %%
check("04-target", target, points=5)

# %%
grid = ring.grid(4)
z = samplers.start((400, 2), grid, seeded(1))
with figure("Where two steps of the teacher lead from 400 noises, as circles, and where one step with the target leads, as dots: "
            "each dot lies in its circle", width=8, height=3, cols=3) as axes:
    for ax, (cur, mid, nxt), title in zip(axes, (grid[:3], grid[1:4], grid[2:]), ("from noise", "in the middle", "into the clean end")):
        guess = target(on_ring.told(teacher), z, cur, mid, nxt)
        ends = list(samplers.ddim(on_ring.told(teacher), z, [cur, mid, nxt]))[-1]
        landed = step(z, guess, cur, nxt)
        ax.plot(*ends.T, "o", markersize=6, markerfacecolor="none", color=plots.look(0).color)
        ax.plot(*landed.T, ".", markersize=3, color=plots.look(1).color)
        ax.set(title=f"{title}: {(landed - ends).abs().max():.0e} apart", aspect="equal")

# %% [markdown]
# Every dot should sit in its circle, up to rounding. Into the clean end, where $\sigma'' = 0$, the formula becomes simple: the
# target is the teacher's second guess.
#
# ## 3 · A floor, not a cap
#
# How much should an error of $x_0$ count? A squared error of the noise $\epsilon = (z - \alpha x_0) / \sigma$ is that of $x_0$
# times SNR = $\alpha^2 / \sigma^2$: much where there is little noise. The usual loss on $\epsilon$ therefore weights the
# squared error of $x_0$ with the SNR. For students that is bad: they are asked at few levels, and the first is *pure noise*,
# where the SNR is almost 0: next to the others it would hardly count. Salimans and Ho take the larger of both errors, the
# "truncated SNR"
#
# $$\omega = \max\left(\frac{\alpha^2}{\sigma^2},\; 1\right).$$
#
# It is a floor. "Truncated" is easily read the other way round, as a cap at 1. (That is another thing than
# Min-SNR, Hang et al. 2023, which caps the weight in training from scratch, at 5 and on purpose.)
#
# **Exercise 3: the floor** (about 1 line). The levels of a batch are tensors, one number a row; they need
# not preserve the variance.
#
# <details><summary>Hint</summary>
#
# `tensor.clamp(min=1)` lifts what lies below 1.
#
# </details>

# %%
def floor(level):
    """max(SNR, 1) of each level, in the shape of its alpha."""
    ### BEGIN SOLUTION
    return (level.alpha / level.sigma).square().clamp(min=1)
    ### END SOLUTION

# %%
check("04-floor", floor, points=1)

# %%
levels_32 = stops.picked(ring.grid(), torch.arange(32), torch.zeros(32, 1))
with figure("The weight of an error of x0 over the level: floor, cap, and the SNR between them, and the levels at which students of "
            "1, 2 and 4 steps are asked", height=3) as ax:
    for k, (name, weight) in enumerate({"floor": floor(levels_32), "SNR": stops.weight(levels_32, "eps"),
                                        "cap": stops.weight(levels_32, "cap")}.items()):
        ax.plot(levels_32.lam.flatten(), weight.flatten(), color=plots.look(k).color, linestyle=plots.look(k).line, label=name)
    for k, steps in enumerate((4, 2, 1)):
        at = [level.lam for level in ring.grid(steps)[:-1]]
        ax.plot(at, [0.05 + 0.07 * k] * len(at), plots.look(k).marker, color=plots.look(k + 3).color,
                transform=ax.get_xaxis_transform(), label=f"asked, {steps} step{'s' * (steps > 1)}")     # a strip, not weights
    ax.set(yscale="log", xlabel="lambda = log(alpha / sigma), noise at the left", ylabel="weight")
    ax.legend(ncols=2, fontsize=8)

# %% [markdown]
# With the cap, the first of the two levels of a student of two steps hardly counts beside the second. A student of one step has
# one level alone, so that its weight is only a factor of the loss; but here it is about $10^{-9}$, and a gradient so small is
# below what Adam adds to its denominator, $10^{-8}$: it hardly moves.
#
# ## 4 · Halve, and halve again
#
# Now a round of training. The student begins **as its teacher**: it knows how to denoise, it only has to learn to jump further.
# When it has learned, it is the teacher of the next round: 32 steps become 16, 8, 4, 2, 1. For each picture and step of
# training a teacher is asked twice. That is not fewer calls in all: the five rounds below take a million of them, eight times
# as many as the pairs. But no picture comes twice, nothing is stored, and students of 16, 8, 4 and 2 steps are found on the
# way.
#
# **Exercise 4: a round** (about 7 lines). Train with `torch.optim.Adam`, one step a batch, in order. `loss(student, teacher,
# *batch)` is a number; what a batch holds only the loss needs to know. The teacher stays as it is: neither train it nor freeze
# it, since whoever copies it next wants to train the copy. The student is such a teacher in the next round: hand it back
# trainable, too.
#
# <details><summary>Hint</summary>
#
# `copy.deepcopy(teacher)` is a network of its own with the same weights. Then the three lines of every training: clear the
# gradients, `backward()`, `opt.step()`. Whose weights does the optimizer get?
#
# </details>

# %%
def halve(teacher, loss, batches, lr=1e-3):
    """A student of the teacher: a copy, trained by Adam on loss(student, teacher, *batch). The teacher stays as it is."""
    ### BEGIN SOLUTION
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=lr)
    for batch in batches:
        value = loss(student, teacher, *batch)
        opt.zero_grad()
        value.backward()
        opt.step()
    return student
    ### END SOLUTION

# %%
check("04-halve", halve, points=4)

# %% [markdown]
# The next cell puts your three functions together and halves five times: once with your floor, once with a cap.

# %%
def by(weight):
    """The loss of exercise 2 and 3 as `halve` wants it, with a weight of levels."""
    def loss(student, teacher, z, cur, mid, nxt):
        want = target(on_ring.told(teacher), z, cur, mid, nxt)
        return (weight(cur) * (on_ring.told(student)(z, cur) - want).square()).mean()
    return loss


counts, students = (16, 8, 4, 2, 1), {}
try:
    for name, weight in {"floor": floor, "cap": lambda level: stops.weight(level, "cap")}.items():
        net = open_net(teacher)
        for steps in counts:
            net = students[name, steps] = halve(net, by(weight), on_ring.batches(steps, shortened(200, 20)))
except NotImplementedError:
    print("Nothing to train yet: exercises 2, 3 and 4 are needed.")

# %%
off = lambda net, steps: ring.apart(on_ring.drawn(on_ring.told(net), steps), reference)
with figure("Distance to 32 steps over the number of steps, for DDIM, for students with the floor and for students with the cap",
            height=3) as ax:
    curves = {"DDIM": [off(teacher, n) for n in counts]}
    if students:
        curves |= {f"students, {name}": [off(students[name, n], n) for n in counts] for name in ("floor", "cap")}
    for k, (name, errors) in enumerate(curves.items()):
        plots.curve(ax, counts, errors, label=name, k=k)
    ax.set(xscale="log", yscale="log", xlabel="steps", ylabel="off by", xticks=counts, xticklabels=counts)
    ax.minorticks_off()
    ax.legend()

# %%
with figure("Samples of the students of four, two and one steps with the floor, and of one step with the cap", width=10, height=2.7,
            cols=4) as axes:
    for ax, (name, steps) in zip(axes, (("floor", 4), ("floor", 2), ("floor", 1), ("cap", 1))):
        if students:
            show(ax, on_ring.drawn(on_ring.told(students[name, steps]), steps), f"{name}, {steps} step{'s' * (steps > 1)}")

# %% [markdown]
# Each round adds to a distance that was small to begin with, and all stay far below DDIM's. With the cap the
# curve rises at two steps, and the student of one step hardly moved from the mean: not for lack of a direction, but since its
# gradient drowns in Adam's constant.
#
# **On pictures, live.** The same round for the course's model takes a minute or less: a student of eight steps, which comes
# with the course, becomes one of four. Your `target` says where it aims; the error counts as that of $v$, and what is kept is a
# slow average of the weights. The pictures below are of the same six noises, and "off by" is the root of the mean square over
# the numbers of sixty pictures, from where the *eight* steps of the teacher lead.

# %%
kinds = torch.arange(60) % 6
aimed = lambda student, teacher, z, cur, mid, nxt, kind: stops.error(student(z, cur), target(teacher, z, cur, mid, nxt), cur, kind)
net, (_, eight, _) = models.load("progressive_8"), stored("progressive_8")  # the network, and the levels that it knows
x = samplers.start((60, 3, 32, 32), eight, seeded(2))
walk = lambda net, grid: samplers.last(samplers.ddim(guided(Denoiser(net, "v"), kinds, None, 1.0), x, grid))
pictures = {"the teacher, 8 steps": walk(net, eight), "the teacher, 4 steps": walk(net, stops.halve(eight))}
try:
    pictures["after a short round, 4 steps"] = walk(course_rounds.short(4, shortened(200, 8), aimed), stops.halve(eight))
except NotImplementedError:
    print("Nothing to train yet: exercise 2 is needed.")
pictures["as stored, 4 steps"] = walk(models.load("progressive_4"), stops.halve(eight))

# %%
with figure("Six noises drawn by the teacher with eight steps and with four, by a student after a short round and by the stored "
            "student with four", width=11, height=2.6, cols=2, rows=2) as axes:
    for ax, (name, drawn) in zip(axes.flat, pictures.items()):
        error = (drawn - pictures["the teacher, 8 steps"]).square().mean().sqrt()
        plots.images(ax, drawn[:6], f"{name}: off by {error:.3f}", cols=6)

# %% [markdown]
# Even this short round does better than its teacher with half of its steps, by far. The stored student had 5,000 steps of
# training.
#
# ## 5 · Under guidance
#
# Lab 03 doubled the evaluations: a guess with the class, a guess without, and a weight $w$ on their difference. The network of
# this lab knows both guesses. Halve it three times, 32 to 4 steps, the plain way: the class is told, nothing is guided. Used
# like that, the student is off by less than 0.01. Then *use* it under guidance, $w = 3$, with its four steps.
#
# **Predict before you look.** Four steps of the network that was *not* distilled are off by about 0.10 at $w = 3$. How far off
# are the student's four steps, as a multiple of that? (0.5 would be half the error, 2 twice.)

# %%
guided_guess = ...
### BEGIN SOLUTION
guided_guess = 2.5
### END SOLUTION

# %%
check("04-guess-guided", guided_guess, points=1)

# %%
kind = torch.arange(2000) % ring.CLASSES
far = {w: on_ring.drawn(on_ring.told(teacher, kind, w), ring.FULL) for w in (1.0, 2.0, 3.0, 4.0)}
used = lambda net: {w: ring.apart(on_ring.drawn(on_ring.told(net, kind, w), 4), points) for w, points in far.items()}
plain = on_ring.rounds(on_ring.halved_guided, teacher, 4, training=shortened(250, 20))[4]
errors = {"no student": used(teacher), "halved, the class told": used(plain)}
for name, row in errors.items():
    print(f"{name:25}", *(f"w = {w:g}: {error:.3f}" for w, error in row.items()))
print(f"at w = 3 the student is off by {errors['halved, the class told'][3.0] / errors['no student'][3.0]:.1f} times as much;",
      said("guided_guess"))

# %% [markdown]
# Distilled, it is perfect at $w = 1$ and **worse than no student at all** at $w = 3$. What went wrong? Guidance takes a
# difference of two guesses times $w$. The guess with the class learned to jump. The guess *without* was never asked in
# training, so it stayed behind, or drifted: the difference is now one of a student and of something else, and $w$ multiplies
# it.
#
# There are two ways out. One is to distil both guesses, by leaving the class out now and then as in lab 03. The other is to
# distil what will be *used*: SnapFusion (Li et al. 2023) guides both sides, the teacher in its two steps *and* the student in
# its one, by the same $w$, and takes the loss of the results.
#
# **Exercise 5: guided on both sides** (about 3 lines). `progressive.loss(student, teacher, z, cur, mid, nxt)` is the loss of
# sections 2 and 3, floor included, of any two denoisers `(x, level)`; it asks the teacher without gradient. `guided(denoise,
# cond, null, w)` is lab 03's.
#
# <details><summary>Hint</summary>
#
# `guided(...)` returns a denoiser `(x, level)`. Make two.
#
# </details>

# %%
def aware(student, teacher, z, cur, mid, nxt, cond, null, w):
    """The loss of a halved student, teacher and student both guided by w; both are called (x, level, cond)."""
    ### BEGIN SOLUTION
    both = (guided(each, cond, null, w) for each in (student, teacher))
    return progressive.loss(*both, z, cur, mid, nxt)
    ### END SOLUTION

# %%
check("04-aware", aware, points=2)

# %%
ways = {"halved, class and none": {"null": 0.2}, "halved, guided at w = 3": {"w": 3.0, "loss": aware}}
try:
    for name, how in ways.items():
        errors[name] = used(on_ring.rounds(on_ring.halved_guided, teacher, 4, training=shortened(250, 20), **how)[4])
except NotImplementedError:
    print("One row is missing: it needs exercise 5.")
with figure("How far four steps are off over the weight they are used with: without a student, and for students that were told the "
            "class, told the class or nothing, and guided at w = 3", height=3.2) as ax:
    for k, (name, row) in enumerate(errors.items()):
        plots.curve(ax, list(row), list(row.values()), label=name, k=k)
    ax.set(yscale="log", xlabel="w in use", ylabel="off by")
    ax.legend(fontsize=8)

# %% [markdown]
# The student that was guided in training is best where it was trained, at $w = 3$, and bad at $w = 1$, where it was never asked
# for its plain guess; at $w = 4$ it is already worse than no student. (SnapFusion draws $w$ anew from a range, and mixes both
# losses; what it reports is a trade-off of fidelity to the prompt against the distance to real pictures.) Distilling both
# guesses is best at $w = 2$ and 4, and second at 1 and 3: over all four weights it is the one to take.
#
# **A place to pause.** Nothing of yours from above is needed below. The next cell defines again what is.

# %%
import torch
import torch.nn.functional as F

from effml_lab import bench, models
from effml_lab.course import shortened
from effml_lab.datasets import shapes
from effml_lab.diffusion import samplers
from effml_lab.diffusion.denoise import noised
from effml_lab.diffusion.guidance import guided
from effml_lab.diffusion.step import step
from effml_lab.efficiency.distill import stops
from effml_lab.measure import plots
from effml_lab.models.students import student as stored
from effml_lab.recipes import ring
from effml_lab.recipes import ring_students as on_ring

torch.set_num_threads(1)
seeded = lambda seed: torch.Generator().manual_seed(seed)
part = lambda estimate: f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def show(ax, points, title, k=1):
    ax.plot(*points[:800].T, ".", markersize=2, color=plots.look(k).color)
    ax.set(title=title, xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), xticks=[], yticks=[], aspect="equal")


# %% [markdown]
# ## 6 · Guidance in one call
#
# All these students still pay two calls a step. Meng et al. (2023) train the second call away: a student that is **told** $w$
# learns the *guided* guess of its teacher,
#
# $$L = \mathbb{E}\;\Big(\frac{\alpha^2}{\sigma^2} + 1\Big)\,\big\| \hat x_\text{student}(x, y, w) - \big[\hat x(\varnothing) + w\,(\hat
# x(y) - \hat x(\varnothing))\big] \big\|^2,$$
#
# with another $w$ for each picture, drawn by whoever calls the loss. (Their $w$ is ours less 1. Where $\alpha^2 + \sigma^2 = 1$
# the weight SNR + 1 makes it the error of $v$.)
#
# **Exercise 6: told w** (about 4 lines). The student's condition is a dict, `{"class": cond, "w": w}`. `stops.error(guess,
# want, level, "v")` is the weighted mean.
#
# <details><summary>Hint</summary>
#
# `guided(teacher, cond, null, w)` takes a $w$ for each picture. It is the teacher's, so no gradient may reach it.
#
# </details>

# %%
def one_call_loss(student, teacher, x, level, cond, null, w):
    """The error of one call of a student that is told w (B,), to the guided guess of its teacher, counted as that of v."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        want = guided(teacher, cond, null, w)(x, level)
    return stops.error(student(x, level, {"class": cond, "w": w}), want, level, "v")
    ### END SOLUTION

# %%
check("04-one-call", one_call_loss, points=2)

# %% [markdown]
# A copy of the course's model was trained on this loss for an hour, as `weighted`. What one call is worth,
# recorded, for $w$ from 0 to 4, which it was trained on, and beyond. (The error is relative to the size of the guided $v$.
# "Doing nothing" is the guess with the class, whatever $w$ is, so it is exact at $w = 1$.)

# %%
recorded = bench.recorded("distill")
for name, row in recorded.items():
    if name.startswith("weighted"):
        print(f"{name:20} error of v {part(row.quality['told w'])}, doing nothing {part(row.quality['nothing'])}")

# %%
net, cosine = models.denoiser("shapes")
no_kind, kinds, course_grid = torch.tensor([len(shapes.KINDS)]), torch.arange(6), cosine.grid(20, "karras")
x = samplers.start((6, 3, 32, 32), course_grid, seeded(5))
one_call, _ = models.denoiser("weighted")
with figure("Six noises under guidance, w = 1, 2 and 4: above by the teacher guided, below by the student that is told w", height=2.0, rows=2,
            cols=3, width=9) as axes:
    for column, w in zip(axes.T, (1.0, 2.0, 4.0)):
        told = {"class": kinds, "w": torch.full((6,), w)}
        ways = {"guided": guided(net, kinds, no_kind, w), "told w": lambda x, level: one_call(x, level, told)}
        for ax, (name, denoise) in zip(column, ways.items()):
            plots.images(ax, samplers.last(samplers.dpmpp_2m(denoise, x, course_grid)), f"{name}, w = {w:g}", cols=6)

# %% [markdown]
# Half of the calls, at a price. From $w = 2$ on the told student is nearer to guidance than doing nothing is, by some three
# tenths; near $w = 1$, where nothing had to be learned, training only did harm. Its pictures are hardly worse for it, and at
# *equal evaluations* they are better by far: twice as many steps can be taken (the lecture has the figure).
#
# ## 7 · One answer all along a path
#
# Halving goes step by step, round by round. **Consistency models** (Song et al. 2023) go at once: a network $f$ that gives the
# *same answer from every point of a path*, the path's end. At the end itself it has to give back what it is given, $f(x,
# \text{clean}) = x$. Our networks of $v$ do so by their form: $\hat x_0 = \alpha x - \sigma v$ is $x$ where $\sigma = 0$.
# Training pulls neighbours together:
#
# $$L = \mathbb{E}\,\big\| f(x\text{ at cur}) - f^-(x\text{ at nxt}) \big\|^2, \qquad x\text{ at nxt} = \text{one step from } x.$$
#
# $f^-$ is a slow copy of $f$ that gets no gradient. The answer is known at the clean end; from there it travels up the path.
# The step needs a guess of $x_0$. If it is the teacher's, this is consistency *distillation*. But look: if it is *the very
# picture that $x$ was made of*, there is no teacher in the loss at all. That is consistency *training*. The mean of all
# pictures that $x$ may have been made of is just what a perfect teacher would guess, so that for small steps both come to the
# same. (Ours begins with the teacher's weights either way, so that the two differ in the guess alone.)
#
# **Exercise 7: neighbours** (about 3 lines). The guess is handed in, so one function does both.
#
# <details><summary>Hint</summary>
#
# `step(x, guess, cur, nxt)` leads to the neighbour. Ask `slow` about it, at its level, under `torch.no_grad()`.
#
# </details>

# %%
def consistency_loss(student, slow, x, guess, cur, nxt):
    """The mean squared error of the student at x, at cur, to the slow copy's answer a step further on, at nxt."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        want = slow(step(x, guess, cur, nxt), nxt)
    return (student(x, cur) - want).square().mean()
    ### END SOLUTION

# %%
check("04-consistency", consistency_loss, points=4)

# %% [markdown]
# **More steps.** One step may not be good enough. A student of `progressive` then needs the steps it was trained for. A
# consistency model takes any number: guess the end, **make it noisy again** with *fresh* noise of a lower level, guess again.
#
# **Exercise 8: guess, and guess again** (about 4 lines). A generator, like all samplers: yield the state after each step; into
# the clean end goes the guess alone. All noise is normal and comes from `rng`.
#
# <details><summary>Hint</summary>
#
# `nxt.alpha * guess + nxt.sigma * noise`, and at the clean end `nxt.sigma` is 0. `torch.randn(x.shape, generator=rng,
# dtype=x.dtype)`.
#
# </details>

# %%
def multistep(denoise, x, grid, rng):
    """Consistency sampling over the levels of a grid, the last of them clean."""
    ### BEGIN SOLUTION
    for cur, nxt in zip(grid, grid[1:]):
        guess = denoise(x, cur)
        x = nxt.alpha * guess + nxt.sigma * torch.randn(x.shape, generator=rng, dtype=x.dtype)
        yield x
    ### END SOLUTION

# %%
check("04-multistep", multistep, points=3)

# %%
teacher, reference = models.load("ring"), on_ring.drawn(on_ring.told(models.load("ring")), ring.FULL)
ours = lambda denoise, x, grid: multistep(denoise, x, grid, seeded(3))
try:
    nets = {name: on_ring.consistent(teacher, distilled, training=shortened(700, 50), loss=consistency_loss)
            for name, distilled in (("distilled", True), ("no teacher", False))}
except NotImplementedError:
    nets = {}
    print("Nothing to train yet: exercise 7 is needed.")
with figure("Samples of a distilled consistency model and of one trained without a teacher, with 1, 2 and 4 steps", width=8, height=5.4,
            rows=2, cols=3) as axes:
    for row, (name, net) in zip(axes, nets.items()):
        for ax, steps in zip(row, (1, 2, 4)):
            points = on_ring.drawn(on_ring.told(net), steps, sampler=ours)
            show(ax, points, f"{name}, {steps} step{'s' * (steps > 1)}\noff by {ring.apart(points, reference):.2f}")

# %% [markdown]
# Two things to see. Without a teacher it works too, but less sharply after equally long training. And look at "off by": it
# *rises* with the steps, to more than the radius of the ring, while the clusters get *cleaner*. You will be asked why.
#
# ## 8 · A critic
#
# All losses so far are squared errors to something that *somebody* computed. For one step from noise that is hard to learn;
# what is not yet learned comes out as a mean. UFOGen (Xu et al. 2023) asks a different question of a student of one step:
# **could this be real?** A critic is shown pictures *made noisy*, real ones and guesses of the student alike, each with noise
# of its own,
#
# $$x'_\text{real} = \alpha x_0 + \sigma \epsilon_1, \qquad x'_\text{fake} = \alpha \hat x_0 + \sigma \epsilon_2, \qquad
# L_\text{critic} = \text{softplus}(-C(x'_\text{real})) + \text{softplus}(C(x'_\text{fake})).$$
#
# $C$ is any number, high for real, and `critic(x, level)` in code. The noise keeps it from being sure too early. The student
# takes its turn in every third step: it is to make the critic say *real*, and to stay near the picture where that can still be
# seen,
#
# $$L_\text{student} = \text{softplus}(-C(x'_\text{fake})) + 0.1 \min(\text{SNR}, 1)\,\|\hat x_0 - x_0\|^2 .$$
#
# (Here a cap is right: in pure noise the picture cannot be known, and an error there would ask for the mean again.)
#
# Note what the critic does *not* see: the noisy picture that the guess was made from. It sees the guess alone, with new noise
# on it. If at no level it can tell these from noisy pictures, then the guesses themselves are spread as pictures are, after
# *one* step. (Other GANs of diffusion show the critic a part of the noisy picture, too. They match one step of several.)
#
# **Exercise 9: the critic's loss** (about 4 lines). Each softplus is a mean over the batch; `eps` is a pair, the noise of the
# real pictures and that of the fakes, handed in, so that nothing is drawn here; levels may have one number a row. This loss
# trains the critic alone: it must not make whoever made the fakes worse.
#
# <details><summary>Hint</summary>
#
# `noised(x0, level, eps)` is lab 01's forward process. `F.softplus`. `.detach()` cuts the fakes off from who made them.
#
# </details>

# %%
def critic_loss(critic, real, fake, level, eps):
    """How badly the critic, (x, level) -> (B,), tells real from fake, both made noisy; eps: the noise of each, a pair."""
    ### BEGIN SOLUTION
    says_real = critic(noised(real, level, eps[0]), level)
    says_fake = critic(noised(fake.detach(), level, eps[1]), level)
    return F.softplus(-says_real).mean() + F.softplus(says_fake).mean()
    ### END SOLUTION

# %%
check("04-critic", critic_loss, points=4)

# %%
inside = lambda points: (torch.cdist(points, ring.data().means).min(1).values < 1.5 * ring.STD).double().mean()
even = F.normalize(torch.randn(2000, 2, generator=seeded(4)))
with figure("Samples in one step: of the teacher, which draws the mean, and of a student that was trained against a critic, which draws a "
            "ring that begins to gather in eight clusters; beside them an even ring, and the data", width=11, height=2.9, cols=4) as axes:
    trained = on_ring.against_a_critic(teacher, shortened(2000, 60), loss=critic_loss)
    mine = on_ring.drawn(on_ring.told(trained), 1)
    sets = {"the teacher, 1 step": on_ring.drawn(on_ring.told(teacher), 1), "against a critic, 1 step": mine, "an even ring": even,
            "the data": ring.data().sample(2000, seeded(5))}
    for k, (ax, (name, points)) in enumerate(zip(axes, sets.items())):
        show(ax, points, f"{name}\n{inside(points):.0%} near a center", k=k)
    print(f"against a critic: off by {ring.apart(mine, reference):.2f} from where the teacher's 32 steps lead")

# %% [markdown]
# No pairs, no paths: the critic alone moves the points from the middle to the ring, and begins to gather them in
# the clusters (more training gathers them further, see `bench plane`). The loss does not ask which noise leads to which
# cluster: that the points lie no farther from the teacher's comes from the weights that the student began with.
#
# ## 9 · On pictures
#
# Now students of the course's model, trained from it by these losses on pictures of `shapes`: `progressive` of 8, 4, 2 and 1
# steps, `consistency` with and without a teacher, `one_step` (pairs) and `ufogen` (a critic). The same six noises for all.

# %%
x = samplers.start((6, 3, 32, 32), course_grid, seeded(8))
solver = lambda sampler, steps: samplers.last(sampler(guided(net, kinds, None, 1.0), x, cosine.grid(steps, "karras")))


def drawn_by(name, steps):
    """Six pictures by a stored student with so many steps."""
    denoise, grid, sampler = stored(name, steps=steps)
    more = {"rng": seeded(9)} if name.startswith("consistency") else {}
    return samplers.last(sampler(guided(denoise, kinds, None, 1.0), x, grid, **more))


net, _ = models.denoiser("shapes")
with figure("The same six noises, a row for DDIM, DPM-Solver++(2M), progressive students and a consistency model, a column for 1, 2, 4 and "
            "8 evaluations", width=11, height=4.2, rows=4, cols=4) as axes:
    for column, steps in zip(axes.T, (1, 2, 4, 8)):
        ways = {"DDIM": lambda: solver(samplers.ddim, steps), "2M": lambda: solver(samplers.dpmpp_2m, steps),
                "progressive": lambda: drawn_by(f"progressive_{steps}", steps), "consistency": lambda: drawn_by("consistency", steps)}
        for ax, (name, way) in zip(column, ways.items()):
            plots.images(ax, way(), f"{name}, {steps}", cols=6)

# %% [markdown]
# Down a column everybody has had the same number of evaluations. Across a row of `progressive` the *picture* mostly stays the
# same; across a row of `consistency` it changes. DDIM and 2M with one evaluation are the same grey mean, which no grid can
# mend; with two they still are on this grid, whose second level lies almost at the clean end (others do better: they are in the
# table below). What the students of this lab make of *one* evaluation:

# %%
once = ("progressive_1", "consistency", "consistency_alone", "one_step", "ufogen")
with figure("The same six noises in one evaluation, by five students: halved again and again, consistency with and without a teacher, pairs, "
            "and a critic", width=11, height=2.6, rows=2, cols=3) as axes:
    for ax, name in zip(axes.flat, once):
        plots.images(ax, drawn_by(name, 1), name, cols=6)
    plots.images(axes.flat[-1], solver(samplers.dpmpp_2m, 20), "2M, 20 evaluations", cols=6)

# %% [markdown]
# Halving and pairs come to much the same pictures, soft where the kind is still undecided. The critic's are bright, grainy and
# mostly of another kind: on the ring its training settled, on pictures it has not, and nothing but the first weights holds a
# noise to its picture.

# %%
kept = [name for name in recorded if "rmse" in recorded[name].quality]
groups = {"DDIM": "ddim, ", "2M": "dpmpp_2m, ", "progressive": "progressive_", "consistency": "consistency, ",
          "no teacher": "consistency_alone", "pairs": "one_step, ", "critic": "ufogen, "}
if kept:
    with figure("Over the evaluations a picture, with intervals: the share that shows the wanted kind, and the Fréchet distance to real "
                "shapes, for solvers and students", width=10, height=3.2, cols=2) as axes:
        for ax, (metric, title) in zip(axes, {"wanted": "shows the wanted kind", "frechet": "Fréchet distance"}.items()):
            for k, (label, begins) in enumerate(groups.items()):
                rows = [recorded[name] for name in kept if name.startswith(begins) and recorded[name].nfe <= 8
                        and recorded[name].settings["spacing"] == "karras"]
                rows.sort(key=lambda row: row.nfe)
                told = [row.quality[metric] for row in rows]
                if told:
                    plots.curve(ax, [row.nfe for row in rows], *([one[key] for one in told] for key in ("value", "low", "high")),
                                label=label, k=k)
            ax.set(xscale="log", xlabel="evaluations", title=title, xticks=(1, 2, 4, 8), xticklabels=(1, 2, 4, 8))
            ax.minorticks_off()
        axes[1].set(yscale="log")
        axes[0].legend(fontsize=7)
else:
    print("Nothing is recorded in this copy of the course: `python -m effml_lab bench distill` does it.")

# %%
print("off by: the root of the mean square over all numbers, from 64 steps of DDIM from the same noises")
for name in kept:
    row = recorded[name].quality
    print(f"{name:28} wanted {part(row['wanted'])}, distance {row['frechet']['value']:5.1f}, off by {row['rmse']['value']:.3f}")

# %% [markdown]
# **Read a number.** What is the *most* evaluations, of 1, 2, 4 and 8, at which the progressive student shows the
# wanted kind **surely** more often than every solver with as many evaluations, DDIM, 2M and UniPC on every grid: its interval
# lies above all of theirs? (0 if at none.)

# %%
pays_read = ...
### BEGIN SOLUTION
pays_read = 0
for steps in (1, 2, 4, 8):
    of = lambda begins: [row.quality["wanted"] for name, row in recorded.items() if name.startswith(begins) and row.nfe == steps]
    students_row, others = of("progressive_"), of(("ddim", "dpmpp_2m", "unipc"))
    if students_row and students_row[0]["low"] > max(other["high"] for other in others):
        pays_read = steps
### END SOLUTION

# %%
check("04-read-pays", pays_read, points=2)

# %% [markdown]
# A solver costs nothing beforehand; a student does. The records say what its training took, from the course's model on, all
# earlier rounds included, in calls for one picture: calls that were *learned from*, which have a pass back and cost as much as
# three, and calls without one.

# %%
if "progressive_4, 4 steps" in recorded:
    for name, count in recorded["progressive_4, 4 steps"].settings["training"].items():
        print(f"training of progressive_4, {name}: {count:,.0f} calls")

# %% [markdown]
# **Read a number.** Suppose that four steps of `progressive_4` are good enough for you, and that otherwise you would take eight
# of 2M. After how many pictures has its training paid for itself?

# %%
even_read = ...
### BEGIN SOLUTION
training = recorded["progressive_4, 4 steps"].settings["training"] if kept else {"learned from": 0, "without a pass back": 0}
even_read = (3 * training["learned from"] + training["without a pass back"]) / (8 - 4)
### END SOLUTION

# %%
check("04-read-even", even_read, points=2)

# %% [markdown]
# Whoever draws some thousand pictures takes a solver. Whoever serves millions trains.
#
# **In your own words.** A colleague ranks the students by "off by" alone, and drops the consistency model with four steps as
# the worst. Answer in five to eight sentences, with two numbers of the table: what this error compares; what fresh noise does
# to the path, and why the *set* of pictures gets better all the same; which measure suits a student that is to draw *the same
# picture* as its teacher, and which one that is to draw *as good* a picture; and a student of *one* step for which the same
# objection holds, since its loss has no teacher in it.

# %% [markdown] written="04-why" points=4
# The error compares what a student makes of a noise with what 64 steps of the teacher
# make of the *same* noise. A consistency model of one step answers for that very noise. With more steps its guess is made noisy
# again with fresh noise: it then stands on another path, which ends elsewhere, often in another colour or kind. So the answer
# is a different picture, and the error rises towards that of two pictures that have nothing to do with each other, however good
# each of them is. But each further guess starts from less noise than the one before and is easier, so the set gets better: from
# one step to four the share of the wanted kind rises from 0.07 to 0.81 and the distance falls from 464 to 28. Where the same
# picture is wanted, as from `progressive` or the student of pairs, the paired error is the measure, with its median and the
# share that moved; where as good a picture is wanted, a distance of sets and what a judge reads. The student with a critic was
# never asked which noise leads where (and the consistency model that was trained alone only by the paths of the data
# themselves): if its error is small, that is the heritage of its first weights.
#
# <!-- ### BEGIN MARK SCHEME -->
# **Mark scheme.** One point each: (1) the error is paired, the same noise for student and teacher, and two numbers of the table
# are given; (2) fresh noise puts the state on another path, so another picture follows, and the error tends to that of two
# unrelated pictures; (3) half a point: each further guess starts at less noise, so the set gets better; half a point: a
# distance of sets or a judge measures quality, the paired error sameness; (4) a student of one step without a teacher in its
# loss, which is the critic's or the consistency model trained alone, with the reason.
# <!-- ### END MARK SCHEME -->

# %% [markdown]
# ## Summary
#
# A student is a denoiser like its teacher; no sampler changed, but for fresh noise. What changed is *who is asked where, and
# what for*: the teacher's end (pairs), two of its steps (progressive), its guided guess (one call), its neighbour
# (consistency), or a critic. Each begins as the teacher.
#
# Below are your marks, and your point on the course's plot: the stored consistency model with four steps of your `multistep`,
# judged by the kernel distance (KID) to real shapes.
#
# **Next**, lab 05: the steps are few; now each of them gets cheaper, in four bits.

# %%
point = None
try:
    point = bench.measure("your consistency sampler, 4 steps", lambda denoise, x, grid: multistep(denoise, x, grid, seeded(1)), steps=4,
                          n=shortened(240, 24), data="shapes", student="consistency")
except Exception as error:
    print("Your point needs exercise 8, written and run:", str(error) or "it is still a stub.")
summary(point)
