"""Plug-ins for nbgrader, listed in nbgrader_config.py: what stock nbgrader 0.9.6 lacks for this course.

  ClearSolutions   two stubs: in a function it raises, at column 0 it is a comment, so that a blank lab runs through
  RestoreCells     every cell that nbgrader knows as it was released, whatever became of it; missing ones come back
  Execute          an answer that cannot be stopped, or kills its kernel, costs its own submission; outputs have a limit
  HonestPoints     a test cell counts only if it displays a number from 0 to its points; text on stderr costs nothing
  Harmless         no live script from an answer or an output, in feedback and in formgrader; tables and alt text stay
  HideTests        feedback shows what a test said, not its source
  Spaced           room between the columns of tables, which nbgrader's page leaves out

Stock nbgrader gives full marks to a test cell without a readable number, zero to one with a warning, and shows
students' HTML as it is. What runs in the student's process can still forge what it displays: for classes that are
trusted.
"""
import os
import re
import secrets
from pathlib import Path

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader import preprocessors, utils
from nbgrader.api import Gradebook
from traitlets import Integer

from . import sanitize

TABLES = ".rendered_html td, .rendered_html th { padding: 0.15em 1em 0.15em 0; vertical-align: top }"
STUB, COMMENT = "# YOUR CODE HERE\nraise NotImplementedError()", "# YOUR ANSWER HERE"


def seed(folder: Path) -> str:
    """The seed of the inputs that answers are graded on: drawn once, kept in the folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    path, draft = folder / "seed", folder / f"seed.{os.getpid()}"
    if not path.exists():
        draft.write_text(f"{secrets.randbits(31)}\n")
        try:
            os.link(draft, path)        # whole or not at all: two graders that start together agree
        except FileExistsError:
            pass
        draft.unlink()
    return path.read_text().strip()


class ClearSolutions(preprocessors.ClearSolutions):
    def _replace_solution_region(self, cell, language):
        replaced = super()._replace_solution_region(cell, language)
        if cell.cell_type == "code":
            cell.source = re.sub(f"^{re.escape(self.code_stub[language])}$", COMMENT, cell.source, flags=re.MULTILINE)
        return replaced


class RestoreCells(preprocessors.NbGraderPreprocessor):
    """The gradebook knows all of its cells but the words of an answer: only those are taken from a submission."""

    def preprocess(self, nb, resources):
        ids = resources["nbgrader"]
        with Gradebook(ids["db_url"]) as gradebook:
            released = released_cells(gradebook.find_notebook(ids["notebook"], ids["assignment"]))
        seen = set()
        for cell in reversed(nb.cells):                 # of copies, the last is the one that counts
            data = cell.metadata.pop("nbgrader", None)
            id = data.get("grade_id") if isinstance(data, dict) else None
            if isinstance(id, str) and id in released and id not in seen:
                seen.add(id)
                restore(cell, released[id])
        put_back([id for id in released if id not in seen], nb.cells, released)
        return nb, resources


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
    """Make a submitted cell the released one, in place; an answer keeps what the student wrote."""
    words = cell.source if released.metadata.nbgrader["solution"] else released.source
    cell.clear()
    cell.update(released, source=words)


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


class Execute(preprocessors.Execute):
    """One submission's trouble stays its own, and no cell's output grows without bound."""
    max_bytes = Integer(2_000_000, help="bytes of output that a cell may make; the rest is left out").tag(config=True)

    def preprocess(self, nb, resources=None, km=None):
        self.lost, self.made = "", {}
        try:
            return super().preprocess(nb, resources, km)
        except (DeadKernelError, RuntimeError) as error:        # the kernel does not even start, or not stop
            if not self.lost:
                raise
            self.log.warning("The kernel was lost: %s", error)
            return nb, resources

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type == "code" and self.lost:
            cell.outputs = [failure(self.lost)]
            return cell, resources
        try:
            return super().preprocess_cell(cell, resources, index)
        except (DeadKernelError, CellTimeoutError):
            cell.outputs.append(failure("this cell ended the kernel or could not be stopped"))
            self.lost = "not run: the kernel was lost in an earlier cell"
            return cell, resources

    def output(self, outs, msg, display_id, cell_index):
        size, before = len(repr(msg["content"])), self.made.get(cell_index, 0)
        self.made[cell_index] = before + size
        counts = msg["msg_type"] in ("execute_result", "error")
        if before + size <= self.max_bytes or (counts and size <= self.max_bytes):
            return super().output(outs, msg, display_id, cell_index)
        if before <= self.max_bytes:
            outs.append(new_output("stream", name="stdout", text="... the rest of the output was left out ..."))
        return None


def failure(why: str) -> NotebookNode:
    return new_output("error", ename="NotGraded", evalue=why, traceback=[f"NotGraded: {why}"])


class HonestPoints(preprocessors.NbGraderPreprocessor):
    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type == "code" and utils.is_grade(cell) and not utils.is_solution(cell):
            cell.outputs = honest(cell.outputs, float(cell.metadata.nbgrader["points"]))
        return cell, resources


def honest(outputs: list[NotebookNode], points: float) -> list[NotebookNode]:
    """A test cell's outputs, such that nbgrader reads its number, or else an error, which is zero."""
    results = [output.data.get("text/plain", "") for output in outputs if output.output_type == "execute_result"]
    rest = [output for output in outputs if output.output_type != "execute_result"]
    for output in rest:
        if output.output_type == "stream":
            output.name = "stdout"
    if any(output.output_type == "error" for output in outputs):
        return rest
    if len(results) == 1 and re.fullmatch(r"\d{1,6}(\.\d{1,6})?", str(results[0])) and float(results[0]) <= points:
        return outputs
    return [failure(f"the check did not display a number from 0 to {points:g}"), *rest]


class Harmless(preprocessors.NbGraderPreprocessor):
    """Rebuild each cell from the parts that are known to be safe on a page."""

    def preprocess(self, nb, resources):
        nb.metadata = NotebookNode({key: nb.metadata[key] for key in ("kernelspec",) if key in nb.metadata}
                                   | {"language_info": {"name": "python"}})
        nb.cells = [sanitize.cell(cell, number) for number, cell in enumerate(nb.cells) if cell.cell_type != "raw"]
        return nb, resources


class HideTests(preprocessors.NbGraderPreprocessor):
    def preprocess_cell(self, cell, resources, index):
        if utils.is_grade(cell) and not utils.is_solution(cell) and cell.cell_type == "code":
            cell.source = ""
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
        return cell, resources


class Spaced(preprocessors.NbGraderPreprocessor):
    """The template has filled in its styles by now."""

    def preprocess(self, nb, resources):
        resources["inlining"]["css"].append(TABLES)
        return nb, resources
