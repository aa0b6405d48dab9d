# ---
# jupyter:
#   effml_lab: {title: "DDPM: from noise to digits, one small step at a time", minutes: {reading: 55, coding: 150}}
# ---

# %% [markdown]
# # Lab 01 · DDPM: from noise to digits
#
# A diffusion model learns to undo noise. In this lab you write one from the beginning: the noise, the training loss,
# the step that removes a little noise, and the loop of a thousand such steps. At the end you measure what that loop
# costs, because most later labs make it cheaper.
#
# **You will be able to**
# - turn a table of betas into noise levels, and noise any image to any level in one step;
# - state the training loss and say where in time it is large;
# - derive and code the reverse step, with both of the paper's variances;
# - say what goes wrong when steps are skipped;
# - measure latency so that the number means something.
#
# **You need** Python, tensors and broadcasting in PyTorch, and the normal distribution. The derivations are in the
# lecture.
#
# ## Notation
#
# The paper is Ho, Jain and Abbeel (2020), *Denoising diffusion probabilistic models*. Code counts time from 0, the
# paper from 1, so $t = 0$ has a little noise already; the clean picture lies before it. Later labs write $x =
# \alpha\,x_0 + \sigma\,\epsilon$ for every kind of model, so both notations stand here once.
#
# | paper | here | in code | meaning |
# |---|---|---|---|
# | $\beta_t$ | $\beta_t$ | `betas[t]` | variance of the noise that step $t$ adds |
# | $\bar\alpha_t$ | $\alpha^2$ | `abar[t]` | what is left of the picture's variance |
# | $\sqrt{\bar\alpha_t}$ | $\alpha$ | `alpha` | factor of the picture |
# | $\sqrt{1 - \bar\alpha_t}$ | $\sigma$ | `sigma` | factor of the noise |
# | $\epsilon_\theta(x_t, t)$ | $\hat\epsilon$ | `predict_eps` | the network's guess of the noise |
#
# Here $\bar\alpha_t = \prod_{i \le t} (1 - \beta_i)$. Careful with one letter: the paper's $\alpha_t = 1 - \beta_t$
# is not our $\alpha$, which is the root of $\bar\alpha_t$, with or without its index. Equation numbers are the paper's.
# Images are float32 in $[-1, 1]$, shape `(B, C, H, W)`. A function leaves its inputs as they are: `x = x + ...` makes a
# new tensor, `x += ...` changes the one that was handed in. Each exercise ends in a `check`: it tells you what holds, what
# fails, and often why.

# %%
import copy
import time

import torch
from tqdm.auto import tqdm

from effml_lab import bench, datasets, models
from effml_lab.course import shortened
from effml_lab.diffusion import levels, oracle, samplers, train
from effml_lab.diffusion.denoise import Denoiser, clipped
from effml_lab.measure import plots
from effml_lab.nets.unet import UNet

torch.set_num_threads(1)  # pictures of 8 x 8 are too small to share between cores
betas = torch.linspace(1e-4, 0.02, 1000)  # the paper's table
schedule = levels.linear()  # the same, as the package has it
abar = schedule(torch.arange(1000.0)).alpha ** 2  # alpha-bar, (1000,)

# %% [markdown]
# The data are real: 1,797 handwritten digits of 8 x 8 pixels, split into 1,437 to train on and 360 to test on. Small
# pictures keep every step of this lab within seconds.

# %%
train_images, test_images = (datasets.load("digits", split)[0] for split in ("train", "test"))
some = train_images[::89][:16]
with figure("Sixteen handwritten digits of eight by eight pixels", height=0.8) as ax:
    plots.images(ax, some, cols=16)

# %% [markdown]
# ## 1 · How noisy?
#
# DDPM destroys a picture in $T = 1000$ steps. Step $t$ keeps a share of the picture and adds fresh noise:
#
# $$x_t = \sqrt{1 - \beta_t}\; x_{t-1} + \sqrt{\beta_t}\; z_t, \qquad z_t \sim \mathcal N(0, I).$$
#
# The variances $\beta_t$, in `betas`, grow in a straight line from 0.0001 to 0.02: each step adds little. Step by
# step the picture's share shrinks by a product, and the noise makes up for it, so that the total variance stays 1 if
# the picture's is 1. The ratio of the two variances is the *signal-to-noise ratio*, SNR. Guess, for yourself: after how
# many of the thousand steps is it 1?
#
# **Exercise 1: levels.** Write the three tables that follow from the betas (about 3 lines):
#
# $$\alpha_t = \sqrt{\bar\alpha_t}, \qquad \sigma_t = \sqrt{1 - \bar\alpha_t}, \qquad
# \mathrm{SNR}_t = \alpha_t^2 / \sigma_t^2, \qquad \bar\alpha_t = \prod_{i \le t} (1 - \beta_i).$$
#
# <details><summary>Hint</summary>
#
# A product of all entries up to each place, of the same length as `betas`, has a function of its own in PyTorch, with a
# name that begins like that of the running sum, `cumsum`.
#
# </details>

# %%
def table(betas):
    """betas (T,) -> alpha, sigma, snr, each (T,) in the dtype of betas."""
    ### BEGIN SOLUTION
    product = torch.cumprod(1 - betas, dim=0)
    return product.sqrt(), (1 - product).sqrt(), product / (1 - product)
    ### END SOLUTION

# %%
check("01-levels", table, points=3)

# %%
with figure("Left, the factors of picture and noise over t. Right, the ratio of their squares on a logarithmic axis, "
            "with a dotted line at one", cols=2) as (left, right):
    alpha, sigma, snr = table(betas)
    plots.curve(left, range(1000), alpha, label="alpha", k=0)
    plots.curve(left, range(1000), sigma, label="sigma", k=1)
    left.set(xlabel="t", ylabel="factor")
    left.legend()
    plots.curve(right, range(1000), snr, k=2)
    right.axhline(1, color=plots.MUTED, linestyle=":")
    right.axvline(int((snr < 1).nonzero()[0]), color=plots.MUTED, linestyle=":")
    right.set(xlabel="t", ylabel="signal-to-noise ratio", yscale="log")

# %% [markdown]
# The dotted lines cross where picture and noise are equal, a quarter of the way: most of the thousand steps work on
# something that is mostly noise.
#
# ## 2 · Noise in one step
#
# Training needs $x_t$ at a random $t$ for every image of every batch. Walking there through $t$ small steps would
# cost far more than the network itself. Sums of independent normal variables are normal, so the whole walk is one
# draw:
#
# $$q(x_t \mid x_0) = \mathcal N\!\big(\sqrt{\bar\alpha_t}\, x_0,\ (1 - \bar\alpha_t) I\big), \qquad
# x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon. \tag{eq. 4}$$
#
# **Exercise 2: the closed-form forward step** (about 2 lines). Every image of the batch has its own $t$, so the
# factors must be shaped to multiply image by image: `(B,)` becomes `(B, 1, 1, 1)`, or however many dimensions `x0`
# has.
#
# <details><summary>Hint</summary>
#
# `abar[t]` picks one number per image, shape `(B,)`. `.view` or `.reshape` gives it more axes of length 1; `x0.ndim` says
# how many it should have in all. $\bar\alpha_t$ and $1 - \bar\alpha_t$ are variances; the factors are their roots.
#
# </details>

# %%
def forward(x0, t, abar, eps):
    """x_t. x0, eps: (B, ...); t: (B,) whole numbers; abar: (T,)."""
    ### BEGIN SOLUTION
    a = abar[t].reshape(-1, *[1] * (x0.ndim - 1))
    return a.sqrt() * x0 + (1 - a).sqrt() * eps
    ### END SOLUTION

# %%
check("01-forward", forward, points=3)

# %% [markdown]
# Six digits, each under noise of its own, at ten times. If your function is right, the leftmost column is nearly
# clean, the rightmost is noise, and the contrast changes little on the way: the standard deviation of the values goes
# from about 0.75, that of the digits, to about 1, that of the noise.
#
# Then move the slider: up to which $t$ can you still read the digits? Beyond it, a network has little to go by, too.

# %%
rng = torch.Generator().manual_seed(0)
noise = torch.randn(6, 1, 8, 8, generator=rng)
times = [0, 50, 100, 200, 300, 400, 500, 600, 800, 999]
with figure("Six digits, one per row, sinking into noise from left to right", height=4.2) as ax:
    states = [forward(some[:6], torch.full((6,), t), abar, noise) for t in times]
    plots.film(ax, states, [f"t = {t}" for t in times])
slider(lambda ax, t: plots.images(ax, forward(some, torch.full((16,), t), abar, torch.randn(
    some.shape, generator=torch.Generator().manual_seed(1))), f"t = {t}", cols=16), 0, 999, 200, height=1.0)

# %% [markdown]
# ## 3 · Two views of one guess
#
# Given $x_t$, to know the noise is to know the picture: one equation ties them. So a network may predict either, and
# a sampler may ask for either.
#
# **Exercise 3: there and back** (about 2 lines each). Solve eq. 4 for $x_0$, and for $\epsilon$.
#
# <details><summary>Hint</summary>
#
# Two terms, two unknowns in turn: subtract the term that you know, then divide by the factor of the one that you want.
# The factors have the shape of exercise 2.
#
# </details>

# %%
def x0_from_eps(x, t, abar, eps):
    """The picture that this noise implies. x, eps: (B, ...); t: (B,); abar: (T,)."""
    ### BEGIN SOLUTION
    a = abar[t].reshape(-1, *[1] * (x.ndim - 1))
    return (x - (1 - a).sqrt() * eps) / a.sqrt()
    ### END SOLUTION


def eps_from_x0(x, t, abar, x0):
    """The noise that this picture implies. x, x0: (B, ...); t: (B,); abar: (T,)."""
    ### BEGIN SOLUTION
    a = abar[t].reshape(-1, *[1] * (x.ndim - 1))
    return (x - a.sqrt() * x0) / (1 - a).sqrt()
    ### END SOLUTION

# %%
check("01-invert", (x0_from_eps, eps_from_x0), points=3)

# %% [markdown]
# The two views are equal on paper, but not for a network that errs. Below, noise of standard deviation 0.01 is added to
# the true noise, and the picture is worked out from that. The error is multiplied by $\sigma / \alpha$: at the noisy end
# a small error in the noise is a ruined picture. Later labs come back to this when they choose what a network should predict.

# %%
with figure("Digits worked out from noise that is one percent off: clean at small t, ruined at the largest t",
            height=4.2) as ax:
    off = noise + 0.01 * torch.randn(noise.shape, generator=rng)
    at = [torch.full((6,), t) for t in times]
    guesses = [x0_from_eps(forward(some[:6], t, abar, noise), t, abar, off) for t in at]
    plots.film(ax, guesses, [f"t = {t}" for t in times])

# %% [markdown]
# ## 4 · The loss
#
# The network $\epsilon_\theta$ sees $x_t$ and $t$ and is asked for the noise. The paper's simplified loss is a
# squared error, averaged over random pictures, times and noises:
#
# $$L_\text{simple} = \mathbb E_{t,\, x_0,\, \epsilon}\,
# \big\| \epsilon - \epsilon_\theta(x_t, t) \big\|^2. \tag{eq. 14}$$
#
# The paper's $\|\cdot\|^2$ is a sum over the pixels; in code, here too, it is their mean, which changes only the
# scale. A network that always answers zero then has a loss of 1, since $\epsilon$ has variance 1. Anything learned is
# below that.
#
# **Exercise 4: the loss** (about 5 lines). Draw one $t$ per image, evenly from $0$ to $T - 1$ where $T$ is
# `len(abar)`, and one $\epsilon$ per pixel, both from `rng`, in either order. The mean is over everything: images,
# channels and pixels. You may call your `forward`.
#
# <details><summary>Hint</summary>
#
# `torch.randint` and `torch.randn` take `generator=rng`; the upper end of `randint` is left out. There is one $t$ for
# each of the `len(x0)` images. The network is shown $x_t$ and $t$, and what it answers is compared with the very
# $\epsilon$ in $x_t$.
#
# </details>

# %%
def ddpm_loss(predict_eps, x0, abar, rng):
    """A scalar. predict_eps(x, t): x (B, C, H, W), t (B,) whole numbers; x0: like x; abar: (T,); rng draws t and eps."""
    ### BEGIN SOLUTION
    t = torch.randint(len(abar), (len(x0),), generator=rng)
    eps = torch.randn(x0.shape, generator=rng)
    x = forward(x0, t, abar, eps)
    return (predict_eps(x, t) - eps).square().mean()
    ### END SOLUTION

# %%
check("01-loss", ddpm_loss, points=5)

# %% [markdown]
# **Train.** A tiny network, your loss, one minute. It is a **UNet**: it shrinks the picture, works on it, enlarges it again, and
# hands each size across by a shortcut; the time $t$ reaches every part of it as a vector. Besides the weights that learn there is
# a running mean of them, `ema` (exponential moving average), which draws better pictures. At five moments it draws sixteen
# pictures, a row of the figure, always from the same noise. It draws them with the package's sampler, which you write in section
# 7: a hundred steps from the noisiest level down (`"trailing"`), each guess of the picture kept within $[-1, 1]$ (`clipped`).
# (`shortened` makes the run short where a grader executes the notebook.)

# %%
torch.manual_seed(0)
net, steps = UNet(widths=(16, 32), blocks=1), shortened(900, 12)
ema = copy.deepcopy(net).eval().requires_grad_(False)
opt = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=0, fused=True)
rate = torch.optim.lr_scheduler.LambdaLR(opt, lambda i: min(1, (i + 1) / 100) * train.cosine(i / steps))
grid, denoise = schedule.grid(shortened(100, 5), "trailing"), clipped(Denoiser(ema))


def draw():
    rng = torch.Generator().manual_seed(1)
    return samplers.last(samplers.ddpm(denoise, samplers.start((16, 1, 8, 8), grid, rng), grid, rng=rng))

# %%
losses, rows = [], {}
with figure("Above, the loss of each batch over the steps of training; below, a row of sixteen samples at each of "
            "five moments", height=5.2, rows=2) as (above, below):
    for step in tqdm(range(steps), desc="training"):
        rng = torch.Generator().manual_seed(step)
        batch = train_images[torch.randint(len(train_images), (64,), generator=rng)]
        loss = ddpm_loss(net, batch, abar, rng)
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        rate.step()
        for mean, weight in zip(ema.parameters(), net.parameters()):
            mean.lerp_(weight.detach(), max(0.01, 9 / (11 + step)))
        losses.append(loss.item())
        if step + 1 in (1, steps // 8, steps // 4, steps // 2, steps):
            rows[f"step {step + 1}"] = draw()
    plots.curve(above, range(1, steps + 1), losses)
    above.set(xlabel="step", ylabel="loss of one batch", ylim=(0, 1.2))
    plots.images(below, torch.cat(list(rows.values())), cols=16)
    below.set_yticks([9 * i + 4 for i in range(len(rows))], rows)

# %% [markdown]
# A minute is not enough. The course ships a larger network, trained in the same way for longer; from here on it is
# the model.
#
# ### Where does the loss live?
#
# The loss is an average over $t$, but the times do not contribute alike. Predict, for yourself, before you look: is the
# noise harder to predict where there is much of it, or little?

# %%
model, held_out = models.load("digits"), test_images[:120]
print("{parameters:,} parameters, {steps:,} steps, {minutes:.0f} minutes".format(**models.card("digits")))


@torch.no_grad()
def loss_at(t):
    at, eps = torch.full((120,), t), torch.randn(held_out.shape, generator=torch.Generator().manual_seed(t))
    return (model(forward(held_out, at, abar, eps), at) - eps).square().mean().item()


with figure("The loss on held-out digits at each t") as ax:
    loss_by_t = torch.tensor([loss_at(t) for t in range(5, 1000, 10)])
    plots.curve(ax, range(5, 1000, 10), loss_by_t)
    ax.set(xlabel="t", ylabel="loss on held-out digits", ylim=(0, None))

# %% [markdown]
# A little noise on a picture is hard to tell from the picture; where there is nearly nothing but noise, it can be
# read off. **Read:** what percentage of the whole loss, 0 to 100, comes from the first tenth, $t < 100$? `loss_by_t`
# has an entry for every tenth time, $t = 5, 15, 25, \dots$, so that its first ten entries cover that tenth.

# %%
share_read = ...
### BEGIN SOLUTION
share_read = 100 * (loss_by_t[:10].sum() / loss_by_t.sum()).item()
### END SOLUTION

# %%
check("01-read-loss", share_read, points=2)

# %% [markdown]
# **A place to pause**, half way. To go on another day, run the first code cells, up to the imports, and then the cell
# below, which recreates all that the second half needs. Exercises that are done need not be run again, except the one
# that a figure draws with.

# %%
betas, schedule, model = torch.linspace(1e-4, 0.02, 1000), levels.linear(), models.load("digits")
abar = schedule(torch.arange(1000.0)).alpha ** 2

# %% [markdown]
# ## 5 · The step back
#
# Sampling walks from noise to picture. If we knew $x_0$, the step from $x_t$ to $x_{t-1}$ would be a normal
# distribution that Bayes' rule gives exactly. Its mean lies between where we are and where the picture is:
#
# $$\tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1 - \bar\alpha_t}\, x_0
# + \frac{\sqrt{1 - \beta_t}\,(1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t}\, x_t, \qquad
# \tilde\beta_t = \frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}\, \beta_t, \qquad
# \beta_t = 1 - \bar\alpha_t / \bar\alpha_{t-1}. \tag{eq. 7}$$
#
# The network's guess of $x_0$ stands in for $x_0$. For the variance the paper offers two choices: **small**,
# $\tilde\beta_t$, right if $x_0$ is known, and **large**, $\beta_t$, right if the data are unit normal noise. The truth
# lies between.
#
# **Exercise 5: the posterior** (about 5 lines). The table ends at $t = 0$: before it there is no noise,
# $\bar\alpha_{-1} = 1$.
#
# <details><summary>Hint</summary>
#
# Name two numbers first, $\bar\alpha$ at $t$ and before it, and mind that `abar[-1]` in Python is the *last* entry.
# $\beta_t$ follows from the two, and all the rest from those three.
#
# </details>

# %%
def posterior(x, x0, t, abar):
    """mean, small, large. x, x0: (B, ...); t: one whole number; abar: (T,). The variances are numbers."""
    ### BEGIN SOLUTION
    now, before = abar[t], abar[t - 1] if t > 0 else torch.ones(())
    beta = 1 - now / before
    mean = (before.sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - before) * x) / (1 - now)
    return mean, beta * (1 - before) / (1 - now), beta
    ### END SOLUTION

# %%
check("01-posterior", posterior, points=4)

# %% [markdown]
# Left, how the mean weighs picture and state; right, both variances. They differ only near $t = 0$, in the last few of a
# thousand steps. Section 7 asks what that is worth.

# %%
with figure("Left, the weights of picture and state in the posterior mean over t; right, the small and the "
            "large variance", cols=2) as (left, right):
    one, zero = torch.ones(1), torch.zeros(1)
    wide, noisy = list(range(0, 1000, 5)), list(range(1, 1000))
    plots.curve(left, wide, [posterior(zero, one, t, abar)[0].item() for t in wide], label="weight of x0", k=0)
    plots.curve(left, wide, [posterior(one, zero, t, abar)[0].item() for t in wide], label="weight of x_t", k=1)
    left.set(xlabel="t", yscale="log", ylim=(1e-5, 2))
    left.legend()
    plots.curve(right, noisy, [float(posterior(one, one, t, abar)[1]) for t in noisy], label="small", k=2)
    plots.curve(right, noisy, [float(posterior(one, one, t, abar)[2]) for t in noisy], label="large", k=3)
    right.set(xlabel="t", xscale="log", yscale="log", ylabel="variance")
    right.legend()

# %% [markdown]
# ## 6 · A thousand steps
#
# Now put it together: start from noise, and at each $t$ from $T - 1$ down to $0$ predict the noise, move to the posterior
# mean, and add noise, except at the end. With $\epsilon$ in place of $x_0$ the mean becomes
#
# $$\mu_\theta = \frac{1}{\sqrt{1 - \beta_t}}
# \Big( x_t - \frac{\beta_t}{\sqrt{1 - \bar\alpha_t}}\, \epsilon_\theta(x_t, t) \Big).
# \tag{eq. 11}$$
#
# **Exercise 6: the ancestral sampler** (about 8 lines), with the large variance: the new noise has variance $\beta_t$.
# (The paper calls its standard deviation $\sigma_t$; our $\sigma$ is the noise of a whole level.) Work $\bar\alpha$ out
# from the `betas` that are handed in, not from the notebook's `abar`: the check has its own tables. Ask the network once
# per step. Draw noise with `torch.randn(x.shape, generator=rng)`, anew in every step; at $t = 0$ add none: the mean is
# the picture.
#
# <details><summary>Hint</summary>
#
# `reversed(range(len(betas)))` counts down. In each turn: ask `predict_eps(x, t)` with the plain number `t`, put eq.
# 11 into `x`, then add new noise of variance $\beta_t$, if $t$ is not 0.
#
# </details>

# %%
def ancestral(predict_eps, x, betas, rng):
    """The picture. predict_eps(x, t): t one whole number; x: (B, ...) noise; betas: (T,); rng draws the noise."""
    ### BEGIN SOLUTION
    product = torch.cumprod(1 - betas, dim=0)
    for t in reversed(range(len(betas))):
        eps = predict_eps(x, t)
        x = (x - betas[t] / (1 - product[t]).sqrt() * eps) / (1 - betas[t]).sqrt()
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn(x.shape, generator=rng)
    return x
    ### END SOLUTION

# %%
check("01-ancestral", ancestral, points=5)

# %% [markdown]
# Your sampler, the course's model, all thousand steps; the last column is the result. For eight hundred steps there
# is nothing to read, and nearly all of the picture appears between $t = 200$ and $t = 50$.

# %%
shown = {}


@torch.no_grad()
def predict_eps(x, t):
    if t in (999, 800, 600, 400, 300, 200, 150, 100, 50, 25, 10):
        shown[f"t={t}"] = x
    return model(x, torch.full((len(x),), t))


with figure("Eight samples, one per row, from noise at the left to digits at the right", height=5) as ax:
    noise8 = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    shown["end"] = ancestral(predict_eps, noise8, betas, torch.Generator().manual_seed(4))
    plots.film(ax, shown.values(), list(shown), frames=12)

# %% [markdown]
# ## 7 · Fewer steps
#
# Nothing forces a sampler to visit every $t$. Keep $N$ of the thousand levels and jump from one to the next: the
# formulas of section 5 hold for any two levels $s < t$ with $\beta = 1 - \bar\alpha_t / \bar\alpha_s$. What that
# costs in quality can be computed without a network. For data that are one normal distribution, $\mathcal N(0.5,
# 0.05^2)$, the best denoiser is known and every sampler turns a normal distribution into another, whose
# Kullback-Leibler divergence (KL) to the data is exact.
#
# The $N$ levels that are kept are every $T/N$-th, counted up from $t = 0$ (`"leading"`); after $t = 0$, which is still a
# little noisy, comes the clean level. Three samplers compete: 1,
# DDIM, which adds no noise at all (lab 02); 2, DDPM with the small variance; 3, DDPM with the large one. **Predict
# before you plot:** which is nearest to the data with $N = 10$ steps? Any of 1, 2, 3 earns the point.

# %%
rank_guess = ...
### BEGIN SOLUTION
rank_guess = 3
### END SOLUTION

# %%
check("01-guess-rank", rank_guess, points=1)

# %%
counts = [10, 20, 50, 100, 200, 500, 1000]
with figure("KL divergence to the data over the number of steps, for DDIM and for DDPM with small and with large "
            "variance, on logarithmic axes", height=3.4) as ax:
    for k, (method, name) in enumerate({"ddim": "1 DDIM", "small": "2 DDPM, small", "large": "3 DDPM, large"}.items()):
        kl = [oracle.gaussian_run(schedule.grid(n, "leading"), 0.5, 0.05, method)[2] for n in counts]
        plots.curve(ax, counts, kl, label=name, k=k)
        print(f"{name:14s}", "  ".join(f"N={n}: {value:.3g}" for n, value in zip(counts, kl)))
    ax.set(xlabel="steps N", ylabel="KL to the data, nats", xscale="log", yscale="log")
    ax.legend()
print("your prediction for N=10:", rank_guess if rank_guess in (1, 2, 3) else "none")

# %% [markdown]
# The ranking turns over. Large variance is worst by far with ten steps and best by far with a thousand: what is right
# for all the steps is wrong for anybody in a hurry. **Read:** what is the smallest of these $N$
# at which the large variance is nearer to the data than the small one?

# %%
swap_read = ...
### BEGIN SOLUTION
swap_read = 100
### END SOLUTION

# %%
check("01-read-swap", swap_read, points=2)

# %% [markdown]
# From here on we use the package's own nouns. A *level* has `.alpha` and `.sigma`, plain floats, so that a root is
# `** 0.5`. A *grid* is a list of levels, noisiest first; it ends at the clean one, which is told by `.sigma == 0`, not by
# its `.t`. `denoise(x, level)` is the guess of $x_0$.
#
# **Exercise 7: ancestral sampling over kept levels** (about 8 lines). Walk the pairs of neighbours `cur, nxt` of the
# grid and yield the state after each step. With $t$ for `cur` and $s$ for `nxt`, $\bar\alpha$ is `alpha**2`, and $1 -
# \bar\alpha$ is `sigma**2`. `variance` is `"small"` or `"large"`; on the step to the clean level add nothing.
#
# <details><summary>Hint</summary>
#
# `zip(grid, grid[1:])` gives the pairs. $\beta$ and the posterior mean are those of exercise 5, with `cur` for $t$
# and `nxt` for $t - 1$. The variance belongs to a step, so it too is made of both levels, not of one. `yield x`
# stands inside the loop.
#
# </details>

# %%
def ddpm(denoise, x, grid, variance="small", rng=None):
    """Yield each state, len(grid) - 1 of them. denoise(x, level) -> x0; x: (B, ...) at grid[0]; rng draws the noise."""
    ### BEGIN SOLUTION
    for cur, nxt in zip(grid, grid[1:]):
        x0 = denoise(x, cur)
        beta = 1 - (cur.alpha / nxt.alpha) ** 2
        x = (nxt.alpha * beta * x0 + (1 - beta) ** 0.5 * nxt.sigma**2 * x) / cur.sigma**2
        if nxt.sigma > 0:
            var = beta if variance == "large" else beta * nxt.sigma**2 / cur.sigma**2
            x = x + var**0.5 * torch.randn(x.shape, generator=rng)
        yield x
    ### END SOLUTION

# %%
check("01-ddpm", ddpm, points=5)

# %% [markdown]
# The same on real digits: your sampler, from the same noise, with 10, 50 and 200 steps. A generator runs only as far
# as somebody asks; `samplers.last` runs it to its end.

# %%
denoise, schedule = models.denoiser("digits")
with figure("Samples with the small variance above and the large one below, with 10, 50 and 200 steps", height=4.6,
            rows=2, cols=3) as axes:
    for row, variance in zip(axes, ("small", "large")):
        for ax, n in zip(row, (10, 50, 200)):
            grid = schedule.grid(n, "leading")
            x = samplers.start((16, 1, 8, 8), grid, torch.Generator().manual_seed(5))
            states = ddpm(denoise, x, grid, variance, torch.Generator().manual_seed(6))
            plots.images(ax, samplers.last(states), f"{variance}, {n} steps", cols=4)

# %% [markdown]
# With the large variance and ten steps a film of grain lies over everything. On its last step but one the sampler
# adds noise meant for a jump over a hundred values of $t$, and lands at $t = 0$, where the network expects almost none and
# takes it for picture.
#
# **Compute:** the standard deviation of that noise is about $\sqrt{1 - \bar\alpha_{T/N}}$. What is it for $N = 10$, to
# two decimals?

# %%
grain = ...
### BEGIN SOLUTION
grain = (1 - abar[100]).sqrt().item()
### END SOLUTION

# %%
check("01-read-noise", grain, points=2)

# %% [markdown]
# ## 8 · What it costs
#
# A claim about speed is worth as much as its measurement. Three things go wrong all the time: the first calls are
# slow (memory, caches, compilation), so they are *warm-up* and not counted; a GPU works in the background, so the
# clock may be read only after waiting for it, which is called *synchronizing*; and other programs disturb single
# calls, so the *median* of many is reported, with their *spread*.
#
# **Exercise 8: latency** (about 8 lines). Call `fn()` `warmup` times, then time `repeats` calls one by one:
# synchronize, read the clock, call, synchronize, read again. Return the median and the distance between the quartiles
# (the 75th percentile less the 25th), both in milliseconds; the clock counts seconds. `torch.quantile` helps.
#
# <details><summary>Hint</summary>
#
# Keep a list of times, one per call. `sync()` comes twice in each turn: before the first reading, so that nothing old is
# counted, and before the second, so that all of the call is. The warm-up calls come on top of the `repeats` and are
# not in the list.
#
# </details>

# %%
def latency(fn, warmup, repeats, clock, sync):
    """median, spread in ms. fn(), sync(): called without arguments; clock(): seconds."""
    ### BEGIN SOLUTION
    for _ in range(warmup):
        fn()
    spent = []
    for _ in range(repeats):
        sync()
        begin = clock()
        fn()
        sync()
        spent.append(1000 * (clock() - begin))
    low, middle, high = torch.tensor(spent).double().quantile(torch.tensor([0.25, 0.5, 0.75]).double()).tolist()
    return middle, high - low
    ### END SOLUTION

# %%
check("01-latency", latency, points=4)

# %%
grid = schedule.grid(1000, "leading")
x64 = samplers.start((64, 1, 8, 8), grid, torch.Generator().manual_seed(7))
sizes, cost = [1, 4, 16, 64], {}
with figure("The median time of one step, with its spread, over the number of pictures", height=2.8) as ax:
    for n in sizes:  # one step each; on a CPU there is nothing to wait for, so sync does nothing
        step = lambda: samplers.last(samplers.ddpm(denoise, x64[:n], grid[:2]))
        cost[n] = latency(step, 3, 15, time.perf_counter, lambda: None)
    ax.errorbar(sizes, [cost[n][0] for n in sizes], yerr=[cost[n][1] / 2 for n in sizes], fmt="o-", capsize=3)
    ax.set(xlabel="pictures in the batch", ylabel="ms per step", xscale="log", ylim=(0, None))
    ax.set_xticks(sizes, sizes)
    print(f"one step of 16 pictures: {cost[16][0]:.2f} ms, spread {cost[16][1]:.2f} ms")

# %% [markdown]
# **Predict before you measure:** how many seconds will all thousand steps take for these 16 pictures? The cost of a
# sampler is *number of steps x cost of a step*.

# %%
total_guess = ...
### BEGIN SOLUTION
total_guess = len(grid[:-1]) * cost[16][0] / 1000
### END SOLUTION

# %%
check("01-guess-time", total_guess, points=1)

# %%
begin_time = time.perf_counter()
samplers.last(samplers.ddpm(denoise, x64[:16], grid))
measured = time.perf_counter() - begin_time
print(f"measured: {measured:.1f} s")
if isinstance(total_guess, (int, float)):
    print(f"predicted: {total_guess:.1f} s; measured over predicted: {measured / max(total_guess, 1e-9):.2f}")

# %% [markdown]
# That is for pictures of 64 pixels. The whole course hangs on one product:
#
# $$\text{latency} = \frac{\text{steps} \times \text{work per step}}
# {\text{kernel efficiency} \times \text{devices}},$$
#
# all of it relative to a baseline, a plain implementation on one device: better kernels do the same work in less time, and more
# devices share it. What counts as work depends on what the device waits for. Where it waits for arithmetic, work is
# multiply-adds. Where it waits for memory, as with a large model and few pictures, work is the bytes that are read: a weight of 4
# bits instead of 16 is then a quarter of the work. Most labs attack one factor and leave the others alone; lab 03 spends some,
# and says what that buys. Each ends with a line that says which factor it was, and what was measured.
#
# ## 9 · In your own words
#
# Somebody wants to ship this model and asks: "Can we just use ten steps instead of a thousand?" Answer in five to
# eight sentences: what happens to the pictures with each of the two variances and why, which numbers of this lab show
# it, and what you would try first.

# %% [markdown] written="01-why" points=4
# With ten steps the large variance leaves noise of standard deviation about 0.32 in the picture: on the step that
# lands at $t = 0$ it adds $\beta = 1 - \bar\alpha_{100}$, the variance of a hundred small steps, and no step follows
# that could remove it. On the Gaussian its KL is 17 against 0.96 for the small variance, and in the figure there is
# grain over all digits. The small variance is the posterior's for a known $x_0$ and goes to zero at the end, so it
# leaves no grain, but it still uses the guess of $x_0$ from far away as if it were certain, so strokes are wrong.
# DDIM, which adds no noise, has the lowest KL at ten steps, 0.67. With a thousand steps the ranking turns: the large
# variance has 6e-5 against 1.7e-3 and 5.6e-3. I would try DDIM first, then a better solver, and measure quality
# against the number of steps.
#
# <!-- ### BEGIN MARK SCHEME -->
# **Mark scheme.** One point each: (1) the large variance leaves noise of about sqrt(1 - abar[T/N]), with the reason;
# (2) the small variance or DDIM leaves none, and why the result is still not right; (3) at least two numbers from the
# lab, used correctly; (4) a sensible first try (DDIM, a better solver, a better grid), with what to measure.
# <!-- ### END MARK SCHEME -->

# %% [markdown]
# ## Summary
#
# Your marks, and your point on the course's plot: your own sampler with 50 steps and the small variance on the
# course's model, judged by the distance of its pictures from held-out digits (KID: the kernel distance in the
# features of a classifier; lower is better). The other points were recorded with the same model.
#
# **Next**, lab 02: the same model and the same noise in fewer steps; what DDIM does, and how a second-order solver
# gets away with ten.

# %%
point = None
try:
    point = bench.measure("your DDPM, 50 steps", ddpm, steps=50, n=shortened(360, 32))
except Exception as error:
    print("Your point appears once exercise 7 is right:", str(error) or "it is still a stub.")
summary(point)
