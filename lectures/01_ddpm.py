# ---
# jupyter:
#   effml_lab: {title: "DDPM: images out of noise", minutes: {reading: 45}}
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # DDPM: images out of noise
#
# A diffusion model learns one small skill, to remove a little noise from an image, and uses it a thousand times in a
# row to turn pure noise into an image that nobody drew.

# %% [markdown] slideshow={"slide_type": "notes"}
# This lecture derives the method of Ho, Jain and Abbeel (2020), trains it on real handwritten digits, and ends with its
# price: a thousand network calls for each image. The rest of the course is about paying less.
#
# **You will see** how an image is destroyed and why any moment of that can be reached in one jump; how one step is
# undone, and with which variance; why the network predicts noise, and where in time its loss lives; how digits form;
# what they cost; and what goes wrong when steps are skipped.
#
# **You need** the normal distribution, expectations, and a little PyTorch.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ## Notation
#
# $x_t = \alpha_t\, x_0 + \sigma_t\, \epsilon$ with $\epsilon \sim \mathcal N(0, I)$: $\alpha$ is what is left of the
# image, $\sigma$ how much noise there is.
#
# | Ho et al. | here | in the package | meaning |
# |---|---|---|---|
# | $\beta_t$ | $\beta_t$ | from two levels | variance added by step $t$ |
# | $\alpha_t$ | $r_t^2$ | not stored | $1 - \beta_t$, what step $t$ keeps of the variance |
# | $\sqrt{\bar\alpha_t}$ | $\alpha_t$ | `level.alpha` | factor of the image |
# | $\sqrt{1 - \bar\alpha_t}$ | $\sigma_t$ | `level.sigma` | that of the noise |
# | $\sigma_t$ | $s_t$ | `VARIANCES` | fresh noise of a reverse step |
# | $\epsilon_\theta(x_t, t)$ | $\hat\epsilon$ | `net(x, t)` | guess of the noise |

# %% [markdown] slideshow={"slide_type": "notes"}
# Papers and code disagree about letters. **Careful:** our $\alpha_t$ is the square root of the paper's $\bar\alpha_t = \prod_{i
# \le t} (1 - \beta_i)$, and the paper's $\alpha_t$ is something else. The paper counts $t = 1 \dots T$; code counts $0 \dots T -
# 1$ and calls what lies before $0$ clean.

# %% slideshow={"slide_type": "skip"}
import time

import numpy as np
import torch
from tqdm.auto import tqdm

from effml_lab import datasets, folders, models
from effml_lab.diffusion import denoise, levels, oracle, samplers
from effml_lab.diffusion.train import Run, fit
from effml_lab.measure import plots, records
from effml_lab.measure.cost import timed
from effml_lab.nets.unet import UNet

torch.set_num_threads(1)            # tensors of a few hundred numbers gain nothing from two, and times repeat better


def seeded(seed):
    return torch.Generator().manual_seed(seed)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The data
#
# 1,797 handwritten digits of 8 x 8 pixels: 1,437 to train on, 360 held out. They are real, they come with
# scikit-learn, and they are small enough that every figure below is made on two CPU cores while you read.

# %%
images, labels = datasets.load("digits", "train")
held_out, _ = datasets.load("digits", "test")
with figure("Forty real handwritten digits, eight by eight pixels each, white on black", width=8, height=1.9) as ax:
    plots.images(ax, images[::36][:40], cols=20)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The forward process
#
# To learn how to make images, DDPM first destroys them, slowly. In step $t$ the image shrinks a little and receives a little
# noise (eq. 2):
#
# $$x_t = \sqrt{1 - \beta_t}\; x_{t-1} + \sqrt{\beta_t}\; z_t, \qquad z_t \sim \mathcal N(0, I).$$

# %% [markdown] slideshow={"slide_type": "notes"}
# Why slowly? A big jump into noise cannot be undone: too many images could have led to the same place. A step that
# adds very little noise has an inverse that is simple, very nearly a normal distribution with one mean. A thousand
# simple inverses are easier to learn than one impossible one.
#
# Why shrink? If $x_{t-1}$ has variance 1, so has $x_t$: $(1 - \beta_t) + \beta_t = 1$. Nothing grows without bound.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A film of it
#
# DDPM's table has $T = 1000$ steps, with $\beta_t$ rising in a straight line from 0.0001 to 0.02. The package holds
# that table as a `Schedule`: a time goes in, a `Level` with `alpha` and `sigma` comes out.

# %%
schedule = levels.linear()
times = [0, 50, 100, 200, 300, 400, 500, 650, 800, 999]
noise = torch.randn(4, 1, 8, 8, generator=seeded(1))
states = [denoise.noised(images[[100, 500, 900, 1300]], schedule(t), noise) for t in times]
with figure("Four digits at ten times from 0 to 999: clear at 100, doubtful at 300, noise from 650 on", height=3) as ax:
    plots.film(ax, states, [f"t = {t}" for t in times])

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The closed form
#
# **Claim** (eq. 4). $x_t = \alpha_t\, x_0 + \sigma_t\, \epsilon$ with $\alpha_t^2 = \prod_{i \le t} (1 - \beta_i)$,
# $\sigma_t^2 = 1 - \alpha_t^2$ and *one* normal draw $\epsilon$.
#
# **Proof**, by induction. Suppose that it holds at $t - 1$ and take one more step:
#
# $$x_t = \underbrace{\sqrt{1 - \beta_t}\; \alpha_{t-1}}_{\alpha_t}\, x_0
#       + \sqrt{1 - \beta_t}\; \sigma_{t-1}\, \epsilon + \sqrt{\beta_t}\; z_t .$$
#
# The last two terms are independent and normal: their variances add up to $\sigma_t^2$.

# %% [markdown] slideshow={"slide_type": "notes"}
# In full: the sum is normal with variance $(1 - \beta_t)(1 - \alpha_{t-1}^2) + \beta_t = 1 - (1 - \beta_t)\,
# \alpha_{t-1}^2 = 1 - \alpha_t^2 = \sigma_t^2.$ $\square$

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Is it true?
#
# Below, 5,000 copies of one pixel of value 0.7 walk the whole chain, step by step. Dots are the mean and
# the standard deviation of the walkers, lines are the closed form.

# %%
walkers, rng, seen = torch.full((5000,), 0.7), seeded(0), []
for beta in torch.linspace(1e-4, 0.02, 1000):
    walkers = (1 - beta).sqrt() * walkers + beta.sqrt() * torch.randn(5000, generator=rng)
    seen.append((walkers.mean(), walkers.std()))
level = schedule(torch.arange(1000))

# %%
with figure("Mean and standard deviation of 5000 walkers over t: the dots lie on the lines of the closed form") as ax:
    ax.plot(level.alpha * 0.7, color=plots.look(0).color, label="mean, closed form")
    ax.plot(level.sigma, color=plots.look(1).color, linestyle="--", label="standard deviation, closed form")
    for k, name in enumerate(("mean of the walkers", "standard deviation of the walkers")):
        look = plots.look(k)
        ax.plot(range(0, 1000, 50), [s[k] for s in seen[::50]], look.marker, color=look.color, label=name)
    ax.set(xlabel="t", ylabel="pixel value")
    ax.legend()

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Signal to noise
#
# One number says how hard a level is: the signal-to-noise ratio $\mathrm{SNR}_t = \alpha_t^2 / \sigma_t^2$. Half its
# logarithm, $\lambda_t = \log(\alpha_t / \sigma_t)$, falls all the way from clean to noise.

# %% [markdown] slideshow={"slide_type": "notes"}
# It orders the levels of every diffusion model, whatever its table.

# %%
even = next(t for t in range(1000) if schedule(t).lam < 0)
with figure(f"Left: alpha falls, sigma rises, they cross at t = {even}. Right: log(alpha / sigma) falls "
            f"from {schedule(0).lam:.1f} to {schedule(999).lam:.1f}", width=8.5, cols=2) as (left, right):
    plots.curve(left, level.t, level.alpha, label="alpha: the image", k=0)
    plots.curve(left, level.t, level.sigma, label="sigma: the noise", k=1)
    plots.curve(right, level.t, level.lam, k=2)
    right.axhline(0, color=plots.MUTED, linewidth=1)
    left.set(xlabel="t", ylabel="factor")
    right.set(xlabel="t", ylabel="log(alpha / sigma)")
    left.legend()
print(f"Noise outweighs the image from t = {even} on. At t = 999, alpha = {schedule(999).alpha:.4f}.")

# %% [markdown] slideshow={"slide_type": "notes"}
# ### The table as a whole
#
# A sampler starts from $\mathcal N(0, I)$. So the last level has to be nearly that: $\alpha_T \approx 0$. The same betas, cut to
# their first 100, would end in a picture that still shows the digit.

# %% [markdown] slideshow={"slide_type": "notes"}
# At the far end $\alpha$ is small but not zero: $x_{999}$ is all but independent of the image. This is a property of
# the table as a whole. A sampler started from noise on the cut table would begin with something that the network has
# never seen. That is why the package scales the betas up when $T$ is smaller.

# %% slideshow={"slide_type": "skip"}
cut = levels.from_betas(torch.linspace(1e-4, 0.02, 1000)[:100])
tables = {"1000 steps": schedule, "the first 100 of them": cut, "100 steps, scaled": levels.linear(100)}
for name, table in tables.items():
    end = table(table.span[1])
    print(f"{name:22} alpha at the end {end.alpha:.3f}, sigma {end.sigma:.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One step back
#
# What we want is $q(x_{t-1} \mid x_t)$: given this noisy image, what was it one step earlier? If $x_0$ were known, two
# facts would tell:
#
# - from $x_0$, by the closed form: $x_s \sim \mathcal N(\alpha_s x_0,\ \sigma_s^2)$;
# - from $x_t$, by the forward step $x_t = r\, x_s + \sqrt\beta\, z$: the likelihood is $\mathcal N(x_t;\ r\, x_s,\
#   \beta)$.
#
# Here $s < t$ are two times, $r = \alpha_t / \alpha_s$ and $\beta = 1 - r^2$. Bayes' rule multiplies the two facts.

# %% [markdown] slideshow={"slide_type": "notes"}
# Nobody can compute $q(x_{t-1} \mid x_t)$ itself, since it depends on all images there are; that it becomes simple once
# $x_0$ is known is the key of DDPM. For neighbours $\beta$ is $\beta_t$; keeping $s$ free will let us skip steps later.
# The product of two normal densities is a normal density.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The posterior
#
# In a product of normal densities, precisions (one over variance) add. With $r^2 \sigma_s^2 + \beta = \sigma_t^2$,
# which is the induction step above:
#
# $$\frac{1}{\tilde\beta} = \frac{1}{\sigma_s^2} + \frac{r^2}{\beta}
#   = \frac{\beta + r^2 \sigma_s^2}{\beta\, \sigma_s^2} = \frac{\sigma_t^2}{\beta\, \sigma_s^2}
#   \qquad\Longrightarrow\qquad \tilde\beta = \beta\, \frac{\sigma_s^2}{\sigma_t^2},$$
#
# and the mean is the average of what the two facts say, weighted by precision (eq. 7):
#
# $$\tilde\mu = \tilde\beta \left( \frac{\alpha_s x_0}{\sigma_s^2} + \frac{r\, x_t}{\beta} \right)
#   = \frac{\alpha_s\, \beta\, x_0 + r\, \sigma_s^2\, x_t}{\sigma_t^2}.$$

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Drawn for one pixel
#
# Here $x_0 = 0.8$ and $x_t = -0.3$, and we ask where the pixel was at $s$. The
# posterior comes from the package: `step` gives its mean, `VARIANCES["small"]` its standard deviation.

# %%
def bell(x, mean, std):
    return np.exp(-((x - mean) / std) ** 2 / 2) / (std * np.sqrt(2 * np.pi))


t, s, x0, xt, axis = 400, 300, 0.8, -0.3, np.linspace(-2.5, 2.5, 400)
cur, nxt = schedule(t), schedule(s)
r = cur.alpha / nxt.alpha
mean, std = samplers.step(xt, x0, cur, nxt, samplers.share(cur, nxt)), samplers.VARIANCES["small"](cur, nxt)

# %%
with figure(f"Three bell curves over x_s: from x_0, wide; from x_t, to the left; their product, narrower than both, "
            f"with mean {mean:.2f} and standard deviation {std:.2f}") as ax:
    plots.curve(ax, axis, bell(axis, nxt.alpha * x0, nxt.sigma), label="what x_0 says", k=0)
    plots.curve(ax, axis, bell(axis, xt / r, np.sqrt(1 - r * r) / r), label="what x_t says", k=1)
    plots.curve(ax, axis, bell(axis, mean, std), label="both: the posterior", k=2)
    ax.set(xlabel=f"pixel value at s = {s}", ylabel="density")
    ax.legend()

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### From the posterior to a sampler
#
# While sampling, $x_0$ is what we do not have. A network looks at $x_t$ and guesses it, and the guess takes its place:
#
# $$x_s = \tilde\mu(x_t, \hat x_0) + \sqrt{\tilde\beta}\; z .$$
#
# If the network predicts the noise, $\hat x_0 = (x_t - \sigma_t\, \hat\epsilon) / \alpha_t$, which gives the form in the paper
# (eq. 11):
#
# $$\tilde\mu = \frac{1}{r} \left( x_t - \frac{\beta}{\sigma_t}\, \hat\epsilon \right).$$

# %% [markdown] slideshow={"slide_type": "notes"}
# It is a modest use of a guess. At high noise $\hat x_0$ is poor, but then only a small part of it enters $\tilde\mu$,
# and the next step guesses again from a slightly better image.
#
# The two forms are equal, until $\hat x_0$ is clipped to $[-1, 1]$. Then only the first is right. In the lab nothing is clipped.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Two variances
#
# The paper tries the two extremes:
#
# - **small**, $\tilde\beta = \beta\, \sigma_s^2 / \sigma_t^2$: exact if the data were a single image;
# - **large**, $\beta$: exact if the data were $\mathcal N(0, I)$.

# %% [markdown] slideshow={"slide_type": "notes"}
# The posterior's variance is exact when $x_0$ is known. It is not: $\hat x_0$ is a guess, and what it leaves open should widen
# the step. For data $\mathcal N(0, I)$, $x_s$ and $x_t$ are both $\mathcal N(0, I)$ with correlation $r$, so the variance of one
# given the other is $1 - r^2 = \beta$. Real data lie between. With all 1000 steps the two differ only in the last few; with 20
# they differ over the cleaner two fifths of the way.

# %%
with figure("Standard deviation of the fresh noise over t, small and large: for 1000 steps the curves agree but near "
            "t = 0; for 20 steps large is above small for t below 400, the more the smaller t",
            width=8.5, cols=2) as axes:
    for ax, n in zip(axes, (1000, 20)):
        pairs = list(samplers.steps(schedule.grid(n, "leading")))[:-1]
        for k, (name, std) in enumerate(samplers.VARIANCES.items()):
            plots.curve(ax, [cur.t for cur, _ in pairs], [std(cur, nxt) for cur, nxt in pairs], label=name, k=k)
        ax.set(title=f"{n} steps", xlabel="t", ylabel="std of fresh noise", yscale="log")
        ax.legend()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The loss
#
# The bound on the log-likelihood is a sum over steps (eq. 5). Each step is worth (eq. 12)
#
# $$L_t = \frac{\beta_t^2}{2\, s_t^2\, r_t^2\, \sigma_t^2}\; \big\| \epsilon - \hat\epsilon(x_t, t) \big\|^2 .$$
#
# and the paper drops the factor (eq. 14):
#
# $$L_\text{simple} = \mathbb E_{t,\, x_0,\, \epsilon}\;
# \big\| \epsilon - \hat\epsilon(\alpha_t x_0 + \sigma_t \epsilon,\ t) \big\|^2, \qquad t \text{ uniform.}$$

# %% [markdown] slideshow={"slide_type": "notes"}
# Where the first comes from: maximum likelihood asks for a small Kullback-Leibler divergence between the posterior,
# which knows $x_0$, and the model's step, which has a guess. Both are normal; with the same variance $s_t^2$ their
# divergence is the squared distance of the means over $2 s_t^2$, and by eq. 11 the means differ by $\beta_t / (r_t
# \sigma_t)$ times the error of the noise.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What dropping the factor does
#
# The factor is large near the clean end, where the noise is all but invisible. Without it more of the training goes
# to higher noise, which is the harder task and, the paper argues, the more useful one.

# %%
pairs = list(samplers.steps(schedule.grid(1000, "leading")))[:-1]
kept = np.array([(cur.alpha / nxt.alpha) ** 2 for cur, nxt in pairs])           # r_t^2 = 1 - beta_t
factor = (1 - kept) / (2 * kept * np.array([cur.sigma**2 for cur, _ in pairs]))  # eq. 12 with s_t^2 = beta_t
factor /= factor.mean()

# %%
with figure(f"The factor of eq. 12, scaled to mean 1, over t: {factor[-1]:.0f} at t = 1, {factor[899]:.1f} at t = 100, "
            f"{factor.min():.1f} at least; L_simple weighs every t alike") as ax:
    plots.curve(ax, [cur.t for cur, _ in pairs], factor, label="likelihood (eq. 12, large variance)", k=0)
    ax.axhline(1, color=plots.look(1).color, linestyle="--", label="L_simple")
    ax.set(xlabel="t", ylabel="weight, mean 1", yscale="log")
    ax.legend()

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Why predict the noise?
#
# Given $x_t$, image and noise determine each other, and so do their errors:
#
# $$\| \Delta\epsilon \|^2 = \frac{\alpha_t^2}{\sigma_t^2} \| \Delta x_0 \|^2 = \mathrm{SNR}_t \| \Delta x_0 \|^2 .$$
#
# Choosing what to predict is choosing how the levels are weighed. Noise has variance 1 at every $t$: a network that
# predicts zero has a loss of exactly 1.

# %% [markdown] slideshow={"slide_type": "notes"}
# The best possible prediction is a conditional mean, $\mathbb E[\epsilon \mid x_t]$, since a squared error is least
# there. Its guess of the image is $\mathbb E[x_0 \mid x_t]$: the average of all images that could have become this
# $x_t$. At high noise that average is a blur, and it is right to be one.
#
# %% [markdown] slideshow={"slide_type": "slide"}
# ## Training
#
# The whole of training (algorithm 1): take images, draw a time and a noise for each, mix, predict, compare. First the
# scale, a network that always answers zero; then a small UNet for 400 steps.

# %% [markdown] slideshow={"slide_type": "notes"}
# In the package this is `denoise.loss`, which every lab uses; you write it in this one. (`pred` says what the network
# predicts; here, the noise.)

# %%
silent = lambda x, t: torch.zeros_like(x)
print(f"loss of always answering zero: {denoise.loss(silent, images, schedule, pred='eps', rng=seeded(0)):.3f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# The UNet:

# %%
torch.manual_seed(0)
run = Run(UNet(widths=(16, 32), blocks=1))


def batch_loss(net, step):
    rng = seeded(step)
    batch = images[torch.randint(len(images), (64,), generator=rng)]
    return denoise.loss(net, batch, schedule, pred="eps", rng=rng)


losses = [value for _, value in tqdm(fit(run, batch_loss, steps=400), total=400)]

# %%
smooth = np.convolve(losses, np.ones(25) / 25, "valid")
with figure(f"Training loss over 400 steps, falling from {losses[0]:.2f} to about {smooth[-1]:.2f}; a line at 1 marks "
            "what predicting zero would give") as ax:
    ax.plot(losses, color=plots.MUTED, linestyle="-", linewidth=0.6, label="each batch")
    ax.plot(range(12, 388), smooth, color=plots.look(0).color, label="mean of 25")
    ax.axhline(1, color=plots.look(1).color, linestyle="--", label="predicting zero")
    ax.set(xlabel="step", ylabel="L_simple", ylim=(0, 1.2))
    ax.legend()

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A loss that stands still
#
# Has the network learned all it can? Left, what this one draws; right, the course's network, larger, trained with the same loss
# for longer.

# %% [markdown] slideshow={"slide_type": "notes"}
# The curve falls fast and then seems to stand still. It is noisy for a reason: each batch draws its own times, and
# the loss is very different at different times. The next section looks at that.

# %%
model, schedule = models.denoiser("digits")
card = models.card("digits")
grid = schedule.grid(50, "trailing")
noise = samplers.start((24, 1, 8, 8), grid, seeded(5))
with figure("Left: 24 pictures by the net after 400 steps, some like digits, some blots and noise. Right: 24 by the "
            "course's network from the same noise, all of them clean strokes, most plainly digits",
            height=2.6, cols=2) as axes:
    for ax, net, name in zip(axes, (run.ema, model.net), ("400 steps", f"{card['steps']:,} steps, a larger net")):
        plots.images(ax, samplers.last(samplers.ddim(denoise.Denoiser(net), noise, grid)), name, cols=6)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Where in time the loss lives
#
# From here on we use the network that comes with the course. On the 360 held-out digits, at each of 20 times:

# %%
@torch.no_grad()
def noise_error(t):
    """Mean squared error of the noise at time t over the held-out digits, and its standard error."""
    eps = torch.randn(held_out.shape, generator=seeded(t))
    guess = model.net(denoise.noised(held_out, schedule(t), eps), torch.full((len(held_out),), float(t)))
    each = (guess - eps).square().mean((1, 2, 3))
    return each.mean().item(), each.std().item() / len(each) ** 0.5


times = [0, *range(10, 100, 30), *range(100, 1000, 60), 999]
error, spread = map(np.array, zip(*[noise_error(t) for t in times]))
blind = (held_out - images.mean(0)).square().mean().item()             # the error of always answering the mean digit

# %%
snr = np.array([np.exp(2 * schedule(t).lam) for t in times])
with figure(f"Left: the error of the noise falls from {error[0]:.2f} at t = 0 to {error[-1]:.4f} at t = 999. Right: "
            f"the error of the image rises from {error[0] / snr[0]:.5f} to {error[-1] / snr[-1]:.2f}",
            width=8.5, cols=2) as (left, right):
    plots.curve(left, times, error, error - 2 * spread, error + 2 * spread, k=0)
    plots.curve(right, times, error / snr, (error - 2 * spread) / snr, (error + 2 * spread) / snr, k=1)
    right.axhline(blind, color=plots.MUTED, linestyle=":", label="answering the mean digit")
    right.legend()
    left.set(title="error of the noise: the loss", xlabel="t", ylabel="mean squared error", yscale="log")
    right.set(title="error of the image", xlabel="t", ylabel="mean squared error", yscale="log")
area = np.concatenate([[0], np.cumsum(np.diff(times) * (error[1:] + error[:-1]) / 2)])
print(f"Half of the loss comes from t below {np.interp(area[-1] / 2, area, times):.0f}.")

# %% [markdown] slideshow={"slide_type": "notes"}
# The two panels show the same network. Near $t = 0$ the noise is nearly invisible and predicting it is hard, while the
# image is all but given. Near $t = 999$ the input *is* the noise, and the image can only be guessed. So the loss lives
# at small $t$, and a small loss says little about large $t$.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Worse than the mean digit, and harmless
#
# At the far right the guess is worse than the mean digit would be: a tiny error of the noise is divided by a tiny $\alpha_t$. Why
# does sampling survive it? The step multiplies the guess by as tiny a number again.

# %% [markdown] slideshow={"slide_type": "notes"}
# In letters: $\hat x_0 = (x_t - \sigma_t \hat\epsilon) / \alpha_t$, and what multiplies it in the next state is the
# weight of $x_0$ in $\tilde\mu$.

# %%
for t in (999, 500, 100, 10):
    cur, nxt = schedule(t), schedule(t - 1)
    weight = samplers.step(0.0, 1.0, cur, nxt, samplers.share(cur, nxt))
    print(f"step from t = {t:3}: the guess of the image enters with weight {weight:.5f}")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What the network sees
#
# Three held-out digits, noised to ten levels, and below them the network's guesses of the image: first the digit
# itself, then the blur that the conditional mean must be.

# %%
digits = held_out[[40, 200, 300]]
noise = torch.randn(digits.shape, generator=seeded(4))
times = [50, 150, 250, 350, 450, 550, 650, 750, 850, 999]


@torch.no_grad()
def seen_and_guessed(t):
    x = denoise.noised(digits, schedule(t), noise)
    return x, model(x, schedule(t))


with figure("Above, three digits at ten noise levels; below, the network's guesses: the digit up to t = 250, a blur "
            "that is alike for all three from 450 to 750, and noise at the very end",
            height=4.6, rows=2) as (above, below):
    pairs = [seen_and_guessed(t) for t in times]
    plots.film(above, [x for x, _ in pairs])
    plots.film(below, [x0 for _, x0 in pairs], [f"t = {t}" for t in times])

# %% [markdown] slideshow={"slide_type": "skip"}
# Move the time by hand. Above, twelve held-out digits at level $t$; below, what the network makes of them. (Without a
# running kernel, as on a web page, the figure before this one shows the same at ten times.)

# %%
twelve = held_out[15::30]
twelve_noise = torch.randn(twelve.shape, generator=seeded(6))


@torch.no_grad()
def at_time(ax, t):
    x = denoise.noised(twelve, schedule(t), twelve_noise)
    plots.images(ax, torch.cat([x, model(x, schedule(t))]), f"t = {t}: seen, and guessed", cols=12)


slider(at_time, 0, 999, 300)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Sampling
#
# Algorithm 2 of the paper: start from noise at $t = 999$; in each step let the network guess, move to the posterior mean, and
# add fresh noise, except in the last step, whose result is the image.

# %% [markdown] slideshow={"slide_type": "notes"}
# In the package a sampler is a generator that yields the state after each step, so that a film of it is a list.
# Twenty-four images, all thousand steps:

# %%
grid = schedule.grid(1000, "leading")
x = samplers.start((24, 1, 8, 8), grid, seeded(0))
begun = time.perf_counter()
states = list(tqdm(samplers.ddpm(model, x, grid, "small", seeded(1)), total=1000))
seconds = time.perf_counter() - begun

# %%
shown = [x[:5], *(state[:5] for state in states[99::100])]
with figure("Five samples over the thousand reverse steps: noise until 300 steps are left, an outline at 200 and 100, "
            "and clear digits at the end", height=3.6) as ax:
    plots.film(ax, shown, [f"{left}" for left in range(1000, -1, -100)], frames=11)
    ax.set_xlabel("steps left")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Made and real
#
# For most of the way there is nothing to be seen, and then the digits form within the last three hundred steps. All
# 24, beside real ones:

# %%
with figure("Left: 24 digits drawn by the model. Right: 24 held-out digits. They look alike",
            height=2.6, cols=2) as (left, right):
    plots.images(left, states[-1], "made", cols=6)
    plots.images(right, held_out[7::15][:24], "real", cols=6)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### How good are they?
#
# Looking is not measuring. A classifier that was trained on the digits, and on what is no digit, reads many samples of each
# sampler.

# %% [markdown] slideshow={"slide_type": "notes"}
# *recognizable* is the share that it takes for some digit. *kid* is a distance between its features of the samples and of the
# held-out digits; what real digits score there is the floor. *nearest* is the distance to the nearest training image, over that
# of a held-out digit: near 0 for a copying machine, and 0 in the first row, whose real digits are the training images; the judge
# was trained on them, too, hence 1.00 (of held-out ones it recognizes 0.994). Numbers with 95% intervals, recorded by `python -m
# effml_lab bench digits`.

# %%
for record in records.read(folders.data_folder() / "results" / "digits.jsonl"):
    numbers = (f"{name} {record.quality[name]['value']:.2f} ({record.quality[name]['low']:.2f} to "
               f"{record.quality[name]['high']:.2f})" for name in ("recognizable", "kid", "nearest"))
    print(f"{record.technique:24}" + "  ".join(numbers))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What it costs
#
# The thousand steps wait for each other, each for one call of the network:
#
# $$\text{latency} = T \times \text{cost per step},$$
#
# Can it be checked? Time one call, multiply by 1000, compare with the run above.

# %%
def call(rows):
    x, t = torch.zeros(rows, 1, 8, 8), torch.zeros(rows)
    with torch.no_grad():
        return timed(lambda: model.net(x, t), warmup=5, repeats=30)


sizes = (1, 4, 24, 96)
cost = [call(rows) for rows in sizes]
for rows, ms in zip(sizes, cost):
    print(f"{rows:3} images: {ms.median:6.2f} ms a call ({ms.low:.2f} to {ms.high:.2f}), "
          f"{ms.median / rows:5.2f} s an image for 1000")
print(f"1000 calls with 24 images: {cost[2].median:.1f} s expected, {seconds:.1f} s measured for the whole run above")

# %% slideshow={"slide_type": "skip"}
with figure(f"Seconds for a thousand calls over the batch size, in all and for each image: one image alone takes "
            f"{cost[0].median:.1f} s, each of 96 takes {cost[3].median / 96:.2f} s") as ax:
    plots.curve(ax, sizes, *zip(*cost), label="the batch", k=0)
    plots.curve(ax, sizes, [ms.median / rows for rows, ms in zip(sizes, cost)], label="each image of it", k=1)
    ax.set(xlabel="images in the batch", ylabel="seconds for 1000 calls", xscale="log", yscale="log")
    ax.legend()

# %% [markdown] slideshow={"slide_type": "notes"}
# A larger batch serves more images in the same thousand calls, so each costs less. It does not help the one who waits
# for a single image: the steps still come one after another. And this network is tiny, on images of 64 pixels.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The course in one line
#
# $$\text{latency} = \frac{\text{steps} \times \text{work per step}}{\text{kernel efficiency} \times \text{devices}}$$
#
# relative to a baseline. Work is arithmetic or bytes, whichever the device waits for. What can be attacked:
#
# | factor | attacked in |
# |---|---|
# | steps | 02 samplers, 04 distillation |
# | work: arithmetic | 07 latents, 08 architecture, 09 reuse |
# | work: bytes, and the rate of products | 05 quantization |
# | (spent on what is asked for) | 03 guidance: twice the calls |
# | kernel efficiency | 06 Triton kernels |
# | devices | 10 parallel |

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Skipping steps
#
# The first idea is free: visit only some of the levels, $\beta = 1 - (\alpha_t / \alpha_s)^2$. A third method joins the two
# variances: **DDIM** keeps the noise it finds instead of drawing fresh noise.

# %% [markdown] slideshow={"slide_type": "notes"}
# The posterior above was derived for any pair $s < t$, so nothing changes but the grid; only $\beta$ must come from the levels
# that are kept. DDIM (Song et al. 2021) is the subject of the next lecture. All three start from the same noise.

# %%
methods = {"DDIM": samplers.ddim, "small": samplers.ddpm, "large": samplers.SAMPLERS["ddpm_large"]}


def drawn(method, n):
    grid = schedule.grid(n, "leading")
    return samplers.last(methods[method](model, samplers.start((10, 1, 8, 8), grid, seeded(2)), grid, rng=seeded(3)))


with figure("Ten samples each of DDIM, small and large variance with 10, 50 and 200 steps: with 10 steps large "
            "variance leaves noise all over the pictures; with 200 all three are clean",
            width=9, height=5.4, rows=3, cols=3) as axes:
    for row, n in zip(axes, (10, 50, 200)):
        for ax, method in zip(row, methods):
            plots.images(ax, drawn(method, n), f"{method}, {n} steps", cols=5)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The same in closed form
#
# Is it the network's fault? Take data for which the ideal network is known, a single normal distribution $\mathcal N(0.5,\
# 0.05^2)$.

# %% [markdown] slideshow={"slide_type": "notes"}
# Its denoiser is affine, so a sampler turns a normal distribution into a normal distribution; mean and variance can be
# followed exactly, and so can the divergence (KL) between what comes out and the data. No training, no random numbers,
# milliseconds.

# %% slideshow={"slide_type": "skip"}
counts, names = (10, 20, 50, 100, 200, 500, 1000), ("ddim", "small", "large")
results = {m: [oracle.gaussian_run(schedule.grid(n, "leading"), 0.5, 0.05, m) for n in counts] for m in names}
print("steps      DDIM     small     large   std under large (true 0.050)")
for i, n in enumerate(counts):
    kl = [results[m][i][2] for m in names]
    print(f"{n:5}" + "".join(f"{v:10.2g}" for v in kl) + f"   {results['large'][i][1]:.3f}")

# %%
with figure("KL divergence to the data over the number of steps, both logarithmic: large variance is far the worst "
            "at 10 steps and the best from 500 on; DDIM is below small throughout") as ax:
    for k, method in enumerate(names):
        plots.curve(ax, counts, [run[2] for run in results[method]], label=method, k=k)
    ax.set(xlabel="steps", ylabel="KL to the data, nats", xscale="log", yscale="log")
    ax.legend()

# %% [markdown] slideshow={"slide_type": "notes"}
# The ranks swap. With all 1000 steps the large variance is the best by far; with 10 it is the worst by far; and DDIM
# beats the small variance at every count. With 10, 20, 50 and 1000 steps the order is that of the published table on CIFAR-10
# (Song et al. 2021, table 1); with 100 the large variance is still last there, and second here. So an ideal network shows
# the same swap: it does not take a bad network to explain it.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Why large variance leaves noise
#
# Look at the step to the last kept level. With 10 steps it goes from $t = 100$ to $t = 0$ and adds noise; there the network is
# told of a standard deviation of 0.01, and removes next to nothing.

# %% [markdown] slideshow={"slide_type": "notes"}
# The variance of what is added is $\beta = 1 - \alpha_{100}^2 / \alpha_0^2$, and $\sigma_0 = 0.01$. What was added stays.

# %%
for n in (10, 50, 100, 1000):
    cur, nxt = schedule.grid(n, "leading")[-3:-1]
    std = samplers.VARIANCES["large"](cur, nxt)
    i = counts.index(n)
    print(f"{n:5} steps: the step to t = 0 adds {std:.3f}; the output's std is {results['large'][i][1]:.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What to remember
#
# 1. **Forward:** $x_t = \alpha_t x_0 + \sigma_t \epsilon$, in one jump.
# 2. **Backward:** a network's guess takes the place of $x_0$ in a normal posterior.
# 3. **Loss:** the squared error of the noise. It lives at small $t$.
# 4. **Sampling:** a thousand calls that wait for each other.
# 5. **Skipping steps** changes which variance is right.

# %% [markdown] slideshow={"slide_type": "notes"}
# In the lab you write each of these yourself. The next lecture asks how the steps themselves can be made better.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## References
#
# - J. Ho, A. Jain, P. Abbeel, [Denoising diffusion probabilistic models](https://arxiv.org/abs/2006.11239), 2020.
#   Forward step: eq. 2. Closed form: eq. 4. Bound: eq. 5. Posterior: eq. 6 and 7. Mean from the noise: eq. 11.
#   Weighted loss: eq. 12. $L_\text{simple}$: eq. 14. Training and sampling: algorithms 1 and 2. Both variances:
#   section 3.2.
# - J. Sohl-Dickstein and others, [Deep unsupervised learning using nonequilibrium
#   thermodynamics](https://arxiv.org/abs/1503.03585), 2015. Where the idea comes from.
# - J. Song, C. Meng, S. Ermon, [Denoising diffusion implicit models](https://arxiv.org/abs/2010.02502), 2021. DDIM:
#   eq. 12, its noise: eq. 16, the table of variances over the number of steps: table 1.
# - A. Nichol, P. Dhariwal, [Improved denoising diffusion probabilistic models](https://arxiv.org/abs/2102.09672),
#   2021. Learned variances between the two, and the cosine table.
