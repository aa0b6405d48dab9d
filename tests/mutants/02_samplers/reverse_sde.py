"""Answers to 02-reverse-sde: right ones, and wrong ones with the causes that a report may name for them."""
import torch

from effml_lab.diffusion import levels, samplers, sde

EXERCISE = "02-reverse-sde"


def right_plain(score, x, betas, rng):
    for t in reversed(range(len(betas))):
        x = x + betas[t] / 2 * x + betas[t] * score(x, t)
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn(x.shape, generator=rng)
    return x


def right_backward_time(score, x, betas, rng):
    dt, T = -1.0, len(betas)
    for t in range(T - 1, -1, -1):
        drift = -betas[t] / 2 * x - betas[t] * score(x, torch.full((len(x),), t))
        mean = x + drift * dt
        x = mean + (betas[t] * abs(dt)) ** 0.5 * torch.randn_like(x) if rng is None else (
            mean + (betas[t] * abs(dt)) ** 0.5 * torch.normal(0.0, 1.0, x.shape, generator=rng))
    return mean


def right_float64_noise_first(score, x, betas, rng):
    z, y = torch.randn(len(betas), *x.shape, generator=rng, dtype=x.dtype), x.double()
    for t, beta in sorted(enumerate(betas.tolist()), reverse=True):
        y = (1 + beta / 2) * y + beta * score(y.to(x.dtype), t).double() - beta**0.5 * z[t] * (t != 0)
    return y.to(x.dtype)


def right_in_place_on_a_copy(score, x, betas, rng):
    x = x.clone()
    for i in range(len(betas)):
        t = len(betas) - 1 - i
        x += betas[t] * (x / 2 + score(x, torch.tensor(t)))
        if i < len(betas) - 1:
            x += torch.sqrt(betas[t]) * torch.randn(x.shape, generator=rng)
    return x


def right_asks_twice(score, x, betas, rng):
    for t in range(len(betas))[::-1]:
        x = x + betas[t] / 2 * x + betas[t] / 2 * score(x, t) + betas[t] / 2 * score(x, t) + (
            betas[t].sqrt() * torch.randn(x.shape, generator=rng) if t else 0)
    return x


def with_change(mean=None, noise=None, times=None, keep_last=False, seeded=True, draw=None, skip=0, asked=None, table=None):
    def answer(score, x, betas, rng):
        for t in times(len(betas)) if times else reversed(range(len(betas))):
            b = betas[table(t, len(betas)) if table else t]
            s = score(x, asked(t) if asked else t)
            x = mean(x, s, b, betas, t) if mean else x + b / 2 * x + b * s
            if t > skip or keep_last:
                std = noise(b, betas, t) if noise else b.sqrt()
                x = x + std * (draw(x, rng) if draw else torch.randn(x.shape, generator=rng if seeded else None))
        return x
    return answer


def mirrored(z, sign):
    """The second half of the batch is the first, or its negative."""
    half = z[: len(z) // 2]
    return torch.cat([half, sign * half]) if len(z) > 1 else z


def flipped(z):
    half = z[..., : z.shape[-1] // 2]
    return torch.cat([half, half.flip(-1)], -1)


def whole(betas, t):
    return 1 - (1 - betas).cumprod(0)[t]


def wrong_ddpm(score, x, betas, rng):
    for t in range(len(betas))[::-1]:
        x = (x + betas[t] * score(x, t)) / (1 - betas[t]).sqrt()
        x = x + (betas[t].sqrt() * torch.randn(x.shape, generator=rng) if t else 0)
    return x


def wrong_once(score, x, betas, rng):
    z = torch.randn(x.shape, generator=rng)
    return with_change(draw=lambda x, rng: z)(score, x, betas, rng)


def wrong_first_x(score, x, betas, rng):
    return right_plain(lambda y, t: score(x, t), x, betas, rng)


def wrong_new_start(score, x, betas, rng):
    return right_plain(score, torch.randn(x.shape, generator=rng, dtype=x.dtype), betas, rng)


def wrong_first_half(score, x, betas, rng):
    """Two noises for all steps, in turn."""
    z = torch.randn(2, *x.shape, generator=rng, dtype=x.dtype)
    zs = iter([*z] * len(betas))
    return with_change(draw=lambda x, rng: next(zs))(score, x, betas, rng)


def right_arange(score, x, betas, rng):
    """Times as tensors of no dimension."""
    for t in torch.arange(len(betas) - 1, -1, -1):
        x = x + betas[t] / 2 * x + betas[t] * score(x, t)
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn(x.shape, generator=rng)
    return x


def wrong_own_rng(score, x, betas, rng):
    return right_plain(score, x, betas, torch.Generator().manual_seed(0))


def wrong_swapped(score, x, betas, rng):
    return right_plain(lambda x, t: score(t, x), x, betas, rng)


def wrong_generator(score, x, betas, rng):
    yield right_plain(score, x, betas, rng)


def wrong_pair(score, x, betas, rng):
    return right_plain(score, x, betas, rng), x


def wrong_in_place(score, x, betas, rng):
    x *= 1.1
    return right_plain(score, x, betas, rng)


def wrong_after_drift(score, x, betas, rng):
    for t in range(len(betas))[::-1]:
        x = x + betas[t] / 2 * x
        x = x + betas[t] * score(x, t)
        x = x + (betas[t].sqrt() * torch.randn(x.shape, generator=rng) if t else 0)
    return x


def wrong_after_noise(score, x, betas, rng):
    for t in range(len(betas))[::-1]:
        x = x + betas[t] / 2 * x + (betas[t].sqrt() * torch.randn(x.shape, generator=rng) if t else 0)
        x = x + betas[t] * score(x, t)
    return x


def wrong_calls(score, x, betas, rng):
    schedule = levels.from_betas(betas)
    denoise = lambda x, level: (x + level.sigma**2 * score(x, int(level.t))) / level.alpha
    times = [float(t) for t in range(len(betas))][::-1]
    return samplers.last(sde.euler_maruyama(denoise, x, schedule, times, rng))


RIGHT = [right_plain, right_backward_time, right_float64_noise_first, right_in_place_on_a_copy, right_asks_twice,
         right_arange]
WRONG = [
    (with_change(mean=lambda x, s, b, bs, t: x + b / 2 * x + b / 2 * s), ["half the score"]),
    (with_change(mean=lambda x, s, b, bs, t: x + b / 2 * (x + s), noise=lambda b, bs, t: 0 * b),
     ["half the score", "no noise is added: this"]),
    (with_change(mean=lambda x, s, b, bs, t: x + b / 2 * x + 2 * b * s), ["twice the score"]),
    (with_change(mean=lambda x, s, b, bs, t: x - b / 2 * x + b * s), ["the drift's sign"]),
    (with_change(mean=lambda x, s, b, bs, t: x + b / 2 * x - b * s), ["the score's sign"]),
    (with_change(mean=lambda x, s, b, bs, t: x - b / 2 * x - b * s), ["both signs"]),
    (with_change(mean=lambda x, s, b, bs, t: x + b * s), ["the drift, (beta / 2) x, is missing"]),
    (with_change(mean=lambda x, s, b, bs, t: x + b / 2 * x), ["the score is missing"]),
    (with_change(mean=lambda x, s, b, bs, t: x + b * x + b * s), ["beta x where"]),
    (with_change(mean=lambda x, s, b, bs, t: x + x + b * s), ["x stands without"]),
    (with_change(mean=lambda x, s, b, bs, t: x + b / 2 * x + s), ["not multiplied by beta"]),
    (with_change(mean=lambda x, s, b, bs, t: x + b / 2 * x + b.sqrt() * s), ["sqrt(beta) multiplies"]),
    (with_change(mean=lambda x, s, b, bs, t: x + b / 2 * x + b**2 * s), ["beta² multiplies"]),
    (with_change(mean=lambda x, s, b, bs, t: x + (b / 2 * x + b * s) / len(bs)), ["1 / T long"]),
    (with_change(mean=lambda x, s, b, bs, t: x + (b / 2 * x + b * s) / len(bs), noise=lambda b, bs, t: (b / len(bs)) ** 0.5),
     ["1 / T long"]),
    (with_change(mean=lambda x, s, b, bs, t: x + whole(bs, t) * (x / 2 + s)), ["the noise of all steps"]),
    (with_change(mean=lambda x, s, b, bs, t: x + b / 2 * x - b / whole(bs, t).sqrt() * s), ["not eps"]),
    (with_change(mean=lambda x, s, b, bs, t: x + b / 2 * x - b * whole(bs, t).sqrt() * s), ["turned into eps"]),
    (with_change(mean=lambda x, s, b, bs, t: (2 - (1 - b).sqrt()) * x + b * s), ["the paper's reverse diffusion"]),
    (with_change(mean=lambda x, s, b, bs, t: x / (1 - b).sqrt() + b * s), ["is DDPM's"]),
    (with_change(mean=lambda x, s, b, bs, t: (x + b / 2 * x + b * s).clamp(-1, 1)), ["clipped"]),
    (wrong_ddpm, ["is DDPM's step"]),
    (with_change(table=lambda t, T: t - 1), ["beta of t - 1"]),
    (with_change(table=lambda t, T: min(t + 1, T - 1)), ["beta of t + 1"]),
    (with_change(keep_last=True), ["noise is added at t = 0"]),
    (with_change(keep_last=True, noise=lambda b, bs, t: b), ["noise is added at t = 0", "variance beta was used"]),
    (with_change(noise=lambda b, bs, t: b), ["variance beta was used"]),
    (with_change(noise=lambda b, bs, t: (b / 2).sqrt()), ["sqrt(beta / 2)"]),
    (with_change(noise=lambda b, bs, t: 1.0), ["noise of size 1"]),
    (with_change(noise=lambda b, bs, t: whole(bs, t).sqrt()), ["the noise of all steps"]),
    (with_change(noise=lambda b, bs, t: 0 * b), ["no noise is added: this"]),
    (with_change(skip=1), ["at t = 1"]),
    (with_change(times=range), ["t falls"]),
    (with_change(times=lambda n: range(n - 1, 0, -1)), ["is never asked at t = 0"]),
    (with_change(times=lambda n: reversed(range(n - 1))), ["the first step"]),
    (with_change(times=lambda n: [n - 1]), ["is asked once"]),
    (with_change(asked=lambda t: t - 1), ["asked at t - 1"]),
    (with_change(asked=lambda t: t + 1), ["asked at t + 1"]),
    (with_change(asked=lambda t: t / 1000), ["asked at a fraction"]),
    (with_change(seeded=False), ["not all that is random comes from rng"]),
    (with_change(draw=lambda x, rng: torch.rand(x.shape, generator=rng)), ["uniform noise"]),
    (with_change(draw=lambda x, rng: torch.randn(1, generator=rng)), ["one number for the whole batch"]),
    (with_change(draw=lambda x, rng: torch.randn(len(x), 1, 1, 1, generator=rng)),
     ["one number for each picture", "suits four dimensions"]),
    (with_change(draw=lambda x, rng: torch.randn(x.shape[1:], generator=rng)), ["the same noise for every picture"]),
    (wrong_once, ["the same noise in every step"]),
    (wrong_first_half, ["tells that of another"]),
    (with_change(draw=lambda x, rng: torch.randn(x.shape[-1], generator=rng)), ["the same noise for every picture"]),
    (with_change(draw=lambda x, rng: mirrored(torch.randn(x.shape, generator=rng), 1)), ["one half of the noise"]),
    (with_change(draw=lambda x, rng: mirrored(torch.randn(x.shape, generator=rng), -1)), ["one half of the noise"]),
    (with_change(draw=lambda x, rng: flipped(torch.randn(x.shape, generator=rng))), ["one half of the noise"]),
    (with_change(draw=lambda x, rng: 12**0.5 * (torch.rand(x.shape, generator=rng) - 0.5)), ["uniform noise"]),
    (with_change(draw=lambda x, rng: torch.randn(x.shape, generator=rng).sign()), ["two values only"]),
    (with_change(noise=lambda b, bs, t: (1.03 * b).sqrt()), []),
    (with_change(noise=lambda b, bs, t: (0.97 * b).sqrt()), []),
    (wrong_first_x, ["shown the first x"]),
    (wrong_new_start, ["begins with noise of its own"]),
    (wrong_own_rng, ["a generator of your own"]),
    (wrong_swapped, []),
    (wrong_generator, []),
    (wrong_pair, []),
    (wrong_in_place, []),
    (wrong_after_drift, ["has moved already"]),
    (wrong_after_noise, ["has moved already"]),
    (wrong_calls, []),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def draw(x, rng):
    return torch.randn(x.shape, generator=rng, dtype=x.dtype)


def wrong_noise_wrong_end(score, x, betas, rng):
    T = len(betas)
    for t in range(T - 1, -1, -1):
        x = x + 0.5 * betas[t] * x + betas[t] * score(x, t)
        if t < T - 1:
            x = x + betas[t].sqrt() * draw(x, rng)
    return x


def wrong_score_once(score, x, betas, rng):
    s = score(x, len(betas) - 1)
    for t in reversed(range(len(betas))):
        x = x + 0.5 * betas[t] * x + betas[t] * s
        if t > 0:
            x = x + betas[t].sqrt() * draw(x, rng)
    return x


def wrong_as_eps(score, x, betas, rng):
    abar = (1 - betas).cumprod(0)
    for t in reversed(range(len(betas))):
        x = (x - betas[t] / (1 - abar[t]).sqrt() * score(x, t)) / (1 - betas[t]).sqrt()
        if t > 0:
            x = x + betas[t].sqrt() * draw(x, rng)
    return x


def right_no_dtype(score, x, betas, rng):
    for t in reversed(range(len(betas))):
        x = x + 0.5 * betas[t] * x + betas[t] * score(x, t)
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn(x.shape, generator=rng)
    return x


def right_t_tensor(score, x, betas, rng):
    for t in reversed(range(len(betas))):
        x = x + 0.5 * betas[t] * x + betas[t] * score(x, torch.full((len(x),), t))
        if t > 0:
            x = x + betas[t].sqrt() * draw(x, rng)
    return x


def wrong_root_too_wide(score, x, betas, rng):
    for t in reversed(range(len(betas))):
        x = x + 0.5 * betas[t] * x + betas[t] * score(x, t)
        if t > 0:
            x = x + (betas[t] * draw(x, rng)).sqrt()
    return x


def wrong_posterior_variance(score, x, betas, rng):
    abar = (1 - betas).cumprod(0)
    for t in reversed(range(len(betas))):
        x = x + 0.5 * betas[t] * x + betas[t] * score(x, t)
        if t > 0:
            x = x + (betas[t] * (1 - abar[t - 1]) / (1 - abar[t])).sqrt() * draw(x, rng)
    return x


def wrong_clamped(score, x, betas, rng):
    for t in reversed(range(len(betas))):
        x = x + 0.5 * betas[t] * x + betas[t] * score(x, t)
        if t > 0:
            x = x + betas[t].sqrt() * draw(x, rng)
        x = x.clamp(-3, 3)
    return x


def wrong_late_clamp_2(score, x, betas, rng):
    for t in reversed(range(len(betas))):
        x = x + 0.5 * betas[t] * x + betas[t] * score(x, t)
        if t > 0:
            x = x + betas[t].sqrt() * draw(x, rng)
        x = x.clamp(-2, 2)
    return x


RIGHT += [right_no_dtype, right_t_tensor]
WRONG += [
    (wrong_noise_wrong_end, ["no noise is added on the first step: only th", "noise is added at t = 0 too: return the mean"]),
    (wrong_score_once, ["score is asked once: does that stand before "]),
    (wrong_as_eps, ["x and the score are taken for DDPM's x and e"]),
    (wrong_root_too_wide, []),
    (wrong_posterior_variance, ["DDPM's small variance: here it is beta"]),
    (wrong_clamped, ["the state is clipped, which no equation asks"]),
    (wrong_late_clamp_2, ["the state is clipped, which no equation asks"]),
]
