"""Readings and predictions of lab 06: right values, and wrong ones with the causes that a report may name for them."""
from effml_lab.course.exercises.lab06_triton_kernels import values

SHARE = values.share()
READINGS = {
    "06-guess-rows": ([1, 256, 4096.0], []),
    "06-read-promotion": ([SHARE, round(SHARE)], [
        (values.share("gemm_w4a8"), ["this is w4a8"]), (values.share(cc=80), ["8.0"]), (values.share(cc=89), ["8.9"]),
        (SHARE / 100, ["percent"]), (100 - SHARE, ["what is lost"]), (SHARE + 3, []), (1e4 / SHARE, ["upside down"])]),
    "06-read-saved": ([values.saved(), 25.2, 25], [
        (values.saved(bytes_each=1.0), ["two bytes"]), (values.saved(bytes_each=4.0), ["32 bits"]), (1e6 * values.saved(),
            ["million"]),
        (values.saved(wide=values.OUT), ["M N"]), (75.5, ["both ways"]), (24.0, ["MiB"]), (3.1, [])]),
}
