"""Lab 01: x0 from eps and back, at a level (Ho et al. 2020, eq. 4, solved for either).

The batches of the forward step. Each function is judged by itself, the other may still be a stub; there and back is asked
only where one of them alone does not already tell why it fails.
"""
from torch import Tensor

from ....diffusion.denoise import PREDICTIONS, Denoiser
from ...contract.exercise import Exercise, Property, Unanswered, close
from ..common import all_formed, column, lined_up
from .forward import ROUGH, VARIANCE, batch_cases, flat_row, flattened, foreign

FLAT, STUB = "as many dimensions as x has", "stub"
BOTH = "both square roots are missing: alpha-bar and 1 - alpha-bar are variances"


def invert_run(impl, case):
    if not isinstance(impl, (tuple, list)) or len(impl) != 2:
        raise Unanswered("Hand over both functions: (x0_from_eps, eps_from_x0).")
    x, t, abar, given = case["x0"], case["t"], case["abar"], case["eps"]            # any x will do
    with lined_up(len(x), like="x"):
        x0, eps = (written(part, x, t, abar, given) for part in impl)
        if x0 is STUB and eps is STUB:
            return [part(x, t, abar, given) for part in impl]
        back = impl[1](x, t, abar, x0) if isinstance(x0, Tensor) and isinstance(eps, Tensor) else None
    off = [flattened(lambda x, e: part(x, t, abar, e), x, given) for part, got in zip(impl, (x0, eps)) if isinstance(got, Tensor)]
    return {"x0": x0, "eps": eps, "back": back, "off": off}


def written(part, *arguments):
    """One of two functions may still be a stub: the other is judged."""
    try:
        return part(*arguments)
    except NotImplementedError as error:
        if str(error):
            raise
        return STUB


def invert_verify(case, out):
    x, t, abar, given = case["x0"], case["t"], case["abar"], case["eps"]
    parts = [part for part in (out["x0"], out["eps"]) if not (part is None or isinstance(part, str))]
    form = all_formed("shape and dtype of x", parts or [None], x, x)
    if not form.readable:
        return [form]
    a, e = column(abar[t], x), ROUGH * 10
    rows = [unwritten(solved_x0(x, a, given, foreign(t, abar, x), out["x0"], e), out["x0"]),
            unwritten(solved_eps(x, a, given, foreign(t, abar, x), out["eps"], e), out["eps"])]
    if rows[0].passed == rows[1].passed and out["back"] is not None:       # else one of the two says it already
        rows.append(close("there and back gives the same eps", out["back"], given, None, e * 10))
    return [form, *rows, flat_row(FLAT, out["off"] or ["nothing to compare"])]


def unwritten(row: Property, got) -> Property:
    return row._replace(observed="not written yet") if isinstance(got, str) else row


def solved_x0(x, a, given, others: dict, got, e: float) -> Property:
    alpha, s = a.sqrt(), (1 - a).sqrt()
    return close("x0_from_eps: the picture that goes with eps", got, (x - s * given) / alpha, {
        "divided by alpha-bar: its square root belongs there": lambda: (x - s * given) / a,
        VARIANCE: lambda: (x - (1 - a) * given) / alpha,
        BOTH: lambda: (x - (1 - a) * given) / a,
        "the noise is not scaled by sigma": lambda: (x - given) / alpha,
        "1 - sqrt(alpha-bar): take the root after the difference": lambda: (x - (1 - alpha) * given) / alpha,
        "sqrt(1 - alpha): alpha² belongs under the root": lambda: (x - (1 - alpha).sqrt() * given) / alpha,
        "divided by sigma: alpha multiplies x0, so alpha divides": lambda: (x - s * given) / s,
        "only x is divided by alpha: put brackets around x - sigma eps": lambda: x / alpha - s * given,
        "the sign: it is x less sigma eps": lambda: (s * given - x) / alpha,
        "this turns v into x0: here eps is given": lambda: alpha * x - s * given,
        "the division by alpha is missing": lambda: x - s * given,
        "multiplied by alpha: divide by it": lambda: (x - s * given) * alpha,
        "plus where minus belongs": lambda: (x + s * given) / alpha,
        "only the noise is divided by alpha: put brackets around x - sigma eps": lambda: x - s * given / alpha,
        "alpha and sigma are swapped": lambda: (x - alpha * given) / s,
        "this is eq. 4 again, not solved for x0": lambda: alpha * x + s * given,
        "alpha-bar where alpha belongs": lambda: (x - (1 - a**2).sqrt() * given) / a,
        "the picture is clipped to -1 ... 1: here it is only solved for": lambda: ((x - s * given) / alpha).clamp(-1, 1),
        **{said: (lambda v=v: (x - (1 - v).sqrt() * given) / v.sqrt()) for said, v in others.items()}}, e)


def solved_eps(x, a, given, others: dict, got, e: float) -> Property:
    alpha, s = a.sqrt(), (1 - a).sqrt()
    return close("eps_from_x0: the noise that goes with x0", got, (x - alpha * given) / s, {
        "divided by the variance: its square root belongs there": lambda: (x - alpha * given) / (1 - a),
        BOTH: lambda: (x - a * given) / (1 - a),
        "x0 is not scaled by alpha": lambda: (x - given) / s,
        "x0 is scaled by alpha-bar: its square root belongs there": lambda: (x - a * given) / s,
        "the division by sigma is missing": lambda: x - alpha * given,
        "multiplied by sigma: divide by it": lambda: (x - alpha * given) * s,
        "the sign: it is x less alpha x0": lambda: (alpha * given - x) / s,
        "1 - sqrt(alpha-bar): take the root after the difference": lambda: (x - alpha * given) / (1 - alpha),
        "sqrt(1 - alpha): alpha² belongs under the root": lambda: (x - alpha * given) / (1 - alpha).sqrt(),
        "divided by alpha: sigma multiplies eps, so sigma divides": lambda: (x - alpha * given) / alpha,
        "only x is divided by sigma: put brackets around x - alpha x0": lambda: x / s - alpha * given,
        "this is the score, -eps / sigma": lambda: -(x - alpha * given) / (1 - a),
        "plus where minus belongs": lambda: (x + alpha * given) / s,
        "only x0 is divided by sigma: put brackets around x - alpha x0": lambda: x - alpha * given / s,
        "alpha and sigma are swapped": lambda: (x - s * given) / alpha,
        "alpha-bar where alpha belongs": lambda: (x - a * given) / (1 - a**2).sqrt(),
        **{said: (lambda v=v: (x - v.sqrt() * given) / (1 - v).sqrt()) for said, v in others.items()}}, e)


EXERCISES = (Exercise("01-invert", "x0 from eps, and back", {
    "shape and dtype of x": 0, "x0_from_eps: the picture that goes with eps": 1, "eps_from_x0: the noise that goes with x0": 1,
    "there and back gives the same eps": 0.5, FLAT: 0.25}, batch_cases, invert_run, invert_verify,
    own=(Denoiser.__call__, PREDICTIONS["eps"].to_x0)),)
