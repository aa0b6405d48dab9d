"""Kernels that were written in tiles, in Triton's interpreter, beside what the tiles make; run by test_tiles.py."""
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import torch

from effml_lab.bench import written
from effml_lab.course.exercises import find
from effml_lab.course.exercises.lab06_triton_kernels import bed
from effml_lab.efficiency import tiles
from effml_lab.efficiency.kernels.written import jitted

BANKS = Path(__file__).parents[1] / "mutants/06_triton_kernels"
CHOSEN = {"copying": ("copy", "by_pointers"), "rows": ("quantize_rows",), "unpacking": ("unpack",), "dot": ("product", "turned"),
          "layer": ("layer",), "fused": ("quantize_down",), "attention": ("attention",)}
agree = 0


def compiled(kernel, grid, *args, **constants):
    """`launch`, by Triton: nothing is counted."""
    jitted(kernel)[grid](*args, **constants)
    return tiles.Traffic({}, {})


for name, kernels in CHOSEN.items():
    spec = spec_from_file_location(name, BANKS / f"{name}.py")
    bank = module_from_spec(spec)
    sys.modules[name] = bank
    spec.loader.exec_module(bank)
    exercise = find(bank.EXERCISE)
    for kernel in (getattr(bank, each) for each in kernels):
        for case in exercise.cases(torch.Generator().manual_seed(0))[:3]:
            want = exercise.run(kernel, case)
            bed.launch = compiled
            got = exercise.run(kernel, case)
            bed.launch = tiles.launch
            for key, value in want.items():
                if key == "codes":              # a tie may be rounded either way
                    assert (got[key].int() - value.int()).abs().max() <= 1, (name, key)
                elif key != "moved":
                    torch.testing.assert_close(got[key], value, rtol=1e-4, atol=1e-4)
        agree += 1
bank = sys.modules["copying"]
x = torch.randn(8, 16)
given = lambda device: (x, torch.empty(8, 16), 8, 16, 16)
said = written.timed(bank.copy, (2, 1), given, {"BR": 4, "BC": 16}, lambda x, *rest: x.clone(), moved=1024, device="cpu")
assert " ms" in said or "not believed" in said, said
wrong = written.timed(bank.copy, (1, 1), given, {"BR": 4, "BC": 16}, lambda x, *rest: x.clone(), moved=1, device="cpu")
assert "off by" in wrong, wrong
print(f"{agree} kernels agree")
