"""What a notebook calls first: `begin` says what it runs on, `shortened` spares the grader what is not graded.

The cell that calls `begin` is written by the build (authoring/first_cells.py).
"""
import os
import platform
import sys

import torch

from ... import __version__
from . import marks

LAB = {"name": ""}      # the notebook that runs, for summary()
COLAB = "In Colab: Runtime, Change runtime type, T4 GPU, then run from the top."


def begin(lab: str, release: str = __version__) -> None:
    """Name the lab and say what it runs on."""
    LAB["name"] = lab
    if marks.grading():
        os.environ["TQDM_DISABLE"] = "1"
        torch.set_num_threads(1)        # several submissions may be graded at once: threads that wait crawl
        stay()
    print(f"{lab} · effml_lab {__version__} · Python {platform.python_version()} · torch {torch.__version__}")
    if torch.cuda.is_available():
        print(f"Device: {torch.cuda.get_device_name()}.")
    else:
        print("Device: the CPU, which is all that this notebook needs. "
              + (COLAB if "google.colab" in sys.modules else "A GPU makes it bigger, not different."))
    if release != __version__:
        print(f"This notebook was written for effml_lab {release}, and {__version__} is installed: "
              f"install the release v{release}, or take the notebook of v{__version__}.")


def stay() -> None:
    """`quit()` in a cell would end the kernel, and all that comes after it would count for nothing."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        shell.user_ns |= dict.fromkeys(("quit", "exit"), left_out)


def left_out(*_) -> None:
    print("A notebook that is graded runs to its end: quit() and exit() were left out.")


def shortened(full: int, short: int) -> int:
    """`full`, or `short` while nbgrader runs the notebook, which then says so: for work that takes long and is not graded."""
    if not marks.grading():
        return full
    print(f"Shortened for grading, {short} instead of {full}: this is not what you saw at home, and it is not marked.")
    return short
