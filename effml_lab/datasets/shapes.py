"""Captioned scenes of coloured shapes: unlimited data of which everything is known.

A scene is one shape that may fill the frame, or two to four in the quarters of it. A shape is the set where its signed
distance is negative, the unit shape's distance scaled, turned and moved:
  d(p) = r d_unit(R(-angle) (p - centre) / r),          coverage of a pixel = clamp(1/2 - d / pixel width, 0, 1),
so images at any resolution are anti-aliased, and masks and edges come from the same d. Polygons use the exact distance
to their nearest edge, its sign from how often a ray crosses them. Attributes are drawn on the generator's device, the
CPU in general, so that a seed means the same scenes everywhere; rendering happens on the device asked for. What is said of
a scene is in `captions`.
Left out: overlapping shapes, textures, shading.
"""
import math
from functools import partial
from typing import NamedTuple, Sequence

import torch
from torch import Tensor

COLORS = {"red": (0.88, 0.16, 0.14), "green": (0.10, 0.62, 0.25), "blue": (0.14, 0.32, 0.90),
          "yellow": (0.97, 0.82, 0.12), "purple": (0.58, 0.20, 0.72), "cyan": (0.20, 0.78, 0.85)}
GROUNDS = {"black": (0.0, 0.0, 0.0), "grey": (0.5, 0.5, 0.5), "white": (1.0, 1.0, 1.0)}
SIZES = {"small": (0.40, 0.50), "large": (0.75, 0.92)}             # radius as a share of the room a shape has
PLACES = ("at the top left", "at the top right", "at the bottom left", "at the bottom right")
TURN = math.radians(15)


class Scenes(NamedTuple):
    """N scenes of at most K shapes; the numbers of kinds, colors, sizes, places and grounds index the tables above.

    A scene of one shape has the whole frame: its place is -1. The frame is [-1, 1] x [-1, 1], y pointing down.
    """
    shown: Tensor       # (N, K) bool: is there a k-th shape
    kind: Tensor        # (N, K)
    color: Tensor       # (N, K)
    size: Tensor        # (N, K)
    place: Tensor       # (N, K)
    centre: Tensor      # (N, K, 2)
    radius: Tensor      # (N, K)
    angle: Tensor       # (N, K)
    ground: Tensor      # (N,)


def circle(p: Tensor) -> Tensor:
    return p.norm(dim=-1) - 1


def ring(p: Tensor, width: float = 0.36) -> Tensor:
    return (p.norm(dim=-1) - 1 + width / 2).abs() - width / 2


def polygon(p: Tensor, corners: Sequence[tuple[float, float]]) -> Tensor:
    """The signed distance of points p (..., 2) to a polygon; (...). Inside is negative."""
    nearest, inside = torch.full_like(p[..., 0], math.inf), torch.zeros_like(p[..., 0], dtype=torch.bool)
    for (ax, ay), (bx, by) in zip(corners, (*corners[1:], corners[0])):
        x, y, ex, ey = p[..., 0] - ax, p[..., 1] - ay, bx - ax, by - ay
        along = ((x * ex + y * ey) / (ex * ex + ey * ey)).clamp(0, 1)
        nearest = torch.minimum(nearest, (x - along * ex) ** 2 + (y - along * ey) ** 2)
        crosses = ((p[..., 1] >= ay) != (p[..., 1] >= by)) & ((ex * y > ey * x) == (ey > 0))
        inside ^= crosses
    return torch.where(inside, -1.0, 1.0) * nearest.sqrt()


def _corners(n: int, inner: float | None = None) -> list[tuple[float, float]]:
    """A regular n-gon, or with `inner` a star whose notches have that radius, one corner at the top."""
    radii = [1.0] if inner is None else [1.0, inner]
    turns = [2 * math.pi * i / (n * len(radii)) for i in range(n * len(radii))]
    return [(radii[i % len(radii)] * math.sin(a), -radii[i % len(radii)] * math.cos(a)) for i, a in enumerate(turns)]


def _cross(arm: float = 0.3) -> list[tuple[float, float]]:
    reach = math.sqrt(1 - arm**2)
    quarter = [(arm, -reach), (arm, -arm), (reach, -arm)]
    turned = [quarter, [(-y, x) for x, y in quarter], [(-x, -y) for x, y in quarter], [(y, -x) for x, y in quarter]]
    return [corner for part in turned for corner in part]


_SQUARE = [(x * math.sqrt(0.5), y * math.sqrt(0.5)) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
KINDS = {"circle": circle, "ring": ring,
         "square": partial(polygon, corners=_SQUARE), "triangle": partial(polygon, corners=_corners(3)),
         "star": partial(polygon, corners=_corners(5, 0.45)), "cross": partial(polygon, corners=_cross())}


def draw(n: int, rng: torch.Generator, most: int = 1) -> Scenes:
    """n scenes of one to `most` shapes (at most four), all attributes uniform and independent."""
    if not 1 <= most <= len(PLACES):
        raise ValueError(f"a scene holds one to {len(PLACES)} shapes, got most = {most}")
    pick = lambda high, *shape: torch.randint(high, shape, generator=rng, device=rng.device)
    rand = lambda *shape: torch.rand(shape, generator=rng, device=rng.device)
    shown = torch.arange(most, device=rng.device) < 1 + pick(most, n, 1)
    alone = shown.sum(1, keepdim=True) == 1
    place = rand(n, len(PLACES)).argsort(1)[:, :most]
    size = pick(len(SIZES), n, most)
    low, high = torch.tensor(list(SIZES.values()), device=rng.device)[size].unbind(-1)
    room = torch.where(alone, 1.0, 0.5)
    radius = room * (low + rand(n, most) * (high - low))
    middle = torch.stack([place % 2, place // 2], -1) - 0.5                                       # (N, K, 2)
    centre = torch.where(alone[..., None], 0.0, middle) + (room - radius)[..., None] * (2 * rand(n, most, 2) - 1)
    return Scenes(shown, pick(len(KINDS), n, most), pick(len(COLORS), n, most), size, torch.where(alone, -1, place),
                  centre, radius, TURN * (2 * rand(n, most) - 1), pick(len(GROUNDS), n))


def distances(scenes: Scenes, size: int, device: torch.device | str | None = None) -> Tensor:
    """Signed distance of each pixel's centre to each shape, in pixels; inf if it is not shown; (N, K, size, size)."""
    shown, kind, *_, centre, radius, angle, _ = (field.to(device or scenes.shown.device) for field in scenes)
    axis = (torch.arange(size, device=shown.device) + 0.5) * 2 / size - 1
    p = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)                                # (size, size, 2)
    d = torch.full((*shown.shape, size, size), math.inf, device=shown.device)
    for index, unit in enumerate(KINDS.values()):
        mine = shown & (kind == index)
        c, s, r = angle[mine].cos()[:, None, None], angle[mine].sin()[:, None, None], radius[mine][:, None, None]
        x, y = (p - centre[mine][:, None, None]).unbind(-1)                                       # (M, size, size)
        d[mine] = r * unit(torch.stack([c * x + s * y, c * y - s * x], -1) / r[..., None]) * size / 2
    return d


def masks(scenes: Scenes, size: int = 32, device: torch.device | str | None = None) -> Tensor:
    """How much of each pixel each shape covers, 0 to 1; (N, K, size, size)."""
    return (0.5 - distances(scenes, size, device)).clamp(0, 1)


def edges(scenes: Scenes, size: int = 32, device: torch.device | str | None = None) -> Tensor:
    """The outlines as lines about a pixel wide, 0 to 1; (N, 1, size, size)."""
    return (1 - distances(scenes, size, device).abs()).clamp(0, 1).amax(1, keepdim=True)


def render(scenes: Scenes, size: int = 32, device: torch.device | str | None = None) -> Tensor:
    """The images, (N, 3, size, size), float32 in [-1, 1]."""
    cover = masks(scenes, size, device)[:, :, None]                                           # (N, K, 1, size, size)
    paint = torch.tensor(list(COLORS.values()), device=cover.device)[scenes.color.to(cover.device)]
    ground = torch.tensor(list(GROUNDS.values()), device=cover.device)[scenes.ground.to(cover.device)]
    light = (cover * paint[..., None, None]).sum(1) + (1 - cover.sum(1)) * ground[..., None, None]
    return 2 * light.clamp(0, 1) - 1


def load(split: str = "train") -> tuple[Tensor, Scenes]:
    """A fixed sample at 32x32: 2048 images of one shape and their scenes for "train", 512 for "test"."""
    sample = {"train": (2048, 0), "test": (512, 1)}
    if split not in sample:
        raise ValueError(f"unknown split {split!r} of the shapes: choose 'train' or 'test'")
    n, seed = sample[split]
    scenes = draw(n, torch.Generator().manual_seed(seed))
    return render(scenes), scenes
