"""Notebooks from texts: python -m effml_lab build.

  solutions/NN_name.py -> solutions/NN_name/NN_name.ipynb   nbgrader's source, no outputs
                       -> labs/NN_name/NN_name.ipynb        nbgrader's release of it
  lectures/NN_name.py  -> lectures/NN_name.ipynb            outputs kept while the code before them is unchanged

The text is what is written, reviewed and compared; the notebooks are made from it, byte for byte the same as long
as it is the same. `from_notebook` takes an edit made in JupyterLab back into the text. Nothing is overwritten that
holds somebody's work: a lab with answers in it, or a notebook with edits that are not in its text.
"""
import subprocess
from functools import partial
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from ... import folders
from . import first_cells, graded_cells, lecture, percent
from .release import refuse_leaks, release, shown


def build(names: list[str] | None = None, execute: bool = False, check: bool = False,
          root: Path | None = None, graded: bool = False) -> list[Path]:
    """Build the notebooks whose number or name is given, or all; return the files that changed.

    execute: run the lectures and keep what they show. check: write nothing, return the files that would change.
    graded: the labs alone, without links to the solutions, for a class that is graded.
    Raises ValueError or RuntimeError with one sentence, and then has written nothing.
    """
    root, files = home(root), {}
    for name in chosen(names, root):
        if (root / f"solutions/{name}.py").is_file():
            files |= build_lab(name, root, graded)
        if (root / f"lectures/{name}.py").is_file() and not (graded and (root / f"lectures/{name}.ipynb").is_file()):
            files |= build_lecture(name, root, execute and not check)
    changed = [path for path, data in files.items() if not path.is_file() or path.read_bytes() != data]
    if check:
        return changed + [path for path in files if path not in changed and lecture.unexecuted(path)]
    for path in changed:
        refuse_work(path, root)
    write(files, changed)
    return changed


def write(files: dict[Path, bytes], changed: list[Path]) -> None:
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[path])


def home(root: Path | None = None) -> Path:
    return Path(root or folders.repository("texts of the notebooks")).resolve()


def chosen(names: list[str] | None, root: Path) -> list[str]:
    """The names asked for, as "01" or "01_ddpm"; all of them for None or an empty list."""
    texts = [*root.glob("solutions/[0-9][0-9]_*.py"), *root.glob("lectures/[0-9][0-9]_*.py")]
    known = sorted({path.stem for path in texts})
    picked = []
    for name in names or known:
        found = [one for one in known if name in (one, one[:2])]
        if not found:
            raise ValueError(f"There is no text {name!r} in solutions/ or lectures/: choose one of {', '.join(known)}.")
        picked += found
    return picked


def build_lab(name: str, root: Path, graded: bool = False) -> dict[Path, bytes]:
    """The solution's notebook and the files of the lab made from it."""
    text = root / f"solutions/{name}.py"
    made = lab_notebook(text.read_text(encoding="utf-8"), name, root, graded)
    data = percent.to_bytes(made)
    released = release(name, data, root)
    others = [path for path in (root / "labs").rglob("*") if path.is_file() and path not in released]
    others = [path for path in others if ".ipynb_checkpoints" not in path.parts and not has_work(path)]
    visible = {path: path.read_bytes() for path in others} | released
    refuse_leaks(made.cells, name, {path.relative_to(root): shown(path, data) for path, data in visible.items()})
    return {root / f"solutions/{name}/{name}.ipynb": data} | released


def lab_notebook(text: str, name: str, root: Path, graded: bool = False) -> NotebookNode:
    about, cells = percent.parse(text, f"solutions/{name}.py")
    graded_cells.label(cells, name)
    return percent.notebook(about, first_cells.open_with(cells, "lab", name, about, root, graded))


def lecture_notebook(text: str, name: str, root: Path) -> NotebookNode:
    about, cells = percent.parse(text, f"lectures/{name}.py")
    return percent.notebook(about, first_cells.open_with(cells, "lecture", name, about, root))


def build_lecture(name: str, root: Path, execute: bool) -> dict[Path, bytes]:
    path = root / f"lectures/{name}.ipynb"
    made = lecture_notebook(path.with_suffix(".py").read_text(encoding="utf-8"), name, root)
    if execute:
        lecture.execute(made, path)
    elif path.is_file():
        lecture.carry_outputs(nbformat.read(path, as_version=4), made)
    return {path: percent.to_bytes(made)}


def from_notebook(path: Path | str, root: Path | None = None) -> Path:
    """Take an instructor's edit of a solution's or a lecture's notebook back into its text; return the text's path.

    The notebooks are then built again from it, as they were: for a class that is graded, or not. Raises ValueError with one
    sentence and leaves everything as it was if the text changed meanwhile, if the lab made from it holds work, or if a cell
    breaks a rule.
    """
    root, path = home(root), Path(path).resolve()
    text = text_of(path, root)
    name, kind = text.stem, text.parent.name
    refuse_work(root / f"labs/{name}/{name}.ipynb", root)
    graded = built_graded(name, root)
    make = lecture_notebook if kind == "lectures" else partial(lab_notebook, graded=graded)
    old, edited = text.read_text(encoding="utf-8"), nbformat.read(path, as_version=4)
    if make(old, name, root).metadata["effml_lab"]["built"] != edited.metadata.get("effml_lab", {}).get("built"):
        raise ValueError(f"{kind}/{name}.py changed after this notebook was built from it: undo one of the two edits.")
    new = percent.unparse(old, taken_back(edited.cells, f"{kind}/{name}"), f"{kind}/{name}.py")
    made = make(new, name, root)
    if kind == "solutions":
        release(name, percent.to_bytes(made), root)
    text.write_text(new, encoding="utf-8", newline="\n")
    path.write_bytes(percent.to_bytes(made) if kind == "solutions" else build_lecture(name, root, False)[path])
    build([name], root=root, graded=graded)
    return text


def built_graded(name: str, root: Path) -> bool:
    """Whether a lab was built last for a class that is graded."""
    text, path = root / f"solutions/{name}.py", root / f"solutions/{name}/{name}.ipynb"
    if not text.is_file() or not path.is_file():
        return False
    made = lab_notebook(text.read_text(encoding="utf-8"), name, root, graded=True)
    return made.metadata["effml_lab"]["built"] == nbformat.read(path, as_version=4).metadata.get("effml_lab", {}).get("built")


def text_of(path: Path, root: Path) -> Path:
    """The text of a notebook of lectures/ or solutions/."""
    name = path.stem
    texts = {root / f"lectures/{name}.ipynb": root / f"lectures/{name}.py",
             root / f"solutions/{name}/{name}.ipynb": root / f"solutions/{name}.py"}
    if path not in texts or not texts[path].is_file():
        raise ValueError(f"{path} is no notebook of lectures/ or solutions/ with a text: only those go back.")
    if not path.is_file():
        raise ValueError(f"There is no notebook {path}.")
    return texts[path]


def taken_back(cells: list[NotebookNode], where: str) -> list[NotebookNode]:
    """A notebook's cells as the text holds them: no opening, no empty cells, written answers named again."""
    back = []
    for number, cell in enumerate(first_cells.without(cells), 1):
        percent.refuse_pasted(cell, f"{where}, cell {number} ({percent.first_line(cell)})")
        graded = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "markdown" and graded.get("grade"):
            cell.metadata |= {"written": graded["grade_id"], "points": graded["points"]}
        if cell.source.strip():
            back.append(cell)
    return back


def refuse_work(path: Path, root: Path) -> None:
    """Refuse to overwrite work that git does not hold."""
    if not has_work(path) or is_committed(path, root):
        return
    shown_path = path.relative_to(root)
    if path.parts[len(root.parts)] == "labs":
        raise ValueError(f"{shown_path} holds uncommitted work: commit it or move it away, then build again.")
    raise ValueError(f"{shown_path} has edits that are not in its text: undo them, "
                     f"or take them over with --from-notebook {shown_path}.")


def has_work(path: Path) -> bool:
    """Whether a notebook is not as it was built: cells edited, added, moved, deleted, or, in a lab, run."""
    if not path.is_file() or path.suffix != ".ipynb":
        return False
    made = nbformat.read(path, as_version=4)
    is_lab = path.parent.parent.name == "labs"
    return percent.built(made.cells) != made.metadata.get("effml_lab", {}).get("built") or any(
        not percent.unedited(cell, run_too=is_lab) for cell in made.cells)


def is_committed(path: Path, root: Path) -> bool:
    try:
        status = subprocess.run(["git", "-C", str(root), "status", "--porcelain", "--ignored", "--", str(path)],
                                capture_output=True, text=True, check=False)
    except OSError:
        return False
    return status.returncode == 0 and not status.stdout.strip()
