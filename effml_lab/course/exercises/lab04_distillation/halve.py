"""Lab 04: one round of training a student: a copy of the teacher, and nothing of the teacher is changed.

Teacher and student are one linear layer, the loss is known in closed form, and Adam is followed step by step, so every way to let
gradients add up, to train the teacher, or to begin elsewhere has a value of its own.
"""
import copy

import torch
from torch import Tensor, nn

from ...contract.exercise import Exercise, Property, Unanswered, close, kind
from ..common import integer

FORM, BEGINS = "a network of the teacher's kind, another than the teacher", "without a batch the student is the teacher"
LEARNS, KEPT = "after some batches: Adam's weights", "the teacher is as it was"
FED = "each batch once, in order, the teacher beside"
WIDTH = 3


def cases(rng):
    draw = lambda *size: torch.randn(size, generator=rng, dtype=torch.float64)
    return [{"weight": draw(WIDTH, WIDTH), "bias": draw(WIDTH), "lr": 10 ** (-1.0 - torch.rand((), generator=rng).item()),
             "batches": [[draw(4, WIDTH), draw(4, WIDTH)] for _ in range(integer(rng, 4, 7))]} for _ in range(2)]


def layer(case) -> nn.Module:
    net = nn.Linear(WIDTH, WIDTH, dtype=torch.float64)
    net.load_state_dict({"weight": case["weight"].clone(), "bias": case["bias"].clone()})
    return net


def pull(student: nn.Module, teacher: nn.Module, x: Tensor, noise: Tensor) -> Tensor:
    """A loss that is not zero where student and teacher are one."""
    with torch.no_grad():
        want = torch.sin(teacher(x)) + 0.5 * noise
    return (student(x) - want).square().mean()


def flat(net: nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in net.parameters()])


def run(impl, case):
    teacher, fed = layer(case), []

    def loss(student, given, *batch):
        if not isinstance(student, nn.Module) or not isinstance(given, nn.Module) or len(batch) != 2:
            raise Unanswered("loss(student, teacher, *batch) takes two networks, and then all that a batch holds: *batch.")
        fed.append({"x": batch[0].clone(), "beside": "the teacher" if given is teacher else "the student" if given is student
                    else "another network", "own": student is not teacher})
        return pull(student, given, *batch)

    def trained(batches):
        fed.clear()
        with torch.enable_grad():
            student = impl(teacher, loss, [tuple(part.clone() for part in batch) for batch in batches], case["lr"])
        if not isinstance(student, nn.Module):
            raise Unanswered(f"Return the student, a network; your function returned {kind(student)}"
                             f"{'' if kind(student)[-1] == '?' else '.'}")
        return {"weights": flat(student), "own": student is not teacher, "fed": list(fed), "grads": any(
            weight.grad is not None and bool(weight.grad.any()) for weight in teacher.parameters()), "teacher": flat(teacher)}
    return {"none": trained([]), "some": trained(case["batches"])}


def followed(case, make=lambda weights, lr: torch.optim.Adam(weights, lr=lr), add_up: bool = False, batches=None,
             repeat: int = 1, moving: bool = False) -> Tensor:
    """The student's weights after all batches, with at most one thing wrong."""
    teacher = layer(case)
    student = copy.deepcopy(teacher)
    opt = make(student.parameters(), case["lr"])
    with torch.enable_grad():
        for x, noise in (case["batches"] if batches is None else batches) * repeat:
            if not add_up:
                opt.zero_grad()
            pull(student, student if moving else teacher, x, noise).backward()
            opt.step()
    return flat(student)


def verify(case, out):
    none, some = out["none"], out["some"]
    alike = len(some["weights"]) == WIDTH * (WIDTH + 1)
    form = Property(FORM, some["own"] and alike, "the teacher itself" if not some["own"] else "another network", "a copy",
                    () if some["own"] else ("the teacher itself is trained: begin with copy.deepcopy(teacher)",),
                    readable=some["own"] and alike)
    if not form.readable:
        return [form]
    begin = torch.cat([case["weight"].flatten(), case["bias"]])
    optim = torch.optim
    learns = close(LEARNS, some["weights"], followed(case), {
        "gradients add up from step to step: opt.zero_grad() before each backward()": lambda: followed(case, add_up=True),
        "nothing was learned: has the optimizer the student's weights, are backward() and opt.step() called?": lambda: begin,
        "SGD, where Adam was asked for": lambda: followed(case, lambda w, lr: optim.SGD(w, lr=lr)),
        "Adam's own rate, 0.001: hand it lr": lambda: followed(case, lambda w, lr: optim.Adam(w)),
        "only the first batch was used": lambda: followed(case, batches=case["batches"][:1]),
        "only the last batch was used": lambda: followed(case, batches=case["batches"][-1:]),
        "a new optimizer in every step: it is made once, before the loop": lambda: anew(case),
        "all batches are gone through twice": lambda: followed(case, repeat=2),
        "the student is its own teacher: loss(student, teacher, *batch)": lambda: followed(case, moving=True)}, 1e-4)
    held = torch.equal(some["teacher"], begin)
    kept = Property(KEPT, held, "as it was" if held else "changed", "as it was", () if held else (
        "the teacher's weights were trained, too: give the optimizer student.parameters()",))
    rows = [form, close(BEGINS, none["weights"], begin, None, 0.0), learns, kept, fed(case, some["fed"])]
    return [*rows[:2], learns._replace(causes=()) if not held or not rows[1].passed else learns, *rows[3:]]


def anew(case) -> Tensor:
    teacher = layer(case)
    student = copy.deepcopy(teacher)
    with torch.enable_grad():
        for x, noise in case["batches"]:
            opt = torch.optim.Adam(student.parameters(), lr=case["lr"])
            opt.zero_grad()
            pull(student, teacher, x, noise).backward()
            opt.step()
    return flat(student)


def fed(case, calls: list[dict]) -> Property:
    expected = f"{len(case['batches'])} batches, the teacher beside each"
    beside = {call["beside"] for call in calls}
    if beside - {"the teacher"}:
        return Property(FED, False, f"{' and '.join(sorted(beside))} beside", expected)
    good = len(calls) == len(case["batches"]) and all(torch.equal(call["x"], x) for call, (x, _) in zip(calls, case["batches"]))
    return Property(FED, good, f"{len(calls)} losses", expected)


EXERCISES = (Exercise("04-halve", "A round of training", {FORM: 0, BEGINS: 1, LEARNS: 3, KEPT: 1, FED: 0.5}, cases, run, verify),)
