"""Pictures of points: what is drawn is what was given, and what cannot be drawn is refused in one sentence."""
import matplotlib
import pytest
import torch

matplotlib.use("agg")

from effml_lab.diffusion import levels, oracle  # noqa: E402
from effml_lab.measure import planes  # noqa: E402


@pytest.fixture
def ax():
    import matplotlib.pyplot as plt
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def test_gaps_join_each_point_to_its_own(ax):
    points, exact = torch.rand(5, 2), torch.rand(5, 2)
    planes.gaps(ax, points, exact)
    ends = torch.tensor([[line.get_xdata()[0], line.get_ydata()[0], line.get_xdata()[1], line.get_ydata()[1]]
                         for line in ax.lines])
    torch.testing.assert_close(ends.float(), torch.cat([points, exact], 1))


def test_arrows_stand_where_they_belong(ax):
    points = planes.lattice(3)
    planes.arrows(ax, points, -points)
    drawn = ax.collections[0]
    torch.testing.assert_close(torch.tensor(drawn.get_offsets().tolist(), dtype=torch.float64), points)
    torch.testing.assert_close(torch.tensor(drawn.U.tolist(), dtype=torch.float64), -points[:, 0])


def test_the_shade_is_darkest_at_a_mean(ax):
    planes.shade(ax, lambda x: oracle.GaussianMixture(torch.tensor([[1.0, 0.0]]), 0.3).log_pdf(x, levels.CLEAN), n=19)
    pdf = torch.tensor(ax.collections[0].get_array().reshape(-1).tolist())
    torch.testing.assert_close(planes.lattice(19)[pdf.argmax()], torch.tensor([1.0, 0.0], dtype=torch.float64))


def test_errors_are_drawn_at_their_counts(ax):
    planes.convergence(ax, [8, 16, 32], {"order 1": [0.4, 0.2, 0.1]})
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["8", "16", "32"]
    assert ax.lines[0].get_ydata().tolist() == [0.4, 0.2, 0.1]


def test_time_runs_from_noise_at_the_left(ax):
    planes.paths(ax, range(4, -1, -1), torch.rand(5, 3), lambda x, t: -(x[:, 0] ** 2) / 2)
    assert len(ax.lines) == 3 and ax.get_xlim() == (4, 0)


@pytest.mark.parametrize("draw", [lambda ax: planes.cloud(ax, torch.rand(4, 3)),
                                  lambda ax: planes.cloud(ax, torch.rand(4)),
                                  lambda ax: planes.gaps(ax, torch.rand(4, 2), torch.rand(3, 2))])
def test_other_than_the_plane_is_refused(ax, draw):
    with pytest.raises(ValueError, match=r"shape \(N, 2\)"):
        draw(ax)
