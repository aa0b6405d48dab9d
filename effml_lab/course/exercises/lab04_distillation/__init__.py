"""Lab 04, distillation: its exercises, in the order of the lab."""
from . import aware, consistency, critic, floor, halve, multistep, one_call, pairs, target, values

SPREAD, GUIDED, PAYS, EVEN = values.EXERCISES
EXERCISES = [SPREAD, *pairs.EXERCISES, *target.EXERCISES, *floor.EXERCISES, *halve.EXERCISES, GUIDED, *aware.EXERCISES,
             *one_call.EXERCISES, *consistency.EXERCISES, *multistep.EXERCISES, *critic.EXERCISES, PAYS, EVEN]
