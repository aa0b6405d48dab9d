"""Two of these are answered by the records, so their right answers are taken from there."""
from effml_lab.bench import findings, point

ROWS = point.recorded("samplers")
SURE = [row.nfe or 0 for name, row in ROWS.items() if name == findings.NO_WORSE]
FOUND = [row.nfe or 0 for name, row in ROWS.items() if name == findings.FEWEST]
TIMES = [ROWS[findings.FULL].ms["median"] / ROWS["dpmpp_2m, 10 steps"].ms["median"] for _ in FOUND]

READINGS = {
    "02-read-spread": ([0.75, 0.74, 0.765], [(0.0, ["the ODE gives one"]), (0.5625, ["this is the variance"]),
                                             (1.06, ["both coordinates"]), (0.25, ["one hill"]), (1.0, []), (0.5, [])]),
    "02-read-separable": (FOUND, [(1000, []), (-1, []), (0.5, []), (10, ["cannot tell"])]),
    "02-read-no-worse": (SURE, [(1000, []), (0, ["there is one"]), (10, ["holds 0 is not enough"]),
                                (15, ["not surely", "holds 0 is not enough"])]),
    "02-read-latency": (TIMES, [(0.01, ["upside down"]), (1, []), (1000, [])]),
}
