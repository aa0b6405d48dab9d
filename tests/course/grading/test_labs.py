"""Every real lab through nbgrader once: solved it has all its points, blank it has none, and its release is the committed one."""
import pytest
from courses import ROOT, Course
from submissions import filled, graded_id, is_written, points

from effml_lab.course.authoring import build

TEXTS = sorted((ROOT / "solutions").glob("[0-9][0-9]_*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_solved_and_blank(text, tmp_path):
    course = Course(tmp_path, text)
    course.submit("solved", filled(course.released, course.solution))
    course.submit("blank", filled(course.released, course.solution, []))
    course.nbgrader("autograde", course.lab)
    full, written = points(course.released), {graded_id(cell) for cell in filter(is_written, course.released.cells)}
    solved, blank = course.marks("solved"), course.marks("blank")
    assert {id: solved[id] for id in full} == full and not any(blank.values())
    assert written <= set(blank) and not written & set(solved)          # a blank written answer needs nobody to read it
    committed = ROOT / f"labs/{course.lab}/{course.lab}.ipynb"
    if not build.has_work(committed):                                   # a student's own is not compared
        assert (course.folder / f"labs/{course.lab}/{course.lab}.ipynb").read_bytes() == committed.read_bytes()
