"""Training: what a run carries from step to step."""
import torch
from beds import LINEAR, seeded

from effml_lab.diffusion import denoise as dn
from effml_lab.diffusion.train import Run, fit


def toy_loss(net, step):
    return dn.loss(lambda x, t: net(x), torch.full((32, 4), 0.5), LINEAR, rng=seeded(step))


def test_a_resumed_run_repeats_the_unbroken_one():
    fresh = lambda: (torch.manual_seed(0), Run(torch.nn.Linear(4, 4)))[1]
    whole, broken, resumed = fresh(), fresh(), fresh()
    values = dict(fit(whole, toy_loss, 30, warmup=5))
    for done, _ in fit(broken, toy_loss, 30, warmup=5):
        if done == 12:
            break
    resumed.load({k: v.clone() for k, v in broken.state().items()})
    assert resumed.done == 12 and values.items() >= dict(fit(resumed, toy_loss, 30, warmup=5)).items()
    for a, b in zip(whole.state().values(), resumed.state().values()):
        assert torch.equal(a, b)
    assert values[30] < values[1] and sorted(values) == list(range(1, 31))
