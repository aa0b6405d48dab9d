"""How good a set of samples is: distances between two sets of features, and how far an estimate can be trusted.

Frechet distance between two Gaussians fitted to the features a, b (N, D) (Heusel et al. 2017, eq. 6):
  |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^1/2);  the last trace is the sum of singular values of C_a^1/2 C_b^1/2.
It is biased upwards at small n, so it is read beside a floor of two real sets of the same sizes.
KID (Binkowski et al. 2018, eq. 4): the squared maximum mean discrepancy under k(x, y) = (x y / D + 1)^3, without the
diagonals, hence unbiased: it is 0 on average for equal distributions, and negative half of the time.
Neither is called FID, which is the Frechet distance in the features of one certain Inception network.
Two sets made from the same noise are compared by the difference of their distances, pairs being resampled together:
  frechet(a, real) - frechet(b, real),  which takes what they share, the picture behind each x_T, out of the interval.
Where the question is whether they are the *same* pictures, a few that went to another mode rule the pooled error: so the
median over pictures and the share of those that moved stand beside it.
Left out: precision and recall, density and coverage.
"""
from typing import Callable, NamedTuple

import torch
from torch import Tensor


class Estimate(NamedTuple):
    """A value, its 95% interval, and the number of samples it rests on (of the first set)."""
    value: float
    low: float
    high: float
    n: int


def _checked(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    for x in (a, b):
        if x.ndim != 2 or len(x) < 2 or x.shape[1] != a.shape[1] or not x.isfinite().all():
            raise ValueError("distances are taken between two finite sets of features of shapes (N, D) and (M, D), "
                             f"N and M at least 2, got {tuple(a.shape)} and {tuple(b.shape)}")
    return a.double(), b.double()


def _root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


def frechet(a: Tensor, b: Tensor) -> float:
    """The Frechet distance (squared) of Gaussians fitted to features a (N, D) and b (M, D)."""
    a, b = _checked(a, b)
    cov_a, cov_b = a.T.cov().reshape(a.shape[1], -1), b.T.cov().reshape(b.shape[1], -1)      # (D, D)
    cross = torch.linalg.svdvals(_root(cov_a) @ _root(cov_b)).sum()
    return ((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross).item()


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    base = x @ y.T / x.shape[1] + 1
    return base * base * base                   # a power is ten times slower


def mmd(a: Tensor, b: Tensor, kernel: Callable[[Tensor, Tensor], Tensor]) -> float:
    """The unbiased squared maximum mean discrepancy of a (N, D) and b (M, D), whole sets (Gretton et al. 2012, eq. 3)."""
    a, b = _checked(a, b)
    within = lambda k: (k.sum() - k.trace()) / (len(k) * (len(k) - 1))
    return (within(kernel(a, a)) + within(kernel(b, b)) - 2 * kernel(a, b).mean()).item()


def kid(a: Tensor, b: Tensor) -> float:
    """The kernel inception distance of features a (N, D) and b (M, D): their `mmd` by a cubic kernel."""
    return mmd(a, b, _kernel)


def nearest(a: Tensor, b: Tensor) -> Tensor:
    """For each row of a (N, ...) the Euclidean distance to the nearest row of b (M, ...); (N,)."""
    # differences, not the folded form a^2 + b^2 - 2ab, whose rounding hides copies
    return torch.cdist(a.flatten(1), b.flatten(1), compute_mode="donot_use_mm_for_euclid_dist").min(1).values


def evenness(labels: Tensor, classes: int) -> float:
    """Diversity of predicted classes (N,): the entropy of their histogram over that of equal shares, 0 to 1."""
    share = labels.bincount(minlength=classes).double() / len(labels)
    return (torch.special.entr(share).sum() / torch.tensor(classes).log()).item()


def _resampled(sets: tuple[Tensor, ...], rounds: int, seed: int) -> list[list[Tensor]]:
    """For each round and each set the rows of a bootstrap sample of it."""
    rng = torch.Generator().manual_seed(seed)
    return [[torch.randint(len(s), (len(s),), generator=rng).to(s.device) for s in sets] for _ in range(rounds)]


def _estimate(value: float, draws: Tensor, n: int) -> Estimate:
    low, high = (draws - draws.mean() + value).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Estimate(value, low, high, n)


def bootstrap(statistic: Callable[..., float], *sets: Tensor, rounds: int = 200, seed: int = 0) -> Estimate:
    """statistic(*sets) with a 95% bootstrap interval; each set is resampled by itself, along its first dimension.

    Resampling repeats rows, which adds a bias to distances between sets. So the percentiles are shifted to where their
    mean is the value: the interval shows the spread, and says nothing of a bias at this n.
    """
    draws = [float(statistic(*(s[r] for s, r in zip(sets, rows)))) for rows in _resampled(sets, rounds, seed)]
    return _estimate(float(statistic(*sets)), torch.tensor(draws, dtype=torch.float64), len(sets[0]))


def mean(values: Tensor) -> Estimate:
    """The mean of values (N,) with its interval."""
    return bootstrap(lambda v: v.mean().item(), values.double())


def ratio(a: Tensor, b: Tensor) -> Estimate:
    """The mean of a (N,) over that of b (N,), pairs resampled together."""
    return bootstrap(lambda pair: (pair[:, 0].mean() / pair[:, 1].mean()).item(), torch.stack([a, b], 1))


def kid_interval(a: Tensor, b: Tensor, rounds: int = 200, seed: int = 0) -> Estimate:
    """bootstrap(kid, a, b), every kernel computed once: a resampled set is a row of counts, a sum over it a product."""
    value, sets = kid(a, b), _checked(a, b)
    rows = _resampled(sets, rounds, seed)
    count = [torch.stack([r[i].bincount(minlength=len(s)) for r in rows]).double() for i, s in enumerate(sets)]
    total = lambda kernel, w, v: ((w @ kernel) * v).sum(1)                                       # (rounds,)
    within = lambda k, w: (total(k, w, w) - w @ k.diag()) / (len(k) * (len(k) - 1))
    (x, y), (w, v) = sets, count
    draws = within(_kernel(x, x), w) + within(_kernel(y, y), v) - 2 * total(_kernel(x, y), w, v) / (len(x) * len(y))
    return _estimate(value, draws.cpu(), len(a))


def paired(distance: Callable[[Tensor, Tensor], float], a: Tensor, b: Tensor, real: Tensor, rounds: int = 200,
           seed: int = 0) -> Estimate:
    """distance(a, real) - distance(b, real) with its interval; a and b (N, ...) are resampled by the same rows."""
    gap = lambda pairs, other: distance(pairs[:, 0], other) - distance(pairs[:, 1], other)
    return bootstrap(gap, torch.stack([a, b], 1), real, rounds=rounds, seed=seed)


def proportion(hits: Tensor) -> Estimate:
    """The share of hits (N,) with Wilson's 95% interval (1927), which is not empty where none, or all, are."""
    n, z, p = len(hits), 1.959964, hits.double().mean().item()
    middle, half = p + z**2 / (2 * n), z * (p * (1 - p) / n + (z / (2 * n)) ** 2) ** 0.5
    low, high = ((middle + side * half) / (1 + z**2 / n) for side in (-1, 1))
    return Estimate(p, min(max(low, 0.0), p), max(min(high, 1.0), p), n)


def flips(before: Tensor, after: Tensor, want: Tensor) -> tuple[int, int]:
    """Of pictures paired by their noise, read as classes (N,) before and after: how many became right, how many wrong."""
    first, then = before == want, after == want
    return int((~first & then).sum()), int((first & ~then).sum())


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """The area of both masks (N, H, W) bool over that of either, (N,): intersection over union; 1 if both are empty."""
    both, either = ((a & b).sum((1, 2)), (a | b).sum((1, 2)))
    return (both / either.clamp(min=1)).where(either > 0, torch.ones(()))


def paired_errors(images: Tensor, exact: Tensor, by: float = 0.2, rounds: int = 200, seed: int = 0) -> dict[str, Estimate]:
    """How far pictures (N, ...) are from the exact ones of the same noise, each by its root mean squared difference.

    rmse_median: the middle one. rmse: pooled, the root of the mean square over all. moved: the share that differ by more
    than `by`, a tenth of the range [-1, 1] unless given, and so show something else.
    """
    if images.shape != exact.shape or images.ndim < 2 or not len(images) or not (images - exact).isfinite().all():
        raise ValueError("errors are taken between two finite sets of as many pictures, (N, ...), paired by their noise, "
                         f"got {tuple(images.shape)} and {tuple(exact.shape)}")
    square = (images.double() - exact.double()).square().flatten(1).mean(1)                       # (N,)
    interval = lambda statistic: bootstrap(statistic, square, rounds=rounds, seed=seed)
    return {"rmse_median": interval(lambda s: s.sqrt().quantile(0.5).item()),
            "rmse": interval(lambda s: s.mean().sqrt().item()), "moved": proportion(square.sqrt() > by)}


def separable(difference: Estimate, own: float, share: float = 0.2) -> bool | None:
    """Whether two distances differ, given their paired difference and the reference's own distance.

    True if the interval leaves out 0; False ("not separable") if it holds 0 and is narrower than `share` of `own`; None
    if it holds 0 but is too wide to say so.
    """
    if not difference.low <= 0 <= difference.high:
        return True
    return False if difference.high - difference.low < share * own else None


def no_worse(difference: Estimate, own: float, share: float = 0.2) -> bool:
    """Whether a distance is surely greater than the reference's by no more than `share` of it (non-inferiority)."""
    return difference.high < share * own
