"""The exercises of the practice lab, which is graded in the tests alone: every kind of them, in the course's list once imported.

The lab's own set-up cell imports torch and nn from here, so a submission that needs them brings the exercises with it.
"""
import torch
from torch import nn

from effml_lab.course.contract.exercise import Exercise, Property, built, close, prediction, reading, same_form
from effml_lab.course.exercises import EXERCISES

__all__ = ["nn", "torch"]        # for the lab
FORM, RIGHT = "a tensor like the input", "the value"


def tensors(rng: torch.Generator) -> list[dict]:
    return [{"x": torch.randn(n, 3, generator=rng)} for n in (2, 5)]


def mapped(id: str, title: str, right, slips: dict | None = None) -> Exercise:
    """A function from a tensor to another of its shape."""
    def verify(case, out):
        want, given = right(case["x"]), {cause: (lambda slip=slip: slip(case["x"])) for cause, slip in (slips or {}).items()}
        form = same_form(FORM, out, want, case["x"])
        return [form, close(RIGHT, out, want, given)] if form.passed else [form]
    return Exercise(id, title, {FORM: 0, RIGHT: 1}, tensors, lambda impl, case: impl(case["x"]), verify)


def affine_cases(rng: torch.Generator) -> list[dict]:
    weights = {"linear.weight": torch.randn(2, 3, generator=rng), "linear.bias": torch.randn(2, generator=rng)}
    return [{"weights": weights, "x": torch.randn(4, 3, generator=rng)}]


def module(id: str, title: str, right) -> Exercise:
    """A module of which the student writes `forward`; the weights come from the case."""
    def verify(case, out):
        want = right(case["x"], *case["weights"].values())
        return [same_form(FORM, out, want), close(RIGHT, out, want, {
            "the bias is missing": lambda: right(case["x"], case["weights"]["linear.weight"], torch.zeros(2))})]
    return Exercise(id, title, {FORM: 0, RIGHT: 1}, affine_cases,
                    lambda impl, case: built(impl, case["weights"], width=3)(case["x"]), verify, kind="module")


def measurement(id: str, title: str, calls: int) -> Exercise:
    """A function that reads an injected clock around so many calls."""
    def run(impl, case):
        ticks = iter(case["ticks"])
        return {"seconds": impl(lambda: None, lambda: next(ticks))}

    def verify(case, out):
        want = sum(b - a for a, b in zip(case["ticks"][0:2 * calls:2], case["ticks"][1:2 * calls:2])) / calls
        return [Property(RIGHT, out["seconds"] == want, str(out["seconds"]), str(want))]
    return Exercise(id, title, {RIGHT: 1}, lambda rng: [{"ticks": torch.randint(1, 9, (12,), generator=rng).cumsum(0).tolist()}],
                    run, verify, kind="measurement")


OURS = (
    mapped("00-double", "Twice", lambda x: 2 * x, {"three times": lambda x: 3 * x}),
    mapped("00-centre", "Without the mean of its column", lambda x: x - x.mean(0)),
    prediction("00-guess-sign", "A prediction"),
    module("00-affine", "An affine map", lambda x, w, b: x @ w.T + b),
    measurement("00-once", "One call, timed", 1),
    mapped("00-clip", "Nothing above one", lambda x: x.clamp(max=1)),
    reading("00-read-pi", "A reading", lambda: (3.1, 3.2), lambda: {"the diameter was taken for the radius": (6.2, 6.4)}),
    measurement("00-mean", "The mean of three calls", 3),
)
EXERCISES.update({exercise.id: exercise for exercise in OURS})
