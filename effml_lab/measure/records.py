"""The rows that measurements are recorded in: one line of JSON each, with the device, the versions, the date, the commit.

Figures and tables are drawn from such lines, never typed. `append` adds one, `read` gives all of a file, and `latest`
the last of each technique.
"""
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import torch


def versions() -> dict[str, str]:
    """What a number depends on."""
    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


def device_name(device: str | torch.device = "cpu") -> str:
    """The device in words: a GPU's name, or the processor with its cores and the threads in use."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")] \
        if info.exists() else []
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"


def commit() -> str | None:
    """The commit of the source this runs from, "-dirty" where it is not all of it; None outside a repository."""
    try:
        return subprocess.run(["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=Path(__file__).parent, check=True,
                              capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@dataclass
class Record:
    """One measured point. ms: {median, low, high} of the run that `settings` describes. macs: of one image, all calls.

    bytes: the stored weights. quality: {name: {value, low, high, n}}. What does not apply is None or empty.
    """
    technique: str
    nfe: float | None = None
    ms: dict | None = None
    bytes: int | None = None
    macs: int | None = None
    quality: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    device: str = field(default_factory=device_name)
    versions: dict = field(default_factory=versions)
    date: str = field(default_factory=now)
    commit: str | None = field(default_factory=commit)


def append(path: str | Path, record: Record) -> None:
    """Add one line to a file of records, which is made where missing."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(record)) + "\n")


def read(path: str | Path) -> list[Record]:
    """All records of a file, oldest first; none where there is no file."""
    known, records = {f.name for f in fields(Record)}, []
    if not Path(path).exists():
        return records
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            records.append(Record(**{k: v for k, v in row.items() if k in known}))
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"line {number} of {path} is not a record ({error}): mend or delete that line") from None
    return records


def latest(path: str | Path) -> dict[str, Record]:
    """Of every technique in a file its last record, by name, in the order in which the names first came."""
    return {record.technique: record for record in read(path)}
