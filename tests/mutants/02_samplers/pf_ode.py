"""Answers to 02-pf-ode: right ones, and wrong ones with the causes that a report may name for them."""
import torch

from effml_lab.diffusion import levels, samplers

EXERCISE = "02-pf-ode"


def right_plain(score, x, betas):
    for t in reversed(range(len(betas))):
        x = x + betas[t] / 2 * (x + score(x, t))
    return x


def right_drift(score, x, betas):
    for t, beta in list(enumerate(betas))[::-1]:
        f = -beta / 2 * x
        g2 = beta
        x = x - (f - g2 * score(x, torch.tensor(t)) / 2)
    return x


def right_float64(score, x, betas):
    y = x.double()
    for t in range(len(betas) - 1, -1, -1):
        beta = float(betas[t])
        y = (1 + beta / 2) * y + beta / 2 * score(y.to(x.dtype), torch.full((len(x),), t)).double()
    return y.to(x.dtype)


def right_arange(score, x, betas):
    """Times as tensors of no dimension."""
    for t in torch.arange(len(betas)).flip(0):
        x = x + betas[t] / 2 * (x + score(x, t))
    return x


class RightRecursive(torch.nn.Module):
    def forward(self, score, x, betas):
        if not len(betas):
            return x
        t = len(betas) - 1
        return self(score, x + (x + score(x, t)) * betas[t] * 0.5, betas[:-1])


def with_change(step=None, times=None, asked=lambda t: t, table=None):
    def answer(score, x, betas):
        for t in times(len(betas)) if times else reversed(range(len(betas))):
            b = betas[table(t, len(betas)) if table else t]
            s = score(x, asked(t))
            x = step(x, s, b, betas, t) if step else x + b / 2 * x + b / 2 * s
        return x
    return answer


def whole(betas, t):
    return 1 - (1 - betas).cumprod(0)[t]


def ddim(x, s, b, betas, t):
    now = 1 - whole(betas, t)
    before = now / (1 - b)
    eps = -(1 - now).sqrt() * s
    return before.sqrt() * (x - (1 - now).sqrt() * eps) / now.sqrt() + (1 - before).sqrt() * eps


def wrong_first_x(score, x, betas):
    return right_plain(lambda y, t: score(x, t), x, betas)


def wrong_restart(score, x, betas):
    for t in reversed(range(len(betas))):
        y = x + betas[t] / 2 * (x + score(x, t))
    return y


def wrong_in_place(score, x, betas):
    for t in reversed(range(len(betas))):
        x += betas[t] / 2 * (x + score(x, t))
    return x


def wrong_swapped(score, x, betas):
    return right_plain(lambda x, t: score(t, x), x, betas)


def wrong_after_drift(score, x, betas):
    for t in reversed(range(len(betas))):
        x = x + betas[t] / 2 * x
        x = x + betas[t] / 2 * score(x, t)
    return x


def wrong_stacked(score, x, betas):
    states = [x]
    for t in reversed(range(len(betas))):
        states.append(states[-1] + betas[t] / 2 * (states[-1] + score(states[-1], t)))
    return torch.stack(states)


def wrong_list(score, x, betas):
    return list(wrong_stacked(score, x, betas))


def wrong_yields(score, x, betas):
    yield from wrong_stacked(score, x, betas)[1:]


def wrong_calls(score, x, betas):
    schedule = levels.from_betas(betas)
    denoise = lambda x, level: (x + level.sigma**2 * score(x, int(level.t))) / level.alpha
    return samplers.last(samplers.ddim(denoise, x, schedule.grid(len(betas), "leading")))


RIGHT = [right_plain, right_drift, right_float64, RightRecursive(), right_arange]
WRONG = [
    (with_change(lambda x, s, b, bs, t: x + b / 2 * x + b * s), ["the whole score"]),
    (with_change(lambda x, s, b, bs, t: x + b * x + b * s), ["both halves are missing"]),
    (with_change(lambda x, s, b, bs, t: x + b * x + b / 2 * s), ["beta x where"]),
    (with_change(lambda x, s, b, bs, t: x - b / 2 * x + b / 2 * s), ["the drift's sign"]),
    (with_change(lambda x, s, b, bs, t: x + b / 2 * x - b / 2 * s), ["the score's sign"]),
    (with_change(lambda x, s, b, bs, t: x - b / 2 * x - b / 2 * s), ["both signs"]),
    (with_change(lambda x, s, b, bs, t: x + b / 2 * s), ["the drift, (beta / 2) x, is missing"]),
    (with_change(lambda x, s, b, bs, t: x + b / 2 * x), ["the score is missing"]),
    (with_change(lambda x, s, b, bs, t: x + b / 2 * x + s / 2), ["not multiplied by beta"]),
    (with_change(lambda x, s, b, bs, t: x + b / 2 * x + b.sqrt() / 2 * s), ["sqrt(beta) multiplies"]),
    (with_change(lambda x, s, b, bs, t: x + b / 2 * x + b**2 / 2 * s), ["beta² multiplies"]),
    (with_change(lambda x, s, b, bs, t: x + b / 2 * (x + s) / len(bs)), ["1 / T long"]),
    (with_change(lambda x, s, b, bs, t: x + whole(bs, t) / 2 * (x + s)), ["the noise of all steps"]),
    (with_change(lambda x, s, b, bs, t: x + b / 2 * x - b / 2 / whole(bs, t).sqrt() * s), ["not eps"]),
    (with_change(lambda x, s, b, bs, t: x + b / 2 * x - b / 2 * whole(bs, t).sqrt() * s), ["turned into eps"]),
    (with_change(lambda x, s, b, bs, t: (x + b / 2 * s) / (1 - b).sqrt()), ["DDPM's step"]),
    (with_change(lambda x, s, b, bs, t: x / (1 - b).sqrt() + b / 2 * s), ["DDPM's; Euler's"]),
    (with_change(lambda x, s, b, bs, t: (2 - (1 - b).sqrt()) * x + b / 2 * s), ["reverse diffusion"]),
    (with_change(lambda x, s, b, bs, t: (x + b / 2 * (x + s)).clamp(-1, 1)), ["clipped"]),
    (with_change(ddim), ["DDIM's step"]),
    (with_change(lambda x, s, b, bs, t: x + b / 2 * x + b / 2 * s + b.sqrt() * torch.randn_like(x)), ["noise is added"]),
    (with_change(lambda x, s, b, bs, t: x + b / 2 * x + b * s + b.sqrt() * torch.randn_like(x) * (t > 0)), ["noise is added"]),
    (with_change(table=lambda t, T: t - 1), ["beta of t - 1"]),
    (with_change(table=lambda t, T: min(t + 1, T - 1)), ["beta of t + 1"]),
    (with_change(times=range), ["t falls"]),
    (with_change(times=lambda n: range(n - 1, 0, -1)), ["is never asked at t = 0"]),
    (with_change(times=lambda n: reversed(range(n - 1))), ["the first step"]),
    (with_change(times=lambda n: [n - 1]), ["is asked once"]),
    (with_change(asked=lambda t: t - 1), ["asked at t - 1"]),
    (with_change(asked=lambda t: t + 1), ["asked at t + 1"]),
    (with_change(asked=lambda t: (t + 0.5) / 1000), ["asked at a fraction"]),
    (wrong_first_x, ["shown the first x"]),
    (wrong_restart, ["shown the first x"]),
    (wrong_in_place, []),
    (wrong_swapped, []),
    (wrong_after_drift, ["has moved already"]),
    (wrong_stacked, []),
    (wrong_list, []),
    (wrong_yields, []),
    (wrong_calls, []),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def wrong_score_once(score, x, betas):
    s = score(x, len(betas) - 1)
    for t in reversed(range(len(betas))):
        x = x + 0.5 * betas[t] * (x + s)
    return x


def wrong_times_score(score, x, betas):
    for t in reversed(range(len(betas))):
        x = x * (1 + 0.5 * betas[t] + 0.5 * betas[t] * score(x, t))
    return x


def wrong_quarter(score, x, betas):
    for t in reversed(range(len(betas))):
        x = x + 0.5 * betas[t] * (x + 0.5 * score(x, t))
    return x


def wrong_root_beta(score, x, betas):
    for t in reversed(range(len(betas))):
        x = x + 0.5 * betas[t].sqrt() * (x + score(x, t))
    return x


def right_t_tensor(score, x, betas):
    for t in reversed(range(len(betas))):
        x = x + 0.5 * betas[t] * (x + score(x, torch.full((len(x),), t)))
    return x


def wrong_floor_div(score, x, betas):
    for t in reversed(range(len(betas))):
        x = x + betas[t] // 2 * (x + score(x, t))
    return x


def wrong_no_x(score, x, betas):
    for t in reversed(range(len(betas))):
        x = 0.5 * betas[t] * (x + score(x, t))
    return x


def wrong_mean_beta(score, x, betas):
    for t in reversed(range(len(betas))):
        b = (betas[t] + betas[max(t - 1, 0)]) / 2
        x = x + 0.5 * b * (x + score(x, t))
    return x


RIGHT += [right_t_tensor]
WRONG += [
    (wrong_score_once, ["score is asked once: does that stand before "]),
    (wrong_times_score, ["the drift multiplies the score: it is added"]),
    (wrong_quarter, ["half of the half: the ODE has beta / 2 times"]),
    (wrong_root_beta, ["sqrt(beta) where beta belongs: the root is t"]),
    (wrong_floor_div, ["no step moves x: is its size rounded to 0, a"]),
    (wrong_no_x, ["x itself is missing: the step is added to x"]),
    (wrong_mean_beta, []),
]


# What another reader wrote who had not seen this bank, and what was not told then.

def quarter(score, x, betas):
    for t in range(len(betas) - 1, -1, -1):
        x = x + 0.5 * (0.5 * betas[t] * x + betas[t] * score(x, t))
    return x


def last_bare(score, x, betas):
    for t in range(len(betas) - 1, -1, -1):
        x = x + 0.5 * betas[t] * x + (0.5 * betas[t] * score(x, t) if t else 0.0)
    return x


WRONG += [(quarter, ["beta / 2 is halved again before x"]), (last_bare, ["made without it"])]
