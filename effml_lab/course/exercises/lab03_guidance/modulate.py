"""Lab 03: AdaGN, a group norm whose output is scaled and shifted by what each image is told (Dhariwal and Nichol 2021, 3.1).

A linear layer of zeros has to leave the norm as it is, to the last bit. One case is as long as it is wide and as it has channels,
so that a condition laid along another axis is not saved by an error of shapes.
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....nets.blocks import modulate
from ...contract.attempt import where
from ...contract.exercise import Exercise, Property, Unanswered, close, same_form
from ..common import tol

FORM, FRESH, TOLD = "shape and dtype of h", "a linear layer of zeros changes nothing: norm(h)", "norm(h) (1 + scale) + shift"
PAIRED, LEARNS = "what one image is told says nothing to another", "a gradient reaches linear"
SIZES = (((3, 8, 4, 5), 4, torch.float32), ((1, 6, 3, 3), 2, torch.float64), ((4, 4, 4, 4), 2, torch.float32))
WIDTH = 5


def cases(rng):
    out = []
    for shape, groups, dtype in SIZES:
        draw = lambda *size: torch.randn(size, generator=rng, dtype=torch.float64).to(dtype)
        c = shape[1]
        out.append({"h": 2 * draw(*shape) + 0.5, "emb": draw(shape[0], WIDTH), "groups": groups, "gain": 1 + 0.3 * draw(c),
                    "offset": 0.3 * draw(c), "weight": 0.5 * draw(2 * c, WIDTH), "bias": 0.5 * draw(2 * c)})
    return out


def layers(case, blank: bool = False) -> tuple[nn.Module, nn.Module]:
    """The norm and the linear layer of a case; blank: one of zeros."""
    c, dtype = len(case["gain"]), case["h"].dtype
    norm, linear = nn.GroupNorm(case["groups"], c, dtype=dtype), nn.Linear(WIDTH, 2 * c, dtype=dtype)
    norm.load_state_dict({"weight": case["gain"].clone(), "bias": case["offset"].clone()})
    linear.load_state_dict({name: torch.zeros_like(case[name]) if blank else case[name].clone() for name in ("weight", "bias")})
    return norm, linear


def run(impl, case):
    h, emb = case["h"], case["emb"]
    call = lambda h, emb, blank=False: impl(h, emb, *layers(case, blank))
    try:
        with torch.no_grad():
            fresh, turned = call(h.clone(), emb.clone(), True), call(h.clone(), emb.flip(0))
            moves = learned(impl, case)
            return [fresh, call(h, emb), turned, moves]         # the case's own tensors come last: a change in place shows
    except RuntimeError as error:
        if "must match the size" not in str(error):
            raise
        raise Unanswered("The sizes do not fit: of what linear(emb) gives, (B, 2 C), scale is the first half along dim 1 and "
                         f"shift the second, and each needs the shape (B, C, 1, 1) to be laid along h{where(error)}.") from None


def learned(impl, case) -> bool:
    """Whether a loss would move the linear layer."""
    with torch.enable_grad():
        norm, linear = layers(case)
        try:
            out = impl(case["h"].clone(), case["emb"].clone(), norm, linear)
            out.square().sum().backward()
        except (RuntimeError, AttributeError):      # no graph, one cut by a change in place, or no tensor at all
            return False
    return linear.weight.grad is not None and bool(linear.weight.grad.any())


@torch.no_grad()
def slips(case) -> dict:
    norm, linear = layers(case)
    h, emb = case["h"], case["emb"]
    n, given = norm(h), linear(emb)
    wide = lambda values: values[:, :, None, None]
    scale, shift = map(wide, given.chunk(2, 1))
    odd, even = wide(given[:, ::2]), wide(given[:, 1::2])
    silent = [wide(part) for part in linear(F.silu(emb)).chunk(2, 1)]
    along = lambda values: values[:, :, 0, 0] if h.shape[2:] == values.shape[:2] else torch.full_like(h, torch.nan)
    plain, own = F.group_norm(h, case["groups"]), lambda *dims: (h - h.mean(dims, keepdim=True)) / h.std(dims, keepdim=True)
    return {
        "the 1 + is missing: norm(h) (1 + scale) + shift": lambda: n * scale + shift,
        "scaled and shifted first, and normalised afterwards: that takes most of it away again": lambda: norm(
            h * (1 + scale) + shift),
        "scale and shift are exchanged: scale is the first half": lambda: n * (1 + shift) + scale,
        "h is not normalised": lambda: h * (1 + scale) + shift,
        "the shift is scaled, too: it is added last": lambda: (n + shift) * (1 + scale),
        "the shift is missing": lambda: n * (1 + scale),
        "the scale is missing": lambda: n + shift,
        "only added, as in the plain way: the first half is the scale, 1 + scale multiplies": lambda: n + scale,
        "the shift is subtracted": lambda: n * (1 + scale) - shift,
        "1 - scale where 1 + scale belongs": lambda: n * (1 - scale) + shift,
        "exp(scale): it is 1 + scale": lambda: n * scale.exp() + shift,
        "the 1 is added to the shift: it belongs to the scale": lambda: n * scale + 1 + shift,
        "1 + shift: only the scale has a 1": lambda: n * (1 + scale) + 1 + shift,
        "the brackets are missing: norm(h) times (1 + scale)": lambda: n + scale + shift,
        "the first half is used twice: shift is the second": lambda: n * (1 + scale) + scale,
        "the second half is used twice: scale is the first": lambda: n * (1 + shift) + shift,
        "the plain way, added to the channels: here it scales and shifts": lambda: h + scale + shift,
        "h is added once more": lambda: h + n * (1 + scale) + shift,
        "h stands where the 1 + belongs: it is norm(h) that is scaled by 1 + scale": lambda: h + n * scale + shift,
        "h is scaled, norm(h) left as it is: it is norm(h) that is scaled by 1 + scale": lambda: n + h * scale + shift,
        "the shift is multiplied, too: it is added last": lambda: n * (1 + scale + shift),
        "nothing is told: emb is not used": lambda: n,
        "normalised by hand: call norm, which has groups and weights of its own": lambda: own(2, 3) * (1 + scale) + shift,
        "normalised by hand, over the whole image: call norm, which has groups and weights of its own": lambda: (
            own(1, 2, 3) * (1 + scale) + shift),
        "every second number of linear(emb) was taken: scale is the first half, shift the second": lambda: n * (1 + odd) + even,
        "emb went through SiLU once more: it comes as it should be": lambda: n * (1 + silent[0]) + silent[1],
        "laid along height and width: give scale and shift the shape (B, C, 1, 1)": lambda: n * (1 + along(scale)) + along(shift),
        "all images are told what the first is": lambda: n * (1 + scale[:1]) + shift[:1],
        "averaged over the batch: each image is told something of its own": lambda: (
            n * (1 + scale.mean(0, keepdim=True)) + shift.mean(0, keepdim=True)),
        "normalised a second time, without its weights": lambda: plain * (1 + scale) + shift}


@torch.no_grad()
def verify(case, out):
    fresh, told, turned, learns = out
    norm, linear = layers(case)
    h, dtype = case["h"], case["h"].dtype
    right = modulate(h, case["emb"], norm, linear)
    form = same_form(FORM, told, right, h)
    if not form.readable:
        return [form]
    rows = [form, unchanged(fresh, norm(h), h), close(TOLD, told, right, slips(case), tol(dtype))]
    if not rows[-1].passed or not isinstance(turned, Tensor):
        return rows
    rows.append(Property(LEARNS, learns, "as expected" if learns else "none", "one", () if learns else (
        "linear is cut off (detach, no_grad): it could never learn what to say",)))
    paired = close(PAIRED, turned, modulate(h, case["emb"].flip(0), norm, linear), None, tol(dtype))
    return rows if len(h) == 1 else [*rows, paired]


def unchanged(fresh, normed: Tensor, h: Tensor) -> Property:
    """To the last bit, which an answer written another way keeps too: x 1 and + 0 are exact."""
    return close(FRESH, fresh, normed, {
        "the 1 + is missing: with a scale of 0 nothing is left of h": lambda: torch.zeros_like(h),
        "h is not normalised": lambda: h,
        "h stands where the 1 + belongs: it is norm(h) that is scaled by 1 + scale": lambda: h,
        "the 1 is added to the shift: it belongs to the scale": lambda: torch.ones_like(h),
        "1 + shift: only the scale has a 1": lambda: normed + 1}, 0.0)


EXERCISES = (Exercise("03-modulate", "Told by scale and shift (AdaGN)", {FORM: 0, FRESH: 1, TOLD: 3, PAIRED: 0.5, LEARNS: 0.5},
                      cases, run, verify, own=(modulate,)),)
