import torch

EXERCISE = "01-loss"


def draw(x0, abar, rng):
    t = torch.randint(len(abar), (len(x0),), generator=rng)
    return t, torch.randn(x0.shape, generator=rng), abar[t].view(-1, 1, 1, 1)


def right_plain(predict_eps, x0, abar, rng):
    t, eps, a = draw(x0, abar, rng)
    return (predict_eps(a.sqrt() * x0 + (1 - a).sqrt() * eps, t) - eps).square().mean()


def right_noise_first(predict_eps, x0, abar, rng):
    eps = torch.empty_like(x0).normal_(generator=rng)
    t = (torch.rand(len(x0), generator=rng) * len(abar)).long()
    a = abar[t][:, None, None, None]
    return torch.nn.functional.mse_loss(predict_eps(a**0.5 * x0 + (1 - a) ** 0.5 * eps, t), eps)


def with_change(make_x=None, make_loss=None, make_t=None, make_eps=None):
    def answer(predict_eps, x0, abar, rng):
        t, eps, a = draw(x0, abar, rng)
        if make_t:
            t = make_t(x0, abar, rng)
            a = abar[t].view(-1, 1, 1, 1)
        eps = make_eps(x0, rng) if make_eps else eps
        x = make_x(x0, a, eps) if make_x else a.sqrt() * x0 + (1 - a).sqrt() * eps
        out = predict_eps(x, t)
        return make_loss(out, eps, x0) if make_loss else (out - eps).square().mean()
    return answer


def wrong_detached(predict_eps, x0, abar, rng):
    with torch.no_grad():
        return right_plain(predict_eps, x0, abar, rng)


def wrong_rng(predict_eps, x0, abar, rng):
    return right_plain(predict_eps, x0, abar, None)


RIGHT = [right_plain, right_noise_first]
WRONG = [
    (with_change(make_loss=lambda o, e, x0: (o - e).square().sum()), ["a sum over all"]),
    (with_change(make_loss=lambda o, e, x0: (o - e).square().sum((1, 2, 3)).mean()), ["summed over the pixels"]),
    (with_change(make_loss=lambda o, e, x0: (o - e).abs().mean()), ["absolute values"]),
    (with_change(make_loss=lambda o, e, x0: (o - e).square().mean().sqrt()), ["the root of the mean"]),
    (with_change(make_loss=lambda o, e, x0: (o - x0).square().mean()), ["the target is x0"]),
    (with_change(make_t=lambda x0, abar, rng: torch.randint(1, len(abar), (len(x0),), generator=rng)), ["never drawn"]),
    (with_change(make_t=lambda x0, abar, rng: torch.randint(len(abar) - 1, (len(x0),), generator=rng)), ["never drawn"]),
    (with_change(make_t=lambda x0, abar, rng: torch.randint(len(abar), (1,), generator=rng)), ["one t for the whole batch"]),
    (with_change(make_x=lambda x0, a, e: a * x0 + (1 - a).sqrt() * e), ["root is missing on alpha-bar"]),
    (with_change(make_x=lambda x0, a, e: a.sqrt() * x0 + (1 - a) * e), ["variance 1 - alpha-bar"]),
    (with_change(make_x=lambda x0, a, e: a.sqrt() * x0 + e), ["not scaled by sigma"]),
    (with_change(make_eps=lambda x0, rng: torch.rand(x0.shape, generator=rng)), ["uniform noise"]),
    (wrong_detached, []),
    (wrong_rng, []),
]
