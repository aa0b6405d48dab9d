"""Answers to the readings: right ones, and wrong ones with the causes that a report may name for them."""
READINGS = {
    "01-read-loss": ([], [(0.5, ["a fraction where"]), (10, []), (100, [])]),
    "01-read-swap": ([100], [(200, ["beats DDIM"]), (50, []), (10, [])]),
    "01-read-noise": ([0.3238, 0.307], [(0.105, ["this is the variance"]), (0.05, []), (0.0141, []), (0.02, [])]),
}
