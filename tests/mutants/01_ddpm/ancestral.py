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
        x0 = (x - (1 - now).sqrt() * predict_eps(x, torch.full((len(x),), t - 1))) / now.sqrt()
        x = (before.sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - before) * x) / (1 - now)
        x = x + (t > 1) * beta**0.5 * z[t - 1]
    return x


def with_change(noise=None, mean=None, times=None, keep_last=False, seeded=True):
    def answer(predict_eps, x, betas, rng):
        abar = (1 - betas).cumprod(0)
        for t in times(len(betas)) if times else reversed(range(len(betas))):
            b, a = betas[t], abar[t]
            eps = predict_eps(x, t)
            x = mean(x, eps, b, a) if mean else (x - b / (1 - a).sqrt() * eps) / (1 - b).sqrt()
            if t > 0 or keep_last:
                before = abar[t - 1] if t else torch.ones(())
                std = noise(b, a, before) if noise else b.sqrt()
                x = x + std * torch.randn(x.shape, generator=rng if seeded else None)
        return x
    return answer


RIGHT = [right_plain, right_x0_form_all_noise_first]
WRONG = [
    (with_change(keep_last=True), ["noise is added at t = 0"]),
    (with_change(noise=lambda b, a, p: b), ["variance beta was used"]),
    (with_change(noise=lambda b, a, p: (b * (1 - p) / (1 - a)).sqrt()), ["this is the small variance"]),
    (with_change(noise=lambda b, a, p: 0 * b), ["no noise is added"]),
    (with_change(noise=lambda b, a, p: (1 - a).sqrt()), ["the noise of all steps"]),
    (with_change(mean=lambda x, e, b, a: (x - b.sqrt() * e) / (1 - b).sqrt()), ["the noise is subtracted whole"]),
    (with_change(mean=lambda x, e, b, a: (x - b / (1 - a).sqrt() * e) / a.sqrt()), ["divided by sqrt(alpha-bar)"]),
    (with_change(mean=lambda x, e, b, a: x - b / (1 - a).sqrt() * e), ["division by sqrt(1 - beta) is missing"]),
    (with_change(mean=lambda x, e, b, a: (x - b / (1 - a).sqrt() * e) / (1 - b)), ["divided by 1 - beta"]),
    (with_change(mean=lambda x, e, b, a: (x - b / (1 - a) * e) / (1 - b).sqrt()), ["the square root is missing"]),
    (with_change(times=range), ["t falls"]),
    (with_change(times=lambda n: range(n - 1, 0, -1)), ["the last step, t = 0, is missing"]),
    (with_change(times=lambda n: reversed(range(n - 1))), ["the first step"]),
    (with_change(seeded=False), []),
]
