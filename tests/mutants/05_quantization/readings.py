"""Readings and predictions of lab 05: right values, and wrong ones with the causes that a report may name for them."""
from effml_lab.course.exercises.lab05_quantization import values

WORTH = values.worth()
READINGS = {
    "05-guess-smoothing": ([2.0, -1.0, 0.0], []),
    "05-read-worth": ([WORTH, round(WORTH, 1)], [
        (WORTH + 1.5, []), (values.paired(), ["picture by picture"]), (values.worth(others="equal bytes, 8"), ["over 8 bits"]),
        (values.worth(others="w4a4, rounded"), ["over rounding alone"]),
        (values.worth(pick=min), ["the worst"]),
        (values.decibels()[values.BRANCH], ["own PSNR"])]),
    "05-read-width": ([1024, 1024.0], [
        (960, ["a multiple of 64"]), (896, ["nearly 3", "scales are missing"]), (3072, []), (128, ["narrowest"]),
        (512, ["one factor"]), (1920, ["four bytes a number here: 16"]), (2048, ["a power of two", "four bytes a number"])]),
}
