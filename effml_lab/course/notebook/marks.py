"""A student's own marks and points: JSON lines in $EFFML_HOME, default ~/.effml_lab; never written while a grader runs."""
import json
import os
from datetime import datetime, timezone

from ...folders import home


def grading() -> str | None:
    """"autograde" or "validate" while nbgrader runs the notebook, else None."""
    return os.environ.get("NBGRADER_EXECUTION") or None


def note(name: str, row: dict) -> None:
    """Append a row to a file of the home folder, unless a grader runs or the folder cannot be written."""
    if grading():
        return
    try:
        home().mkdir(parents=True, exist_ok=True)
        with open(home() / name, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:
        print(f"Your marks could not be kept in {home()} ({error.strerror}): set EFFML_HOME to a folder of yours.")


def record(exercise: str, points: float, of: float) -> None:
    time = datetime.now(timezone.utc).isoformat(timespec="seconds")
    note("marks.jsonl", {"exercise": exercise, "points": points, "of": of, "time": time})


def read(name: str) -> list[dict]:
    """The rows of a file of the home folder; damaged lines are left out."""
    path, rows = home() / name, []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return [row for row in rows if isinstance(row, dict)]


def best() -> dict[str, dict]:
    """The best mark of each exercise, by id."""
    top: dict[str, dict] = {}
    for row in read("marks.jsonl"):
        if row.get("points", -1) >= top.get(row.get("exercise"), {}).get("points", -1):
            top[row.get("exercise")] = row
    return top
