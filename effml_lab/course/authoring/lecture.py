"""The outputs of a lecture: run afresh, or carried over from the notebook as it was.

A page on the web has no kernel, so that widgets (each has a static figure beside it) and progress on stderr are
left out.
"""
import json
from pathlib import Path

from nbformat import NotebookNode

from . import percent
from .first_cells import is_startup

WIDGET = "application/vnd.jupyter.widget-view+json"
LIMIT = 1800    # seconds a cell


def execute(made: NotebookNode, path: Path) -> None:
    """Run a lecture in place, in its own folder."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError
    client = NotebookClient(made, timeout=LIMIT, kernel_name="python3", record_timing=False, store_widget_state=False,
                            resources={"metadata": {"path": str(path.parent)}})
    try:
        client.execute()
    except CellExecutionError as error:
        raise RuntimeError(f"{path.name} does not run: {error.ename}: {error.evalue}") from error
    except CellTimeoutError as error:
        raise RuntimeError(f"{path.name} has a cell that takes more than {LIMIT} s.") from error
    made.metadata.update(percent.KERNEL)
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if belongs(output)]


def belongs(output: NotebookNode) -> bool:
    return output.get("name") != "stderr" and WIDGET not in output.get("data", {})


def carry_outputs(old: NotebookNode, made: NotebookNode) -> None:
    """Keep the outputs of the cells before the first one whose code changed; the start-up's version does not count."""
    before = [cell for cell in old.cells if cell.cell_type == "code"]
    after = [cell for cell in made.cells if cell.cell_type == "code"]
    for was, now in zip(before, after):
        if was.source != now.source and not (is_startup(was) and is_startup(now)):
            return
        now.outputs, now.execution_count = was.outputs, was.execution_count


def unexecuted(path: Path) -> bool:
    """Whether a lecture's notebook has code that was not run."""
    if path.parent.name != "lectures" or not path.is_file():
        return False
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return any(cell["cell_type"] == "code" and cell["source"] and cell["execution_count"] is None for cell in cells)
