"""Training by a recipe: resumed without losing a bit, refused with other settings, stored with its card."""
from functools import partial
from importlib import import_module

import pytest
import torch

from effml_lab import models, recipes
from effml_lab.diffusion.train import Run
from effml_lab.models import store
from effml_lab.nets.unet import UNet
from effml_lab.recipes import students, training


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
    assert training.finish("whole", whole, loss, 12, settings)["minutes"] > 0

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
    assert training.finish("broken", again, loss, 12, settings, every=0)["cpu_minutes"] > 0
    for key, value in whole.state().items():
        assert torch.equal(value, again.state()[key]), key


def test_a_state_of_other_settings_is_refused():
    run, loss = toy()
    assert training.finish("toy", run, loss, 3, {"seed": 5}, minutes=0) is None and run.done == 1
    with pytest.raises(ValueError, match="other settings: finish it with those, or delete the file") as error:
        training.finish("toy", toy()[0], loss, 3, {"seed": 6})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", recipes.NAMES)
def test_each_recipe_stops_goes_on_and_stores_what_it_trained(name, tmp_path, monkeypatch):
    recipe = import_module(f"effml_lab.recipes.{name}")
    for module in (recipe, students):
        if hasattr(module, "examine"):
            monkeypatch.setattr(module, "examine", partial(module.examine, n=8))
    assert recipe.train(out=tmp_path, steps=3, minutes=0) is None
    assert training.state_path(name).exists() and not list(tmp_path.glob("*.safetensors"))
    path = recipe.train(out=tmp_path, steps=3)
    assert path == tmp_path / f"{name}.safetensors" and not training.state_path(name).exists()
    card = models.card(name, tmp_path)
    assert card["steps"] == 3 and card["name"] == name
    if (store.checkpoints() / f"{name}.json").exists():             # some were not trained at their full length yet
        shipped = models.card(name)
        assert card["net"] == shipped["net"]
        assert card.keys() == shipped.keys() - {"continued"}        # said of a training whose state was lost on the way


def doubled(step: int) -> torch.Tensor:
    return store.seeded(0, step).initial_seed() * torch.ones(2)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_that_others_work_out_ahead_come_in_order_from_where_a_run_stands(workers):
    drawn = training.Ahead(doubled, 9, "cpu")
    drawn.workers = workers
    assert [drawn(step).tolist() for step in range(4, 9)] == [doubled(step).tolist() for step in range(4, 9)]
