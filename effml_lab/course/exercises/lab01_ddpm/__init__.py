"""Lab 01, DDPM: its exercises, in the order of the lab."""
from . import ancestral, ddpm, forward, latency, levels, loss, posterior

EXERCISES = [exercise for module in (levels, forward, loss, posterior, ancestral, ddpm, latency) for exercise in module.EXERCISES]
