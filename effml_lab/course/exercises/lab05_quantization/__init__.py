"""Lab 05, quantization: its exercises, in the order of the lab."""
from . import channel, layer, lora, packing, path, rounding, size, smoothing, splitting, values

SMOOTHING, WORTH, WIDTH = values.EXERCISES
EXERCISES = [*rounding.EXERCISES, *channel.EXERCISES, *packing.EXERCISES, *smoothing.EXERCISES, *splitting.EXERCISES,
             *layer.EXERCISES, SMOOTHING, WORTH, *size.EXERCISES, WIDTH, *lora.EXERCISES, *path.EXERCISES]
