"""Readings and predictions of lab 04: right values, and wrong ones with the causes that a report may name for them."""
from effml_lab.course.exercises.lab04_distillation import values

COST, ONCE = values.spent(), values.spent(back=1)
EVEN = values.even(COST)
READINGS = {
    "04-read-pays": ([values.most(values.rows())], [
        (0.5, []), (16, []), (3, ["no student was made"]), (1, ["the fewest:"]), (8, ["it beats DDIM"]),
        (2, ["lead is largest"]), (0, ["solvers of more evaluations"])]),
    "04-read-even": ([EVEN, 1.01 * EVEN], [
        (0.7 * EVEN, []), (2 * EVEN, ["the ratio"]), (values.even(ONCE), ["count once"]),
        (values.even(values.spent(plain=0)), ["calls of the teachers"]), (values.even(COST, 8), ["divided by the eight"]),
        (COST, ["the cost of the training"]), (ONCE, ["a number of calls"]),
        (values.even(values.spent(1, 3)), ["the other way round"]), (values.even(values.spent(1, 0)), ["alone, and once"])]),
}
