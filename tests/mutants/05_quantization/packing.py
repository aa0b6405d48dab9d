"""Answers to 05-pack: right ones, and wrong ones with the causes that a report may name for them."""
import torch

EXERCISE = "05-pack"


def pack(q):
    low, high = (q.to(torch.int16) & 15).unflatten(1, (-1, 2, 64)).unbind(2)
    return (low | high << 4).to(torch.uint8).flatten(1)


def unpack(packed):
    pair = packed.to(torch.int16).unflatten(1, (-1, 64))
    q = torch.stack([pair & 15, pair >> 4], 2).flatten(1)
    return torch.where(q > 7, q - 16, q).to(torch.int8)


def pack_uint8(q):
    n = (q & 15).to(torch.uint8).reshape(len(q), -1, 128)
    return (n[..., :64] + 16 * n[..., 64:]).reshape(len(q), -1)


def unpack_cat(packed):
    p = packed.reshape(len(packed), -1, 64)
    q = torch.cat([p & 15, p // 16], dim=-1).to(torch.int8).reshape(len(packed), -1)
    return q - 16 * (q > 7).to(torch.int8)


def pack_loop(q):
    out = []
    for block in q.split(128, dim=1):
        low, high = block[:, :64].int() % 16, block[:, 64:].int() % 16
        out.append((low + high * 16).to(torch.uint8))
    return torch.cat(out, 1)


def unpack_xor(packed):
    p = packed.unflatten(1, (-1, 64)).to(torch.int16)
    return ((torch.cat([p & 15, p >> 4], 2) ^ 8) - 8).to(torch.int8).flatten(1)


def packing(make, cast=torch.uint8):
    def answer(q):
        low, high = q.to(torch.int16).unflatten(1, (-1, 2, 64)).unbind(2)
        return make(low, high).to(cast).flatten(1)
    return answer


def neighbours(q):
    q = q.to(torch.int16) & 15
    return (q[:, ::2] | q[:, 1::2] << 4).to(torch.uint8)


def from_neighbours(packed):
    p = packed.to(torch.int16)
    q = torch.stack([p & 15, p >> 4], 2).flatten(1)
    return torch.where(q > 7, q - 16, q).to(torch.int8)


def halves(q):
    low, high = (q.to(torch.int16) & 15).chunk(2, 1)
    return (low | high << 4).to(torch.uint8)


def from_halves(packed):
    p = packed.to(torch.int16)
    q = torch.cat([p & 15, p >> 4], 1)
    return torch.where(q > 7, q - 16, q).to(torch.int8)


def unpacking(make, cast=torch.int8):
    def answer(packed):
        pair = packed.to(torch.int16).unflatten(1, (-1, 64))
        return make(pair & 15, pair >> 4).to(cast).flatten(1)
    return answer


def signed(q):
    return torch.where(q > 7, q - 16, q)


RIGHT = [(pack, unpack), (pack_uint8, unpack_cat), (pack_loop, unpack_xor), (pack, unpack_cat)]
WRONG = [
    ((packing(lambda a, b: (b & 15) | (a & 15) << 4), unpack), ["the two are exchanged: code j lies low"]),
    ((packing(lambda a, b: (b & 15) | (a & 15) << 4), unpacking(lambda a, b: signed(torch.stack([b, a], 2)))),
     ["the two are exchanged"]), ((neighbours, from_neighbours), ["neighbours share a byte", "as if neighbours"]),
    ((neighbours, unpack), ["neighbours share a byte:"]), ((pack, from_neighbours), ["as if neighbours"]),
    ((halves, from_halves), ["cut into halves", "all low codes come first"]), ((halves, unpack), ["cut into halves"]),
    ((pack, from_halves), ["all low codes come first"]), ((packing(lambda a, b: a | b << 4), unpack), ["cover the other"]),
    ((packing(lambda a, b: a + (b << 4)), unpack), ["are added to the other"]),
    ((packing(lambda a, b: (a + 8) | (b + 8) << 4), unpacking(lambda a, b: torch.stack([a, b], 2) - 8)),
     ["8 is added to the codes", "8 is taken off every code"]),
    ((packing(lambda a, b: (a & 15) | (b & 15)), unpack), ["not shifted: << 4"]),
    ((packing(lambda a, b: a & 15), unpack), ["shifted by 8 bits"]),
    ((packing(lambda a, b: (b & 15) << 4), unpack), ["only the high code"]),
    ((packing(lambda a, b: a.abs() | b.abs() << 4), unpack), ["absolute values"]),
    ((packing(lambda a, b: (a & 15) | (b & 15) << 8), unpack), ["shifted by 8 bits"]),
    ((packing(lambda a, b: (a & 15) | (b & 15) << 4, torch.int16), unpack), ["more than a byte each"]),
    ((packing(lambda a, b: (a & 15) | (b & 15) << 4, torch.int8), unpack), ["signed bytes"]),
    ((lambda q: q.to(torch.uint8), lambda p: p.to(torch.int8)), ["a byte a code"]),
    ((pack, unpacking(lambda a, b: torch.stack([a, b], 2))), ["8 and more are those below 0"]),
    ((pack, unpacking(lambda a, b: torch.stack([a, b], 2) - 8)), ["8 is taken off every code"]),
    ((pack, unpacking(lambda a, b: signed(torch.stack([b, a], 2)))), ["the low half of a byte is code j"]),
    ((pack, unpacking(lambda a, b: torch.where((q := torch.stack([a, b], 2)) > 8, q - 16, q))), ["codes above 8 alone"]),
    ((pack, unpacking(lambda a, b: torch.where((q := torch.stack([a, b], 2)) > 7, q - 15, q))), ["15 is taken off"]),
    ((pack, unpacking(lambda a, b: torch.where((q := torch.stack([a, b], 2)) > 6, q - 16, q))), ["7 and more"]),
    ((pack, unpacking(lambda a, b: signed(torch.stack([a, b], 2)), torch.int16)), []),
    ((pack, unpacking(lambda a, b: torch.stack([a, b], 2), torch.uint8)), ["8 and more are those below 0", "uint8 has no"]),
    ((pack, lambda p: unpack(p).float()), []), ((pack, lambda p: p), ["uint8 has no"]),
    ((lambda q: pack(q).flatten(), unpack), ["rows are mixed"]), ((pack, lambda p: unpack(p)[:, :64]), []), (pack, []),
    ((unpack, pack), []), ((pack, pack), []),
]
