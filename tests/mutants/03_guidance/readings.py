"""The second of these is answered by the records, so its right answer is taken from there."""
from effml_lab.course.exercises.lab03_guidance import values

READINGS = {
    "03-read-overshoot": ([values.radius(3.0), values.radius(3.0) - 0.03, 1.74],
                          [(1.0, ["w = 1"]), (values.radius(2.0), ["w = 2"]), (values.radius(4.0), ["the paper's"]), (3.0, []),
                           (0.31, []),
                           (values.claimed(3.0), ["the circle"]), (values.radius(3.0) - 1, ["how far the class"])]),
    "03-read-enough": ([values.fewest()], [
        (1000, []), (3.0, ["this is a weight"]), (-1, []), (0.5, []), (0.97, ["this is a share"]), (0, []),
        (40, ["guided everywhere"]), (20, ["steps, not"])]),
}
