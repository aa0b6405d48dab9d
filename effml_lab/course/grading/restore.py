"""A submission's cells as they were released, whatever became of them; and no written answer lost unseen.

The gradebook knows all of its cells but the words of an answer: only those are taken from a submission. Missing cells
come back. A written answer whose cell is blank or gone may stand elsewhere, in a cell of the student's own, in a cell
that lost its name, in a copy: then those words, pictures too, are put into the cell, and somebody has to read them.
"""
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader import preprocessors
from nbgrader.api import Gradebook
from nbgrader.utils import compute_checksum, is_grade, is_solution
from traitlets import Unicode

from . import sanitize

ELSEWHERE = "*This cell was left blank, or was missing. The notebook's own text cells say:*"


class RestoreCells(preprocessors.NbGraderPreprocessor):
    labs = Unicode("", help="the folder of the labs as they were released").tag(config=True)

    def preprocess(self, nb, resources):
        ids = resources["nbgrader"]
        with Gradebook(ids["db_url"]) as gradebook:
            released = released_cells(gradebook.find_notebook(ids["notebook"], ids["assignment"]))
        given = Path(self.labs, ids["assignment"], f"{ids['notebook']}.ipynb")
        texts = {cell.source.strip() for cell in nbformat.read(given, 4).cells} if self.labs and given.is_file() else None
        seen, spare = set(), []
        for cell in reversed(nb.cells):                 # of copies, the last is the one that counts
            data = cell.metadata.pop("nbgrader", None)
            id = data.get("grade_id") if isinstance(data, dict) else None
            if isinstance(id, str) and id in released and id not in seen:
                seen.add(id)
                restore(cell, released[id])
            elif cell.cell_type == "markdown" and texts is not None and cell.source.strip() not in texts | {""}:
                spare.insert(0, cell)
        put_back([id for id in released if id not in seen], nb.cells, released)
        for cell in filter(blank, nb.cells if spare else ()):
            said = gathered(spare)
            cell.source, cell.attachments = said.source, said.attachments
        return nb, resources


def blank(cell: NotebookNode) -> bool:
    """Whether this is the cell of a written answer, as it was released."""
    return is_grade(cell) and is_solution(cell) and cell.metadata.nbgrader["checksum"] == compute_checksum(cell)


def gathered(cells: list[NotebookNode]) -> NotebookNode:
    """One text cell of several; pictures of the same name stay apart."""
    words, pictures = [ELSEWHERE], {}
    for number, cell in enumerate(cells):
        words.append(cell.source.replace("(attachment:", f"(attachment:{number}-"))
        pictures |= {f"{number}-{name}": data for name, data in sanitize.attachments(cell).items()}
    return new_markdown_cell("\n\n".join(words), attachments=pictures)


def released_cells(notebook) -> dict[str, NotebookNode]:
    """id -> the cell as it was released, in the order of the lab."""
    points = {cell.name: cell.max_score for cell in [*notebook.grade_cells, *notebook.task_cells]}
    kinds = {kind: {cell.name for cell in getattr(notebook, f"{kind}_cells")} for kind in ("grade", "solution", "task")}
    cells = {}
    for known in notebook.source_cells:
        make = new_code_cell if known.cell_type == "code" else new_markdown_cell
        data = {"schema_version": 3, "grade_id": known.name, "locked": known.locked, "cell_type": known.cell_type,
                "checksum": known.checksum} | {kind: known.name in names for kind, names in kinds.items()}
        data |= {"points": points[known.name]} if known.name in points else {}
        cells[known.name] = make(known.source, metadata={"nbgrader": data})
    return cells


def restore(cell: NotebookNode, released: NotebookNode) -> None:
    """Make a submitted cell the released one, in place; an answer keeps what the student wrote, and its pictures."""
    words = cell.source if released.metadata.nbgrader["solution"] else released.source
    pictures = sanitize.attachments(cell) if released.metadata.nbgrader["solution"] else {}
    cell.clear()
    cell.update(released, source=words)
    if pictures and released.cell_type == "markdown":
        cell.attachments = pictures


def put_back(missing: list[str], cells: list[NotebookNode], released: dict[str, NotebookNode]) -> None:
    """Insert missing cells in place. Not plain answers: the student may have written them in a cell of their own.

    After the cell before it, where that is left. A test whose answer is gone goes as far down as it can, to the next
    cell that is left, so that it finds an answer written in another cell.
    """
    order = list(released)
    for id in missing:
        data = released[id].metadata.nbgrader
        if data["solution"] and not data["grade"]:
            continue
        at = {cell.metadata.get("nbgrader", {}).get("grade_id"): i for i, cell in enumerate(cells)}
        here = order.index(id)
        earlier = [at[other] for other in order[:here] if other in at]
        later = [at[other] for other in order[here + 1:] if other in at]
        adjacent = here > 0 and order[here - 1] in at
        if adjacent or not data["grade"]:
            cells.insert(max(earlier, default=-1) + 1, released[id])
        else:
            cells.insert(min(later, default=len(cells)), released[id])
