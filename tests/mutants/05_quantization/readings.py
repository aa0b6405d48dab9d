"""Readings and predictions of lab 05: right values, and wrong ones with the causes that a report may name for them."""
READINGS = {
    "05-guess-smoothing": ([2.0, -1.0, 0.0], []),
    "05-read-width": ([960, 960.0], [(1024, ["above 3"]), (896, []), (3072, []), (832, ["the scales are missing"]), (64, ["narrowest"]),
                                     (512, ["one factor"]), (1920, ["four bytes a number here: 16"])]),
}
