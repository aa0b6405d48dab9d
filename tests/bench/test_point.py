"""Anybody's sampler becomes a point on the course's plot."""
import math

import pytest

from effml_lab.bench import point, real
from effml_lab.diffusion import samplers

pytestmark = pytest.mark.usefixtures("toys")


def test_anybodys_sampler_is_measured(monkeypatch):
    monkeypatch.setitem(real.IMAGES, "shapes", lambda: real.scenes(30)[0])
    seen = []

    def sampler(denoise, x, grid):
        seen.append((x.shape, len(grid)))
        yield from samplers.ddpm(denoise, x, grid)

    mine = point.measure("mine", sampler, 3, n=12, data="shapes")
    assert seen == [((12, 3, 32, 32), 4)] and mine.nfe == 3 and math.isfinite(mine.quality["kid"]["value"])
    assert mine.quality == point.measure("mine", sampler, 3, n=12, data="shapes").quality
    with pytest.raises(ValueError, match="no course model of 'cats': choose one of digits, shapes"):
        point.measure("mine", sampler, 3, data="cats")
