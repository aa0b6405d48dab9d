"""`bench labs`: how long a lab takes: its solution, run from top to bottom as a student would and as a grader does.

One row of labs.jsonl for each: {"lab", "kind", "seconds", "longest" (seconds of the slowest cell), "device", "versions",
"date", "commit"}; kind "solution" is at home, "graded" with NBGRADER_EXECUTION set, which shortens what trains long.
"""
import json
import os
import tempfile
import time
from pathlib import Path

from .. import folders
from ..measure import records

KINDS = {"solution": "", "graded": "autograde"}
LIMIT = 900     # seconds a cell


def measure(out: Path | str | None = None, device: str = "cpu") -> str:
    """Run every solution of this checkout both ways and append the rows to `out`/labs.jsonl; say where."""
    root = folders.repository("solutions")
    path = folders.results(out) / "labs.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    for notebook in sorted(root.glob("solutions/[0-9][0-9]_*/[0-9][0-9]_*.ipynb")):
        for kind, mode in KINDS.items():
            row = {"lab": notebook.stem, "kind": kind} | timed(notebook, mode) | about(device)
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    return f"recorded in {path}"


def about(device: str) -> dict:
    return {"device": records.device_name(device), "versions": records.versions(), "date": records.now(),
            "commit": records.commit()}


def timed(path: Path, mode: str) -> dict[str, float]:
    """Seconds of a notebook and of its slowest cell, from a kernel's start to its end, in an empty home."""
    import nbformat
    from nbclient import NotebookClient
    notebook, spent, begin = nbformat.read(path, as_version=4), [], [0.0]
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"EFFML_HOME": folder, "NBGRADER_EXECUTION": mode}
        client = NotebookClient(notebook, timeout=LIMIT, resources={"metadata": {"path": folder}},
                                on_cell_execute=lambda **_: begin.append(time.perf_counter()),
                                on_cell_executed=lambda **_: spent.append(time.perf_counter() - begin[-1]))
        start = time.perf_counter()
        client.execute(env=env)
        total = time.perf_counter() - start
    return {"seconds": round(total, 1), "longest": round(max(spent), 1)}
