"""Checkpoints and the recipes that make them: stored, checked, resumed without losing a bit."""
import json

import pytest
import torch

from effml_lab.diffusion.train import Run
from effml_lab.nets.unet import UNet
from effml_lab.recipes import store, training


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFML_HOME", str(tmp_path / "home"))


def toy():
    torch.manual_seed(3)
    run = Run(UNet(1, (16, 32), 1, (False, True), dropout=0.2), lr=1e-2)

    def loss(net, step):
        rng = store.seeded(5, step)
        x, t = torch.randn(8, 1, 8, 8, generator=rng), 999 * torch.rand(8, generator=rng)
        return (net(x, t) - x.flip(3)).square().mean()

    return run, loss


class Killed(BaseException):
    pass


def test_a_killed_run_goes_on_to_the_same_bits():
    settings = {"seed": 5}
    whole, loss = toy()
    assert training.finish("whole", whole, loss, 12, settings) > 0

    broken, loss = toy()

    def dying(net, step):
        if step == 7:
            raise Killed
        return loss(net, step)

    with pytest.raises(Killed):
        training.finish("broken", broken, dying, 12, settings, every=0)
    again, loss = toy()
    with torch.no_grad():
        again.net.enter.weight.add_(1)              # whatever it starts from, the stored state counts
    assert training.finish("broken", again, loss, 12, settings, every=0) > 0
    for key, value in whole.state().items():
        assert torch.equal(value, again.state()[key]), key
