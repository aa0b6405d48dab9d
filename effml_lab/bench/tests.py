"""`bench tests`: how long the tests take on this machine: each of the commands of .ci/run, timed whole, with what was slow in it.

A row of tests.jsonl each: seconds by the wall, tests and failures, the seconds of the slowest files. On a quiet machine:
what else runs is counted in. The budget for the whole course, on two cores: 15 minutes for the first, 45 for all.
"""
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from .. import folders
from ..measure import records

PARTS = {       # name -> the command, as it stands in .ci/run
    "plain": "pytest",
    "slow": "pytest -m slow",
    "notebooks": "pytest --nbval-lax lectures solutions",
}
SHOWN = 12      # files of a row


def read(report: Path) -> tuple[Counter, Counter]:
    """From a report of pytest in JUnit's form: how many tests had which end, and the seconds of each file or notebook."""
    ends, seconds = Counter(), Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        kind = next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "passed")
        ends[kind] += 1
        seconds[case.get("classname")] += float(case.get("time"))
    return ends, seconds


def timed(command: str, root: Path) -> dict:
    """Run one of the commands at the root of the repository; what a row says of it."""
    with tempfile.TemporaryDirectory() as folder:
        report, begin = Path(folder) / "report.xml", time.perf_counter()
        words = [sys.executable, "-m", *command.split(), f"--junitxml={report}"]
        subprocess.run(words, cwd=root, env=os.environ | {"EFFML_HOME": folder, "OMP_NUM_THREADS": "1"})
        spent = time.perf_counter() - begin
        if not report.exists():
            raise RuntimeError(f"`{command}` did not get to its end, as told above.")
        ends, seconds = read(report)
    return {"command": command, "seconds": round(spent, 1), "ends": dict(ends),
            "slowest": {name: round(value, 1) for name, value in seconds.most_common(SHOWN)}}


def measure(out: Path | str | None = None, device: str = "cpu", parts: dict[str, str] = PARTS) -> str:
    """Time every command and append a row each to `out`/tests.jsonl."""
    root, path = folders.repository("tests"), folders.results(out) / "tests.jsonl"
    for name, command in parts.items():
        records.append(path, records.Record(f"tests, {name}", settings=timed(command, root)))
    return f"recorded in {path}"
