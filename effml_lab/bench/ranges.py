"""`bench ranges`: whether a net has outliers, before anything is done about them.

Of each layer that `quantized` would convert, on states of the net's own path: the largest number of the loudest input channel
over that of the median one, the same for the columns of its weights, and how far the largest input moves over the levels.
"""
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .. import folders
from ..efficiency import calibrate
from ..efficiency.quantized import staying
from ..measure import quality, records
from ..models import store
from .beds import NETS, bed, path, told


ALL = 10**9                     # rows a call: none is left out


def loudest(x: Tensor) -> float:
    """The largest number of the loudest channel over that of the median one; x: (n, channels, ...)."""
    most = x.abs().transpose(0, 1).flatten(1).amax(1)
    return (most.max() / most.median().clamp(min=1e-30)).item()


def largest(by_level: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """By layer its largest input at each level, (levels,), of what it was given at each of them."""
    return {key: torch.stack([seen[key].abs().max() for seen in by_level]) for key in by_level[0]}


@torch.no_grad()
def measure(out: Path | str | None = None, device: str = "cpu", images: int = 24) -> str:
    """Append a row a net to ranges.jsonl."""
    if device != "cpu":
        raise ValueError("ranges are no matter of speed: leave --device out")
    file = folders.results(out) / "ranges.jsonl"
    for name in tqdm(NETS, desc="ranges", unit="net"):
        given = bed(name, images)
        call = told(given.net, images)
        by_level = [calibrate.calibrate(call, given.net, [visit], ALL) for visit in path(given.net, given.grid, images)]
        whole, layers = staying(given.net, given.seen), calibrate.layers(given.net)
        most = {key: row for key, row in largest(by_level).items() if key not in whole}
        found = {"inputs": {key: loudest(torch.cat([seen[key] for seen in by_level[::3]])) for key in most},
                 "weights": {key: loudest(layers[key].weight) for key in most},
                 "over levels": {key: (row.max() / row.min()).item() for key, row in most.items()}}
        middle = {key: quality.bootstrap(lambda v: v.median().item(), torch.tensor([*row.values()]).double())._asdict()
                  for key, row in found.items()}
        records.append(file, records.Record(f"ranges, {name}", quality=middle, settings=found | {
            "checkpoint": store.card(given.checkpoint)["sha256"][:12], "t": [level.t for level in given.grid[:-1]],
            "largest": {key: row.tolist() for key, row in most.items()}}))
    return f"recorded in {file}"
