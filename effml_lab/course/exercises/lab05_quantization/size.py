"""Lab 05: what a layer takes, to the byte."""
import torch

from ....efficiency import quant
from ...contract.exercise import Exercise, Property, Unanswered, close
from ..common import integer, one_number

VALUE = "codes, scales, branch and s, in bytes"


def cases(rng):
    out = []
    for group in (32, 16, 64, 32, 16):
        n, k, rank = integer(rng, 5, 400), max(64, 2 * group) * integer(rng, 1, 9), 2 * integer(rng, 1, 20)
        out.append({"n": n, "k": k, "rank": rank, "group": group})
    return out + [{"n": 3072, "k": 1024, "rank": 0, "group": 64}]


def run(impl, case):
    count = impl(case["n"], case["k"], case["rank"], case["group"])
    if isinstance(count, str):                  # float() would read it
        raise Unanswered("The count of bytes should be one number; your function gave a text.")
    return one_number(count, "count of bytes")


def verify(case, out):
    n, k, r, g = (case[key] for key in ("n", "k", "rank", "group"))
    codes, scales, branch, s = n * k / 2, 2 * n * k / g, 2 * r * (n + k), 2 * k
    right, number = codes + scales + branch + s, lambda value: lambda: torch.tensor(float(value), dtype=torch.float64)
    told = out if isinstance(out, (int, float)) else float("nan")
    if told == 0:
        return [Property(VALUE, False, "0", "a count above 0")]
    row = close(VALUE, torch.tensor(float(told), dtype=torch.float64), number(right)(), {
        "these are bits: eight to a byte": number(8 * right), "a byte a code: two codes share one": number(right + codes),
        "the codes are counted in bits: two of them to a byte": number(right + 7 * codes),
        "the scales are missing: 16 bits a group": number(right - scales),
        "half the bytes of the scales: 16 bits are two, and a row has K / group scales": number(right - scales / 2),
        "twice the bytes of the scales: 16 bits are two, and a row has K / group scales": number(right + scales),
        "scales of groups of 64, whatever `group` is": number(right - scales + 2 * n * k / 64),
        "one scale a row: one for each group of it": number(right - scales + 2 * n),
        "one scale for a group of all rows together: each row has its own": number(right - scales + 2 * k / g),
        "`group` is the size of a group, not their number": number(right - scales + 2 * n * g),
        "the branch is missing": number(right - branch),
        "one factor of the branch is missing, `down` with r K numbers": number(right - 2 * r * k),
        "one factor of the branch is missing, `up` with r N numbers": number(right - 2 * r * n),
        "both factors of the branch have r K numbers here: `up` has r N": number(right - branch + 4 * r * k),
        "both factors of the branch have r N numbers here: `down` has r K": number(right - branch + 4 * r * n),
        "the branch has one byte a number here: 16 bits are two": number(right - branch / 2),
        "the branch has four bytes a number here: 16 bits are two": number(right + branch),
        "the branch has half a byte a number here: it stays in 16 bits": number(right - 0.75 * branch),
        "the rank is filled up to a multiple of 16, as in the package: here nothing is padded": number(
            right - branch + 2 * -(-r // 16) * 16 * (n + k)),
        "brackets are missing: 2 * rank * n + k is not 2 * rank * (n + k)": number(right - branch + 2 * r * n + k),
        "the branch is counted as r N K": number(right - branch + 2 * r * n * k),
        "s is missing: 16 bits for each of K channels": number(right - s),
        "s has one number an output: it has one for each of K input channels": number(right - s + 2 * n),
        "2 N bytes too many: is a bias counted, or an s for the outputs?": number(right + 2 * n),
        "s has one byte a number here: 16 bits are two": number(right - s / 2),
        "twice the bytes of s: 16 bits are two, and it is kept once": number(right + s),
        "s and the scales are missing": number(right - s - scales), "this is the layer in 16 bits": number(2 * n * k),
        "the codes alone": number(codes), "the codes are missing": number(right - codes)}, 1e-9)
    whole = lambda value: f"{value:,.10g}" + f" for n = {n}, k = {k}, rank = {r}, group = {g}"
    return [row if row.passed else row._replace(observed=whole(told), expected=f"{right:,.10g}")]


EXERCISES = (Exercise("05-bytes", "To the byte", {VALUE: 1}, cases, run, verify, own=(quant.bytes_of,)),)
