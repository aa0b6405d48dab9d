"""What was handed in: found where it lies, read as what it is, and put where nbgrader looks, if its meaning is clear.

nbgrader grades grading/submitted/STUDENT/NN_name/NN_name.ipynb and passes over the rest in silence. Here every student
has a `Handin`: a notebook that can be graded, or one sentence that says why there is none. `repair` mends a wrong
name, a wrong folder, a byte order mark, UTF-16, an old format; the file as it came stays beside it.
"""
import codecs
import json
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import nbformat

SKIPPED = "__MACOSX"
ENCODINGS = ((codecs.BOM_UTF8, "utf-8-sig", "a byte order mark"), (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
             (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"))
LATEST = 4      # nbformat's major version


class Handin(NamedTuple):
    """One student's hand-in of a lab. path: the file that is meant, None without one. trouble: empty if it can be graded."""
    student: str
    path: Path | None
    trouble: str = ""
    mend: tuple[str, ...] = ()      # what `repair` would do


def handins(submitted: Path, lab: str) -> list[Handin]:
    """One for each folder of a student that holds anything of this lab."""
    folders = [folder for folder in sorted(submitted.glob("*")) if folder.is_dir() and folder.name != SKIPPED]
    return [found for folder in folders if (found := careful(folder, lab))]


def careful(folder: Path, lab: str) -> Handin | None:
    """A student's hand-in, or why it cannot even be looked at."""
    try:
        return handin(folder, lab)
    except OSError as error:
        return Handin(folder.name, None, f"it cannot be read ({error.strerror})")


def handin(folder: Path, lab: str) -> Handin | None:
    student, place = folder.name, folder / lab / f"{lab}.ipynb"
    candidates = [place] if place.is_file() and not place.is_symlink() else meant(folder, lab)
    if not candidates:
        numbered = lambda path: re.search(r"(?<!\d)\d\d(?!\d)", path.name)
        loose = ", ".join(path.name for path in notebooks(folder) if path.parent == folder and not numbered(path))
        why = f"there is no notebook in {lab}" if (folder / lab).is_dir() else f"{loose} may be of this lab: put it into {lab}"
        return Handin(student, None, why) if (folder / lab).is_dir() or loose else None
    if re.search(r"[][*?]", student):
        return Handin(student, candidates[0], "nbgrader passes over a folder with [, ], * or ? in its name: rename it")
    later = lambda path: path.stat().st_mtime > place.stat().st_mtime
    newer = list(filter(later, notebooks(folder / lab))) if candidates == [place] else []
    if len(candidates) > 1 or newer:
        candidates = [*candidates, *newer]
        names = ", ".join(sorted(path.name for path in candidates))
        return Handin(student, None, f"which of {names} is meant? Name one {place.name}")
    text, how = decoded(candidates[0])
    trouble = unreadable(text)
    moved = () if candidates[0] == place else (f"{candidates[0].relative_to(folder)} is taken for {lab}/{place.name}",)
    old = () if trouble or json.loads(text)["nbformat"] == LATEST else ("an old format is made a new one",)
    mend = (*moved, *(f"{how} is taken off" for how in [how] if how), *old)
    return Handin(student, candidates[0], trouble or "; ".join(mend), () if trouble else mend)


def meant(folder: Path, lab: str) -> list[Path]:
    """Notebooks that may be this lab under another name or in another folder: those that name it, or lie in its folder."""
    number = lab.partition("_")[0]
    alike = lambda name: re.search(rf"(?<!\d){number}(?!\d)", name) is not None
    found = notebooks(folder)
    inside = [path for path in found if folder / lab in path.parents]
    named = [path for path in inside or found if lab.lower() in path.stem.lower()]
    foreign = lambda name: any(other != number for other in re.findall(r"(?<!\d)(\d\d)_[a-z]", name.lower()))
    said = [path.relative_to(folder).as_posix() for path in found]
    return named or inside or [path for path, name in zip(found, said) if alike(name) and not foreign(name)]


def notebooks(folder: Path) -> list[Path]:
    """Files that are called notebooks, also by a browser that added an ending of its own."""
    seen = lambda path: not any(part.startswith(".") or part == SKIPPED for part in path.relative_to(folder).parts)
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and seen(path)
            and re.search(r"\.ipynb(\.(txt|json|html))?$", path.name, re.IGNORECASE)]


def decoded(path: Path) -> tuple[str, str]:
    """A file's text, and what its encoding has that nbgrader cannot read."""
    data = path.read_bytes()
    for mark, encoding, name in ENCODINGS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace"), name
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace"), "an encoding of Windows"


def unreadable(text: str) -> str:
    """Why a text is no notebook, or nothing."""
    if not text.strip():
        return "the file is empty"
    if re.search(r"^<{7} |^>{7} ", text, re.MULTILINE):
        return "the file holds both sides of a merge that was not finished"
    try:
        made = json.loads(text)
    except ValueError as error:
        return f"the file is not a whole notebook: {error}"
    if not isinstance(made, dict) or not isinstance(made.get("nbformat"), int) or not ({"cells", "worksheets"} & made.keys()):
        return "the file is not a notebook"
    try:
        nbformat.validate(notebook(text))
    except Exception as error:          # a notebook that is broken may break the library in any way
        return f"the notebook is damaged: {str(error).splitlines()[0][:200]}"
    return ""


def notebook(text: str) -> nbformat.NotebookNode:
    """A text as a notebook of the latest format, with the parts of a code cell that some programs leave out."""
    made = json.loads(text)
    for cell in made.get("cells", ()):
        cell.setdefault("metadata", {})
        if cell.get("cell_type") == "code":
            cell.setdefault("outputs", [])
            cell.setdefault("execution_count", None)
    return nbformat.convert(nbformat.from_dict(made), LATEST)


def repair(submitted: Path, lab: str) -> list[str]:
    """Mend what can be mended, and say what was done and what is left, a line each."""
    said = []
    for found in handins(submitted, lab):
        try:
            told = mended(found, submitted / found.student / lab / f"{lab}.ipynb")
            said += [f"{found.student}: {told}."] if told else []
        except OSError as error:
            said.append(f"{found.student}: NOT MENDED: {error.strerror}.")
    return said


def mended(found: Handin, place: Path) -> str:
    """Mend one hand-in, and say what was done, what is in the way, or nothing."""
    if not found.mend:
        return f"NOT MENDED: {found.trouble}" if found.trouble else ""
    text, _ = decoded(found.path)
    place.parent.mkdir(parents=True, exist_ok=True)
    if found.path == place:
        shutil.copy2(place, place.with_suffix(".ipynb.as_it_came"))
    if place.is_symlink():
        place.unlink()
    place.write_text(nbformat.writes(notebook(text)), encoding="utf-8")
    return found.trouble
