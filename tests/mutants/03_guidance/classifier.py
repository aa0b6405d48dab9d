"""Answers to 03-classifier: right ones, and wrong ones with the causes that a report may name for them."""
import torch
import torch.nn.functional as F

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
    (wrong_argmax, ["pulled to the likeliest class: y says wh"]),
]


# What a reader wrote who had not seen this bank.


def reader__grad(log_prob, x, level, y):
    with torch.enable_grad():
        z = x.detach().requires_grad_()
        return torch.autograd.grad(log_prob(z, level)[torch.arange(len(y)), y].sum(), z)[0]


def reader_wrong_01(denoise, log_prob, y, s):
    def guide(x, level):
        return denoise(x, level) + level.sigma ** 2 / level.alpha * reader__grad(log_prob, x, level, y)
    return guide


def reader_wrong_02(denoise, log_prob, y, s):
    def guide(x, level):
        return denoise(x, level) + s * level.sigma ** 2 * reader__grad(log_prob, x, level, y)
    return guide


def reader_wrong_03(denoise, log_prob, y, s):
    def guide(x, level):
        return denoise(x, level) + s * level.sigma / level.alpha * reader__grad(log_prob, x, level, y)
    return guide


def reader_wrong_04(denoise, log_prob, y, s):
    def guide(x, level):
        return denoise(x, level) - s * level.sigma ** 2 / level.alpha * reader__grad(log_prob, x, level, y)
    return guide


def reader_wrong_05(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            g = torch.autograd.grad(log_prob(z, level)[torch.arange(len(y)), y].mean(), z)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_06(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            g = torch.autograd.grad(log_prob(z, level)[torch.arange(len(y)), y].exp().sum(), z)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_07(denoise, log_prob, y, s):
    def guide(x, level):
        z = x.detach().requires_grad_()
        g = torch.autograd.grad(log_prob(z, level)[torch.arange(len(y)), y].sum(), z)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_08(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            g = torch.autograd.grad(log_prob(z, level).sum(), z)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_09(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            g = torch.autograd.grad(log_prob(z, level)[:, y].sum(), z)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_10(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            x0 = denoise(z, level)
            g = torch.autograd.grad(log_prob(z, level)[torch.arange(len(y)), y].sum(), z)[0]
            return x0 + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_11(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            x0 = denoise(z, level)
            g = torch.autograd.grad(log_prob(x0, level)[torch.arange(len(y)), y].sum(), z)[0]
        return (x0 + s * level.sigma ** 2 / level.alpha * g).detach()
    return guide


def reader_wrong_12(denoise, log_prob, y, s):
    def guide(x, level):
        return denoise(x, level) - s * level.sigma * reader__grad(log_prob, x, level, y)
    return guide


def reader_wrong_13(denoise, log_prob, y, s):
    def guide(x, level):
        return denoise(x, level) + s * level.sigma ** 2 * level.alpha * reader__grad(log_prob, x, level, y)
    return guide


def reader_wrong_14(denoise, log_prob, y, s):
    def guide(x, level):
        return denoise(x, level) + (1 + s) * level.sigma ** 2 / level.alpha * reader__grad(log_prob, x, level, y)
    return guide


def reader_wrong_15(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            g = torch.autograd.grad(log_prob(z, level)[:, y[0]].sum(), z)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_16(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            x.requires_grad_()
            g = torch.autograd.grad(log_prob(x, level)[torch.arange(len(y)), y].sum(), x)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_17(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            g = torch.autograd.grad(F.cross_entropy(log_prob(z, level), y, reduction="sum"), z)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_18(denoise, log_prob, y, s):
    def guide(x, level):
        g = reader__grad(log_prob, x, level, y)
        g = g / g.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_19(denoise, log_prob, y, s):
    def guide(x, level):
        return s * level.sigma ** 2 / level.alpha * reader__grad(log_prob, x, level, y)
    return guide


def reader_wrong_20(denoise, log_prob, y, s):
    def guide(x, level):
        x = x + s * level.sigma ** 2 / level.alpha * reader__grad(log_prob, x, level, y)
        return denoise(x, level)
    return guide


def reader_wrong_21(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            g = torch.autograd.grad(log_prob(z, level).gather(1, y).sum(), z)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_22(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            g = torch.autograd.grad(log_prob(z, level)[torch.arange(len(y)), y], z)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_23(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.clone()
            g = torch.autograd.grad(log_prob(z, level)[torch.arange(len(y)), y].sum(), z)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_24(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            g = torch.autograd.grad(log_prob(z, level)[torch.arange(len(y)), y].sum(), z)
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_25(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            g = torch.autograd.grad(log_prob(z, level.t)[torch.arange(len(y)), y].sum(), z)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_26(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            g = torch.autograd.grad(log_prob(z, level).max(1).values.sum(), z)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_27(denoise, log_prob, y, s):
    def guide(x, level):
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * reader__grad(log_prob, denoise(x, level), level, y)
    return guide


def reader_wrong_28(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            x.requires_grad_()
            log_prob(x, level)[torch.arange(len(y)), y].sum().backward()
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * x.grad
    return guide


def reader_wrong_29(denoise, log_prob, y, s):
    def guide(x, level):
        torch.set_grad_enabled(True)
        z = x.detach().requires_grad_()
        g = torch.autograd.grad(log_prob(z, level)[torch.arange(len(y)), y].sum(), z)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_wrong_30(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            g = torch.autograd.grad(log_prob(z, level)[torch.arange(len(y)), y].log().sum(), z)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_right_1(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            g = torch.autograd.grad(log_prob(z, level)[torch.arange(len(z)), y].sum(), z)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * g
    return guide


def reader_right_2(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            z = x.detach().clone().requires_grad_(True)
            loss = F.nll_loss(log_prob(z, level), y, reduction="sum")
            loss.backward()
        score = (level.alpha * denoise(x, level) - x) / level.sigma ** 2 - s * z.grad
        return (x + level.sigma ** 2 * score) / level.alpha
    return guide


RIGHT += [reader_right_1, reader_right_2]
WRONG += [
    (reader_wrong_01, ["the scale s is missing"]),
    (reader_wrong_02, ["the division by alpha is missing"]),
    (reader_wrong_03, ["sigma / alpha: sigma² belongs above"]),
    (reader_wrong_04, ["the sign: the gradient leads towards the cla"]),
    (reader_wrong_05, ["averaged over the batch: sum, and each image"]),
    (reader_wrong_06, ["the gradient of p: log p belongs there"]),
    (reader_wrong_07, []),
    (reader_wrong_08, ["all classes are added up: take the log-proba"]),
    (reader_wrong_09, ["every image is pulled to all the classes of "]),
    (reader_wrong_10, ["a graph hangs on what is returned, and grows"]),
    (reader_wrong_11, ["the gradient goes through the denoiser as we"]),
    (reader_wrong_12, ["sigma of eps, and its sign: x0 moves along t"]),
    (reader_wrong_13, ["multiplied by alpha: it divides"]),
    (reader_wrong_14, ["s + 1: here s = 0 is guidance off"]),
    (reader_wrong_15, ["every image is pulled to the class of the fi"]),
    (reader_wrong_16, ["the x that was handed in asks for a gradient"]),
    (reader_wrong_17, ["the sign: the gradient leads towards the cla"]),
    (reader_wrong_18, ["the gradient is made to have length 1: it is"]),
    (reader_wrong_19, ["this is the pull alone: it is added to the g"]),
    (reader_wrong_20, []),
    (reader_wrong_21, []),
    (reader_wrong_22, []),
    (reader_wrong_23, []),
    (reader_wrong_24, []),
    (reader_wrong_25, []),
    (reader_wrong_26, ["pulled to the likeliest class: y says which"]),
    (reader_wrong_27, ["the gradient is taken at the guess of x0: th"]),
    (reader_wrong_28, ["gradients add up in x.grad from call to call", "the x that was handed in asks for a gradient"]),
    (reader_wrong_29, ["gradients stay switched on: use torch.enable"]),
    (reader_wrong_30, ["the logarithm is taken twice: log_prob gives"]),
]


def _grad(log_prob, x, level, y):
    with torch.enable_grad():
        copy = x.detach().requires_grad_()
        value = log_prob(copy, level)[torch.arange(len(y)), y].sum()
        return torch.autograd.grad(value, copy)[0]


def second_wrong_01(denoise, log_prob, y, s):
    def guide(x, level):
        return denoise(x, level) + s * level.alpha**2 / level.sigma * _grad(log_prob, x, level, y)
    return guide


def second_wrong_02(denoise, log_prob, y, s):
    def guide(x, level):
        return s * (denoise(x, level) + level.sigma**2 / level.alpha * _grad(log_prob, x, level, y))
    return guide


def second_wrong_03(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            copy = x.detach().requires_grad_()
            value = torch.nn.functional.cross_entropy(log_prob(copy, level), y)
            grad = torch.autograd.grad(value, copy)[0]
        return denoise(x, level) + s * level.sigma**2 / level.alpha * grad
    return guide


def second_wrong_04(denoise, log_prob, y, s):
    def guide(x, level):
        x0 = denoise(x, level)
        return (level.alpha * x0 - x) / level.sigma**2 + s * _grad(log_prob, x, level, y)
    return guide


def second_wrong_05(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            copy = x.detach().requires_grad_()
            value = torch.softmax(log_prob(copy, level), 0)[torch.arange(len(y)), y].log().sum()
            grad = torch.autograd.grad(value, copy)[0]
        return denoise(x, level) + s * level.sigma**2 / level.alpha * grad
    return guide


def second_wrong_06(denoise, log_prob, y, s):
    from effml_lab.diffusion.levels import CLEAN
    def guide(x, level):
        with torch.enable_grad():
            copy = x.detach().requires_grad_()
            value = log_prob(copy, CLEAN)[torch.arange(len(y)), y].sum()
            grad = torch.autograd.grad(value, copy)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * grad
    return guide


def second_wrong_07(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            copy = x.detach().requires_grad_()
            value = log_prob(copy, level)[torch.arange(len(y)), y].sum()
            grad = torch.autograd.grad(value, copy)[0]
        return denoise(x, level) + s * (1 - level.alpha) / level.alpha * grad
    return guide


def second_wrong_08(denoise, log_prob, y, s):
    def guide(x, level):
        with torch.enable_grad():
            copy = x.detach().requires_grad_()
            value = log_prob(copy, level).T[y].diagonal().exp().log().sum()
            grad = torch.autograd.grad(value, copy)[0]
        return denoise(x, level) + s * level.sigma ** 2 / level.alpha * grad.sum(0)
    return guide


WRONG += [
    (second_wrong_01, ["alpha² / sigma: it is sigma² / alpha"]),
    (second_wrong_02, ["the scale multiplies the guess as well: x0 +"]),
    (second_wrong_03, ["cross_entropy is minus a mean: it leads away"]),
    (second_wrong_04, ["this is the score of what is guided: x0 was "]),
    (second_wrong_05, ["softmax over the batch: log_prob gives logar"]),
    (second_wrong_06, []),
    (second_wrong_07, ["1 - alpha for sigma²"]),
    (second_wrong_08, ["the gradient is added up over the batch: eac"]),
]
