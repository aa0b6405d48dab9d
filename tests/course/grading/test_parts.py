"""The plug-ins for nbgrader, one by one, without a gradebook."""
import json
import re
import time

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from effml_lab.course import formulas
from effml_lab.course.exercises import EXERCISES
from effml_lab.course.grading import execute, handins, marks, pages, restore, sanitize
from effml_lab.folders import checkout


def cell(*outputs):
    return new_code_cell("check()", outputs=list(outputs), metadata={"nbgrader": {"grade": True, "points": 5.0}})


def result(text, **data):
    return new_output("execute_result", data={"text/plain": text} | data, execution_count=1)


def judged(*outputs) -> float:
    """What nbgrader makes of a test cell, after our plug-in."""
    from nbgrader.utils import determine_grade
    made, _ = marks.HonestPoints().preprocess_cell(cell(*outputs), {}, 0)
    return determine_grade(made)[0]


ERROR = new_output("error", ename="E", evalue="", traceback=[])
WARNING = new_output("stream", name="stderr", text="a warning")


GARBAGE = ("nan", "inf", "-1", "1e300", "5.01", "5 / 5", "'5'", "True", "", "None", "1_0", "[5]")


@pytest.mark.parametrize("outputs, points", [
    ([result("5")], 5), ([result("0")], 0), ([result("2.75")], 2.75),
    ([WARNING, result("5")], 5), ([result("5"), WARNING], 5),
    ([], 0), ([WARNING], 0), ([ERROR], 0), ([result("5"), ERROR], 0), ([result("5"), result("5")], 0),
    ([new_output("display_data", data={"text/plain": "5"})], 0),
    *([[result(text)], 0] for text in GARBAGE)])
def test_only_an_honest_number_counts(outputs, points):
    assert judged(*outputs) == points


def executed(*sources, **words):
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    return execute.Execute(**words).preprocess(notebook, {})[0].cells


def names(cell):
    return [output.ename for output in cell.outputs if output.output_type == "error"]


def test_a_kernel_that_dies_costs_only_what_comes_after():
    before, killer, after = executed("1 + 1", "import os; os._exit(1)", "2 + 2")
    assert before.outputs[0].data["text/plain"] == "2"
    assert names(killer) == names(after) == ["NotGraded"]


def test_a_loop_that_cannot_be_interrupted_ends():
    begin = time.monotonic()
    stubborn = "while True:\n    try:\n        while True: sum(range(99))\n    except KeyboardInterrupt: pass"
    loop, after = executed(stubborn, "2 + 2", timeout=2, iopub_timeout=1, shutdown_kernel="immediate")
    assert "NotGraded" in names(loop) and names(after) == ["NotGraded"]
    assert time.monotonic() - begin < 60


def test_outputs_have_a_limit_and_the_result_stays():
    flood = "for _ in range(30): print('x' * 10_000, flush=True)\ndisplay({'text/plain': 'y' * 100_000}, raw=True)\n7"
    (made,) = executed("from IPython.display import display\n" + flood, max_bytes=100_000)
    assert len(str(made.outputs)) < 250_000 and "left out" in str(made.outputs)
    assert made.outputs[-1].data["text/plain"] == "7"


def test_a_flood_of_errors_and_of_updates_has_a_limit_too():
    flood = ("h = display('x', display_id=True)\nfor _ in range(30): h.update('x' * 10_000)\n"
             "raise ValueError('y' * 1_000_000)")
    after = "for _ in range(3): get_ipython().showtraceback((ValueError, ValueError('z' * 1_000_000), None))"
    cells = executed("from IPython.display import display\n" + flood, after, max_bytes=100_000)
    assert all(len(str(cell.outputs)) < 250_000 for cell in cells) and "ValueError" in names(cells[0])


def test_a_notebook_has_a_deadline():
    begin = time.monotonic()
    cells = executed(*["import time; time.sleep(4)"] * 5, deadline=10)
    assert names(cells[0]) == [] and names(cells[-1]) == ["NotGraded"] and "10 seconds" in str(cells[-1].outputs)
    assert time.monotonic() - begin < 40


def test_quit_in_a_graded_notebook_ends_nothing(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    _, *quitting, after = executed("from effml_lab.course import begin; begin('01_ddpm')", "quit()", "exit", "2 + 2")
    assert after.outputs[0].data["text/plain"] == "4" and "were left out" in str(quitting[0].outputs)


def test_what_one_notebook_leaves_in_its_home_is_not_there_for_the_next():
    leave = "import os, pathlib, IPython; home = pathlib.Path.home(); print(home)\n" \
            "start = pathlib.Path(IPython.paths.get_ipython_dir(), 'profile_default/startup')\n" \
            "start.mkdir(parents=True, exist_ok=True); (start / 'a.py').write_text('left = 1')"
    first, second = (executed(leave, "'left' in globals()") for _ in range(2))
    assert first[0].outputs != second[0].outputs and second[1].outputs[0].data["text/plain"] == "False"


def test_the_secret_is_drawn_once_and_each_lab_has_a_seed_of_its_own(tmp_path):
    first = execute.seed(tmp_path / "grading", "01_ddpm")
    assert first == execute.seed(tmp_path / "grading", "01_ddpm") != execute.seed(tmp_path / "grading", "02_samplers")
    assert [path.name for path in (tmp_path / "grading").iterdir()] == ["seed"]


RELEASED = {id: new_code_cell(id, metadata={"nbgrader": {"grade_id": id, "grade": grade, "solution": solution}})
            for id, grade, solution in (("start-up", False, False), ("a-answer", False, True), ("a", True, False),
                                        ("b-answer", False, True), ("b", True, False))}


@pytest.mark.parametrize("left, restored", [
    ("start-up a-answer b-answer b", "start-up a-answer a b-answer b"),
    ("a-answer a b-answer b", "start-up a-answer a b-answer b"),
    ("own start-up a-answer a", "own start-up a-answer a b"),
    ("start-up own b-answer b", "start-up own a b-answer b"),       # the answer may be in `own`
    ("own", "start-up own a b"),
    ("", "start-up a b"),
    ("start-up a-answer own b", "start-up a-answer a own b"),
])
def test_missing_cells_come_back_where_they_belong(left, restored):
    cells = [RELEASED.get(name, new_code_cell(name)) for name in left.split()]
    restore.put_back([id for id in RELEASED if id not in left.split()], cells, RELEASED)
    assert " ".join(cell.source for cell in cells) == restored


TABLE = ('<table><caption>c</caption><thead><tr><th scope="col">p</th></tr></thead>'
         '<tbody><tr><td>1</td></tr></tbody></table>')


@pytest.mark.parametrize("html, kept", [
    (TABLE.replace('"', "'"), TABLE),
    ("a<script>alert(1)</script>b", "ab"),
    ("<details open><summary>s</summary>x</details>", '<details open><summary>s</summary>x</details>'),
    ('<p style="text-align:left; background:url(x)" onclick="f()">x</p>', '<p style="text-align:left;">x</p>'),
    ('<a href="javascript:f()">x</a>', "<a>x</a>"),
    ('<a href="data:text/html;base64,AAAA">x</a>', "<a>x</a>"),
    ('<img src="http://e.org/spy.png" alt="a">', 'a'),
    ('<img src="data:image/png;base64,AAAA" alt="a">', '<img alt="a" src="data:image/png;base64,AAAA">'),
    ('<svg><script>f()</script></svg><math><mtext></mtext></math>', ""),
    ("<style>p {}</style>1 &lt; 2", "1 &lt; 2"),
])
def test_html_is_cleaned_and_tables_stay(html, kept):
    assert sanitize.clean(html) == kept


def page(source, **cell):
    return sanitize.markdown({"cell": cell}, source)


def test_formulas_are_drawn_without_a_network_and_stay_harmless():
    made = page("If $x_t < d_e$ then *so*. $\\text{<script>f()</script>}$")
    assert made.count("<math") == 2 and "<em>so</em>" in made and "$" not in made
    assert not BeautifulSoup(made, "html.parser").find("script")
    assert "onclick" not in page("$\\color{red\" onclick=\"f()}x$").replace("onclick=&quot;", "")
    assert "$\\begin{x$" in page("$\\begin{x$")                       # what cannot be read stays as it was written
    assert page("\\begin{align}a &= b \\\\ c &= d\\end{align}").count("<math") == 1
    picture = BeautifulSoup(page("![a $x$ b](attachment:d.png)", attachments={"d.png": {"image/png": "AAAA"}}), "html.parser")
    assert picture.img["src"].startswith("data:image/png") and picture.img["alt"] == "a $x$ b" and not picture.get_text().strip()


def test_every_formula_of_the_course_can_be_drawn():
    for path in checkout().glob("l*s/**/[0-9][0-9]_*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "markdown":
                renderer = formulas.Renderer()
                formulas.MarkdownWithMath(renderer=renderer).render("".join(cell["source"]))
                assert all(formulas.mathml(*found).startswith("<math") for found in renderer.found.values()), cell["source"]


def test_a_pasted_picture_reaches_the_grader():
    pasted = {"dot.png": {"image/png": "AAAA"}, "evil.svg": {"image/svg+xml": "<svg/>"}, "odd.png": {"image/png": "<script>"}}
    made = page("![a dot](attachment:dot.png)", attachments=pasted)
    assert 'src="data:image/png;base64,AAAA"' in made
    assert list(sanitize.cell(new_markdown_cell("", attachments=pasted), 0).attachments) == ["dot.png"]


def test_feedback_calls_exercises_by_their_names():
    assert pages.named("01-levels", "Test cell") == EXERCISES["01-levels"].title
    assert pages.named("comment-01-levels-answer", "Comment").endswith(EXERCISES["01-levels"].title)
    assert pages.named("01-why", "Written response") == "Written response (01-why)"


NOTEBOOK = json.dumps(new_notebook(cells=[new_markdown_cell("a")]))


@pytest.mark.parametrize("place, data, said", [
    ("01_lab/01_lab.ipynb", NOTEBOOK.encode(), ""),
    ("01_lab/Copy of 01_lab.ipynb", NOTEBOOK.encode(), "is taken for"),
    ("01_lab/01_LAB (1).ipynb", NOTEBOOK.encode(), "is taken for"),
    ("01_lab/inner/01_lab.ipynb", NOTEBOOK.encode(), "is taken for"),
    ("Lab 01/my lab.ipynb", NOTEBOOK.encode(), "is taken for"),
    ("01_lab.ipynb", NOTEBOOK.encode(), "is taken for"),
    ("01_lab/01_lab.ipynb", NOTEBOOK.encode("utf-8-sig"), "a byte order mark"),
    ("01_lab/01_lab.ipynb", NOTEBOOK.encode("utf-16"), "UTF-16"),
    ("01_lab/01_lab.ipynb", b'{"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": []}', "an old format"),
    ("01_lab/01_lab.ipynb", NOTEBOOK.encode()[:-9], "NOT MENDED: the file is not a whole notebook"),
    ("01_lab/01_lab.ipynb", b"<<<<<<< HEAD\n" + NOTEBOOK.encode(), "NOT MENDED: the file holds both sides"),
    ("01_lab/01_lab.ipynb", NOTEBOOK.replace('"a"', '"ü"').encode("cp1252"), "an encoding of Windows"),
    ("02_other/02_other-2026-01.ipynb", NOTEBOOK.encode(), ""),
    ("01_lab/01_lab.ipynb", b"", "NOT MENDED: the file is empty"),
    ("01_lab/01_lab.ipynb", b"[1]", "NOT MENDED: the file is not a notebook"),
    ("01_lab/01_lab.ipynb.txt", NOTEBOOK.encode(), "is taken for"),
    ("notebook.ipynb", NOTEBOOK.encode(), "NOT MENDED: notebook.ipynb may be of this lab"),
    ("01_lab/notes.txt", b"hello", "NOT MENDED: there is no notebook"),
])
def test_a_hand_in_is_mended_or_told(tmp_path, place, data, said):
    path = tmp_path / "anna" / place
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    told = handins.repair(tmp_path, "01_lab")
    assert said in " ".join(told) and bool(told) == bool(said)
    if said and "NOT MENDED" not in said:
        (mended,) = handins.handins(tmp_path, "01_lab")
        assert not mended.trouble and nbformat.read(mended.path, 4).cells == nbformat.reads(
            data.decode({"UTF-16": "utf-16", "an encoding of Windows": "cp1252"}.get(said, "utf-8-sig")), 4).cells
    kept = [other.read_bytes() for other in tmp_path.rglob("*") if other.is_file()]
    assert data in kept                                                 # what came is still there


@pytest.mark.parametrize("path, found", [
    ("all/Anna Müller_12_assignsubmission_file/01_lab.ipynb", ("Anna Müller", "01_lab.ipynb")),
    ("Anna Müller_12_assignsubmission_file_/deep/er/notes.pdf", ("Anna Müller", "notes.pdf")),
    ("all/anna/01_lab.ipynb", ("anna", "01_lab.ipynb"))])
def test_downloads_are_told_apart_by_their_folders(path, found):
    pattern = re.search(r'named_regexp = \(.*?r"(.*?)"\)', (checkout() / "nbgrader_config.py").read_text(), re.DOTALL)[1]
    assert re.match(pattern, f"grading/downloaded/01_lab/extracted/{path}").group("student_id", "file_id") == found


def test_a_hand_in_that_could_be_either_of_two_is_left_to_a_human(tmp_path):
    for name in ("anna/01_lab/final.ipynb", "anna/01_lab/final2.ipynb", "ben[1]/01_lab/01_lab.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(NOTEBOOK)
    which, brackets = handins.repair(tmp_path, "01_lab")
    assert "which of final.ipynb, final2.ipynb" in which and "rename it" in brackets


def test_a_pages_cells_hold_only_what_is_known():
    given = new_code_cell("1", id="an-id", metadata={"tags": ["t"], "nbgrader": {"grade": False}}, outputs=[
        new_output("display_data", data={"application/javascript": "f()", "image/svg+xml": "<svg/>"}),
        new_output("display_data", data={"image/png": "AAAA", "text/plain": "x"},
                   metadata={"image/png": {"alt": "what is seen", "width": "1><script>"}})])
    made = sanitize.cell(given, 3)
    assert made.metadata == {"nbgrader": {"grade": False}} and len(made.outputs) == 1
    assert made.outputs[0].metadata == {"image/png": {"alt": "what is seen"}}
    notebook = new_notebook(cells=[new_markdown_cell("m"), given], metadata={"title": "<script>"})
    assert "title" not in pages.Harmless().preprocess(notebook, {})[0].metadata
