"""The plug-ins for nbgrader, one by one, without a gradebook."""
import time

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from effml_lab.course.grading import plugins, sanitize


def cell(*outputs):
    return new_code_cell("check()", outputs=list(outputs), metadata={"nbgrader": {"grade": True, "points": 5.0}})


def result(text, **data):
    return new_output("execute_result", data={"text/plain": text} | data, execution_count=1)


def judged(*outputs) -> float:
    """What nbgrader makes of a test cell, after our plug-in."""
    from nbgrader.utils import determine_grade
    made, _ = plugins.HonestPoints().preprocess_cell(cell(*outputs), {}, 0)
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
    return plugins.Execute(**words).preprocess(notebook, {})[0].cells


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


def test_the_seed_is_drawn_once(tmp_path):
    first = plugins.seed(tmp_path / "grading")
    assert first.isdigit() and first == plugins.seed(tmp_path / "grading")
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
    plugins.put_back([id for id in RELEASED if id not in left.split()], cells, RELEASED)
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
    ('<img src="http://e.org/spy.png" alt="a">', '<img alt="a">'),
    ('<img src="data:image/png;base64,AAAA" alt="a">', '<img alt="a" src="data:image/png;base64,AAAA">'),
    ('<svg><script>f()</script></svg><math><mtext></mtext></math>', ""),
    ("<style>p {}</style>1 &lt; 2", "1 &lt; 2"),
])
def test_html_is_cleaned_and_tables_stay(html, kept):
    assert sanitize.clean(html) == kept


def test_formulas_survive_cleaning():
    assert "$x_t = a_b * c &lt; d_e$" in sanitize.markdown("If $x_t = a_b * c < d_e$ then *so*.")


def test_a_pages_cells_hold_only_what_is_known():
    given = new_code_cell("1", id="an-id", metadata={"tags": ["t"], "nbgrader": {"grade": False}}, outputs=[
        new_output("display_data", data={"application/javascript": "f()", "image/svg+xml": "<svg/>"}),
        new_output("display_data", data={"image/png": "AAAA", "text/plain": "x"},
                   metadata={"image/png": {"alt": "what is seen", "width": "1><script>"}})])
    made = sanitize.cell(given, 3)
    assert made.metadata == {"nbgrader": {"grade": False}} and len(made.outputs) == 1
    assert made.outputs[0].metadata == {"image/png": {"alt": "what is seen"}}
    notebook = new_notebook(cells=[new_markdown_cell("m"), given], metadata={"title": "<script>"})
    assert "title" not in plugins.Harmless().preprocess(notebook, {})[0].metadata
