"""`bench graders`: every wrong and every right answer of tests/mutants, judged on 100 seeds, a row an exercise.

The tests do the same on three seeds in every run. This is their record: each row of graders.jsonl holds how many wrong
answers lost points with a true cause or none, how many right ones kept them all, and a hash of everything that the
verdict rests on (`tests/helpers/banks.py`). A test fails where a row is missing or its hash is another, and then this
command judges again, those exercises alone.
"""
import subprocess
import sys
from pathlib import Path

from .. import folders

SEEDS, NOTHING = 100, 5        # pytest's exit code where there was nothing to judge


def measure(out: Path | str | None = None, device: str = "cpu", seeds: int = SEEDS) -> str:
    """Judge what has no current row in `out`/graders.jsonl, on every core, and append the rows."""
    root, folder = folders.repository("answers"), folders.results(out)
    words = ["-q", "--dist", "load", f"--seeds={seeds}", f"--record={folder.resolve()}", "tests/course/exercises/test_graders.py"]
    if subprocess.run([sys.executable, "-m", "pytest", *words], cwd=root).returncode not in (0, NOTHING):
        raise RuntimeError("Some answers were not judged as they should be, as told above.")
    return f"recorded in {folder / 'graders.jsonl'}"
