"""Lab 01, DDPM: its exercises, in the order of the lab."""
from . import ancestral, ddpm, forward, invert, latency, levels, loss, posterior

EXERCISES = [exercise for module in (levels, forward, invert, loss, posterior, ancestral, ddpm, latency) for exercise in module.EXERCISES]
