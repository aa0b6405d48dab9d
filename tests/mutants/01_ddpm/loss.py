"""Answers to 01-loss: right ones, and wrong ones with the causes that a report may name for them."""
import numpy as np
import torch
import torch.nn.functional as F

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


def told(change):
    """The net is told another t than that of x."""
    return lambda predict_eps, x0, abar, rng: right_plain(lambda x, t: predict_eps(x, change(t, len(abar))), x0, abar, rng)


def read(table):
    return lambda predict_eps, x0, abar, rng: right_plain(predict_eps, x0, table(abar), rng)


def right_with_a_look(predict_eps, x0, abar, rng):
    t, eps, a = draw(x0, abar, rng)
    x = a.sqrt() * x0 + (1 - a).sqrt() * eps
    print(predict_eps(x, t).shape)
    return (predict_eps(x, t) - eps).square().mean()


def right_with_a_look_at_one(predict_eps, x0, abar, rng):
    t, eps, a = draw(x0, abar, rng)
    x = a.sqrt() * x0 + (1 - a).sqrt() * eps
    predict_eps(x[:1], t[:1])
    return (predict_eps(x, t) - eps).square().mean()


def right_in_chunks(predict_eps, x0, abar, rng):
    t, eps, a = draw(x0, abar, rng)
    x = a.sqrt() * x0 + (1 - a).sqrt() * eps
    out = torch.cat([predict_eps(part, at) for part, at in zip(x.chunk(4), t.chunk(4))])
    return (out - eps).square().mean()


def right_permuted(predict_eps, x0, abar, rng):
    t = torch.randperm(len(x0), generator=rng) % len(abar)
    return with_change(make_t=lambda *_: t)(predict_eps, x0, abar, rng)


def antithetic(x0, rng):
    z = torch.randn(len(x0) // 2, *x0.shape[1:], generator=rng)
    return torch.cat([z, -z])


def fixed(x0, rng):
    return torch.randn(x0.shape, generator=torch.Generator().manual_seed(1))


def wrong_noise_only(predict_eps, x0, abar, rng):
    t, eps, _ = draw(x0, abar, rng)
    return (predict_eps(eps, t) - eps).square().mean()


def scaled_target(predict_eps, x0, abar, rng):
    t, eps, a = draw(x0, abar, rng)
    noise = (1 - a).sqrt() * eps
    return (predict_eps(a.sqrt() * x0 + noise, t) - noise).square().mean()


def no_spread(predict_eps, x0, abar, rng):
    a = abar[t := torch.randint(len(abar), (len(x0),), generator=rng)]
    eps = torch.randn(x0.shape, generator=rng)
    return (predict_eps(a.sqrt() * x0 + (1 - a).sqrt() * eps, t) - eps).square().mean()


def rounded(x0, abar, rng):
    return (torch.rand(len(x0), generator=rng) * (len(abar) - 1)).round().long()


def loss_of(change):
    return with_change(make_loss=lambda o, e, x0: change(o - e))


def signs(x0, rng):
    return torch.randint(2, x0.shape, generator=rng) * 2.0 - 1


def numpys(x0, rng):
    return torch.from_numpy(np.random.randn(*x0.shape)).float()


def bigger(size):
    return with_change(make_x=lambda x0, a, e: a.sqrt() * x0 + size * (1 - a).sqrt() * e)


RIGHT = [right_plain, right_noise_first, right_einsum, RightModule(), right_with_a_look, right_with_a_look_at_one,
         right_in_chunks, right_permuted]
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
    (wrong_detached, ["cut off from the net"]),
    (wrong_rng, ["not all that is random comes from rng"]),
    (wrong_times_elsewhere, ["not all that is random comes from rng"]),
    (wrong_own_rng, ["no draw"]),
    (wrong_shape, []),
    (wrong_order, []),
    (wrong_shown, ["shown x0 itself"]),
    (wrong_item, ["a plain number has no gradient"]),
    (wrong_fresh, ["other noise than that in x_t"]),
    (wrong_target, ["the target is x_t"]),
    (wrong_time, ["t is a fraction"]),
    (with_change(make_eps=noise_of(0, 1, 1, 1)), ["one number for each picture"]),
    (with_change(make_eps=noise_of(1, 0, 0, 0)), ["the same noise for every picture"]),
    (with_change(make_loss=lambda o, e, x0: (o - e).mean()), ["the square is missing"]),
    (with_change(make_loss=lambda o, e, x0: (o - e).square()), []),
    (with_change(make_x=lambda x0, a, e: a * x0 + (1 - a**2).sqrt() * e), ["root is missing on alpha-bar", "squared once more"]),
    (with_change(make_t=lambda x0, abar, rng: torch.arange(len(x0)) % len(abar)), ["t is no draw"]),
    (with_change(make_t=lambda x0, abar, rng: (torch.arange(len(x0)) + torch.randint(9, (), generator=rng)) % len(abar)),
     ["t is no draw"]),
    (with_change(make_t=lambda x0, abar, rng: torch.randint(len(abar), (1,), generator=rng).expand(len(x0))), ["one t for"]),
    (with_change(make_t=lambda x0, abar, rng: (torch.randint(len(abar), (len(x0),), generator=rng) + 1).clamp(max=len(abar) - 1)),
     ["the numbers are clamped"]),
    (with_change(make_t=rounded), ["the numbers are rounded"]),
    (with_change(make_eps=noise_of(0, 1, 0, 0)), ["the same noise for every channel"]),
    (with_change(make_eps=noise_of(0, 0, 1, 0)), ["the same noise in every row"]),
    (with_change(make_eps=noise_of(0, 0, 0, 1)), ["the same noise in every column"]),
    (with_change(make_eps=noise_of(0, 0, 1, 1)), ["the same noise in every"]),
    (with_change(make_eps=antithetic), ["mirrored"]),
    (with_change(make_eps=fixed), ["eps is no draw"]),
    (with_change(make_eps=signs), ["two values only"]),
    (with_change(make_eps=numpys), ["not all that is random", "no draw"]),
    (with_change(make_eps=lambda x0, rng: torch.randn(x0.shape, generator=rng).clamp(-2, 2)), ["not normal"]),
    (told(lambda t, T: T - 1 - t), ["from the other end"]),
    (told(lambda t, T: (t + 1).clamp(max=T - 1)), ["another t than that of x", "the numbers are clamped"]),
    (read(lambda abar: torch.cat([abar.new_ones(1), abar[1:]])), ["t = 0 is taken for clean"]),
    (read(lambda abar: abar.cumprod(0)), ["taken once more"]),
    (read(lambda abar: (1 - abar).cumprod(0)), ["taken for betas"]),
    (wrong_noise_only, ["the noise alone"]),
    (scaled_target, ["the scaled noise"]),
    (no_spread, ["reshape it"]),
    (loss_of(lambda off: off.norm()), ["a norm is the root"]),
    (loss_of(lambda off: off.mean() ** 2), ["the mean is squared"]),
    (loss_of(lambda off: off.flatten(1).norm(dim=1).mean()), ["the norms of the images"]),
    (loss_of(lambda off: -off.square().mean()), ["the sign"]),
    (bigger(1.03), []),
    (bigger(0.97), []),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def forward(x0, t, abar, eps):
    a = col(abar[t], x0)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


def col(a, x):
    return a.reshape(-1, *[1] * (x.ndim - 1))


def reader_draw(x0, abar, rng):
    t = torch.randint(len(abar), (len(x0),), generator=rng)
    return (t, torch.randn(x0.shape, generator=rng, dtype=x0.dtype))


def wrong_paper_t(predict_eps, x0, abar, rng):
    t = torch.randint(1, len(abar) + 1, (len(x0),), generator=rng)
    eps = torch.randn(x0.shape, generator=rng, dtype=x0.dtype)
    return F.mse_loss(predict_eps(forward(x0, t - 1, abar, eps), t), eps)


def wrong_forward_args(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    return F.mse_loss(predict_eps(forward(x0, eps, abar, t), t), eps)


def wrong_weighted_vlb(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    prev = torch.cat([abar.new_ones(1), abar[:-1]])
    beta = 1 - abar / prev
    w = beta / (2 * (1 - beta) * (1 - abar))
    return (col(w[t], x0) * (eps - predict_eps(forward(x0, t, abar, eps), t)).square()).mean()


def wrong_huber(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    return F.smooth_l1_loss(predict_eps(forward(x0, t, abar, eps), t), eps)


def wrong_bessel(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    return (eps - predict_eps(forward(x0, t, abar, eps), t)).var()


def wrong_clamped_xt(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    return F.mse_loss(predict_eps(forward(x0, t, abar, eps).clamp(-1, 1), t), eps)


def wrong_x0_loss(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    x = forward(x0, t, abar, eps)
    a = col(abar[t], x0)
    return F.mse_loss((x - (1 - a).sqrt() * predict_eps(x, t)) / a.sqrt(), x0)


def wrong_guess_clamped(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    return F.mse_loss(predict_eps(forward(x0, t, abar, eps), t).clamp(-1.5, 1.5), eps)


def wrong_sum_channels(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    return (predict_eps(forward(x0, t, abar, eps), t) - eps).square().sum(1).mean()


def wrong_sum_over_B(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    return (predict_eps(forward(x0, t, abar, eps), t) - eps).square().mean((1, 2, 3)).sum()


def wrong_t_per_pixel(predict_eps, x0, abar, rng):
    t = torch.randint(len(abar), x0.shape, generator=rng)
    eps = torch.randn(x0.shape, generator=rng, dtype=x0.dtype)
    return F.mse_loss(predict_eps(abar[t].sqrt() * x0 + (1 - abar[t]).sqrt() * eps, t), eps)


def wrong_level_t_minus_1(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    return F.mse_loss(predict_eps(forward(x0, t - 1, abar, eps), t), eps)


def wrong_told_t_plus_1(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    return F.mse_loss(predict_eps(forward(x0, t, abar, eps), t + 1), eps)


def wrong_two_ts(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    x = forward(x0, t, abar, eps)
    t = torch.randint(len(abar), (len(x0),), generator=rng)
    return F.mse_loss(predict_eps(x, t), eps)


def wrong_sigma_1_minus_alpha(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    a = col(abar[t], x0).sqrt()
    return F.mse_loss(predict_eps(a * x0 + (1 - a) * eps, t), eps)


def wrong_minus_noise(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    return F.mse_loss(predict_eps(forward(x0, t, abar, -eps), t), eps)


def wrong_snr_weight(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    w = (abar / (1 - abar)).clamp(max=5)[t]
    return (w * (predict_eps(forward(x0, t, abar, eps), t) - eps).square().mean((1, 2, 3))).mean()


def wrong_v_target(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    a = col(abar[t], x0)
    return F.mse_loss(predict_eps(forward(x0, t, abar, eps), t), a.sqrt() * eps - (1 - a).sqrt() * x0)


def wrong_score_target(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    return F.mse_loss(predict_eps(forward(x0, t, abar, eps), t), -eps / (1 - col(abar[t], x0)).sqrt())


def wrong_offset_noise(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    eps = eps + 0.1 * torch.randn(len(x0), x0.shape[1], 1, 1, generator=rng)
    return F.mse_loss(predict_eps(forward(x0, t, abar, eps), t), eps)


def wrong_noise_normalized(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    eps = eps / eps.std((1, 2, 3), keepdim=True)
    return F.mse_loss(predict_eps(forward(x0, t, abar, eps), t), eps)


def wrong_abar_clamped(predict_eps, x0, abar, rng):
    t, eps = reader_draw(x0, abar, rng)
    return F.mse_loss(predict_eps(forward(x0, t, abar.clamp(min=0.01), eps), t), eps)


WRONG += [
    (wrong_paper_t, ["t counts from 0 here, as abar does", "the net is told another t than that of x"]),
    (wrong_forward_args, []),
    (wrong_weighted_vlb, []),
    (wrong_huber, []),
    (wrong_bessel, []),
    (wrong_clamped_xt, ["x_t is clipped: the net sees it as eq. 4 mak"]),
    (wrong_x0_loss, []),
    (wrong_guess_clamped, []),
    (wrong_sum_channels, ["summed over the channels: take the mean over"]),
    (wrong_sum_over_B, ["summed over the images: take the mean over e"]),
    (wrong_t_per_pixel, []),
    (wrong_level_t_minus_1, ["x is made with t - 1, which at t = 0 is the "]),
    (wrong_told_t_plus_1, ["t counts from 0 here, as abar does", "the net is told another t than that of x"]),
    (wrong_two_ts, ["the net is told another t than that of x: dr"]),
    (wrong_sigma_1_minus_alpha, ["1 - sqrt(alpha-bar): take the root after the"]),
    (wrong_minus_noise, ["a sign: eps is subtracted in x_t, or the tar"]),
    (wrong_snr_weight, []),
    (wrong_v_target, ["the target is v: this net is asked for the n"]),
    (wrong_score_target, ["the target is the score, -eps / sigma: this "]),
    (wrong_offset_noise, ["part of the noise is one number for several "]),
    (wrong_noise_normalized, ["the noise of each image is brought to one si"]),
    (wrong_abar_clamped, []),
]


def wrong_told_t_minus_1(predict_eps, x0, abar, rng):
    t, eps, a = draw(x0, abar, rng)
    return (predict_eps(a.sqrt() * x0 + (1 - a).sqrt() * eps, t - 1) - eps).square().mean()


WRONG += [(wrong_told_t_minus_1, ["the net is told another t than that of x"])]
