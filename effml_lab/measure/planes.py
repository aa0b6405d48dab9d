"""Pictures of what happens to points: fields and clouds in the plane, paths over time, solvers against the truth.

The oracle's data live in one or two dimensions, where a sampler's work can be seen whole. Everything is drawn on axes
that are given, in the looks of `plots`; a density is a grey shade, so that colours and markers stay for the points.
  shade    a density behind a picture     gaps         end points and how far each is from the exact one
  arrows   a vector field                 paths        one-dimensional states over the steps of a sampler
  cloud    points of the plane            histogram    one-dimensional samples against their exact density
                                          convergence  errors over the number of steps, whose slope is the order
Left out: more than two dimensions.
"""
from typing import Callable, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from torch import Tensor

from .plots import MUTED, curve, look

REACH = 1.8         # of the plane that is shown: the course's mixtures sit on the unit circle
GREY = {"cmap": "Greys", "rasterized": True, "zorder": 0}


def _pairs(*sets: Tensor) -> list[list[float]]:
    """The coordinates of sets of points (N, 2), one after the other: x, y, x, y."""
    if any(points.ndim != 2 or points.shape[1] != 2 or len(points) != len(sets[0]) for points in sets):
        raise ValueError(f"the plane shows points of shape (N, 2), got {', '.join(str(tuple(p.shape)) for p in sets)}")
    return [coordinate for points in sets for coordinate in points.detach().T.tolist()]


def _plane(ax: Axes, title: str) -> None:
    ax.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), xticks=[], yticks=[], title=title, aspect="equal")
    ax.spines[:].set_visible(False)
    ax.grid(False)


def lattice(n: int) -> Tensor:
    """n x n points of the plane that is shown, (n * n, 2), float64."""
    side = torch.linspace(-REACH, REACH, n, dtype=torch.float64)
    return torch.cartesian_prod(side, side)


def shade(ax: Axes, log_pdf: Callable[[Tensor], Tensor], n: int = 120) -> None:
    """The density behind a picture of the plane. log_pdf: points (N, 2) -> (N,)."""
    x, pdf = lattice(n).reshape(n, n, 2), log_pdf(lattice(n)).exp().reshape(n, n)
    ax.pcolormesh(*x.numpy().transpose(2, 0, 1), pdf.numpy(), vmax=1.8 * pdf.max().item(), shading="nearest", **GREY)


def arrows(ax: Axes, points: Tensor, vectors: Tensor, title: str = "", k: int = 0, length: float | None = None) -> None:
    """A vector at each point, both (N, 2). length: what an arrow is drawn long over what it is; without it, as fits.

    With one length for all, arrows compare between pictures, and at length 1 they end where they point.
    """
    scale = {} if length is None else {"scale_units": "xy", "scale": 1 / length}
    ax.quiver(*_pairs(points, vectors), color=look(k).color, angles="xy", width=0.006, zorder=2, **scale)
    _plane(ax, title)


def cloud(ax: Axes, points: Tensor, title: str = "", k: int = 0) -> None:
    """Points (N, 2); those outside the picture are not shown."""
    ax.scatter(*_pairs(points), s=4, color=look(k).color, linewidths=0, alpha=0.6, zorder=2)
    _plane(ax, title)


def gaps(ax: Axes, points: Tensor, exact: Tensor, title: str = "", k: int = 1) -> None:
    """Where a solver ends, where it should have ended, and the line between; (N, 2) each."""
    x, y, right, up = _pairs(points, exact)
    ax.plot([x, right], [y, up], color=look(k).color, linestyle="-", linewidth=1.2, zorder=1)
    ax.scatter(right, up, s=14, facecolors="none", edgecolors="black", linewidths=0.8, zorder=2)
    ax.scatter(x, y, s=10, color=look(k).color, marker=look(k).marker, linewidths=0, zorder=3)
    _plane(ax, title)


def paths(ax: Axes, times: Sequence[float], states: Tensor, log_pdf: Callable | None = None, title: str = "") -> None:
    """States (steps, N) of N points over the times (steps,), noise at the left.

    log_pdf: (x (M, 1), t) -> (M,), the density of all points at time t, as a shade behind.
    """
    if log_pdf:
        x = torch.linspace(-3, 3, 150, dtype=torch.float64)
        marks = [int(t) for t in torch.linspace(max(times), min(times), 100).round()]
        pdf = torch.stack([log_pdf(x[:, None], t).exp() for t in marks], 1)                  # (150, 100)
        ax.pcolormesh(marks, x.numpy(), (pdf / pdf.amax(0)).sqrt().numpy(), vmax=1.8, shading="nearest", **GREY)
    for i in range(states.shape[1]):
        ax.plot(times, states[:, i], color=look(i).color, linestyle="-", linewidth=0.9, zorder=2)
    ax.set(xlim=(max(times), min(times)), ylim=(-3, 3), xlabel="t", ylabel="x", title=title)
    ax.grid(False)


def histogram(ax: Axes, values: Tensor, log_pdf: Callable[[Tensor], Tensor], title: str = "", k: int = 0) -> None:
    """Samples (N,) as bars, and their exact density as a line. log_pdf: (M, 1) -> (M,)."""
    x = torch.linspace(-3, 3, 300, dtype=torch.float64)
    ax.hist(values.tolist(), bins=60, range=(-3, 3), density=True, color=look(k).color, alpha=0.5)
    ax.plot(x.numpy(), log_pdf(x[:, None]).exp().numpy(), color=MUTED, linestyle="-", label="the data's density")
    ax.set(xlabel="x", ylabel="density", title=title)


def convergence(ax: Axes, counts: Sequence[float], errors: dict[str, Sequence[float]], title: str = "") -> None:
    """Errors over numbers of steps on logarithmic axes, a line a label: a method of order p falls by p."""
    for k, (label, values) in enumerate(errors.items()):
        curve(ax, counts, values, label=label, k=k)
    ax.set(xscale="log", yscale="log", xlabel="steps", ylabel="error", title=title)
    ax.set_xticks(counts, [f"{n:g}" for n in counts], minor=False)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.legend()
