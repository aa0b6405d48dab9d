"""A point on the course's plot for anybody's sampler: network evaluations, and how far its pictures are from real ones.

KID rather than the Frechet distance, since KID is unbiased: a few hundred samples of a student and the recorded
thousands stand on the same plot. Its interval says how much the few hundred are worth. A model with classes is asked
for all of them in turn. Noise that the sampler draws comes from the global generator, which is seeded.
"""
from typing import Callable

from .. import folders
from ..diffusion import samplers
from ..measure import cost, quality, records
from ..models import judges, samples, store, students
from . import real

SPACINGS = {"digits": "leading", "shapes": samples.SPACING}


def measure(technique: str, sampler: Callable, steps: int, n: int = 360, data: str = "digits",
            spacing: str | None = None, seed: int = 0, w: float = 1.0, guide: Callable | None = None,
            student: str | None = None) -> records.Record:
    """The Record of a sampler, called as sampler(denoise, x, grid), on the course's model of a data set.

    data: "digits" or "shapes". spacing: of the grid, by default the one that the plot's other points have. w: the weight of
    guidance, for a model with classes; guide: (denoise, cond, null, w) -> a denoiser, by default the package's. student: the
    name of one that stands in for the model, on so many of its own stops.
    """
    if data not in SPACINGS:
        raise ValueError(f"there is no course model of {data!r}: choose one of {', '.join(SPACINGS)}")
    if student is not None and (data != "shapes" or spacing is not None):
        raise ValueError("students are of the model of shapes and have stops of their own: take data=\"shapes\" and no spacing")
    plan = samples.Plan(student or data, technique, steps, spacing or SPACINGS[data], n, seed, w=w)
    denoise, told, x, grid = samples.prepared(plan)
    grid = grid if student is None else students.student(student, steps=steps)[1]
    denoise.net = cost.Counted(denoise.net)
    if guide is not None:
        told = guide(denoise, *samples.wanted(plan), w)
    with samples.global_seed(seed):
        images = samplers.last(sampler(told, x, grid))
    distance = quality.kid_interval(judges.features(data, images), judges.features(data, real.IMAGES[data]()))
    use = {"spacing": plan.spacing} if student is None else {"student": student, **store.card(student)["use"]}
    settings = {**use, "data": data, "steps": steps, "seed": seed, "w": w}
    return records.Record(technique, nfe=denoise.net.nfe(n), bytes=store.card(plan.name)["bytes"],
                        quality={"kid": distance._asdict()}, settings=settings)


def recorded(name: str) -> dict[str, records.Record]:
    """The recorded results that come with the course, data/results/`name`.jsonl: the last row of each technique."""
    return records.latest(folders.data_folder() / "results" / f"{name}.jsonl")
