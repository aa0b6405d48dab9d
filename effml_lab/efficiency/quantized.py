"""A whole net in few bits: which layers, how, and what stays as it was.

  seen = calibrate(denoise, net, visits)                # what each layer is given on the way down
  made = quantized(net, seen, "w4a4", rank=32)          # made.net: a copy, for good
  with made.inside(net): ...                            # or the net itself, until the end of the block

Some layers stay in 16 bits, since little is to be won in them and much to be lost:
  one row a picture    time, class and AdaLN: no work to speak of, and every token of every block hangs on what they say
  first and last       few channels, hardly any bytes, and an error there is one of the picture itself
  grouped              a depthwise convolution multiplies each number a few times: reading it is all of its cost
Which these are is seen from how they are called, so the rule holds for nets that were not made here, too. A LoRA is trained on
top of what stays frozen, `tuned`, and put beside the branch, `merged`: nothing is quantized again (Li et al. 2025, section 4.2).
"""
import copy
from contextlib import contextmanager
from typing import Callable, Iterator, NamedTuple

import torch
from torch import nn

from ..nets.lora import LoRA
from .calibrate import Seen, layers
from .svdlinear import SVDQuantLinear
from .swap import Row, fourbit, plainly, replaced, static, swap

MODES: dict[str, tuple[Callable, dict]] = {         # -> converter of a layer, its arguments; those of SVDQuant take a rank
    "w4a4": (fourbit, {"mode": "w4a4"}),
    "w4a8": (fourbit, {"mode": "w4a8"}),
    "w8a8": (plainly, {"bits": 8, "per": "channel", "act": {"bits": 8, "per": "token"}}),
    "w8a8_static": (static, {"bits": 8, "per": "channel"}),     # with parts={name: widths} for layers that see a shortcut
    "w4a16": (plainly, {"bits": 4, "per": "group"}),
}


class Quantized(NamedTuple):
    """net: a copy with its layers converted; rows: one a converted layer; whole: those that stay, with the reason."""
    net: nn.Module
    rows: list[Row]
    whole: dict[str, str]
    mode: str
    how: dict

    @contextmanager
    def inside(self, net: nn.Module) -> Iterator[nn.Module]:
        """Until the end of the block `net`, like the one that was converted, has the converted layers in place of its own."""
        own = {row.name: net.get_submodule(row.name) for row in self.rows}
        try:
            for name in own:
                replaced(net, name, self.net.get_submodule(name))
            yield net
        finally:
            for name, layer in own.items():
                replaced(net, name, layer)

    def bytes(self) -> int:
        """Bytes of all that is stored: codes, scales, branches, and the rest in 16 bits."""
        return stored(self.net)


def stored(net: nn.Module) -> int:
    """Bytes of a net as it is stored: what is kept as codes as it is, other numbers in 16 bits."""
    kept = {id(t): t for t in net.state_dict(keep_vars=True).values()}.values()
    return sum(t.numel() * (2 if t.is_floating_point() else t.element_size()) for t in kept)


def staying(net: nn.Module, seen: Seen) -> dict[str, str]:
    """The layers that stay in 16 bits, with the reason."""
    ends = dict(zip((seen.places or [""])[:1], ["first of all"])) | dict(zip(seen.places[1:][-1:], ["last of all"]))
    found = {}
    for name, layer in layers(net).items():
        if name not in seen:
            found[name] = "never called"
        elif name not in seen.places:
            found[name] = "one row a picture"
        elif name in ends:
            found[name] = ends[name]
        elif getattr(layer, "groups", 1) != 1:
            found[name] = "grouped"
    return found


def quantized(net: nn.Module, seen: Seen, mode: str = "w4a4", rank: int = 32, where: Callable | None = None,
              **how) -> Quantized:
    """A copy of a net whose large layers are stored in few bits, for inputs like `seen` of `calibrate`.

    mode: a key of MODES. rank: of the branch, of modes that have one. where(name, layer): which layers, instead of all but
    those of `staying`. how: more for the converter, see `swap.fourbit`, `plainly` and `static`. What stays is rounded to 16 bits.
    """
    if mode not in MODES:
        raise ValueError(f"there is no mode {mode!r}: choose one of {', '.join(MODES)}")
    convert, settings = MODES[mode]
    whole = staying(net, seen) if where is None else {name: "not chosen" for name, layer in layers(net).items()
                                                      if not where(name, layer)}
    if len(whole) == len(layers(net)):
        raise ValueError("nothing of this net would be quantized, since no layer but the first and the last sees more than one "
                         "row a picture: name layers with `where`" if where is None else "`where` chooses no layer of this net")
    how = settings | ({"rank": rank} if convert is fourbit else {}) | how
    made, rows = swap(net, seen, lambda name, layer: name not in whole, convert, **how)
    return Quantized(in_sixteen(made), rows, whole, mode, how)


@torch.no_grad()
def in_sixteen(net: nn.Module) -> nn.Module:
    """The net with all that is not kept as codes rounded to 16 bits, in the types it had."""
    for p in net.parameters():
        if p.dtype == torch.float32:
            p.copy_(p.half().float())
    if not all(p.isfinite().all() for p in net.parameters()):
        raise ValueError("a layer that stays in 16 bits is beyond float16: convert the net to bfloat16 first")
    return net


def tuned(net: nn.Module, rank: int = 8, where: Callable | None = None) -> nn.Module:
    """A copy of a quantized net, frozen, whose 4-bit linear layers have a fresh LoRA beside them; where(name, layer): which."""
    made = copy.deepcopy(net).requires_grad_(False)
    chosen = {name: layer for name, layer in made.named_modules() if type(layer) is SVDQuantLinear
              and (where is None or where(name, layer))}
    if not chosen:
        raise ValueError("no layer of this net is a 4-bit linear layer with a place for a LoRA: quantize it in w4a4 or w4a8")
    for name, layer in chosen.items():
        made = replaced(made, name, LoRA(layer, len(layer.smooth), len(layer.codes), rank))
    return made


def merged(net: nn.Module) -> nn.Module:
    """A copy of a net of `tuned` in which each LoRA stands beside the branch of its layer; nothing is quantized again."""
    made = copy.deepcopy(net)
    for name, lora in [(name, part) for name, part in made.named_modules() if isinstance(part, LoRA)]:
        lora.layer.add_lora(lora.up.detach(), lora.down.detach())
        made = replaced(made, name, lora.layer)
    return made
