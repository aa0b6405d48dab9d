"""`bench calibration`: which of a network's own inputs should settle the static scales of its 8-bit form?

What a layer of the course model is given grows and shrinks on the way from noise to picture. Scales from one end of it
serve the other badly (Shang et al. 2023, PTQ4DM), so the four choices of `calibrate` are measured on states of another
path: |x0 - x0'|^2 of the quantized and the true denoiser, by time and on average, with intervals over the pictures.
The layers in which a shortcut joins the way up see two families of numbers at once, and one scale for both loses the
smaller (Li et al. 2023, Q-Diffusion, section 3.3): the network is measured with one scale and with two, and so is each
such layer alone. Last, how an error grows along the path of a sampler that has only the quantized network.
The first and the last convolution and the time stay as they are. Products are simulated, storage is real.
"""
from pathlib import Path
from typing import Callable

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .. import folders
from ..diffusion import samplers
from ..diffusion.denoise import Denoiser
from ..efficiency import calibrate, swap
from ..efficiency.calibrate import Visit
from ..measure import quality, records
from ..models import checkpoints, samples, store
from .ranges import largest

NAME, STEPS, IMAGES, VISITS = "shapes", 25, 32, 16
WEIGHTS = {"w8a8": {"bits": 8, "per": "channel"}, "w4a8": {"bits": 4, "per": "group"}}
ALONE = ("noise", "clean")      # the choices that look at one end only
WHOLE = ("enter", "leave", "time")      # stay as they are


def asked(denoise: Denoiser, images: int) -> Callable:
    """The denoiser of a batch of so many, told the kinds in turn."""
    return samples.conditioned(denoise, samples.Plan(NAME, "ddim", STEPS, samples.SPACING, images))


def path(denoise: Denoiser, grid: list, images: int, seed: int) -> list[Visit]:
    """The states of a deterministic run from noise of that seed, with their levels."""
    shape = store.card(NAME)["shape"]
    return calibrate.trajectory(asked(denoise, images), samplers.start((images, *shape), grid, store.seeded(seed)), grid)


def joined(net: nn.Module) -> dict[str, tuple[int, int]]:
    """The layers of a UNet's way up that see a raw concatenation: (channels from below, channels of the shortcut)."""
    below = [stage.block.leave[-1].out_channels for stage in (net.middle[-1], *net.up)]
    return {f"up.{i}.block.skip": (deep, stage.block.skip.in_channels - deep)
            for i, (deep, stage) in enumerate(zip(below, net.up)) if isinstance(stage.block.skip, nn.Conv2d)}


def inner(name: str, layer: nn.Module) -> bool:
    return name.split(".")[0] not in WHOLE


def answers(denoise: Denoiser, visits: list[Visit]) -> Tensor:
    """x0 as the denoiser sees it in each of these states, (visits, images, C, H, W)."""
    call = asked(denoise, len(visits[0][0]))
    return torch.stack([call(x, level) for x, level in visits])


def ranges(denoise: Denoiser, visits: list[Visit]) -> dict[str, float]:
    """By layer the largest input of any time over that of the time where it is least."""
    call = asked(denoise, len(visits[0][0]))
    most = largest([calibrate.calibrate(call, denoise.net, [visit]) for visit in visits])
    return {name: (row.max() / row.min()).item() for name, row in most.items()}


def conversions(denoise: Denoiser, fitted: list[Visit], visits: int) -> dict[str, nn.Module]:
    """Every converted net by name: weights, scales of shortcuts, choice of times."""
    call, found = asked(denoise, len(fitted[0][0])), {}
    for choice in calibrate.PICK:
        seen = calibrate.calibrate(call, denoise.net, calibrate.chosen(fitted, choice, visits, store.seeded(0)))
        for width, how in WEIGHTS.items():
            for scales, parts in (("one scale", {}), ("two scales", joined(denoise.net))):
                found[f"{width}, {scales}, {choice}"] = swap.swap(
                    denoise.net, seen, inner, swap.static, parts=parts, **how)[0]
    return found


def layers_alone(denoise: Denoiser, fitted: list[Visit], held: list[Visit], visits: int) -> dict[str, quality.Estimate]:
    """Of each layer with a shortcut: its squared error with two scales over that with one, on inputs of another path."""
    call = asked(denoise, len(fitted[0][0]))
    seen, other = (calibrate.calibrate(call, denoise.net, calibrate.chosen(v, "uniform", visits)) for v in (fitted, held))
    found = {}
    for name, parts in joined(denoise.net).items():
        layer = denoise.net.get_submodule(name)
        wrong = [(swap.static(name, layer, seen[name], parts=chosen)(other[name]) - layer(other[name])).square()
                 .mean((1, 2, 3)) for chosen in ({name: parts}, {})]
        found[name] = quality.ratio(*wrong)
    return found


@torch.no_grad()
def measure(out: Path | str | None = None, device: str = "cpu", images: int = IMAGES, steps: int = STEPS,
                visits: int = VISITS) -> str:
    """Measure every choice and append the rows to calibration.jsonl."""
    if device != "cpu":
        raise ValueError("products of 8 bits are simulated here, so a GPU has nothing to add: leave --device out")
    (denoise, schedule), file = checkpoints.denoiser(NAME), folders.results(out) / "calibration.jsonl"
    grid = schedule.grid(steps, "trailing")
    fitted, held = (path(denoise, grid, images, seed) for seed in (0, 1))
    shared = {"checkpoint": store.card(NAME)["sha256"][:12], "steps": steps, "images": images, "visits": visits,
              "simulated": "arithmetic"}
    append = lambda name, found, **more: records.append(file, records.Record(
        name, quality={key: estimate._asdict() for key, estimate in found.items()}, settings=shared | more))
    append("ranges over time", {}, ratios=ranges(denoise, held))
    for name, ratio in layers_alone(denoise, fitted, held, visits).items():
        append(f"two scales over one, {name}", {"ratio": ratio})
    errors, true, made = {}, answers(denoise, held), conversions(denoise, fitted, visits)
    for name, net in tqdm(made.items(), desc="calibration", unit="net"):
        errors[name] = (answers(Denoiser(net, denoise.pred), held) - true).square().mean((2, 3, 4))     # (visits, images)
    for name, error in errors.items():
        kind = name.rpartition(", ")[0]
        worse = max((errors[f"{kind}, {end}"].mean(0) for end in ALONE), key=lambda e: e.mean())
        append(name, {"x0": quality.bootstrap(lambda e: e.mean().item(), error.mean(0)),
                      "to the worse end": quality.ratio(error.mean(0), worse)},
               t=[level.t for _, level in held], mse=error.mean(1).tolist())
    best = min(errors, key=lambda name: errors[name].mean())
    run = path(Denoiser(made[best], denoise.pred), grid, images, 1)
    append("along the path", {}, net=best, t=[level.t for _, level in held],
           rmse=[(a - b).square().mean().sqrt().item() for (a, _), (b, _) in zip(run, held)])
    return f"recorded in {file}"
