"""Lab 02: the grid of Karras et al. 2022, eq. 5: noise ratios whose rho-th roots are evenly spaced.

Two cases leave rho at its default of 7, one hands in another. An answer is a tensor or a list. Eq. 5 puts a last 0
behind the n ratios, which here is the clean level's business: it is said, and the n before it are judged all the same.
"""
import torch
from torch import Tensor

from ....diffusion.levels import SPACINGS, Schedule
from ...contract.exercise import Exercise, Property, Unanswered, close, kind, known, near
from ..common import integer

FORM, COUNT, ENDS = "finite numbers above 0", "how many", "from sigma_max down to sigma_min"
BETWEEN, OTHER = "the ratios between, rho = 7", "the ratios between, another rho"


def cases(rng):
    between = lambda low, high: low + (high - low) * torch.rand((), generator=rng).item()
    other = (2.0, 3.0, 5.0)[integer(rng, 0, 3)]
    return [{"n": n, "ends": [between(20, 160), between(0.002, 0.05)], "rho": rho}
            for n, rho in ((integer(rng, 5, 13), None), (integer(rng, 20, 40), None), (integer(rng, 6, 10), other))]


def run(impl, case):
    named = {} if case["rho"] is None else {"rho": case["rho"]}
    answer = impl(case["n"], *case["ends"], **named)
    if not hasattr(answer, "__iter__") or isinstance(answer, (str, dict)):
        got = kind(answer).split(":")[0]
        raise Unanswered(f"Return the n ratios, a tensor or a list; your function returned {got}.")
    try:
        return torch.tensor([float(ratio) for ratio in answer], dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise Unanswered("Return the n ratios as real numbers; one of yours is none: a root of a number below 0?") from None


def spaced(case, n: int, rho: float, share: Tensor | None = None) -> Tensor:
    """n ratios whose rho-th roots are evenly spaced, or as `share`, (n,) in 0 ... 1, says."""
    high, low = (end ** (1 / rho) for end in case["ends"])
    share = torch.linspace(0, 1, n, dtype=torch.float64) if share is None else share
    return (high + share * (low - high)) ** rho


def slips(case) -> dict:
    n, rho, (high, low) = case["n"], case["rho"] or 7.0, case["ends"]
    i, even = torch.arange(n, dtype=torch.float64), torch.linspace(0, 1, n, dtype=torch.float64)
    right = spaced(case, n, rho)
    return {
        "sigma_max's root less sigma_min's: the difference is the other way round, and falls": lambda: (
            spaced(case, n, rho, -even)),
        "the ends are exchanged: a grid falls in noise": lambda: right.flip(0),
        "evenly spaced in sigma: take the rho-th roots, space those, raise them again": lambda: spaced(case, n, 1.0),
        "evenly spaced in log sigma: that is the lambda grid": lambda: high * (low / high) ** even,
        "i / n where i / (n - 1) belongs: sigma_min is not reached": lambda: spaced(case, n, rho, i / n),
        "(i + 1) / n where i / (n - 1) belongs: sigma_max is left out": lambda: spaced(case, n, rho, (i + 1) / n),
        "i / (n + 1) where i / (n - 1) belongs": lambda: spaced(case, n, rho, i / (n + 1)),
        "the root is taken once more at the end: the power there is rho": lambda: right ** (1 / rho**2),
        "the power stands on i / (n - 1): the roots of the ends are spaced evenly, and the sum gets the power": lambda: (
            high + even**rho * (low - high)),
        "i // (n - 1) is a whole number: / divides": lambda: spaced(case, n, rho, (i == n - 1).double()),
        "1 // rho is 0: / divides": lambda: torch.ones(n, dtype=torch.float64),
        "the root of the difference: it is the difference of the roots": lambda: (
            high ** (1 / rho) - even * (high - low) ** (1 / rho)) ** rho,
        "i counts from 0: the first ratio is sigma_max": lambda: spaced(case, n, rho, (i + 1) / (n - 1)),
        "the roots are not raised to the power rho": lambda: right ** (1 / rho),
        "the power and the root are exchanged: the ends get 1 / rho, the sum rho": lambda: spaced(case, n, 1 / rho),
        "sigma ** 1 / rho is sigma / rho: put 1 / rho in brackets": lambda: (spaced(case, n, 1.0) / rho) ** rho,
        "the ends are not given their rho-th root": lambda: spaced(case, n, 1.0) ** rho,
        "rho = 7 whatever rho is handed in": lambda: spaced(case, n, 7.0),
        "square roots are spaced evenly: it is the rho-th roots": lambda: spaced(case, n, 2.0),
        "the root is to the power 1 / rho, not -1 / rho": lambda: 1 / spaced(case, n, -rho),
        "sigma_min's root is added whole: it is sigma_min's root less sigma_max's that i / (n - 1) multiplies": lambda: (
            (high ** (1 / rho) + even * low ** (1 / rho)) ** rho),
        "the power is that of the whole sum: brackets around both terms": lambda: (
            high + (even * (low ** (1 / rho) - high ** (1 / rho))) ** rho),
        "sigma_min is only a floor there: the roots are to end at its own": lambda: (
            (high ** (1 / rho) * (1 - even)) ** rho).clamp(min=low),
        "sigma² is spaced: these ratios are the squares": lambda: right**2}


def counted(case, got: Tensor) -> Property:
    n = case["n"]
    zero = len(got) == n + 1 and got[-1] == 0
    return Property(COUNT, len(got) == n, f"{len(got)} ratios", f"{n} ratios", known({
        n + 1: "a 0 stands at the end: the clean level is put behind the n ratios later" if zero else "one too many",
        n - 1: "one is missing"}, len(got)))


def strange(case, ratios: Tensor) -> tuple[str, ...]:
    """What numbers that are no ratios may come from."""
    rho, share = case["rho"] or 7.0, torch.linspace(0, 1, case["n"], dtype=torch.float64)
    high, low = (end ** (1 / rho) for end in case["ends"])
    is_like = lambda values: near(ratios, values, 1e-4)
    return tuple(said for said, holds in {
        "these are lambda = -log sigma: the ratios sigma themselves are asked for": (
            len(ratios) == case["n"] and near((-ratios).exp(), spaced(case, case["n"], rho), 1e-4)),
        "brackets are missing around sigma_min's root less sigma_max's": is_like((share * low) ** rho),
        "the power is that of the whole sum: brackets around both terms": any(
            is_like(first + (share * (low - high)) ** rho) for first in (high, case["ends"][0])),
        "the root of a number below 0, sigma_min less sigma_max: it is the difference of the roots": (
            len(ratios) > 1 and not ratios[0].isnan() and bool(ratios[1:].isnan().all()))}.items() if holds)


def verify(case, out):
    count, n = counted(case, out), case["n"]
    ratios = out[:n] if len(out) == n + 1 and out[-1] == 0 else out
    wrong = ratios[~(ratios.isfinite() & (ratios > 0))]
    fine = len(ratios) > 0 and not len(wrong)
    seen = "as expected" if fine else "no numbers" if not len(ratios) else f"{wrong[0]:.4g} among them"
    form = Property(FORM, fine, seen, "finite numbers above 0", () if fine else strange(case, ratios))
    if not fine or len(ratios) != n:
        return [form, count] if fine else [form]
    right, name = spaced(case, n, case["rho"] or 7.0), BETWEEN if case["rho"] is None else OTHER
    ends, between = (lambda value: value[[0, -1]]), (lambda value: value[1:-1])
    of = lambda part: {said: (lambda value=value: part(value())) for said, value in slips(case).items()}
    return [form, count, close(ENDS, ends(ratios), ends(right), of(ends), 1e-5),
            close(name, between(ratios), between(right), of(between), 2e-5)]


EXERCISES = (
    Exercise("02-grid", "A grid for few steps", {
        FORM: 0, COUNT: 0.5, ENDS: 1, BETWEEN: 2, OTHER: 1}, cases, run, verify,
             own=(SPACINGS["karras"], Schedule.grid)),
)
