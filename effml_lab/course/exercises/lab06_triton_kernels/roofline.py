"""Lab 06: the bytes and operations of a layer, and the least time they take (the roofline of Williams et al. 2009)."""
import torch

from ...contract.exercise import Exercise, Property, close
from ..common import integer, one_number, several

BYTES, OPERATIONS, SECONDS = "bytes", "operations", "the least time in seconds, with your own bytes and operations"


def cases(rng):
    out = []
    for k, (x_bits, w_bits) in enumerate(((16, 16), (8, 4), (4, 4), (16, 4))):
        m, wide, n = (8 * integer(rng, 1, 500) for _ in range(3))
        m = 8 if k == 3 else m                                         # few rows: bytes are the bound
        out.append({"m": m, "k": wide, "n": n, "x_bits": x_bits, "w_bits": w_bits, "byte_rate": 1e12 * integer(rng, 1, 5),
                    "op_rate": 1e14 * integer(rng, 1, 9)})
    return out


def run(impl, case):
    return [one_number(value, name) for value, name in zip(
        several(impl(*case.values()), "bytes, operations, seconds"), ("bytes", "operations", "seconds"))]


def missized(m, k, n, x_bytes, w_bytes) -> dict[str, float]:
    """Bytes of a layer with one of its three matrices given the sides of another: cause -> value."""
    sides = {"m times k": m * k, "n times k": n * k, "m times n": m * n, "k times k": k * k}
    parts = {"inputs": ("m times k", x_bytes), "weights": ("n times k", w_bytes), "outputs": ("m times n", 2)}
    right = sum(sides[own] * each for own, each in parts.values())
    return {f"the {part} are {other} here: they are {own}": right + (size - sides[own]) * each
            for part, (own, each) in parts.items() for other, size in sides.items() if other != own}


def verify(case, out):
    m, k, n, x_bits, w_bits, byte_rate, op_rate = case.values()
    moved, ops, seconds = (torch.tensor(float(value), dtype=torch.float64) for value in out)
    number = lambda value: lambda: torch.tensor(float(value), dtype=torch.float64)
    x, w, y = m * k * x_bits / 8, n * k * w_bits / 8, 2.0 * m * n
    right, work = x + w + y, 2.0 * m * n * k
    a = close(BYTES, moved, number(right)(), {
        "these are bits: eight to a byte": number(8 * right), "the outputs are missing, m n of 16 bits": number(x + w),
        "the outputs have one byte here: 16 bits are two": number(x + w + y / 2),
        "the outputs have four bytes here: 16 bits are two": number(x + w + 2 * y),
        "the outputs have as many bits as the inputs here: they have 16": number(x + w + m * n * x_bits / 8),
        "the weights are missing: each is read once": number(x + y), "the inputs are missing: each is read once": number(w + y),
        "the weights have as many bits as the inputs here": number(x + n * k * x_bits / 8 + y),
        "the inputs have as many bits as the weights here": number(m * k * w_bits / 8 + w + y),
        "the bits of inputs and weights are exchanged": number((m * k * w_bits + n * k * x_bits) / 8 + y),
        "both have 16 bits here, whatever x_bits and w_bits are": number(2 * (m * k + n * k) + y),
        "only the last of the sum is divided by 8: brackets": number(8 * (x + w) + y),
        "`// 8` makes 0 of 4 bits: they are half a byte": number(m * k * (x_bits // 8) + n * k * (w_bits // 8) + y),
        "a number of 4 bits takes a whole byte here: two share one": number(
            m * k * max(1, x_bits // 8) + n * k * max(1, w_bits // 8) + y),
        "these are the operations: bytes come first": number(work),
        "the weights are read anew for every row here: once is the least": number(x + m * w + y)}
        | {said: number(value) for said, value in missized(m, k, n, x_bits / 8, w_bits / 8).items()}, 1e-9)
    b = close(OPERATIONS, ops, number(work)(), {
        "a product and a sum are two operations": number(work / 2), "these are the bytes: operations come second": number(right),
        "the operations of one row": number(work / m), "m k + k n: every output takes k products": number(m * k + k * n),
        "a sum less for each output would do, but by custom it is 2 m n k": number(m * n * (2 * k - 1))}, 1e-9)
    relative = lambda row, got, want: row if row.passed else row._replace(observed=f"{got:.10g}", expected=f"{want:.10g}")
    by_bytes, by_ops = moved / byte_rate, ops / op_rate
    least = torch.maximum(by_bytes, by_ops)
    told = Property(SECONDS, False, f"{seconds.item():.4g}", "bytes and operations above 0")
    if moved > 0 and ops > 0:                           # as a share of what it should be: a time is small, and a tolerance is not
        told = relative(close(SECONDS, seconds / least, torch.ones_like(least), {
            said: lambda time=time: time / least for said, time in {
                "the sum of the two: loading and computing go on at the same time": by_bytes + by_ops,
                "the shorter of the two times: the slower one decides": torch.minimum(by_bytes, by_ops),
                "bits over bytes a second": torch.maximum(8 * by_bytes, by_ops),
                "in milliseconds: seconds are asked for": 1e3 * least, "in microseconds: seconds are asked for": 1e6 * least,
                "upside down: an amount over a rate is a time": torch.maximum(byte_rate / moved, op_rate / ops),
                "rates are multiplied: an amount over a rate is a time": torch.maximum(moved * byte_rate, ops * op_rate),
                "the two rates are exchanged": torch.maximum(moved / op_rate, ops / byte_rate)}.items()}, 1e-9),
            out[2], least.item())
    return [relative(a, out[0], right), relative(b, out[1], work), told]


EXERCISES = (Exercise("06-roofline", "Bytes, operations, and the least time", {BYTES: 1, OPERATIONS: 1, SECONDS: 1}, cases, run,
                      verify),)
