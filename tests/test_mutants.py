"""Every grader is itself tested: wrong answers lose points, with a true cause or none; right ones keep them all; 100 seeds.

Of a wrong answer's 100 seeds the last 80 are marked slow, so that a plain run stays short; `.ci/run` runs them all.
"""
import importlib.util
from pathlib import Path

import pytest
import torch

from effml_lab.course.judge import find, judge
from effml_lab.course.exercises import EXERCISES

FOLDER = Path(__file__).parent / "mutants"


def banks():
    """Each exercise's id with its right answers and its wrong ones."""
    for path in sorted(FOLDER.glob("*_*/*.py")):
        spec = importlib.util.spec_from_file_location(f"mutants_{path.parent.name}_{path.stem}", path)
        bank = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(bank)
        yield from bank.READINGS.items() if hasattr(bank, "READINGS") else [(bank.EXERCISE, (bank.RIGHT, bank.WRONG))]


BANKS = dict(banks())
CODED = [id for id, exercise in EXERCISES.items() if exercise.kind != "value"]
SEEDS, FEW = range(100), range(20)


def wrong():
    """Every wrong answer with its seeds: the few and the many more for code, one for a reading, which has no inputs."""
    for id, (_, answers) in BANKS.items():
        for i, (answer, true) in enumerate(answers):
            yield pytest.param(id, answer, true, FEW if id in CODED else range(1), id=f"{id}-{i}")
            if id in CODED:
                yield pytest.param(id, answer, true, SEEDS[len(FEW):], id=f"{id}-{i}-more", marks=pytest.mark.slow)


RIGHT = [pytest.param(id, answer, SEEDS if id in CODED else range(1), id=f"{id}-{i}")
         for id, (right, _) in BANKS.items() for i, answer in enumerate(right)]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("id, answer, true, seeds", wrong())
def test_wrong_answers_lose_points(id, answer, true, seeds):
    for seed in seeds:
        report = judge(find(id), answer, 10, seed)
        assert report.points < 10, f"seed {seed} let it pass:\n{report}"
        named = [cause for row, _ in report.rows for cause in row.causes]
        false = [cause for cause in named if not any(fragment in cause for fragment in true)]
        assert not false, f"seed {seed} named a false cause:\n{report}"


@pytest.mark.parametrize("id, answer, seeds", RIGHT)
def test_right_answers_keep_all_points(id, answer, seeds):
    for seed in seeds:
        report = judge(find(id), answer, 10, seed)
        assert repr(report) == "10", f"seed {seed} refused it:\n{report}"


def test_every_exercise_has_its_bank():
    assert all(len(BANKS[id][0]) >= 2 and len(BANKS[id][1]) >= 4 for id in CODED)
    assert all(len(BANKS[id][1]) >= 2 for id in EXERCISES if "-read-" in id)


def raising(*_, **__):
    raise RuntimeError("not today")


def nothing(*_, **__):
    return None


def first(*arguments, **__):
    return arguments[0]


def zeros_of(answer):
    """The right answer with every number in it set to zero."""
    def blank(value):
        if isinstance(value, torch.Tensor):
            return torch.zeros_like(value)
        return type(value)(blank(v) for v in value) if isinstance(value, (tuple, list)) else 0.0

    def function(*arguments, **named):
        value = answer(*arguments, **named)
        return [blank(v) for v in value] if hasattr(value, "__next__") else blank(value)
    return tuple(zeros_of(part) for part in answer) if isinstance(answer, (tuple, list)) else function


@pytest.mark.parametrize("id", CODED)
@pytest.mark.parametrize("kind", ["raises", "None", "first", "zeros"])
def test_empty_answers_score_nothing(id, kind):
    right = BANKS[id][0][0]
    answer = {"raises": raising, "None": nothing, "first": first, "zeros": zeros_of(right)}[kind]
    answer = tuple(answer for _ in right) if isinstance(right, tuple) and kind != "zeros" else answer
    for seed in range(5):
        assert repr(judge(find(id), answer, 10, seed)) == "0"


@pytest.mark.parametrize("id", [id for id in EXERCISES if id not in CODED])
@pytest.mark.parametrize("value", [None, ..., float("nan"), float("inf"), "7", [1.0], True])
def test_values_that_are_no_number_score_nothing(id, value):
    assert repr(judge(find(id), value, 3, 0)) == "0"
