"""The kernels compiled ahead of time, for cards that need not be there, and their main loops counted in machine code.

Triton brings its own assembler and disassembler. What they tell without a GPU: registers, bytes spilled to the stack,
shared memory, which tensor-core instructions were chosen, whether bytes that are unpacked four at once are neighbours
along K (in w4a8 they share a multiplier); and how many clocks of a multiprocessor one turn of a product's
main loop (128 of K) takes in each of its parts, the largest being the least time that is possible:
  issue    instructions times warps over the 4 that start in a clock
  tensor   multiply-accumulates over the rate of the tensor cores
  convert  whole numbers to floats over the rate of that unit
tensor over the largest is thus a bound on the share of the 8-bit peak. It knows of no stalls and no memory.
References: NVIDIA's tables of throughput by compute capability (CUDA C++ programming guide). Left out: other stalls.
"""
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from . import dequantize, gemm_up, launch, quantize_down

TOOLS = Path(triton.__file__).parent / "backends/nvidia/bin"
RANK, ALIGNED = 32, ("M", "K", "N", "stride", "pairs")          # whole numbers that are multiples of 16
ARCHITECTURES = (80, 89, 90)                                    # A100; L4 and RTX 4090; H100 and H200
MACS = {80: 2048, 89: 1024, 90: 4096}                           # 8-bit products a clock and multiprocessor
CONVERTED = {"I2F": 16, "I2FP": 64}                             # numbers a clock and multiprocessor
PRODUCT = re.compile(r"IGMMA\.64x(\d+)x32|IMMA\.16832")
QUANTIZE = {"x": "*bf16", "smooth": "*fp16", "down": "*bf16", "scales": "*fp16", "la_ptr": "*fp32"}
GEMM = {"a_scale": "*fp16", "w": "*u8", "w_scale": "*fp16", "multiplier": "*u8", "la": "*fp32", "up": "*bf16",
        "bias": "*bf16", "out": "*bf16"}
KERNELS = {     # -> kernel, types of its pointers, constants
    "quantize_w4a4": (quantize_down.w4a4, QUANTIZE | {"codes": "*u8"}, {"UP32": False}),
    "quantize_w4a8": (quantize_down.looked, QUANTIZE | {"most_ptr": "*fp32"}, {"UP32": False}),
    "gemm_w4a4": (gemm_up.w4a4, GEMM | {"a": "*u8"}, {"BIAS": True, "ASM": True}),
    "gemm_w4a8": (gemm_up.w4a8, GEMM | {"a": "*i8"}, {"BIAS": True, "ASM": True}),
    "dequantize": (dequantize.kernel, {"packed": "*u8", "scale": "*fp16", "multiplier": "*u8", "smooth": "*fp16",
                                       "out": "*fp16"}, {"TWO": True, "BN": 16}),
}


def compiled(name: str, cc: int, how: dict) -> dict:
    """A kernel for an architecture with the settings of a row: registers, stack and shared bytes, products.

    For architectures of MACS also the clocks of a product's loop.
    """
    kernel, pointers, const = KERNELS[name]
    options = {key: how[key] for key in ("num_warps", "num_stages") if key in how}
    const = const | {key: value for key, value in how.items() if key not in options}
    const |= {} if name == "dequantize" else {"R": RANK, "RP": launch.power(RANK)}
    made = triton.compile(source(kernel, pointers, const), target=GPUTarget("cuda", cc, 32), options=options)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(made.asm["cubin"])
        told = {flag: subprocess.run([TOOLS / "cuobjdump", flag, file], capture_output=True, text=True, check=True).stdout
                for flag in ("-res-usage", "-sass")}
    registers, stack = map(int, re.search(r"REG:(\d+) STACK:(\d+)", told["-res-usage"]).groups())
    found = {"kernel": name, "cc": cc, "how": how, "registers": registers, "stack": stack, "shared": made.metadata.shared,
             "products": sorted(set(re.findall(r"(?:wgmma\.mma_async|mma)\.sync[\w.:]+", made.asm["ptx"]))),
             "raced": raced(made.asm["ttgir"])}
    if name.startswith("gemm"):
        unpacked = [line for line in made.asm["ttgir"].splitlines() if "elementwise_inline_asm" in line]
        found["along K"] = all("kWidth = 4" in line for line in unpacked)
        found |= clocks(loop(told["-sass"]), cc, how) if cc in MACS else {}
    return found


def raced(code: str) -> bool:
    """Whether Triton's own code reads a shared tile both into registers and by a product that it leaves running.

    Triton 3.6 and 3.7 then keep one copy of that tile too few, and the next one is written over it: sums are wrong now and then.
    """
    running = re.findall(r"warp_group_dot (%\w+), (%\w+),.*isAsync = true", code)
    return any(re.search(rf"local_load {tile}\b", code) for tiles in running for tile in tiles)


def source(kernel, pointers: dict, const: dict) -> ASTSource:
    """A kernel with the types and divisibilities of its arguments, as a launch would find them."""
    signature, constants, hints = {}, {}, {}
    for i, arg in enumerate(kernel.arg_names):
        if arg in const:
            signature[arg], constants[(i,)] = "constexpr", const[arg]
        else:
            signature[arg] = pointers.get(arg, "i32")
            if arg in pointers or arg in ALIGNED:
                hints[(i,)] = [["tt.divisibility", 16]]
    return ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=hints)


def loop(sass: str) -> list[str]:
    """The instructions of the innermost loop that multiplies 8-bit numbers, from disassembled machine code."""
    code = [(int(at, 16), told.strip()) for at, told in re.findall(r"/\*([0-9a-f]{4,5})\*/\s+(.*?);", sass)]
    bodies = []
    for at, told in code:
        back = re.search(r"\bBRA\b.*?0x([0-9a-f]+)", told)
        if back and int(back[1], 16) < at:
            bodies.append([text for place, text in code if int(back[1], 16) <= place <= at])
    return min((body for body in bodies if any(PRODUCT.search(text) for text in body)), key=len)


def clocks(body: list[str], cc: int, how: dict) -> dict:
    """What one turn of that loop costs a multiprocessor, in clocks; and its multiply-accumulates."""
    warps = how["num_warps"]
    macs = sum(64 * int(hit[1]) * 32 * (warps // 4) if hit[1] else 16 * 8 * 32 * warps
               for hit in map(PRODUCT.search, body) if hit)
    names = [re.sub(r"^@!?U?P\w+\s+", "", text).split()[0].split(".")[0] for text in body]
    return {"macs": macs, "issue": len(body) * warps / 4, "tensor": macs / MACS[cc],
            "convert": sum(names.count(unit) * warps * 32 / rate for unit, rate in CONVERTED.items())}


def rows() -> Iterator[tuple[str, int, dict]]:
    """Every (kernel, architecture, settings) that is committed or inherited from the architecture below."""
    for name in launch.table():
        for cc in ARCHITECTURES:
            for _, how in launch.buckets(name, cc):
                yield name, cc, how
    for cc in (75, 90):
        yield "dequantize", cc, {"num_warps": 4}
