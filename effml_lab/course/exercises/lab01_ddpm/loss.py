"""Lab 01: the noise-prediction loss, L_simple (Ho et al. 2020, eq. 14).

What the net is shown is taken apart: without a picture it is the noise alone, and what a picture adds is its factor. Two nets
judge the loss. One always answers 2; one works out the noise from the one batch there is, and its loss is zero. A batch of
4,096 tiny images makes the statistics sharp. The net may be called in chunks, or once more to look at it.
"""
from functools import lru_cache

import torch
from torch import Generator, Tensor

from .... import datasets, models
from ....diffusion import levels as schedules
from ....diffusion.denoise import loss, noised
from ...contract.exercise import Exercise, Property, Unanswered, close, kind, known, near, reading, same_form, within
from ..common import betas, column, integer, lined_up
from ..moments import abnormal, repeats, shared

SCALAR, TIMES, SPREAD = "a scalar tensor", "one whole t an image, shape (B,)", "t is spread evenly over 0 ... T - 1"
PICTURE = "the net sees x_t: its picture is scaled by sqrt(alpha-bar)"
NOISE = "and its noise has standard deviation sqrt(1 - alpha-bar)"
NEW, KNOWS = "and is normal and new for every pixel", "a net that knows the noise has loss 0"
TWO = "a net that always says 2 has the mean of (2 - eps)²"
LEARNS, DRAWN = "the gradient reaches the net", "rng draws t and eps, and nothing else does"
CUT = "the loss is cut off from the net: .detach(), no_grad, .item(), .numpy() and torch.tensor() do that"
ONE_T = "one t for the whole batch"


def loss_cases(rng):
    abar = (1 - betas(rng, integer(rng, 5, 9), torch.float32)).cumprod(0)
    x0 = torch.randn(4096, 2, 2, 3, generator=rng).clamp(-2, 2) + 1
    return [{"x0": x0, "abar": abar, "seed": integer(rng, 0, 10**6)}]


class Shown:
    """A net that notes what it is shown. Of several calls the last ones count that make up a batch together."""

    def __init__(self, x0: Tensor):
        self.x0, self.calls, self.place = x0, [], 0

    def note(self, x, t) -> slice:
        """Keep this call; which pictures of the batch it is about."""
        if not isinstance(x, Tensor) or x.shape[1:] != self.x0.shape[1:] or len(x) > len(self.x0):
            got = [f"of shape {tuple(part.shape)}" if isinstance(part, Tensor) else kind(part) for part in (x, t)]
            raise Unanswered(f"predict_eps(x, t) was given x {got[0]} and t {got[1]}: x comes first and is shaped like x0, "
                             f"{tuple(self.x0.shape)}.")
        self.calls.append((x.detach().clone(), torch.as_tensor(t).clone()))
        begin = 0 if len(x) == len(self.x0) or self.place + len(x) > len(self.x0) else self.place
        self.place = begin + len(x)
        return slice(begin, self.place)

    def batch(self) -> tuple[Tensor, Tensor]:
        left, used = len(self.x0), []
        while left > 0 and self.calls:
            used.insert(0, self.calls.pop())
            left -= len(used[0][0])
        if left:
            raise Unanswered("predict_eps was not shown the whole batch." if used else "Your loss never called predict_eps.")
        return torch.cat([x for x, _ in used]), used[0][1] if len(used) == 1 else torch.cat([t.reshape(-1) for _, t in used])


@torch.enable_grad()
def loss_run(impl, case):
    x0, abar, seed = case["x0"], case["abar"], case["seed"]

    def called(answer, picture=x0, seed=seed, elsewhere=1):
        torch.default_generator.manual_seed(elsewhere)
        shown = Shown(x0)
        with lined_up(len(x0)):
            value = impl(lambda x, t: answer(x, t, shown.note(x, t)), picture, abar, Generator().manual_seed(seed))
        return value, *shown.batch()

    def knows(x, t, at):
        a = column(abar[torch.as_tensor(t).long().clamp(0, len(abar) - 1)], x)
        return (x - a.sqrt() * x0[at]) / (1 - a).sqrt()

    two, weight = lambda x, t, at: torch.full_like(x, 2.0), torch.zeros(1, requires_grad=True)
    value, x, t = called(two)
    blank = torch.zeros_like(x0)
    noises = [called(two, blank, *seeds)[1:] for seeds in ((seed, 1), (seed, 2), (seed + 1, 1))]
    learned = called(lambda x, t, at: weight * x)[0]
    if isinstance(learned, Tensor) and learned.ndim == 0 and learned.requires_grad:
        learned.backward()
    return {"two": value, "x": x, "t": t, "knows": called(knows)[0], "noises": [n for n, _ in noises],
            "times": [t for _, t in noises], "learns": weight.grad is not None and bool(weight.grad.abs() > 0)}


def loss_verify(case, out):
    x0, abar, t = case["x0"], case["abar"], out["t"]
    form = same_form(SCALAR, out["two"], x0.new_ones(()))
    form = form._replace(causes=known({float: "a plain number has no gradient: leave .item() and float() out"}, type(out["two"])))
    whole = t.shape == (len(x0),) and not t.is_floating_point()
    fraction = ("t is a fraction: the net is told the whole number t itself",) if t.is_floating_point() else ()
    each = Property(TIMES, whole, f"{t.dtype}, shape {tuple(t.shape)}".replace("torch.", ""), f"int64, shape ({len(x0)},)",
                    known({1: ONE_T}, t.numel()) or fraction)
    if not (form.readable and whole):
        return [form, each]
    if (t == t[0]).all():
        return [form, each._replace(passed=False, observed="the same t for every image", causes=(ONE_T,))]
    scaled = picture(out, x0, abar)
    seen = [scaled, noise(out, x0, abar, {} if scaled.passed else elsewhere(t, abar, x0))]
    sound = all(row.passed for row in seen)
    return [form, each, evenly(t, len(abar)), *seen, fresh(out["noises"][0], t), *judged(out, x0, abar, sound),
            Property(LEARNS, out["learns"], "it does" if out["learns"] else "no gradient",
                     "a gradient", () if out["learns"] else (CUT,)), drawn(out)]


def evenly(t: Tensor, T: int) -> Property:
    """The rarest and the commonest t, within six standard errors of an even share."""
    n, shares = len(t), torch.bincount(t.clamp(0, T - 1), minlength=T) / len(t)
    slack = 6 * (1 / T / n) ** 0.5
    low, high = shares.min().item(), shares.max().item()
    good = low > 1 / T - slack and high < 1 / T + slack and 0 <= t.min() and t.max() < T
    ends = [float(shares[i]) * T for i in (0, -1)]
    causes = known({
        (True, False): "t = 0 or t = T - 1 is never drawn: torch.randint leaves its upper end out",
        (True, True): "one end is never drawn and the other twice as often: the numbers are clamped"}, (low == 0, high > 1.6 / T))
    causes = causes or (("0 and T - 1 come half as often: the numbers are rounded, not cut off",)
                        if all(abs(end - T / (T - 1) / 2) < 6 * slack for end in ends) and low < 1 / T - slack else ())
    return Property(SPREAD, good, f"shares {low:.3f} to {high:.3f}, t from {t.min()} to {t.max()}",
                    f"shares about {1 / T:.3f}, t from 0 to {T - 1}", () if good else causes)


def elsewhere(t: Tensor, abar: Tensor, like: Tensor) -> dict[str, Tensor]:
    """Alpha-bar read at another t than the one that the net is told: a cause -> that."""
    at = lambda table: column(table[t.clamp(0, len(abar) - 1)], like)
    return {"the net is told another t than that of x: one more": at(torch.cat([abar[:1], abar[:-1]])),
            "the net is told another t than that of x: one less": at(torch.cat([abar[1:], abar[-1:]])),
            "the net is told another t than that of x: counted from the other end": at(abar.flip(0)),
            "t = 0 is taken for clean: it has the noise of one step already": at(torch.cat([abar.new_ones(1), abar[1:]])),
            "the product is taken once more: abar is the product already": at(abar.cumprod(0)),
            "abar was taken for betas: it is the product of all 1 - beta": at((1 - abar).cumprod(0))}


ITSELF, ALONE = "the net is shown x0 itself: it learns from x_t", "the net is shown the noise alone: it learns from x_t"


def picture(out, x0, abar) -> Property:
    a = column(abar[out["t"].clamp(0, len(abar) - 1)], x0)
    part = out["x"] - out["noises"][0]
    return close(PICTURE, part, a.sqrt() * x0, {
        "the square root is missing on alpha-bar": lambda: a * x0,
        ITSELF if not out["noises"][0].any() else "the picture is not scaled down": lambda: x0,
        ALONE: lambda: torch.zeros_like(x0),
        "sqrt(1 - alpha-bar) scales the picture": lambda: (1 - a).sqrt() * x0,
        "alpha-bar is squared once more: it is alpha² already": lambda: a**2 * x0,
        **{said: (lambda v=v: v.sqrt() * x0) for said, v in elsewhere(out["t"], abar, x0).items()}}, 1e-4)


def noise(out, x0, abar, others: dict[str, Tensor]) -> Property:
    """3% off is seen: the standard error is 0.3%."""
    a, n = column(abar[out["t"].clamp(0, len(abar) - 1)], x0), out["noises"][0]
    size = float((n / (1 - a).sqrt()).square().mean().sqrt())
    slips = {
        "the variance 1 - alpha-bar was used as a standard deviation": (1 - a) ** 2,
        "the noise is not scaled by sigma": a * 0 + 1,
        "alpha-bar is squared once more: it is alpha² already": 1 - a**2, "sqrt(alpha-bar) scales the noise too": a,
        "sqrt(1 - alpha): alpha² belongs under the root": 1 - a.sqrt(), ITSELF: a * 0,
        **{said: 1 - v for said, v in others.items()}}
    if near(out["x"], n, 1e-6):
        slips[ALONE] = slips.pop("the noise is not scaled by sigma")
    explains = {said: (size, size) for said, variance in slips.items() if level_by_level(n, out["t"], variance)}
    return within(NOISE, size, 0.981, 1.019, explains)._replace(expected="1, in units of sqrt(1 - alpha-bar)")


def level_by_level(n: Tensor, t: Tensor, variance: Tensor) -> bool:
    """Whether the noise has this variance at each t by itself."""
    return all(abs(float(n[t == i].square().mean() / v) - 1) < 0.12 if v > 0 else not n[t == i].any()
               for i in t.unique() for v in [float(variance[t == i][0])])


def fresh(n: Tensor, t: Tensor) -> Property:
    """Judged in units of its own size at each t, so that a wrong scale says nothing here."""
    said = None
    if n.any():
        counts = torch.bincount(t).clamp(min=1)
        size = (torch.zeros(len(counts)).index_add_(0, t, n.square().mean((1, 2, 3))) / counts).sqrt()[t]
        r = (n / column(size, n))[size > 1e-6]
        off = "the mean of the noise is not 0: draw it with randn"
        said = shared(r) or repeats(r) or abnormal(r) or (off if r.mean().abs() > 7 / r.numel() ** 0.5 else None)
    seen = "noise that is shared or not normal" if said else "as expected" if n.any() else "no noise"
    return Property(NEW, seen == "as expected", seen, "normal noise of the shape of x0",
                    (said.replace("of x", "of x0"),) if said else ())


def judged(out, x0, abar, sound: bool) -> list[Property]:
    """The two losses. If what the net saw is wrong, eps is not known: then one is judged up to chance, the other not at all."""
    x, value, given = out["x"], out["two"], out["knows"]
    a = column(abar[out["t"].clamp(0, len(abar) - 1)], x0)
    eps = out["noises"][0] / (1 - a).sqrt()
    if not sound and isinstance(value, Tensor) and abs(float(value) - 5) < 0.15:
        return [Property(TWO, True, "as expected, up to chance")]
    two = close(TWO, value, (2 - eps).square().mean(), {
        "a sum over all numbers where their mean belongs": lambda: (2 - eps).square().sum(),
        "summed over the pixels of an image: take the mean over everything": lambda: (2 - eps).square().sum() / len(x0),
        "absolute values where squares belong": lambda: (2 - eps).abs().mean(),
        "the square is missing": lambda: (2 - eps).mean(),
        "the mean is squared: square first, then take the mean": lambda: (2 - eps).mean() ** 2,
        "a norm is the root of a sum of squares: their mean is asked for": lambda: (2 - eps).norm(),
        "the norms of the images are averaged: the mean of the squares is asked for": lambda: (
            (2 - eps).flatten(1).norm(dim=1).mean()),
        "the root of the mean: L_simple takes no root": lambda: (2 - eps).square().mean().sqrt(),
        "half the mean": lambda: (2 - eps).square().mean() / 2,
        "the sign: this loss falls as the net gets worse": lambda: -(2 - eps).square().mean(),
        "the target is x_t: this net is asked for the noise in it": lambda: (2 - x).square().mean(),
        "the target is x_t less x0: the noise is not scaled there": lambda: (2 - x + x0).square().mean(),
        "the target is the scaled noise: this net is asked for eps itself": lambda: (2 - out["noises"][0]).square().mean(),
        "the target is x0: this net is asked for the noise": lambda: (2 - x0).square().mean()}, 2e-5)
    if not sound:
        return [two]
    slips = {"the target is x0: this net is asked for the noise": lambda: (eps - x0).square().mean(),
             "the target is x_t less x0: the noise is not scaled there": lambda: (eps - x + x0).square().mean(),
             "the target is the scaled noise: this net is asked for eps itself": lambda: (eps - out["noises"][0]).square().mean(),
             "the target is x_t: this net is asked for the noise in it": lambda: (eps - x).square().mean()}
    row = close(KNOWS, given, x0.new_zeros(()), slips, 1e-4)
    again = "the target is other noise than that in x_t: draw eps once and use it twice"
    other = not row.passed and not row.causes and isinstance(given, Tensor) and abs(float(given) - 2) < 0.1
    if other and isinstance(value, Tensor) and abs(float(value) - 5) < 0.15:     # what is wrong with it is told by the first row
        two = Property(TWO, True, "as expected, up to chance")
    return [row._replace(causes=(again,)) if other else row, two]


def drawn(out) -> Property:
    """t and eps each: the same from the same rng, whatever the global generator does, others from another."""
    (n, n2, n3), (t, t2, t3) = out["noises"], out["times"]
    same, T = float((t == t3).double().mean()), int(t.max()) + 1
    causes = [said for said, wrong in {
        "not all that is random comes from rng: draw with generator=rng": not torch.equal(t, t2) or not near(n, n2, 1e-5),
        "t is no draw from rng: another rng gives the same times, or the same moved on": (
            not abs(same - 1 / T) < 9 / len(t) ** 0.5),
        "eps is no draw from rng: another rng gives the same noise": n.any() and _correlation(n, n3) > 0.5}.items() if wrong]
    return Property(DRAWN, not causes, causes[0].split(":")[0] if causes else "as expected",
                    "the same from the same rng, others from another", tuple(causes[:1]))


def _correlation(a: Tensor, b: Tensor) -> float:
    return float(((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std()))


@lru_cache
@torch.no_grad()
def early() -> float:
    """The percentage of the shipped model's loss on held-out digits that comes from t < 100."""
    net, images = models.load("digits"), datasets.load("digits", "test")[0][:120]
    schedule, total = schedules.linear(), []
    for t in range(5, 1000, 10):
        eps = torch.randn(images.shape, generator=torch.Generator().manual_seed(t))
        x = noised(images, schedule(float(t)), eps)
        total.append((net(x, torch.full((len(x),), t)) - eps).square().mean().item())
    return 100 * sum(total[:10]) / sum(total)


EXERCISES = (
    Exercise("01-loss", "The noise-prediction loss", {
        SCALAR: 0, TIMES: 0, SPREAD: 1, PICTURE: 1, NOISE: 1, NEW: 0.5, KNOWS: 1, TWO: 3, LEARNS: 3, DRAWN: 0.5},
        loss_cases, loss_run, loss_verify, own=(loss, noised)),
    reading("01-read-loss", "Where the loss lives", lambda: (early() - 2, early() + 2), lambda: {
        "a fraction where a percentage was asked for": (early() / 100 - 0.02, early() / 100 + 0.02)}),
)
