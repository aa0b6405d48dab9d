"""What a loss shows to its net, and how that was drawn: the times, the picture in x_t, the noise in it.

Without a picture x_t is the noise alone, and what a picture adds is its factor, so that the two are judged apart.
"""
import torch
from torch import Tensor

from ...contract.exercise import Property, Unanswered, close, kind, known, near, within
from ..common import column
from ..moments import cut
from ..noise import abnormal, partly, repeats, shared

SPREAD, PICTURE = "t is spread evenly over 0 ... T - 1", "the net sees x_t: its picture is scaled by sqrt(alpha-bar)"
NOISE, NEW = "and its noise has standard deviation sqrt(1 - alpha-bar)", "and is normal and new for every pixel"
DRAWN = "rng draws t and eps, and nothing else does"


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


def evenly(t: Tensor, T: int) -> Property:
    """The rarest and the commonest t, within six standard errors of an even share."""
    if t.min() == 1 and t.max() == T:
        return Property(SPREAD, False, f"t from 1 to {T}", f"t from 0 to {T - 1}", ("t counts from 0 here, as abar does",))
    if t.min() < 0 or t.max() >= T:
        return Property(SPREAD, False, f"t from {t.min()} to {t.max()}", f"t from 0 to {T - 1}")
    n, shares = len(t), torch.bincount(t, minlength=T) / len(t)
    slack = 6 * (1 / T / n) ** 0.5
    low, high = shares.min().item(), shares.max().item()
    good = low > 1 / T - slack and high < 1 / T + slack
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
            "x is made with t - 1, which at t = 0 is the table's end": at(abar.roll(1)),
            "the net is told another t than that of x: one less": at(torch.cat([abar[1:], abar[-1:]])),
            "the net is told another t than that of x: counted from the other end": at(abar.flip(0)),
            "t = 0 is taken for clean: it has the noise of one step already": at(torch.cat([abar.new_ones(1), abar[1:]])),
            "the product is taken once more: abar is the product already": at(abar.cumprod(0)),
            "abar was taken for betas: it is the product of all 1 - beta": at((1 - abar).cumprod(0))}


OTHER_T = "the net is told another t than that of x"
DRAWN_TWICE = f"{OTHER_T}: draw t once"
ITSELF, ALONE = "the net is shown x0 itself: it learns from x_t", "the net is shown the noise alone: it learns from x_t"


def picture(out, x0, abar) -> Property:
    a = column(abar[out["t"].clamp(0, len(abar) - 1)], x0)
    part = out["x"] - out["noises"][0]
    if cut(out["x"]) and not near(out["x"], x0, 1e-6):
        cause = "x_t is clipped: the net sees it as eq. 4 makes it"
        return Property(PICTURE, False, "x_t is clipped", "x_t as it is", (cause,))
    row = close(PICTURE, part, a.sqrt() * x0, {
        "the square root is missing on alpha-bar": lambda: a * x0,
        ITSELF if not out["noises"][0].any() else "the picture is not scaled down": lambda: x0,
        ALONE: lambda: torch.zeros_like(x0),
        "sqrt(1 - alpha-bar) scales the picture": lambda: (1 - a).sqrt() * x0,
        "alpha-bar is squared once more: it is alpha² already": lambda: a**2 * x0,
        **{said: (lambda v=v: v.sqrt() * x0) for said, v in elsewhere(out["t"], abar, x0).items()}}, 1e-4)
    own = (part * x0).sum((1, 2, 3)) / x0.square().sum((1, 2, 3))                   # the factor of each picture
    off, made = (own[:, None] - abar.sqrt()).abs().min(1)
    if row.passed or row.causes or off.max() > 1e-4 or not near(part, column(own, x0) * x0, 1e-3):
        return row
    apart = abs(_correlation(made.float(), out["t"].float())) < 0.2
    return row._replace(causes=(DRAWN_TWICE if apart else OTHER_T,))


def noise(out, x0, abar, others: dict[str, Tensor]) -> Property:
    """3% off is seen: the standard error is 0.3%."""
    a, n = column(abar[out["t"].clamp(0, len(abar) - 1)], x0), out["noises"][0]
    size = float((n / (1 - a).sqrt()).square().mean().sqrt())
    slips = {
        "the variance 1 - alpha-bar was used as a standard deviation": (1 - a) ** 2,
        "the noise is not scaled by sigma": a * 0 + 1,
        "1 - sqrt(alpha-bar): take the root after the difference": (1 - a.sqrt()) ** 2,
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


def fresh(n: Tensor, t: Tensor, scaled: Property) -> Property:
    """Judged in units of its own size at each t, so that a wrong scale says nothing here; not where x_t has another t."""
    said = None
    if n.any() and not cut(n) and not any(OTHER_T in said for said in scaled.causes):
        _, place, counts = t.unique(return_inverse=True, return_counts=True)
        size = (torch.zeros(len(counts)).index_add_(0, place, n.square().mean((1, 2, 3))) / counts).sqrt()[place]
        r = (n / column(size, n))[size > 1e-6]
        off = "the mean of the noise is not 0: draw it with randn"
        said = shared(r) or repeats(r) or partly(r) or abnormal(r) or (off if r.mean().abs() > 7 / r.numel() ** 0.5 else None)
        if said and "not normal" in said and r.var((1, 2, 3)).std() < 0.02:
            said = "the noise of each image is brought to one size: leave it as randn draws it"
    seen = "noise that is shared or not normal" if said else "as expected" if n.any() else "no noise"
    return Property(NEW, seen == "as expected", seen, "normal noise of the shape of x0",
                    (said.replace("of x", "of x0"),) if said else ())


def drawn(out) -> Property:
    """t and eps each: the same from the same rng, whatever the global generator does, others from another."""
    (n, n2, n3), (t, t2, t3) = out["noises"], out["times"]
    same, alike = float((t == t3).double().mean()), float((t.unique(return_counts=True)[1] / len(t)).square().sum())   # by chance
    causes = [said for said, wrong in {
        "not all that is random comes from rng: draw with generator=rng": not torch.equal(t, t2) or not near(n, n2, 1e-5),
        "t is no draw from rng: another rng gives the same times, or the same moved on": (
            not abs(same - alike) < 4 / len(t) ** 0.5),
        "eps is no draw from rng: another rng gives the same noise": n.any() and _correlation(n, n3) > 0.5}.items() if wrong]
    return Property(DRAWN, not causes, causes[0].split(":")[0] if causes else "as expected",
                    "the same from the same rng, others from another", tuple(causes[:1]))


def _correlation(a: Tensor, b: Tensor) -> float:
    return float(((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std()))
