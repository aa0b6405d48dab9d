"""Every scheduler of diffusers: followed, with the difference to its own loop, or refused in one sentence.

Two comparisons. *Levels*: the scheduler's own loop around a network that knows one image only and answers by our level at
its t. Whatever the solver, it must end at that image. *Steps*: the whole trajectory of a random network by model.sampler,
from the noise that model.start draws, against the scheduler's loop.
The table of the README is drawn from the same comparisons: `EFFML_DRAW=1 pytest -n 0 tests/hub/test_every_scheduler.py`.
"""
import importlib
import inspect
import math
import os
import pkgutil
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from effml_lab import hub
from effml_lab.course.authoring.readme import between
from effml_lab.diffusion.denoise import PREDICTIONS
from effml_lab.diffusion.samplers import last
from effml_lab.folders import checkout
from effml_lab.hub.refused import REFUSED
from effml_lab.hub.laws import LAWS, mirrored
from effml_lab.hub.solvers import own

diffusers = pytest.importorskip("diffusers")
from diffusers.configuration_utils import FrozenDict
from pipelines import draw

pytestmark = pytest.mark.filterwarnings("ignore")
PLAIN, V, FLOW = {"clip_sample": False}, {"prediction_type": "v_prediction"}, {"use_flow_sigmas": True, "flow_shift": 3.0}
ZERO = V | {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
VELOCITY = FLOW | {"prediction_type": "flow_prediction"}
SPACED = [{"timestep_spacing": spacing} for spacing in ("linspace", "leading", "trailing")]
SOLVERS = [V, {"use_karras_sigmas": True}, VELOCITY, FLOW]
SETTINGS = {        # what each class is tried with besides its defaults; DDIM's clip the guess, and their steps are not ours
    "DDIMScheduler": [PLAIN, PLAIN | ZERO, PLAIN | {"set_alpha_to_one": False, "steps_offset": 1}],
    "DDIMParallelScheduler": [PLAIN, PLAIN | {"prediction_type": "sample"}],
    "DDPMScheduler": [PLAIN, {"variance_type": "fixed_large"} | V, {"timestep_spacing": "trailing"}],
    "DDPMParallelScheduler": [PLAIN],
    "CogVideoXDDIMScheduler": [V | {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}],
    "CogVideoXDPMScheduler": [V],
    "PNDMScheduler": [{"skip_prk_steps": True}, {"skip_prk_steps": True, "steps_offset": 1}],    # v: it averages raw outputs
    "EulerDiscreteScheduler": [*SPACED[1:], ZERO, V | {"timestep_type": "continuous"}, {"use_karras_sigmas": True},
                               {"interpolation_type": "log_linear"}, {"final_sigmas_type": "sigma_min"}],
    "EulerAncestralDiscreteScheduler": [*SPACED[1:], ZERO],
    "HeunDiscreteScheduler": [*SPACED[1:], V, {"clip_sample": True}, {"use_exponential_sigmas": True}],
    "LMSDiscreteScheduler": [*SPACED[1:], {"use_beta_sigmas": True}],
    "KDPM2DiscreteScheduler": [V | {"use_karras_sigmas": True}],
    "KDPM2AncestralDiscreteScheduler": [],
    "DPMSolverMultistepScheduler": [*SOLVERS, ZERO, {"solver_order": 3}, {"solver_order": 1}, {"use_lu_lambdas": True},
                                    {"algorithm_type": "sde-dpmsolver++"}, {"solver_type": "heun"},
                                    {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}],
    "DPMSolverSinglestepScheduler": [*SOLVERS, {"solver_order": 1},
                                     {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}],
    "DEISMultistepScheduler": [*SOLVERS, {"solver_order": 1}],
    "UniPCMultistepScheduler": [*SOLVERS, ZERO, {"solver_order": 3}],
    "SASolverScheduler": [{"tau_func": lambda t: 0} | more for more in SOLVERS],       # it ends in noise: none is drawn
    "FlowMatchEulerDiscreteScheduler": [{"shift": 3.0}, {"use_karras_sigmas": True}, {"shift_terminal": 0.1}],
    "FlowMatchHeunDiscreteScheduler": [{"shift": 3.0}],
    "LTXEulerAncestralRFScheduler": [{"eta": 0.0}],
    "EDMEulerScheduler": [V, {"sigma_schedule": "exponential"}],
    "EDMDPMSolverMultistepScheduler": [V, {"solver_order": 3}, {"final_sigmas_type": "sigma_min"}],
}
CASES = [(name, settings) for name in LAWS if hasattr(diffusers, name)
         for settings in ([] if name == "SASolverScheduler" else [{}]) + SETTINGS[name]]


def known() -> set[str]:
    """The names of all schedulers of diffusers, also of those whose module needs what is not installed."""
    import diffusers.schedulers as home
    found = {name for name in dir(diffusers) if name.endswith("Scheduler") and inspect.isclass(getattr(diffusers, name))}
    for module in pkgutil.walk_packages(home.__path__, home.__name__ + "."):
        try:
            classes = inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
        except ImportError:
            continue
        found |= {name for name, kind in classes if issubclass(kind, diffusers.SchedulerMixin)}
    return found - {"SchedulerMixin"}


def test_every_class_is_followed_or_refused():
    assert not set(LAWS) & set(REFUSED) and set(SETTINGS) == set(LAWS)
    assert known() <= set(LAWS) | set(REFUSED)


class UNet2DModel(nn.Module):
    """A quick stand-in for diffusers' class of this name: random, bent, and it knows the time."""
    config = FrozenDict({"in_channels": 3, "out_channels": 3, "sample_size": 8})

    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 3, padding=1)
        nn.init.normal_(self.mix.weight, std=0.3, generator=torch.Generator().manual_seed(0))
        nn.init.zeros_(self.mix.bias)

    def forward(self, x: Tensor, timestep: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        return (self.mix(x).tanh() + 0.1 * (timestep / 300).cos().reshape(-1, 1, 1, 1),)


NET = UNet2DModel().eval()


@cache
def made(k: int):
    name, settings = CASES[k]
    return getattr(diffusers, name)(**settings)


class Loop:
    """A scheduler's own loop around net(x, t) -> what its networks predict."""

    def __init__(self, scheduler, n: int, rng: torch.Generator):
        self.scheduler = scheduler
        scheduler.set_timesteps(n)
        takes = inspect.signature(scheduler.step).parameters
        self.given = {"generator": rng} if "generator" in takes else {}
        self.cogvideo = "old_pred_original_sample" in takes

    def run(self, net, x: Tensor) -> Tensor:
        old, times = None, self.scheduler.timesteps
        for before, t in zip([None, *times], times):
            seen = self.scheduler.scale_model_input(x, t) if hasattr(self.scheduler, "scale_model_input") else x
            given = self.given | ({"old_pred_original_sample": old, "timestep_back": before} if self.cogvideo else {})
            with torch.no_grad():
                x, *rest = self.scheduler.step(net(seen, t), t, x, return_dict=False, **given) if not self.cogvideo else \
                    self.scheduler.step(net(seen, t), timestep=t, sample=x, return_dict=False, **given)
            old = rest[0] if self.cogvideo else None
        return x


def off_the_image(k: int, n: int) -> float:
    """How far the scheduler's loop ends from the one image that its network knows, if it asks by our levels."""
    name, scheduler = CASES[k][0], made(k)
    model, edm = hub.from_diffusers(NET, scheduler), name.startswith("EDM")
    grid, image, eps = model.grid(n), draw(1, 3, 4, 4, seed=5).clamp(-1, 1), draw(1, 3, 4, 4)
    rule, sign = PREDICTIONS[LAWS[name].read(scheduler)[0]], -1.0 if mirrored(scheduler) else 1.0

    def answer(seen: Tensor, t: Tensor) -> Tensor:
        level = min((level for level in grid if level.sigma), key=lambda level: abs(level.t - float(t)))
        assert abs(level.t - float(t)) <= (0.51 if "KDPM2A" in name else 1e-4)
        x = seen / rule.scale(level) if edm else seen
        return sign * rule.target(image, (x - level.alpha * image) / level.sigma, level)

    begin = (grid[0].alpha * image + grid[0].sigma * eps) / (grid[0].alpha if carries_ratio(name) else 1)
    end = Loop(scheduler, n, torch.Generator().manual_seed(0)).run(answer, begin)
    left = grid[-1].sigma * eps / (grid[-1].alpha if carries_ratio(name) else 1)            # what noise a grid ends with
    return (end - (image if carries_ratio(name) else grid[-1].alpha * image) - left).abs().max().item()


def carries_ratio(name: str) -> bool:
    return name.startswith(("Euler", "Heun", "LMS", "KDPM2"))


def off_the_steps(k: int, n: int) -> float:
    """The largest difference of our trajectory's end from that of the scheduler's loop, over the largest entry."""
    name, scheduler = CASES[k][0], made(k)
    model, shape = hub.from_diffusers(NET, scheduler), (2, 3, 8, 8)
    grid = model.grid(n)
    rng = torch.Generator().manual_seed(1)
    x = model.start(shape, grid, rng)
    ours = last(model.sampler(model.denoise, x, grid, **({"rng": rng} if "rng" in takes(model.sampler) else {})))
    rng = torch.Generator().manual_seed(1)
    loop = Loop(scheduler, n, rng)
    begin = torch.randn(shape, generator=rng) * getattr(scheduler, "init_noise_sigma", 1.0)
    theirs = loop.run(lambda seen, t: NET(seen, t.to(seen))[0], begin)
    if carries_ratio(name):
        theirs = theirs * grid[-1].alpha
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def takes(sampler) -> set[str]:
    return set(inspect.signature(getattr(sampler, "func", sampler)).parameters)


@cache
def levels(k: int) -> float:
    return off_the_image(k, 10)


@cache
def steps(k: int) -> float | None:
    counts = (10, 20) if "solver_order" in made(k).config else (10,)        # below 15 these solvers end in another way
    return max(off_the_steps(k, n) for n in counts) if own(made(k)) else None


def told(k: int) -> str:
    name, settings = CASES[k]
    return ", ".join([name, *(f"{key}={value}" for key, value in settings.items() if key != "tau_func")])


@pytest.mark.parametrize("k", range(len(CASES)), ids=told)
def test_the_network_is_asked_by_our_levels_and_the_steps_are_ours(k):
    assert levels(k) < 2e-5 and (steps(k) or 0) < 1e-5


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_refused_says_why(name):
    stand_in = type(name, (), {"set_timesteps": None, "config": FrozenDict()})()
    with pytest.raises(ValueError, match=f"^{name} is not followed: "):
        hub.from_diffusers(NET, stand_in)


ALONE = "levels and network only"


@cache
def sampler_of(k: int) -> str:
    sampler = own(made(k))
    return getattr(sampler, "func", sampler).__name__.replace("_third", "dpmpp_3m") if sampler else ALONE


def rows() -> list[tuple[str, str, float]]:
    """(our sampler, the schedulers whose steps it makes, the largest difference), the most first; then those without one."""
    found: dict[str, dict[str, list[int]]] = {}
    for k, (name, _) in enumerate(CASES):
        found.setdefault(sampler_of(k), {}).setdefault(name, []).append(k)
    ordered = sorted(found.items(), key=lambda item: (item[0] == ALONE, -len(item[1])))
    return [(how, ", ".join(noted(name, ks) for name, ks in names.items()),
             max(max(levels(k), steps(k) or 0.0) for ks in names.values() for k in ks)) for how, names in ordered]


def noted(name: str, ks: list[int]) -> str:
    """A class, with the setting at which its steps are made in this way, if that is not its default."""
    whole = not CASES[ks[0]][1] or len(ks) == sum(each == name for each, _ in CASES)
    return listed([name]) + ("" if whole else f" ({', '.join(told(ks[0]).split(', ')[1:])})")


def listed(names) -> str:
    return ", ".join(name.removesuffix("Scheduler").removesuffix("Discrete") for name in names)


def bound(worst: float) -> str:
    """A round number above a difference, with room for another machine."""
    exponent = math.floor(math.log10(2 * worst))
    digit = next(digit for digit in (1, 2, 5, 10) if digit * 10**exponent >= 2 * worst)
    return f"{digit * 10**exponent:.0e}".replace("e-0", "e-")


def table() -> list[str]:
    body = [f"| {names} | {how if how == ALONE else f'steps of `{how}`'} | {bound(worst)} |" for how, names, worst in rows()]
    return ["| schedulers of diffusers | followed | difference below |", "|---|---|---|", *body,
            f"| {listed(REFUSED)} | refused in a sentence | |"]


def test_the_table_of_the_readme_is_current():
    if len({name for name, _ in CASES}) < len(LAWS):
        pytest.skip("an older diffusers, without some of the classes")
    path = checkout() / "README.md"
    text, drawn = path.read_text(encoding="utf-8"), table()
    if os.environ.get("EFFML_DRAW"):
        path.write_text(between(text, "schedulers", "\n".join(drawn)), encoding="utf-8")
        return
    stands = text.split("<!-- measured: schedulers -->\n")[1].split("\n<!-- measured: end -->")[0].splitlines()
    cut = lambda lines: [line.rsplit("|", 2)[0] for line in lines]
    assert cut(stands) == cut(drawn), "draw it again: EFFML_DRAW=1 pytest -n 0 " + __file__
    assert all(float(line.split("|")[-2]) >= worst for line, (*_, worst) in zip(stands[2:], rows()))
