"""Lab 03: a prompt is encoded once, however many calls follow.

The encoder is a table of made-up words that counts its calls; the net multiplies x by what it reads. Guidance asks it for both
prompts, the one of nothing too. Two prompts come one after the other, so that what is kept for ever shows.
"""
from contextlib import contextmanager
from typing import Iterator

import torch
from torch import Tensor

from ....diffusion.levels import Level
from ...contract.attempt import where
from ...contract.exercise import Exercise, Property, Unanswered, close, same_form
from ..common import integer, tol

FORM, VALUE = "shape and dtype of x", "the guesses of guidance on both prompts"
ONCE, ANEW = "each prompt is encoded once, however many calls", "another prompt is another picture"
ROWS = "the net works for two rows an image and step"
CALLS, WORDS, LENGTH = 5, 9, 4


def cases(rng):
    out = []
    for b, dtype in ((3, torch.float32), (1, torch.float64)):
        draw = lambda *size: torch.randn(size, generator=rng, dtype=torch.float64).to(dtype)
        prompts = [torch.randint(2, WORDS, (1, LENGTH), generator=rng) for _ in range(2)]
        prompts[1][0, 1] = 1 + prompts[0][0, 1] % (WORDS - 1)
        out.append({"x": draw(b, 2, 2), "prompts": prompts, "null": torch.tensor([[1] + [0] * (LENGTH - 1)]),
                    "w": 2.25 + integer(rng, 0, 3),
                    "table": draw(WORDS)})
    return out


class Bed:
    """The encoder and the denoiser of a case, and what they were asked."""

    def __init__(self, case):
        self.table, self.encoded, self.rows = case["table"], [], 0

    def encode(self, tokens: Tensor) -> dict[str, Tensor]:
        if not isinstance(tokens, Tensor) or tokens.ndim != 2:
            raise Unanswered("encode takes rows of tokens, (1, L), as they are handed in.")
        self.encoded.append(tokens.clone())
        return {"pad": tokens == 0, "read": self.table[tokens]}

    def denoise(self, x: Tensor, level: Level, told: dict[str, Tensor] | None = None) -> Tensor:
        if isinstance(told, Tensor):
            raise Unanswered("denoise was handed tokens: hand it what encode made of them.")
        if told is not None and not {"pad", "read"} <= told.keys():
            raise Unanswered("denoise was handed something else than what encode gives for one prompt.")
        self.rows += len(x)
        factor = torch.ones(len(x), dtype=x.dtype) if told is None else read(told).expand(len(x))
        return torch.tanh(x * factor.view(-1, 1, 1)) + level.sigma


def read(told: dict[str, Tensor]) -> Tensor:
    """What a prompt comes to: its words, weighed by their places, (B,)."""
    weigh = torch.arange(1, LENGTH + 1, dtype=told["read"].dtype)
    return (told["read"] * weigh * ~told["pad"]).sum(1)


def levels() -> list[Level]:
    return [Level(float(t), 0.6, 0.1 * (i + 1)) for i, t in enumerate(range(900, 0, -180))][:CALLS]


@contextmanager
def dicts() -> Iterator[None]:
    """Python's complaint about a dict that is taken for a tensor, told as what to do."""
    try:
        yield
    except (TypeError, AttributeError, KeyError) as error:
        if not any(said in str(error) for said in ("'dict'", "'slice'", "expected Tensor as element")):
            raise
        raise Unanswered("What encode gives is a dict of tensors, to be handed on as it is, one for each prompt; "
                         f"`guided` puts two of them together{where(error)}.") from None


def run(impl, case):
    outs, encoded, rows = [], [], []
    bed = Bed(case)
    for prompt in case["prompts"]:
        bed.encoded.clear()
        bed.rows = 0
        with dicts():
            guide = impl(bed.encode, bed.denoise, prompt.clone(), case["null"].clone(), case["w"])
            if not callable(guide):
                raise Unanswered("Return a denoiser, to be called as (x, level): `guided` makes one.")
            before = len(bed.encoded)
            outs.append([guide(case["x"].clone(), level) for level in levels()])
        encoded.append([before, len(bed.encoded), sum(len(tokens) for tokens in bed.encoded)])
        rows.append(bed.rows)
    return {"outs": outs, "encoded": encoded, "rows": rows}


def right(case, prompt: Tensor, null: Tensor | None, w: float) -> Tensor:
    bed, x = Bed(case), case["x"]
    told, nothing = bed.encode(prompt), None if null is None else bed.encode(null)
    each = lambda level: bed.denoise(x, level, nothing) + w * (bed.denoise(x, level, told) - bed.denoise(x, level, nothing))
    return torch.stack([each(level) for level in levels()])


def verify(case, out):
    x, w, (first, second), null = case["x"], case["w"], case["prompts"], case["null"]
    stack = lambda parts: torch.stack(parts) if all(isinstance(p, Tensor) and p.shape == x.shape for p in parts) else parts[0]
    got, other = (stack(parts) for parts in out["outs"])
    want = right(case, first, null, w)
    form = same_form(FORM, out["outs"][0][0], want[0], x)
    if not form.readable:
        return [form]
    slips = {"nothing is asked for by leaving the prompt out: the prompt of nothing was trained, so encode it too": lambda: (
                 right(case, first, None, w)),
             "w + 1 where w belongs, as if the difference were added to the guess with the prompt": lambda: right(
                 case, first, null, w + 1),
             "2, whatever w is: it is handed in": lambda: right(case, first, null, 2.0),
             "w - 1 where w belongs": lambda: right(case, first, null, w - 1),
             "the prompt of nothing is all padding: take the null that is handed in": lambda: right(case, first, 0 * null, w),
             "the two prompts are exchanged": lambda: right(case, null, first, w),
             "the prompt of nothing alone": lambda: right(case, first, null, 0.0),
             "the guess with the prompt alone: w does nothing, or both halves are told the prompt": lambda: right(
                 case, first, null, 1.0)}
    value = close(VALUE, got, want, slips, tol(x.dtype))
    anew = close(ANEW, other, right(case, second, null, w), {
        "the first prompt is kept for ever: encode whenever a prompt comes": lambda: right(case, first, null, w)}, tol(x.dtype))
    most, fair = max(out["rows"]), 2 * len(x) * CALLS
    work = Property(ROWS, most <= fair, f"{most / len(x) / CALLS:g} rows", "2", () if most <= fair else (
        "more guesses than two are asked for in a step: keep what comes back",))
    rows = [form, value, work, *map(once, out["encoded"])]
    return [*rows, anew] if value.passed else rows


def once(encoded: list[int]) -> Property:
    before, total, rows = encoded
    if rows > 2 and total <= 2:
        return Property(ONCE, False, f"{rows} rows in {total} calls", "a row for each prompt", (
            "a prompt is encoded for every image of the batch: one row, as it is handed in, will do for all",))
    cause = "a prompt is encoded more than once: keep what encode gives"
    if before == 0 and total in (CALLS, 2 * CALLS):
        cause = "encode is called in every step: call it before, outside of the denoiser"
    elif total > before:
        cause = "encode is called in every step, too"
    return Property(ONCE, rows <= 2, f"{before} times before, {total - before} times in {CALLS} steps", "each prompt once",
                    () if rows <= 2 else (cause,))


EXERCISES = (Exercise("03-remember", "A prompt is read once", {FORM: 0, VALUE: 1.5, ROWS: 0.5, ONCE: 1.5, ANEW: 1}, cases, run,
                      verify),)
