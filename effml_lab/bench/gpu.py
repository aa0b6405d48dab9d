"""`bench gpu`: all that waits for a GPU, in order of value, within some minutes.

  python -m effml_lab bench gpu --device cuda --minutes 9 --out FOLDER

Each job is a command of its own, in a process of its own, and is stopped when the time is up. What it appended by then stays;
called again with the same folder, those that ended are left out; of the others `kernels` and the training go on where they were,
and the rest begin again. What they keep meanwhile lies in the folder, too. Nothing is needed but what an image with PyTorch,
Triton and this package's few requirements has. A job that fails is told and passed by.
"""
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from tqdm.auto import tqdm

from .. import folders
from ..measure import records

JOBS = {                        # name -> command after `python -m effml_lab`, in order of value
    "the layer": ("bench", "kernels"),
    "whole nets": ("bench", "forward"),
    "the DiT": ("train", "dit"),
    "tiles": ("bench", "tune"),
    "samplers": ("bench", "samplers"),
}
LEAST = 10.0                    # seconds that are worth starting a job


def run(command: tuple[str, ...], device: str, folder: Path, seconds: float) -> str:
    """One job in a process of its own: "done", "stopped" when the time was up, or the last line of what went wrong."""
    try:
        subprocess.run([sys.executable, "-m", "effml_lab", *command, "--device", device, "--out", str(folder)], check=True,
                       timeout=seconds, stderr=subprocess.PIPE, text=True,
                       env={"EFFML_HOME": str(folder / "home"), **os.environ, "TQDM_DISABLE": "1"})
    except subprocess.TimeoutExpired:
        return "stopped"
    except subprocess.CalledProcessError as error:
        return (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
    return "done"


def measure(out: Path | str | None = None, device: str = "cpu", minutes: float = 9.0, jobs: dict = JOBS) -> str:
    """Run the jobs that did not end before, while there is time; what became of each is a row of gpu.jsonl."""
    if torch.device(device).type == "cpu" and jobs is JOBS:
        raise ValueError("these jobs wait for a GPU: --device cuda")
    folder = folders.results(out)
    path, end = folder / "gpu.jsonl", time.monotonic() + 60 * minutes
    before, told = records.latest(path), {}
    for name, command in tqdm(jobs.items(), desc="jobs", unit="job"):
        begin = time.monotonic()
        if name in before and before[name].settings["end"] == "done":
            told[name] = "done before"
        elif end - begin < LEAST:
            told[name] = "not begun"
        else:
            told[name] = run(command, device, folder, end - begin)
            records.append(path, records.Record(name, settings={
                "command": " ".join(command), "end": told[name], "minutes": round((time.monotonic() - begin) / 60, 2)},
                device=records.device_name(device)))
    return "\n".join(f"{name}: {what}" for name, what in told.items())
