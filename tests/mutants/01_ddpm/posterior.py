"""Answers to 01-posterior: right ones, and wrong ones with the causes that a report may name for them."""
import torch

from effml_lab.diffusion import samplers
from effml_lab.diffusion.levels import Level

EXERCISE = "01-posterior"


def right_x0_form(x, x0, t, abar):
    before = abar[t - 1] if t > 0 else torch.ones_like(abar[0])
    beta = 1 - abar[t] / before
    mean = (before.sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - before) * x) / (1 - abar[t])
    return mean, beta * (1 - before) / (1 - abar[t]), beta


def right_eps_form(x, x0, t, abar):
    padded = torch.cat([abar.new_ones(1), abar])
    now, before = padded[t + 1], padded[t]
    beta = 1 - now / before
    eps = (x - now.sqrt() * x0) / (1 - now).sqrt()
    return (x - beta / (1 - now).sqrt() * eps) / (1 - beta).sqrt(), (1 - before) / (1 - now) * beta, beta


def right_bayes(x, x0, t, abar):
    now, before = float(abar[t]), float(abar[t - 1]) if t else 1.0
    alpha = now / before
    if t == 0:
        return x0.clone(), 0.0, 1 - alpha
    precision = alpha / (1 - alpha) + 1 / (1 - before)
    mean = (alpha**0.5 / (1 - alpha) * x + before**0.5 / (1 - before) * x0) / precision
    return mean, 1 / precision, 1 - alpha


def right_ones(x, x0, t, abar):
    before = abar[t - 1] if t > 0 else torch.ones(1)
    return list(formula(x, x0, abar[t], before, 1 - abar[t] / before))


def right_floats(x, x0, t, abar):
    table = [1.0, *abar.tolist()]
    return formula(x, x0, table[t + 1], table[t], 1 - table[t + 1] / table[t])


def right_numpy(x, x0, t, abar):
    table = abar.numpy()
    before = table[t - 1] if t else 1.0
    mean, small, large = formula(x.numpy(), x0.numpy(), table[t], before, 1 - table[t] / before)
    return torch.from_numpy(mean), small, large


def formula(x, x0, now, before, beta):
    mean = (before**0.5 * beta * x0 + (1 - beta) ** 0.5 * (1 - before) * x) / (1 - now)
    return mean, beta * (1 - before) / (1 - now), beta


def parts(t, abar):
    before = abar[t - 1] if t else abar.new_ones(())
    return abar[t], before, 1 - abar[t] / before


def wrong_wrapped(x, x0, t, abar):
    return formula(x, x0, abar[t], abar[t - 1], 1 - abar[t] / abar[t - 1])


def wrong_swapped(x, x0, t, abar):
    return formula(x0, x, *parts(t, abar))


def wrong_deviations(x, x0, t, abar):
    mean, small, large = formula(x, x0, *parts(t, abar))
    return mean, small.sqrt(), large.sqrt()


def wrong_exchanged(x, x0, t, abar):
    mean, small, large = formula(x, x0, *parts(t, abar))
    return mean, large, small


def wrong_all_noise(x, x0, t, abar):
    mean, small, large = formula(x, x0, *parts(t, abar))
    return mean, small, 1 - abar[t]


def wrong_no_roots(x, x0, t, abar):
    now, before, beta = parts(t, abar)
    _, small, large = formula(x, x0, now, before, beta)
    return (before * beta * x0 + (1 - beta) * (1 - before) * x) / (1 - now), small, large


def wrong_undivided(x, x0, t, abar):
    now, before, beta = parts(t, abar)
    mean, small, large = formula(x, x0, now, before, beta)
    return mean * (1 - now), small, large


def wrong_now(x, x0, t, abar):
    now, before, beta = parts(t, abar)
    mean, small, large = formula(x, x0, now, before, beta)
    return mean + (now.sqrt() - before.sqrt()) * beta * x0 / (1 - now), small, large


def wrong_outside_table(x, x0, t, abar):
    now, before, _ = parts(t, abar)
    return formula(x, x0, now, before, torch.linspace(1e-4, 0.02, 1000)[t])


def wrong_whole_beta(x, x0, t, abar):
    now, before, _ = parts(t, abar)
    return formula(x, x0, now, before, 1 - now)


def wrong_upside_down(x, x0, t, abar):
    now, before, beta = parts(t, abar)
    mean, small, _ = formula(x, x0, now, before, beta)
    return mean, small, 1 - before / now


def with_weights(of_x0, of_x):
    def answer(x, x0, t, abar):
        now, before, beta = parts(t, abar)
        _, small, large = formula(x, x0, now, before, beta)
        return (of_x0(now, before, beta) * x0 + of_x(now, before, beta) * (1 - before) * x) / (1 - now), small, large
    return answer


def wrong_bracket(x, x0, t, abar):
    now, before, beta = parts(t, abar)
    _, small, large = formula(x, x0, now, before, beta)
    return before.sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - before) * x / (1 - now), small, large


def wrong_nothing_at_0(x, x0, t, abar):
    mean, small, large = right_x0_form(x, x0, t, abar)
    return mean, small if t else None, large


def wrong_shaped(x, x0, t, abar):
    mean, small, large = right_x0_form(x, x0, t, abar)
    return mean, small.expand_as(x), large.expand_as(x)


def wrong_sampled(x, x0, t, abar):
    mean, small, large = right_x0_form(x, x0, t, abar)
    return mean + small.sqrt() * torch.randn_like(x), small, large


def right_table(x, x0, t, abar):
    """Every beta at once, from the neighbours of a table with 1 in front."""
    padded = torch.nn.functional.pad(abar, (1, 0), value=1.0)
    beta = (1 - padded[1:] / padded[:-1])[t]
    return formula(x, x0, abar[t], padded[t], beta.item())


def before_of(choose):
    def answer(x, x0, t, abar):
        before = choose(t, abar)
        return formula(x, x0, abar[t], before, 1 - abar[t] / before)
    return answer


def wrong_unshifted(x, x0, t, abar):
    padded = torch.cat([abar.new_ones(1), abar])
    return formula(x, x0, padded[t], padded[t - 1], 1 - padded[t] / padded[t - 1])


def wrong_special(x, x0, t, abar):
    return right_x0_form(x, x0, t, abar) if t else (x0.clone(), 0.0, 0.0)


def wrong_logs(x, x0, t, abar):
    mean, small, large = formula(x, x0, *parts(t, abar))
    return mean, small.log(), large.log()


def wrong_no_beta(x, x0, t, abar):
    now, before, beta = parts(t, abar)
    _, small, large = formula(x, x0, now, before, beta)
    return (before.sqrt() * x0 + (1 - beta).sqrt() * (1 - before) * x) / (1 - now), small, large


def wrong_package(x, x0, t, abar):
    levels = [Level(float(t), float(a) ** 0.5, float(1 - a) ** 0.5) for a in parts(t, abar)[:2]]
    mean = samplers.step(x, x0, *levels, samplers.share(*levels))
    return mean, samplers.VARIANCES["small"](*levels) ** 2, samplers.VARIANCES["large"](*levels) ** 2


def wrong_share(x, x0, t, abar):
    now, before, beta = parts(t, abar)
    mean, _, large = formula(x, x0, now, before, beta)
    return mean, (1 - before) / (1 - now), large


def wrong_after(x, x0, t, abar):
    now, before = abar[min(t + 1, len(abar) - 1)], abar[t]
    return formula(x, x0, now, before, 1 - now / before)


RIGHT = [right_x0_form, right_eps_form, right_bayes, right_ones, right_floats, right_numpy, right_table]
WRONG = [
    (wrong_wrapped, ["the last entry of the table"]),
    (wrong_swapped, ["swapped"]),
    (wrong_deviations, ["a standard deviation"]),
    (wrong_exchanged, ["this is the large", "this is the small"]),
    (wrong_all_noise, ["the noise of all steps"]),
    (wrong_no_roots, ["square roots are missing"]),
    (wrong_undivided, ["division by 1 - alpha-bar"]),
    (wrong_now, ["sqrt(alpha-bar) of t where"]),
    (wrong_outside_table, ["from a table outside"]),
    (wrong_whole_beta, ["the noise of all steps"]),
    (wrong_upside_down, ["upside down: beta"]),
    (with_weights(lambda n, b, beta: b.sqrt() * beta, lambda n, b, beta: n.sqrt()), ["where sqrt(1 - beta) belongs"]),
    (with_weights(lambda n, b, beta: b.sqrt() * beta, lambda n, b, beta: 1 - beta), ["root of 1 - beta is missing"]),
    (with_weights(lambda n, b, beta: b * beta, lambda n, b, beta: (1 - beta).sqrt()), ["root of alpha-bar before is missing"]),
    (wrong_bracket, ["only the second term", "division by 1 - alpha-bar is missing"]),
    (wrong_nothing_at_0, []),
    (wrong_shaped, []),
    (wrong_sampled, []),
    (before_of(lambda t, abar: abar[t - 1] if t > 1 else torch.ones(())), ["only before t = 0"]),
    (before_of(lambda t, abar: abar[max(t - 1, 0)]), ["abar[0] stands for"]),
    (wrong_unshifted, ["shifted by one"]),
    (wrong_special, ["only the small one is 0 there"]),
    (wrong_logs, ["the logarithm of"]),
    (wrong_no_beta, ["beta is missing in the weight"]),
    (wrong_package, []),
    (wrong_share, ["beta is missing: this"]),
    (wrong_after, ["the step after"]),
    (lambda x, x0, t, abar: (x0, 0.0, 0.0), ["x0 itself", "the small one"]),
]


# What a reader wrote who had not seen this bank, and what was not told then.


def mean_(x, x0, a, p, b):
    return p.sqrt() * b / (1 - a) * x0 + (1 - b).sqrt() * (1 - p) / (1 - a) * x


def stats(t, abar):
    a = abar[t]
    p = abar[t - 1] if t > 0 else torch.ones(()).to(abar)
    return (a, p, 1 - a / p)


def wrong_prev_zero(x, x0, t, abar):
    a = abar[t]
    p = abar[t - 1] if t > 0 else torch.tensor(0.0)
    b = 1 - a / p
    return (mean_(x, x0, a, p, b), (1 - p) / (1 - a) * b, b)


def wrong_denom_prev(x, x0, t, abar):
    a, p, b = stats(t, abar)
    if t == 0:
        return (x0, torch.tensor(0.0), b)
    return (p.sqrt() * b / (1 - p) * x0 + (1 - b).sqrt() * (1 - p) / (1 - a) * x, (1 - p) / (1 - a) * b, b)


def wrong_as_eps(x, x0, t, abar):
    a, p, b = stats(t, abar)
    return ((x - b / (1 - a).sqrt() * x0) / (1 - b).sqrt(), (1 - p) / (1 - a) * b, b)


def wrong_clamped(x, x0, t, abar):
    a, p, b = stats(t, abar)
    return (mean_(x, x0.clamp(-1, 1), a, p, b), (1 - p) / (1 - a) * b, b)


def wrong_epsilon(x, x0, t, abar):
    a, p, b = stats(t, abar)
    d = 1 - a + 1e-05
    return (p.sqrt() * b / d * x0 + (1 - b).sqrt() * (1 - p) / d * x, (1 - p) / d * b, b)


def wrong_cumprod_again(x, x0, t, abar):
    a, p, b = stats(t, abar.cumprod(0))
    return (mean_(x, x0, a, p, b), (1 - p) / (1 - a) * b, b)


def wrong_numerator(x, x0, t, abar):
    a, p, b = stats(t, abar)
    return (p.sqrt() * b / (1 - a) * x0 + (1 - b).sqrt() * x, (1 - p) / (1 - a) * b, b)


WRONG += [
    (wrong_prev_zero, ["0 stands for alpha-bar before t = 0: nothing"]),
    (wrong_denom_prev, ["1 - alpha-bar before divides x0: that of t d"]),
    (wrong_as_eps, ["x0 stands where eq. 11 has eps: with x0 the "]),
    (wrong_clamped, ["x0 is clipped to -1 ... 1, which eq. 7 does "]),
    (wrong_epsilon, []),
    (wrong_cumprod_again, ["abar is multiplied up once more: it is the p"]),
    (wrong_numerator, ["1 - alpha-bar of t multiplies x: that before"]),
]
