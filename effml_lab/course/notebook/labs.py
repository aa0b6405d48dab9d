"""Which labs there are, how long they take, what marks they have so far; and JupyterLab's start on them.

Title and minutes of reading and coding are the lab's own estimates, from the notebook's metadata; machine time is measured,
from data/results/labs.jsonl; marks are a student's best of each exercise, from $EFFML_HOME/marks.jsonl. Nothing here
imports torch, so that the table is there in a moment.
"""
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import NamedTuple


def source_url() -> str:
    """Where the course is published, from the package's own record."""
    urls = dict(entry.split(", ", 1) for entry in metadata.metadata("effml_lab").get_all("Project-URL", []))
    return urls.get("Source", "the place this package came from")


class Lab(NamedTuple):
    """One lab as its notebook tells it; points by exercise id, minutes as the author estimates them."""
    name: str
    title: str
    minutes: dict[str, int]
    points: dict[str, float]

    def mark(self, best: dict[str, dict]) -> float:
        """The points earned at home: per exercise the best share of what that check was worth."""
        share = lambda row: min(max(row["points"] / row["of"], 0.0), 1.0) if row.get("of") else 0.0
        return sum(points * share(best[name]) for name, points in self.points.items() if name in best)


def read(path: Path) -> Lab:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    told = notebook["metadata"].get("effml_lab", {})
    graded = (cell["metadata"].get("nbgrader", {}) for cell in notebook["cells"])
    points = {cell["grade_id"]: cell["points"] for cell in graded if cell.get("grade") and not cell.get("solution")}
    return Lab(path.stem, told.get("title", path.stem), told.get("minutes", {}), points)


def listed(folder: Path) -> list[Lab]:
    """The labs of a folder, by number: labs/NN_name/NN_name.ipynb."""
    return [read(path) for path in sorted(folder.glob("[0-9][0-9]_*/[0-9][0-9]_*.ipynb")) if path.stem == path.parent.name]


def measured(results: Path) -> dict[str, float]:
    """Seconds that each lab's solution takes, the latest run of each."""
    path = results / "labs.jsonl"
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines() if path.is_file() else ())
    return {row["lab"]: row["seconds"] for row in rows if row["kind"] == "solution"}


def table(shelf: list[Lab], seconds: dict[str, float], best: dict[str, dict]) -> str:
    """The labs as lines of text: minutes of reading, coding and the machine, and the marks so far."""
    wide = max([len(lab.title) for lab in shelf] + [5])
    lines = [f"{'lab':<20} {'title':<{wide}}  reading  coding   machine   marks so far"]
    for lab in shelf:
        reading, coding = (f"{lab.minutes[kind]} min" if kind in lab.minutes else "?" for kind in ("reading", "coding"))
        machine = f"{seconds[lab.name]:.0f} s" if lab.name in seconds else "?"
        marked = f"{lab.mark(best):g} of {sum(lab.points.values()):g}"
        lines.append(f"{lab.name:<20} {lab.title:<{wide}}  {reading:>7} {coding:>7} {machine:>9}   {marked}")
    return "\n".join(lines)


def command(options: tuple[str, ...], root_user: bool) -> list[str]:
    """JupyterLab's command line; root gets the flag without which Jupyter refuses to start."""
    allow = ["--allow-root"] if root_user and "--allow-root" not in options else []
    return [sys.executable, "-m", "jupyterlab", *allow, *options]


def start(folder: Path, words: list[str]) -> None:
    """Become JupyterLab, with `folder` as its root; on Windows, wait for it instead."""
    sys.stdout.flush()
    if os.name == "nt":
        raise SystemExit(subprocess.run(words, cwd=folder).returncode)
    os.chdir(folder)
    os.execv(words[0], words)
