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


# A newcomer's own, written before any check was run
newcomers_i16_helper = torch.int16


def newcomers_pack_helper(q):
    lo, hi = q.to(newcomers_i16_helper).unflatten(1, (-1, 2, 64)).unbind(2)
    return (lo & 15 | (hi & 15) << 4).flatten(1).to(torch.uint8)


def newcomers_unpack_helper(p):
    b = p.to(newcomers_i16_helper).unflatten(1, (-1, 64))
    q = torch.stack((b & 15, b >> 4), 2)
    return torch.where(q > 7, q - 16, q).flatten(1).to(torch.int8)


def newcomers_p4_helper(q):
    lo, hi = q.to(newcomers_i16_helper).unflatten(1, (2, -1, 64)).unbind(1)
    return (lo & 15 | (hi & 15) << 4).flatten(1).to(torch.uint8)
newcomers_unflatten_order = (newcomers_p4_helper, newcomers_unpack_helper)


def newcomers_u9_helper(p):
    b = p.to(newcomers_i16_helper).unflatten(1, (-1, 64))
    q = torch.stack((b & 15, b >> 4), 2)
    return torch.where(q > 7, q - 8, q).flatten(1).to(torch.int8)
newcomers_minus_eight_sub = (newcomers_pack_helper, newcomers_u9_helper)


def newcomers_p10_helper(q):
    c = torch.where(q < 0, q.abs() & 7 | 8, q).to(newcomers_i16_helper)
    lo, hi = c.unflatten(1, (-1, 2, 64)).unbind(2)
    return (lo & 15 | (hi & 15) << 4).flatten(1).to(torch.uint8)


def newcomers_u10_helper(p):
    b = p.to(newcomers_i16_helper).unflatten(1, (-1, 64))
    q = torch.stack((b & 15, b >> 4), 2)
    return torch.where(q > 7, -(q - 8), q).flatten(1).to(torch.int8)
newcomers_sign_magnitude = (newcomers_p10_helper, newcomers_u10_helper)


def newcomers_p17_helper(q):
    lo, hi = q.to(newcomers_i16_helper).unflatten(1, (-1, 2, 64)).unbind(2)
    return (lo & 15 | (hi & 15) << 4).to(torch.uint8)
newcomers_pack_shape = (newcomers_p17_helper, newcomers_unpack_helper)


def newcomers_p19_helper(q):
    lo, hi = q.to(newcomers_i16_helper).unflatten(1, (-1, 2, 64)).unbind(2)
    return (lo + 16 * hi & 255).flatten(1).to(torch.uint8)
newcomers_carry = (newcomers_p19_helper, newcomers_unpack_helper)


def newcomers_p20_helper(q):
    lo, hi = q.to(newcomers_i16_helper).unflatten(1, (-1, 2, 64)).unbind(2)
    return (lo & 15 & (hi & 15) << 4).flatten(1).to(torch.uint8)
newcomers_and = (newcomers_p20_helper, newcomers_unpack_helper)


def newcomers_p21_helper(q):
    lo, hi = q.to(newcomers_i16_helper).unflatten(1, (-1, 2, 64)).unbind(2)
    return (lo & 7 | (hi & 7) << 4).flatten(1).to(torch.uint8)
newcomers_mask7 = (newcomers_p21_helper, newcomers_unpack_helper)


def newcomers_u22_helper(p):
    b = p.to(newcomers_i16_helper).unflatten(1, (-1, 64))
    lo, hi = (b & 15, b >> 4)
    return torch.stack((torch.where(lo > 7, lo - 16, lo), hi), 2).flatten(1).to(torch.int8)
newcomers_sign_low_only = (newcomers_pack_helper, newcomers_u22_helper)


def newcomers_rp_helper(q):
    g = q.long().reshape(len(q), -1, 2, 64) % 16
    return (g[:, :, 0] + 16 * g[:, :, 1]).reshape(len(q), -1).byte()


def newcomers_ru_helper(p):
    b = p.long().reshape(len(p), -1, 64)
    q = torch.cat((b % 16, b // 16), -1)
    return ((q + 8) % 16 - 8).reshape(len(p), -1).to(torch.int8)
newcomers_modulo_right = (newcomers_rp_helper, newcomers_ru_helper)


def newcomers_rp2_helper(q):
    out = []
    for i in range(0, q.shape[1], 128):
        out.append((q[:, i:i + 64] & 15).to(torch.uint8) + (q[:, i + 64:i + 128] & 15).to(torch.uint8) * 16)
    return torch.cat(out, 1)


def newcomers_ru2_helper(p):
    out = []
    for i in range(0, p.shape[1], 64):
        b = p[:, i:i + 64].int()
        out += [(b & 15 ^ 8) - 8, (b >> 4 ^ 8) - 8]
    return torch.cat(out, 1).to(torch.int8)
newcomers_loop_right = (newcomers_rp2_helper, newcomers_ru2_helper)


def newcomers_rp3_helper(q):
    lo, hi = q.unflatten(1, (-1, 2, 64)).unbind(2)
    return (hi << 4 | lo & 15).flatten(1).contiguous().view(torch.uint8)


def newcomers_ru3_helper(p):
    b = p.view(torch.int8).unflatten(1, (-1, 64))
    return torch.stack((b << 4 >> 4, b >> 4), 2).flatten(1)
newcomers_views_right = (newcomers_rp3_helper, newcomers_ru3_helper)


def newcomers_ru4_helper(p):
    t = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1], dtype=torch.int8)
    b = p.long().view(len(p), -1, 64)
    return t[torch.stack((b & 15, b >> 4), 2)].flatten(1)
newcomers_table_right = (newcomers_rp_helper, newcomers_ru4_helper)


RIGHT = [
    (pack, unpack), (pack_uint8, unpack_cat), (pack_loop, unpack_xor), (pack, unpack_cat), newcomers_loop_right,
    newcomers_table_right, newcomers_views_right, newcomers_modulo_right,
]
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
    ((unpack, pack), []), ((pack, pack), []), (newcomers_pack_shape, ["the bytes are still in blocks of 64: flatten("]),
    (newcomers_minus_eight_sub, ["8 is taken off codes of 8 and more: 16"]),
    (newcomers_sign_magnitude, ["a sign and the absolute value: the two's comp", "read as a sign and an absolute value"]),
    (newcomers_mask7, ["& 7 keeps three bits: a code has four, & 15"]),
    (newcomers_and, ["& keeps what both have in common: | joins the"]),
    (newcomers_unflatten_order, ["the row is cut into halves: each 128 codes ar"]),
    (newcomers_carry, ["a code below 0 has ones in all its upper bits"]), (newcomers_sign_low_only, ["only the low codes"]),
    ((pack, unpacking(lambda a, b: torch.stack([a, signed(b)], 2))), ["only the high codes"]),
    ((lambda q: pack(q.clamp(-7, 7)), unpack), ["-8 is cut off"]),
    ((pack, unpacking(lambda a, b: torch.where((q := torch.stack([a, b], 2)) > 7, 8 - q, q))), ["read as a sign"]),
]
