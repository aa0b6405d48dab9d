"""Kernels that were written in tiles, compiled ahead of time; run by test_tiles.py in a process of its own."""
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from effml_lab.efficiency.kernels.written import jitted

BANKS = Path(__file__).parents[1] / "mutants/06_triton_kernels"
F, B, U, W = "*fp32", "*i8", "*u8", "*i32"
KERNELS = {     # bank -> (kernel, types of its pointers, constants, whether it multiplies tiles)
    "copying": ("copy", {"x": F, "y": F}, {"BR": 32, "BC": 128}, False),
    "rows": ("quantize_rows", {"x": F, "codes": B, "scales": F}, {"BM": 16, "BK": 128}, False),
    "unpacking": ("unpack", {"packed": U, "scales": F, "out": F}, {"BN": 16}, False),
    "dot": ("product", {"a": B, "b": B, "out": W}, {"BM": 128, "BN": 128, "BK": 64}, True),
    "layer": ("layer", {"a": B, "s": F, "b": B, "t": F, "la": F, "up": F, "out": F}, {"RANK": 32, "BM": 64, "BN": 128, "BK": 64},
              True),
    "fused": ("quantize_down", {"x": F, "down": F, "codes": B, "scales": F, "la": F}, {"RANK": 32, "BM": 32}, True),
    "attention": ("attention", {"q": F, "k": F, "v": F, "out": F, "scale": "fp32"}, {"D": 64, "BM": 64, "BN": 64}, True)}
made = 0
for name, (kernel, types, constants, dot) in KERNELS.items():
    spec = spec_from_file_location(name, BANKS / f"{name}.py")
    bank = module_from_spec(spec)
    sys.modules[name] = bank
    spec.loader.exec_module(bank)
    written = jitted(getattr(bank, kernel))
    signature = {arg: "constexpr" if arg in constants else types.get(arg, "i32") for arg in written.arg_names}
    values = {(i,): constants[arg] for i, arg in enumerate(written.arg_names) if arg in constants}
    for cc in (80, 90) if dot else (75, 80, 90):
        triton.compile(ASTSource(fn=written, signature=signature, constexprs=values), target=GPUTarget("cuda", cc, 32),
                       options={"num_warps": 8 if dot else 4})
        made += 1
print(f"{made} kernels compiled")
