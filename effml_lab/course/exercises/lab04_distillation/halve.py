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
    def trained(batches):
        teacher, fed = layer(case), []

        def loss(student, given, *batch):
            if not isinstance(student, nn.Module) or not isinstance(given, nn.Module) or len(batch) != 2:
                raise Unanswered("loss(student, teacher, *batch) takes two networks, and then all that a batch holds: *batch.")
            fed.append({"x": batch[0].clone(), "beside": beside(teacher, student, given)})
            return pull(student, given, *batch)
        with torch.enable_grad():
            student = impl(teacher, loss, [tuple(part.clone() for part in batch) for batch in batches], case["lr"])
        if not isinstance(student, nn.Module):
            said = f"Return the student, a network; your function returned {kind(student)}"
            raise Unanswered(f"{said}{'' if said[-1] == '?' else '.'}")
        return {"weights": flat(student), "own": student is not teacher, "fed": fed, "teacher": flat(teacher),
                "frozen": not all(weight.requires_grad for weight in teacher.parameters())}
    some = trained(case["batches"])
    try:
        return {"some": some, "none": trained([])["weights"]}
    except Exception as error:
        return {"some": some, "none": f"{type(error).__name__}: {error}"}


def beside(teacher: nn.Module, student: nn.Module, given: nn.Module) -> str:
    """Who stands where in the loss: a frozen copy of the teacher is as good as it."""
    if student is teacher and given is not teacher:
        return "the two exchanged"
    same = given is teacher or (given is not student and torch.equal(flat(given), flat(teacher)))
    return "the teacher" if same else "the student" if given is student else "another network"


def followed(case, make=lambda weights, lr: torch.optim.Adam(weights, lr=lr), add_up: bool = False, batches=None,
             repeat: int = 1, moving: bool = False, anew: bool = False, clip: float | None = None) -> Tensor:
    """The student's weights after all batches, with at most one thing wrong."""
    teacher = layer(case)
    student = copy.deepcopy(teacher)
    opt = make(student.parameters(), case["lr"])
    with torch.enable_grad():
        for x, noise in (case["batches"] if batches is None else batches) * repeat:
            opt = make(student.parameters(), case["lr"]) if anew else opt
            if not add_up:
                opt.zero_grad()
            pull(student, student if moving else teacher, x, noise).backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(student.parameters(), clip)
            opt.step()
    return flat(student)


def at_once(case) -> Tensor:
    """The student's weights after one step on the sum of all losses; Adam's first step hardly sees its size."""
    teacher = layer(case)
    student = copy.deepcopy(teacher)
    opt = torch.optim.Adam(student.parameters(), lr=case["lr"])
    with torch.enable_grad():
        sum(pull(student, teacher, *batch) for batch in case["batches"]).backward()
    opt.step()
    return flat(student)


def slips(case) -> dict:
    begin, optim = flat(layer(case)), torch.optim
    return {
        "gradients add up from step to step: opt.zero_grad() before each backward()": lambda: followed(case, add_up=True),
        "nothing was learned: has the optimizer the student's weights, and is the order zero_grad(), backward(), step()?": (
            lambda: begin),
        "SGD, where Adam was asked for": lambda: followed(case, lambda w, lr: optim.SGD(w, lr=lr)),
        "AdamW, where Adam was asked for: it lets the weights decay": lambda: followed(
            case, lambda w, lr: optim.AdamW(w, lr=lr)),
        "this is where all but the last batch lead: is it left out, or its step not kept?": lambda: followed(
            case, batches=case["batches"][:-1]),
        "Adam's own rate, 0.001: hand it lr": lambda: followed(case, lambda w, lr: optim.Adam(w)),
        "this is where the first batch alone leads: does `return` or `break` stand inside the loop?": lambda: followed(
            case, batches=case["batches"][:1]),
        "only the last batch was used": lambda: followed(case, batches=case["batches"][-1:]),
        "one step for all batches together: each batch has its own": lambda: at_once(case),
        "a new optimizer in every step: it is made once, before the loop": lambda: followed(case, anew=True),
        "all batches are gone through twice": lambda: followed(case, repeat=2),
        "the gradients are clipped: nobody asked for that here": lambda: followed(case, clip=1.0),
        "the student is its own teacher: loss(student, teacher, *batch)": lambda: followed(case, moving=True)}


def verify(case, out):
    none, some, begin = out["none"], out["some"], flat(layer(case))
    alike, held = len(some["weights"]) == len(begin), torch.equal(some["teacher"], begin)
    form = Property(FORM, some["own"] and alike, "the teacher itself" if not some["own"] else "another network", "a copy",
                    () if some["own"] else ("the teacher is returned: return the student" if held else
                                            "the teacher itself is trained: begin with copy.deepcopy(teacher)",),
                    readable=some["own"] and alike)
    if not form.readable:
        return [form]
    shared = torch.equal(some["teacher"], some["weights"])
    seen = "as it was" if held and not some["frozen"] else "frozen" if held else "changed"
    kept = Property(KEPT, seen == "as it was", seen, "as it was", {"as it was": (), "frozen": (
        "the teacher is frozen for good, and whoever copies it gets a frozen student: leave it as it is",), "changed": (
        "student and teacher share their weights: copy.copy does not copy them, copy.deepcopy does" if shared else
        "the teacher's weights were trained, too: give the optimizer student.parameters()",)}[seen])
    if isinstance(none, str):
        begins = Property(BEGINS, False, none, "a copy of the teacher")
    else:
        begins = close(BEGINS, none, begin, None, 0.0)
        begins = begins if begins.passed else begins._replace(causes=(
            "the student does not begin with its teacher's weights: copy.deepcopy(teacher)",))
    learns, given = close(LEARNS, some["weights"], followed(case), slips(case), 1e-4), fed(case, some["fed"])
    told = held and not begins.causes and not given.causes              # else the cause is named there
    return [form, begins, learns if told else learns._replace(causes=()), kept, given]


def fed(case, calls: list[dict]) -> Property:
    expected = f"{len(case['batches'])} batches in their order, the teacher beside each"
    others = {call["beside"] for call in calls} - {"the teacher"}
    if others:
        return Property(FED, False, f"{' and '.join(sorted(others))}", expected, (
            "student and teacher are exchanged: loss(student, teacher, *batch)",) if others == {"the two exchanged"} else ())
    same = sorted(call["x"].sum().item() for call in calls) == sorted(x.sum().item() for x, _ in case["batches"])
    good = len(calls) == len(case["batches"]) and all(torch.equal(call["x"], x) for call, (x, _) in zip(calls, case["batches"]))
    return Property(FED, good, "another order" if same and not good else f"{len(calls)} batches", expected, (
        "the batches come in another order: take them as they come",) if same and not good else ())


EXERCISES = (Exercise("04-halve", "A round of training", {FORM: 0, BEGINS: 1, LEARNS: 3, KEPT: 1, FED: 0.5}, cases, run, verify),)
