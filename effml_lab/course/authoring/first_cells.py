"""The two cells that open every notebook, written by the build and by nobody else: the links and the start-up.

Both come from one address, [project.urls] Source in pyproject.toml, and one release tag, v<version>. The links go
to Colab (a lab's badge to labs/, never to solutions/), to the lecture and to the solution; minutes of reading and
coding are the lab's own estimates, machine time is the latest measured run in data/results/labs.jsonl. The start-up
installs the package where it is missing, without touching what the machine has, and names the release.
"""
import tomllib
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from nbformat import NotebookNode

import effml_lab

from ..notebook import labs
from .graded_cells import grade
from .percent import new_cell

LINKS, START = "links", "start-up"
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
STARTUP = """\
try:
    import effml_lab
except ImportError:
    %pip install -q --no-deps "effml_lab @ {url}/archive/refs/tags/{tag}.zip"
from effml_lab.course import {names}

begin("{name}", release="{version}")"""
NOTE = "# Grading puts this cell back as it was: write your code in other cells.\n"


def source_url(root: Path) -> str:
    """[project.urls] Source: from pyproject.toml in a checkout, else from the installed package's record."""
    pyproject = root / "pyproject.toml"
    if pyproject.is_file():
        urls = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"].get("urls", {})
    else:
        urls = dict(line.split(", ", 1) for line in metadata.metadata("effml_lab").get_all("Project-URL") or [])
    if "Source" not in urls:
        raise ValueError("pyproject.toml has no Source under [project.urls]: every badge and link comes from it.")
    return urls["Source"].rstrip("/").removesuffix(".git")


def open_with(cells: list[NotebookNode], kind: str, name: str, about: dict, root: Path,
              graded: bool = False) -> list[NotebookNode]:
    """The cells with the links on top and the start-up before the first code cell. kind: "lab" or "lecture".

    graded: for a class that is graded, without the link to the solution.
    """
    url, tag = source_url(root), f"v{effml_lab.__version__}"
    names = "begin, check, figure, slider, summary" if kind == "lab" else "begin, figure, slider"
    skip = {} if kind == "lab" else {"slideshow": {"slide_type": "skip"}}
    top = new_cell("markdown", links(kind, name, about, root, url, tag, graded), {"tags": [LINKS]} | skip)
    code = STARTUP.format(url=url, tag=tag, names=names, name=name, version=effml_lab.__version__)
    start = new_cell("code", (NOTE if kind == "lab" else "") + code, {"tags": [START]} | skip)
    if kind == "lab":
        grade(top, LINKS, locked=True)
        grade(start, START, locked=True)
    place = next((i for i, cell in enumerate(cells) if cell.cell_type == "code"), len(cells))
    return [top, *cells[:place], start, *cells[place:]]


def without(cells: list[NotebookNode]) -> list[NotebookNode]:
    return [cell for cell in cells if not {LINKS, START} & set(cell.metadata.get("tags", []))]


def is_startup(cell: NotebookNode) -> bool:
    return START in cell.metadata.get("tags", [])


def links(kind: str, name: str, about: dict, root: Path, url: str, tag: str, graded: bool) -> str:
    here = {"lab": f"labs/{name}/{name}.ipynb", "lecture": f"lectures/{name}.ipynb"}
    others = {"lecture": f"[lecture]({url}/blob/{tag}/{here['lecture']})",
              "lab": f"[lab]({url}/blob/{tag}/{here['lab']})",
              "solution": f"[solution]({url}/blob/{tag}/solutions/{name}/{name}.ipynb)"}
    there = {"lecture": (root / f"lectures/{name}.py").is_file(), "lab": (root / f"solutions/{name}.py").is_file()}
    hidden = {kind, "solution"} if graded else {kind}
    shown = [others[key] for key in others if key not in hidden and there.get(key, there["lab"])]
    badge = [colab(url, tag, here[kind])] if urlsplit(url).netloc == "github.com" else []
    return "\n\n".join([" · ".join([*badge, *shown]), *minutes(name, about, root if kind == "lab" else None)]).strip()


def colab(url: str, tag: str, path: str) -> str:
    repository = urlsplit(url).path.strip("/")
    return f"[![Open in Colab]({BADGE})](https://colab.research.google.com/github/{repository}/blob/{tag}/{path})"


def minutes(name: str, about: dict, root: Path | None) -> list[str]:
    """One line, or none where a notebook states no minutes; a lecture (no root) has no machine time."""
    estimates = [f"{kind} about {n} minutes" for kind, n in about.get("minutes", {}).items()]
    seconds = labs.measured(root / "data/results").get(name) if estimates and root else None
    machine = [f"the machine {seconds / 60:.1f} minutes on two CPU cores (measured)"] if seconds else []
    line = ", ".join(estimates) + " (estimates)" if estimates else ""
    return [f"Time: {'; '.join([line, *machine])}."] if line else []
