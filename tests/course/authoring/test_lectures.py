"""What every lecture's notebook must be: executed, readable aloud, in order, and a talk."""
import json
import re
from pathlib import Path

import pytest
from nbconvert import SlidesExporter

from effml_lab.course.exercises import EXERCISES
from effml_lab.folders import checkout

NOTEBOOKS = sorted((checkout() / "lectures").glob("*.ipynb"))
pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def test_every_code_cell_was_run_in_order_without_error(path):
    code = [cell for cell in cells(path, "code") if source(cell).strip()]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [out for cell in code for out in cell["outputs"] if out["output_type"] == "error"]


def test_every_picture_is_told_in_words(path):
    pictures = [out for cell in cells(path, "code") for out in cell["outputs"] if "image/png" in out.get("data", {})]
    assert pictures
    for picture in pictures:
        assert len(picture["metadata"]["image/png"]["alt"]) > 30


def test_one_title_and_headings_without_gaps(path):
    text = "\n".join(source(cell) for cell in cells(path, "markdown"))
    depths = [len(found) for found in re.findall(r"^(#+) ", text, re.M)]
    assert depths[0] == 1 and depths.count(1) == 1
    assert all(below <= above + 1 for above, below in zip(depths, depths[1:]))


def test_no_notebook_grows_beyond_a_page_of_the_web(path):
    assert path.stat().st_size < 2_000_000


def test_nothing_that_a_lab_asks_for_is_printed(path):
    """What an exercise watches for, since it would do the work, is not shown as source either."""
    asked = {part.__qualname__ for exercise in EXERCISES.values() for part in exercise.own if hasattr(part, "__qualname__")}
    shown = {name for cell in cells(path, "code") for name in re.findall(r"getsource\([\w.]*?(\w+)\)", source(cell))}
    assert "ddim" in asked and not shown & asked


def test_it_makes_a_talk(path):
    kinds = [cell["metadata"].get("slideshow", {}).get("slide_type") for cell in cells(path, "markdown")]
    page, _ = SlidesExporter(reveal_scroll=True).from_filename(str(path))
    assert kinds.count("slide") >= 5 and page.count("<section>") >= kinds.count("slide")
