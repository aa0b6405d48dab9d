"""Answers to 01-ancestral: right ones, and wrong ones with the causes that a report may name for them."""
import torch

EXERCISE = "01-ancestral"


def right_plain(predict_eps, x, betas, rng):
    abar = (1 - betas).cumprod(0)
    for t in reversed(range(len(betas))):
        eps = predict_eps(x, t)
        x = (x - betas[t] / (1 - abar[t]).sqrt() * eps) / (1 - betas[t]).sqrt()
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn(x.shape, generator=rng)
    return x


def right_x0_form_all_noise_first(predict_eps, x, betas, rng):
    z = torch.randn(len(betas), *x.shape, generator=rng)
    abar = torch.cat([torch.ones(1), (1 - betas).cumprod(0)])
    for t in range(len(betas), 0, -1):
        now, before, beta = abar[t], abar[t - 1], betas[t - 1]
        x0 = (x - (1 - now).sqrt() * predict_eps(x, torch.tensor(t - 1))) / now.sqrt()
        x = (before.sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - before) * x) / (1 - now)
        x = x + (t > 1) * beta**0.5 * z[t - 1]
    return x


def right_float64(predict_eps, x, betas, rng):
    betas, y = betas.double(), x.double()
    abar = (1 - betas).cumprod(0)
    for t in torch.arange(len(betas)).flip(0):
        y = (y - betas[t] / (1 - abar[t]).sqrt() * predict_eps(y.float(), t)) / (1 - betas[t]).sqrt()
        if t:
            y = y + betas[t].sqrt() * torch.randn(x.shape, generator=rng)
    return y.float()


def right_in_place_on_a_copy(predict_eps, x, betas, rng):
    abar, x = (1 - betas).cumprod(0), x.clone()
    for t in range(len(betas))[::-1]:
        x -= betas[t] / (1 - abar[t]).sqrt() * predict_eps(x, t)
        x /= (1 - betas[t]).sqrt()
        x -= betas[t].sqrt() * torch.randn(x.shape, generator=rng) * float(t != 0)
    return x


class RightRecursive(torch.nn.Module):
    def forward(self, predict_eps, x, betas, rng):
        abar = (1 - betas).cumprod(0)

        def back(x, t):
            x = (x - betas[t] / (1 - abar[t]).sqrt() * predict_eps(x, torch.tensor(t))) / (1 - betas[t]).sqrt()
            return back(x + betas[t].sqrt() * torch.randn(x.shape, generator=rng), t - 1) if t else x
        return back(x, len(betas) - 1)


def with_change(noise=None, mean=None, times=None, keep_last=False, seeded=True, draw=None, skip=0, table=None):
    def answer(predict_eps, x, betas, rng):
        abar = table(betas) if table else (1 - betas).cumprod(0)
        for t in times(len(betas)) if times else reversed(range(len(betas))):
            b, a = betas[t], abar[t]
            eps = predict_eps(x, t)
            x = mean(x, eps, b, a) if mean else (x - b / (1 - a).sqrt() * eps) / (1 - b).sqrt()
            if t > skip or keep_last:
                before = abar[t - 1] if t else torch.ones(())
                std = noise(b, a, before) if noise else b.sqrt()
                x = x + std * (draw(x, rng) if draw else torch.randn(x.shape, generator=rng if seeded else None))
        return x
    return answer


def paper(betas):
    return (1 - torch.linspace(1e-4, 0.02, 1000)).cumprod(0)


def wrong_once(predict_eps, x, betas, rng):
    z = torch.randn(x.shape, generator=rng)
    return with_change(draw=lambda x, rng: z)(predict_eps, x, betas, rng)


def wrong_first_x(predict_eps, x, betas, rng):
    return right_plain(lambda y, t: predict_eps(x, t), x, betas, rng)


def wrong_new_start(predict_eps, x, betas, rng):
    return right_plain(predict_eps, torch.randn(x.shape, generator=rng), betas, rng)


def wrong_own_rng(predict_eps, x, betas, rng):
    return right_plain(predict_eps, x, betas, torch.Generator().manual_seed(0))


def wrong_generator(predict_eps, x, betas, rng):
    yield right_plain(predict_eps, x, betas, rng)


def wrong_in_place(predict_eps, x, betas, rng):
    x *= 1.0
    x += 0.1 * torch.randn(x.shape, generator=rng)
    return right_plain(predict_eps, x, betas, rng)


def wrong_whole_times(predict_eps, x, betas, rng):
    return right_plain(lambda x, t: predict_eps(x, torch.full((len(x),), t)), x, betas, rng)


def wrong_asked_once(predict_eps, x, betas, rng):
    eps = predict_eps(x, len(betas) - 1)
    return right_plain(lambda x, t: eps, x, betas, rng)


def clipped(most):
    """The guess of x0 is kept within -most ... most."""
    def mean(predict_eps, x, betas, rng):
        abar = (1 - betas).cumprod(0)
        for t in reversed(range(len(betas))):
            now, before, beta = abar[t], abar[t - 1] if t else torch.ones(()), betas[t]
            x0 = ((x - (1 - now).sqrt() * predict_eps(x, t)) / now.sqrt()).clamp(-most, most)
            x = (before.sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - before) * x) / (1 - now)
            x = x + (t > 0) * beta.sqrt() * torch.randn(x.shape, generator=rng)
        return x
    return mean


def before(predict_eps, x, betas, rng):
    abar = (1 - betas).cumprod(0)
    for t in reversed(range(len(betas))):
        x = (x - betas[t] / (1 - abar[t - 1]).sqrt() * predict_eps(x, t)) / (1 - betas[t]).sqrt()
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn(x.shape, generator=rng)
    return x


def drawn(*sizes):
    """Noise of the shape of x, of which some axes have one entry."""
    return with_change(draw=lambda x, rng: torch.randn([n or m for n, m in zip(sizes, x.shape)], generator=rng).expand(x.shape))


def halves(x, rng):
    z = torch.randn(len(x) // 2, *x.shape[1:], generator=rng)
    return torch.cat([z, -z])


def flips(x, rng):
    z = torch.randn(*x.shape[:-1], x.shape[-1] // 2, generator=rng)
    return torch.cat([z, z.flip(-1)], -1)


def wrong_alternating(predict_eps, x, betas, rng):
    z, signs = torch.randn(x.shape, generator=rng), iter([1, -1] * 50)
    return with_change(draw=lambda x, rng: next(signs) * z)(predict_eps, x, betas, rng)


def right_no_grad(predict_eps, x, betas, rng):
    with torch.no_grad():
        alphas = 1 - betas
        abar, T = torch.exp(torch.log(alphas).cumsum(0)), betas.numel()
        for t in range(T - 1, -1, -1):
            z = torch.normal(0.0, 1.0, x.shape, generator=rng) if t else torch.zeros_like(x)
            x = alphas[t] ** -0.5 * (x - (1 - alphas[t]) * (1 - abar[t]) ** -0.5 * predict_eps(x, t)) + betas[t] ** 0.5 * z
        return x


RIGHT = [right_plain, right_x0_form_all_noise_first, right_float64, right_in_place_on_a_copy, RightRecursive(), right_no_grad]
WRONG = [
    (with_change(keep_last=True), ["noise is added at t = 0"]),
    (with_change(noise=lambda b, a, p: b), ["variance beta was used"]),
    (with_change(noise=lambda b, a, p: (b * (1 - p) / (1 - a)).sqrt()), ["this is the small variance"]),
    (with_change(noise=lambda b, a, p: 0 * b), ["no noise is added"]),
    (with_change(noise=lambda b, a, p: (1 - a).sqrt()), ["the noise of all steps"]),
    (with_change(mean=lambda x, e, b, a: (x - b.sqrt() * e) / (1 - b).sqrt()), ["eps is multiplied by sqrt(beta)"]),
    (with_change(mean=lambda x, e, b, a: (x - b / (1 - a).sqrt() * e) / a.sqrt()), ["divided by sqrt(alpha-bar)"]),
    (with_change(mean=lambda x, e, b, a: x - b / (1 - a).sqrt() * e), ["division by sqrt(1 - beta) is missing"]),
    (with_change(mean=lambda x, e, b, a: (x - b / (1 - a).sqrt() * e) / (1 - b)), ["divided by 1 - beta"]),
    (with_change(mean=lambda x, e, b, a: (x - b / (1 - a) * e) / (1 - b).sqrt()), ["the square root is missing"]),
    (with_change(times=range), ["t falls"]),
    (with_change(times=lambda n: range(n - 1, 0, -1)), ["is never asked at t = 0"]),
    (with_change(times=lambda n: reversed(range(n - 1))), ["the first step"]),
    (with_change(seeded=False), ["not all that is random comes from rng"]),
    (with_change(times=lambda n: [n - 1]), ["is asked once"]),
    (with_change(skip=1), ["at t = 1"]),
    (with_change(draw=lambda x, rng: torch.rand(x.shape, generator=rng)), ["uniform noise"]),
    (with_change(draw=lambda x, rng: torch.randn(1, generator=rng)), ["one number for the whole batch"]),
    (with_change(draw=lambda x, rng: torch.randn(len(x), 1, 1, 1, generator=rng)), ["one number for each picture"]),
    (with_change(draw=lambda x, rng: torch.randn(x.shape[1:], generator=rng)), ["the same noise for every picture"]),
    (wrong_once, ["the same noise in every step"]),
    (with_change(table=paper), ["from a table outside"]),
    (with_change(table=lambda betas: (1 - betas).cumprod(0).sqrt()), ["sqrt(1 - alpha)"]),
    (with_change(mean=lambda x, e, b, a: (x + b / (1 - a).sqrt() * e) / (1 - b).sqrt()), ["eps is added"]),
    (with_change(mean=lambda x, e, b, a: x / (1 - b).sqrt() - b / (1 - a).sqrt() * e), ["only x is divided"]),
    (with_change(mean=lambda x, e, b, a: (x - (1 - a).sqrt() * e) / a.sqrt()), ["the guess of x0"]),
    (with_change(noise=lambda b, a, p: (b / (1 - b)).sqrt()), ["the noise is divided"]),
    (wrong_first_x, ["shown the first x"]),
    (wrong_new_start, []),
    (wrong_own_rng, ["a generator of your own"]),
    (wrong_generator, []),
    (wrong_in_place, []),
    (wrong_whole_times, ["t is one whole number for all"]),
    (wrong_asked_once, ["asked once, before the loop"]),
    (clipped(1), ["clipped to -1"]),
    (clipped(2), ["clipped, which"]),
    (clipped(3), ["the state is clipped"]),
    (before, ["read at t - 1"]),
    (with_change(mean=lambda x, e, b, a: (x - b.sqrt() / (1 - a).sqrt() * e) / (1 - b).sqrt()), ["beta itself belongs above"]),
    (with_change(mean=lambda x, e, b, a: (x - b / a.sqrt() * e) / (1 - b).sqrt()), ["sqrt(alpha-bar) stands"]),
    (with_change(noise=lambda b, a, p: 0 * b + 1), ["noise of size 1"]),
    (with_change(noise=lambda b, a, p: 1.03 * b.sqrt()), []),
    (with_change(noise=lambda b, a, p: 0.97 * b.sqrt()), []),
    (drawn(0, 1, 0, 0), ["the same noise for every channel"]),
    (drawn(0, 0, 1, 0), ["the same noise in every row"]),
    (drawn(0, 0, 0, 1), ["the same noise in every column"]),
    (with_change(draw=halves), ["mirrored"]),
    (with_change(draw=flips), ["mirrored"]),
    (wrong_alternating, ["the same noise in every step"]),
    (with_change(draw=lambda x, rng: torch.randint(2, x.shape, generator=rng) * 2.0 - 1), ["two values only"]),
    (with_change(draw=lambda x, rng: (torch.rand(x.shape, generator=rng) - 0.5) * 12**0.5), ["uniform noise"]),
    (with_change(draw=lambda x, rng: torch.randn(x.shape, generator=rng).clamp(-2, 2)), ["not normal"]),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def wrong_cumprod_betas(predict_eps, x, betas, rng):
    ab = betas.cumprod(0)
    for t in reversed(range(len(betas))):
        x = (x - betas[t] / (1 - ab[t]).sqrt() * predict_eps(x, t)) / (1 - betas[t]).sqrt()
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn(x.shape, generator=rng)
    return x


def wrong_no_product(predict_eps, x, betas, rng):
    alphas = 1 - betas
    for t in reversed(range(len(betas))):
        x = (x - betas[t] / (1 - alphas[t]).sqrt() * predict_eps(x, t)) / alphas[t].sqrt()
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn(x.shape, generator=rng)
    return x


def wrong_clamp_x(predict_eps, x, betas, rng):
    ab = (1 - betas).cumprod(0)
    for t in reversed(range(len(betas))):
        x = (x - betas[t] / (1 - ab[t]).sqrt() * predict_eps(x, t)) / (1 - betas[t]).sqrt()
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn(x.shape, generator=rng)
        x = x.clamp(-1, 1)
    return x


def wrong_clamp_end(predict_eps, x, betas, rng):
    ab = (1 - betas).cumprod(0)
    for t in reversed(range(len(betas))):
        x = (x - betas[t] / (1 - ab[t]).sqrt() * predict_eps(x, t)) / (1 - betas[t]).sqrt()
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn(x.shape, generator=rng)
    return x.clamp(-1, 1)


def wrong_abar_prev(predict_eps, x, betas, rng):
    ab = torch.cat([torch.ones(1), (1 - betas).cumprod(0)])
    for t in reversed(range(len(betas))):
        x = (x - betas[t] / (1 - ab[t]).clamp(min=1e-08).sqrt() * predict_eps(x, t)) / (1 - betas[t]).sqrt()
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn(x.shape, generator=rng)
    return x


def wrong_epsilon(predict_eps, x, betas, rng):
    ab = (1 - betas).cumprod(0)
    for t in reversed(range(len(betas))):
        x = (x - betas[t] / (1 - ab[t] + 1e-05).sqrt() * predict_eps(x, t)) / (1 - betas[t]).sqrt()
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn(x.shape, generator=rng)
    return x


def wrong_beta_prev(predict_eps, x, betas, rng):
    ab = (1 - betas).cumprod(0)
    for t in reversed(range(len(betas))):
        x = (x - betas[t] / (1 - ab[t]).sqrt() * predict_eps(x, t)) / (1 - betas[t]).sqrt()
        if t > 0:
            x = x + betas[t - 1].sqrt() * torch.randn(x.shape, generator=rng)
    return x


WRONG += [
    (wrong_cumprod_betas, ["beta eps is not divided by sqrt(1 - alpha-ba"]),
    (wrong_no_product, ["eps is multiplied by sqrt(beta): by beta / s"]),
    (wrong_clamp_x, ["the state is clipped, which no equation asks"]),
    (wrong_clamp_end, ["the state is clipped, which no equation asks"]),
    (wrong_abar_prev, []),
    (wrong_epsilon, []),
    (wrong_beta_prev, ["beta of t - 1 where that of t belongs"]),
]
