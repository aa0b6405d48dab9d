"""A whole net in few bits: which layers, how, and what stays as it was.

  seen = calibrate(denoise, net, visits)                # what each layer is given on the way down
  made = quantized(net, seen, "w4a4", rank=32)          # made.net: a copy, for good
  with made.inside(net): ...                            # or the net itself, until the end of the block

Some layers stay in 16 bits, since little work is to be saved in them and much to be lost:
  one row a picture    time, class and AdaLN: every token of every block hangs on what they say. Their *bytes* may be many, more
                       than half of a small DiT in 4 bits; SVDQuant's release rounds the weights of AdaLN alone (W4A16)
  first and last       few channels, and an error there is one of the picture itself
  grouped              a depthwise convolution multiplies each number a few times: reading it is all of its cost
Which these are is seen from how they are called; first is the first convolution, where there is one, so that a text encoder may
come before it. A LoRA is trained on top of what stays frozen, `tuned`, and put beside the branch, `merged`: nothing is quantized
again (Li et al. 2025).
"""
import copy
from contextlib import contextmanager
from typing import Callable, Iterator, NamedTuple

import torch
from torch import Tensor, nn

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
    """net: a copy with its layers converted; rows: one a converted layer; whole: those that stay, with the reason.

    mode and how: what it was made by. After a LoRA was merged, `made._replace(net=merged(net))` is saved like any other.
    """
    net: nn.Module
    rows: list[Row]
    whole: dict[str, str]
    mode: str
    how: dict

    @contextmanager
    def inside(self, net: nn.Module) -> Iterator[nn.Module]:
        """Until the end of the block `net`, like the one that was converted, has the converted layers in place of its own.

        All else of it is as it was, not rounded to 16 bits. Do not cast or move it inside.
        """
        own = {row.name: net.get_submodule(row.name) for row in self.rows}
        if "" in own:
            raise ValueError("a net that is itself the layer cannot be changed from inside: use .net")
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
    return sum(t.numel() * t.element_size() for t in map(sixteen, kept(net).values()))


def kept(net: nn.Module) -> dict[str, Tensor]:
    """All tensors of a net's state, one name for each."""
    first: dict[int, tuple[str, Tensor]] = {}
    for name, t in net.state_dict(keep_vars=True).items():
        first.setdefault(id(t), (name, t.detach()))
    return dict(first.values())


def sixteen(t: Tensor) -> Tensor:
    """A tensor as it is stored: floating-point numbers in 16 bits."""
    return t.half() if t.dtype in (torch.float32, torch.float64) else t


def staying(net: nn.Module, seen: Seen) -> dict[str, str]:
    """The layers that stay in 16 bits, with the reason."""
    known, found = layers(net), {}
    convolutions = [name for name in seen.places if isinstance(known.get(name), nn.Conv2d)]
    ends = dict.fromkeys(seen.places[1:][-1:], "last of all") | dict.fromkeys((convolutions or seen.places)[:1], "first of all")
    for name, layer in known.items():
        if name not in seen:
            found[name] = "never called"
        elif name not in seen.places:
            found[name] = "one row a picture"
        elif name in ends:
            found[name] = ends[name]
        elif getattr(layer, "groups", 1) != 1:
            found[name] = "grouped"
        elif getattr(layer, "padding_mode", "zeros") != "zeros":
            found[name] = "not padded with zeros"
    return found


def quantized(net: nn.Module, seen: Seen, mode: str = "w4a4", rank: int = 32, where: Callable | None = None,
              **how) -> Quantized:
    """A copy of a net whose large layers are stored in few bits, for inputs like `seen` of `calibrate`.

    mode: a key of MODES. rank: of the branch, of modes that have one. where(name, layer): which layers, instead of all but
    those of `staying`. how: more for the converter, see `swap.fourbit`, `plainly` and `static`. What stays is rounded to 16 bits.
    """
    if mode not in MODES:
        raise ValueError(f"there is no mode {mode!r}: choose one of {', '.join(MODES)}")
    if not seen:
        raise ValueError("the calibration has seen no layer: was it run on this net?")
    if strange := sorted(how.get("parts", {}).keys() - seen.keys()):
        raise ValueError(f"this net has no layer {', '.join(strange)} for scales of their own")
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
    for name, t in kept(net).items():
        short = sixteen(t)
        if short.isinf().any() and not t.isinf().any():
            raise ValueError(f"{name} stays in 16 bits and is beyond float16: convert the net to bfloat16 first")
        t.copy_(short)
    return net


def tuned(net: nn.Module, rank: int = 8, where: Callable | None = None, rng: torch.Generator | None = None) -> nn.Module:
    """A copy of a quantized net, frozen, whose 4-bit linear layers have a fresh LoRA on top; where(name, layer): which."""
    made = copy.deepcopy(net).requires_grad_(False)
    chosen = {name: layer for name, layer in made.named_modules() if type(layer) is SVDQuantLinear
              and (where is None or where(name, layer))}
    if not chosen:
        raise ValueError("no layer of this net is a 4-bit linear layer with a place for a LoRA: quantize it in w4a4 or w4a8")
    for name, layer in chosen.items():
        made = replaced(made, name, LoRA(layer, len(layer.smooth), len(layer.codes), rank, rng).to(layer.codes.device))
    return made


def merged(net: nn.Module) -> nn.Module:
    """A copy of a net of `tuned` in which each LoRA stands beside the branch of its layer; nothing is quantized again."""
    made = copy.deepcopy(net)
    loras = [(name, part) for name, part in made.named_modules() if isinstance(part, LoRA)]
    if not loras:
        raise ValueError("this net has no LoRA to merge: make one with `tuned`")
    for name, lora in loras:
        lora.layer.add_lora(lora.up.detach(), lora.down.detach())
        made = replaced(made, name, lora.layer)
    return made
