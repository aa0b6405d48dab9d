"""What passes a check runs in the next cells: every right answer of the banks goes through its lab's figures.

A solution's cells are run in order, once, in this process, as a grader runs them. Then each right answer takes the place of
the solution's in the cells between its check and the next exercise that read it, or what these have bound.
"""
import matplotlib
import nbformat
import pytest
from banks import BANKS, CODED, ROOT
from IPython.core.inputtransformer2 import TransformerManager
from submissions import graded_id, is_test, names

LABS = sorted((ROOT / "solutions").glob("[0-9]*/*.ipynb"))


def code(cell):
    return compile(TransformerManager().transform_cell(cell.source), cell.id, "exec")


def walked(cells: list) -> list[dict]:
    """The names before each cell of a solution."""
    space, before = {"__name__": "__main__"}, []
    for cell in cells:
        before.append(dict(space))
        exec(code(cell), space)
    return before


def following(cells: list, check: int) -> list[int]:
    """The cells from a check to the next answer, without those that train or measure for long."""
    answers = (i for i in range(check + 1, len(cells)) if (graded_id(cells[i]) or "").endswith("-answer"))
    return [i for i in range(check + 1, next(answers, len(cells))) if "shortened(" not in cells[i].source]


def rerun(cells: list, before: list[dict], places: list[int], answer: dict) -> None:
    """Those of the cells that read the answer, or what a cell so run has bound."""
    changed = dict(answer)
    for i in places:
        bound, read = names(cells[i])
        if is_test(cells[i]) or not read & changed.keys():
            continue
        space = before[i] | changed
        exec(code(cells[i]), space)
        changed |= {name: space[name] for name in bound if name in space}


@pytest.mark.slow
@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_right_answers_run_in_the_cells_after_them(path, tmp_path, monkeypatch):
    matplotlib.use("agg")
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setenv("EFFML_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    before, failed, ran = walked(cells), [], 0
    for i, cell in enumerate(cells):
        if not is_test(cell) or graded_id(cell) not in CODED:
            continue
        given = sorted(names(cell)[1] - {"check"}, key=cell.source.index)       # what the check is handed, in its order
        for right in BANKS[graded_id(cell)][0]:
            if type(right).__name__ == "RightRecursive":            # a thousand steps deep: Python itself says why not
                continue
            parts = tuple(right) if isinstance(right, (tuple, list)) else (right,)
            try:
                rerun(cells, before, following(cells, i), dict(zip(given, parts, strict=True)))
                ran += 1
            except Exception as error:
                failed.append(f"{graded_id(cell)}, {getattr(parts[0], '__name__', parts[0])}: {type(error).__name__}: {error}")
    assert ran > 20 and not failed, "\n".join(failed)
