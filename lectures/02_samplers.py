# ---
# jupyter:
#   effml_lab: {title: "Samplers: from a thousand steps to ten", minutes: {reading: 60}}
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # Samplers: from a thousand steps to ten
#
# The last lecture ended with a bill: a thousand network calls for one image. The network answers one question, *what
# was the clean image?* How often to ask, at which levels, and what to make of the answers is the sampler's business:
# chosen after training, changed without it.

# %% [markdown] slideshow={"slide_type": "notes"}
# This lecture derives the samplers in use today from one differential equation and measures each claim, on data whose
# answers are known exactly and on the course's own model.
#
# **You will see** what a denoiser knows about the data; why noise can be left out of the way back; how to get rid of
# the schedule; how a second-order step is had for the price of one call; how to measure the order of a solver, and
# what that turns up in published code; where to place the steps; and how to say "as good as" with an interval.
#
# **You need** lecture 01, derivatives and integrals, and the idea of a differential equation.

# %% [markdown] slideshow={"slide_type": "notes"}
# ## Notation
#
# As before, $x = \alpha\, x_0 + \sigma\, \epsilon$, where $\alpha$ and $\sigma$ depend on the time $t$. A prime is a
# derivative by $t$. A step goes from $t$ (noisier) to $s$ (cleaner).
#
# | here | in the package | meaning | elsewhere |
# |---|---|---|---|
# | $D(x, t)$ | `denoise(x, level)` | the guess of $x_0$ (its value was $\hat x_0$ in lecture 01), ideally $\mathbb E[x_0 \mid x]$ | $x_\theta$ (DPM-Solver), $D$ (EDM) |
# | $\hat\epsilon$ | $(x - \alpha D) / \sigma$ | the noise that goes with the guess | $\epsilon_\theta$ |
# | $\nabla \log p_t(x)$ | `mixture.score` | the score | $s_\theta$ (Song et al.) |
# | $\lambda$ | `level.lam` | $\log (\alpha / \sigma)$, rises on the way back | half the log-SNR |
# | $\tilde\sigma$ | $e^{-\lambda}$ | $\sigma / \alpha$ | `sigmas` in diffusers, $\sigma$ in EDM |
# | $y$ | $x / \alpha$ | the image, not shrunk | $x$ in EDM |
# | $h$ | `nxt.lam - cur.lam` | the length of a step, in $\lambda$ | $h$ (DPM-Solver) |
# | NFE | `Counted.nfe` | network evaluations: calls, counted for one image | NFE |
#
# The paper on DDIM writes $\alpha_t$ for our $\alpha_t^2$. Three families of levels come up: DDPM's
# (variance-preserving, $\alpha^2 + \sigma^2 = 1$), EDM's ($\alpha = 1$, Karras et al. 2022) and flow matching's
# ($\alpha = 1 - \sigma$).

# %% slideshow={"slide_type": "skip"}
import math
import time
from functools import partial

import numpy as np
import torch

from effml_lab import bench, models
from effml_lab.diffusion import levels, oracle, samplers, sde
from effml_lab.diffusion.guidance import guided
from effml_lab.measure import planes, plots, quality
from effml_lab.measure.cost import timed
from effml_lab.measure.order import order
from effml_lab.models.samples import SPACING

torch.set_num_threads(1)            # times repeat better


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def rmse(a, b):
    return (a - b).square().mean().sqrt().item()


def told(interval, form=".3f"):
    """A recorded value with its 95% interval, in words."""
    value, low, high = (format(interval[key], form) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


UNRECORDED = "Nothing is recorded here yet: `python -m effml_lab bench samplers` does that."

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Why steps come first
#
# $$\text{latency} = \text{NFE} \times \text{cost of a call} \; + \; \text{the sampler's own arithmetic.}$$
#
# Below, one of each kind: by the sampler of the last lecture with its thousand steps, with ten, and by one of this
# lecture with ten.

# %% [markdown] slideshow={"slide_type": "notes"}
# The last term is a few sums of images. So a call that is not made saves all that it would have cost, nothing is
# trained again, and what later lectures do to the network multiplies with it. Hence the number of steps comes first.
# The course's model draws 32 x 32 pictures of coloured shapes and is told which of six kinds to draw.
#
# %%
model, course = models.denoiser("shapes")
ask = guided(model, torch.arange(6), torch.full((1,), 6), 1.0)      # six kinds; 6 stands for "no condition"


def drawn(name, n, spacing=SPACING, seed=2, **options):
    """Six pictures, one of each kind, by a sampler with n steps, from the noise of that seed."""
    grid = course.grid(n, spacing)
    torch.manual_seed(0)                                            # the samplers' own noise
    x = samplers.start((6, 3, 32, 32), grid, seeded(seed))
    return samplers.last(samplers.SAMPLERS[name](ask, x, grid, **options))


with figure("Six pictures, one of each kind of shape, in three rows: by DDPM with 1000 steps, by DDPM with 10 steps, "
            "and by DPM-Solver++(2M) with 10 steps",
            height=3.4, rows=3) as axes:
    for ax, (name, n) in zip(axes, (("ddpm", 1000), ("ddpm", 10), ("dpmpp_2m", 10))):
        begun = time.perf_counter()
        pictures = drawn(name, n, "trailing" if n == 1000 else SPACING)
        plots.images(ax, pictures, f"{name}, {n} steps: {time.perf_counter() - begun:.1f} s", cols=6)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What a denoiser knows: the score
#
# Let $p_t$ be the density of noisy images at time $t$. The gradient of its logarithm, the **score**, points to where
# images are more likely. Nobody knows $p_t$; yet the score is what the network has learned.
#
# **Tweedie's formula.** $\displaystyle \nabla \log p_t(x) = \frac{\alpha\, \mathbb E[x_0 \mid x] - x}{\sigma^2}
# = -\, \frac{\mathbb E[\epsilon \mid x]}{\sigma}.$
#
# A squared error is least at the conditional mean: a perfectly trained denoiser *is* the score.

# %% [markdown] slideshow={"slide_type": "notes"}
# **Proof.** $p_t(x) = \int p(x_0)\, \mathcal N(x;\, \alpha x_0,\, \sigma^2)\, dx_0$. The gradient of a normal density
# in $x$ is $(\alpha x_0 - x) / \sigma^2$ times itself, so
#
# $$\nabla p_t(x) = \int \frac{\alpha x_0 - x}{\sigma^2}\; p(x_0)\, \mathcal N(x;\, \alpha x_0,\, \sigma^2)\, dx_0 .$$
#
# Divide by $p_t(x)$. On the left is the score; on the right $p(x_0)\, \mathcal N(\dots) / p_t(x)$ is, by Bayes' rule,
# the density of $x_0$ given $x$, so the integral is a conditional mean. The second form is $x = \alpha x_0 + \sigma
# \epsilon$ put into the first. $\square$

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### An oracle to measure with
#
# A network's errors cannot be told from the sampler's. So most of this lecture uses data whose denoiser is known
# exactly: eight normal blobs on a circle, on DDPM's schedule.

# %% [markdown] slideshow={"slide_type": "notes"}
# Given the blob everything is normal, Bayes' rule says how likely each blob is, and $\mathbb E[x_0 \mid x]$ is a sum of
# eight terms.

# %%
schedule, mixture = levels.linear(), oracle.ring()                  # blobs of standard deviation 0.25, in float64
points = planes.lattice(11)
with figure("Density and score of eight blobs at three noise levels: at high noise one hill, all arrows to its middle; "
            "then a ring; at low noise eight hills, each arrow to the nearest", width=9, height=3.2, cols=3) as axes:
    for ax, lam in zip(axes, (-0.5, 0.7, 2.0)):
        level = schedule.at(lam)
        planes.shade(ax, lambda x: mixture.log_pdf(x, level))
        planes.arrows(ax, points, mixture.score(points, level), f"sigma / alpha = {math.exp(-lam):.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Noise as a differential equation
#
# Let DDPM's steps become ever shorter, $\beta_t = \beta\, dt$. The forward step becomes a drift that shrinks the image,
# and noise $dw$ of variance $dt$:
#
# $$dx = -\tfrac12 \beta\, x\, dt + \sqrt{\beta}\, dw,$$
#
# a stochastic differential equation (SDE). In general $dx = f x\, dt + g\, dw$ (Song et al. 2021, eq. 5) with
#
# $$f = \frac{\alpha'}{\alpha}, \qquad
#   g^2 = (\sigma^2)' - 2 f \sigma^2 = 2 \sigma^2 \left( \frac{\sigma'}{\sigma} - \frac{\alpha'}{\alpha} \right)
#       = -2\, \sigma^2\, \lambda' .$$

# %% [markdown] slideshow={"slide_type": "notes"}
# How it comes about: $\sqrt{1 - \beta\, dt} \approx 1 - \tfrac12 \beta\, dt$ in $x_t = \sqrt{1 - \beta_t}\, x_{t-1} +
# \sqrt{\beta_t}\, z$. $f$ and $g$ follow from $x = \alpha x_0 + \sigma \epsilon$: the mean must shrink like $\alpha$,
# and the variance obeys $(\sigma^2)' = 2 f \sigma^2 + g^2$. For DDPM's levels this gives back $f = -\beta / 2$ and $g^2
# = \beta$. For EDM's ($\alpha = 1$) there is no drift and $g^2 = (\sigma^2)'$.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The way back
#
# Take one short forward step, $x' = x + f x\, dt + g \sqrt{dt}\, z$. Given $x'$, where was $x$? By Bayes' rule, in the
# limit of short steps, the **reverse SDE** (Anderson 1982; Song et al. 2021, eq. 6), in which time falls:
#
# $$dx = \big[\, f x - g^2\, \nabla \log p_t(x) \,\big]\, dt + g\, d\bar w .$$
#
# It is DDPM's reverse step in the limit. **Euler-Maruyama** takes it at its word.

# %% [markdown] slideshow={"slide_type": "notes"}
# Why: by Bayes' rule
#
# $$\log q(x \mid x') = -\frac{\| x' - x - f x\, dt \|^2}{2\, g^2\, dt} + \log p_t(x) + \text{const} .$$
#
# The step is short, so $\log p_t$ may be replaced by its tangent, $\log p_t(x') + (x - x') \cdot \nabla \log
# p_t(x')$. A quadratic plus a linear term is a normal density again. Its maximum, hence its mean, and its variance
# are
#
# $$x' - \big[\, f x' - g^2\, \nabla \log p_t(x') \,\big]\, dt \qquad \text{and} \qquad g^2\, dt,$$
#
# up to terms that vanish faster than $dt$. Euler-Maruyama is the simplest way to solve it: the formula with $dt$ the
# distance to the next time.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The noise can be left out
#
# Spreading by noise is a kind of carrying, with velocity $-\tfrac12 b^2\, \nabla \log p$. So the same densities come
# from a process *without noise*, the **probability-flow ODE** (Song et al. 2021, eq. 13):
#
# $$\frac{dx}{dt} = f x - \tfrac12\, g^2\, \nabla \log p_t(x) .$$
#
# Single paths are quite different; the density of all of them is the same. Half the score without noise, all of it with
# noise.

# %% [markdown] slideshow={"slide_type": "notes"}
# How does a density move under $dx = a(x, t)\, dt + b(t)\, dw$? Probability is carried along by $a$ and spread by the
# noise; that is the **Fokker-Planck equation**
#
# $$\frac{\partial p}{\partial t} = - \nabla \cdot (a\, p) + \tfrac12 b^2\, \nabla \cdot \nabla p .$$
#
# Now the trick. Since $\nabla p = p\, \nabla \log p$, spreading is a kind of carrying, with velocity $-\tfrac12 b^2\,
# \nabla \log p$. For the forward process, $a = f x$ and $b = g$:
#
# $$\frac{\partial p_t}{\partial t} = - \nabla \cdot (f x\, p_t) + \tfrac12 g^2\, \nabla \cdot (p_t \nabla \log p_t)
#   = - \nabla \cdot \Big( \big[ f x - \tfrac12 g^2\, \nabla \log p_t \big]\, p_t \Big) .$$
#
# The right side is the Fokker-Planck equation of the ODE. Start it with points distributed as $p_T$, run it back, and
# at every $t$ they are distributed as $p_t$.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A family between them
#
# For every $\tau \ge 0$, and time falling,
#
# $$dx = \big[\, f x - \tfrac{1 + \tau^2}{2}\, g^2\, \nabla \log p_t(x) \,\big]\, dt + \tau\, g\, d\bar w$$
#
# has the same $p_t$. Below, two blobs in one dimension; the shade is $p_t$, and both panels start from the same twelve
# points.

# %% [markdown] slideshow={"slide_type": "notes"}
# One part of the score's weight, $\tfrac12 \tau^2 g^2$, undoes what the noise spreads, the other, $\tfrac12 g^2$,
# carries. $\tau = 1$ is the reverse SDE, $\tau = 0$ the ODE. With exact scores and exact solutions all are equal; with
# errors they differ.
#
# %%
two = oracle.GaussianMixture(torch.tensor([[-1.0], [1.0]], dtype=torch.float64), 0.2, torch.tensor([0.3, 0.7]))
ts = torch.linspace(999, 0, 1000).tolist()
twelve = torch.linspace(-2.2, 2.2, 12, dtype=torch.float64)[:, None]
walks = {"reverse SDE": sde.euler_maruyama(two.denoise, twelve, schedule, ts, seeded(3)),
         "probability-flow ODE": sde.pf_ode(two.denoise, twelve, schedule, ts)}
with figure("Twelve paths over time from noise at t = 999 to data at t = 0, on the density: under the SDE they are "
            "jagged and cross, under the ODE smooth and in order; both end in the two blobs",
            width=9, height=3.2, cols=2) as axes:
    for ax, (name, states) in zip(axes, walks.items()):
        planes.paths(ax, ts, torch.cat([twelve, *states], 1).T, lambda x, t: two.log_pdf(x, schedule(t)), name)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Euler's method on both
#
# Smooth paths allow long steps, and the same noise gives the same picture. The SDE's noise forgets errors, and wants short steps.
# The energy distance between a thousand results and the data:

# %% [markdown] slideshow={"slide_type": "notes"}
# What the ODE's smoothness is good for:
#
# - **Long steps.** A smooth path can be extrapolated; a jagged one cannot. This is the way to few steps.
# - **The same noise gives the same picture.** Two samplers can be compared picture by picture. Most measurements
#   below are such *paired* errors.
# - **It can be run up**: an image has a noise that it comes from, which later lectures edit with.
#
# And the SDE's noise? It forgets: a point that an error has put in a wrong place is drawn anew, a little, at each
# step, towards $p_t$. Under the ODE an error stays. The price is that noise of size $\sqrt{dt}$ needs small $dt$.

# %%
def apart(a, b):
    """The energy distance of two sets of points, 2 E|a - b| - E|a - a'| - E|b - b'|: 0 for equal distributions."""
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


data, cloud = mixture.sample(1000, seeded(10)), torch.randn(1000, 2, generator=seeded(11), dtype=torch.float64)
ends, methods = {}, {"SDE": sde.euler_maruyama, "ODE": sde.pf_ode}
for n in (10, 30, 100, 300):
    ts = torch.linspace(999, 0, n + 1).tolist()
    ends |= {(name, n): samplers.last(walk(mixture.denoise, cloud, schedule, ts, seeded(13)))
             for name, walk in methods.items()}

# %%
with figure("Clouds of 1000 points by Euler's method on the SDE, above, and on the ODE, below, with 10, 30, 100 and "
            "300 steps: the SDE with 10 leaves a thin ring; with more, and the ODE always, there is the ring of blobs",
            width=9, height=4.8, rows=2, cols=4) as axes:
    for ax, ((name, n), points) in zip(axes.T.flatten(), ends.items()):
        planes.cloud(ax, points, f"{name}, {n} steps: {apart(points, data):.4f}", name == "ODE")
floor = np.quantile([apart(mixture.sample(1000, seeded(seed)), data) for seed in range(100, 160)], (0.05, 0.95))
print(f"Floor: of 60 fresh samples of the data itself, 9 in 10 score between {floor[0]:.4f} and {floor[1]:.4f}.")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Predictor and corrector
#
# The forgetting can be had by itself: a *corrector* makes a Langevin step at a level, a *predictor* goes to the next
# one (Song et al. 2021, section 4.2). The corrector costs a call. So compare at equal NFE, for the exact denoiser, and
# one wrong by 5%:

# %% [markdown] slideshow={"slide_type": "notes"}
# **Langevin dynamics** at a fixed $t$, $dx = \nabla \log p_t\, dr + \sqrt 2\, dw$, has the Fokker-Planck equation
# $\partial p / \partial r = -\nabla \cdot (p\, \nabla \log p_t) + \nabla \cdot \nabla p$, which is zero for $p = p_t$:
# the right density stays as it is, and a wrong one moves towards it. At equal NFE there are half as many levels.
#
# %%
denoisers = {"exact": mixture.denoise, "5% too large": lambda x, level: 1.05 * mixture.denoise(x, level)}
print(f"{'energy distance':32}" + "".join(f"{calls:5} calls" for calls in (20, 60, 200, 600)))
for wrong, denoise in denoisers.items():
    for name, walk, cost in (("predictor", sde.euler_maruyama, 1), ("with corrector", sde.predictor_corrector, 2)):
        runs = (samplers.last(walk(denoise, cloud, schedule, torch.linspace(999, 0, calls // cost + 1).tolist(),
                                   seeded(14))) for calls in (20, 60, 200, 600))
        print(f"{wrong:16}{name:16}" + "".join(f"{apart(points, data):11.4f}" for points in runs))

# %% [markdown] slideshow={"slide_type": "notes"}
# On the exact score there is nothing to correct, and half the levels is a loss. On the wrong one the corrector can win,
# as with 60 calls here. With many calls the predictor settles, near 0.08 by 6,000 calls; with the corrector the
# distance goes on growing, to 0.57 there: it draws from the wrong density at every level, and there are ever more of
# them. No sampler repairs a wrong score.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The schedule divides out
#
# Put into the ODE what its parts are: $f = \alpha' / \alpha$, $g^2 = -2 \sigma^2 \lambda'$, and Tweedie's $\nabla \log
# p_t = (\alpha D - x) / \sigma^2$.
#
# $$x' = \frac{\alpha'}{\alpha}\, x + \lambda'\, (\alpha D - x) .$$
#
# The first term only says that everything shrinks like $\alpha$. Divide it away: $y = x / \alpha$ gives
#
# $$\frac{dy}{d\lambda} = D - y \qquad \text{or, with } \tilde\sigma = \frac{\sigma}{\alpha} = e^{-\lambda}, \qquad
#   \frac{dy}{d\tilde\sigma} = \frac{y - D}{\tilde\sigma} = \hat\epsilon .$$
#
# No schedule is left.

# %% [markdown] slideshow={"slide_type": "notes"}
# In between: $y' = x' / \alpha - x\, \alpha' / \alpha^2 = \lambda' (D - y)$, and $d\tilde\sigma = -\tilde\sigma\, d\lambda$
# (Song, Meng and Ermon 2021, eq. 14; Karras et al. 2022). DDPM's, EDM's and flow matching's are
# the same equation read through different clocks; a schedule decides what the network was trained on and is fed,
# nothing else.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A straight line, which ends in the guess
#
# With $\tilde\sigma$ as time, $y$ moves with velocity $\hat\epsilon$. As long as the guess $D$ stays the same this is a
# straight line: a path bends only where the network changes its mind. The twelve paths again:

# %% [markdown] slideshow={"slide_type": "notes"}
# In the second form $y = D + \tilde\sigma\, \hat\epsilon$ with $\hat\epsilon$ fixed is a straight line, which ends in
# the guess. The figure has the paths of the two blobs in $x$ over $t$; in $y$ over the last stretch of $\tilde\sigma$;
# and the guess along each of them.
#
# %%
grid = schedule.grid(600, "lambda", clean=False)
states = [twelve, *samplers.unipc(two.denoise, twelve, grid)]       # the sampler that is most exact, with 600 steps
guesses = torch.cat([two.denoise(x, level) for x, level in zip(states, grid)], 1).T                   # (601, 12)
states = torch.cat(states, 1).T
t, alpha, sigma = torch.tensor(grid, dtype=torch.float64).T
panels = {"x over t": (t, states), "y over sigma / alpha": (sigma / alpha, states / alpha[:, None]),
          "the guess over lambda": ((alpha / sigma).log(), guesses)}
with figure("The same twelve paths: in x over t they bend late; in y over sigma / alpha they run nearly straight and "
            "bend below 1; the guess stands still at both ends and moves between lambda = -3 and 1",
            width=9.5, height=3.0, cols=3) as axes:
    for k, (ax, (title, (x, lines))) in enumerate(zip(axes, panels.items())):
        ax.plot(x, lines, color=plots.look(k).color, linestyle="-", linewidth=0.8)
        ax.set_title(title)
    for ax, (x, y) in zip(axes, (("t", "x"), ("sigma / alpha", "y"), ("lambda", "guess"))):
        ax.set(xlabel=x, ylabel=y)
    axes[0].set_xlim(999, 0)
    axes[1].set(xlim=(3, 0), ylim=(-6, 6))

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Euler in these coordinates is DDIM
#
# A step from $\tilde\sigma_t$ to $\tilde\sigma_s$ follows the tangent, $y_s = D + \tilde\sigma_s\, \hat\epsilon$.
# Multiply by $\alpha_s$:
#
# $$x_s = \alpha_s\, D + \sigma_s\, \hat\epsilon .$$
#
# Guess the image, guess the noise, mix them again for the next level: this is **DDIM** (eq. 12 with $\eta = 0$). It has
# one error only: it takes the guess to stay what it was at the start of the step.

# %% [markdown] slideshow={"slide_type": "notes"}
# DDIM was found by another road, as the deterministic one among the processes that share DDPM's training loss. The
# tangent is $y_s = y_t + (\tilde\sigma_s - \tilde\sigma_t)\, \hat\epsilon$, with $y_t = D + \tilde\sigma_t\,
# \hat\epsilon$.
#
# And it is exact where it can be. Freeze $D$ and solve $dy / d\lambda = D - y$ without approximation: $y_s = D +
# e^{-h} (y_t - D)$. Since $e^{-h} = \tilde\sigma_s / \tilde\sigma_t$, that is the same formula.
#
# In the package, `samplers.step` is that formula with the products collected, and a sampler is a loop of ten lines around
# it. You write yours in the lab; compare afterwards.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Are these coordinates better?
#
# They are right for a point: $D$ is constant. For data $\mathcal N(0, I)$ paths in $x$ over $t$ are straight, and those
# in $y$ bend. Data lie between. So measure: Euler's method in both, RMSE to the exact end of each path.

# %% [markdown] slideshow={"slide_type": "notes"}
# For data of a single image one DDIM step of any length is exact. For $\mathcal N(0, I)$ with DDPM's levels $p_t$ is
# the same for all $t$, the velocity in $x$ is zero, and Euler's method *in $x$ over $t$* is exact, while paths in $y$
# bend like $\sqrt{1 + \tilde\sigma^2}$. The same ODE, the same times, the same calls; root mean square (RMSE) distance.

# %%
blob_noise = torch.randn(64, 2, generator=seeded(0), dtype=torch.float64)
print(f"{'RMSE':28}" + "".join(f"{n:5} steps" for n in (10, 20, 50, 100)))
for std in (0.25, 0.05):
    blobs = oracle.ring(std=std)
    exact = samplers.last(sde.pf_ode_adaptive(blobs.denoise, blob_noise, schedule, (999, 0), tol=1e-9))
    roads = {"x over t": lambda ts: sde.pf_ode(blobs.denoise, blob_noise, schedule, ts),
             "DDIM": lambda ts: samplers.ddim(blobs.denoise, blob_noise, [schedule(t) for t in ts])}
    for name, road in roads.items():
        found = (samplers.last(road(torch.linspace(999, 0, n + 1).tolist())) for n in (10, 20, 50, 100))
        print(f"blobs of std {std}, {name:10}" + "".join(f"{rmse(x, exact):11.4f}" for x in found))

# %% [markdown] slideshow={"slide_type": "notes"}
# DDIM is of order 1; so is the plain road in the limit, though between 20 and 100 steps its slope is mostly below 1. On
# these data the plain road is the better one, the more so the wider the blobs: straight paths are no law of nature.
# What the new coordinates bring is one equation for all schedules, a linear part that is solved exactly however long
# the step, and a single quantity, the guess, whose change along the path is the whole error.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Eta: some noise again
#
# DDIM's step has a dial. It keeps a share of the noise it has found and replaces the rest by fresh noise $z$ (eq. 16):
#
# $$x_s = \alpha_s D + \sigma_s \big( \sqrt{1 - \rho^2}\; \hat\epsilon + \rho\, z \big), \qquad
#   \rho = \eta\, \sqrt{1 - e^{-2 h}} .$$
#
# $\eta = 0$ is DDIM and $\eta = 1$ is DDPM with the small variance.

# %% [markdown] slideshow={"slide_type": "notes"}
# The sum has the right size. For short steps $\rho^2 \approx 2 \eta^2 h$, and $2 \sigma^2 h = g^2\, dt$: this is the
# family from before, and $\eta$ is its $\tau$.
#
# Both ends are exact, and only they. In $y$ the reverse SDE reads $dy = 2 (D - y)\, d\lambda + \sqrt 2\, \tilde\sigma\, dw$. Freeze
# $D$ and solve, as before: $y_s = D + e^{-2h} (y_t - D)$ plus noise of variance $\int e^{-4 (\lambda_s - \lambda)}\,
# 2 e^{-2 \lambda}\, d\lambda = \tilde\sigma_s^2\, (1 - e^{-2h})$. That is $\eta = 1$ to the letter: **DDPM's step is
# the reverse SDE solved exactly with the guess held still**, as DDIM's is the ODE.

# %%
with figure("Six pictures by DDIM with 30 steps from one starting noise, for eta 0, 0.5 and 1 and two draws of the "
            "fresh noise: for eta 0 both draws are the same; for 0.5 and 1 colours, places and sizes differ",
            width=9, height=3.4, rows=3, cols=2) as axes:
    for row, eta in zip(axes, (0.0, 0.5, 1.0)):
        for seed, ax in enumerate(row):
            plots.images(ax, drawn("ddim", 30, eta=eta, rng=seeded(seed)), f"eta = {eta}, draw {seed + 1}", cols=6)

# %% [markdown] slideshow={"slide_type": "notes"}
# ### A trap: the next kept step
#
# A step goes to the next time that is kept. The `DDIMScheduler` of diffusers computes that time, as $t - \lfloor T /
# N \rfloor$. With its default spacing, `leading`, the result is the next kept one. With `linspace` it is not: for ten
# steps the kept times lie 111 apart, and each step goes 100. From then on the image holds more noise than the network
# is told. (`trailing` is right if $N$ divides $T$. It is known: issue 9261, closed; 11347 and 12633, open at the time of
# writing.) Rebuilt from `step`, beside the right one; the course's tests compare with the class itself:

# %% slideshow={"slide_type": "skip"}
def walked(n, computed):
    """DDIM on n `linspace` times; each step goes to the next kept time, or to the computed one."""
    x, times = blob_noise, np.linspace(999, 0, n).round().tolist()
    for t, kept in zip(times, [*times[1:], -1]):
        goes_to = t - 1000 // n if computed else kept
        nxt = schedule(goes_to) if goes_to >= 0 else levels.CLEAN
        x = samplers.step(x, mixture.denoise(x, schedule(t)), schedule(t), nxt)
    return x


for n in (10, 20, 50):
    off, gap = (walked(n, True) - walked(n, False)).abs().max(), 999 / (n - 1) - 1000 // n
    print(f"{n} steps: results up to {off:.3f} apart. Each step falls short by {gap:.1f}, so the last call is told "
          f"sigma = {schedule(0).sigma:.3f} and gets {schedule(gap).sigma:.3f}.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A second look: order
#
# A solver has **order** $p$ if halving its steps divides the error by $2^p$. DDIM has order 1. To gain an order one
# must learn how the guess changes *during* the step. **Heun's method asks once more** (Karras et al. 2022):
#
# $$y_s = y_t + (\tilde\sigma_s - \tilde\sigma_t)\; \tfrac12 \big( \hat\epsilon_t + \hat\epsilon(\hat y, \tilde\sigma_s)
#   \big).$$
#
# Two calls a step, but for the last: $2N - 1$. The other way is to remember.

# %% [markdown] slideshow={"slide_type": "notes"}
# DDIM takes the guess at the start of a step for the whole of it, so a step of length $h$ misses by something like
# $h^2$, and $N \sim 1 / h$ of them together by $h$. Heun (algorithm 1) takes the DDIM step to $\hat y$, asks the
# network there, and goes again from the start with the average of the two slopes. The last step, to $\tilde\sigma = 0$,
# stays Euler's: there $\hat\epsilon = (y - D) / \tilde\sigma$ cannot be formed.
#
# **Churn** (algorithm 2) lends Heun the SDE's forgetting: before a step, noise is added on purpose, from
# $\tilde\sigma$ up to $(1 + \gamma)\, \tilde\sigma$. That is the forward process, which can be followed exactly, so
# only the step down makes an error. How much churn helps depends on the network's errors and is tuned for each model.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Exponential integrators: remember
#
# $dy / d\lambda = D - y$ is linear in $y$; all that is difficult is $D$. Solved exactly over a step (Lu et al. 2022b,
# eq. 8),
#
# $$x_s = \frac{\sigma_s}{\sigma_t}\, x_t + \alpha_s\, (1 - e^{-h})\; \bar D, \qquad
#   \bar D = \int_0^1 w(\theta)\; D(\lambda_t + \theta h)\; d\theta .$$
#
# That is DDIM's step, fed $\bar D$: **a weighted mean of all the guesses along the step**, with weights that rise
# towards the end. Solvers differ in how they estimate it.

# %% [markdown] slideshow={"slide_type": "notes"}
# Multiply by $e^\lambda$: $\frac{d}{d\lambda} (e^\lambda y) = e^\lambda D$. Integrate over a step and go back to $x =
# \alpha y$, with $\alpha\, e^{-\lambda} = \sigma$:
#
# $$x_s = \frac{\sigma_s}{\sigma_t}\, x_t
#   + \sigma_s \int_{\lambda_t}^{\lambda_s} e^{\lambda}\, D(\lambda)\, d\lambda .$$
#
# This *variation of constants* is exact. What is left is an integral of $D$ along the path, with a known weight. Divide
# by the integral of the weight, $\sigma_s (e^{\lambda_s} - e^{\lambda_t}) = \alpha_s (1 - e^{-h})$, and count the step
# from $\theta = 0$ to $1$: that is the formula above, with
#
# $$w(\theta) = \frac{h\, e^{-(1 - \theta) h}}{1 - e^{-h}} ,$$
#
# whose integral is 1. If the estimate is wrong by $O(h^p)$, the step is wrong by $O(h^{p+1})$, and the solver has order
# $p$.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### One call a step: DDIM and 2M
#
# **Constant: DDIM.** $\bar D \approx D_t$, wrong by $O(h)$: order 1.
#
# **Linear: DPM-Solver++(2M).** The step before has left behind its guess $D_r$, $h_r$ earlier. So the slope costs
# nothing. What it makes of the two you derive in the lab: order 2, for one call a step.

# %% [markdown] slideshow={"slide_type": "notes"}
# Put a polynomial for the path of guesses, $D(\lambda_t + \theta h) = D_t + \theta\, h \dot D + \tfrac12 \theta^2 h^2
# \ddot D + \dots$ (a dot is a derivative by $\lambda$). Then $\bar D$ needs only the means of $\theta$ and $\theta^2$
# under $w$. Integrating by parts,
#
# $$\bar\theta = \frac{1}{1 - e^{-h}} - \frac1h = \frac12 + \frac{h}{12} + \dots, \qquad
#   \overline{\theta^2} = \frac{1}{1 - e^{-h}} - \frac{2 \bar\theta}{h} = \frac13 + \frac{h}{12} + \dots$$
#
# 2M (algorithm 2) takes $\dot D \approx (D_t - D_r) / h_r$, and for $\bar\theta$ the value $\tfrac12$, which is wrong
# by $O(h)$ in a term that is itself $O(h)$; so $\bar D$ is wrong by $O(h^2)$. **2M is DDIM fed the guess that the
# network is expected to have in the middle of the step.** (2 is the order, M is for multistep. The first step has no
# past and is DDIM's.)

# %% [markdown] slideshow={"slide_type": "notes"}
# ### Two calls a step, seen in the same way
#
# **DPM-Solver-2** (Lu et al. 2022a) came first, and asks: a DDIM step to the middle, in $\lambda$, a call there, and
# the whole step with what the middle said. It starts from the same exact solution with the noise under the integral,
# $x_s = \frac{\alpha_s}{\alpha_t} x_t - \alpha_s \int e^{-\lambda}\, \hat\epsilon\, d\lambda$ (eq. 3.4), and
# approximates $\hat\epsilon$. In the package its grid counts calls: every other level is a middle.
#
# It and Heun work with noises; both are still a step fed an estimate of $\bar D$. For Heun, put the average slope
# into the step: the estimate is $D_t + \tfrac12 e^{h} (D_s - D_t)$, with $D_s$ the guess at the end. For small $h$
# that is the mean of the two, as it should be. But from $h = \log 2$ on it lies *beyond* $D_s$. (For DPM-Solver-2 the
# weight of the middle's guess is $e^{h/2}$, for a true middle 1.) On long steps methods that average noises
# overshoot. DPM-Solver++ is DPM-Solver rewritten for $D$; its authors' reason was strong guidance, under which the
# noise form becomes unstable.

# %% slideshow={"slide_type": "skip"}
low, high = -5.0, 3.0
for calls in (4, 8, 16, 32, 64):
    h = 2 * (high - low) / calls
    print(f"{calls:2} calls from lambda = {low:.0f} to {high:.0f}, two a step: h = {h:.2f}; "
          f"weight of the second guess: Heun {math.exp(h) / 2:5.2f}, DPM-Solver-2 {math.exp(h / 2):4.2f}")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### With noise, and with hindsight
#
# **The SDE form of 2M** feeds the same extrapolated guess to DDPM's step.
#
# **UniPC** (Zhao et al. 2023) uses each call twice. After a step of 2M the guess at its *end* is known: redo the step
# with a parabola through three guesses (the **corrector**), then go on (the **predictor**). It is free, and raises the
# order by one.

# %% [markdown] slideshow={"slide_type": "notes"}
# In the SDE form noise and linear part are exact. It is `dpmpp_2m` with `eta=1`.
#
# UniPC calls the network at the new level for the next step anyway. Before going on it looks back: $\bar D$ is had from
# a parabola through three points that enclose the step, instead of a line through two before it. The network is not
# asked again after the correction; the paper proves the order.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Measuring the order
#
# Theory promises an order in the limit; code may not keep it. Measure: 64 points, from $\lambda = -5$ to $3$ in steps
# even in $\lambda$, against an adaptive solver. Dotted: slopes 1, 2 and 3.

# %% [markdown] slideshow={"slide_type": "notes"}
# The points start from fixed noise; the adaptive solver has order 8 and a tolerance of $10^{-12}$. Double the steps and
# see what the error does.

# %%
counts = (4, 8, 16, 32, 64, 128, 256, 512)
begin_at, end_at = schedule.at(low), schedule.at(high)
exact = samplers.last(sde.pf_ode_adaptive(mixture.denoise, blob_noise, schedule, (begin_at.t, end_at.t), tol=1e-12))


def errors(sampler):
    """RMSE to the exact end for each count."""
    grids = (schedule.grid(n, "lambda", (low, high), clean=False) for n in counts)
    return [rmse(samplers.last(sampler(mixture.denoise, blob_noise, grid)), exact) for grid in grids]


measured = {name: errors(samplers.SAMPLERS[name]) for name in ("ddim", "heun", "dpm_2s", "dpmpp_2m", "unipc")}
with figure("Error over the number of network calls, both logarithmic, for five samplers: DDIM runs along slope 1, Heun, "
            "DPM-Solver-2 and 2M along 2, UniPC along 3; below 16 calls they are out of order", height=4) as ax:
    for k, (name, error) in enumerate(measured.items()):
        plots.curve(ax, [2 * n if name == "heun" else n for n in counts], error, label=name, k=k)
    for p, top in ((1, 0.02), (2, 1.4e-3), (3, 9e-5)):
        ax.plot((64, 512), (top, top / 8**p), color=plots.MUTED, linestyle=":", linewidth=1, label="slopes 1, 2, 3" if p == 1 else None)
    ax.set(xlabel="network calls", ylabel="RMSE to the exact solution", xscale="log", yscale="log")
    ax.legend()

# %% slideshow={"slide_type": "skip"}
slope = lambda error: order(error[-4:], counts[-4:])            # from 64 steps on
print(f"{'':12}   order" + "".join(f"   error, {n:3} steps" for n in (8, 32, 512)) + "   calls for 32 steps")
for name, error in measured.items():
    shown = (error[counts.index(n)] for n in (8, 32, 512))
    calls = 64 if name == "heun" else 32
    print(f"{name:12} {slope(error):7.2f}" + "".join(f"{e:19.2g}" for e in shown) + f"{calls:21}")

# %% [markdown] slideshow={"slide_type": "notes"}
# The orders come out as derived. Two things to see besides: 2M with 32 calls is ahead of Heun with 64; and with 8
# steps order says nothing yet, for DPM-Solver-2, of second order, is behind DDIM, of first.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Third order, and a missing factor
#
# Why stop at a line? With one more guess from the past there is a parabola. The authors' code for it, and after it
# diffusers', has one weight wrong by a factor. No picture looks wrong. Measured from three starts, without and with a
# corrected first step:

# %% [markdown] slideshow={"slide_type": "notes"}
# The parabola goes through $D_t$, $D_r$ and $D_q$, at $\lambda_t$, $h_r$ before it, and $h_q$ before that. In Newton's
# form, with $[tr] = (D_t - D_r) / h_r$ and $[trq] = ([tr] - [rq]) / (h_r + h_q)$,
#
# $$D(\lambda_t + u) \approx D_t + u\, [tr] + u\, (u + h_r)\, [trq] .$$
#
# Sort by powers of $u$, and compare with Taylor's $\tfrac12 \ddot D$: that is where a factor gets lost, and the lab
# finds it. In the multistep solver of the authors' code it is missing (`D2` there, in units of $h^2$); their
# single-step solver of third order has it. An error of $O(h^2)$ is then left in $\bar D$, and what should be order 3 is
# order 2. The package takes the factor as an argument, 1 as published and 2 as derived, so both can be measured.
#
# A multistep solver's first step has no past: it is DDIM's, and its error of $h^2$ alone leaves the whole at order 2,
# unless the guess stands still there, as at $\lambda = -5$. Make the first step again once the guess at its end is
# known, as UniPC does (`corrected`), and the mended solver has order 3 from anywhere, the published one never. So the
# factor is a mistake of the *weights*, and a test of order sees it only if the start is no worse.

# %%
def errors_from(start, sampler):
    """RMSE to the exact end for each count, begun at lambda = start."""
    ends = [schedule.at(lam).t for lam in (start, high)]
    exact = samplers.last(sde.pf_ode_adaptive(mixture.denoise, blob_noise, schedule, ends, tol=1e-12))
    grids = (schedule.grid(n, "lambda", (start, high), clean=False) for n in counts)
    return [rmse(samplers.last(sampler(mixture.denoise, blob_noise, grid)), exact) for grid in grids]


for factor, name in ((1.0, "as published"), (2.0, "as derived")):
    for corrected in (False, True):
        solver = partial(samplers.dpmpp_3m, factor=factor, corrected=corrected)
        found = {start: errors_from(start, solver) for start in (low, -1.0, 0.0)}
        print(f"{name}{', first step corrected' if corrected else '':22} order " + ", ".join(
            f"{slope(error):.2f} from lambda = {start:.0f}" for start, error in found.items())
            + f"; error at 32 steps from -1: {found[-1.0][counts.index(32)]:.1e}")

# %% [markdown] slideshow={"slide_type": "notes"}
# Measured here; we know of no published erratum. **Order is a property that a test measures in a second, and eyes
# cannot see.** Does it matter for images? At the ten to twenty steps of practice, hardly; started at $\lambda = -1$
# without a corrected step the published weights even err less.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The last step
#
# Images are wanted at $\sigma = 0$, where $\lambda = \infty$. A solver returns its last guess, whose error does not depend on
# $N$: the curves stall (dashed). A line in $\tilde\sigma^2$ through the last two guesses is free:
#
# $$x_0 \approx D + (D - D_r)\, \frac{\tilde\sigma^2}{\tilde\sigma_r^2 - \tilde\sigma^2} .$$

# %% [markdown] slideshow={"slide_type": "notes"}
# The last step has infinite length, and no polynomial *in $\lambda$* helps. In $\tilde\sigma^2$ it is short. By Tweedie $D = y +
# \tilde\sigma^2\, \nabla \log p$, and the path obeys $y = y_0 - \tfrac12 \tilde\sigma^2\, \nabla \log p + \dots$, so $D = y_0 +
# \tfrac12 \tilde\sigma^2\, \nabla \log p + \dots$: the guess is linear in $\tilde\sigma^2$. From $\lambda = 3$ the line takes the
# stall from 3.6e-3 to 1.8e-4; with 8 or 16 steps it loses a little. The course's grids end at $\lambda = 5$, where it changes
# next to nothing.

# %%
everywhere = levels.edm()                                           # the same ODE, on a clock that goes on beyond lambda = 4.6
ends = [everywhere.at(lam).t for lam in (low, 12.0)]
exact = samplers.last(sde.pf_ode_adaptive(mixture.denoise, blob_noise / begin_at.alpha, everywhere, ends, tol=1e-12))


def to_the_end(grid):
    """2M down to sigma = 0: its last guess, and a line in (sigma / alpha)^2 through the last two."""
    guesses = []
    samplers.last(samplers.dpmpp_2m(lambda x, level: guesses.append(mixture.denoise(x, level)) or guesses[-1], blob_noise, grid))
    before, now = (math.exp(-2 * level.lam) for level in grid[-3:-1])
    return guesses[-1], guesses[-1] + (guesses[-1] - guesses[-2]) * now / (before - now)

# %%
with figure("Error of 2M at sigma = 0 over the number of steps, for last noisy levels at lambda = 2, 3 and 4.6: with the last guess the curves "
            "stall at 0.02, 0.004 and 0.00015; with the line at 0.006 and 0.0002, and from 4.6 the error still falls at 512 steps") as ax:
    for k, end in enumerate((2.0, 3.0, 4.6)):
        found = [to_the_end(schedule.grid(n, "lambda", (low, end))) for n in counts]
        for line, pick in (("--", 0), ("-", 1)):
            ax.plot(counts, [rmse(pair[pick], exact) for pair in found], plots.look(k).marker, linestyle=line,
                    color=plots.look(k).color, label=f"from lambda = {end}, " + ("the last guess", "a line")[pick])
    ax.set(xscale="log", yscale="log", xlabel="steps", ylabel="RMSE to the exact image")
    ax.legend(fontsize=8)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where to ask: grids
#
# Where $D$ stands still a step may be as long as it likes. Above, the speed of the guess, $\| dD / d\lambda \|$, each
# scaled to a maximum of 1. Below, where five rules put ten calls on the model's schedule.

# %% [markdown] slideshow={"slide_type": "notes"}
# Every solver here runs on every list of levels, and with few steps the error depends on the list as much as on the
# solver. What is to be resolved is the motion of the guess.

# %%
def motion(denoise, x, grid):
    """How fast the guess moves: its RMS change per unit of lambda between neighbouring levels, maximum 1."""
    guesses, lams = [], np.array([level.lam for level in grid[:-1]])
    samplers.last(samplers.unipc(lambda x, level: guesses.append(denoise(x, level)) or guesses[-1], x, grid))
    speed = [rmse(b, a) for a, b in zip(guesses, guesses[1:])] / np.diff(lams)
    return (lams[1:] + lams[:-1]) / 2, speed / speed.max()


fine = course.grid(120, "lambda", clean=False)
noise = samplers.start((6, 3, 32, 32), fine, seeded(2))
rules = ("lambda", "karras", "trailing", "leading", "quadratic")

# %%
with figure("Above, speed of the guess over lambda for the blobs and for the course model; below, where five rules put "
            "ten levels: lambda evenly, karras denser at the noisy end, the others denser in the middle",
            width=8, height=4.4, rows=2) as (above, below):
    evenly = schedule.grid(120, "lambda", clean=False)
    plots.curve(above, *motion(mixture.denoise, blob_noise, evenly), label="blobs", k=0)
    plots.curve(above, *motion(ask, noise, fine), label="course model", k=1)
    above.set(ylabel="speed of the guess", xlim=(-10.5, 5.5))
    above.legend()
    for k, rule in enumerate(rules):
        below.plot([level.lam for level in course.grid(10, rule)[:-1]], [k] * 10, plots.look(k).marker,
                   color=plots.look(k).color)
    below.set(yticks=range(5), yticklabels=rules, xlabel="lambda", xlim=(-10.5, 5.5))
    below.invert_yaxis()

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Ten calls on five grids
#
# The same noise, the same ten calls of 2M. `trailing` spends its first call out where all is noise, and then steps over the
# levels at which ground and colour are settled.

# %% [markdown] slideshow={"slide_type": "notes"}
# - **lambda** is even in $\lambda$; **karras** is even in $\tilde\sigma^{1/7}$ (Karras et al. 2022, eq. 5), between
#   even in $\lambda$ and even in $\tilde\sigma$.
# - **trailing** and **leading** are even in $t$, the clock of training. `leading` never visits the noisiest level,
#   from which one starts (but with all $T$ steps).
# - **quadratic** is even in $\sqrt t$ and starts at $0.8\, T$: DDIM's choice for CIFAR-10, on DDPM's schedule.
#
# On this schedule the last unit of $t$ is a long way in $\lambda$: `trailing` spends its first call there.

# %%
with figure("Pictures by 2M with ten calls from the same noise on five grids, and with 100 calls: karras agrees with the "
            "long run, lambda but for a cross; the other three paint every ground grey",
            width=9, height=3.4, rows=3, cols=2) as axes:
    for ax, rule in zip(axes.flatten(), (*rules, "karras, 100 calls")):
        n, spacing = (100, "karras") if rule not in rules else (10, rule)
        plots.images(ax, drawn("dpmpp_2m", n, spacing), rule, cols=6)
cur, nxt = course.grid(10, "trailing")[:2]
print(f"The first of ten steps of trailing goes from lambda = {cur.lam:.1f} to {nxt.lam:.1f}.")

# %% [markdown] slideshow={"slide_type": "notes"}
# In numbers: the distance to a run with 500 steps from the same noise, for ten calls on each grid, as recorded by
# `python -m effml_lab bench samplers`, with 95% intervals.

# %% slideshow={"slide_type": "skip"}
spacings = bench.recorded("spacing")
for technique, r in spacings.items():
    print(f"{technique:32} RMSE {told(r.quality['rmse'])}")
if not spacings:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "notes"}
# No rule is best for all data: a grid follows the data's scales, and it can be fitted to a model (Sabour et al.
# 2024). Two samplers are compared on one grid, and the grid is named.
#
# **Does the schedule end in noise?** A sampler starts from $\mathcal N(0, I)$; the network, at its noisiest level,
# was trained on $\alpha_T x_0 + \sigma_T \epsilon$. If $\alpha_T$ is not small, the network has learned to read the
# mean brightness off what is left of the image, and then is given noise of mean zero: pictures come out of middling
# brightness (Lin et al. 2024).

# %% slideshow={"slide_type": "skip"}
tables = {"linear (DDPM)": levels.linear(), "scaled linear (latent diffusion)": levels.scaled_linear(),
          "scaled linear, zero terminal SNR": levels.zero_snr(levels.scaled_linear()), "the course model's": course}
for name, table in tables.items():
    end = table(table.span[1])
    print(f"{name:34} alpha {end.alpha:8.2g} at the last level, lambda {end.lam:.1f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# The cure is to rescale the table to **zero terminal SNR**, $\alpha_T = 0$. It has a price in three places. The noise says
# nothing about the image there, so the network must predict $v = \alpha\, \epsilon - \sigma\, x_0$ or $x_0$; the grid must visit
# the last level, hence `trailing`; and out of $\alpha = 0$, where $\lambda = -\infty$, every solver's first step is of first
# order. The cosine table of the course's model is nearly there: hence the long first step of `trailing` above.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## On the course's model
#
# Four pictures from the same noise, all on one grid rule. Rows are samplers, columns are calls. Where does a shape stop
# changing? Those that solve the same ODE must arrive at the same picture; those with noise of their own need not.

# %% [markdown] slideshow={"slide_type": "notes"}
# Look at the first of the four, a circle of two colours: what every solver of the ODE agrees on and is wrong is the
# network's error, and more calls of the ODE do not mend it. Noise on the way mends part of it: DDIM with 100 calls
# shows the wanted kind in 0.957, DDPM with 100 in 0.979 and with 1000 in 0.989.

# %%
rows, columns = ("ddim", "dpmpp_2m", "unipc", "heun", "ddpm"), (5, 10, 20, 50)
with figure("Four pictures for each of five samplers and four counts of calls, from the same noise: by 2M and UniPC "
            "nothing changes much after 10 calls, by DDIM after 20; Heun shows noise with 5 calls and some with 9; DDPM "
            "ends in other pictures; the circle has two colours by all solvers of the ODE",
            width=10, height=5.4, rows=5, cols=4) as axes:
    for row, name in zip(axes, rows):
        for ax, calls in zip(row, columns):
            steps = (calls + 1) // 2 if name == "heun" else calls
            spent = 2 * steps - 1 if name == "heun" else calls
            plots.images(ax, drawn(name, steps)[[0, 3, 4, 5]], f"{name}, {spent} calls", cols=4)

# %% [markdown] slideshow={"slide_type": "skip"}
# Move the number of calls by hand: above DDIM, below 2M, same noise. (Without a running kernel, as on a web page, the
# figure before this one shows the same at four counts.)

# %% slideshow={"slide_type": "skip"}
def two_rows(ax, calls):
    rows = [drawn(name, calls) for name in ("ddim", "dpmpp_2m")]
    plots.images(ax, torch.cat(rows), f"{calls} calls: DDIM above, 2M below", cols=6)


slider(two_rows, 1, 40, 8, label="calls")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The same picture? Paired errors
#
# How far from DDIM with 500 steps, from the same noise, does a sampler with few calls land, pixel by pixel (RMSE,
# images in $[-1, 1]$)?

# %% [markdown] slideshow={"slide_type": "notes"}
# Nothing is random in that comparison but the choice of noises. Samplers that draw noise of their own are not in it.
# With 95% bootstrap intervals (draw the pictures again with replacement, many times: 95% of the results lie between),
# as recorded by `python -m effml_lab bench samplers`. This is the pooled error, which the few noises rule that end in
# another colour or on another ground: of 60 pictures the worst tenth holds two thirds to nine tenths of the square at
# 10 calls. By it UniPC is 1.7 times worse than 2M there; in the median picture (0.04) and in the share that moved by
# more than 0.2 (5%) they are equal. Small differences in it mean little.

# %%
def said(records, y):
    """What a figure shows, in words: its points at some numbers of evaluations."""
    shown = (r for r in records if y in r.quality and r.nfe in (None, 5, 10, 20, 50, 1000))
    return "; ".join(f"{r.technique} {r.quality[y]['value']:.3g}" for r in shown)


recorded = bench.recorded("samplers")
points = list(recorded.values())
if recorded:
    with figure("Paired error over network evaluations: " + said(points, "rmse"), height=4) as ax:
        plots.tradeoff(ax, points, y="rmse", label="RMSE to DDIM, 500 steps")
        ax.set_ylim(0.02, 2)                                        # Heun with 3 calls lies at 270, with 5 at 7
    ratio = recorded["finding: paired error of dpmpp_2m over ddim, 10 steps"].quality["ratio"]
    print(f"With 10 calls the error of 2M is {told(ratio, '.2f')} times that of DDIM.")
else:
    print(UNRECORDED)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### As good? Distances with intervals
#
# Another picture is not a worse one. The Fréchet distance of the pictures to real ones, in the features of the course's
# judge, a network that reads shapes. The grey band is the floor: as many real pictures, measured in the same way.

# %% [markdown] slideshow={"slide_type": "notes"}
# FID is this distance in the features of one certain other network. The floor nothing can be expected to beat.

# %%
if recorded:
    with figure("Frechet distance over network evaluations: " + said(points, "frechet"), height=4.4) as ax:
        plots.tradeoff(ax, points, y="frechet", label="Frechet distance to real shapes")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### "Not separable"
#
# **Not separable**: the 95% interval of the paired difference of distances contains 0 *and* is narrower than a fifth of
# the reference's own distance. And both metrics have to agree: DDIM with 100 calls misses the wanted kind four times as
# often as DDPM with 1000.

# %% [markdown] slideshow={"slide_type": "notes"}
# With few samples everything is "not significantly different". If the interval contains 0 and is wider, the data do not
# decide: it narrows with the square root of the number of pictures. "None" is an allowed answer. DDPM's thousand visit
# every level of its table, all others lie on karras: the one comparison across grids here.
#
# A weaker question needs fewer pictures: with how many calls is the distance surely **at most a fifth worse**? Then
# the interval only has to end below that fifth. Below, the rule on the two oldest samplers; which needs the fewest calls
# of all, by either rule, is a question of the lab.

# %%
def against(full):
    """Each sampler of few calls beside the thousand steps, and the verdict of the rule."""
    words = {True: "separable", False: "not separable", None: "undecided"}          # below 0 is better than DDPM
    kind = told(recorded["ddpm, 1000 steps"].quality["wanted"])
    print(f"ddpm, 1000 steps: {told(full)}, wanted kind {kind}. Paired differences to it:")
    for r in points:
        difference = r.quality.get("frechet_less_ddpm_1000")
        if difference and r.nfe in (10, 20, 50, 100) and r.settings["sampler"] in ("ddpm", "ddim"):
            verdict = quality.separable(quality.Estimate(**difference), full["value"])
            print(f"{r.technique:20} {told(difference, '+.3f'):26} {words[verdict]:14} wanted kind {told(r.quality['wanted'])}")


if recorded:
    against(recorded["ddpm, 1000 steps"].quality["frechet"])

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What steps buy, and what they do not
#
# Latency is NFE times the cost of a call, if the sampler's own arithmetic is small. Predict first: time one call, and
# multiply. Then measure whole runs.

# %%
one = timed(lambda: ask(noise, fine[60]), warmup=3, repeats=30)
print(f"One call for six images: {one.median:.1f} ms ({one.low:.1f} to {one.high:.1f}).")
for name, n, calls in (("dpmpp_2m", 10, 10), ("ddim", 10, 10), ("heun", 10, 19), ("ddim", 50, 50)):
    grid = course.grid(n, SPACING)
    run = timed(lambda: samplers.last(samplers.SAMPLERS[name](ask, noise, grid)), warmup=1, repeats=5)
    print(f"{name:9} {n} steps, {calls} calls: {calls * one.median:5.0f} ms predicted, {run.median:5.0f} ms measured "
          f"({run.low:.0f} to {run.high:.0f})")

# %% [markdown] slideshow={"slide_type": "notes"}
# Fewer steps divide the time of an image by what they save, at any batch size, on any device, with any network. They
# do not make a call cheaper, the weights smaller or the memory less, and one call is the least that can be paid.
# Guidance still doubles each call.
#
# And fewer steps end somewhere. Near five calls the steps are so long that nothing known at the start of one says
# where it goes, and a higher order can make it worse: look at the left ends of the curves above. Below that the network
# itself has to change, so that one call answers for a long way. That is distillation, lecture 04.

# %% [markdown] slideshow={"slide_type": "notes"}
# ### Published numbers
#
# FID on CIFAR-10 **as published**, lower is better. Networks and training differ, so read along a row, and between
# rows only with care.
#
# | sampler | calls for an image: FID | source |
# |---|---|---|
# | DDPM, large variance | 10: 367.4, 20: 133.4, 50: 32.7, 100: 9.99, 1000: 3.17 | Song, Meng and Ermon 2021, table 1 |
# | DDPM, small variance ($\eta = 1$) | 10: 41.07, 20: 18.36, 50: 8.01, 100: 5.78, 1000: 4.73 | the same |
# | DDIM | 10: 13.36, 20: 6.84, 50: 4.67, 100: 4.16, 1000: 4.04 | the same |
# | predictor-corrector | 2000: 2.20 | Song et al. 2021 |
# | DPM-Solver-2 | 10: 5.94 | Lu et al. 2022a (maybe of another network) |
# | DPM-Solver-fast | 10: 4.70 | Lu et al. 2022a |
# | UniPC | 10: 3.87 | Zhao et al. 2023 |
# | Heun, in a network of its own | 35: 1.97 | Karras et al. 2022 |
#
# The pattern is the one derived above: with noise many steps are needed and, given them, the result is good; without
# it tens suffice; with a second look ten come near.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What to remember
#
# 1. **A denoiser is a score**: $\nabla \log p_t = (\alpha D - x) / \sigma^2$.
# 2. **The reverse SDE and the ODE share their marginals.**
# 3. **In $y$ over $\tilde\sigma$ the schedule is gone**, and Euler's method is DDIM.
# 4. **All solvers are one step, fed another mean guess.**
# 5. **Measure the order.**
# 6. **The grid matters as much**: name it.
# 7. **Say "as good as" only with an interval.**

# %% [markdown] slideshow={"slide_type": "notes"}
# The estimates: the first guess (DDIM), one extrapolated to the middle (2M), asked for (Heun, DPM-Solver-2), corrected
# with hindsight (UniPC). The last step, into $\sigma = 0$, is no better than its guess in all of them, unless it is
# extrapolated in $\tilde\sigma^2$.
#
# In the lab you write these solvers, find the missing factor by measurement, and put your own point on the plot.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## References
#
# - Y. Song and others, [Score-based generative modeling through stochastic differential
#   equations](https://arxiv.org/abs/2011.13456), 2021. SDE: eq. 5. Reverse SDE: eq. 6. Predictor-corrector: section
#   4.2. Probability-flow ODE: eq. 13.
# - B. D. O. Anderson, [Reverse-time diffusion equation models](https://doi.org/10.1016/0304-4149(82)90051-5), 1982.
# - J. Song, C. Meng, S. Ermon, [Denoising diffusion implicit models](https://arxiv.org/abs/2010.02502), 2021. DDIM:
#   eq. 12. Its ODE in $x / \alpha$ and $\sigma / \alpha$: eq. 14. Eta: eq. 16.
# - T. Karras and others, [Elucidating the design space of diffusion-based generative
#   models](https://arxiv.org/abs/2206.00364), 2022. EDM. Heun: algorithm 1. Churn: algorithm 2. Grid: eq. 5.
# - C. Lu and others, [DPM-Solver](https://arxiv.org/abs/2206.00927), 2022 (here 2022a). Exact solution with the
#   noise: eq. 3.4.
# - C. Lu and others, [DPM-Solver++](https://arxiv.org/abs/2211.01095), 2022 (here 2022b). Exact solution with the
#   image: eq. 8. 2M: algorithm 2.
# - W. Zhao and others, [UniPC](https://arxiv.org/abs/2302.04867), 2023.
# - S. Lin and others, [Common diffusion noise schedules and sample steps are
#   flawed](https://arxiv.org/abs/2305.08891), 2024. Zero terminal SNR.
#
# Further:
#
# - Q. Zhang, Y. Chen, [Fast sampling of diffusion models with exponential
#   integrator](https://arxiv.org/abs/2204.13902), 2023. The same idea at the same time, in $t$.
# - L. Liu and others, [Pseudo numerical methods for diffusion models on
#   manifolds](https://arxiv.org/abs/2202.09778), 2022. Multistep methods first.
# - M. Hochbruck, A. Ostermann, [Exponential integrators](https://doi.org/10.1017/S0962492910000048), 2010. The
#   theory.
# - A. Sabour, S. Fidler, K. Kreis, [Align your steps](https://arxiv.org/abs/2404.14507), 2024. Grids fitted to a
#   model.
# - B. Efron, [Tweedie's formula and selection bias](https://doi.org/10.1198/jasa.2011.tm11181), 2011.
