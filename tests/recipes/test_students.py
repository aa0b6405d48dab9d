"""What the recipes of students ask of whom: the right teacher, the right levels, pairs that keep their noise."""
import pytest
import torch
from torch import nn

from effml_lab.diffusion.denoise import noised
from effml_lab.models import store
from effml_lab.recipes import consistency, consistency_guided, one_step, progressive, shapes, students, weighted


class Stub(nn.Module):
    """A net of v that notes what it is asked, and guesses nothing."""
    classes = shapes.CLASSES

    def __init__(self):
        super().__init__()
        self.weight, self.asked = nn.Parameter(torch.zeros(())), []

    def forward(self, x, t, cond=None):
        self.asked.append((x.detach(), t, cond))
        return self.weight + 0 * x


GRID = shapes.SCHEDULE().grid(8, "karras")
TIMES = [level.t for level in GRID]


def places(t) -> set[int]:
    """Which levels of the grid were asked at."""
    return {min(range(len(TIMES)), key=lambda k: abs(TIMES[k] - value)) for value in t.tolist()}


def test_progressive_asks_the_student_at_every_second_level_and_its_teacher_at_both():
    student, teacher = Stub(), Stub()
    progressive.loss(student, 0, teacher, GRID)
    assert places(student.asked[0][1]) == {0, 2, 4, 6}
    assert places(teacher.asked[0][1]) == {0, 2, 4, 6} and places(teacher.asked[1][1]) == {1, 3, 5, 7}
    assert torch.equal(student.asked[0][0], teacher.asked[0][0]) and torch.equal(student.asked[0][2], teacher.asked[0][2])


@pytest.mark.parametrize("distilled", [True, False])
def test_consistency_asks_its_teacher_only_if_it_has_one(distilled):
    student, slow, teacher = Stub(), Stub(), Stub()
    grid = shapes.SCHEDULE().grid(consistency.FULL, "karras")
    consistency.loss(student, 0, slow, teacher if distilled else None, grid)
    assert len(teacher.asked) == distilled and len(student.asked) == len(slow.asked) == 1
    x0, eps, _ = students.batch(store.seeded(consistency.SEED, 0))
    (x, t, _), (on, later, _) = student.asked[0], slow.asked[0]
    level, other = (shapes.SCHEDULE()(time.view(-1, 1, 1, 1).double(), like=x) for time in (t, later))
    assert (x - noised(x0, level, eps)).abs().max() < 1e-4 and (later <= t).all()
    noisy = later > 0                                                               # at the clean end there is none
    assert ((on - noised(x0, other, eps))[noisy].abs().max() < 1e-3) != distilled   # trained alone, the noise is the same


def test_the_guided_one_is_told_w_and_its_teacher_guides():
    student, slow, teacher = Stub(), Stub(), Stub()
    consistency_guided.loss(student, 0, slow, teacher, shapes.SCHEDULE().grid(8, "karras"))
    (x, _, told), (_, _, slows), (rows, _, kinds) = student.asked[0], slow.asked[0], teacher.asked[0]
    assert torch.equal(told["w"], slows["w"]) and told["w"].min() >= 0 and told["w"].max() <= 4
    assert len(rows) == 2 * len(x) and set(kinds.tolist()) >= {shapes.CLASSES}


def test_a_student_that_is_told_w_learns_from_both_guesses():
    student, teacher = Stub(), Stub()
    weighted.loss(student, 0, teacher)
    assert student.asked[0][2].keys() == {"class", "w"} and len(teacher.asked[0][0]) == 2 * len(student.asked[0][0])


def test_pairs_keep_their_noise(monkeypatch):
    noise, kinds = torch.randn(40, 3, 8, 8), torch.arange(40) % 6
    first = shapes.SCHEDULE().grid(1, "karras")[0]
    image = first.alpha * noise                                                     # what a v of 0 guesses
    monkeypatch.setattr(one_step, "pairs", lambda n: (noise, image, kinds))
    assert one_step.loss(Stub(), 0, 40, first).item() < 1e-10
    monkeypatch.setattr(one_step, "pairs", lambda n: (noise, image.roll(1, 0), kinds))
    assert one_step.loss(Stub(), 0, 40, first).item() > 1e-6
