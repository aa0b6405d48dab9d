"""Measuring needs no more than the package's own needs: no diffusers, no widgets, nothing that grading or building takes.

A subprocess that cannot find those modules imports every module of the wings below course/, measures each sampler, and
runs the test that is `bench samplers` in small.
"""
import json
import subprocess
import sys
from pathlib import Path

ABSENT = ["diffusers", "transformers", "huggingface_hub", "accelerate", "ipywidgets", "IPython", "jupytext", "nbgrader",
          "nbclient", "nbconvert", "nbformat", "jupyterlab", "playwright", "triton"]
SPEED = str(Path(__file__).with_name("test_samplers.py")) + "::test_the_table_becomes_rows_and_findings"
BARE = """
import importlib, json, pkgutil, sys

class Absent:
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent)
import effml_lab, torch
torch.set_num_threads(1)
for wing in ("diffusion", "nets", "datasets", "measure", "models", "recipes", "bench"):
    path = importlib.import_module(f"effml_lab.{{wing}}").__path__
    for found in pkgutil.iter_modules(path, f"effml_lab.{{wing}}."):
        importlib.import_module(found.name)
import effml_lab.hub
{body}
"""


def bare(body: str) -> subprocess.CompletedProcess:
    """Run some lines of Python where the modules of ABSENT cannot be found, after every module of the wings was imported."""
    source = BARE.format(absent=set(ABSENT), body=body)
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)


def test_every_sampler_is_measured():
    out = bare("""
from effml_lab.bench import point
from effml_lab.diffusion.samplers import SAMPLERS
print(json.dumps({name: point.measure(name, sampler, 4, n=24).nfe for name, sampler in SAMPLERS.items()}))
""")
    assert out.returncode == 0, out.stderr[-2000:]
    nfe = json.loads(out.stdout.splitlines()[-1])
    assert nfe["ddim"] == nfe["dpmpp_2m"] == 4 and nfe["heun"] == 7


def test_speed_is_measured_against_quality(monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")           # one of the plugins is nbval
    out = bare(f"""
import pytest
sys.exit(pytest.main(["-q", "-o", "addopts=", "-p", "no:cacheprovider", {SPEED!r}]))
""")
    assert out.returncode == 0 and "1 passed" in out.stdout, out.stdout[-2000:] + out.stderr[-2000:]


def test_what_is_measured_beside_diffusers_says_that_it_is_missing():
    out = bare("""
from effml_lab.__main__ import cli
cli(["bench", "unet"], prog_name="effml_lab")
""")
    assert out.returncode == 2 and len(out.stderr.strip().splitlines()) == 1
    assert "pip install diffusers" in out.stderr and "None" not in out.stderr
