"""Lab 01, DDPM: its exercises, in the order of the lab."""
from . import ancestral, ddpm, forward, invert, latency, levels, loss, posterior

MODULES = levels, forward, invert, loss, posterior, ancestral, ddpm, latency
EXERCISES = [exercise for module in MODULES for exercise in module.EXERCISES]
