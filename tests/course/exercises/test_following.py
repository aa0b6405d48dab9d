"""What passes a check runs in the next cells: every right answer of the banks goes through its lab's figures.

A solution's cells are run in order, once, in this process. Then each right answer takes the place of the solution's, and the
cells that read it are run again, with those that read what these have bound, and so on to the end of the lab.
"""
import os
import time
import warnings

import matplotlib
import nbformat
import pytest
from banks import BANKS, CODED, ROOT
from IPython.core.inputtransformer2 import TransformerManager
from submissions import graded_id, is_test, names

LONG = 20.0             # seconds: a cell that trains is run with the solution's answer alone
LABS = sorted((ROOT / "solutions").glob("[0-9]*/*.ipynb"))


def code(cell) -> str:
    return TransformerManager().transform_cell(cell.source)


def walked(cells: list) -> tuple[list[dict], list[float]]:
    """The names before each cell of a solution, and the seconds that each took."""
    space, before, seconds = {"__name__": "__main__"}, [], []
    for cell in cells:
        before.append(dict(space))
        begun = time.perf_counter()
        exec(compile(code(cell), cell.id, "exec"), space)
        seconds.append(time.perf_counter() - begun)
    return before, seconds


def rerun(cells: list, before: list[dict], start: int, answer: dict, skipped: set[int]) -> None:
    """The cells after `start` that read the answer, or what a cell so run has bound."""
    changed = dict(answer)
    for i in range(start, len(cells)):
        bound, read = names(cells[i])
        if i in skipped or is_test(cells[i]) or not read & changed.keys():
            continue
        space = before[i] | changed
        exec(compile(code(cells[i]), cells[i].id, "exec"), space)
        changed |= {name: space[name] for name in bound if name in space}


@pytest.mark.slow
@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_right_answers_run_in_the_cells_after_them(path, tmp_path, monkeypatch):
    matplotlib.use("agg")
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setenv("EFFML_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    before, seconds = walked(cells)
    long, failed = {i for i, took in enumerate(seconds) if took > LONG}, []
    for i, cell in enumerate(cells):
        if not is_test(cell) or graded_id(cell) not in CODED:
            continue
        taken = sorted(names(cell)[1] - {"check"})                      # the names that the check is given, in its order
        order = sorted(taken, key=cell.source.index)
        for right in BANKS[graded_id(cell)][0]:
            given = right if isinstance(right, tuple) else (right,)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", RuntimeWarning)
                    rerun(cells, before, i + 1, dict(zip(order, given, strict=True)), long)
            except Exception as error:
                failed.append(f"{graded_id(cell)}, {getattr(given[0], '__name__', given[0])}: {type(error).__name__}: {error}")
    print({cells[i].source[:40]: round(seconds[i], 1) for i in sorted(range(len(cells)), key=lambda i: -seconds[i])[:8]})
    assert not failed, "\n".join(failed)
