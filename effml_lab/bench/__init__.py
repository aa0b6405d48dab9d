"""How each row of data/results is measured: `python -m effml_lab bench NAME` runs `measure(out, device)` of NAME.py here.

It appends to NAME.jsonl; `samplers` also writes spacing.jsonl, `race` is a row of unet.jsonl, `tune` a launch table too.
What they share: `plan_cost` (what a set of samples costs), `real` (what it is held against), `findings` (what the rows of
`samplers` come to), `beds` (the nets of lab 05), `spent` and `lora` (parts of `quant`), `written` (somebody's own kernel on a
GPU), `factors` (which lab attacks which factor of the cost). `point` is what notebooks call: anybody's
sampler on the same plot, and the recorded rows.
"""
from .point import measure, recorded

__all__ = ["measure", "recorded"]
NAMES = ("digits", "samplers", "loop", "unet", "race", "layers", "ranges", "quant", "calibration", "instructions", "kernels",
         "tune", "forward", "gpu", "memory", "shape_search", "candidate", "guidance", "conditions", "plane", "distill",
         "labs", "graders", "tests")
