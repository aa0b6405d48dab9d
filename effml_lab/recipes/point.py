"""A point on the course's plot for anybody's sampler: network evaluations, and how far its pictures are from real ones.

KID rather than the Frechet distance, since KID is unbiased: a few hundred samples of a student and the recorded
thousands stand on the same plot. Its interval says how much the few hundred are worth.
"""
from typing import Callable

from .. import datasets
from ..diffusion import samplers
from ..measure import bench, quality
from . import models, store


def measure(technique: str, sampler: Callable, steps: int, n: int = 360, data: str = "digits",
            spacing: str = "leading", seed: int = 0) -> bench.Record:
    """The Record of a sampler, called as sampler(denoise, x, grid, rng=rng), on the course's model of a data set."""
    denoise, schedule = models.denoiser(data)
    denoise.net = bench.Counted(denoise.net)
    grid, rng = schedule.grid(steps, spacing), store.seeded(seed)
    x = samplers.start((n, *store.card(data)["shape"]), grid, rng)
    images = samplers.last(sampler(denoise, x, grid, rng=rng))
    held = datasets.load(data, "test")[0]
    distance = quality.bootstrap(quality.kid, models.features(data, images), models.features(data, held))
    settings = {"steps": steps, "spacing": spacing, "seed": seed}
    return bench.Record(technique, nfe=denoise.net.nfe(n), bytes=store.card(data)["bytes"],
                        quality={"kid": distance._asdict()}, settings=settings)
