"""What ties the wings together: checkpoints by name, the recipes that made them, and what was measured on them."""
from . import digits, judge, measured, versus
from .models import denoiser, features, load, read_classes, recognizable
from .point import measure
from .store import card, data_folder, home

TRAIN = {"digits_judge": judge.train, "digits": digits.train}        # each (device, out, steps, minutes) -> a path
BENCH = {"digits": measured.digits, "unet": versus.unet}             # each (out, device) -> where it was recorded
