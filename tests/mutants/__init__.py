"""Plausible wrong answers that every check must fail, and right ones, written differently, that it must pass.

One file an exercise, in a folder a lab: `EXERCISE` is its id, `RIGHT` a list of right answers, `WRONG` a list of pairs
(answer, fragments of the true causes). A wrong answer must lose points on every seed, and every cause that its report
names must contain one of its fragments: a true cause or none.
"""
