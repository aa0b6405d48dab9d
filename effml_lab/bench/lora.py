"""A LoRA on top of a net in four bits, trained and then put beside the branch: rows of `bench quant`.

The task is small and can be read off a picture: scenes of one colour alone. Nothing but the LoRA learns; the codes stay as they
are, and at the end no layer is wider than before but for the rank of its branch.
"""
import torch
from torch import nn

from ..datasets import shapes as scenes
from ..diffusion.denoise import loss
from ..efficiency import svdquant
from ..efficiency.quantized import merged, stored, tuned
from ..measure import quality
from ..models import reader, store
from ..recipes import shapes
from .beds import Bed, drawn, told

COLOR, RANK, STEPS, BATCH, LR = 0, 8, 150, 24, 2e-3


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Generator]:
    """Scenes of one colour, their kinds, and what else is random in a step."""
    rng = store.seeded(7, step)
    drawn_now = scenes.draw(BATCH, rng)
    drawn_now = drawn_now._replace(color=torch.full_like(drawn_now.color, COLOR))
    return scenes.render(drawn_now), drawn_now.kind[:, 0], rng


@torch.enable_grad()
def taught(net: nn.Module, steps: int = STEPS) -> nn.Module:
    """A copy of a net in four bits with a LoRA that has learned one colour."""
    made = tuned(net, RANK, rng=store.seeded(7))
    opt = torch.optim.Adam([p for p in made.parameters() if p.requires_grad], LR)
    for step in range(steps):
        images, kinds, rng = batch(step)
        opt.zero_grad()
        loss(made, images, shapes.SCHEDULE(), "v", rng, kinds).backward()
        opt.step()
    return made


@torch.no_grad()
def measured(given: Bed, net: nn.Module, n: int = 120, steps: int = STEPS) -> tuple[dict, dict]:
    """The share of pictures of that colour before and after, and what putting the LoRA beside the branch changes."""
    on_top = taught(net, steps)
    beside = merged(on_top)
    x, level = torch.randn(16, 3, reader.SIZE, reader.SIZE, generator=store.seeded(3)), given.grid[3]
    apart = svdquant.relative(*(told(each, 16)(x, level) for each in (beside, on_top)))
    codes = lambda made: {key: t for key, t in made.state_dict().items() if key.endswith(".codes")}
    before, after = codes(net), codes(beside)
    changed = sum(not torch.equal(before[key], after[key]) for key in before)
    shares = {name: quality.proportion(reader.attributes(drawn(each, given.grid, n)).color == COLOR)
              for name, each in (("before", net), ("after", beside))}
    return shares, {"beside to on top": apart, "layers whose codes changed": changed, "rank": RANK, "lr": LR,
                    "steps": steps, "batch": BATCH, "bytes before": stored(net), "bytes after": stored(beside)}
