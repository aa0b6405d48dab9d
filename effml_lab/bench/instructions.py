"""`bench instructions`: what the compiler makes of the kernels: whether a row of the launch table fits, and its bound.

Hopper has no 4-bit tensor cores, so w4a4 unpacks to 8 bits and then turns every sum of 64 products into a float and
scales it, on the ordinary cores. w4a8 keeps whole numbers to the end. How much of the 8-bit peak each can reach at best is
a count of instructions; a 16-bit layer has half of that peak on every card here, so a kernel bounded by less than a half
has the lower ceiling.
"""
import os
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from tqdm.auto import tqdm

from .. import folders
from ..measure import records


def measure(out: Path | str | None = None, device: str = "cpu") -> str:
    """Compile every row of the launch table for its architectures and append what is found to instructions.jsonl."""
    if os.environ.get("TRITON_INTERPRET", "0") != "0" or not find_spec("triton"):
        raise ValueError("compiling needs Triton, which is for Linux, and TRITON_INTERPRET unset")
    from ..efficiency.kernels import ahead
    path = folders.results(out) / "instructions.jsonl"
    for name, cc, how in tqdm(list(ahead.rows()), desc="compiling", unit="kernel"):
        found = ahead.compiled(name, cc, how)
        most = max(found[part] for part in ("issue", "tensor", "convert")) if "macs" in found else None
        records.append(path, records.Record(
            f"{name}, {cc // 10}.{cc % 10}, " + ", ".join(f"{key} {value}" for key, value in how.items()), device="compiled",
            settings=found | {"triton": version("triton")} | ({"share": found["tensor"] / most} if most else {})))
    return f"recorded in {path}"
