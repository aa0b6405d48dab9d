"""Lab 03: classifier guidance as a denoiser (Dhariwal and Nichol 2021, eq. 14, in x0), on mixtures where the classifier is exact.

Right is known in closed form: with an exact classifier the pull is (x0 given the class - x0) s, by Bayes' rule. Levels do not
preserve the variance, so that 1 - alpha² is told from sigma²; the components differ in width, so that the pull is not linear.
"""
import torch
from torch import Tensor

from ....diffusion.guidance import classifier_guided, guided
from ....diffusion.levels import Level
from ....diffusion.oracle import GaussianMixture
from ...contract.exercise import Exercise, Property, Unanswered, close, same_form
from ..common import integer, tol

FORM, PULL, ALONE = "shape and dtype of x", "x0 + s sigma² / alpha grad log p(y | x)", "an image is pulled by its own class alone"
OFF, ASKED = "s = 0 leaves the guess as it is", "the net is asked once, about x and its level"
FREE, AGAIN = "no gradient is left behind", "asked again about the same x, it says the same"
BATCHES = ((7, 2, torch.float64), (3, 3, torch.float32), (1, 2, torch.float64))
NO_GRADIENT = ("There is no gradient to take. Samplers switch them off (torch.no_grad), so the classifier needs both: `with "
               "torch.enable_grad():`, and in it a copy of x that asks for one, `x.detach().requires_grad_()`.")


def cases(rng):
    out, between = [], lambda low, high: low + (high - low) * torch.rand((), generator=rng, dtype=torch.float64).item()
    for b, d, dtype in BATCHES:
        k = integer(rng, 3, 5)
        draw = lambda *size: torch.randn(size, generator=rng, dtype=torch.float64).to(dtype)
        y = torch.arange(b) % k if b > 1 else torch.tensor([k - 1])
        out.append({"x": 1.2 * draw(b, d), "y": y, "s": between(1.6, 2.8), "means": 1.3 * draw(k, d),
                    "std": torch.tensor([between(0.25, 0.7) for _ in range(k)], dtype=dtype),
                    "weights": torch.tensor([between(0.5, 1.5) for _ in range(k)], dtype=dtype),
                    "level": {"t": between(100, 900), "alpha": between(0.35, 0.6), "sigma": between(0.5, 0.75)}})
    return out


def bed(case) -> tuple[GaussianMixture, Level]:
    return GaussianMixture(case["means"], case["std"], case["weights"]), Level(**case["level"])


def run(impl, case):
    mixture, level = bed(case)
    looks, traces = [], []

    def denoise(x, level):
        looks.append(x.detach().clone())
        return mixture.denoise(x, level)

    def guess(x, y, s, times=1):
        with torch.no_grad():
            try:
                guide, given = impl(denoise, mixture.log_posterior, y.clone(), s), x.clone()
                if guide is denoise:
                    raise Unanswered("What is returned is the denoiser that was handed in, without guidance.")
                outs = [plain(guide(given, level)) for _ in range(times)] if times > 1 else guide(given, level)
                traces.append([given.requires_grad, torch.is_grad_enabled()])
                return outs
            except RuntimeError as error:
                if "does not require grad" in str(error) or "not have been used in the graph" in str(error):
                    raise Unanswered(NO_GRADIENT) from None
                raise
    x, y = case["x"], case["y"]
    out = guess(x, y, case["s"])
    asked, looks[:] = list(looks), []
    keeps = isinstance(out, Tensor) and out.requires_grad
    left = [keeps, *(any(trace) for trace in zip(*traces))]
    return {"out": out.detach() if keeps else out, "traces": left, "asked": asked, "off": plain(guess(x, y, 0.0)),
            "alone": plain(guess(x[:1], y[:1], case["s"])), "again": guess(x, y, case["s"], 2)[1]}


def plain(value):
    return value.detach() if isinstance(value, Tensor) else value


def gradient(case, x: Tensor, y: Tensor, log: bool = True, all_of: bool = False) -> Tensor:
    mixture, level = bed(case)
    with torch.enable_grad():
        seen = x.detach().requires_grad_()
        chance = mixture.log_posterior(seen, level)
        chance = chance if log else chance.exp()
        value = (chance[:, y] if all_of else chance.gather(1, y[:, None])).sum()
        return torch.autograd.grad(value, seen)[0]


def through(case, x: Tensor, y: Tensor) -> Tensor:
    """The gradient of log p(y | x0(x)) in x."""
    mixture, level = bed(case)
    with torch.enable_grad():
        seen = x.detach().requires_grad_()
        return torch.autograd.grad(mixture.log_posterior(mixture.denoise(seen, level), level).gather(1, y[:, None]).sum(),
                                   seen)[0]


def of_batch(case) -> Tensor:
    """The gradient where chances are made over the batch instead of the classes."""
    mixture, level = bed(case)
    with torch.enable_grad():
        seen = case["x"].detach().requires_grad_()
        chance = mixture.log_posterior(seen, level).log_softmax(0)
        return torch.autograd.grad(chance.gather(1, case["y"][:, None]).sum(), seen)[0]


def slips(case) -> dict:
    mixture, level = bed(case)
    x, y, s, a, sigma = case["x"], case["y"], case["s"], level.alpha, level.sigma
    x0, g = mixture.denoise(x, level), gradient(case, x, y)
    right = s * sigma**2 / a * g
    there, likely = gradient(case, x0, y), gradient(case, x, mixture.log_posterior(x, level).argmax(1))
    own = mixture.log_posterior(x, level).gather(1, y[:, None])
    of = lambda factor, pull=g: lambda: x0 + s * factor * pull
    return {
        "the sign: the gradient leads towards the class": lambda: x0 - right,
        "sigma where sigma² / alpha belongs: that is the factor for eps": of(sigma),
        "sigma of eps, and its sign: x0 moves along the gradient, eps against it": of(-sigma),
        "the division by alpha is missing": of(sigma**2),
        "sigma / alpha: sigma² belongs above": of(sigma / a),
        "sigma² / alpha²: alpha belongs below, not its square": of((sigma / a) ** 2),
        "multiplied by alpha: it divides": of(sigma**2 * a),
        "upside down: sigma² belongs above, alpha below": of(a / sigma**2),
        "1 - alpha² for sigma²: not all levels preserve the variance": of((1 - a**2) / a),
        "the factor sigma² / alpha is missing": of(1.0),
        "the scale s is missing": lambda: x0 + sigma**2 / a * g,
        "the scale is squared": lambda: x0 + s * right,
        "s - 1: here s = 0 is guidance off": lambda: x0 + (s - 1) * sigma**2 / a * g,
        "s + 1: here s = 0 is guidance off": lambda: x0 + (s + 1) * sigma**2 / a * g,
        "this is the pull alone: it is added to the guess": lambda: right,
        "the scale multiplies the guess as well: x0 + s times the pull": lambda: s * x0 + right,
        "alpha² / sigma: it is sigma² / alpha": of(a**2 / sigma),
        "1 - alpha for sigma²": of((1 - a) / a),
        "this is the score of what is guided: x0 was asked for": lambda: (a * (x0 + right) - x) / sigma**2,
        "this is the noise of what is guided: x0 was asked for": lambda: (x - a * (x0 + right)) / sigma,
        "cross_entropy is minus a mean: it leads away, and by less the larger the batch is": lambda: x0 - right / len(x),
        "the gradient is added up over the batch: each image has its own": of(sigma**2 / a, g.sum(0, keepdim=True).expand_as(g)),
        "softmax over the batch: log_prob gives logarithms as they are": of(sigma**2 / a, of_batch(case)),
        "added to x: it is the guess of x0 that moves": lambda: x + right,
        "the gradient of p: log p belongs there": of(sigma**2 / a, gradient(case, x, y, log=False)),
        "the gradient is taken at the guess of x0: the classifier was asked about x": of(sigma**2 / a, there),
        "the gradient goes through the denoiser as well: the classifier is asked about x itself": of(
            sigma**2 / a, through(case, x, y)),
        "pulled to the likeliest class: y says which": of(sigma**2 / a, likely),
        "the logarithm is taken twice: log_prob gives logarithms": of(sigma**2 / a, g / own),
        "averaged over the batch: sum, and each image keeps the gradient of its own": of(sigma**2 / a, g / len(x)),
        "every image is pulled to all the classes of the batch: take for each its own (gather)": of(
            sigma**2 / a, gradient(case, x, y, all_of=True)),
        "every image is pulled to the class of the first": of(sigma**2 / a, gradient(case, x, y[:1].expand(len(x)))),
        "all classes are added up: take the log-probability of y": of(
            sigma**2 / a, gradient(case, x, torch.arange(len(case["means"])), all_of=True)),
        "the gradient is made to have length 1: it is as long as it is": of(
            sigma**2 / a, torch.nn.functional.normalize(g, dim=1))}


def verify(case, out):
    mixture, level = bed(case)
    x, y, s = case["x"], case["y"], case["s"]
    x0 = mixture.denoise(x, level)
    right = x0 + s * (mixture.denoise(x, level, y) - x0)
    form = same_form(FORM, out["out"], right, x)
    if not form.readable:
        return [form]
    pull = close(PULL, out["out"], right, slips(case), tol(x.dtype))
    rows = [form, pull, asked(out["asked"], x), off(case, out["off"], x0), free(*out["traces"])]
    if pull.passed:
        alone = [close(ALONE, out["alone"], right[:1], None, tol(x.dtype))] if len(x) > 1 else []
        rows += [*alone, close(AGAIN, out["again"], right, {
            "gradients add up in x.grad from call to call: torch.autograd.grad starts afresh": lambda: right + right - x0},
            tol(x.dtype))]
    return rows


def off(case, got, x0: Tensor) -> Property:
    return close(OFF, got, x0, {"s - 1: here s = 0 is guidance off": lambda: x0 - gradient_part(case),
                                "s + 1: here s = 0 is guidance off": lambda: x0 + gradient_part(case),
                                "the scale s is missing": lambda: x0 + gradient_part(case),
                                "this is the pull alone: it is added to the guess": lambda: torch.zeros_like(x0),
                                "the scale multiplies the guess as well: x0 + s times the pull": lambda: torch.zeros_like(x0),
                                "added to x: it is the guess of x0 that moves": lambda: case["x"]}, tol(x0.dtype))


def gradient_part(case) -> Tensor:
    level = bed(case)[1]
    return level.sigma**2 / level.alpha * gradient(case, case["x"], case["y"])


def asked(looks: list[Tensor], x: Tensor) -> Property:
    if not looks:
        return Property(ASKED, False, "not at all", "once")
    if not all(look.shape == x.shape and torch.equal(look, x) for look in looks):
        return Property(ASKED, False, "about something else than x", "about x")
    return Property(ASKED, len(looks) == 1, f"{len(looks)} times", "once")


def free(keeps: bool, marks: bool, leaves_on: bool) -> Property:
    said = {"a graph hangs on what is returned, and grows from step to step: take the gradient with torch.autograd.grad, and add "
            "it outside of enable_grad": keeps,
            "the x that was handed in asks for a gradient from now on: take a copy, x.detach()": marks,
            "gradients stay switched on: use torch.enable_grad() in a `with`": leaves_on}
    causes = tuple(cause for cause, seen in said.items() if seen)
    return Property(FREE, not causes, "as expected" if not causes else "a gradient is left behind", "none", causes[:1])


EXERCISES = (Exercise("03-classifier", "Pulled by a classifier", {FORM: 0, PULL: 4, ASKED: 0.5, OFF: 0.5, FREE: 0.5, ALONE: 0.5,
                                                                     AGAIN: 0.5},
                      cases, run, verify, own=(classifier_guided, guided)),)
