"""`bench distill`: pictures of one to eight evaluations, by students of the course model and by solvers that cost no training.

All sets start from the same noises and ask for the same kinds, unguided, so they pair off picture by picture.
  frechet, kid, wanted, evenness   as `bench samplers` has them
  rmse_median, rmse, moved         to the course model's 64 steps of DDIM from the same noises (`quality.paired_errors`). A
                                   consistency model of several steps draws fresh noise: it has them, and they say little
Solvers stand on three grids; students that were not trained yet are left out. A row of a student also says what its training
cost, from the weights of the course model on, the rounds before it included: calls of the student that were learned from (each
with a pass back, so of three times the work), its critic's among them by their share of a call, and calls without one, of
teachers and of slow copies, both in pictures. Rows that begin with "guided" are under guidance: 2M with two calls a step, 2M with
one call of `weighted`, and `consistency_guided`. Rows of `weighted` and "one call" give the error of v to the guided teacher's,
for what is told in one call and for doing nothing. Ratios are of pooled errors, DDIM on its best grid.
"""
from functools import partial
from pathlib import Path
from typing import Callable, NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .. import folders
from ..diffusion import samplers
from ..diffusion.denoise import Denoiser
from ..diffusion.guidance import guided
from ..diffusion.levels import Level
from ..measure import quality
from ..models import checkpoints, judges, reader, store, students
from ..models.samples import SPACING, global_seed
from ..models.students import SAMPLERS
from ..recipes import shapes, weighted
from ..recipes.students import moved
from . import real
from .samplers import figures, gaps, recorder

N, SIZE, FULL, COUNTS = 1200, 100, 64, (1, 2, 4, 8)
FREE = {"ddim": samplers.ddim, "dpmpp_2m": samplers.dpmpp_2m, "unipc": samplers.unipc}
GRIDS = ("karras", "lambda", "quadratic")
TOLD = ("weighted", "consistency_guided")               # students that are told w
FRESH = {"consistency": COUNTS, "consistency_alone": COUNTS, "one_step": (1,), "ufogen": (1,)}        # student -> steps
CRITIC = 0.31                   # of the multiplications of a call of the net is what a call of its critic takes
ASKS = {    # recipe -> calls a picture and step of training: learned from, and without a pass back
    "progressive": (1, 2), "consistency": (1, 2), "consistency_alone": (1, 1), "weighted": (1, 2), "consistency_guided": (1, 3),
    "one_step": (1, 0), "ufogen": ((1 + 5 * CRITIC) / 3, 2 / 3)}     # the critic sees two in its turns, one in the maker's


class Point(NamedTuple):
    """A set of pictures to be drawn: a net, its levels, a sampler, and the weight of guidance."""
    name: str
    net: str
    grid: list[Level]
    sampler: Callable
    spacing: str
    w: float = 1.0

    @property
    def nfe(self) -> int:
        return (len(self.grid) - 1) * (1 if self.w == 1 or self.net in TOLD else 2)


def shipped(name: str) -> bool:
    return (store.checkpoints() / f"{name}.json").exists()


def counted(steps: int) -> str:
    return f"{steps} step{'s' * (steps > 1)}"


def points() -> list[Point]:
    """All that is drawn, but for the 64 steps that it is compared with."""
    schedule = shapes.SCHEDULE()
    free = [Point(f"{name}, {counted(steps)}, {spacing}", "shapes", schedule.grid(steps, spacing), sampler, spacing)
            for name, sampler in FREE.items() for steps in COUNTS for spacing in (GRIDS if steps > 1 else GRIDS[:1])]
    halved = [(f"progressive_{steps}", steps) for steps in reversed(COUNTS)]
    fresh = [(name, steps) for name, counts in FRESH.items() for steps in counts]
    made = [(name, steps) for name, steps in halved + fresh if shipped(name)]
    return free + [student(name, steps) for name, steps in made]


def student(name: str, steps: int) -> Point:
    _, grid, sampler = students.student(name, steps=steps)
    return Point(f"{name}, {counted(steps)}", name, grid, sampler, store.card(name)["use"]["spacing"])


def under_guidance() -> list[Point]:
    """What is drawn under guidance."""
    schedule, found = shapes.SCHEDULE(), []
    for w in (2.0, 4.0):
        for net, called, counts in (("shapes", "two calls", COUNTS[:3]), ("weighted", "weighted", COUNTS)):
            found += [Point(f"guided, {called}, w = {w:g}, {counted(steps)}, {spacing}", net, schedule.grid(steps, spacing),
                            samplers.dpmpp_2m, spacing, w) for steps in counts for spacing in (GRIDS if steps > 1 else GRIDS[:1])]
        found += [Point(f"guided, consistency_guided, w = {w:g}, {counted(steps)}", "consistency_guided",
                        students.student("consistency_guided", steps=steps)[1], SAMPLERS["multistep"], SPACING, w)
                  for steps in COUNTS if shipped("consistency_guided")]
    return found


def asked(point: Point, denoise: Denoiser, kind: Tensor) -> Callable:
    """The denoiser (x, level) -> x0 of a point that is told these kinds (B,)."""
    if point.net in TOLD:
        return partial(denoise, cond={"class": kind, "w": torch.full((len(kind),), point.w, device=kind.device)})
    return guided(denoise, kind, torch.full((1,), shapes.CLASSES, device=kind.device), point.w)


@torch.no_grad()
def drawn(point: Point, n: int, device: str) -> Tensor:
    """n pictures, (n, 3, 32, 32), from noises and fresh noises that depend on the number of the batch alone."""
    denoise, parts = Denoiser(checkpoints.load(point.net).to(device), "v"), []
    for i in range(-(-n // SIZE)):
        x = samplers.start((SIZE, 3, reader.SIZE, reader.SIZE), point.grid, store.seeded(0, i), device)
        kind = ((i * SIZE + torch.arange(SIZE)) % shapes.CLASSES).to(device)
        with global_seed(1, i):                     # for the fresh noise of a consistency model
            parts.append(samplers.last(point.sampler(asked(point, denoise, kind), x, point.grid)).cpu())
    return torch.cat(parts)[:n]


def paid(name: str) -> dict[str, float]:
    """What the training of a student has cost in pictures, all rounds before it included."""
    if name == "shapes":
        return {"learned from": 0.0, "without a pass back": 0.0}
    card = store.card(name)
    learned, plain = ASKS[card["recipe"].rsplit(".", 1)[1].rstrip("_0123456789")]
    seen, (before,) = card["steps"] * card["batch"], card["begins with"]
    mine = {"learned from": seen * learned, "without a pass back": seen * plain + card.get("pairs", 0) * card.get(
        "evaluations a pair", 0)}
    return {key: value + mine[key] for key, value in paid(before).items()}


def told_w(n: int, device: str) -> dict[str, dict[str, quality.Estimate]]:
    """The error of v, relative to the guided teacher's v, of one call that is told w and of doing nothing, by w and by t."""
    pair, found = [Denoiser(checkpoints.load(name).to(device), "v") for name in ("weighted", "shapes")], {}
    x, level, kind, _ = weighted.drawn(store.seeded(weighted.SEED, -2), n, high=0.0)
    seen, t = (x.to(device), moved(level, device), kind.to(device)), level.t.flatten()
    for w in (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0):
        square = {name: part.cpu() for name, part in weighted.squares(*pair, seen, w).items()}
        parts = {f"weighted, w = {w:g}": t >= 0}
        if w == 3:
            parts |= {"one call at w = 3, t below 600": t < 600, "one call at w = 3, t from 950": t >= 950}
        for part, rows in parts.items():
            found[part] = {name: rooted(square[name][rows], square["size"][rows]) for name in ("told w", "nothing")}
    return found


def rooted(a: Tensor, b: Tensor) -> quality.Estimate:
    """The root of the mean of squares a (n,) over that of b (n,), pairs resampled together."""
    return quality.bootstrap(lambda pair: (pair[:, 0].mean() / pair[:, 1].mean()).sqrt().item(), torch.stack([a, b], 1))


def against_ddim(off: dict[str, Tensor], steps: int) -> tuple[dict[str, quality.Estimate], dict]:
    """The pooled error of the progressive student over that of DDIM on its best grid, and which that is.

    off: name of a point -> squared errors of its pictures (n,).
    """
    best = min((name for name in off if name.startswith(f"ddim, {counted(steps)},")), key=lambda name: off[name].mean())
    return {"ratio": rooted(off[f"progressive_{steps}, {counted(steps)}"], off[best])}, {"over": best}


def measure(out: Path | str | None = None, device: str = "cpu", n: int = N) -> str:
    """Append the rows to distill.jsonl."""
    append = recorder(folders.results(out) / "distill.jsonl", device)
    wanted, held = torch.arange(n) % shapes.CLASSES, judges.features("shapes", real.scenes(n)[0])
    full = Point(f"ddim, {FULL} steps", "shapes", shapes.SCHEDULE().grid(FULL, SPACING), samplers.ddim, SPACING)
    exact = drawn(full, n, device)
    append(full.name, figures(exact, wanted, held)[0], {"spacing": SPACING}, nfe=FULL)
    off = {}
    for point in tqdm(points(), desc="distill", unit="row"):
        images = drawn(point, n, device)
        off[point.name] = gaps(images, exact)
        found = figures(images, wanted, held)[0] | quality.paired_errors(images, exact)
        append(point.name, found, {"spacing": point.spacing, "student": store.card(point.net)["sha256"][:12],
                                   "training": paid(point.net)}, nfe=point.nfe)
    for point in tqdm(under_guidance(), desc="under guidance", unit="row"):
        found = figures(drawn(point, n, device), wanted, held)[0]
        append(point.name, found, {"spacing": point.spacing, "student": store.card(point.net)["sha256"][:12], "w": point.w,
                                   "training": paid(point.net)}, nfe=point.nfe)
    for steps in COUNTS:
        if f"progressive_{steps}, {counted(steps)}" in off:
            append(f"progressive over ddim, {counted(steps)}", *against_ddim(off, steps))
    for name, found in told_w(n, device).items():
        append(name, found, {"trained on": store.card("weighted")["w"], "training": paid("weighted")}, nfe=1)
    return f"recorded in {folders.results(out) / 'distill.jsonl'}"
