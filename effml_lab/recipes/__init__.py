"""What ties the wings together: checkpoints by name, the recipes that made them, and what was measured on them."""
from . import counted, digits, judge, kernels, layers, loop, measured, overtime, race, reader, shapes, speed, tuned, versus
from .models import denoiser, features, load, read_classes, recognizable
from .point import measure, recorded
from .reader import attributes
from .store import card, data_folder, home

TRAIN = {"digits_judge": judge.train, "digits": digits.train,       # each (device, out, steps, minutes) -> a path
         "shapes_judge": reader.train, "shapes": shapes.train}
BENCH = {"digits": measured.digits, "samplers": speed.samplers,      # each (out, device) -> where it was recorded
         "loop": loop.loop, "unet": versus.unet, "race": race.race, "quant": layers.quantized,
         "calibration": overtime.calibration, "instructions": counted.instructions,
         "kernels": kernels.kernels, "tune": tuned.tune}
