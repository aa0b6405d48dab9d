"""What the machine has: one line each, and what to do where something is missing.

Versions are read from the installed packages' records and the GPU is asked of its driver, since importing torch would
cost more than all the rest. Left out: whether the versions work together, which is what the tests are for.
"""
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

INSTALL = "pip install -r requirements.txt"
PACKAGES = {        # package -> (what it is for, what the course does without it; None: it cannot do without)
    "torch": ("everything", None),
    "matplotlib": ("figures", None),
    "ipywidgets": ("sliders", None),
    "jupyterlab": ("the `lab` command", None),
    "nbgrader": ("grading", "labs and their checks work; instructors need it"),
    "jupytext": ("building notebooks", "labs and their checks work; `build` needs it"),
    "triton": ("GPU kernels", "all labs but the kernels of lab 06 work"),
    "diffusers": ("parity tests and hub models", "all labs work; their parity tests are left out"),
}


class Line(NamedTuple):
    """One finding. `ok` is False where the course cannot run, None where something optional is missing."""
    name: str
    ok: bool | None
    found: str
    advice: str = ""

    def __str__(self) -> str:
        sign = {True: "ok  ", False: "MISS", None: "-   "}[self.ok]
        return f"{sign} {self.name:<12} {self.found}" + (f": {self.advice}" if self.advice else "")


def python(version: tuple[int, int] = sys.version_info[:2]) -> Line:
    ok = (3, 11) <= version <= (3, 13)
    return Line("Python", ok, platform.python_version(), "" if ok else "the course needs Python 3.11 to 3.13")


def package(name: str) -> Line:
    purpose, without = PACKAGES[name]
    try:
        return Line(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        if name == "triton" and platform.system() != "Linux":
            return Line(name, None, "not made for this system", without)
        return Line(name, None if without else False, f"missing ({purpose})", f"{without or 'needed'}; {INSTALL}")


def gpu() -> Line:
    """Ask the driver, not torch: `nvidia-smi -L` answers in a few hundredths of a second."""
    smi = shutil.which("nvidia-smi")
    try:
        told = subprocess.run([smi, "-L"], capture_output=True, text=True, timeout=5).stdout if smi else ""
    except (OSError, subprocess.TimeoutExpired):
        told = ""
    names = [line.split(": ", 1)[1].split(" (")[0] for line in told.splitlines() if ": " in line]
    return Line("GPU", True, ", ".join(names)) if names else Line("GPU", None, "none", "every lab runs on the CPU")


def bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor trains faster in bfloat16: with tiles (AMX), or with AVX-512 dot products on an AMD.

    On a Xeon those dot products are not enough: a step of the course model took 1.7 to 2.7 times as long with them; on a Zen 5
    0.9 times, and one of the DiT 0.54 times.
    """
    flags = set(cpuinfo.read_text().split()) if cpuinfo.is_file() else set()
    return "amx_bf16" in flags or {"AuthenticAMD", "avx512_bf16"} <= flags


def training() -> Line:
    return Line("training", True, f"on the CPU in {'bfloat16' if bfloat16() else 'float32, which this processor does faster'}")


def checkpoints(folder: Path) -> Line:
    """Every card beside its weights. The hashes are checked where a net is loaded."""
    cards = sorted(folder.glob("*.json"))
    lost = [card.stem for card in cards if not card.with_suffix(".safetensors").is_file()]
    if lost or not cards:
        return Line("checkpoints", False, f"missing {', '.join(lost) or 'all'}", "get the files of data/checkpoints again")
    return Line("checkpoints", True, ", ".join(card.stem for card in cards))


def chromium() -> Line:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return Line("browser", True, found) if found else Line("browser", None, "no Chromium", "its test is left out")


def examine(data: Path) -> list[Line]:
    """All findings, in the order they are told. data: the folder that holds checkpoints/."""
    return [python(), *map(package, PACKAGES), gpu(), training(), chromium(), checkpoints(data / "checkpoints")]
