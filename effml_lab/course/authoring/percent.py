"""The text of a notebook and its cells: jupytext's percent format, both ways.

A text starts with a header that gives the notebook its metadata, and then holds cells:

    # ---
    # jupyter:
    #   effml_lab: {title: ..., minutes: {reading: 40, coding: 90}}
    # ---

    # %% [markdown] slideshow={"slide_type": "slide"}
    # # A title

A cell may carry `slideshow`, `tags`, and, where a written answer is graded by hand, `written="01-why" points=4`;
all else that an editor or jupytext puts into a cell's metadata is left out. Cell ids are the content's hash and a
counter of equal contents, so the same text always gives the same bytes (jupytext's own ids are random).
"""
import hashlib
import re
from collections import Counter

import jupytext
import nbformat
from nbformat import NotebookNode

FORMAT = {"extension": ".py", "format_name": "percent"}
PLAIN = {"notebook_metadata_filter": "-all", "cell_metadata_filter": "all"}
KEPT = ("slideshow", "tags", "written", "points")
NOISE = ("lines_to_next_cell",)
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
PASTED = re.compile(r"\(attachment:|data:image/")
HEADER = re.compile(r"\A# ---\n(?:#.*\n)*?# ---\n")


def parse(text: str, where: str) -> tuple[dict, list[NotebookNode]]:
    """The header's `effml_lab` entry and the cells, with no metadata but what the text says."""
    notebook = jupytext.reads(text, fmt="py:percent")
    about = notebook.metadata.get("effml_lab", {})
    if not isinstance(about, dict) or not about.get("title"):
        raise ValueError(f"{where} needs a header with `jupyter: effml_lab: {{title: ...}}`.")
    for number, cell in enumerate(notebook.cells, 1):
        said = f"{where}, cell {number} ({first_line(cell)})"
        unknown = set(cell.metadata) - {*KEPT, *NOISE}
        if cell.cell_type not in ("code", "markdown"):
            raise ValueError(f"{said}: only code and markdown cells are used here, not {cell.cell_type}.")
        if unknown:
            raise ValueError(f"{said}: unknown cell metadata {sorted(unknown)}, a cell may carry {', '.join(KEPT)}.")
        refuse_pasted(cell, said)
    return plain(about), [new_cell(cell.cell_type, cell.source, keep(cell.metadata)) for cell in notebook.cells]


def unparse(old: str, cells: list[NotebookNode], where: str) -> str:
    """The cells as a text: the inverse of `parse`. Header and empty lines are the old text's."""
    known = jupytext.reads(old, fmt="py:percent").cells
    gaps = {content_hash(cell): cell.metadata.get("lines_to_next_cell") for cell in known}
    made = nbformat.v4.new_notebook()
    for cell in cells:
        gap = gaps.get(content_hash(cell), 1)
        space = {} if gap is None else {"lines_to_next_cell": gap}
        made.cells.append(new_cell(cell.cell_type, cell.source, keep(cell.metadata) | space))
    return f"{header(old, where)}\n{jupytext.writes(made, fmt=FORMAT | PLAIN).strip()}\n"


def header(text: str, where: str) -> str:
    found = HEADER.match(text)
    if not found:
        raise ValueError(f"{where} needs a header between two lines `# ---`.")
    return found.group()


def refuse_pasted(cell: NotebookNode, where: str) -> None:
    if cell.get("attachments") or (cell.cell_type == "markdown" and PASTED.search(cell.source)):
        raise ValueError(f"{where} holds a pasted image, which text cannot carry: draw it in code or link to it.")


def new_cell(kind: str, source: str, metadata: dict | None = None) -> NotebookNode:
    make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    return make(source.strip("\n"), metadata=plain(metadata or {}))


def keep(metadata: dict) -> dict:
    return {key: metadata[key] for key in KEPT if key in metadata}


def plain(node):
    """Nested dicts and lists, without notebook nodes."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    return [plain(value) for value in node] if isinstance(node, (list, tuple)) else node


def notebook(about: dict, cells: list[NotebookNode]) -> NotebookNode:
    """A notebook with stable ids; `built` is the hash of all of them and tells whether a text has changed since."""
    seen = Counter()
    for cell in cells:
        digest = content_hash(cell)
        seen[digest] += 1
        cell.id = f"{digest}-{seen[digest]}"
    made = nbformat.v4.new_notebook(cells=cells, metadata=KERNEL | {"effml_lab": about | {"built": built(cells)}})
    made.nbformat_minor = 5
    nbformat.validate(made)
    return made


def content_hash(cell: NotebookNode) -> str:
    return hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]


def built(cells: list[NotebookNode]) -> str:
    return hashlib.sha256(" ".join(cell.get("id", "") for cell in cells).encode()).hexdigest()[:12]


def unedited(cell: NotebookNode, run_too: bool = False) -> bool:
    """Whether a cell is as it was built; a released answer has the solution's id, so nbgrader's checksum tells."""
    if run_too and cell.get("outputs"):
        return False
    if checksum := cell.metadata.get("nbgrader", {}).get("checksum"):
        from nbgrader.utils import compute_checksum
        return compute_checksum(cell) == checksum
    return cell.get("id", "").split("-")[0] == content_hash(cell)


def first_line(cell: NotebookNode) -> str:
    line = (cell.source.strip().splitlines() or ["empty"])[0]
    return line if len(line) <= 40 else line[:37] + "..."


def to_bytes(made: NotebookNode) -> bytes:
    return (nbformat.writes(made).rstrip("\n") + "\n").encode()
