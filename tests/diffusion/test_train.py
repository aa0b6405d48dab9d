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


def test_weights_take_their_share_of_the_rate_and_frozen_ones_none():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    net[2].requires_grad_(False)
    share = lambda name: 0.1 if name == "0.weight" else 1.0             # of the others some come before, some after
    before = [layer.weight.detach().clone() for layer in net]
    run = Run(net, 1e-2, rate=lambda done: 1.0, share=share)
    for done, _ in fit(run, toy_loss, 3, warmup=0):
        moved = [(layer.weight - old).abs().max().item() for layer, old in zip(net, before)]
        if done == 1:                                           # Adam's first step is the rate itself
            assert abs(moved[0] - 1e-3) < 1e-5 and abs(moved[1] - 1e-2) < 1e-4 and moved[2] == 0
    again = Run(net, 1e-2, share=share)
    again.load(run.state())
    for a, b in zip(run.opt.param_groups, again.opt.param_groups):
        assert all(torch.equal(run.opt.state[p]["exp_avg"], again.opt.state[q]["exp_avg"]) for p,
                   q in zip(a["params"], b["params"]))
