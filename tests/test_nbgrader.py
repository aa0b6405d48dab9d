"""Labs through nbgrader's own commands: released, submitted in every state, autograded, regraded, told back, exported."""
import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbgrader.api import Gradebook

from effml_lab.course import build, percent

from submissions import (answer, begins_with, edited, filled, forged, functions, graded_id, is_test, is_written, noisy,
                         points, scripted, sliced, without)

ROOT = Path(os.environ.get("EFFML_TEST_COURSE", Path(__file__).resolve().parents[1]))
LABS = sorted(path.stem for path in (ROOT / "solutions").glob("[0-9][0-9]_*.py"))
LIMIT = 25      # seconds a cell: what the endless loop costs


class Course:
    """A course folder of its own with one lab in it, and nbgrader run there."""

    def __init__(self, folder: Path, lab: str):
        self.folder, self.lab = folder, lab
        shutil.copy(ROOT / "nbgrader_config.py", folder)
        made = build.lab_notebook((ROOT / f"solutions/{lab}.py").read_text(), lab, ROOT)
        self.write("solutions", made)
        self.nbgrader("generate_assignment", lab)
        self.solution, self.released = made, nbformat.read(folder / f"labs/{lab}/{lab}.ipynb", as_version=4)

    def write(self, where: str, notebook) -> Path:
        path = self.folder / where / self.lab / f"{self.lab}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(percent.to_bytes(notebook))
        return path

    def submit(self, student: str, notebook) -> None:
        self.write(f"grading/submitted/{student}", notebook)

    def nbgrader(self, *words: str, fails: bool = False) -> str:
        env = os.environ | {"EFFML_HOME": str(self.folder / "home")}
        env.pop("EFFML_SEED", None)
        done = subprocess.run([sys.executable, "-m", "nbgrader", *words], cwd=self.folder, env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert fails or done.returncode == 0, done.stdout
        return done.stdout

    def gradebook(self) -> Gradebook:
        return Gradebook(f"sqlite:///{(self.folder / 'grading/gradebook.db').as_posix()}")

    def marks(self, student: str) -> dict[str, float]:
        """Exercise -> points, as nbgrader recorded them."""
        with self.gradebook() as book:
            notebook = book.find_submission_notebook(self.lab, self.lab, student)
            return {grade.name: grade.auto_score for grade in notebook.grades if grade.auto_score is not None}

    def graded(self, student: str):
        return nbformat.read(self.folder / f"grading/autograded/{student}/{self.lab}/{self.lab}.ipynb", as_version=4)

    def feedback(self, student: str) -> BeautifulSoup:
        path = self.folder / f"grading/feedback/{student}/{self.lab}/{self.lab}.html"
        return BeautifulSoup(path.read_text(), "html.parser")


def submissions(course: Course) -> dict[str, object]:
    """Student -> what is handed in."""
    small, full = sliced(course.released, course.solution), list(points(course.released))
    right = lambda only=None: filled(small, course.solution, only)
    target = functions(small)[0]
    looping, killed, unasked = right(), right(), right(full[::2])
    begins_with(answer(looping, target), "while True: pass")
    begins_with(answer(killed, target), "import os; os._exit(1)")
    tagged = right([])
    for cell in tagged.cells:
        cell.metadata["tags"] = ["skip-execution"]
    return {
        "correct": right(), "blank": small, "half": unasked, "noisy": noisy(right()), "looping": looping, "killed": killed,
        "no_test": without(right(), target), "no_test_no_answer": without(right(), target, f"{target}-answer"),
        "no_start": without(right(), "links", "start-up"), "edited": edited(right(full[::2])), "tagged": tagged,
        "forged": forged(right()), "scripted": scripted(right())}


@pytest.fixture(scope="module", params=LABS)
def course(request, tmp_path_factory) -> Course:
    """A lab, generated, with every submission graded in one call."""
    course = Course(tmp_path_factory.mktemp("course"), request.param)
    for student, notebook in submissions(course).items():
        course.submit(student, notebook)
    course.log = course.nbgrader("autograde", course.lab, f"--Execute.timeout={LIMIT}")
    course.nbgrader("generate_feedback", course.lab)
    return course


def test_generated_labs_are_the_committed_ones(course):
    committed = ROOT / f"labs/{course.lab}/{course.lab}.ipynb"
    if build.has_work(committed):
        pytest.skip(f"labs/{course.lab} holds work, so it is not compared.")
    assert (course.folder / f"labs/{course.lab}/{course.lab}.ipynb").read_bytes() == committed.read_bytes()


def test_everything_that_grading_makes_lies_in_one_folder(course):
    assert {path.name for path in course.folder.iterdir()} <= {"nbgrader_config.py", "solutions", "labs", "grading", "home",
                                                               "__pycache__"}
    assert not list((course.folder / "home").rglob("*"))      # nothing of a student's record is written by a grader


EXPECTED = {
    "correct": lambda full, target: full, "noisy": lambda full, target: full, "no_test": lambda full, target: full,
    "no_start": lambda full, target: full, "scripted": lambda full, target: full,
    "blank": lambda full, target: dict.fromkeys(full, 0), "tagged": lambda full, target: dict.fromkeys(full, 0),
    "forged": lambda full, target: dict.fromkeys(full, 0),
    "half": lambda full, target: full | dict.fromkeys(list(full)[1::2], 0),
    "edited": lambda full, target: full | dict.fromkeys(list(full)[1::2], 0),
    "no_test_no_answer": lambda full, target: full | {target: 0},
    "looping": lambda full, target: full | {target: 0},
    "killed": lambda full, target: full | dict.fromkeys(list(full)[list(full).index(target):], 0)}


@pytest.mark.parametrize("student", EXPECTED)
def test_marks(course, student):
    full = points(course.released)
    marks = course.marks(student)
    assert {id: marks[id] for id in full} == EXPECTED[student](full, functions(course.released)[0])


def test_written_answers_wait_for_a_grader_and_blank_ones_do_not(course):
    written = {graded_id(cell) for cell in filter(is_written, course.released.cells)}
    assert all(course.marks("blank")[id] == 0 for id in written)
    assert not written & set(course.marks("correct"))


def test_a_regrade_keeps_manual_marks_and_the_seed(course):
    seed = (course.folder / "grading/seed").read_text()
    id = list(points(course.released))[-1]
    with course.gradebook() as book:
        grade = book.find_grade(id, course.lab, course.lab, "half")
        grade.manual_score, before = 0.5, course.marks("half")
        book.db.commit()
    course.nbgrader("autograde", course.lab, "--student", "half", "--force")
    with course.gradebook() as book:
        assert book.find_grade(id, course.lab, course.lab, "half").manual_score == 0.5
        assert book.find_grade(id, course.lab, course.lab, "half").score == 0.5
    assert course.marks("half") == before and (course.folder / "grading/seed").read_text() == seed


def test_validate_tells_right_from_blank(course):
    right = course.write("right", filled(sliced(course.released, course.solution), course.solution))
    blank = course.write("blank", sliced(course.released, course.solution))
    said = course.nbgrader("validate", str(right), str(blank))
    assert "Success! Your notebook passes all the tests." in said
    written = sum(map(is_written, course.released.cells))
    assert f"VALIDATION FAILED ON {len(points(course.released)) + written} CELL(S)" in said


def test_export(course):
    course.nbgrader("export")
    with open(course.folder / "grading/grades.csv", newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    full = sum(points(course.released).values())
    assert float(rows["correct"]["score"]) == full and float(rows["blank"]["score"]) == 0
    assert set(rows) == set(EXPECTED)


def test_feedback_shows_each_report_whole(course):
    for student in ("correct", "half", "noisy"):
        page = course.feedback(student)
        shown = [table.get_text(" ", strip=True) for table in page.find_all("table")]
        for cell in filter(is_test, course.graded(student).cells):
            report = next(output.data["text/html"] for output in cell.outputs if output.output_type == "execute_result")
            for table in BeautifulSoup(report, "html.parser").find_all("table"):
                assert table.find("th", scope="col") and table.find("td")
                assert table.get_text(" ", strip=True) in shown
    assert any("noise as from C++" in pre.get_text() for pre in course.feedback("noisy").find_all("pre"))


def test_feedback_shows_no_test_source(course):
    ids = points(course.released)
    for student in ("correct", "looping", "killed"):
        text = course.feedback(student).get_text()
        assert not [id for id in ids if f'check("{id}"' in text]


def test_feedback_holds_nothing_live(course):
    allowed = sorted(map(str, course.feedback("correct").find_all("script")))
    page = course.feedback("scripted")
    assert sorted(map(str, page.find_all("script"))) == allowed
    assert not page.find_all(["iframe", "object", "embed", "svg", "form"])
    for tag in page.find_all(True):
        assert not [name for name in tag.attrs if name.startswith("on")], tag
        assert not str(tag.get("href", "")).lower().startswith(("javascript", "data")), tag
    assert "alert(1)" in page.get_text()                                    # the words are shown, as words
    assert page.find("img", alt="a dot in the middle") and "$a<b$" in page.get_text()


def test_the_pages_of_formgrader_hold_nothing_live_either(course):
    for cell in course.graded("scripted").cells:
        for output in cell.get("outputs", []):
            assert not {"application/javascript", "image/svg+xml"} & set(output.get("data", {}))
            assert "<script" not in output.get("data", {}).get("text/html", "")


def test_outputs_of_a_cell_that_was_stopped_say_so(course):
    failed = [output for cell in course.graded("looping").cells if is_test(cell) for output in cell.outputs
              if output.output_type == "error"]
    assert {output.ename for output in failed} == {"KeyboardInterrupt", "CellTimeoutError"}
