"""Training: one generator that yields after every step, so that logging and stopping belong to the caller.

AdamW, a linear warm-up, a rate that decays to zero, and an exponential moving average (EMA) of the weights, which is
what one samples from. The loss gets the number of the step and draws its batch from a seed made of it: nothing random is
carried from step to step, so a run that goes on from a saved state repeats the unbroken run exactly.
"""
import copy
import math
from typing import Callable, Iterator

import torch
from torch import Tensor, nn


def cosine(done: float) -> float:
    """What is left of the learning rate when this share of the steps is done: half a wave, from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * done))


def cooled(done: float, begin: float = 0.7) -> float:
    """All of the learning rate up to a share `begin` of the steps, then straight down to 0 (Haegele et al. 2024)."""
    return min(1.0, (1 - done) / (1 - begin))


def laid_like(weight: Tensor, value: Tensor) -> Tensor:
    """A copy that lies in memory as a weight does: the fused step of AdamW on a CPU reads both in that order."""
    return torch.empty_like(weight).copy_(value)


class Run:
    """A training in progress: the net, its EMA, the optimizer and the number of steps done.

    rate: share of the steps done -> share of the learning rate. decay: of the EMA. share: name of a weight -> its share of
    the learning rate, for nets that begin with weights trained before. betas: of AdamW. Frozen weights stay as they are.
    """

    def __init__(self, net: nn.Module, lr: float = 1e-3, decay: float = 0.999, weight_decay: float = 0.0,
                 rate: Callable[[float], float] = cosine, share: Callable[[str], float] = lambda name: 1.0,
                 betas: tuple[float, float] = (0.9, 0.999)):
        self.net, self.ema, self.done = net, copy.deepcopy(net).eval().requires_grad_(False), 0
        self.lr, self.decay, self.rate = lr, decay, rate
        groups: dict[float, list] = {}
        for name, weight in net.named_parameters():
            if weight.requires_grad:
                groups.setdefault(share(name), []).append(weight)
        self.opt = torch.optim.AdamW([{"params": weights, "share": part} for part, weights in groups.items()], lr=lr,
                                     betas=betas, weight_decay=weight_decay, fused=True)

    def state(self) -> dict[str, Tensor]:
        """All of it as flat tensors, to be stored without pickle."""
        tensors = {f"net.{k}": v for k, v in self.net.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in self.ema.state_dict().items()}
        for i, slots in self.opt.state_dict()["state"].items():
            tensors |= {f"opt.{i}.{k}": torch.as_tensor(v) for k, v in slots.items()}
        return tensors | {"done": torch.tensor(self.done)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on from a stored state; strict."""
        part = lambda p: {k.removeprefix(p): v for k, v in tensors.items() if k.startswith(p)}
        self.net.load_state_dict(part("net."))
        self.ema.load_state_dict(part("ema."))
        weights, slots = [weight for group in self.opt.param_groups for weight in group["params"]], {}
        for key, value in part("opt.").items():
            index, name = key.split(".", 1)
            slots.setdefault(int(index), {})[name] = laid_like(weights[int(index)], value) if value.dim() else value
        self.opt.load_state_dict({**self.opt.state_dict(), "state": slots})
        self.done = int(tensors["done"])


def fit(run: Run, loss: Callable[[nn.Module, int], Tensor], steps: int, warmup: int = 100,
        clip: float = 1.0) -> Iterator[tuple[int, float]]:
    """Train up to `steps` steps in all, yielding (steps done, loss) after each.

    loss: (net, step) -> scalar; it draws the batch of that step itself, from a seed made of `step`.
    """
    run.net.train()
    while run.done < steps:
        ramp = min(1.0, (run.done + 1) / max(warmup, 1))
        for group in run.opt.param_groups:
            group["lr"] = run.lr * group["share"] * ramp * run.rate(run.done / steps)
        value = loss(run.net, run.done)
        run.opt.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(run.net.parameters(), clip)
        run.opt.step()
        run.done += 1
        decay = min(run.decay, (1 + run.done) / (10 + run.done))
        with torch.no_grad():
            for slow, fast in zip(run.ema.parameters(), run.net.parameters()):
                slow.lerp_(fast, 1 - decay)
            for slow, fast in zip(run.ema.buffers(), run.net.buffers()):
                slow.copy_(fast)
        yield run.done, value.item()
