# ---
# jupyter:
#   effml_lab: {title: "Samplers: the same picture in fewer steps", minutes: {reading: 80, coding: 215}}
# ---

# %% [markdown]
# # Lab 02 · Samplers: the same picture in fewer steps
#
# Lab 01 ended with a price: a thousand network calls a picture. That number is the first factor of the cost, and it
# belongs to the *sampler*, not to the network. In this lab the network stays as it is. You write five samplers, each
# adding the idea that the one before lacks, measure how fast their errors fall, and end with pictures in ten steps.
#
# **You will be able to**
# - say what a score is, and walk along it, with noise (an SDE) or without (an ODE);
# - derive and code DDIM, Heun's method and DPM-Solver++(2M), and say what each assumes between two steps;
# - measure the order of a solver, and find a fault in a published formula by doing so;
# - choose where the steps go;
# - read a plot of speed against quality, and say when it shows no difference.
#
# **You need** lab 01, derivatives and the idea of a differential equation. The derivations are in the lecture. The lab is
# long: section 6 ends in a place to pause, from which you can go on another day.
#
# ## Notation
#
# Every noisy point is $x = \alpha\,x_0 + \sigma\,\epsilon$. A *level* holds one pair: `level.alpha`, `level.sigma`, and
# `level.t`, which the network is fed. A *grid* is a list of levels, noisiest first. `denoise(x, level)` is the guess of
# $x_0$. DDPM's own $\alpha_t = 1 - \beta_t$ does not occur here.
#
# | papers | here | in code | meaning |
# |---|---|---|---|
# | $\beta_t$ | $\beta_t$ | `betas[t]` | variance of the noise that step $t$ adds |
# | $\sqrt{\bar\alpha_t}$ | $\alpha$ | `level.alpha` | factor of the picture; DPM-Solver's $\alpha_t$ |
# | $\sqrt{1 - \bar\alpha_t}$ | $\sigma$ | `level.sigma` | factor of the noise; DPM-Solver's $\sigma_t$ |
# | EDM's $\sigma_t$ | $\tilde\sigma_t$ | `sigma / alpha` | noise per unit of picture, at level $t$ |
# | $\lambda_t$ | $\lambda$ | `level.lam` | $\log(\alpha / \sigma)$: grows as noise falls, infinite at $\sigma = 0$ |
# | $h$ | $h$ | `nxt.lam - cur.lam` | length of a step in $\lambda$ |

# %%
import math
from functools import partial
from itertools import pairwise

import torch

from effml_lab import bench, hub, models
from effml_lab.course import shortened
from effml_lab.diffusion import levels, oracle, samplers
from effml_lab.diffusion.guidance import guided
from effml_lab.measure import planes, plots
from effml_lab.measure.cost import timed

torch.set_num_threads(1)  # a thousand points are too few to share between cores
betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)  # lab 01's table
schedule = levels.linear()  # the same, as levels
table = [schedule(float(t)) for t in range(1000)]
said = lambda name: f"you predicted {globals()[name]!s:.6}" if globals().get(name, ...) is not ... else "nothing was predicted"

# %% [markdown]
# ## 1 · The score
#
# A picture that came out wrong may be the network's fault or the sampler's. To see the sampler alone, we first use data
# for which no network is needed: a *mixture* of $K = 8$ Gaussians whose means $\mu_k$ lie on a circle, each of standard
# deviation $s = 0.25$. For such data the best denoiser is a formula.
#
# Noise turns this mixture into another. With $x = \alpha x_0 + \sigma \epsilon$ the centres shrink to $\alpha \mu_k$
# and the variance becomes $v = \alpha^2 s^2 + \sigma^2$:
#
# $$p(x) = \frac 1 K \sum_{k=1}^{K} \mathcal N(x;\ \alpha\mu_k,\ v I).$$
#
# The **score** is the direction in which $\log p$ rises fastest, $\nabla_x \log p(x)$. It is what a sampler needs to
# know: where, from here, are the data? Each component pulls towards its own centre, with the weight of how likely it is
# that $x$ came from it:
#
# $$\nabla_x \log p(x) = \sum_k w_k(x)\, \frac{\alpha\mu_k - x}{v}, \qquad
# w(x) = \operatorname{softmax}_k\!\Big( -\frac{\lVert x - \alpha\mu_k \rVert^2}{2v} \Big).$$
#
# **Exercise 1: the score of a mixture** (about 4 lines). `x[:, None] - means` has shape `(B, K, D)`. Use
# `torch.softmax`: far from all means a quotient of exponentials is 0 / 0.
#
# **Predict, too, before you draw it.** Under little noise the density has eight hills, one for each component, and the
# arrows lead up to the nearest. At $t = 300$, where $\alpha = 0.63$ and $\sigma = 0.78$, how many places do they lead to?
#
# <details><summary>Hint</summary>
#
# Shapes: `alpha * means - x[:, None]` is (B, K, D), its squares summed over the last axis are (B, K), and so are the
# weights after a softmax over axis 1. To multiply them with (B, K, D) they need a last axis of length 1. Sum over
# axis 1, by its number: `squeeze()` would also take an axis away that only happens to have length 1.
#
# </details>

# %%
def score(x, means, std, alpha, sigma):
    """The gradient of log p at x, (B, D). x: (B, D); means: (K, D), equal weights; std, alpha, sigma: numbers."""
    ### BEGIN SOLUTION
    v = alpha**2 * std**2 + sigma**2
    pull = alpha * means - x[:, None]
    weight = torch.softmax(-pull.square().sum(-1) / (2 * v), dim=1)
    return (weight[..., None] * pull).sum(1) / v
    ### END SOLUTION

# %%
check("02-score", score, points=3)

# %%
hills_guess = ...
### BEGIN SOLUTION
hills_guess = 1
### END SOLUTION

# %%
check("02-guess-field", hills_guess, points=1)

# %%
ring = oracle.ring()  # eight means on the unit circle, standard deviation 0.25


def field(ax, t):
    points, level = planes.lattice(17), table[t]
    planes.shade(ax, lambda x: ring.log_pdf(x, level))
    planes.arrows(ax, points, score(points, ring.means, 0.25, level.alpha, level.sigma), f"t = {t}")


with figure("Arrows of the score over the density, at t = 20, 100 and 300", height=2.6, cols=3) as axes:
    for ax, t in zip(axes, (20, 100, 300)):
        field(ax, t)
print("Places that the arrows lead to at t = 300, on the right:", said("hills_guess"))
slider(field, 0, 600, 60, height=3.2)

# %% [markdown]
# One: under enough noise eight hills are one. This is why sampling starts with much noise and ends with little. Far out
# all arrows lead inwards, so nobody gets lost; the choice of a hill comes later, when hills appear.
#
# Every denoiser knows the score, by Tweedie's formula: $\nabla_x \log p(x) = (\alpha\, \hat x_0 - x) / \sigma^2 =
# -\hat\epsilon / \sigma$. So lab 01's network, which predicts $\epsilon$, has been a score all along.
#
# ## 2 · Back along the score, with noise
#
# Let the steps of lab 01 become ever smaller and more. What remains of $x_t = \sqrt{1 - \beta_t}\, x_{t-1} +
# \sqrt{\beta_t}\, z$ is a *stochastic differential equation* (SDE): a pull to zero, and noise $w$.
#
# $$dx = -\tfrac 1 2 \beta\, x\, dt + \sqrt{\beta}\; dw$$
#
# Song et al. (2021) sample by running it backwards in time. Backwards, the same noise needs a drift that undoes its
# spreading, and that drift is the score:
#
# $$dx = \big[ -\tfrac 1 2 \beta\, x - \beta\, \nabla_x \log p_t(x) \big]\, dt + \sqrt{\beta}\; d\bar w.$$
#
# Here time runs *down*, $dt < 0$, and $\bar w$ is noise that runs with it. The simplest way to follow it is that of Euler
# and Maruyama: treat the drift as constant during a step. A step of length 1 has $dt = -1$, so the bracket changes its
# sign:
#
# $$x \leftarrow x + \tfrac 1 2 \beta_t\, x + \beta_t\, \nabla_x \log p_t(x) + \sqrt{\beta_t}\; z.$$
#
# Lab 01's step divides by $\sqrt{1 - \beta_t}$ where this one multiplies by $1 + \beta_t / 2$: for small $\beta_t$ the
# same.
#
# **Exercise 2: the reverse SDE** (about 5 lines). Walk down from $t = T - 1$ to $0$, ask the score at $t$, add no noise
# at $t = 0$. Draw with `torch.randn(x.shape, generator=rng, dtype=x.dtype)`.
#
# <details><summary>Hint</summary>
#
# Three things happen in each turn of the loop, in this order: ask the score about the state as it is; the whole step
# without noise; the noise, unless this was the last turn. The size of the noise is a standard deviation, the table
# holds variances.
#
# </details>

# %%
def euler_maruyama(score, x, betas, rng):
    """The sample. score(x, t): t one whole number; x: (B, ...) noise; betas: (T,); rng draws the noise."""
    ### BEGIN SOLUTION
    for t in reversed(range(len(betas))):
        x = x + betas[t] / 2 * x + betas[t] * score(x, t)
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn(x.shape, generator=rng, dtype=x.dtype)
    return x
    ### END SOLUTION

# %%
check("02-reverse-sde", euler_maruyama, points=4)

# %%
noise = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
seen = {}


def noted(t, x):
    """t as a whole number, whatever holds it; x is kept under it."""
    t = int(torch.as_tensor(t).flatten()[0])
    seen[t] = x
    return t


def ring_score(x, t):
    return ring.score(x, table[noted(t, x)])


with figure("A cloud of points at five times, over the density that it should have", height=1.9, cols=5) as axes:
    seen[-1] = euler_maruyama(ring_score, noise, betas, torch.Generator().manual_seed(1))
    for ax, t in zip(axes, (999, 300, 100, 40, -1)):
        planes.shade(ax, lambda x: ring.log_pdf(x, table[max(t, 0)]))
        planes.cloud(ax, seen[t], f"t = {t}" if t >= 0 else "end")

# %% [markdown]
# A thousand points on their way from noise to data, over the density that they should have at each time. In the end
# they lie on the eight hills, about equally many on each.
#
# ## 3 · Back along the score, without noise
#
# On the way back, noise spreads the points and the score pulls them together. Take away some of the noise and just as
# much of the pull, and the cloud as a whole moves as before: at every $t$ the points have the same density
# $p_t$, though each single path is another. Song et al. take away all of the noise. That leaves half of the pull, the
# *probability-flow ODE*:
#
# $$dx = \big[ -\tfrac 1 2 \beta\, x - \tfrac 1 2 \beta\, \nabla_x \log p_t(x) \big]\, dt.$$
#
# **Exercise 3: the probability-flow ODE** (about 3 lines), by Euler's method: the same loop, half of the score, no
# noise.
#
# <details><summary>Hint</summary>
#
# The bracket of the ODE has $x$ and the score with one factor in common. Time runs down, so its sign changes, as in
# exercise 2.
#
# </details>

# %%
def pf_ode(score, x, betas):
    """The sample. score(x, t): t one whole number; x: (B, ...) noise; betas: (T,)."""
    ### BEGIN SOLUTION
    for t in reversed(range(len(betas))):
        x = x + betas[t] / 2 * (x + score(x, t))
    return x
    ### END SOLUTION

# %%
check("02-pf-ode", pf_ode, points=3)

# %%
hills = oracle.GaussianMixture(torch.tensor([[-1.0], [1.0]], dtype=torch.float64), 0.25)
starts = torch.randn(2000, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def hills_score(x, t):
    return hills.score(x, table[noted(t, x[:12, 0])])


with figure("Above, twelve paths from noise to two hills, by the SDE and by the ODE. Below, where two thousand end, over "
            "the density of the data", height=5, rows=2, cols=2) as axes:
    sde = partial(euler_maruyama, rng=torch.Generator().manual_seed(3))
    for (above, below), name, sampler in zip(axes.T, ("SDE", "ODE"), (sde, pf_ode)):
        ends = sampler(hills_score, starts, betas=betas)
        trace = torch.stack([seen[t] for t in range(999, -1, -1)])
        planes.paths(above, range(999, -1, -1), trace, lambda x, t: hills.log_pdf(x, table[t]), name)
        planes.histogram(below, ends[:, 0], lambda x: hills.log_pdf(x, levels.CLEAN))

with figure("Where a thousand runs from one start end, by the SDE and by the ODE", height=2.6, cols=2) as axes:
    one = torch.tensor([[0.6, -1.1]], dtype=torch.float64).expand(1000, 2)
    sde_ends = euler_maruyama(ring_score, one, betas, torch.Generator().manual_seed(4))
    ode_ends = pf_ode(ring_score, one, betas)
    for ax, name, ends in zip(axes, ("SDE", "ODE"), (sde_ends, ode_ends)):
        planes.shade(ax, lambda x: ring.log_pdf(x, table[0]))
        planes.cloud(ax, ends, name)
spread = ring.sample(100_000, torch.Generator().manual_seed(5)).std(0)
print("standard deviation of the data, by coordinate:", "  ".join(f"{number:.3f}" for number in spread.tolist()))

# %% [markdown]
# First figure: the data are two hills on a line, at $-1$ and $1$, so a path over $t$ can be drawn as a curve. The
# shade shows where the density $p_t$ is high, at each $t$ by itself. Above, twelve paths with noise and without, from
# the same starts; below, where two thousand of them end. The same hills, by very different paths: those of the ODE
# are smooth, and smooth is what long steps need.
#
# Second figure: a thousand runs from *one* start, on the ring. The SDE goes everywhere. The ODE is a function:
# one $x_T$, one $x_0$. So two solvers can be compared on the *same picture*, which is how this lab measures errors; and
# a picture can be turned back into its noise, which later labs use to edit.
#
# **Read:** what is the standard deviation of the SDE's ends, `sde_ends`: of each coordinate by itself, and then the mean
# of the two? (Had something of the start been left, it would be less than that of the data, which is printed above.)

# %%
spread_read = ...
### BEGIN SOLUTION
spread_read = sde_ends.std(0).mean().item()
### END SOLUTION

# %%
check("02-read-spread", spread_read, points=2)

# %% [markdown]
# ## 4 · DDIM: one long step
#
# Now keep only a few levels. What changes little on the way from one to the next? Not $x$, which loses its noise. Not
# the score, which grows as $1 / \sigma$. But the *guess of the picture*, $\hat x_0$, changes slowly. Written in
# $\lambda$, the ODE can be solved except for that guess (the lecture does it in three lines). From level $t$ to the
# cleaner level $s$, exactly,
#
# $$x_s = \frac{\sigma_s}{\sigma_t}\, x_t + \sigma_s \int_{\lambda_t}^{\lambda_s} e^{\lambda}\, \hat x_0(\lambda)\,
# d\lambda. \tag{1}$$
#
# Hold $\hat x_0$ at its value now, and the integral is $\hat x_0\, (e^{\lambda_s} - e^{\lambda_t})$. Rearranged, that is
# the step of DDIM (Song, Meng and Ermon 2021): work out the noise that belongs to the guess, and put picture and noise
# together again at the new level.
#
# $$\hat\epsilon = \frac{x_t - \alpha_t\, \hat x_0}{\sigma_t}, \qquad
# x_s = \alpha_s\, \hat x_0 + \sigma_s\, \hat\epsilon. \tag{2}$$
#
# **Exercise 4: DDIM** (about 5 lines). Walk the pairs of neighbours `cur, nxt` of the grid, whatever their distance,
# and yield the state after each step. The last level may be clean, with $\sigma = 0$, and the first may be nothing
# but noise, with $\alpha = 0$: formula (2) holds in both, while (1) as it stands is $0 \cdot \infty$ at $\sigma = 0$.
# Write the formula out here; `samplers.step`, which is the package's name for it, is yours to use from exercise 5 on.
#
# <details><summary>Hint</summary>
#
# The noise belongs to where $x$ is, so both its $\alpha$ and its $\sigma$ are those of `cur`; the new state is put
# together at `nxt`. Then `x` has to *become* the new state, before it is yielded.
#
# </details>

# %%
def ddim(denoise, x, grid):
    """Yield each state, len(grid) - 1 of them. denoise(x, level) -> x0; x: (B, ...) at grid[0]."""
    ### BEGIN SOLUTION
    for cur, nxt in zip(grid, grid[1:]):
        x0 = denoise(x, cur)
        eps = (x - cur.alpha * x0) / cur.sigma
        x = nxt.alpha * x0 + nxt.sigma * eps
        yield x
    ### END SOLUTION

# %%
check("02-ddim", ddim, points=5)

# %%
some = noise[:40]
exact = samplers.last(samplers.dpmpp_2m(ring.denoise, some, schedule.grid(3000)))


def rms(a, b):
    return (a - b).square().mean().sqrt().item()


with figure("Ends of DDIM with 5, 10 and 20 steps, joined by lines to the exact ends", height=2.7, cols=3) as axes:
    for ax, n in zip(axes, (5, 10, 20)):
        ends = samplers.last(ddim(ring.denoise, some, schedule.grid(n)))
        planes.gaps(ax, ends, exact, f"{n} steps: error {rms(ends, exact):.3f}", k=0)

# %% [markdown]
# Circles mark where the ODE ends from forty starts, worked out in three thousand steps; dots, where DDIM ends; the
# lines between are its errors. (`schedule.grid(n)` has $n$ steps, even in $\lambda$, the last one to the clean level.)
# With five steps the directions are right and the hills are not; each doubling then more than halves the error.
#
# ### The next *kept* level
#
# `nxt` is the next level of the grid. That sounds too plain to say. But a much used implementation, `DDIMScheduler` of
# diffusers (0.42), computes where to go as $t - T / N$, rounded down, and then goes on as if it stood at the next time
# on its list. The two agree when the list is spaced by exactly that. For `timestep_spacing="linspace"`, whose ends are
# $0$ and $999$, they do not: ten times are 111 apart, and the step is 100 long. Here are both rules, on that list.

# %%
def by_stride(denoise, x, grid, stride):
    """DDIM to t - stride. `samplers.step(x, x0, cur, nxt)` is equation (2), as you wrote it."""
    for cur, nxt in pairwise(grid):
        goal = table[int(cur.t) - stride] if cur.t >= stride else levels.CLEAN
        x = samplers.step(x, denoise(x, cur), cur, goal)
        yield x


with figure("Ends with 50, 20 and 10 steps of both rules, joined by lines",
            height=2.7, cols=3) as axes:
    for ax, n in zip(axes, (50, 20, 10)):
        kept = [table[int(t)] for t in torch.linspace(999, 0, n).round()] + [levels.CLEAN]
        yours = samplers.last(ddim(ring.denoise, some, kept))
        theirs = samplers.last(by_stride(ring.denoise, some, kept, 1000 // n))
        planes.gaps(ax, theirs, yours, f"{n} steps: up to {(yours - theirs).abs().max():.3f}")
        print(f"{n} steps: error {rms(yours, exact):.3f} by the list, {rms(theirs, exact):.3f} by the stride")

# %% [markdown]
# Circles end by the list, squares by the stride; above, the largest difference in a coordinate. Two programs that are
# both called DDIM, with the same noise and the same number of steps, differ: with ten steps by more than a tenth of
# the circle's radius. So neither reproduces the other's pictures. Look at the errors, too: on these data the rule
# that contradicts its own list happens to end *nearer* to the truth. A lower error does not prove a program right.
#
# ## 5 · Heun: look again before you leap
#
# DDIM keeps the direction at the start of a step for the whole step. Divide by $\alpha$ to see it: with $y = x /
# \alpha$ and $\tilde\sigma = \sigma / \alpha$ the ODE is just
#
# $$\frac{dy}{d\tilde\sigma} = \hat\epsilon = \frac{y - \hat x_0}{\tilde\sigma}, \tag{3}$$
#
# and DDIM is Euler's method for it, a step along the tangent. Where the path bends, the tangent leaves it. Heun's
# method, as in EDM (Karras et al. 2022, algorithm 1), goes there, looks at the direction *there*, comes back, and goes
# along the mean of both directions:
#
# $$d = \frac{y - \hat x_0(y)}{\tilde\sigma_t}, \quad y' = y + (\tilde\sigma_s - \tilde\sigma_t)\, d, \quad
# d' = \frac{y' - \hat x_0(y')}{\tilde\sigma_s}, \quad
# y_s = y + (\tilde\sigma_s - \tilde\sigma_t)\, \frac{d + d'}{2}.$$
#
# (Here $d$ is a direction, and the prime marks the second look.) At $\tilde\sigma_s = 0$ there is no $d'$, so the last
# step is $y'$. All earlier steps cost *two* network calls: $2N - 1$ for $N$ steps to the clean level. It matters what is
# averaged: the directions in these coordinates, not the two guesses of $x_0$.
#
# **Exercise 5: Heun's method** (about 9 lines). States are $x = \alpha y$; `denoise` expects $x$, not $y$. No grid here
# begins at $\alpha = 0$, where $\tilde\sigma$ would be infinite.
#
# <details><summary>Hint</summary>
#
# Every $\tilde\sigma$ is `sigma / alpha` of its own level: $\tilde\sigma_t$ of `cur`, $\tilde\sigma_s$ of `nxt`. The
# second call is asked at `nxt`, about $y'$ turned into an $x$ with the $\alpha$ of `nxt`; so is what you yield.
#
# </details>

# %%
def heun(denoise, x, grid):
    """Yield each state, len(grid) - 1 of them. denoise(x, level) -> x0; x: (B, ...) at grid[0]."""
    ### BEGIN SOLUTION
    for cur, nxt in zip(grid, grid[1:]):
        y, now, then = x / cur.alpha, cur.sigma / cur.alpha, nxt.sigma / nxt.alpha
        slope = (y - denoise(x, cur)) / now
        ahead = y + (then - now) * slope
        if nxt.sigma > 0:
            again = (ahead - denoise(nxt.alpha * ahead, nxt)) / then
            ahead = y + (then - now) * (slope + again) / 2
        x = nxt.alpha * ahead
        yield x
    ### END SOLUTION

# %%
check("02-heun", heun, points=5)

# %%
half = schedule.at(-math.log(1.5))  # the level where sigma / alpha = 1.5
here = torch.full((1, 1), 0.4 * half.alpha, dtype=torch.float64)
ratios = torch.linspace(1.48, 0.02, 60).tolist()


def lands(solve):
    """y = x / alpha at the end of each step from here, whose last level has one of the ratios."""
    return [samplers.last(solve(goal)).item() / goal.alpha for goal in (schedule.at(-math.log(r)) for r in ratios)]


with figure("From one point, the exact path, and where one step of DDIM and of Heun lands, longer and longer", height=3) as ax:
    fine = lambda goal: schedule.grid(50, lam=(half.lam, goal.lam), clean=False)
    exact_path = lands(lambda goal: samplers.dpmpp_2m(hills.denoise, here, fine(goal)))
    plots.curve(ax, ratios, exact_path, label="exact", k=4)
    for k, (name, sampler) in enumerate({"DDIM": samplers.ddim, "Heun": heun}.items()):
        jumps = lands(lambda goal: sampler(hills.denoise, here, [half, goal]))
        plots.curve(ax, ratios, jumps, label=f"one step of {name}", k=k)
    ax.set(xlim=(1.5, 0), xlabel="sigma / alpha where the step ends", ylabel="y")
    ax.legend()

# %% [markdown]
# One line is the exact path of one point on the two hills, from $\tilde\sigma = 1.5$ on. The others show where *one*
# step lands, ever longer to the right: DDIM's on a straight line, the tangent; Heun's should bend with the path. On
# short steps Heun is better by far, on longer ones by less. Very long steps overshoot. In terms of equation (2), with
# $\hat x_0'$ the guess at the far end, Heun's step is made with $\hat x_0 + \tfrac 1 2 e^h (\hat x_0' - \hat x_0)$,
# where $h = \lambda_s - \lambda_t$. From $h = \log 2$ on, here at $0.75$, that lies *beyond* the guess at the end.
# Keep this in mind for the pictures.
#
# ## 6 · DPM-Solver++(2M): remember
#
# Heun pays for its second look. But the sampler has looked before: the guess of the *last* step is at hand, for free.
# Back to the exact solution (1). It says that the step to level $s$ is DDIM's step, with $\hat x_0$ replaced by its
# *mean over the step*, weighted by $e^\lambda$. DDIM takes the guess at the start for the mean. DPM-Solver++(2M) (Lu
# et al. 2022; second order, multistep) draws a line, in $\lambda$, through this guess and the last one, and takes the
# line's value half way through the step:
#
# $$\bar D = \hat x_0 + \frac{h}{2\, h_\text{before}}\, \big( \hat x_0 - \hat x_0^\text{before} \big), \qquad
# h = \lambda_s - \lambda_t, \quad h_\text{before} = \lambda_t - \lambda_\text{before}.$$
#
# One network call a step. Two steps have no line: the first, where nothing is remembered, and one into $\sigma = 0$,
# where $h$ is infinite. There $\bar D = \hat x_0$.
#
# **Exercise 6: DPM-Solver++(2M)** (about 9 lines). `samplers.step(x, mean, cur, nxt)` is equation (2) with a guess of your
# choice, and you may use it; levels have `.lam`.
#
# <details><summary>Hint</summary>
#
# Two things are carried from step to step: the guess of the step before and the level that it was made at. Both are
# `None`, say, until there is one. Keep the network's own guess, not $\bar D$. Where `nxt.sigma` is 0, do not ask for a
# ratio.
#
# </details>

# %%
def dpmpp_2m(denoise, x, grid):
    """Yield each state, len(grid) - 1 of them. denoise(x, level) -> x0; x: (B, ...) at grid[0]."""
    ### BEGIN SOLUTION
    old = None
    for cur, nxt in zip(grid, grid[1:]):
        x0 = guess = denoise(x, cur)
        if old is not None and nxt.sigma > 0:
            ratio = (nxt.lam - cur.lam) / (cur.lam - before.lam)
            guess = x0 + ratio / 2 * (x0 - old)
        x = samplers.step(x, guess, cur, nxt)
        old, before = x0, cur
        yield x
    ### END SOLUTION

# %%
check("02-dpmpp-2m", dpmpp_2m, points=5)

# %%
with figure("Ends of DDIM, Heun and 2M for twenty calls, joined by lines to the exact ends", height=2.7, cols=3) as axes:
    rivals = {"DDIM": (samplers.ddim, 20), "Heun": (samplers.heun, 10), "2M": (dpmpp_2m, 20)}
    for k, (ax, (name, (sampler, n))) in enumerate(zip(axes, rivals.items())):
        ends = samplers.last(sampler(ring.denoise, some, schedule.grid(n)))
        planes.gaps(ax, ends, exact, f"{name}: error {rms(ends, exact):.3f}", k=k)

for calls in (10, 20, 40, 80):
    of = {"DDIM": (samplers.ddim, calls), "Heun": (samplers.heun, calls // 2), "2M": (dpmpp_2m, calls)}
    errors = {name: rms(samplers.last(f(ring.denoise, some, schedule.grid(n))), exact) for name, (f, n) in of.items()}
    print(f"about {calls} calls:", ", ".join(f"{name} {error:.4f}" for name, error in errors.items()))

# %% [markdown]
# Three solvers at about the same price: DDIM and 2M with twenty steps, twenty calls; Heun with ten steps, nineteen,
# as its last has one. Memory is free, and here it wins by a wide margin. And Heun, with its second look, ends
# *behind* DDIM! At this price its steps are twice as long, $h = 1.07$ in $\lambda$ against $0.51$: beyond $\log 2 =
# 0.69$, where section 5 saw it overshoot. Give both forty calls, and Heun is ahead: the numbers below the figure.
#
# ## A pause
#
# You are half way. You have five samplers: two that walk along the score, and three that step over a grid by guesses of
# $x_0$. What follows measures them, mends a published one, chooses where to step, and goes on to pictures.
#
# If you come back on another day, run the very first code cell and the one below, and go on from here. Your `ddim`,
# `heun` and `dpmpp_2m` are used further down: run their cells too, or the package's stand in for them.

# %%
import math
from functools import partial
from itertools import pairwise

import torch

from effml_lab import bench, hub, models
from effml_lab.course import shortened
from effml_lab.diffusion import levels, oracle, samplers
from effml_lab.diffusion.guidance import guided
from effml_lab.measure import planes, plots
from effml_lab.measure.cost import timed

torch.set_num_threads(1)
schedule, ring = levels.linear(), oracle.ring()
table = [schedule(float(t)) for t in range(1000)]
some = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)[:40]
exact = samplers.last(samplers.dpmpp_2m(ring.denoise, some, schedule.grid(3000)))
rms = lambda a, b: (a - b).square().mean().sqrt().item()
said = lambda name: f"you predicted {globals()[name]!s:.6}" if globals().get(name, ...) is not ... else "nothing was predicted"
ddim, heun, dpmpp_2m = (globals().get(name, getattr(samplers, name)) for name in ("ddim", "heun", "dpmpp_2m"))

# %% [markdown]
# ## 7 · The order of a solver
#
# An error at one number of steps proves little. How good a method is, and whether a program is right, shows in how
# the error *falls*. If it behaves as
#
# $$\text{error} \approx C\, N^{-p},$$
#
# then $p$ is the **order** of the solver: on logarithmic axes a straight line of slope $-p$. A method of order 1
# halves its error when $N$ doubles. Most slips in a program leave it converging, but at a lower order than the theory
# says. Here nothing else disturbs: the denoiser is exact, the arithmetic has sixteen digits, and the grid ends
# *before* the clean level (`clean=False`), since there is no line in $\lambda$ to follow into $\sigma = 0$: every
# solver of this lab ends with a step of first order there.
#
# **Exercise 7: the order** (about 3 lines): the slope of the straight line that fits $v = -\log \text{error}$ over $u =
# \log N$ best, by least squares,
#
# $$p = \frac{\sum_k (u_k - \bar u)(v_k - \bar v)}{\sum_k (u_k - \bar u)^2}.$$
#
# **Predict, too:** by what factor does the error of 2M fall when $N$ goes from 64 to 128?
#
# <details><summary>Hint</summary>
#
# Take logarithms first and means away afterwards; above, taking it away from $u$ alone is enough (why?). The minus
# belongs in front of the logarithm of the error, not inside it.
#
# </details>

# %%
def order(errors, counts):
    """The measured order, a number. errors, counts: (K,) float64."""
    ### BEGIN SOLUTION
    run, fall = counts.log() - counts.log().mean(), -errors.log()
    return ((run * fall).sum() / run.square().sum()).item()
    ### END SOLUTION

# %%
check("02-order", order, points=2)

# %%
fall_guess = ...
### BEGIN SOLUTION
fall_guess = 4
### END SOLUTION

# %%
check("02-guess-order", fall_guess, points=1)

# %%
counts = 2.0 ** torch.arange(3, 10, dtype=torch.float64)  # 8, 16, ..., 512
inner = partial(schedule.grid, lam=(-5, 3), clean=False)
truth = samplers.last(samplers.dpmpp_3m(ring.denoise, some, inner(4096)))


def convergence(ax, solvers):
    errors = {}
    for name, sampler in solvers.items():
        ends = [samplers.last(sampler(ring.denoise, some, inner(int(n)))) for n in counts]
        found = torch.tensor([rms(x, truth) for x in ends], dtype=torch.float64)
        errors[f"{name}: order {float(order(found[-4:], counts[-4:])):.2f}"] = found
    planes.convergence(ax, counts, errors)
    return found


with figure("Errors of DDIM, Heun and 2M over the number of steps, on logarithmic axes", height=3.2) as ax:
    of_2m = convergence(ax, {"DDIM": samplers.ddim, "Heun": heun, "2M": dpmpp_2m})
print(f"2M from 64 steps to 128: its error falls by a factor of {of_2m[3] / of_2m[4]:.2f};", said("fall_guess"))

# %% [markdown]
# ## 8 · A parabola, and what is missing
#
# The slopes, fitted from 64 steps on, are the orders: 1 for DDIM, 2 for Heun and 2M. At equal steps 2M is also the
# better of the two, at half the price. At the left end the lines of Heun and 2M bend: the order is a promise about
# *short* steps.
#
# If a line through two guesses gives order 2, a parabola through three should give order 3. The next cell holds the
# third-order guess of DPM-Solver++ as the authors' code and diffusers have it, with the names used there ($m_0$ is the
# guess now, $m_1$ and $m_2$ are the two before), a sampler that remembers three guesses, and two tests of the formula.
# The first is its order. The second asks whether it finds the *mean over a step* where that is
# known: for guesses that are powers of $\lambda$, a fine sum gives the weighted mean. A rule through three points
# should be right for constants, lines and parabolas.

# %%
def published(x0s, lams):
    """The guess D for `samplers.step`. x0s: now, one before, two before; lams: next, now, one before, two before."""
    m0, m1, m2 = x0s
    h, h0, h1 = (a - b for a, b in pairwise(lams))
    r0, r1, e = h0 / h, h1 / h, math.expm1(-h)
    D1_0, D1_1 = (m0 - m1) / r0, (m1 - m2) / r1
    D1 = D1_0 + r0 / (r0 + r1) * (D1_0 - D1_1)
    D2 = (D1_0 - D1_1) / (r0 + r1)
    return m0 - (e / h + 1) / e * D1 + ((e + h) / h**2 - 0.5) / e * D2


def multistep(denoise, x, grid, guess):
    x0s, lams = [], []
    for cur, nxt in pairwise(grid):
        x0s, lams = [denoise(x, cur), *x0s[:2]], [cur.lam, *lams[:2]]
        full = len(x0s) == 3 and nxt.sigma > 0
        x = samplers.step(x, guess(x0s, [nxt.lam, *lams]) if full else x0s[0], cur, nxt)
        yield x


with figure("Errors of 2M and of the published third-order rule over the number of steps", height=3) as ax:
    convergence(ax, {"2M": samplers.dpmpp_2m, "published": partial(multistep, guess=published)})

points = [0.5, 0.1, -0.2, -0.6]  # lambda: next, now, one before, two before; uneven on purpose
inside = torch.linspace(points[1], points[0], 10001, dtype=torch.float64)
weights = inside.exp() / inside.exp().sum()
for degree in (0, 1, 2):
    values = [torch.tensor(lam) ** degree for lam in points[1:]]
    mean = (weights * inside**degree).sum()
    print(f"lambda to the power {degree}: mean {mean:.5f}, published rule {published(values, points):.5f}")

# %% [markdown]
# From sixteen steps on the errors are smaller than those of 2M, and nobody who looks at pictures would complain. But
# the order is 2, not 3. The second test says where to look: the rule is right for constants and for lines and wrong for
# parabolas, so something is wrong with the last term, that of `D2`. `D2` should be $h^2$ times the second derivative of
# the parabola by $\lambda$. Is it? Work that out, or measure it: leave the last term out, see how far the mean is off for
# $\lambda^2$, and compare with what the term gives.
#
# **Exercise 8: mend it** (about 7 lines). Write the guess so that it is right for parabolas, in your own code: the
# formula above with its fault mended, or your own from Newton's parabola,
#
# $$\hat x_0(\lambda) \approx m_0 + d_1\, (\lambda - \lambda_0) + d_2\, (\lambda - \lambda_0)(\lambda - \lambda_1),
# \qquad d_1 = \frac{m_0 - m_1}{\lambda_0 - \lambda_1}, \quad
# d_2 = \frac{d_1 - \frac{m_1 - m_2}{\lambda_1 - \lambda_2}}{\lambda_0 - \lambda_2}.$$
#
# With $u = \lambda - \lambda_0$ from $0$ to $h$ and the weight $e^u$, the mean of $u$ is $\bar u = h / (1 - e^{-h}) -
# 1$ and that of $u^2$ is $h^2 / (1 - e^{-h}) - 2 \bar u$.
#
# <details><summary>Hint</summary>
#
# Mending the letters: find the one factor by which the last term is off, with the numbers printed above. Newton's
# way: with $u$, the product $(\lambda - \lambda_0)(\lambda - \lambda_1)$ is $u\,(u + \lambda_0 - \lambda_1)$, whose
# mean is a sum of the two means above.
#
# </details>

# %%
def third_guess(x0s, lams):
    """The guess D for `samplers.step`. x0s: now, one before, two before; lams: next, now, one before, two before."""
    ### BEGIN SOLUTION
    nxt, cur, one, two = lams
    h = nxt - cur
    slope = (x0s[0] - x0s[1]) / (cur - one)
    bend = (slope - (x0s[1] - x0s[2]) / (one - two)) / (cur - two)
    mean_u = h / -math.expm1(-h) - 1
    mean_uu = h**2 / -math.expm1(-h) - 2 * mean_u
    return x0s[0] + slope * mean_u + bend * (mean_uu + (cur - one) * mean_u)
    ### END SOLUTION

# %%
check("02-third-order", third_guess, points=6)

# %%
with figure("Errors of 2M, of the published rule and of yours over the number of steps", height=3) as ax:
    convergence(ax, {"2M": samplers.dpmpp_2m, "published": partial(multistep, guess=published),
                     "mended": partial(multistep, guess=third_guess)})

# %% [markdown]
# One factor, and the error at 512 steps is more than thirty times smaller. This was measured here, on exact data; we
# know of no erratum. Look at the left end, too. At eight and sixteen steps the two rules are alike, so whoever
# compares pictures of few steps never sees the fault. And at eight steps both are behind 2M: a parabola through three
# guesses from far away can be a worse guide than a line.
#
# Honesty asks for one more thing. `multistep` begins with two steps of DDIM, and those are of lower order. They cost
# nothing here, since at $\lambda = -5$ the guess hardly moves; begun at $\lambda = -1$, the mended rule too
# measures an order of about 2.
#
# ## 9 · Where to step
#
# So far $N$ steps were spread evenly over $\lambda$. Other choices are in use. *Trailing* is even in $t$. EDM spaces
# the ratio $\tilde\sigma = \sigma / \alpha$ so that its $\rho$-th root is evenly spaced, with $\rho = 7$:
#
# $$\tilde\sigma_i = \Big( \tilde\sigma_\text{max}^{1/\rho} + \frac{i}{n - 1}
# \big( \tilde\sigma_\text{min}^{1/\rho} - \tilde\sigma_\text{max}^{1/\rho} \big) \Big)^\rho, \qquad
# i = 0, \dots, n - 1. \tag{Karras et al. 2022, eq. 5}$$
#
# The larger $\rho$, the more steps at low noise; for $\rho \to \infty$ the spacing is even in $\lambda$.
#
# **Exercise 9: Karras' grid** (about 3 lines): exactly $n$ falling ratios, in a tensor or a list; the clean level comes
# later.
#
# <details><summary>Hint</summary>
#
# `torch.linspace(0, 1, n)` is $i / (n - 1)$. The bracket falls, so the difference in it is that of the small root
# less the large one.
#
# </details>

# %%
def karras(n, sigma_max, sigma_min, rho=7.0):
    """n noise ratios sigma / alpha from sigma_max down to sigma_min, (n,)."""
    ### BEGIN SOLUTION
    ramp = torch.linspace(0, 1, n, dtype=torch.float64)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return (high + ramp * (low - high)) ** rho
    ### END SOLUTION

# %%
check("02-grid", karras, points=3)

# %%
def karras_grid(n):
    low, high = table[-1].lam, table[0].lam
    lams = [-math.log(ratio) for ratio in karras(n, math.exp(-low), math.exp(-high))]
    return [schedule.at(min(max(lam, low), high)) for lam in lams] + [levels.CLEAN]  # rounding may leave the table


spacings = {"trailing": partial(schedule.grid, spacing="trailing"), "lambda": schedule.grid, "Karras": karras_grid}
sizes = [5, 10, 20, 40]

with figure("Left, where ten steps stand on the axis of lambda for three grids. Middle and right, the errors of DDIM "
            "and of 2M on each", width=9.5, cols=3) as (left, *right):
    for k, (name, grid_of) in enumerate(spacings.items()):
        left.plot([level.lam for level in grid_of(10)[:-1]], [k] * 10, plots.look(k).marker, color=plots.look(k).color)
    left.set(xlabel="lambda", yticks=range(3), yticklabels=list(spacings), ylim=(-0.5, 2.5))
    for ax, name, sampler in zip(right, ("DDIM", "2M"), (samplers.ddim, samplers.dpmpp_2m)):
        errors_on = lambda grid_of: [rms(samplers.last(sampler(ring.denoise, some, grid_of(n))), exact) for n in sizes]
        planes.convergence(ax, sizes, {name: errors_on(grid_of) for name, grid_of in spacings.items()}, name)

# %% [markdown]
# For DDIM the grids differ little: by a quarter, from the best to the worst. 2M needs its line in $\lambda$ to hold
# over the whole step, and *trailing* leaves the last third of the $\lambda$ axis to one step. So two solvers on two
# grids are not compared at all. And the best grid on this ring need not be the best for a network: measure again
# where it counts.
#
# ## 10 · Real pictures
#
# Now a network instead of a formula: the course's model of `shapes`, 32 x 32 pixels, which is told the kind of shape to draw. It
# was trained on another table of noise, the cosine one of Nichol and Dhariwal (2021), and it does not predict $\epsilon$ but $v =
# \alpha\,\epsilon - \sigma\,x_0$ (Salimans and Ho 2022): then $\hat x_0 = \alpha x - \sigma v$, which divides by nothing, so that
# it works in pure noise, too. Everything above holds as it is: a sampler sees only `denoise(x, level)` and a grid. Which grid?
# For 2M on the ring, with ten steps, Karras' was the worst of the three. That says nothing of this network, so measure again: the
# next cell compares them on four pictures. The measurements of section 12, of thousands of pictures, were made on Karras' grid
# (but for DDPM's, which visits the whole table), and so are the pictures here.

# %%
net, cosine = models.denoiser("shapes")
kinds, no_kind = torch.tensor([0, 2, 3, 4]), torch.tensor([6])  # a circle, a square, a triangle, a star
draw = guided(net, kinds, no_kind, w=1)  # w = 1: guidance, the matter of lab 03, is off
noise4 = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(16))
contest = {"DDIM": (ddim, 1), "Heun": (heun, 2), "2M": (dpmpp_2m, 1)}  # and the network calls of a step


def pictures(sampler, steps):
    return samplers.last(sampler(draw, noise4, cosine.grid(steps, "karras")))


finest = pictures(dpmpp_2m, shortened(200, 30))
for spacing in ("trailing", "lambda", "karras"):
    ends = samplers.last(dpmpp_2m(draw, noise4, cosine.grid(10, spacing)))
    print(f"2M, 10 steps, {spacing:8}: error {rms(ends, finest):.3f}")

with figure("The same four shapes by DDIM, Heun and 2M, a row each for about 5, 10, 20 and 50 network calls, always "
            "from the same noise", width=9.5, height=3.2, cols=3) as panels:
    for panel, (title, (solver, calls)) in zip(panels, contest.items()):
        rows = [pictures(solver, -(-n // calls)) for n in (5, 10, 20, shortened(50, 20))]
        plots.images(panel, torch.cat(rows), title, cols=4)
        panel.set_yticks([33 * i + 16 for i in range(4)], ["5 calls", "10", "20", "50"])
slider(lambda ax, n: plots.images(ax, pictures(dpmpp_2m, n), cols=4), 1, 40, 8, label="steps", height=1.8)

# %% [markdown]
# From one noise all solvers make the same four pictures, given enough calls: they follow one ODE. What differs is how
# soon. Go down each column: from which row on does nothing change? (A noise near the border between two pictures takes
# longer: try another seed.) Compare the columns at five calls, where Heun takes three long steps; section 5 tells what
# to expect of those. Then move the slider: with how many steps of 2M would you, for yourself, be content?
#
# ## 11 · What a step costs
#
# Next to the network a sampler's own arithmetic is nothing, so the number of calls should tell the time. The next cell
# measures one call; run it. Then **predict before you measure more:** how many milliseconds will 2M take with 20 steps,
# for these four pictures? Put your number into the same cell.

# %%
level = cosine.grid(10, "karras")[3]
call = timed(lambda: draw(noise4, level))
print(f"one call for four pictures: {call.median:.1f} ms (95% interval {call.low:.1f} to {call.high:.1f})")
latency_guess = ...
### BEGIN SOLUTION
latency_guess = 20 * call.median
### END SOLUTION

# %%
check("02-guess-latency", latency_guess, points=1)

# %%
with figure("Time over network calls for DDIM, Heun and 2M, and the straight line through one call") as ax:
    for k, (name, (sampler, calls)) in enumerate(contest.items()):
        steps = [n // calls for n in (6, 12, 20)]
        spent = [timed(lambda: pictures(sampler, n), shortened(1, 0), shortened(3, 1)).median for n in steps]
        plots.curve(ax, [calls * n - (calls > 1) for n in steps], spent, label=name, k=k)
    ax.axline((0, 0), slope=call.median, color=plots.MUTED, linestyle=":", label="calls x time of a call")
    ax.set(xlabel="network calls", ylabel="ms", xlim=(0, 22), ylim=(0, None))
    ax.legend()
print(f"2M with 20 steps took {spent[-1]:.0f} ms;", said("latency_guess"))

# %% [markdown]
# ## 12 · Speed against quality
#
# Time follows the calls, whatever the sampler. So calls are a measure of cost that holds on any machine. And quality? Four
# pictures are no measurement. The next figure shows what was recorded with the same model, from the same noise for each sampler
# and number of steps, on Karras' grid; DDPM's thousand steps visit every level of the table. There are three measures. Left, the
# share of pictures on which a classifier sees the *wanted kind*, the shape that was asked for. In the middle, the *paired error*:
# how far the pictures are from those that 500 steps of DDIM make of the same noise. Only solvers of the ODE have one; a few
# noises that end in another picture dominate it, so small differences in it mean little. Right, the *Fréchet distance* of 2,000
# pictures to real shapes: the distance between two normal distributions that have the means and covariances of the classifier's
# features on each set. Network calls, or evaluations, are counted per picture. Bands are 95% intervals by the **bootstrap**: draw
# the pictures again, with replacement, many times; 95% of the results lie in the interval.
#
# | name | what it is |
# |---|---|
# | `ddpm`, `ddim`, `heun`, `dpmpp_2m` | lab 01's sampler, and those of exercises 4 to 6 |
# | `dpmpp_3m` | the third-order rule, mended, as in exercise 8 |
# | `unipc` | 2M, which makes each step once more when the next guess is known; that guess is needed anyway |
# | `dpm_2s` | of second order like Heun, but looks again in the middle of the step |
# | `dpmpp_2m_sde` | 2M with new noise in each step, as in section 2 |

# %%
recorded = bench.recorded("samplers")
full = recorded.get("ddpm, 1000 steps")
known = {name: row for name, row in recorded.items() if row.nfe and "sampler" in row.settings}
if not full:
    print("No samplers are recorded in this copy of the course: `python -m effml_lab bench samplers` does it.")
else:
    with figure("Over network evaluations, one curve a sampler: the share of the wanted kind, the paired error, the "
                "Fréchet distance; the last two with intervals and Pareto front", width=13, height=4, cols=3) as axes:
        for k, name in enumerate(dict.fromkeys(row.settings["sampler"] for row in known.values())):
            mine = sorted((row for row in known.values() if row.settings["sampler"] == name), key=lambda row: row.nfe)
            plots.curve(axes[0], [row.nfe for row in mine], [row.quality["wanted"]["value"] for row in mine], k=k)
        axes[0].set(xscale="log", xlabel="network evaluations", ylabel="share of the wanted kind", ylim=(0, 1))
        axes[0].xaxis.set_major_formatter("{x:g}")
        plots.tradeoff(axes[1], recorded.values(), y="rmse", label="paired error", legend=False)
        plots.tradeoff(axes[2], recorded.values(), y="frechet", label="Fréchet distance")

own = full.quality["frechet"]["value"] if full else math.nan
near = {name: row.quality["frechet_less_ddpm_1000"] for name, row in known.items() if row is not full}
near = {name: gap for name, gap in near.items() if gap["low"] <= own / 5}
if full:
    print(f"ddpm, 1000 steps: distance {own:.2f}, a fifth of it {own / 5:.2f}; wanted {full.quality['wanted']['value']:.3f}")
for name, gap in sorted(near.items(), key=lambda item: recorded[item[0]].nfe):
    wanted = recorded[name].quality["wanted"]["value"]
    print(f"{name:22} {recorded[name].nfe:4g} calls, difference {gap['low']:6.2f} to {gap['high']:6.2f}, "
          f"width {gap['high'] - gap['low']:5.2f}; wanted {wanted:.3f}")

# %% [markdown]
# How to read it. In each panel cheaper is further left. Lower is better, except for the wanted kind: there higher is.
# The bars are 95% intervals, and the grey line, the *Pareto front*, joins what nothing else beats in both. The band
# is the **floor**: real shapes against other real shapes. No sampler has to be below it.
#
# When is a cheap sampler *as good* as DDPM with 1000 steps? Not when their bars overlap: what counts is the interval of
# the *difference*, printed above for all that come near. Two questions can be put to it.
#
# - *Is there no difference?* This course calls two samplers **not separable** if the interval contains 0 and is narrower
#   than a fifth of the reference's own distance. If it contains 0 and is wider, the honest answer is "cannot tell".
# - *Is it at most a little worse?* It is **surely at most a fifth worse** if the upper end of the interval lies below a
#   fifth of the reference's own distance. That is a weaker claim, and a result can be had with fewer pictures.
#
# **Read three numbers.** First, the fewest network calls, over all samplers, whose Fréchet distance is not separable from
# that of DDPM with 1000 steps. Second, the fewest whose distance is surely at most a fifth worse. (Either is 0 if no
# sampler is found.) Third, how many times as long as `"dpmpp_2m, 10 steps"` does `"ddpm, 1000 steps"`
# take? `recorded[name].ms["median"]` is the time of a batch on one machine. Compare with what the calls say.
#
# **Then, in your own words.** Somebody wants to ship this model with five network calls a picture and says: "We take the
# third-order solver. The higher the order, the smaller the error." Answer in five to eight sentences: what the order of a
# solver says and what it does not, which numbers or figures of this lab show it, what you would ship, and how you would
# find out whether it is good enough, by which measures.

# %%
fewest_read = ...
### BEGIN SOLUTION
if full:
    narrow = [name for name, gap in near.items() if gap["low"] <= 0 <= gap["high"] and gap["high"] - gap["low"] < own / 5]
    fewest_read = min([recorded[name].nfe for name in narrow], default=0)
### END SOLUTION

# %%
check("02-read-separable", fewest_read, points=2)

# %%
no_worse_read = ...
### BEGIN SOLUTION
if full:
    no_worse_read = min([recorded[name].nfe for name, gap in near.items() if gap["high"] < own / 5], default=0)
### END SOLUTION

# %%
check("02-read-no-worse", no_worse_read, points=2)

# %%
speedup_read = ...
### BEGIN SOLUTION
if full:
    speedup_read = full.ms["median"] / recorded["dpmpp_2m, 10 steps"].ms["median"]
### END SOLUTION

# %%
check("02-read-latency", speedup_read, points=1)

# %% [markdown] written="02-why" points=4
# The order says how the error falls when $N$ grows and the steps are short already. It says nothing of how large the
# error is, nor of what happens in steps so long that the guess bends within them. On the ring the mended third-order
# rule was behind 2M at eight steps and far ahead of it at 512. Heun, of order 2, had an error of 0.113 at nineteen
# calls, where DDIM, of order 1, had 0.058 at twenty: it spends two calls a step, and its long steps overshoot. The
# grid, too, changed the error of 2M at five steps by more than a factor of two. So with five calls I would draw with
# 2M, UniPC and the third-order solver on two or three grids, from the same noise, and take what has the lowest
# distance, most likely 2M or UniPC. Good enough I would call it if the interval of its difference to a thousand steps
# contains 0 and is narrow, or if its upper end is small, in the wanted kind as well as in the distance; if it
# contains 0 and is wide I would draw more pictures before I say anything.
#
# <!-- ### BEGIN MARK SCHEME -->
# **Mark scheme.** One point each: (1) the order says how the error falls when the steps are short, not how large it is
# at few steps; (2) evidence from the lab, used correctly: the third-order rule behind 2M at eight steps on the ring, or
# Heun behind DDIM at twenty calls, or the overshoot of one long step; (3) a sensible choice with its grid named; (4)
# how to judge it: paired error or the interval of the difference to a thousand steps, "cannot tell" being a possible
# result.
# <!-- ### END MARK SCHEME -->

# %% [markdown]
# ## Summary
#
# Your second number is the result of this lab: so few calls in place of a thousand, and the Fréchet distance is surely at
# most a fifth worse. For the others with few calls the honest answer is "cannot tell": from 2,000 pictures the difference
# is not known to a fifth of a distance as small as this model's. The better the model, the more pictures a claim takes.
# And it is the result of *one* judge. Look at another, the last number of each line that was printed in section 12:
# DDPM's thousand steps draw the wanted kind more often than the solvers of the ODE, and more calls do not mend that;
# `dpmpp_2m_sde`, with new noise in each step, comes close to DDPM. A claim of "as good" names its judge.
#
# Below are your marks, and your point on the course's plot: your 2M with ten steps on the course's model, judged by
# the kernel distance (KID) of its pictures to real shapes, which, unlike the Fréchet distance, is not biased when the
# pictures are few. With so few its interval is wide: read it before you compare. The other points were recorded with
# the same model.
#
# The last cell is not graded. Where there is a GPU and a network, your 2M drives `google/ddpm-cifar10-32`, the network
# of the DDPM paper, with 10, 20 and 50 steps in place of a thousand.
#
# **Next**, lab 03: tell the model what to draw, and how strongly.

# %%
point = None
try:
    point = bench.measure("your 2M, 10 steps", dpmpp_2m, steps=10, n=shortened(360, 32), data="shapes")
except Exception as error:
    print("Your point appears once exercise 6 is right:", str(error) or "it is still a stub.")
summary(point)

# %%
try:
    model = hub.pretrained("google/ddpm-cifar10-32")
    real, noise8 = model.schedule, torch.randn(8, *model.shape, generator=torch.Generator().manual_seed(12)).cuda()
    with figure("Eight pictures of CIFAR-10's kinds, a row each for 10, 20 and 50 steps, from the same noise") as ax:
        rows = [samplers.last(dpmpp_2m(model.denoise, noise8, real.grid(n))) for n in (10, 20, 50)]
        plots.images(ax, model.decode(torch.cat(rows)), "10, 20 and 50 steps", cols=8)
except RuntimeError as reason:
    print(reason)
