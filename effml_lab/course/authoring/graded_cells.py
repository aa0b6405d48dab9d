"""What a lab's cells must look like, and the nbgrader metadata that follows from them.

A *test cell* is one bare `check("NN-slug", answer, points=N)`: its id and its points are read from that line alone,
because nbgrader gives full marks to whatever does not display a number (an assignment, a semicolon, a print). The
code cell with ### BEGIN SOLUTION ... ### END SOLUTION before it is its *answer*. A markdown cell with
`written="NN-slug" points=N` is a written answer, graded by hand. Whatever does not fit is refused in one sentence.
"""
import ast
import io
import math
import re
import tokenize
from collections import Counter

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from .percent import first_line

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
MARKERS = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)")
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
BARE = 'a test cell is one bare check("id", answer, points=N) and nothing else'


def label(cells: list[NotebookNode], lab: str) -> None:
    """Give each cell of a lab's text its nbgrader metadata, in place."""
    number, waiting, used = lab[:2], [], Counter()
    for position, cell in enumerate(cells, 1):
        where = f"{lab}, cell {position} ({first_line(cell)})"
        if cell.cell_type == "markdown":
            id = _written(cell, where)
        elif id := _test(cell, where):
            for place, answer in enumerate(waiting, 1):
                grade(answer, id + "-answer" + (f"-{place}" if place > 1 else ""), solution=True)
            waiting = []
        elif _regions(cell, where):
            waiting.append(cell)
        if id:
            _check_id(id, number, where)
            used[id] += 1
    twice = [id for id, times in used.items() if times > 1]
    if twice:
        raise ValueError(f"{lab}: the id {twice[0]!r} is used {used[twice[0]]} times, an exercise is checked once.")
    if waiting:
        raise ValueError(f"{lab}: the answer {first_line(waiting[0])!r} is followed by no test cell.")


def grade(cell: NotebookNode, id: str, points: float | None = None, **flags: bool) -> None:
    """nbgrader's metadata, complete."""
    plain = {"schema_version": 3, "grade_id": id, "grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata["nbgrader"] = plain | flags | ({} if points is None else {"points": points})


def _check_id(id: str, number: str, where: str) -> None:
    if not SLUG.fullmatch(id) or not id.startswith(f"{number}-") or id.endswith("-answer"):
        raise ValueError(f"{where}: the id {id!r} must be {number}- and a slug of small letters, digits and dashes.")


def _points(points, where: str) -> float:
    if isinstance(points, bool) or not isinstance(points, (int, float)) or not math.isfinite(points) or points <= 0:
        raise ValueError(f"{where}: points must be a positive number, written out.")
    return points


def _written(cell: NotebookNode, where: str) -> str | None:
    """The id of a written answer, or None for prose."""
    id, points = cell.metadata.pop("written", None), cell.metadata.pop("points", None)
    if id is None:
        if MARKERS.search(cell.source) or points is not None:
            raise ValueError(f'{where}: only a cell with written="id" points=N holds a solution or a mark scheme.')
        return None
    grade(cell, id, _points(points, where), grade=True, solution=True)
    return id


def _test(cell: NotebookNode, where: str) -> str | None:
    """The id of a test cell, or None if the cell does not mention `check`."""
    if "written" in cell.metadata or "points" in cell.metadata:
        raise ValueError(f"{where}: a written answer is a markdown cell, and a test cell's points are in its check.")
    try:
        tree = ast.parse(TransformerManager().transform_cell(cell.source))
    except SyntaxError as error:
        raise ValueError(f"{where}: this is not Python ({error.msg}, line {error.lineno}).") from None
    names = any(isinstance(node, ast.Name) and node.id == "check" for node in ast.walk(tree))
    if not names and not ("run_cell_magic" in ast.dump(tree) and re.search(r"\bcheck\(", cell.source)):
        return None
    call = tree.body[0].value if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr) else None
    if not _is_bare(call) or _has_extras(cell.source):
        raise ValueError(f"{where}: {BARE}.")
    grade(cell, call.args[0].value, _points(call.keywords[0].value.value, where), grade=True, locked=True)
    return call.args[0].value


def _is_bare(call: ast.AST | None) -> bool:
    return (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "check"
            and len(call.args) == 2 and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
            and [word.arg for word in call.keywords] == ["points"] and isinstance(call.keywords[0].value, ast.Constant)
            and not any(isinstance(node, ast.Name) and node.id == "check" for node in ast.walk(call.args[1])))


def _has_extras(source: str) -> bool:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return any(token.type == tokenize.COMMENT or token.string == ";" for token in tokens)


def _regions(cell: NotebookNode, where: str) -> bool:
    """Whether a code cell is an answer; its markers must alternate, each on a line of its own."""
    found = [line.strip() for line in cell.source.splitlines() if MARKERS.search(line)]
    if found != [BEGIN, END] * (len(found) // 2):
        raise ValueError(f"{where}: an answer stands between the lines {BEGIN} and {END}.")
    return bool(found)


def answers(cell: NotebookNode) -> list[str]:
    """The lines of a cell that only an instructor may see."""
    if not cell.metadata.get("nbgrader", {}).get("solution"):
        return []
    inside, lines = BEGIN not in cell.source, []
    for line in cell.source.splitlines():
        if MARKERS.search(line):
            inside = "BEGIN" in line
        elif inside:
            lines.append(line.strip())
    return lines
