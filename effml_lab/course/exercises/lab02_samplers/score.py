"""Lab 02: the score of a noised mixture of Gaussians (Song et al. 2021; Tweedie's formula in closed form).

One component alone shows the variance and the means, several show the weights, and points far from every mean show
whether the weights survive floating point. alpha² + sigma² is not 1, so a formula for variance-preserving levels fails.
"""
import math

import torch
from torch import Tensor

from ....diffusion.oracle import GaussianMixture
from ...contract.exercise import Exercise, Property, close, forgiven, prediction
from ..common import COUNT, all_formed, integer, tol

FORM, FAR = "shape and dtype of x", "far from every mean: finite, and right"
EDGE = "one point alone, and one coordinate alone: still shaped like x"
SQUEEZED = "an axis of length 1 is lost (squeeze): name the axis that is to go, as in sum(1)"
ONE, SEVERAL = "one component: the pull towards it", "several components: the weighted pull"
UNDERFLOW = "exp(...) leaves the range of floating point: let softmax or logsumexp take the largest exponent out"


def cases(rng):
    sizes = [(23, 3, 2, torch.float32), (4, 4, 3, torch.float64)]     # B = K shows a wrong axis
    between = lambda low, high: low + (high - low) * torch.rand((), generator=rng).item()
    out = []
    for b, k, d, dtype in sizes:
        draw = lambda n, size: (size * torch.randn(n, d, generator=rng)).to(dtype)
        means = draw(k, 1.5)
        far = torch.nn.functional.normalize(draw(b, 1.0), dim=1) * integer(rng, 60, 90)
        out.append({"x": draw(b, 1.3), "far": far, "means": means, "std": between(0.2, 0.5),
                    "alpha": between(0.4, 0.7), "sigma": between(0.4, 0.6)})
    return out


def run(impl, case):
    call = lambda x, means: impl(x, means, case["std"], case["alpha"], case["sigma"])
    x, means = case["x"], case["means"]
    return [call(x, means[:1]), call(x, means), call(case["far"], means), call(x[:1], means), call(x[:, :1], means[:, :1])]


def pull(offset: Tensor, v: float, weights: Tensor) -> Tensor:
    """-sum_k w_k (x - alpha mu_k) / v. offset: (B, K, D); weights: (B, K), or (B, K, D), one a coordinate."""
    return -((weights if weights.ndim == 3 else weights[..., None]) * offset).sum(1) / v


def field(offset: Tensor, v: float) -> Tensor:
    return pull(offset, v, (-offset.square().sum(-1) / (2 * v)).softmax(1))


def right(case, x: Tensor, means: Tensor) -> Tensor:
    return field(x.double()[:, None] - case["alpha"] * means.double(), variance(case))


def variance(case) -> float:
    return case["alpha"] ** 2 * case["std"] ** 2 + case["sigma"] ** 2


def size_slips(case, x: Tensor, means: Tensor) -> dict:
    """What can go wrong with the means, the variance and the sign, whatever the weights."""
    x, mu, a, s, std, v = x.double()[:, None], means.double(), case["alpha"], case["sigma"], case["std"], variance(case)
    near = x - a * mu
    score = field(near, v)
    data = (x[:, 0] + s**2 * score) / a
    return {
        "the sign: the score points towards the data": lambda: -score,
        "alpha is sqrt(alpha-bar) already: it scales the means as it is, and its square the variance": lambda: field(
            x - a**0.5 * mu, a * std**2 + s**2),
        "alpha stands before the bracket: it scales the mean alone, alpha mu - x": lambda: pull(
            a * (x - mu), v, (-(a * (x - mu)).square().sum(-1) / (2 * v)).softmax(1)),
        "alpha and sigma are exchanged in the variance, alpha² std² + sigma²": lambda: field(near, s**2 * std**2 + a**2),
        "the means are not scaled by alpha: x = alpha x0 + sigma eps": lambda: field(x - mu, v),
        "the variance is that of the data alone: the noise adds sigma²": lambda: field(near, a**2 * std**2),
        "sigma² where alpha² std² + sigma² belongs: the data have a width too": lambda: field(near, s**2),
        "std is not scaled by alpha: x = alpha x0 + sigma eps": lambda: field(near, std**2 + s**2),
        "alpha std²: a variance is scaled by alpha²": lambda: field(near, a * std**2 + s**2),
        "alpha² std² + sigma: the square of sigma is missing": lambda: field(near, a**2 * std**2 + s),
        "alpha² std + sigma²: the square of std is missing": lambda: field(near, a**2 * std + s**2),
        "the standard deviations are added: it is their squares that add up": lambda: field(near, (a * std + s) ** 2),
        "alpha std + sigma: these are standard deviations, their squares belong here": lambda: field(near, a * std + s),
        "a standard deviation, sqrt(alpha² std² + sigma²), where its square belongs": lambda: field(near, v**0.5),
        "1 - alpha² for sigma²: not all levels preserve the variance": lambda: field(near, a**2 * std**2 + 1 - a**2),
        "divided by v twice": lambda: score / v,
        "the division by the variance is missing": lambda: score * v,
        "multiplied by the variance: it divides": lambda: score * v**2,
        "divided by 2 v: the square's derivative has a 2 that cancels it": lambda: score / 2,
        "divided by the standard deviation: the variance belongs there": lambda: score * v**0.5,
        "this is eps, the noise: the score is -eps / sigma": lambda: -s * score,
        "multiplied by sigma: this is -eps": lambda: s * score,
        "this is the guess of x0, E[x0 | x]": lambda: data,
        "Tweedie's formula has alpha E[x0 | x] - x: alpha is missing": lambda: (data - x[:, 0]) / s**2}


def sum_slips(case, x: Tensor, means: Tensor) -> dict:
    """Weights that do not add up to 1, which one component shows too."""
    near, v, (k, d) = x.double()[:, None] - case["alpha"] * means.double(), variance(case), means.shape
    exponent = -near.square().sum(-1) / (2 * v)
    bell = exponent.exp()
    return {
        "the weights do not add up to 1: divide by their sum (softmax)": lambda: pull(near, v, bell),
        "this is the gradient of p, not of log p: divide by p": lambda: (
            pull(near, v, bell / k / (2 * math.pi * v) ** (d / 2))),
        "the weights add up to 1 over the batch (dim 0): over the components they should": lambda: (
            pull(near, v, exponent.softmax(0))),
        "averaged over the components: weights that add up to 1 want the sum": lambda: right(case, x, means) / k}


def weight_slips(case, x: Tensor, means: Tensor) -> dict:
    """What can go wrong with the weights themselves."""
    x, mu, v = x.double()[:, None], means.double(), variance(case)
    near = x - case["alpha"] * mu
    far, d, soft = near.square().sum(-1), means.shape[1], lambda exponent: pull(near, v, exponent.softmax(1))
    return {
        "only in the weights is it alpha² std² + sigma²: it divides the pull too": lambda: (
            soft(-far / (2 * v)) * v / case["sigma"] ** 2),
        "all components weigh the same: each weighs by how likely it made x": lambda: soft(0 * far),
        "the components are added up with no weights": lambda: pull(near, v, torch.ones_like(far)),
        "log_softmax gives the logarithms of the weights: softmax gives the weights": lambda: pull(
            near, v, (-far / (2 * v)).log_softmax(1)),
        "only the nearest component counts": lambda: soft(-1e9 * (far - far.amin(1, keepdim=True))),
        "the distance in the exponent is not squared": lambda: soft(-far.sqrt() / (2 * v)),
        "the 2 is missing in the exponent, -|x - alpha mu|² / 2 v": lambda: soft(-far / v),
        "the variance is missing in the exponent, -|x - alpha mu|² / 2 v": lambda: soft(-far / 2),
        "the exponent is -|x - alpha mu|² / 2 v, not the distance alone": lambda: soft(-far),
        "the root of v in the exponent: |x - alpha mu|² / 2 v has the variance": lambda: soft(-far / (2 * v**0.5)),
        "/ 2 * v multiplies by v: put (2 * v) in brackets": lambda: soft(-far / 2 * v),
        "v is squared in the exponent: it is a variance already": lambda: soft(-far / (2 * v**2)),
        "the exponent's sign: the far components weigh most": lambda: soft(far / (2 * v)),
        "the squared distance is averaged over the coordinates: it is their sum": lambda: soft(-far / d / (2 * v)),
        "each coordinate has weights of its own: sum the squares over D first": lambda: soft(-near.square() / (2 * v)),
        "in the weights the means are not scaled by alpha": lambda: soft(-(x - mu).square().sum(-1) / (2 * v)),
        "only in the weights are the means scaled by alpha": lambda: pull(x - mu, v, (-far / (2 * v)).softmax(1))}


def verify(case, out):
    x, far, means = case["x"], case["far"], case["means"]
    form = all_formed(FORM, out[:2], x, x)
    if not form.readable:
        return [form]
    form = form if not out[1].any() else forgiven(form)         # zeros for one component are told below
    both = lambda x, means: size_slips(case, x, means) | sum_slips(case, x, means)
    one = close(ONE, out[0], right(case, x, means[:1]), both(x, means[:1]), tol(x.dtype))
    several = close(SEVERAL, out[1], right(case, x, means), both(x, means) | weight_slips(case, x, means), tol(x.dtype))
    away = close(FAR, out[2], right(case, far, means), both(far, means), 1e-3)
    edges = ((x[:1], means, out[3]), (x[:, :1], means[:, :1], out[4])) if several.passed else ()
    return [form, one, several, distant(away, out[2], several.passed), *(edge(case, *pair) for pair in edges)]


def edge(case, x: Tensor, means: Tensor, got) -> Property:
    """What is right elsewhere, for a batch of one or in one dimension."""
    row = close(EDGE, got, right(case, x, means), None, tol(x.dtype))
    lost = isinstance(got, Tensor) and got.shape == x.squeeze().shape != x.shape
    return row._replace(causes=(SQUEEZED,)) if lost else row


def distant(row: Property, got, near: bool) -> Property:
    """The row on far points. near: the same code is right elsewhere, so that only floating point can explain it."""
    if row.passed or not near or not isinstance(got, Tensor) or got.isfinite().all() and got.any():
        return row
    return row._replace(causes=(UNDERFLOW,))


EXERCISES = (
    Exercise("02-score", "The score of a mixture", {FORM: 0, ONE: 2, SEVERAL: 2, FAR: 1, EDGE: 0.5}, cases, run, verify,
             own=(GaussianMixture.score, GaussianMixture.denoise, GaussianMixture.log_pdf, GaussianMixture.posterior)),
    prediction("02-guess-field", "To how many places do the arrows lead at t = 300?", *COUNT),
)
