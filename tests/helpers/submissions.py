"""Submissions of a lab, made from its release and its solution: whatever its exercises are.

A submission is a *slice*: the graded cells and, of the rest, the cells whose names its answers need. Figures and
training, which cost time and no points, are left out, as a student may leave them out.
"""
import ast
import copy
import symtable

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

NOISE = """\
import os as _os, sys as _sys, warnings as _warnings, tqdm as _tqdm
print("noise on stdout"); print("noise on stderr", file=_sys.stderr)
_warnings.warn("a warning"); _os.write(2, b"noise as from C++\\n")
list(_tqdm.tqdm(range(3)))
"""


def graded_id(cell: NotebookNode) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def is_test(cell: NotebookNode) -> bool:
    data = cell.metadata.get("nbgrader", {})
    return bool(data.get("grade") and not data.get("solution"))


def is_written(cell: NotebookNode) -> bool:
    data = cell.metadata.get("nbgrader", {})
    return bool(data.get("grade") and data.get("solution"))


def points(lab: NotebookNode) -> dict[str, float]:
    """Exercise -> points, of what is graded by a test cell."""
    return {graded_id(cell): cell.metadata.nbgrader.points for cell in lab.cells if is_test(cell)}


def functions(lab: NotebookNode) -> list[str]:
    """The exercises whose answer is a function."""
    holds = lambda id: any(isinstance(node, ast.FunctionDef) for node in ast.parse(answer(lab, id).source).body)
    return list(filter(holds, points(lab)))


def uses(solution: NotebookNode, id: str) -> set[str]:
    """The other exercises whose answers this one needs, itself or through the cells between."""
    owners = {cell.id: other for other in points(solution) for cell in answers(solution, other)}
    needed, found = set(), set()
    for cell in reversed(solution.cells):
        bound, read = names(cell)
        owner = owners.get(cell.id)
        if owner == id:
            needed = needed - bound | read
        elif bound & needed:
            found |= {owner} - {None}
            needed = needed - bound | (set() if owner else read)
    return found


def closed(solution: NotebookNode, wanted: list[str]) -> list[str]:
    """Of the wanted exercises, those that need none but each other."""
    kept = []
    for id in points(solution):
        if id in wanted and uses(solution, id) <= set(kept):
            kept.append(id)
    return kept


def unused(solution: NotebookNode, ids: list[str]) -> list[str]:
    """Of these exercises, those that stand alone: they need no other, and no other needs them."""
    needed = set().union(*(uses(solution, id) for id in points(solution)))
    return [id for id in ids if not uses(solution, id) and id not in needed]


def answer(lab: NotebookNode, id: str) -> NotebookNode:
    return next(cell for cell in lab.cells if graded_id(cell) == f"{id}-answer")


def test(lab: NotebookNode, id: str) -> NotebookNode:
    return next(cell for cell in lab.cells if graded_id(cell) == id)


def names(cell: NotebookNode) -> tuple[set[str], set[str]]:
    """The names that a cell gives to the cells after it, and those that it, or a function in it, takes from others."""
    if cell.cell_type != "code":
        return set(), set()
    top = symtable.symtable(TransformerManager().transform_cell(cell.source), "cell", "exec")
    bound = {name.get_name() for name in top.get_symbols() if name.is_assigned() or name.is_imported()}
    return bound, {name.get_name() for scope in scopes(top) for name in scope.get_symbols()
                   if name.is_referenced() and (scope is top or name.is_global())}


def scopes(table: symtable.SymbolTable) -> list[symtable.SymbolTable]:
    return [table, *(inner for child in table.get_children() for inner in scopes(child))]


def filled(lab: NotebookNode, solution: NotebookNode, only: list[str] | None = None) -> NotebookNode:
    """A lab's slice with the solution's answers to the exercises of `only`, or to all, the written ones too."""
    made = NotebookNode(copy.deepcopy(lab))
    if only is None:
        for cell in filter(is_written, made.cells):
            cell.source = next(given.source for given in solution.cells if graded_id(given) == graded_id(cell))
    for id in points(lab) if only is None else only:
        for given, wanted in zip(answers(solution, id), answers(made, id), strict=True):
            wanted.source = given.source
    return sliced(made)


def sliced(lab: NotebookNode) -> NotebookNode:
    """The graded cells and, from the end back, whatever binds a name that a cell kept so far reads."""
    needed, kept = set(), []
    for cell in reversed(lab.cells):
        bound, read = names(cell)
        if graded_id(cell) or bound & needed:
            kept.insert(0, cell)
            needed = needed - bound | read
    lab.cells = kept
    return lab


def answers(lab: NotebookNode, id: str) -> list[NotebookNode]:
    return [cell for cell in lab.cells if (graded_id(cell) or "").startswith(f"{id}-answer")]


def noisy(lab: NotebookNode) -> NotebookNode:
    """Every function of every answer prints, warns and draws a progress bar, also as C++ does."""
    for id in points(lab):
        for cell in answers(lab, id):
            parsed = ast.parse(cell.source)
            for node in ast.walk(parsed):
                if isinstance(node, ast.FunctionDef):
                    node.body[1 if ast.get_docstring(node) else 0:0] = ast.parse(NOISE).body
            cell.source = ast.unparse(parsed) + "\n" + NOISE
    return lab


def begins_with(cell: NotebookNode, code: str) -> None:
    """Put code at the start of every function of an answer."""
    parsed = ast.parse(cell.source)
    for node in ast.walk(parsed):
        if isinstance(node, ast.FunctionDef):
            node.body[1 if ast.get_docstring(node) else 0:0] = ast.parse(code).body
    cell.source = ast.unparse(parsed)


def without(lab: NotebookNode, *gone: str) -> NotebookNode:
    lab.cells = [cell for cell in lab.cells if graded_id(cell) not in gone]
    return lab


def from_colab(lab: NotebookNode) -> NotebookNode:
    """As Colab saves a notebook: no cell ids, no flags of nbgrader's locks, keys of its own."""
    lab.nbformat_minor, lab.metadata["colab"] = 0, {"provenance": []}
    for number, cell in enumerate(lab.cells):
        cell.pop("id")
        cell.metadata.pop("deletable", None), cell.metadata.pop("editable", None)
        cell.metadata |= {"id": f"x{number}", "outputId": "a-b", "colab": {"base_uri": "https://localhost:8080/"}}
    return lab


def elsewhere(lab: NotebookNode) -> NotebookNode:
    """The written answer stands in a text cell of the student's own, with a picture that was pasted in."""
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
    dot = {"dot.png": {"image/png": png}}
    own = nbformat.v4.new_markdown_cell("written in a cell of my own ![dot](attachment:dot.png)", attachments=dot)
    lab.cells.insert(1, own)
    return lab


def as_markdown(cell: NotebookNode) -> None:
    cell.cell_type = "markdown"
    cell.pop("outputs"), cell.pop("execution_count")


EDITS = (
    lambda cell: cell.update(source=cell.source.replace("points=", "points=100 + ")),
    lambda cell: cell.update(source=cell.source + ";"),
    lambda cell: cell.update(source="100"),
    lambda cell: cell.update(source=f"mark = {cell.source}"),
    lambda cell: cell.metadata.nbgrader.update(points=1000.0),
    lambda cell: cell.metadata.nbgrader.update(grade=False, locked=False),
    lambda cell: cell.metadata.update(tags=["skip-execution"]),
    as_markdown,
)


def edited(lab: NotebookNode) -> NotebookNode:
    """Each test cell edited in another way, one of them copied, the start-up spoilt."""
    tests = [cell for cell in lab.cells if is_test(cell)]
    for number, cell in enumerate(tests):
        EDITS[number % len(EDITS)](cell)
    lab.cells.append(copy.deepcopy(tests[0]))
    lab.cells[0].metadata["nbgrader"]["grade_id"] = "start-up"
    return lab


FORGERIES = ('float("nan")', "None", '"full marks"', "1e9", "-1.0", "True", "[5]", "5 / 5j")


def forged(lab: NotebookNode) -> NotebookNode:
    """A check of the student's own that displays no honest number."""
    for number, id in enumerate(points(lab)):
        answer(lab, id).source += f"\ncheck = lambda *args, **words: {FORGERIES[number % len(FORGERIES)]}"
    return lab


SCRIPT = "<script>alert(1)</script>"
LIVE = f"""\
from IPython.display import HTML, SVG, Javascript, Markdown, display
display(HTML('{SCRIPT}<img src=x onerror="alert(1)"><a href="javascript:alert(1)">a</a><iframe src="/"></iframe>'))
display(SVG('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"></svg>'), Javascript("alert(1)"))
display(Markdown('{SCRIPT}'), {{"image/png": '"><script>alert(1)</script>'}}, raw=False)
display({{"image/png": '"><script>alert(1)</script>', "text/plain": "x"}}, raw=True)
with figure("a dot in the middle") as ax:
    ax.plot([0], [0], "o")
print('{SCRIPT}')
raise ValueError('{SCRIPT}')
"""


def scripted(lab: NotebookNode) -> NotebookNode:
    """Live HTML wherever a student can put it."""
    for cell in lab.cells:
        if is_written(cell):
            cell.source = f"My answer $a<b$ {SCRIPT} <b onclick='alert(1)'>bold</b> [a](javascript:alert(1))"
    raw = nbformat.v4.new_raw_cell(SCRIPT, metadata={"raw_mimetype": "text/html"})
    prose = nbformat.v4.new_markdown_cell(f"{SCRIPT}\n\n<svg onload='alert(1)'></svg>\n\n| a |\n|---|\n| 1 |")
    lab.cells += [nbformat.v4.new_code_cell(LIVE, metadata={"tags": [f'"{SCRIPT}']}), raw, prose]
    lab.metadata["title"] = SCRIPT
    return lab
