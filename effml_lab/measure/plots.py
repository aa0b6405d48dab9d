"""The course's figures: one style, and the five pictures that every lab needs.

Nothing is told by colour alone: an entry of PALETTE is a colour of Okabe and Ito's set (safe for colour-blind readers;
its yellow, pale on white, gives way to Tol's wine), a marker and a line style. What has an order (a timestep) takes
`ordered`, samples of viridis, which also darkens.
  images  a batch as tiles              curve     a line with its interval
  film    a sampler's states over time  pareto    cost against quality, with the front that nothing beats
                                        tradeoff  the same for many counts of steps: a curve for each sampler
All of them draw on axes they are given; opening, showing and closing a figure belongs to the caller.
Left out: time in milliseconds on an axis. It is a property of one machine, so `pareto` draws the ratio within one run.
"""
import math
from contextlib import AbstractContextManager
from typing import Iterable, NamedTuple, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatter
from torch import Tensor


class Look(NamedTuple):
    color: str
    marker: str
    line: str | tuple


PALETTE = (
    Look("#0072B2", "o", "-"), Look("#D55E00", "s", "--"), Look("#009E73", "^", "-."), Look("#CC79A7", "D", ":"),
    Look("#000000", "v", (0, (6, 2))), Look("#56B4E9", "P", (0, (3, 1, 1, 1))), Look("#E69F00", "X", (0, (1, 1))),
    Look("#882255", "*", (0, (5, 1, 1, 1, 1, 1))),
)
GAP = 0.75          # the grey between pictures
MUTED = "#767676"


def style() -> AbstractContextManager:
    """The house style as a context: `with style(): fig, ax = plt.subplots()`."""
    return plt.rc_context({
        "figure.dpi": 100, "savefig.dpi": 100, "figure.facecolor": "white", "figure.constrained_layout.use": True,
        "font.size": 10, "axes.titlesize": 11, "axes.spines.top": False, "axes.spines.right": False,
        "axes.grid": True, "axes.axisbelow": True, "grid.color": "#e4e4e4", "grid.linewidth": 0.8,
        "lines.linewidth": 1.8, "lines.markersize": 6, "legend.frameon": False, "image.cmap": "viridis",
        "axes.prop_cycle": cycler(color=[p.color for p in PALETTE]) + cycler(linestyle=[p.line for p in PALETTE]),
    })


def look(k: int) -> Look:
    """The k-th colour, marker and line style; they come round again after the last."""
    return PALETTE[k % len(PALETTE)]


def ordered(n: int) -> list[tuple]:
    """n colours for things with an order, dark to light; the palest end of viridis, lost on white, is left out."""
    return [plt.get_cmap("viridis")(0.85 * i / max(n - 1, 1)) for i in range(n)]


def _tile(batch: Tensor, cols: int, gap: int) -> Tensor:
    """(N, C, H, W) in [-1, 1] to one picture (rows H + gaps, cols W + gaps, C) in [0, 1], light grey between."""
    if batch.ndim != 4 or batch.shape[1] not in (1, 3):
        raise ValueError(f"a picture needs a batch (N, 1 or 3, H, W), got {tuple(batch.shape)}")
    rows = math.ceil(len(batch) / cols)
    full = torch.full((rows * cols, *batch.shape[1:]), GAP)
    full[:len(batch)] = (batch.detach().float().cpu().clamp(-1, 1) + 1) / 2
    full = torch.nn.functional.pad(full, (0, gap, 0, gap), value=GAP)               # (rows * cols, C, H + gap, W + gap)
    n, c, h, w = full.shape
    sheet = full.reshape(rows, cols, c, h, w).permute(0, 3, 1, 4, 2).reshape(rows * h, cols * w, c)
    return sheet[:rows * h - gap, :cols * w - gap]


def _show(ax: Axes, sheet: Tensor) -> None:
    ax.imshow(sheet.numpy() if sheet.shape[-1] == 3 else sheet[..., 0].numpy(), cmap="gray", vmin=0, vmax=1,
              interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set(visible=True, color=str(GAP), linewidth=0.8)


def images(ax: Axes, batch: Tensor, title: str = "", cols: int | None = None, gap: int = 1) -> None:
    """Tile a batch (N, C, H, W) in [-1, 1], C = 1 or 3, row by row; what lies outside the range is clipped."""
    _show(ax, _tile(batch, cols or math.ceil(math.sqrt(len(batch))), gap))
    ax.set_title(title)


def film(ax: Axes, states: Iterable[Tensor], labels: Sequence[str] = (), frames: int = 10, gap: int = 1) -> None:
    """A row for each image of the batch, a column for each state, time to the right.

    states: tensors (B, C, H, W), as a sampler yields them; at most `frames` are shown, evenly spread, first and last
    among them. labels: one for each state, written under its column.
    """
    states = list(states)
    if not states:
        raise ValueError("a film needs at least one state")
    n = min(frames, len(states))
    picked = [round(i * (len(states) - 1) / max(n - 1, 1)) for i in range(n)]
    batch = torch.stack([states[i].detach().float().cpu() for i in picked], 1)      # (B, n, C, H, W)
    _show(ax, _tile(batch.flatten(0, 1), n, gap))
    if labels:
        width = batch.shape[-1]
        ax.set_xticks([i * (width + gap) + (width - 1) / 2 for i in range(n)], [labels[i] for i in picked])
        ax.tick_params(length=0)


def curve(ax: Axes, x: Sequence, y: Sequence, low: Sequence | None = None, high: Sequence | None = None,
          label: str | None = None, k: int = 0) -> None:
    """y over x in the k-th look, at most a dozen markers, and the interval from low to high as a band."""
    color, marker, line = look(k)
    ax.plot(x, y, color=color, linestyle=line, marker=marker, markevery=max(1, len(x) // 12), label=label)
    if low is not None and high is not None:
        ax.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)


def _time_ratio(records: Sequence, field: str) -> list[tuple[float, float, float]]:
    if len({r.device for r in records}) > 1:
        raise ValueError("times from different devices do not compare: draw x='nfe', or the records of one run")
    times = [getattr(r, field) for r in records]
    unit = max(t["median"] for t in times)
    return [tuple(t[key] / unit for key in ("median", "low", "high")) for t in times]


def _exact(records: Sequence, field: str) -> list[tuple[float, float, float]]:
    return [(getattr(r, field),) * 3 for r in records]


# cost -> label of its axis, the field of a record that holds it, and how (value, low, high) are had from that
COSTS = {"nfe": ("network evaluations per image", "nfe", _exact), "bytes": ("bytes of weights", "bytes", _exact),
         "macs": ("multiply-adds per image", "macs", _exact), "time": ("time, slowest = 1", "ms", _time_ratio)}


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points (cost, error) that no other beats in both, in order of cost."""
    best, kept = math.inf, []
    for i in sorted(range(len(points)), key=lambda i: points[i]):
        if points[i][1] < best:
            best = points[i][1]
            kept.append(i)
    return kept


def pareto(ax: Axes, records: Sequence, x: str = "nfe", y: str = "frechet", label: str = "") -> None:
    """Cost against an error (lower is better) with intervals, each point named; a grey line joins the front.

    records: with .technique, .nfe, .ms, .bytes, .macs, .device and .quality[y] = {"value", "low", "high"}.
    x: a key of COSTS. label: of the y axis, default the name of the quality.
    """
    if x not in COSTS:
        raise ValueError(f"unknown cost {x!r}: choose one of {', '.join(COSTS)}")
    name, field, ends = COSTS[x]
    records = [r for r in records if y in r.quality and getattr(r, field) is not None]
    if not records:
        raise ValueError(f"none of the records holds the quality {y!r} and the cost {x!r}")
    costs, scores = ends(records, field), [r.quality[y] for r in records]
    points = [(cost[0], score["value"]) for cost, score in zip(costs, scores)]
    best = front(points)
    ax.plot(*zip(*(points[i] for i in best)), color=MUTED, linestyle="-", linewidth=1, zorder=1, label="Pareto front")
    for k, (record, (mid, left, right), score) in enumerate(zip(records, costs, scores)):
        color, marker, _ = look(k)
        ax.errorbar(mid, score["value"], xerr=[[mid - left], [right - mid]], fmt=marker, color=color, capsize=2,
                    yerr=_arms(score), label=record.technique)
    ax.set(xscale="log", xlabel=name, ylabel=label or y)
    ax.legend()


def _logarithmic(ax: Axes, scores: list[dict]) -> None:
    """A logarithmic y axis; linear across the intervals of those values that are not above 0, if there are such."""
    least = min(score["value"] for score in scores)
    if least > 0:
        ax.set_yscale("log")
        ax.set_ylim(bottom=least / 2)
        ax.yaxis.set(major_formatter="{x:g}", minor_formatter=Plain(labelOnlyBase=False))
    else:
        low = min(score["low"] for score in scores if score["value"] <= 0)
        scale = -low or min((score["high"] for score in scores if score["high"] > 0), default=1.0)
        ax.set_yscale("symlog", linthresh=10 ** math.ceil(math.log10(scale)), linscale=0.5)
        ax.set_ylim(bottom=1.5 * low)
        ax.yaxis.set_major_formatter("{x:g}")


class Plain(LogFormatter):
    """Labels where LogFormatter puts them, as plain numbers: 0.3, not 3 x 10^-1."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return super().__call__(x, pos) and f"{x:g}"


def _arms(score: dict) -> list[list[float]]:
    return [[score["value"] - score["low"]], [score["high"] - score["value"]]]


def _curves(ax: Axes, points: Sequence, y: str, names: Sequence[str]) -> None:
    """The front, and a curve with intervals for each sampler, in its own look: that of its place among all `names`."""
    spots = [(r.nfe, r.quality[y]["value"]) for r in points]
    ribbon = [spots[i] for i in front(spots)]
    ax.plot(*zip(*ribbon), color=MUTED, linewidth=6, alpha=0.3, zorder=1, label="Pareto front")
    for k, name in enumerate(names):
        color, marker, line = look(k)
        mine = sorted((r for r in points if r.settings["sampler"] == name), key=lambda r: r.nfe)
        if not mine:
            continue
        ax.errorbar([r.nfe for r in mine], [r.quality[y]["value"] for r in mine], label=name, color=color, marker=marker,
                    yerr=np.hstack([_arms(r.quality[y]) for r in mine]), linestyle=line, linewidth=1.3, elinewidth=1,
                    markersize=5)


def tradeoff(ax: Axes, records: Iterable, y: str = "frechet", own: Sequence = (), label: str = "",
             legend: bool = True) -> None:
    """Evaluations against an error: a curve with intervals for each sampler, the front, and the floor as a band.

    records: with .nfe, .settings["sampler"] and .quality[y]; those without that quality are left out, and one whose nfe
    is None is the floor. own: further records, each drawn as a large open circle with its name. legend: beside the axes;
    without it a second picture of the same records can stand beside the first, a sampler having one look in both.
    """
    records = list(records)
    names = list(dict.fromkeys(r.settings["sampler"] for r in records if r.nfe and "sampler" in r.settings))
    records = [r for r in records if y in r.quality]
    points, floors = ([r for r in records if bool(r.nfe) is measured] for measured in (True, False))
    if not points and not own:
        raise ValueError(f"none of the records holds the quality {y!r} of a sampler")
    if points:
        _curves(ax, points, y, names)
    for k, r in enumerate(own):
        ax.errorbar(r.nfe, r.quality[y]["value"], _arms(r.quality[y]), fmt=look(k).marker, color="black", mfc="white",
                    markersize=11, capsize=4, zorder=5, label=r.technique)
    for r in floors:
        ax.axhspan(r.quality[y]["low"], r.quality[y]["high"], color=MUTED, alpha=0.25, linewidth=0)
        ax.axhline(r.quality[y]["value"], color=MUTED, linestyle=":", label=r.technique)
    _logarithmic(ax, [r.quality[y] for r in [*records, *own]])
    ax.set(xscale="log", xlabel=COSTS["nfe"][0], ylabel=label or y)
    ax.xaxis.set_major_formatter("{x:g}")
    if legend:
        ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
