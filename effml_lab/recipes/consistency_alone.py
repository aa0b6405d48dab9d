"""A consistency model trained from pictures alone, without its teacher's guesses (Song et al. 2023, section 5); lab 04.

It begins with the weights of the course model all the same, as `consistency` does, so that the two differ in the guess alone.
"""
from functools import partial

from . import consistency

train = partial(consistency.train, name="consistency_alone", distilled=False)
