"""Compile every committed row of the kernels for its architectures, without a GPU; prints a JSON row each.

Run by test_kernels.py in a process of its own: the interpreter and the compiler do not share one.
"""
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.pop("TRITON_INTERPRET", None)
os.environ["TRITON_CACHE_DIR"] = tempfile.mkdtemp()

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from effml_lab.efficiency.kernels import dequantize, gemm_up, launch, quantize_down

TOOLS = Path(triton.__file__).parent / "backends/nvidia/bin"
RANK, ALIGNED = 32, ("K", "N", "stride", "pairs")
POINTERS = {
    "quantize_w4a4": (quantize_down.w4a4, {"x": "*bf16", "smooth": "*fp16", "down": "*bf16", "codes": "*u8", "scales": "*fp16",
                                           "la_ptr": "*fp32"}, {"UP32": False}),
    "quantize_w4a8": (quantize_down.w4a8, {"x": "*bf16", "smooth": "*fp16", "down": "*bf16", "codes": "*i8", "scales": "*fp16",
                                           "la_ptr": "*fp32"}, {"UP32": False}),
    "gemm_w4a4": (gemm_up.w4a4, {"a": "*u8", "a_scale": "*fp16", "w": "*u8", "w_scale": "*fp16", "la": "*fp32", "up": "*bf16",
                                 "bias": "*bf16", "out": "*bf16"}, {"BIAS": True}),
    "gemm_w4a8": (gemm_up.w4a8, {"a": "*i8", "a_scale": "*fp16", "w": "*u8", "w_scale": "*fp16", "multiplier": "*u8",
                                 "la": "*fp32", "up": "*bf16", "bias": "*bf16", "out": "*bf16"}, {"BIAS": True, "ASM": True}),
    "dequantize": (dequantize.kernel, {"packed": "*u8", "scale": "*fp16", "multiplier": "*u8", "smooth": "*fp16", "out": "*fp16"},
                   {"TWO": True, "BN": 16}),
}


def compiled(name: str, cc: int, how: dict) -> dict:
    kernel, pointers, const = POINTERS[name]
    options = {key: how[key] for key in ("num_warps", "num_stages") if key in how}
    const = const | {key: value for key, value in how.items() if key not in options} | (
        {} if name == "dequantize" else {"R": RANK, "RP": launch.power(RANK)})
    signature, constants, hints = {}, {}, {}
    for i, arg in enumerate(kernel.arg_names):
        if arg in const:
            signature[arg], constants[(i,)] = "constexpr", const[arg]
        else:
            signature[arg] = pointers.get(arg, "i32")
            if arg in pointers or arg in ALIGNED:
                hints[(i,)] = [["tt.divisibility", 16]]
    made = triton.compile(ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=hints),
                          target=GPUTarget("cuda", cc, 32), options=options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        Path(file.name).write_bytes(made.asm["cubin"])
        usage = subprocess.run([TOOLS / "cuobjdump", "-res-usage", file.name], capture_output=True, text=True).stdout
    registers, stack = map(int, re.search(r"REG:(\d+) STACK:(\d+)", usage).groups())
    ptx = made.asm["ptx"]
    return {"kernel": name, "cc": cc, "how": how, "registers": registers, "stack": stack, "shared": made.metadata.shared,
            "products": sorted(set(re.findall(r"(?:wgmma\.mma_async|mma)\.[\w.:]+", ptx)))}


def rows():
    """Every (kernel, architecture, settings) that is committed or inherited from the architecture below."""
    for name, cc in itertools.product(launch.table(), (80, 89, 90)):
        known = [int(arch) for arch in launch.table()[name] if int(arch) <= cc]
        for _, how in launch.table()[name][str(max(known))]:
            yield name, cc, how
    yield "dequantize", 75, {"num_warps": 4}
    yield "dequantize", 90, {"num_warps": 4}


if __name__ == "__main__":
    for row in rows():
        print(json.dumps(compiled(*row)), flush=True)
    sys.exit()
