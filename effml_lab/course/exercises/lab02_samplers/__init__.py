"""Lab 02, samplers: its exercises, in the order of the lab.

`convergence` measures orders for several of them, `euler` follows the two walks over a table, `slopes` makes Heun's steps.
"""
from . import ddim, dpmpp_2m, grid, heun, order, pf_ode, reverse_sde, score, speed, third_order

MODULES = score, reverse_sde, pf_ode, ddim, heun, dpmpp_2m, order, third_order, grid, speed
EXERCISES = [exercise for module in MODULES for exercise in module.EXERCISES]
