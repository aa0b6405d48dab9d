"""The wheel away from the repository: lab 01's solution earns full marks with only what the wheel carries.

Each environment is new and borrows this one's torch through a .pth file, so that nothing large is downloaded. The second is
what a Colab has: old IPython and ipywidgets, no nbgrader, and the package put there by the notebook's own first cell.
"""
import json
import os
import re
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from effml_lab.folders import checkout

ROOT = checkout()
SOLUTION = Path(os.environ.get("STANDIN", ROOT / "solutions" / "01_ddpm" / "01_ddpm.ipynb"))
COLAB = ["ipython==7.34.0", "ipykernel==6.17.1", "ipywidgets==7.7.1", "numpy==2.1.3", "scipy==1.16.3", "matplotlib==3.10.0",
         "tqdm==4.67.3", "scikit-learn", "safetensors", "click", "bleach", "jedi"]
PROBE = """
import json, sys, effml_lab, effml_lab.folders as folders
print(json.dumps([effml_lab.__file__, str(folders.data_folder()), [p.name for p in folders.data_folder().glob("*/*")]]))
"""

pytestmark = pytest.mark.slow


def call(*words, cwd: Path) -> str:
    """Run a command without this repository in sight; its output, or a failure that shows it."""
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    return next(out.glob("*.whl"))


def environment(folder: Path, borrowed: Path, pip: bool) -> Path:
    """A new environment that also finds the packages of the folder `borrowed`; its Python."""
    venv.create(folder, with_pip=pip)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    (Path(site) / "borrowed.pth").write_text(f"{borrowed}\n")
    return python


def torch_alone(folder: Path) -> Path:
    """A folder of links to torch and its record, and to nothing beside it."""
    folder.mkdir()
    for top in {Path(str(file)).parts[0] for file in metadata.files("torch")} - {"..", "__pycache__"}:
        os.symlink(metadata.distribution("torch").locate_file(top), folder / top)
    return folder


def run(notebook: nbformat.NotebookNode, python: Path, place: Path) -> None:
    """Run a notebook's cells with that Python, in an empty folder, with a home of its own."""
    spec = place / "jupyter" / "kernels" / "other"
    spec.mkdir(parents=True)
    env = {"EFFML_HOME": str(place / "home"), "IPYTHONDIR": str(place / "ipython"), "PYTHONPATH": ""}
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "other", "language": "python", "env": env}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(place / "jupyter"))
        NotebookClient(notebook, kernel_name="other", timeout=300, resources={"metadata": {"path": str(place)}}).execute()


def marks(notebook: nbformat.NotebookNode) -> dict[str, tuple[float, float]]:
    """By exercise: the points that its test cell displays, and those it is worth."""
    tests = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade")]
    shown = lambda cell: next(out.data["text/plain"] for out in cell.outputs if out.output_type == "execute_result")
    return {cell.metadata.nbgrader.grade_id: (float(shown(cell)), cell.metadata.nbgrader.points) for cell in tests}


def test_wheel_outside_the_repository(wheel, tmp_path):
    python = environment(tmp_path / "venv", Path(metadata.distribution("torch").locate_file("")), pip=False)
    call(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel, cwd=tmp_path)
    package, data, files = json.loads(call(python, "-c", PROBE, cwd=tmp_path))
    assert Path(package).is_relative_to(tmp_path) and Path(data).is_relative_to(tmp_path)
    assert {"digits.safetensors", "digits.json", "digits_judge.safetensors", "labs.jsonl"} <= set(files)
    notebook = nbformat.read(SOLUTION, 4)
    run(notebook, python, tmp_path)
    got = marks(notebook)
    assert got and all(points == most for points, most in got.values()), got


def test_lab_command_of_a_wheel(wheel, tmp_path):
    python = environment(tmp_path / "venv", Path(metadata.distribution("torch").locate_file("")), pip=False)
    call(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel, cwd=tmp_path)
    done = subprocess.run([python, "-m", "effml_lab", "lab"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("The labs are not part of the installed package: get them from http")


def test_like_colab(wheel, tmp_path):
    python = environment(tmp_path / "venv", torch_alone(tmp_path / "torch"), pip=True)
    try:
        call(python, "-m", "pip", "install", "-q", *COLAB, "jinja2", "sympy", "networkx", "fsspec", "filelock", cwd=tmp_path)
    except AssertionError as error:
        pytest.skip(f"Colab's versions could not be installed here (no network?): {str(error).strip().splitlines()[-1]}")
    before = call(python, "-m", "pip", "freeze", cwd=tmp_path)
    assert "nbgrader" not in before
    notebook = nbformat.read(SOLUTION, 4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    first.source, found = re.subn(r"https://[^\s\"]+", wheel.as_uri(), first.source)
    assert found == 1 and "--no-deps" in first.source
    run(notebook, python, tmp_path)
    got = marks(notebook)
    assert got and all(points == most for points, most in got.values()), got
    after = call(python, "-m", "pip", "freeze", cwd=tmp_path).splitlines()
    assert [line for line in after if not line.startswith("effml_lab")] == before.splitlines()
