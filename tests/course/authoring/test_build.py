"""Texts to notebooks and back: same bytes every time, rules refused in one sentence, nobody's work overwritten."""
import json
import shutil
import subprocess

import nbformat
import pytest

import effml_lab
from effml_lab.course.authoring import first_cells
from effml_lab.course.authoring.build import build, from_notebook, has_work, home, is_committed
from effml_lab.folders import checkout

ROOT = checkout()
HEADER = """\
# ---
# jupyter:
#   effml_lab: {title: A toy, minutes: {reading: 10, coding: 20}}
# ---

"""
LAB = HEADER + '''\
# %% [markdown]
# # A toy
#
# A formula, $x_t = \\alpha x_0$, and prose.

# %%
import math

# %% tags=["raises-exception"]
# %timeit -n 1 math.sqrt(2.0)

# %%
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    twice_as_much_as_before = x + x
    return twice_as_much_as_before
    ### END SOLUTION


# %%
check("42-double", double, points=5)

# %%
guess = ...
### BEGIN SOLUTION
guess = 4.0  # because two and two are four
### END SOLUTION

# %%
check("42-guess", guess, points=1.5)

# %%
print(math.pi)

# %%
print(math.pi)

# %% [markdown] written="42-why" points=3
# Why is that so?
#
# ### BEGIN SOLUTION
# Since addition is what doubling means here.
#
# ### BEGIN MARK SCHEME
# One point for each reason that was named.
# ### END MARK SCHEME
# ### END SOLUTION
'''
LECTURE = HEADER + '''\
# %% [markdown] slideshow={"slide_type": "slide"}
# # A talk

# %% slideshow={"slide_type": "fragment"}
print(6 * 7)
'''


@pytest.fixture
def course(tmp_path):
    """A small course of one lab and one lecture, under git."""
    for name in ("nbgrader_config.py", "pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path)
    for folder, text in (("solutions", LAB), ("lectures", LECTURE)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "42_toy.py").write_text(text)
    for words in ("init -q", "config user.name t", "config user.email t@t"):
        subprocess.run(["git", *words.split()], cwd=tmp_path, check=True)
    return tmp_path


def commit(course):
    subprocess.run("git add -A && git commit -q -m all", shell=True, cwd=course, check=True)


def read(course, path):
    return nbformat.read(course / path, as_version=4)


SOLUTION, RELEASED, TALK = "solutions/42_toy/42_toy.ipynb", "labs/42_toy/42_toy.ipynb", "lectures/42_toy.ipynb"


def edit(course, path, change):
    """Change a notebook as an editor would: ids stay."""
    notebook = read(course, path)
    change(notebook)
    nbformat.write(notebook, course / path)


def graded(notebook):
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}


def test_the_lab_and_its_release(course):
    assert {path.relative_to(course).as_posix() for path in build(root=course)} == {SOLUTION, RELEASED, TALK}
    solution, lab = read(course, SOLUTION), read(course, RELEASED)
    for notebook in (solution, lab):
        assert notebook.metadata.effml_lab.title == "A toy" and "jupytext" not in notebook.metadata
        assert all(not cell.get("outputs") and "lines_to_next_cell" not in cell.metadata for cell in notebook.cells)
    assert [cell.id for cell in solution.cells] == [cell.id for cell in lab.cells]
    cells = graded(lab)
    assert list(cells) == "links start-up 42-double-answer 42-double 42-guess-answer 42-guess 42-why".split()
    assert cells["42-double"].metadata.nbgrader.points == 5 and not cells["42-double"].metadata.editable
    assert cells["42-double-answer"].source == (
        'def double(x):\n    """Twice x."""\n    # YOUR CODE HERE\n    raise NotImplementedError()')
    assert cells["42-guess-answer"].source == "guess = ...\n# YOUR ANSWER HERE"
    assert cells["42-why"].source == "Why is that so?\n\nYOUR ANSWER HERE"
    assert cells["42-why"].metadata.nbgrader.points == 3 and cells["42-why"].metadata.nbgrader.solution


def test_links_and_start_up_come_from_one_address_and_one_tag(course):
    build(root=course)
    url, tag = first_cells.source_url(course), f"v{effml_lab.__version__}"
    lab, talk = read(course, RELEASED), read(course, TALK)
    links, start = graded(lab)["links"], graded(lab)["start-up"]
    repository = url.removeprefix("https://github.com/")
    assert f"(https://colab.research.google.com/github/{repository}/blob/{tag}/{RELEASED})" in links.source
    assert "github/" + repository + f"/blob/{tag}/solutions" not in links.source
    assert f"{url}/blob/{tag}/{SOLUTION}" in links.source and f"{url}/blob/{tag}/{TALK}" in links.source
    assert lab.cells.index(links) == 0 and next(cell for cell in lab.cells if cell.cell_type == "code") is start
    assert f'"effml_lab @ {url}/archive/refs/tags/{tag}.zip"' in start.source
    assert f'begin("42_toy", release="{effml_lab.__version__}")' in start.source
    assert f"/blob/{tag}/{TALK})" in talk.cells[0].source and talk.cells[0].metadata.slideshow.slide_type == "skip"


def test_a_build_for_graded_classes_links_to_no_solution(course):
    build(root=course)
    commit(course)
    assert {path.relative_to(course).as_posix() for path in build(root=course, graded=True)} == {SOLUTION, RELEASED}
    links = graded(read(course, RELEASED))["links"].source
    assert "solution" not in links and "colab" in links and TALK in links


def test_building_again_changes_no_byte(course):
    build(root=course)
    before = {path: (course / path).read_bytes() for path in (SOLUTION, RELEASED, TALK)}
    assert build(["42"], root=course) == [] == build(["42_toy"], root=course)
    for path in before:
        (course / path).unlink()
    build(root=course)
    assert before == {path: (course / path).read_bytes() for path in before}


def test_check_writes_nothing(course):
    assert len(build(check=True, root=course)) == 3
    assert not (course / SOLUTION).exists()


def test_there_and_back_is_a_fixpoint(course):
    build(root=course)
    for kind, path, text in (("solutions", SOLUTION, LAB), ("lectures", TALK, LECTURE)):
        before = (course / path).read_bytes()
        assert from_notebook(course / path, root=course) == course / kind / "42_toy.py"
        assert (course / kind / "42_toy.py").read_text() == text
        assert (course / path).read_bytes() == before
    assert build(root=course) == []


def test_an_edit_in_jupyterlab_goes_back_into_the_text(course):
    build(root=course)

    def change(notebook):
        notebook.cells[2].source = "import math\nimport cmath"
        notebook.cells[2].metadata["collapsed"] = True
        notebook.cells.insert(3, nbformat.v4.new_markdown_cell("New *prose*."))
        notebook.cells.append(nbformat.v4.new_code_cell(""))
        graded(notebook)["42-why"].metadata.nbgrader.points = 4

    edit(course, SOLUTION, change)
    notebook = read(course, SOLUTION)
    start = next(i for i, cell in enumerate(notebook.cells) if "start-up" in cell.metadata.get("tags", []))
    assert start == 2
    # the edit hit the start-up, which is the build's own: it is not taken over
    from_notebook(course / SOLUTION, root=course)
    text = (course / "solutions/42_toy.py").read_text()
    assert "# New *prose*." in text and 'written="42-why" points=4' in text
    assert "cmath" not in text and "collapsed" not in text and "tags" in text
    assert build(root=course) == []
    assert graded(read(course, RELEASED))["42-why"].metadata.nbgrader.points == 4


def test_a_class_that_is_graded_stays_so_when_an_edit_goes_back(course):
    build(root=course, graded=True)
    linked = lambda: "[solution]" in " ".join(cell.source for cell in read(course, RELEASED).cells)
    edit(course, TALK, lambda notebook: notebook.cells.append(nbformat.v4.new_markdown_cell("One more *thought*.")))
    from_notebook(course / TALK, root=course)
    assert not linked() and build(root=course, graded=True) == []
    edit(course, SOLUTION, lambda notebook: notebook.cells.append(nbformat.v4.new_markdown_cell("New *prose*.")))
    from_notebook(course / SOLUTION, root=course)
    assert "# New *prose*." in (course / "solutions/42_toy.py").read_text()
    assert not linked() and build(root=course, graded=True) == []
    build(root=course)
    assert linked()


@pytest.mark.parametrize("old, new, said", [
    ('check("42-double", double, points=5)', 'check("42-double", double, points=5);', "one bare check"),
    ('check("42-double", double, points=5)', 'mark = check("42-double", double, points=5)', "one bare check"),
    ('check("42-double", double, points=5)', 'print(1)\ncheck("42-double", double, points=5)', "one bare check"),
    ('check("42-double", double, points=5)', 'check("42-double", double, points=5)  # five', "one bare check"),
    ('check("42-double", double, points=5)', '# %%time\ncheck("42-double", double, points=5)', "one bare check"),
    ('check("42-double", double, points=5)', 'check("42-double", double, 5)', "one bare check"),
    ('check("42-double", double, points=5)', 'check("42-double", double, points=2 + 3)', "one bare check"),
    ('check("42-double", double, points=5)', 'display(check("42-double", double, points=5))', "one bare check"),
    ("print(math.pi)", "again = check", "one bare check"),
    ("points=5", "points=0", "positive number"),
    ("points=5", "points=-1", "one bare check"),
    ("points=5", "points=1e999", "positive number"),
    ("points=5", "points=True", "positive number"),
    ('"42-double"', '"42-guess"', "used 2 times"),
    ('"42-double"', '"41-double"', "must be 42-"),
    ('"42-double"', '"42-dou.ble"', "must be 42-"),
    ("    ### END SOLUTION\n", "", "stands between"),
    ('check("42-guess", guess, points=1.5)', "guess", "followed by no test cell"),
    ("print(math.pi)", "print(math.pi", "not Python"),
    ("# # A toy", "# # A toy ### BEGIN SOLUTION", "only a cell with written"),
    ("# # A toy", "# ![x](attachment:image.png)", "pasted image"),
    ("# # A toy", "# ![x](data:image/png;base64,AAAA)", "pasted image"),
    ("title: A toy", "name: A toy", "needs a header"),
    ('tags=["raises-exception"]', "mood=1", "unknown cell metadata"),
    ("print(math.pi)", "print(twice_as_much_as_before := 1)\ntwice_as_much_as_before = x + x", "line of the solution"),
    ("# A formula", "# One point for each reason that was named.", "line of the solution"),
])
def test_what_is_refused_in_one_sentence(course, old, new, said):
    text = course / "solutions/42_toy.py"
    assert old in LAB
    text.write_text(LAB.replace(old, new, 1))
    with pytest.raises(ValueError, match=said) as refusal:
        build(root=course)
    assert str(refusal.value).count("\n") == 0
    assert not (course / SOLUTION).exists() and not (course / RELEASED).exists()


def test_unknown_names_are_refused(course):
    with pytest.raises(ValueError, match="choose one of 42_toy"):
        build(["07"], root=course)
    with pytest.raises(ValueError, match="only those go back"):
        from_notebook(course / RELEASED, root=course)
    (course / "nbgrader_config.py").unlink()
    with pytest.raises(RuntimeError, match="checkout"):
        build(root=course)


def test_a_lab_with_uncommitted_work_is_not_overwritten(course):
    build(root=course)
    commit(course)
    edit(course, RELEASED, lambda lab: graded(lab)["42-guess-answer"].update(source="guess = 17"))
    answered = (course / RELEASED).read_bytes()
    text = course / "solutions/42_toy.py"
    text.write_text(LAB.replace("# A formula", "# The formula"))
    for call in (lambda: build(root=course), lambda: from_notebook(course / SOLUTION, root=course)):
        with pytest.raises(ValueError, match="uncommitted work"):
            call()
    assert (course / RELEASED).read_bytes() == answered and "The formula" not in (course / SOLUTION).read_text()
    commit(course)
    build(root=course)
    assert "guess = 17" not in (course / RELEASED).read_text()


@pytest.mark.parametrize("change", [
    lambda lab: lab.cells.pop(),
    lambda lab: lab.cells.append(nbformat.v4.new_code_cell("mine")),
    lambda lab: lab.cells[3].update(outputs=[nbformat.v4.new_output("stream", text="ran")]),
    lambda lab: lab.cells[1].update(source="A note of my own"),
])
def test_any_work_in_a_lab_is_seen(course, change):
    build(root=course)
    assert not has_work(course / RELEASED)
    edit(course, RELEASED, change)
    assert has_work(course / RELEASED)


def test_edits_that_are_not_in_the_text_are_not_overwritten(course):
    build(root=course)
    edit(course, SOLUTION, lambda nb: nb.cells[1].update(source="# Another title"))
    text = course / "solutions/42_toy.py"
    text.write_text(LAB.replace("# A formula", "# The formula"))
    with pytest.raises(ValueError, match="--from-notebook"):
        build(root=course)
    with pytest.raises(ValueError, match="undo one of the two"):
        from_notebook(course / SOLUTION, root=course)
    text.write_text(LAB)
    from_notebook(course / SOLUTION, root=course)
    assert "# # Another title" in text.read_text()


def test_a_pasted_image_does_not_go_back(course):
    build(root=course)
    edit(course, SOLUTION, lambda nb: nb.cells[1].update(attachments={"image.png": {"image/png": "AAAA"}}))
    with pytest.raises(ValueError, match="pasted image"):
        from_notebook(course / SOLUTION, root=course)
    assert (course / "solutions/42_toy.py").read_text() == LAB


def test_a_lectures_outputs_are_kept_until_its_code_changes(course):
    build(root=course)
    assert course / TALK in build(check=True, root=course)      # not run yet

    def run(notebook):
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.execution_count, cell.outputs = 1, [nbformat.v4.new_output("stream", text="42\n")]

    edit(course, TALK, run)
    assert course / TALK not in build(check=True, root=course)
    text = course / "lectures/42_toy.py"
    text.write_text(LECTURE.replace("# # A talk", "# # Another talk"))
    build(root=course)
    talk = read(course, TALK)
    assert talk.cells[-1].outputs and "Another talk" in talk.cells[1].source
    assert talk.cells[-1].metadata.slideshow.slide_type == "fragment"
    text.write_text(LECTURE.replace("6 * 7", "7 * 6"))
    build(root=course)
    assert not read(course, TALK).cells[-1].outputs


def test_a_lecture_is_run_and_its_errors_told_in_a_sentence(course):
    build(execute=True, root=course)
    talk = read(course, TALK)
    assert talk.cells[-1].outputs[0].text == "42\n" and talk.cells[-1].execution_count
    assert "widgets" not in talk.metadata and "execution" not in talk.cells[-1].metadata
    assert course / TALK not in build(check=True, root=course)
    (course / "lectures/42_toy.py").write_text(LECTURE.replace("6 * 7", "6 / 0"))
    with pytest.raises(RuntimeError, match="42_toy.ipynb does not run: ZeroDivisionError"):
        build(execute=True, root=course)


def test_committed_notebooks_are_what_their_texts_give():
    """Labs, solutions and lectures of the repository, built afresh."""
    stale = build(check=True, root=home())
    working = [path for path in stale if "labs" in path.parts and not is_committed(path, home())]
    if working and stale == working:
        pytest.skip(f"{working[0].relative_to(ROOT)} holds uncommitted work, so it is not compared with its text.")
    assert [path.relative_to(ROOT).as_posix() for path in stale] == []


def test_every_lab_says_what_the_front_page_needs():
    for path in sorted((ROOT / "labs").glob("*/*.ipynb")):
        told = json.loads(path.read_text())["metadata"]["effml_lab"]
        assert told["title"] and {"reading", "coding"} <= set(told["minutes"])
