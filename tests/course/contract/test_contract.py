"""The contract of an exercise: what a report displays, what gates, what is caught, captured, watched and restored."""
import importlib
import json
import logging
import os
import random
import sys
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from effml_lab.course import check
from effml_lab.course.contract.attempt import attempt
from effml_lab.course.contract.codec import decode, encode
from effml_lab.course.contract.exercise import Exercise, built, close, reading, same_form
from effml_lab.course.contract.judge import judge
from effml_lab.course.contract.report import Report, shown
from effml_lab.course.exercises import EXERCISES, find
from effml_lab.diffusion import denoise, guess, levels, oracle, samplers, sde
from effml_lab.diffusion.spacings import SPACINGS
from effml_lab.measure import cost

checking = importlib.import_module("effml_lab.course.notebook.check")


def doubled(own=(), weights=None):
    """A toy exercise: return twice the input."""
    def verify(case, out):
        want = 2 * case["x"]
        return [same_form("shape", out, want, case["x"]),
                close("twice the input", out, want, {"three times": lambda: 3 * case["x"]})]
    return Exercise("00-double", "Twice", weights or {"shape": 0, "twice the input": 1},
                    lambda rng: [{"x": torch.randn(n, 3, generator=rng)} for n in (2, 5)],
                    lambda impl, case: impl(case["x"]), verify, own=own)


def marked(impl, exercise=None, seed=0, points=4):
    return judge(exercise or doubled(), impl, points, seed)


# The codec

trees = st.recursive(
    st.none() | st.booleans() | st.integers(-2**60, 2**60) | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.builds(lambda n, k: torch.arange(n * k, dtype=torch.float32).reshape(n, k), st.integers(0, 3), st.integers(1, 3)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4), max_leaves=12)


def same(a, b):
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return len(a) == len(b) and all(map(same, a, b)) if isinstance(a, list) else a == b and type(a) is type(b)


@given(trees)
@settings(max_examples=60, deadline=None)
def test_codec_round_trip(tree):
    assert same(tree, decode(encode(tree)))
    assert encode(tree) == encode(tree)


@pytest.mark.parametrize("tree", [object(), {1: 2}, [np.zeros(2)], lambda: 0, {"a": {3, 4}}, torch.zeros(2).to_sparse()])
def test_codec_refuses_what_is_not_data(tree):
    with pytest.raises(TypeError):
        encode(tree)


@pytest.mark.parametrize("blob", [b"", b"\x80\x04N.", b"\x02\x00\x00\x00\x00\x00\x00\x00{}", encode([1])[:-3]])
def test_codec_refuses_other_bytes(blob):
    with pytest.raises(ValueError, match="not an encoded tree"):
        decode(blob)


def test_codec_takes_views_and_shared_tensors():
    x = torch.arange(6.0).reshape(2, 3)
    assert same(decode(encode([x.T, x, x[0]])), [x.T.contiguous(), x, x[0]])


# What a report displays

@pytest.mark.parametrize("points, of, text", [(5, 5, "5"), (2.5, 5, "2.5"), (1 / 3, 1, "0.33"), (0, 4, "0"), (9, 4, "4"),
                                              (-1, 4, "0"), (float("nan"), 4, "0"), (float("inf"), 4, "0"), (1e-9, 4, "0"),
                                              (40, 40, "40"), (0.1 + 0.2, 0.3, "0.3"), (2 / 3 * 3, 2, "2")])
def test_repr_is_a_plain_number(points, of, text):
    report = Report("00-x", "X", points, of)
    assert repr(report) == text and 0 <= float(repr(report)) <= of


def test_html_is_escaped_and_says_verdicts_in_words():
    report = marked(lambda x: (print("<script>alert(1)</script>"), 3 * x)[1])
    html = report._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert "fails" in html and "holds" in html and "three times" in html and "background" not in html


def test_nbgrader_reads_the_points():
    from IPython.core.interactiveshell import InteractiveShell
    data, _ = InteractiveShell.instance().display_formatter.format(marked(lambda x: 2 * x))
    assert data["text/plain"] == "4" and "<table>" in data["text/html"]


# Gates, causes, errors

def test_right_answer_has_all_points():
    assert repr(marked(lambda x: x + x)) == "4"


@pytest.mark.parametrize("impl, said", [
    (lambda x: None, "None"), (lambda x: x, "handed back"), (lambda x: 0 * x, "all zeros"), (lambda x: x.double() * 2, "float64"),
    (lambda x: 2 * x[:1], "shape (1, 3)"), (lambda x: x / 0, "NaN or infinity"), (lambda x: 7, "int")])
def test_gates(impl, said):
    report = marked(impl)
    assert repr(report) == "0" and said in str(report)


def test_a_cause_is_named_only_if_it_explains_every_failure():
    assert "three times" in str(marked(lambda x: 3 * x))
    assert "three times" not in str(marked(lambda x: (3 if len(x) == 2 else 4) * x))
    assert "three times" not in str(marked(lambda x: 5 * x))


def test_changing_the_input_is_seen():
    report = marked(lambda x: x.mul_(2))
    assert repr(report) == "0" and "in place" in report.note


def careless(x):
    y = 2 * x
    return y[10]


def test_an_exception_is_one_line_with_the_students_line():
    report = marked(careless)
    assert repr(report) == "0" and "IndexError" in report.note and "return y[10]" in report.note
    assert report.note.count("\n") == 0 and "Traceback" not in str(report)


def unwritten(x):
    raise NotImplementedError()


def test_a_stub_is_not_written_yet_and_is_named():
    assert marked(unwritten).note == "Not written yet: `unwritten` is still the stub."
    assert "`unwritten`" in marked(lambda x: unwritten(2 * x)).note             # called by another answer
    said = marked(lambda x: (_ for _ in ()).throw(NotImplementedError("no such kernel"))).note
    assert said.startswith("Your code raised NotImplementedError: no such kernel")          # torch's, with a message


@pytest.mark.parametrize("error", [SystemExit, RecursionError, GeneratorExit, MemoryError])
def test_everything_is_caught(error):
    def impl(x):
        raise error("out")
    assert repr(marked(impl)) == "0"


def test_but_not_the_interrupt():
    def impl(x):
        raise KeyboardInterrupt
    out = sys.stdout
    with pytest.raises(KeyboardInterrupt):
        marked(impl)
    assert sys.stdout is out and os.fstat(1)


def test_an_interrupted_check_says_so_in_one_sentence(monkeypatch, tmp_path):
    def endless(betas):
        raise KeyboardInterrupt         # as if stopped while it ran
    monkeypatch.setenv("EFFML_HOME", str(tmp_path))
    with pytest.raises(checking.Interrupted) as caught:
        check("01-levels", endless, points=3)
    text = " ".join(caught.value._render_traceback_())
    assert text.startswith("Stopped while your code ran (line") and "raise KeyboardInterrupt" in text
    assert isinstance(caught.value, KeyboardInterrupt) and "effml_lab" not in text and not list(tmp_path.iterdir())


def test_a_failing_case_is_at_hand_at_home_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("EFFML_HOME", str(tmp_path))
    right = lambda betas: ((p := (1 - betas).cumprod(0)).sqrt(), (1 - p).sqrt(), p / (1 - p))
    assert check("01-levels", right, points=3).case is None is check.case
    report = check("01-levels", lambda betas: (betas, betas, betas), points=3)
    assert torch.equal(check.case["betas"], report.case["betas"]) and "check.case" in report._repr_html_()
    assert str(round(check.case["betas"][0].item(), 4)) in report._repr_html_()     # small enough to be shown
    check("01-levels", unwritten, points=3)
    assert "betas" in check.case                                                    # also where the code raised
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert "check.case" not in check("01-levels", lambda betas: betas, points=3)._repr_html_()


@pytest.mark.parametrize("value, text", [
    (torch.tensor([1, 2]), "[1, 2] (int64)"), (torch.zeros(3, 5), "shape (3, 5) (float32)"), (0.5, "0.5"),
    ([torch.tensor(1.00001), None], "[1.0 (float32), None]"), (list(range(99)), "99 entries"), ({"a": {"b": 1}}, "a b 1")])
def test_a_case_is_shown_in_a_line(value, text):
    assert shown(value) == text


@pytest.mark.parametrize("id, value, said", [
    ("01-guess-rank", 4, "1, 2 or 3"), ("01-guess-time", -1.0, "a positive number"), ("01-guess-time", 0, "a positive number"),
    ("02-guess-field", 2.5, "a whole number, 1 or more"), ("01-guess-rank", 2, None), ("01-guess-time", 1e4, None),
    ("02-guess-field", torch.tensor(3), None)])
def test_a_prediction_could_come_true(id, value, said, monkeypatch, tmp_path):
    monkeypatch.setenv("EFFML_HOME", str(tmp_path))
    report = check(id, value, points=1)
    assert repr(report) == ("0" if said else "1") and (said or "") in str(report) and not report.foot


@pytest.mark.parametrize("value, said", [(30, "a higher value"), (90, "a lower value"), (0.5, "a higher value")])
def test_a_wrong_reading_is_told_its_direction_and_not_the_answer(value, said):
    row, = judge(reading("00-x", "X", lambda: (40, 60), lambda: {"a fraction": (0.4, 0.6)}), value, 2, 0).rows
    assert row[0].expected == said and "40" not in str(row) and "60" not in str(row)
    assert bool(row[0].causes) == (value == 0.5)


@pytest.mark.parametrize("id", [id for id, exercise in EXERCISES.items() if exercise.kind == "value"])
def test_nothing_about_a_value_lies_in_its_case(id):
    """What is in a case is shown beside a failure, and lies in check.case."""
    exercise, report = find(id), judge(find(id), -12345.0, 2, 0)
    assert exercise.cases(torch.Generator()) == [{}] and not report.case and "<details>" not in report._repr_html_()


@pytest.mark.parametrize("value", [True, np.bool_(True), torch.tensor(True), 10**400])
def test_what_is_no_finite_number_is_no_prediction(value):
    report = judge(find("01-guess-time"), value, 1, 0)
    assert repr(report) == "0" and not report.note.startswith("Your code raised")


def test_a_fault_of_the_check_is_not_blamed_on_the_answer():
    def broken(case, out):
        raise ZeroDivisionError
    report = judge(Exercise("00-x", "X", {"a": 0, "b": 1}, lambda rng: [{}], lambda impl, case: 1.0, broken), lambda: 1, 2, 0)
    assert repr(report) == "0" and "fault of the check" in report.note and [holds for _, holds in report.rows] == [None, None]


@pytest.mark.parametrize("impl, said", [(denoise.Denoiser(lambda x, t: x), "the package's own `Denoiser`"),
                                        (None, "No answer yet"), (..., "No answer yet"), (3, "Hand over the function"),
                                        (torch.ones(2), "Hand over the function")])
def test_what_is_no_function_is_refused(impl, said):
    report = marked(impl)
    assert repr(report) == "0" and said in report.note


def test_unknown_exercise_is_one_sentence():
    with pytest.raises(ValueError, match="did you mean '01-levels'"):
        check("01-level", careless, points=1)


# The student's answer is the student's

def steps(denoise, x, grid):
    return samplers.ddim(denoise, x, grid)


@pytest.mark.parametrize("impl", [samplers.ddpm, partial(samplers.ddpm, variance="small"), steps, partial(samplers.ddim, eta=1.0),
                                  lambda d, x, g, variance="small", rng=None: list(samplers.ddpm(d, x, g, variance, rng)),
                                  lambda d, x, g, variance="small", rng=None: samplers.SAMPLERS["ddpm"](d, x, g, variance, rng)])
def test_the_packages_own_version_scores_nothing(impl):
    if impl is steps:
        impl = lambda d, x, g, variance="small", rng=None: steps(d, x, g)
    report = judge(find("01-ddpm"), impl, 5, 0)
    assert repr(report) == "0" and "the package's own `dd" in report.note


def by_schedule(betas):
    level = levels.from_betas(betas)(torch.arange(float(len(betas))), like=betas)
    return level.alpha, level.sigma, (level.alpha / level.sigma) ** 2


def by_loss(predict_eps, x0, abar, rng):
    return denoise.loss(predict_eps, x0, levels.from_alphas_cumprod(abar), rng=rng)


def by_denoiser(x, t, abar, eps):
    level = levels.Level(t, *((f.reshape(-1, *[1] * (x.ndim - 1))) for f in (abar[t].sqrt(), (1 - abar[t]).sqrt())))
    return denoise.Denoiser(lambda x, t: eps)(x, level)


def by_step(x, x0, t, abar):
    cur, nxt = (levels.Level(0.0, float(a) ** 0.5, float(1 - a) ** 0.5) for a in (abar[t], abar[t - 1]))
    return samplers.step(x, x0, cur, nxt, samplers.share(cur, nxt)), 0.0, 0.0


def by_sampler(predict_eps, x, betas, rng):
    schedule = levels.from_betas(betas)
    net = denoise.Denoiser(lambda x, t: predict_eps(x, int(t[0])))
    return samplers.last(samplers.ddpm(net, x, schedule.grid(len(betas), "leading"), "large", rng))


def by_mixture(x, means, std, alpha, sigma):
    return oracle.GaussianMixture(means, std).score(x, levels.Level(0.0, alpha, sigma))


def by_sde(score, x, betas, rng, walk=sde.euler_maruyama):
    denoise = lambda x, level: (x + level.sigma**2 * score(x, int(level.t))) / level.alpha
    times = [float(t) for t in reversed(range(len(betas)))]
    return samplers.last(walk(denoise, x, levels.from_betas(betas), times, rng))


def by_middle(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        yield (x := guess.middle(denoise(x, cur), denoise(x, cur), cur, nxt, nxt) if nxt.sigma else denoise(x, cur))


def by_forecast(denoise, x, grid):
    for cur, nxt in pairwise(grid):
        yield (x := samplers.step(x, guess.forecast([denoise(x, cur)], [nxt.lam, cur.lam]), cur, nxt))


@pytest.mark.parametrize("id, impl, name", [
    ("01-levels", by_schedule, "from_alphas_cumprod"), ("01-loss", by_loss, "loss"), ("01-posterior", by_step, "step"),
    ("01-forward", lambda x0, t, abar, eps: denoise.noised(x0, levels.Level(t, 1.0, 0.0), eps), "noised"),
    ("01-invert", (by_denoiser, lambda x, t, abar, x0: x), "Denoiser.__call__"), ("01-ancestral", by_sampler, "ddpm"),
    ("01-latency", lambda fn, warmup, repeats, clock, sync: cost.timed(fn, warmup, repeats, sync, clock)[:2], "timed"),
    ("02-score", by_mixture, "GaussianMixture.denoise"), ("02-reverse-sde", by_sde, "euler_maruyama"),
    ("02-pf-ode", lambda score, x, betas: by_sde(score, x, betas, None, sde.pf_ode), "pf_ode"),
    ("02-ddim", lambda denoise, x, grid: samplers.ddim(denoise, x, grid), "ddim"),
    ("02-grid", lambda n, high, low, rho=7: [level.sigma for level in levels.edm(high, low).grid(n, "karras")], "Schedule.grid"),
    ("02-grid", lambda n, high, low, rho=7: SPACINGS["karras"](n, (high, low)), "_karras"),
    ("02-heun", lambda denoise, x, grid: samplers.heun(denoise, x, grid), "heun"),
    ("02-dpmpp-2m", lambda denoise, x, grid: list(samplers.SAMPLERS["dpmpp_2m"](denoise, x, grid)), "dpmpp_2m"),
    ("02-heun", by_middle, "middle"), ("02-dpmpp-2m", by_forecast, "forecast"),
    ("01-invert", (lambda x, t, abar, eps: denoise.PREDICTIONS["eps"].to_x0(eps, x, levels.Level(0.0, 0.6, 0.8)),
                   lambda x, t, abar, x0: x), "effml_lab.diffusion.denoise"),
    ("02-third-order", lambda x0s, lams: guess.forecast(x0s, lams), "forecast")])
def test_every_exercise_watches_the_packages_version(id, impl, name):
    report = judge(find(id), impl, 5, 0)
    assert repr(report) == "0" and f"the package's own `{name}`" in report.note


def test_the_watch_sees_other_threads_and_leaves_the_profiler_alone():
    import threading

    def helper(x):
        return 2 * x

    def impl(x):
        thread = threading.Thread(target=helper, args=(x,))
        thread.start(), thread.join()
        return 2 * x
    before = sys.getprofile()
    assert "helper" in marked(impl, doubled(own=(helper,))).note
    assert sys.getprofile() is before


# Captured and restored

def noisy(x):
    from tqdm import tqdm
    print("on stdout")
    print("on stderr", file=sys.stderr)
    logging.getLogger("noisy").warning("from logging")
    list(tqdm(range(3)))
    os.write(2, b"from C, on 2\n")
    os.write(1, b"from C, on 1\n")
    os.system("echo from a child >&2")
    return 2 * x


def test_printing_is_kept_out_and_shown(capfd):
    handler = logging.StreamHandler(sys.stderr)
    logging.getLogger("noisy").addHandler(handler)
    report = marked(noisy)
    logging.getLogger("noisy").removeHandler(handler)
    assert repr(report) == "4"
    for said in ("on stdout", "on stderr", "from logging", "3/3", "from C, on 2", "from C, on 1", "from a child"):
        assert said in report.printed
    seen = capfd.readouterr()
    assert seen.out == "" and seen.err == ""


class NotebookStream:
    """Like ipykernel's: no file descriptor, held by whoever took it."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_a_stream_held_by_a_log_handler_is_diverted(monkeypatch):
    stream = NotebookStream()
    monkeypatch.setattr(sys, "stderr", stream)
    handler = logging.StreamHandler(stream)
    logging.getLogger("held").addHandler(handler)
    report = marked(lambda x: (logging.getLogger("held").warning("held"), 2 * x)[1])
    logging.getLogger("held").removeHandler(handler)
    stream.write("after")
    assert "held" in report.printed and stream.text == "after"


def test_one_stream_may_be_both(monkeypatch, capfd):
    stream = NotebookStream()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    report = marked(lambda x: (print("said"), 2 * x)[1])
    os.write(1, b"as before")
    assert "said" in report.printed and sys.stdout is stream and capfd.readouterr().out == "as before"


def test_long_output_is_cut():
    assert len(marked(lambda x: (print("x" * 10**6), 2 * x)[1]).printed) <= 2000


def unsettling(x):
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_grad_enabled(False)
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    torch.set_num_threads(1)
    os.chdir("/")
    return x + x


def test_the_world_is_put_back():
    torch.manual_seed(5), np.random.seed(5), random.seed(5)
    state = lambda: (torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled(), torch.get_num_threads(),
                     os.getcwd())
    before = state()
    marked(unsettling)
    assert before == state()
    after = torch.rand(1), np.random.rand(), random.random()
    torch.manual_seed(5), np.random.seed(5), random.seed(5)
    assert after == (torch.rand(1), np.random.rand(), random.random())


def test_an_attempt_is_plain_data():
    result = attempt(lambda impl, case: impl(case["x"]), lambda x: x * 2, encode({"x": torch.ones(2)}))
    assert isinstance(result.out, bytes) and not result.changed and result.error is None
    assert json.dumps([result.error, result.called, result.printed])


# The kind "module": the student writes forward, the weights come from the case

class Affine(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, 2)

    def forward(self, x):
        return self.linear(x)


class Forgetful(Affine):
    def forward(self, x):
        return x @ self.linear.weight.T


class Renamed(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(width, 2)


def module_exercise():
    def cases(rng):
        weights = {"linear.weight": torch.randn(2, 3, generator=rng), "linear.bias": torch.randn(2, generator=rng)}
        return [{"weights": weights, "x": torch.randn(4, 3, generator=rng)}]

    def verify(case, out):
        w = case["weights"]
        want = case["x"] @ w["linear.weight"].T + w["linear.bias"]
        return [same_form("shape", out, want), close("an affine map", out, want, {
            "the bias is missing": lambda: want - w["linear.bias"]})]
    return Exercise("00-affine", "Affine", {"shape": 0, "an affine map": 1}, cases,
                    lambda impl, case: built(impl, case["weights"], width=3)(case["x"]), verify, kind="module")


def test_a_module_is_judged_with_the_cases_weights():
    assert repr(marked(Affine, module_exercise())) == "4"
    assert "the bias is missing" in str(marked(Forgetful, module_exercise()))
    report = marked(Renamed, module_exercise())
    assert repr(report) == "0" and "linear.weight" in report.note


# Seeds and marks: at home, under validate, under autograde

@pytest.fixture
def seen(monkeypatch, tmp_path):
    """The seeds that a check used, and a home of its own."""
    used = []
    seeing = lambda exercise, impl, points, seed: used.append(seed) or Report("00-x", "X", impl, points)
    monkeypatch.setattr(checking, "judge", seeing)
    monkeypatch.setenv("EFFML_HOME", str(tmp_path))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.setitem(checking.SEED, "used", checking.PUBLIC_SEED)
    return used


def test_at_home_the_seed_is_public_and_the_mark_is_kept(seen, tmp_path):
    check("01-levels", 2.0, points=3)
    assert seen == [checking.PUBLIC_SEED]
    row = json.loads((tmp_path / "marks.jsonl").read_text())
    assert (row["exercise"], row["points"], row["of"]) == ("01-levels", 2.0, 3)


def test_under_autograde_the_seed_is_the_graders_and_nothing_is_kept(seen, monkeypatch, tmp_path):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    checking.use(7)
    assert repr(check("01-levels", 2.0, points=3)) == "2"
    assert seen == [7] and not list(tmp_path.iterdir())


def test_under_validate_a_shortfall_is_an_exception_with_short_lines(monkeypatch, tmp_path):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    monkeypatch.setenv("EFFML_HOME", str(tmp_path))
    with pytest.raises(checking.Unfinished) as caught:
        check("01-levels", lambda betas: (betas.sqrt(), betas, betas), points=3)
    lines = caught.value._render_traceback_()
    assert all(len(line) <= 75 for line in lines) and any("fails" in line for line in lines)
    assert not list(tmp_path.iterdir())


def test_other_seeds_give_other_inputs_of_the_same_kinds():
    exercise = find("01-levels")
    cases = [exercise.cases(torch.Generator().manual_seed(s)) for s in (1, 2)]
    assert not torch.equal(cases[0][1]["betas"][:5], cases[1][1]["betas"][:5])


def test_a_home_that_cannot_be_written_costs_nothing(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EFFML_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    assert repr(check("01-guess-rank", 3, points=1)) == "1"
    assert "EFFML_HOME" in capsys.readouterr().out
