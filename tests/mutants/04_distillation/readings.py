"""Readings and predictions of lab 04: right values, and wrong ones with the causes that a report may name for them."""
from effml_lab.course.exercises.lab04_distillation import values

EVEN = values.even()
READINGS = {
    "04-read-pays": ([values.most(values.rows())], [
        (0.5, []), (16, []), (3, ["no student was made"]), (1, ["the fewest:"]), (8, ["it beats DDIM"])]),
    "04-read-even": ([EVEN, 1.01 * EVEN], [
        (2 * EVEN, []), (values.even(back=1), ["count once"]), (values.even(plain=False), ["calls of the teachers"]),
        (values.even(saves=8), ["divided by the eight"]), (values.even(saves=1), ["the cost of the training"])]),
}
