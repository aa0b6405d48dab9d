"""A lab as students get it: what nbgrader's own generate_assignment makes of a solution, in a folder that is thrown
away.

The course's nbgrader_config.py is used as it is, so that a lab built here and one that an instructor generates are
equal byte for byte; gradebook and seed stay in the temporary folder.
"""
import contextlib
import functools
import json
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

from nbformat import NotebookNode

from .graded_cells import answers

SECRET = 25     # characters: a shorter line of a solution may occur in a lab by chance


def release(name: str, source: bytes, root: Path) -> dict[Path, bytes]:
    """The files of labs/NN_name, by their path in the repository."""
    config = root / "nbgrader_config.py"
    if not config.is_file():
        raise RuntimeError(f"There is no nbgrader_config.py in {root}: build runs in a checkout of the repository.")
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder).resolve()
        shutil.copy(config, course)
        given = root / "solutions" / name
        if given.is_dir():
            shutil.copytree(given, course / "solutions" / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        target = course / "solutions" / name / f"{name}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source)
        (course / "grading").mkdir()
        (course / "grading/gradebook.db").write_bytes(empty_gradebook())
        generate(name, course)
        made = course / "labs" / name
        return {root / "labs" / name / file.relative_to(made): file.read_bytes()
                for file in sorted(made.rglob("*")) if file.is_file()}


@functools.cache
def empty_gradebook() -> bytes:
    """An empty gradebook: nbgrader takes seconds to make one, so several labs share it."""
    from nbgrader.api import Gradebook
    with tempfile.TemporaryDirectory() as folder, search_path():
        path = Path(folder).resolve() / "gradebook.db"
        with Gradebook(f"sqlite:///{path.as_posix()}"):
            pass
        return path.read_bytes()


@contextlib.contextmanager
def search_path():
    """nbgrader calls `alembic` by name: find the one beside this Python. The environment is put back."""
    kept = dict(os.environ)
    os.environ["PATH"] = str(Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", "")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


def generate(name: str, course: Path) -> None:
    """nbgrader generate_assignment NAME, in this process."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import PyFileConfigLoader
    log = logging.getLogger("traitlets")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with search_path():
            config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
            config.CourseDirectory.assignment_id = name
            GenerateAssignment(coursedir=CourseDirectory(config=config), config=config).start()
    except NbGraderException as error:
        raise RuntimeError(f"nbgrader could not make labs/{name} from solutions/{name}: {error}") from error
    finally:
        log.setLevel(level)


def refuse_leaks(solution: list[NotebookNode], name: str, texts: dict[Path, str]) -> None:
    """No line of an answer of SECRET characters or more may appear in what students get."""
    secrets = {line for cell in solution for line in answers(cell) if len(line) >= SECRET}
    for path, text in texts.items():
        found = next((line for line in sorted(secrets) if line in text), None)
        if found:
            raise ValueError(f"{path} shows a line of the solution of {name}, {found!r}: change one of the two.")


def shown(path: Path, data: bytes) -> str:
    """What a reader of a file sees."""
    text = data.decode("utf-8", errors="replace")
    if path.suffix != ".ipynb":
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
