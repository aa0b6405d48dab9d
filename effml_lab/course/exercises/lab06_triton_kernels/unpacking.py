"""Lab 06: from two codes a byte back to numbers; the package's layout, of which labs 05 and 06 know the why."""
import torch

from ....efficiency import quant
from ...contract.exercise import Exercise, close
from ..common import integer
from .bed import STORED, codes, drawn, never_written, ran, stored, tiles, traffic

VALUES, BYTES = "codes times the scales of their groups", "packed codes are read once, numbers written once"
BN = 4


def cases(rng):
    out = []
    for n, pairs in ((5, 2), (1, 1), (integer(rng, 6, 12), 3)):
        q = codes(rng, n, 128 * pairs, most=7)
        q.view(-1)[5] = -8
        out.append({"packed": quant.pack(q), "scales": (0.5 + drawn(rng, n, 2 * pairs).abs())})
    return out


def run(impl, case):
    n, half = case["packed"].shape
    return ran(impl, (*tiles((n,), (BN,)), half // 64), {"packed": case["packed"], "scales": case["scales"]},
               {"out": (torch.float32, n, 2 * half)}, n, 2 * half, BN=BN)


def verify(case, out):
    packed, scales, got = case["packed"], case["scales"], out["out"]
    gate = stored({"out": got}, out["moved"])
    if not gate.readable:
        return [gate]
    n, half = packed.shape
    pair = packed.to(torch.int16).unflatten(1, (-1, 64))
    low, high = pair & 15, pair >> 4                                                      # (n, pairs, 64)
    signed = lambda t: torch.where(t > 7, t - 16, t)
    laid = lambda first, second: torch.stack([first, second], 2).float()                  # (n, pairs, 2, 64)
    each = scales.unflatten(1, (-1, 2))[..., None]
    q = laid(signed(low), signed(high))
    right = (q * each).flatten(1)
    flat = scales.flatten()
    swapped = lambda: flat[(torch.arange(2 * half // 64)[None, :] * n + torch.arange(n)[:, None]) % flat.numel()]
    halved = lambda: flat[torch.arange(n)[:, None] * (half // 64) + torch.arange(half // 32)[None, :]]
    value = close(VALUES, got, right, {
        "the two nibbles of a byte are exchanged: the low one comes first": lambda: (
            laid(signed(high), signed(low)) * each).flatten(1),
        "8 to 15 stand for -8 to -1: take 16 off": lambda: (laid(low, high) * each).flatten(1),
        "8 is taken off every nibble: these are two's complement, 16 off where they exceed 7": lambda: (
            laid(low - 8, high - 8) * each).flatten(1),
        "16 less is right for codes above 7, and 7 is none of them": lambda: (laid(
            torch.where(low > 6, low - 16, low), torch.where(high > 6, high - 16, high)) * each).flatten(1),
        "16 less is right for codes above 7: 8 stands for -8": lambda: (laid(
            torch.where(low > 8, low - 16, low), torch.where(high > 8, high - 16, high)) * each).flatten(1),
        "8 less where 16 belongs": lambda: (laid(
            torch.where(low > 7, low - 8, low), torch.where(high > 7, high - 8, high)) * each).flatten(1),
        "the highest of four bits is no sign alone: 8 to 15 are 16 less": lambda: (laid(
            torch.where(low > 7, 8 - low, low), torch.where(high > 7, 8 - high, high)) * each).flatten(1),
        "the high nibble is 16 times what it stands for: bring it down by >> 4": lambda: (
            laid(signed(low), signed(16 * high)) * each).flatten(1),
        "the two groups are exchanged in `out`: the low nibbles are the first 64": lambda: (q * each).flip(2).flatten(1),
        "the codes alone: the scales are missing": lambda: q.flatten(1),
        "both groups of a byte have the first one's scale": lambda: (q * each[:, :, :1]).flatten(1),
        "the scales of the two groups are exchanged": lambda: (q * each.flip(2)).flatten(1),
        "group `pair` for both: 128 codes are two groups, 2 * pair and 2 * pair + 1": lambda: (
            q * scales[:, torch.arange(half // 64)][:, :, None, None]).flatten(1),
        "groups overlap: those of the 128 codes are 2 * pair and 2 * pair + 1": lambda: (
            q * scales[:, torch.arange(half // 64)[:, None] + torch.arange(2)[None, :]][..., None]).flatten(1),
        "the first group's scale for the whole row": lambda: (q * each[:, :1, :1]).flatten(1),
        "scales lie row by row, (N, K / 64): row n begins at n * (K // 64)": lambda: (
            q * swapped().unflatten(1, (-1, 2))[..., None]).flatten(1),
        "a row of scales has K // 64 of them, and half as many here": lambda: (
            q * halved().unflatten(1, (-1, 2))[..., None]).flatten(1),
        "divided by the scales: a code counts one scale": lambda: (q / each).flatten(1),
        "neighbours: the two nibbles of byte j are codes j and 64 + j of their 128": lambda: (
            torch.stack([signed(low) * each[:, :, 0], signed(high) * each[:, :, 1]], 3).float().flatten(1)),
        "the low nibbles alone: the high ones are four bits further up": lambda: (
            laid(signed(low), signed(low)) * each).flatten(1),
        "the two nibbles of byte j are codes j and 64 + j of their 128, and not neighbours": lambda: (
            torch.stack([signed(low), signed(high)], 3).float().flatten(2).unflatten(2, (2, 64)) * each).flatten(1),
        "in uint8 there is nothing below 0: .to(tl.int32) before 16 is taken off": lambda: (laid(
            torch.where(low > 7, low + 240, low), torch.where(high > 7, high + 240, high)) * each).flatten(1),
        "the high nibble is still in the low one: & 15": lambda: (laid(signed(pair), signed(high)) * each).flatten(1),
        "places of `out` were never written": lambda: right.where(got.isfinite(), torch.nan)
        if never_written(out, "out") else right}, 1e-6)
    moved = out["moved"]
    return [gate, value, traffic(BYTES, moved["loaded"]["packed"] + moved["stored"]["out"], packed.numel() * 9, 1.0, {
        "every byte is read twice, once for each nibble": packed.numel() * 10})]


EXERCISES = (Exercise("06-unpack", "Two codes a byte, and back", {STORED: 0, VALUES: 3, BYTES: 1}, cases, run, verify,
                      own=(quant.unpack,)),)
