"""The house keeps its shape: who may import whom, how much an import costs, and what it must not pull in."""
import json
import subprocess
import sys

import pytest
from importlinter.cli import lint_imports

from effml_lab.folders import checkout

WINGS = [f"effml_lab.{wing}" for wing in ("diffusion", "nets", "datasets", "measure", "efficiency.distill", "models",
                                               "recipes", "bench", "course")]
PROBE = """
import json, sys, time
import torch
before, start = set(sys.modules), time.process_time()
import effml_lab, {wings}
print(json.dumps([time.process_time() - start, sorted(set(sys.modules) - before)]))
"""


def test_contract(monkeypatch):
    monkeypatch.chdir(checkout())
    assert lint_imports(no_cache=True) == 0


@pytest.fixture(scope="module")
def imported() -> tuple[float, set[str]]:
    """Seconds of CPU that the package and its wings cost after torch, and the modules they bring."""
    out = subprocess.run([sys.executable, "-c", PROBE.format(wings=", ".join(WINGS))],
                         check=True, capture_output=True, text=True).stdout
    seconds, modules = json.loads(out)
    return seconds, set(modules)


def test_import_is_quick(imported):
    assert imported[0] < 2.0


@pytest.mark.parametrize("name", ["diffusers", "transformers", "nbgrader", "jupytext", "triton", "jupyterlab"])
def test_import_stays_light(imported, name):
    assert name not in {module.split(".")[0] for module in imported[1]}


def test_the_top_does_without_torch():
    probe = "import effml_lab, effml_lab.course, effml_lab.__main__, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe]).returncode == 0
