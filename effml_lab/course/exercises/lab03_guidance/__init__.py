"""Lab 03, guidance: its exercises, in the order of the lab."""
from . import classifier, control, drop, flips, free, interval, modulate, reading, remember, values

GUESS, OVERSHOOT, ENOUGH = values.EXERCISES
EXERCISES = [*modulate.EXERCISES, *drop.EXERCISES, *classifier.EXERCISES, *free.EXERCISES, OVERSHOOT, GUESS, *flips.EXERCISES,
             *interval.EXERCISES, ENOUGH, *reading.EXERCISES, *remember.EXERCISES, *control.EXERCISES]
