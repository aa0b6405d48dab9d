"""Lab 05: two codes of 4 bits a byte, in the package's layout: byte j of 64 holds codes j (low) and 64 + j (high)."""
import torch
from torch import Tensor

from ....efficiency import quant
from ...contract.exercise import Exercise, Property, Unanswered, close, kind, known

FORM, BYTES = "half as many bytes, uint8", "each byte: code j low, code 64 + j high"
CODES, BACK, WHOLE = "codes from bytes", "pack, then unpack: the same codes", "codes are int8"
SHAPES = ((3, 128), (1, 256), (5, 384))


def cases(rng):
    out = [{"q": torch.randint(-8, 8, shape, generator=rng, dtype=torch.int8)} for shape in SHAPES]
    out[0]["q"][0, :32] = torch.arange(-8, 8, dtype=torch.int8).repeat(2)       # every code low, with others high
    return out


def run(impl, case):
    if not isinstance(impl, (tuple, list)) or len(impl) != 2:
        raise Unanswered("Hand over both functions: (pack, unpack).")
    pack, unpack = impl
    packed = pack(case["q"])
    try:
        back = unpack(packed.clone() if isinstance(packed, Tensor) else packed)
    except Exception as error:
        back = f"{type(error).__name__}: {error}"
    return {"packed": packed, "codes": unpack(byte(*parts(case["q"])).to(torch.uint8)), "back": back}


def parts(q: Tensor) -> tuple[Tensor, Tensor]:
    """The codes that lie low and high, (rows, K / 2) each, as whole numbers."""
    low, high = q.long().unflatten(1, (-1, 2, 64)).unbind(2)
    return low.flatten(1), high.flatten(1)


def byte(low: Tensor, high: Tensor) -> Tensor:
    return ((low & 15) | (high & 15) << 4) & 255


def verify(case, out):
    q, packed, half = case["q"], out["packed"], (len(case["q"]), case["q"].shape[1] // 2)
    low, high = parts(q)
    if not isinstance(packed, Tensor) or tuple(packed.shape) != half or packed.dtype != torch.uint8:
        shape, sort = tuple(getattr(packed, "shape", ())), str(getattr(packed, "dtype", "")).replace("torch.", "")
        seen = f"{sort}, shape {shape}" if isinstance(packed, Tensor) else kind(packed)
        causes = {"a byte a code: two codes belong into each": shape == tuple(q.shape),
                  "the bytes are still in blocks of 64: flatten(1)": shape == (half[0], half[1] // 64, 64),
                  "rows are mixed: each row is packed by itself, (rows, K / 2)": len(shape) > 0 and shape != half and
                  shape != (half[0], half[1] // 64, 64) and packed.numel() == half[0] * half[1],
                  "signed bytes: `.to(torch.uint8)`": shape == half and sort == "int8",
                  "more than a byte each: `.to(torch.uint8)`": shape == half and sort in ("int16", "int32", "int64")}
        return [Property(FORM, False, seen, f"uint8, shape {half}", tuple(said for said, holds in causes.items() if holds),
                         readable=False)]
    form = Property(FORM, bool(packed.any()), "as expected" if packed.any() else "all zeros", f"uint8, shape {half}")
    halves = q.long().chunk(2, 1)
    even, odd = q.long()[:, ::2], q.long()[:, 1::2]
    bits = lambda value: lambda: (value & 255).double()
    rows = [form, close(BYTES, packed, byte(low, high).double(), {
        "the two are exchanged: code j lies low, code 64 + j high": bits(byte(high, low)),
        "neighbours share a byte: it is codes j and 64 + j": bits(byte(even, odd)),
        "neighbours share a byte, and high comes first: it is codes j (low) and 64 + j (high)": bits(byte(odd, even)),
        "the row is cut into halves: each 128 codes are packed by themselves, unflatten(-1, (-1, 2, 64))": bits(byte(*halves)),
        "the row is cut into halves, high first: each 128 codes by themselves, code j low": bits(byte(*halves[::-1])),
        "a code below 0 has ones in all its upper bits, and they cover the other: & 15 first": bits(low | (high << 4)),
        "a code below 0 has ones in all its upper bits, and they are added to the other: & 15 first": bits(low + (high << 4)),
        "8 is added to the codes: here the two's complement is kept, & 15": bits(byte(low + 8, high + 8)),
        "7 is added to the codes: here the two's complement is kept, & 15": bits(byte(low + 7, high + 7)),
        "shifted by 8 bits, out of the byte: by 4": bits(low & 15),
        "a sign and the absolute value: the two's complement is asked for, & 15": bits(
            byte(low.abs() | (low < 0).long() << 3, high.abs() | (high < 0).long() << 3)),
        "& 7 keeps three bits: a code has four, & 15": bits((low & 7) | (high & 7) << 4),
        "& keeps what both have in common: | joins them": bits((low & 15) & ((high & 15) << 4)),
        "-8 is cut off to -7: four bits have room for it": bits(byte(low.clamp(min=-7), high.clamp(min=-7))),
        "absolute values: the sign is lost": bits(byte(low.abs(), high.abs())),
        "the high one is not shifted: << 4": bits((low & 15) | (high & 15)),
        "only the high code is kept": bits((high & 15) << 4)}, 0.0)]
    return rows + unpacked(q, out["codes"], out["back"])


def unpacked(q: Tensor, codes, back) -> list[Property]:
    low, high = parts(q)
    split = lambda a, b: torch.stack([a.unflatten(1, (-1, 64)), b.unflatten(1, (-1, 64))], 2).flatten(1)
    plain = lambda a: a & 15
    read = close(CODES, codes, q.double(), {
        "codes of 8 and more are those below 0: take 16 off them": lambda: plain(q.long()).double(),
        "8 is taken off every code: only of those that are 8 or more, 16": lambda: (plain(q.long()) - 8).double(),
        "16 is taken off codes above 8 alone: -8 is stored as 8": lambda: torch.where(q == -8, 8, q).double(),
        "8 is taken off codes of 8 and more: 16": lambda: torch.where(q < 0, q + 8, q).double(),
        "15 is taken off codes of 8 and more: 16": lambda: torch.where(q < 0, q + 1, q).double(),
        "read as a sign and an absolute value: take 16 off codes of 8 and more": lambda: torch.where(q < 0, -8 - q, q).double(),
        "only the low codes get their sign back": lambda: split(low, high & 15).double(),
        "only the high codes get their sign back": lambda: split(low & 15, high).double(),
        "16 is taken off codes of 7 and more: from 8 on": lambda: torch.where(q == 7, -9, q).double(),
        "the two are exchanged: the low half of a byte is code j": lambda: split(high, low).double(),
        "low and high are laid side by side, as if neighbours shared a byte: code j and 64 + j": lambda: torch.stack(
            [low, high], 2).flatten(1).double(),
        "all low codes come first, then all high ones: each 64 bytes are 128 codes by themselves": lambda: torch.cat(
            [low, high], 1).double(),
        "the high code is not shifted back: >> 4": lambda: split(low, (high & 15) << 4).double(),
        "the low half is the whole byte: & 15": lambda: split(byte(low, high), high).double()}, 0.0)
    if isinstance(back, str):
        again = Property(BACK, False, back[:75], "the codes that were packed")
    else:
        same = isinstance(back, Tensor) and back.shape == q.shape and torch.equal(back.long(), q.long())
        again = Property(BACK, same, "as expected" if same else "others", "the codes that were packed")
    type_of = getattr(codes, "dtype", None)
    kinds = {torch.uint8: "uint8 has no numbers below 0: `.to(torch.int8)` before 16 is taken off"}
    return [read, again, Property(WHOLE, type_of == torch.int8, str(type_of).replace("torch.", ""), "int8",
                                  known(kinds, type_of))]


EXERCISES = (Exercise("05-pack", "Two codes a byte", {FORM: 0, BYTES: 2, CODES: 2, BACK: 0.5, WHOLE: 0.5}, cases, run, verify,
                      own=(quant.pack, quant.unpack)),)
