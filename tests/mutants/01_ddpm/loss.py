"""Answers to 01-loss: right ones, and wrong ones with the causes that a report may name for them."""
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


def right_einsum(predict_eps, x0, abar, rng):
    eps = torch.empty(x0.shape).normal_(generator=rng)
    t = torch.empty(len(x0), dtype=torch.long).random_(0, len(abar), generator=rng)
    alpha = abar.sqrt()[t].reshape(-1, 1, 1, 1)
    x = alpha * x0
    x += (1 - alpha**2).sqrt() * eps
    off = predict_eps(x, t) - eps
    return torch.einsum("bchw,bchw->", off, off) / off.numel()


class RightModule(torch.nn.Module):
    def forward(self, predict_eps, x0, abar, rng):
        t = torch.multinomial(torch.ones(len(abar)), len(x0), replacement=True, generator=rng)
        eps = torch.randn(*x0.shape, generator=rng)
        a = abar[t][(...,) + (None,) * 3]
        return (eps - predict_eps(a**0.5 * x0 + (1 - a) ** 0.5 * eps, t)).pow(2).flatten(1).mean(1).mean()


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


def wrong_times_elsewhere(predict_eps, x0, abar, rng):
    return with_change(make_t=lambda x0, abar, rng: torch.randint(len(abar), (len(x0),)))(predict_eps, x0, abar, rng)


def wrong_own_rng(predict_eps, x0, abar, rng):
    return right_plain(predict_eps, x0, abar, torch.Generator().manual_seed(0))


def wrong_shape(predict_eps, x0, abar, rng):
    t, eps, _ = draw(x0, abar, rng)
    return (predict_eps(abar[t].sqrt() * x0 + (1 - abar[t]).sqrt() * eps, t) - eps).square().mean()


def wrong_order(predict_eps, x0, abar, rng):
    return right_plain(lambda x, t: predict_eps(t, x), x0, abar, rng)


def wrong_shown(predict_eps, x0, abar, rng):
    return right_plain(lambda x, t: predict_eps(x0, t), x0, abar, rng)


def wrong_item(predict_eps, x0, abar, rng):
    return right_plain(predict_eps, x0, abar, rng).item()


def wrong_fresh(predict_eps, x0, abar, rng):
    answer = with_change(make_loss=lambda o, e, x0: (o - torch.randn(x0.shape, generator=rng)).square().mean())
    return answer(predict_eps, x0, abar, rng)


def wrong_target(predict_eps, x0, abar, rng):
    t, eps, a = draw(x0, abar, rng)
    x = a.sqrt() * x0 + (1 - a).sqrt() * eps
    return (predict_eps(x, t) - x).square().mean()


def wrong_time(predict_eps, x0, abar, rng):
    return right_plain(lambda x, t: predict_eps(x, t / len(abar)), x0, abar, rng)


def noise_of(*shape):
    return lambda x0, rng: torch.randn([n if n else m for n, m in zip(shape, x0.shape)], generator=rng).expand_as(x0)


RIGHT = [right_plain, right_noise_first, right_einsum, RightModule()]
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
    (wrong_rng, ["not all that is random comes from rng"]),
    (wrong_times_elsewhere, ["not all that is random comes from rng"]),
    (wrong_own_rng, []),
    (wrong_shape, []),
    (wrong_order, []),
    (wrong_shown, ["shown x0 itself"]),
    (wrong_item, ["a plain number has no gradient"]),
    (wrong_fresh, ["other noise than that in x_t"]),
    (wrong_target, ["the target is x_t"]),
    (wrong_time, []),
    (with_change(make_eps=noise_of(0, 1, 1, 1)), ["one number for each picture"]),
    (with_change(make_eps=noise_of(1, 0, 0, 0)), ["the same noise for every picture"]),
    (with_change(make_loss=lambda o, e, x0: (o - e).mean()), ["the square is missing"]),
    (with_change(make_loss=lambda o, e, x0: (o - e).square()), []),
    (with_change(make_x=lambda x0, a, e: a * x0 + (1 - a**2).sqrt() * e), ["root is missing on alpha-bar"]),
]
