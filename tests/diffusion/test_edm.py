"""EDM's training against its own formulas, written out, and on a Gaussian whose best network is known."""
import math

import torch
from torch import Tensor, nn

from effml_lab.diffusion import edm
from effml_lab.diffusion.denoise import loss
from effml_lab.diffusion.levels import Level
from effml_lab.diffusion.oracle import GaussianMixture


class Seen(nn.Module):
    """Gives F = w c_in x and keeps what it was fed."""

    def __init__(self, w: float = 0.3):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        self.x, self.t = x, t
        return self.w * x


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_levels_are_log_normal():
    net, x0 = Seen(), torch.zeros(100_000, 1)
    loss(net, x0, edm.training(), "edm", rng(), times=edm.log_normal)
    log = 4 * net.t
    assert abs(log.mean() + 1.2) < 0.02 and abs(log.std() - 1.2) < 0.02
    for deviations in (-2.0, -1.0, 0.5, 1.5):
        share = (log < -1.2 + 1.2 * deviations).float().mean()
        assert abs(share - 0.5 * (1 + math.erf(deviations / math.sqrt(2)))) < 0.006


def test_other_levels():
    net = Seen()
    loss(net, torch.zeros(50_000, 1), edm.training(-0.4, 1.0), "edm", rng(), times=edm.log_normal)
    assert abs(4 * net.t.mean() + 0.4) < 0.02 and abs(4 * net.t.std() - 1.0) < 0.02


def test_the_weight_is_that_of_the_paper():
    net, x0 = Seen(), 0.5 * torch.randn(64, 3, 4, 4, generator=rng(1))
    ours = loss(net, x0, edm.training(), "edm", rng(), times=edm.log_normal)
    sigma = (4 * net.t).exp().reshape(-1, 1, 1, 1)
    x = net.x * (sigma**2 + 0.25).sqrt()                                        # the network was fed c_in x
    guess = 0.25 / (sigma**2 + 0.25) * x + sigma * 0.5 / (sigma**2 + 0.25).sqrt() * net(net.x, net.t)
    weight = (sigma**2 + 0.25) / (sigma * 0.5) ** 2
    torch.testing.assert_close(ours, (weight * (guess - x0).square()).mean(), rtol=1e-4, atol=1e-6)


class Oracle(nn.Module):
    """F of a Gaussian's exact denoiser, times w."""

    def __init__(self, data: GaussianMixture, w: float):
        super().__init__()
        self.data, self.w = data, w

    def forward(self, given: Tensor, t: Tensor) -> Tensor:
        sigma = (4 * t.double()).exp().reshape(-1, 1)
        x = given.double() * (sigma**2 + 0.25).sqrt()
        guess = self.data.denoise(x, Level(t.reshape(-1, 1), torch.ones_like(sigma), sigma))
        out = (guess - 0.25 / (sigma**2 + 0.25) * x) / (sigma * 0.5 / (sigma**2 + 0.25).sqrt())
        return (self.w * out).to(given)


def test_the_oracle_has_the_least_loss_and_the_least_loss_is_known():
    deviation, count = 0.3, 200_000
    data = GaussianMixture(torch.zeros(1, 1, dtype=torch.float64), deviation)
    x0 = deviation * torch.randn(count, 1, generator=rng(1))
    at = {w: loss(Oracle(data, w), x0, edm.training(), "edm", rng(2), times=edm.log_normal).item() for w in (0.8, 1.0, 1.2)}
    best = 1 - 0.1 * (at[1.2] - at[0.8]) / (at[1.2] - 2 * at[1.0] + at[0.8])           # the vertex of the parabola
    assert abs(best - 1) < 0.01, at
    log = torch.linspace(-1.2 - 7.2, -1.2 + 7.2, 20_001, dtype=torch.float64)
    sigma, density = log.exp(), torch.exp(-((log + 1.2) / 1.2) ** 2 / 2)
    weight = (sigma**2 + 0.25) / (sigma * 0.5) ** 2
    left = (weight * deviation**2 * sigma**2 / (deviation**2 + sigma**2) * density).sum() / density.sum()
    assert abs(at[1.0] / left - 1) < 0.01
