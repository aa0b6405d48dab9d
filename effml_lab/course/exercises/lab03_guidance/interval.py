"""Lab 03: guidance on an interval of noise (Kynkaanniemi et al. 2024), as a denoiser that chooses between two.

Levels do not preserve the variance, so that sigma is told from sigma / alpha, and no two of the RULES choose alike; two lie on
the ends of the interval.
"""
import torch

from ....diffusion.guidance import within
from ....diffusion.levels import Level
from ...contract.exercise import Exercise, Property, Unanswered, close, same_form
from ..common import integer

FORM, CHOICE = "shape and dtype of x", "guided inside of low < sigma / alpha <= high, plain outside"
ENDS, ONE = "low itself is outside, high inside", "each call asks one of the two, about x and its level"
LOW, HIGH = 0.5, 4.0


def cases(rng):
    ratios = [0.05, 0.3, 0.45, 0.53, 0.75, 1.1, 1.9, 2.2, 3.0, 3.8, 4.04, 30.0]
    alpha = [(0.3 if 0.6 < r < 2 else 0.6) + 0.1 * torch.rand((), generator=rng, dtype=torch.float64).item() for r in ratios]
    times = [0.0, 1.0, 2.0, 30.0, 100.0, 200.0, 400.0, 500.0, 600.0, 800.0, 950.0, 999.0]
    inner = [{"t": t, "alpha": a, "sigma": a * r} for t, a, r in zip(times, alpha, ratios)]
    ends = [{"t": 5.0, "alpha": 0.5, "sigma": 0.5 * r} for r in (LOW, HIGH)]
    xs = torch.randn(integer(rng, 2, 4), 3, generator=rng), torch.randn(1, 1, 2, 2, generator=rng, dtype=torch.float64)
    return [{"x": x, "levels": [*inner, *ends], "low": LOW, "high": HIGH} for x in xs]


def run(impl, case):
    outs, asked = [], []

    def named(name: str, factor: float):
        def denoise(x, level):
            asked[-1].append([name, x.clone(), float(level.t)])
            return factor * x
        return denoise
    both = named("guided", 2.0), named("plain", -1.0)
    choose = impl(*both, case["low"], case["high"])
    if choose in both:
        raise Unanswered("What is returned is one of the two that were handed in, whatever the level.")
    for level in case["levels"]:
        asked.append([])
        outs.append(choose(case["x"].clone(), Level(**level)))
        if callable(outs[-1]):
            raise Unanswered("For (x, level) a denoiser is returned where its guess belongs: call it, guide(x, level).")
    return {"out": outs, "asked": asked}


RULES = {       # what else may be compared with low and high -> whether the level is inside
    "sigma is compared: the interval is one of sigma / alpha": lambda l, low, high: low < l["sigma"] <= high,
    "alpha / sigma is compared: it is sigma / alpha": lambda l, low, high: low < l["alpha"] / l["sigma"] <= high,
    "lambda, or log(sigma / alpha), is compared: it is sigma / alpha itself": lambda l, low, high: (
        low < torch.tensor(l["sigma"] / l["alpha"]).log().item() <= high),
    "lambda = log(alpha / sigma) is compared: it is sigma / alpha": lambda l, low, high: (
        low < torch.tensor(l["alpha"] / l["sigma"]).log().item() <= high),
    "(sigma / alpha)² is compared: it is sigma / alpha": lambda l, low, high: low < (l["sigma"] / l["alpha"]) ** 2 <= high,
    "t is compared: it is sigma / alpha": lambda l, low, high: low < l["t"] <= high,
    "t / 1000 is compared: it is sigma / alpha": lambda l, low, high: low < l["t"] / 1000 <= high,
    "sigma / (alpha + sigma) is compared: it is sigma / alpha": lambda l, low, high: (
        low < l["sigma"] / (l["alpha"] + l["sigma"]) <= high),
    "sigma // alpha is rounded down to a whole number: use /": lambda l, low, high: low < l["sigma"] // l["alpha"] <= high,
    "sigma itself is compared with high: it is sigma / alpha": lambda l, low, high: (
        low < l["sigma"] / l["alpha"] and l["sigma"] <= high),
    "sigma itself is compared with low: it is sigma / alpha": lambda l, low, high: (
        low < l["sigma"] and l["sigma"] / l["alpha"] <= high),
    "guided outside and plain inside": lambda l, low, high: not low < l["sigma"] / l["alpha"] <= high,
    "only low is looked at": lambda l, low, high: low < l["sigma"] / l["alpha"],
    "only high is looked at": lambda l, low, high: l["sigma"] / l["alpha"] <= high,
    "sigma / alpha is rounded before it is compared": lambda l, low, high: low < round(l["sigma"] / l["alpha"], 1) <= high,
    "sigma times alpha is compared: it is sigma / alpha": lambda l, low, high: low < l["sigma"] * l["alpha"] <= high,
    "sigma / alpha² is compared: it is sigma / alpha": lambda l, low, high: low < l["sigma"] / l["alpha"] ** 2 <= high,
    "sigma² / alpha is compared: it is sigma / alpha": lambda l, low, high: low < l["sigma"] ** 2 / l["alpha"] <= high,
    "sqrt(1 - sigma²) for alpha: not all levels preserve the variance": lambda l, low, high: (
        low < l["sigma"] / max(1 - l["sigma"] ** 2, 1e-12) ** 0.5 <= high),
    "0.3 and 5, whatever low and high are: they are handed in": lambda l, low, high: 0.3 < l["sigma"] / l["alpha"] <= 5,
    "guided at all levels": lambda l, low, high: True, "plain at all levels": lambda l, low, high: False}


def verify(case, out):
    x, (low, high) = case["x"], (case["low"], case["high"])
    *inner, _, _ = case["levels"]
    value = lambda rule: torch.stack([2 * x if r else -x for r in rule])
    forms = [same_form(FORM, part, 2 * x, x) for part in out["out"]]
    form = min(forms, key=lambda row: (row.readable, row.passed))
    if not form.readable:
        return [form]
    got = torch.stack(out["out"])
    choice = close(CHOICE, got[:-2], value([low < l["sigma"] / l["alpha"] <= high for l in inner]), {
        said: (lambda rule=rule: value([rule(l, low, high) for l in inner])) for said, rule in RULES.items()} | {
        "inside it is the difference of both: return what guide says": lambda: torch.stack(
            [3 * x if low < l["sigma"] / l["alpha"] <= high else -x for l in inner])})
    asked = one(out["asked"], case, choice.passed)
    ends = close(ENDS, got[-2:], value([False, True]), {
        "high itself is inside: <=": lambda: value([False, False]), "low itself is outside: <": lambda: value([True, True]),
        "low is outside and high inside: here it is the other way round": lambda: value([True, False])})
    return [form, choice, asked, ends] if choice.passed else [form, choice, asked]


def one(asked: list, case, right: bool) -> Property:
    """right: whether the guesses came out as they should, so that of two one was not needed."""
    names = [[call[0] for call in calls] for calls in asked]
    if any(len(calls) != 1 for calls in asked):
        both = right and any(len(set(calls)) == 2 for calls in names) or all(
            sorted(calls) == ["guided", "plain"] for calls in names)
        cause = ("both are asked and one is thrown away: choose first, and ask one",) if both else ()
        numbers = sorted({len(calls) for calls in asked})
        return Property(ONE, False, f"{' or '.join(map(str, numbers))} calls at a level", "one", cause)
    good = all(torch.equal(x, case["x"]) and t == level["t"] for ((_, x, t),), level in zip(asked, case["levels"]))
    return Property(ONE, good, "as expected" if good else "something else is handed on", "x and its level")


EXERCISES = (Exercise("03-within", "Guidance on an interval", {FORM: 0, CHOICE: 2, ENDS: 0.5, ONE: 1}, cases, run, verify,
                      own=(within,)),)
