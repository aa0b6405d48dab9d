"""What a plan of samples costs: network evaluations, multiply-adds, bytes, and time beside the network's own.

A sampler can be no faster than its network calls. So its time is measured A B A B with as many bare calls of the net on
the same batch, and the ratio, which hardly depends on the machine, says what the loop around them costs: 1 is nothing.
"""
import torch

from ..diffusion import samplers
from ..measure import cost
from ..models import samples, store


def sync(device: str):
    """What a clock has to wait for on a device."""
    return torch.cuda.synchronize if torch.device(device).type == "cuda" else None


def runner(plan: samples.Plan, device: str = "cpu"):
    """A function that draws the plan's first batch, and the net it calls, which counts."""
    denoise, told, x, grid = samples.prepared(plan, 0, device)
    denoise.net = cost.Counted(denoise.net)
    return lambda: samplers.last(samplers.SAMPLERS[plan.sampler](told, x, grid)), denoise.net


@torch.no_grad()
def cost_of(plan: samples.Plan, device: str = "cpu", rounds: int = 5) -> tuple[dict, cost.Ratio]:
    """nfe, ms of a batch, bytes and MACs of an image for a Record; and the time over that of as many bare calls."""
    run, net = runner(plan, device)
    run()
    nfe, calls = net.nfe(plan.size), net.calls
    asked = samples.wanted(plan)
    shape = store.card(plan.name, plan.folder)["shape"]
    given = [torch.randn(plan.size, *shape, device=device), torch.full((plan.size,), 500.0, device=device)]
    given += [] if asked is None else [asked[0].to(device)]
    bare = lambda: [net.net(*given) for _ in range(calls)]
    over, mine, _ = cost.ratio(run, bare, rounds, warmup=1, sync=sync(device))
    macs = cost.macs(net.net, *(part[:1] for part in given))
    return {"nfe": nfe, "ms": mine._asdict(), "macs": int(macs * nfe),
            "bytes": store.card(plan.name, plan.folder)["bytes"]}, over
