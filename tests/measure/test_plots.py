"""The figures' arithmetic: tiles in place, frames evenly spread, the Pareto front, and bad input in one sentence."""
from types import SimpleNamespace

import matplotlib
import pytest
import torch

matplotlib.use("agg")

from effml_lab.measure import plots  # noqa: E402


@pytest.fixture
def ax():
    import matplotlib.pyplot as plt
    with plots.style():
        fig, axes = plt.subplots()
        yield axes
        plt.close(fig)


def record(name: str, nfe: int, value: float, device: str = "cpu") -> SimpleNamespace:
    ms = {"median": nfe, "low": nfe * 0.9, "high": nfe * 1.1}
    quality = {"frechet": {"value": value, "low": value - 0.1, "high": value + 0.1}}
    return SimpleNamespace(technique=name, nfe=nfe, ms=ms, bytes=8, macs=9, device=device, quality=quality)


def test_tiles_are_laid_row_by_row_in_grey_levels(ax):
    batch = torch.stack([torch.full((1, 2, 2), v) for v in (-1.0, 0.0, 1.0)])
    plots.images(ax, batch, cols=2, gap=1)
    sheet = torch.as_tensor(ax.images[0].get_array().filled())
    assert sheet.shape == (5, 5)
    assert (sheet[0, 0], sheet[0, 3], sheet[3, 0]) == (0.0, 0.5, 1.0)
    assert (sheet[2] == plots.GAP).all() and (sheet[:, 2] == plots.GAP).all()


def test_a_film_has_the_first_and_the_last_state(ax):
    states = [torch.full((2, 3, 4, 4), i / 15 - 1) for i in range(31)]
    plots.film(ax, iter(states), [str(i) for i in range(31)], frames=4, gap=0)
    sheet = ax.images[0].get_array()
    assert sheet.shape == (8, 16, 3) and sheet[0, 0, 0] == 0 and sheet[0, -1, 0] == 1
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "10", "20", "30"]


def test_front_keeps_what_nothing_beats():
    assert plots.front([(1, 5), (10, 3), (100, 4), (1000, 1), (1, 6)]) == [0, 1, 3]


def test_pareto_names_every_point_and_joins_the_front(ax):
    plots.pareto(ax, [record("a", 1, 5.0), record("b", 10, 6.0), record("c", 100, 1.0)])
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["Pareto front", "a", "b", "c"]
    assert list(ax.lines[0].get_xdata()) == [1, 100]


def test_pareto_leaves_out_what_has_no_such_cost(ax):
    rows = [record("a", 1, 5.0), record("floor", 1, 0.1)]
    rows[1].nfe = rows[1].ms = None
    for cost in ("nfe", "time"):
        plots.pareto(ax, rows, x=cost)
    with pytest.raises(ValueError, match="the cost 'time'"):
        plots.pareto(ax, rows[1:], x="time")


def point(name: str, sampler: str | None, nfe: int | None, value: float) -> SimpleNamespace:
    row = record(name, nfe or 1, value)
    row.nfe, row.settings = nfe, {"sampler": sampler}
    return row


def test_tradeoff_draws_a_curve_for_each_sampler_with_front_and_floor(ax):
    rows = [point("floor", None, None, 0.2), point("a, 10", "a", 10, 2.0), point("a, 5", "a", 5, 4.0),
            point("b, 5", "b", 5, 3.0)]
    finding = point("finding", None, 5, 1.0)
    finding.quality = {"ratio": {"value": 1, "low": 1, "high": 1}}
    plots.tradeoff(ax, [*rows, finding], own=[point("mine", None, 7, 5.0)])
    names = [t.get_text() for t in ax.get_legend().get_texts()]
    assert sorted(names) == ["Pareto front", "a", "b", "floor", "mine"] and ax.get_yscale() == "log"
    front, first = ax.lines[0], ax.containers[0].lines[0]
    assert list(front.get_xdata()) == [5, 10] and list(front.get_ydata()) == [3.0, 2.0]
    assert list(first.get_xdata()) == [5, 10] and list(first.get_ydata()) == [4.0, 2.0]
    plots.tradeoff(ax, [point("a", "a", 5, 1.0), point("b", "b", 5, -0.5)])
    assert ax.get_yscale() == "symlog"
    none = point("c", "c", 5, 0.0)
    none.quality["frechet"] = {"value": 0.0, "low": 0.0, "high": 0.04}
    plots.tradeoff(ax, [none])
    plots.tradeoff(ax, [], own=[point("mine", None, 7, 5.0)])       # nothing recorded yet


def test_palette_differs_in_more_than_colour():
    for field in zip(*plots.PALETTE):
        assert len(set(field)) == len(plots.PALETTE)


def test_bad_input_is_one_sentence(ax):
    with pytest.raises(ValueError, match="a picture needs a batch"):
        plots.images(ax, torch.zeros(2, 8, 8))
    with pytest.raises(ValueError, match="at least one state"):
        plots.film(ax, [])
    with pytest.raises(ValueError, match="unknown cost 'ms'"):
        plots.pareto(ax, [record("a", 1, 5.0)], x="ms")
    with pytest.raises(ValueError, match="different devices"):
        plots.pareto(ax, [record("a", 1, 5.0), record("b", 2, 4.0, "another")], x="time")
    with pytest.raises(ValueError, match="none of the records holds the quality 'kid' of a sampler"):
        plots.tradeoff(ax, [point("a", "a", 5, 1.0)], y="kid")
    with pytest.raises(ValueError, match="none of the records"):
        plots.pareto(ax, [record("a", 1, 5.0)], y="kid")
