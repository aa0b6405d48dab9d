"""What can happen to a lab on its way through nbgrader's own commands, on a small lab with every kind of exercise."""
import csv
import os
import time
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from courses import Course
from submissions import (
    answer,
    begins_with,
    closed,
    edited,
    elsewhere,
    filled,
    forged,
    from_colab,
    functions,
    graded_id,
    is_test,
    is_written,
    noisy,
    points,
    scripted,
    unused,
    without,
)

from effml_lab.course.authoring import percent
from effml_lab.course.grading import handins, pages

PRACTICE = Path(__file__).with_name("00_practice.py")
LIMIT = 20      # seconds a cell: what the endless loop costs


def few(solution) -> list[str]:
    """The exercises that most submissions answer: two functions that nothing else uses, and a value."""
    coded = functions(solution)
    values = [id for id in points(solution) if id not in coded]
    return unused(solution, coded)[:2] + closed(solution, values)[:1]


def half(solution) -> list[str]:
    return closed(solution, list(points(solution))[::2])


def submissions(lab, solution) -> dict[str, object]:
    """Student -> what is handed in."""
    answered = lambda only: filled(lab, solution, only)
    right, target = lambda: answered(few(solution)), few(solution)[0]
    looping, killed, tagged = right(), right(), answered([])
    begins_with(answer(looping, target), "while True: pass")
    begins_with(answer(killed, target), "import os; os._exit(1)")
    for cell in tagged.cells:
        cell.metadata["tags"] = ["skip-execution"]
    quitting = right()
    answer(quitting, target).source += "\nquit()"
    return {
        "correct": answered(None), "noisy": noisy(answered(functions(solution))), "half": answered(half(solution)),
        "blank": answered([]), "looping": looping, "killed": killed, "tagged": tagged,
        "quitting": quitting, "elsewhere": elsewhere(right()), "edited": edited(right()),
        "forged": forged(right()), "scripted": scripted(right()), "no_start": without(right(), "links", "start-up"),
        "no_test": from_colab(without(right(), target)),
        "no_test_no_answer": without(right(), target, f"{target}-answer")}


STUDENTS = ("correct", "noisy", "half", "blank", "looping", "killed", "tagged", "quitting", "elsewhere", "edited", "forged",
            "scripted", "no_start", "no_test", "no_test_no_answer")


MISPLACED = {"renamed": ("00_practice/Copy of 00_practice.ipynb", "utf-8"),
             "nested": ("00_practice/work/00_practice.ipynb", "utf-8"), "marked": ("00_practice/00_practice.ipynb", "utf-8-sig")}


def expected(student: str, solution) -> dict[str, float]:
    """Exercise -> points."""
    full, some = points(solution), few(solution)
    only = lambda kept: {id: full[id] if id in kept else 0 for id in full}
    before = list(full)[:list(full).index(some[0])]
    special = {
        "correct": full, "noisy": only(functions(solution)), "half": only(half(solution)), "blank": only([]),
        "tagged": only([]), "forged": only([]), "looping": only(some[1:]), "no_test_no_answer": only(some[1:]),
        "killed": only(set(some) & set(before))}
    return special.get(student, only(some))


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    """The practice lab, released, with every submission graded in one call."""
    course = Course(tmp_path_factory.mktemp("course"), PRACTICE)
    for student, notebook in submissions(course.released, course.solution).items():
        course.submit(student, notebook)
    for student, (name, encoding) in MISPLACED.items():
        path = course.folder / f"grading/submitted/{student}" / name
        path.parent.mkdir(parents=True)
        made = filled(course.released, course.solution, few(course.solution))
        path.write_text(percent.to_bytes(made).decode(), encoding=encoding)
    (path := course.folder / f"grading/submitted/torn/{course.lab}/{course.lab}.ipynb").parent.mkdir(parents=True)
    path.write_text('{"cells": [')
    course.mended = handins.repair(course.folder / "grading/submitted", course.lab)
    course.log = course.nbgrader("autograde", course.lab, f"--Execute.timeout={LIMIT}", fails=True)       # on what is torn
    course.nbgrader("generate_feedback", course.lab)
    return course


def test_everything_that_grading_makes_lies_in_one_folder(course):
    known = {"nbgrader_config.py", "solutions", "labs", "grading", "home", "__pycache__"}
    assert {path.name for path in course.folder.iterdir()} <= known
    assert not list((course.folder / "home").rglob("*"))      # nothing of a student's record is written by a grader


@pytest.mark.parametrize("student", (*STUDENTS, *MISPLACED))
def test_marks(course, student):
    marks = course.marks(student)
    assert {id: marks[id] for id in points(course.released)} == expected(student, course.solution)


def test_written_answers_wait_for_a_grader_and_blank_ones_do_not(course):
    written = {graded_id(cell) for cell in filter(is_written, course.released.cells)}
    assert all(course.marks("blank")[id] == 0 for id in written)
    assert not written & set(course.marks("correct"))


def test_a_regrade_keeps_manual_marks_and_the_seed(course):
    seed = (course.folder / "grading/seed").read_text()
    id = few(course.solution)[0]
    with course.gradebook() as book:
        grade = book.find_grade(id, course.lab, course.lab, "no_start")
        grade.manual_score, before = 0.5, course.marks("no_start")
        book.db.commit()
    course.nbgrader("autograde", course.lab, "--student", "no_start", "--force")
    with course.gradebook() as book:
        assert book.find_grade(id, course.lab, course.lab, "no_start").manual_score == 0.5
        assert book.find_grade(id, course.lab, course.lab, "no_start").score == 0.5
    assert course.marks("no_start") == before and (course.folder / "grading/seed").read_text() == seed


def test_validate_tells_right_from_blank(course):
    kept = {"links", "start-up", *few(course.solution), *(f"{id}-answer" for id in few(course.solution))}
    right = filled(course.released, course.solution, few(course.solution))
    blank = filled(course.released, course.solution, [])
    right.cells = [cell for cell in right.cells if graded_id(cell) is None or graded_id(cell) in kept]
    said = course.nbgrader("validate", str(course.write("right", right)), str(course.write("blank", blank)))
    assert "Success! Your notebook passes all the tests." in said
    failed = len(points(course.released)) + sum(map(is_written, course.released.cells))
    assert f"VALIDATION FAILED ON {failed} CELL(S)" in said


def test_a_written_answer_that_stands_elsewhere_is_seen(course):
    """In a cell of the student's own, with a picture: nobody gets a zero for it that nobody has seen."""
    (cell,) = filter(is_written, course.graded("elsewhere").cells)
    assert "written in a cell of my own" in cell.source and list(cell.attachments) == ["0-dot.png"]
    assert graded_id(cell) not in course.marks("elsewhere")
    assert any(image.get("src", "").startswith("data:image/png") for image in course.feedback("elsewhere").find_all("img"))


def rows(course, name: str) -> list[dict]:
    with open(course.folder / "grading" / name, newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_export_tells_what_became_of_every_hand_in(course):
    course.nbgrader("export")
    found = {row["student_id"]: row for row in rows(course, "grades.csv")}
    assert set(found) == {*STUDENTS, *MISPLACED, "torn"}
    assert float(found["correct"]["score"]) == sum(points(course.released).values()) and float(found["blank"]["score"]) == 0
    assert found["blank"]["status"] == found["renamed"]["status"] == "graded"
    written = [graded_id(cell) for cell in filter(is_written, course.released.cells)]
    assert found["correct"]["status"] == found["elsewhere"]["status"] == f"needs marking: {', '.join(written)}"
    assert "ended the kernel" in found["killed"]["status"]
    path = course.folder / f"grading/submitted/half/{course.lab}/{course.lab}.ipynb"
    os.utime(path, (time.time() + 9, time.time() + 9))
    course.nbgrader("export")
    changed = {row["student_id"]: row for row in rows(course, "grades.csv")}["half"]
    assert changed["status"].startswith("not graded: changed") and changed["score"] == ""
    os.utime(path, (0, 0))
    assert found["torn"]["status"].startswith("not graded: the file is not a whole notebook") and found["torn"]["score"] == ""


def test_export_tells_the_marks_of_each_exercise(course):
    course.nbgrader("export")
    found = {(row["student_id"], row["exercise"]): row for row in rows(course, "exercises.csv")}
    for id, full in points(course.released).items():
        assert float(found["correct", id]["score"]) == float(found["correct", id]["max_score"]) == full
    (id,) = (graded_id(cell) for cell in filter(is_written, course.released.cells))
    assert found["correct", id]["score"] == "" and found["correct", id]["by_hand"] == "waits"


def test_feedback_shows_each_report_whole(course):
    for student in ("correct", "half", "noisy"):
        page = course.feedback(student)
        shown = [table.get_text(" ", strip=True) for table in page.find_all("table")]
        for cell in filter(is_test, course.graded(student).cells):
            report = next(output.data["text/html"] for output in cell.outputs if output.output_type == "execute_result")
            for table in BeautifulSoup(report, "html.parser").find_all("table"):
                assert table.find("th", scope="col") and table.find("td")
                assert table.get_text(" ", strip=True) in shown
    assert pages.TABLES in str(course.feedback("half").find_all("style"))
    assert any("noise as from C++" in pre.get_text() for pre in course.feedback("noisy").find_all("pre"))


def test_feedback_shows_no_test_source(course):
    ids = points(course.released)
    for student in ("correct", "looping", "killed"):
        text = course.feedback(student).get_text()
        assert not [id for id in ids if f'check("{id}"' in text]


def test_feedback_holds_nothing_live(course):
    page = course.feedback("scripted")
    assert not page.find_all(["script", "iframe", "object", "embed", "svg", "form"])
    for tag in page.find_all(True):
        assert not [name for name in tag.attrs if name.startswith("on")], tag
        assert not str(tag.get("href", "")).lower().startswith(("javascript", "data")), tag
    assert "alert(1)" in page.get_text()                                    # the words are shown, as words
    assert page.find("img", alt="a dot in the middle") and page.find("math")


def test_the_pages_of_formgrader_hold_nothing_live_either(course):
    for cell in course.graded("scripted").cells:
        for output in cell.get("outputs", []):
            assert not {"application/javascript", "image/svg+xml"} & set(output.get("data", {}))
            assert "<script" not in output.get("data", {}).get("text/html", "")


def test_outputs_of_a_cell_that_was_stopped_say_so(course):
    failed = [output for cell in course.graded("looping").cells if is_test(cell) for output in cell.outputs
              if output.output_type == "error"]
    assert {output.ename for output in failed} == {"Interrupted", "CellTimeoutError"}
