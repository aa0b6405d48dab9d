"""Answers to 03-classifier: right ones, and wrong ones with the causes that a report may name for them."""
import torch

EXERCISE = "03-classifier"


def right(denoise, log_prob, y, s):
    def guide(x, level):
        x0 = denoise(x, level)
        with torch.enable_grad():
            seen = x.detach().requires_grad_()
            chance = log_prob(seen, level).gather(1, y[:, None]).sum()
            pull = torch.autograd.grad(chance, seen)[0]
        return x0 + s * level.sigma**2 / level.alpha * pull
    return guide


def right_indexed(denoise, log_prob, y, s):
    @torch.enable_grad()
    def gradient(x, level):
        x = x.clone().detach().requires_grad_(True)
        log_prob(x, level)[torch.arange(len(x)), y].sum().backward()
        return x.grad

    def guide(x, level):
        return denoise(x, level) + gradient(x, level) * (s * level.sigma * level.sigma / level.alpha)
    return guide


def right_in_eps(denoise, log_prob, y, s):
    def guide(x, level):
        x0 = denoise(x, level)
        eps = (x - level.alpha * x0) / level.sigma
        total = lambda z: log_prob(z, level)[range(len(z)), y].sum()
        with torch.enable_grad():
            pull = torch.autograd.functional.jacobian(total, x)
        eps = eps - s * level.sigma * pull
        return (x - level.sigma * eps) / level.alpha
    return guide


def change(factor=lambda s, l: s * l.sigma**2 / l.alpha, value=lambda lp, y: lp.gather(1, y[:, None]).sum(),
           at=lambda x, x0: x, base=lambda x, x0: x0, pulled=lambda g: g):
    def answer(denoise, log_prob, y, s):
        def guide(x, level):
            x0 = denoise(x, level)
            with torch.enable_grad():
                seen = at(x, x0).detach().requires_grad_()
                pull = torch.autograd.grad(value(log_prob(seen, level), y), seen)[0]
            return base(x, x0) + factor(s, level) * pulled(pull)
        return guide
    return answer


def wrong_no_grad(denoise, log_prob, y, s):
    def guide(x, level):
        seen = x.detach().requires_grad_()
        pull = torch.autograd.grad(log_prob(seen, level).gather(1, y[:, None]).sum(), seen)[0]
        return denoise(x, level) + s * level.sigma**2 / level.alpha * pull
    return guide


def wrong_not_required(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            pull = torch.autograd.grad(log_prob(x, level).gather(1, y[:, None]).sum(), x)[0]
        return denoise(x, level) + s * level.sigma**2 / level.alpha * pull
    return guide


def wrong_graph(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            seen = x.detach().requires_grad_()
            pull = torch.autograd.grad(log_prob(seen, level).gather(1, y[:, None]).sum(), seen)[0]
            return denoise(seen, level) + s * level.sigma**2 / level.alpha * pull
    return guide


def wrong_twice(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            seen = x.detach().requires_grad_()
            pull = torch.autograd.grad(log_prob(seen, level).gather(1, y[:, None]).sum(), seen)[0]
        x = x + level.sigma**2 * s * pull
        return denoise(x, level)
    return guide


def wrong_value(denoise, log_prob, y, s):
    return lambda x, level: denoise(x, level) + s * level.sigma**2 / level.alpha * log_prob(x, level).gather(1, y[:, None])


def wrong_plain(denoise, log_prob, y, s):
    return lambda x, level: denoise(x, level)


def wrong_tensor(denoise, log_prob, y, s):
    return denoise


def wrong_argmax(denoise, log_prob, y, s):
    return change(value=lambda lp, y: lp.max(1).values.sum())(denoise, log_prob, y, s)


RIGHT = [right, right_indexed, right_in_eps]
WRONG = [
    (change(lambda s, l: -s * l.sigma**2 / l.alpha), ["the sign"]),
    (change(lambda s, l: s * l.sigma), ["sigma where sigma² / alpha"]),
    (change(lambda s, l: -s * l.sigma), ["sigma of eps, and its sign"]),
    (change(lambda s, l: s * l.sigma**2), ["division by alpha is missing"]),
    (change(lambda s, l: s * l.sigma / l.alpha), ["sigma / alpha: sigma²"]),
    (change(lambda s, l: s * (l.sigma / l.alpha) ** 2), ["sigma² / alpha²"]),
    (change(lambda s, l: s * l.sigma**2 * l.alpha), ["multiplied by alpha"]),
    (change(lambda s, l: s * l.alpha / l.sigma**2), ["upside down"]),
    (change(lambda s, l: s * (1 - l.alpha**2) / l.alpha), ["1 - alpha²"]),
    (change(lambda s, l: s), ["the factor sigma² / alpha is missing"]),
    (change(lambda s, l: l.sigma**2 / l.alpha), ["the scale s is missing"]),
    (change(lambda s, l: s**2 * l.sigma**2 / l.alpha), ["the scale is squared"]),
    (change(lambda s, l: (s - 1) * l.sigma**2 / l.alpha), ["s - 1"]),
    (change(lambda s, l: (s + 1) * l.sigma**2 / l.alpha), ["s + 1"]),
    (change(base=lambda x, x0: 0), ["this is the pull alone"]),
    (change(base=lambda x, x0: x), ["added to x"]),
    (change(value=lambda lp, y: lp.exp().gather(1, y[:, None]).sum()), ["the gradient of p"]),
    (change(at=lambda x, x0: x0), ["taken at the guess"]),
    (change(value=lambda lp, y: lp.gather(1, y[:, None]).mean()), ["averaged over the batch"]),
    (change(value=lambda lp, y: lp[:, y].sum()), ["all the classes of the batch"]),
    (change(value=lambda lp, y: lp[:, y[0]].sum()), ["the class of the first"]),
    (change(value=lambda lp, y: lp.sum()), ["all classes are added up"]),
    (change(pulled=lambda g: torch.nn.functional.normalize(g, dim=1)), ["made to have length 1"]),
    (wrong_no_grad, []),
    (wrong_not_required, []),
    (wrong_graph, ["a graph hangs"]),
    (wrong_twice, []),
    (wrong_value, []),
    (wrong_plain, []),
    (wrong_tensor, []),
    (wrong_argmax, []),
]
