"""Every grader is itself tested: wrong answers lose points, with a true cause or none; right ones keep them all.

Three seeds here; `python -m effml_lab bench graders` takes a hundred and records them, and a test asks for that record.
"""
import pytest
import torch
from banks import BANKS, CODED, stale

from effml_lab.course.contract.judge import UNREAD, judge
from effml_lab.course.exercises import EXERCISES, find
from effml_lab.folders import data_folder
from effml_lab.measure import records

RECORDED = records.latest(data_folder() / "results/graders.jsonl")


def answers(kind: int):
    """Every answer of every bank, 0: the right ones, 1: the wrong ones."""
    return [pytest.param(id, answer, id=f"{id}-{i}") for id in BANKS for i, answer in enumerate(BANKS[id][kind])]


@pytest.fixture
def seeds(request, id: str) -> range:
    """The seeds of a run; a reading has no inputs, so that one will do."""
    return range(request.config.getoption("--seeds") if id in CODED else 1)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def told_well(report):
    """The check itself never fails, and a row that holds has nothing to explain."""
    assert UNREAD.split("(")[0] not in report.note, report
    for row, holds in report.rows:
        assert not (holds and (row.causes or row.observed == "all zeros")), f"{row.name} holds, yet tells of a fault:\n{report}"


@pytest.mark.parametrize("id, answer", answers(1))
def test_wrong_answers_lose_points(id, answer, seeds):
    answer, true = answer
    for seed in seeds:
        report = judge(find(id), answer, 10, seed)
        assert report.points < 10, f"seed {seed} let it pass:\n{report}"
        told_well(report)
        named = [cause for row, _ in report.rows for cause in row.causes]
        false = [cause for cause in named if not any(fragment in cause for fragment in true)]
        assert not false, f"seed {seed} named a false cause:\n{report}"


@pytest.mark.parametrize("id, answer", answers(0))
def test_right_answers_keep_all_points(id, answer, seeds):
    for seed in seeds:
        report = judge(find(id), answer, 10, seed)
        told_well(report)
        assert repr(report) == "10", f"seed {seed} refused it:\n{report}"


def test_every_exercise_has_its_bank():
    assert all(len(BANKS[id][0]) >= 2 and len(BANKS[id][1]) >= 4 for id in CODED)
    assert all(len(BANKS[id][1]) >= 2 for id in EXERCISES if "-read-" in id)


@pytest.mark.parametrize("id", BANKS)
def test_the_record_of_a_hundred_seeds_is_current(id):
    assert not stale(id, RECORDED.get(id), 100), (
        f"{id} or something that its verdict rests on changed: python -m effml_lab bench graders --out data/results")


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
    for seed in range(3):
        assert repr(judge(find(id), answer, 10, seed)) == "0"


@pytest.mark.parametrize("id", [id for id in EXERCISES if id not in CODED])
@pytest.mark.parametrize("value", [None, ..., float("nan"), float("inf"), "7", [1.0], True])
def test_values_that_are_no_number_score_nothing(id, value):
    assert repr(judge(find(id), value, 3, 0)) == "0"
