"""Lab 03, guidance: its exercises, in the order of the lab."""
from . import attention, classifier, control, drop, flips, guided, interval, modulate, remember, values

GUESS, OVERSHOOT, ENOUGH = values.EXERCISES
EXERCISES = [*modulate.EXERCISES, *drop.EXERCISES, *classifier.EXERCISES, *guided.EXERCISES, OVERSHOOT, GUESS, *flips.EXERCISES,
             *interval.EXERCISES, ENOUGH, *attention.EXERCISES, *remember.EXERCISES, *control.EXERCISES]
