"""Samples of a checkpoint, drawn batch by batch, kept on disk until they are recorded, on every core of the machine.

A batch is settled by its plan and its number. Its noise x_T comes from the seed and the number alone, so the sets of
two samplers pair off picture by picture; samplers that draw more noise find the global generator at a state made of the
same two. A model with classes is asked for them in turn, hence for equally many of each. One that reads captions is asked for
scenes of one shape, which come from the number of the batch too.
Batches lie in $EFFML_HOME/samples in float16 (which errs by at most 5e-4 near 1): a stopped measurement goes on, at the
cost of one batch a core. On a CPU there are as many processes as cores, one thread each: a small net keeps one core
busy, and threads that wait for each other would keep two half idle.
"""
import os
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .. import folders
from ..datasets import captions, shapes
from ..diffusion import samplers
from ..diffusion.denoise import Denoiser
from ..diffusion.guidance import classifier_guided, guided, told_time, within
from ..diffusion.levels import Level
from . import checkpoints, store

# Of the course model's grids. Its last level has lam = -9.9: ten "trailing" steps would go from there to lam = -1.9 at
# once, past all that settles ground and colour, whatever the solver.
SPACING = "karras"
CLASSIFIER = "shapes_noisy"


class Plan(NamedTuple):
    """Which samples: everything about a batch but its number. size: of a batch. folder: of the checkpoint.

    w: the weight of guidance, 1 for none, or the scale of a classifier's, 0 for none. inside: where it is used, from low to
    high in sigma / alpha, or None for everywhere; outside the guess is the conditional one. by: a key of GUIDES. asks: a key of
    SCENES, for what is asked of a model that reads captions.
    """
    name: str
    sampler: str
    steps: int
    spacing: str
    size: int = 100
    seed: int = 0
    folder: str | None = None
    w: float = 1.0
    inside: tuple[float, float] | None = None
    by: str = "itself"
    asks: str = "seen"


def kinds(name: str, n: int, first: int = 0, folder: Path | str | None = None) -> Tensor | None:
    """The classes of samples first, ..., first + n - 1, in turn; None for a model without classes."""
    classes = store.card(name, folder).get("classes")
    return None if classes is None else (first + torch.arange(n)) % classes


SCENES: dict[str, Callable[[int, torch.Generator], shapes.Scenes]] = {
    "seen": partial(captions.draw, alone=1.0), "held out": captions.held_out}   # what captions may ask for -> scenes of one shape


def asked(plan: Plan, index: int = 0) -> shapes.Scenes:
    """The scenes that a batch of a model that reads captions is asked for."""
    return SCENES[plan.asks](plan.size, store.seeded(plan.seed + 1, index))


def by_kind(plan: Plan, index: int) -> tuple[Tensor, Tensor] | None:
    cond = kinds(plan.name, plan.size, index * plan.size, plan.folder)
    return None if cond is None else (cond, torch.full((1,), store.card(plan.name, plan.folder)["classes"]))


def by_caption(plan: Plan, index: int) -> tuple[Tensor, Tensor]:
    return captions.tokens(captions.sentences(asked(plan, index))), captions.nothing()


WISHES: dict[str, Callable] = {"unet": by_kind, "captioned": by_caption}       # kind of net -> what a batch asks of it


def wanted(plan: Plan, index: int = 0) -> tuple[Tensor, Tensor] | None:
    """What a batch is asked for, (size, ...), and what asks for nothing, (1, ...); None for a model that takes no condition."""
    kind = store.card(plan.name, plan.folder)["net"]["kind"]
    if kind not in WISHES:
        raise ValueError(f"samples are drawn from nets of the kinds {', '.join(WISHES)}; {plan.name!r} is {kind}")
    return WISHES[kind](plan, index)


def by_classifier(denoise: Callable, cond: Tensor, null: Tensor, w: float) -> Callable:
    """Guided by the classifier of noisy shapes, at the scale w, from guesses that know of no class; cond: kinds (B,)."""
    classifier = checkpoints.load(CLASSIFIER).to(cond.device)
    return classifier_guided(guided(denoise, cond, null, 0.0), told_time(classifier), cond, w)


GUIDES: dict[str, Callable] = {"itself": guided, "a classifier": by_classifier}
NEEDS: dict[str, tuple[str, ...]] = {"itself": (), "a classifier": (CLASSIFIER,)}       # the other checkpoints that it takes


def conditioned(denoise: Denoiser, plan: Plan, index: int = 0) -> Callable:
    """A denoiser (x, level) -> x0 that asks for what a batch of a plan asks for, guided as it says."""
    told = wanted(plan, index)
    if told is None:
        return denoise
    device = next(denoise.net.parameters()).device
    cond, null = (part.to(device) for part in told)
    guide = GUIDES[plan.by](denoise, cond, null, plan.w)
    return guide if plan.inside is None else within(guide, guided(denoise, cond, null, 1.0), *plan.inside)


@contextmanager
def global_seed(seed: int, index: int = 0) -> Iterator[None]:
    """The global generators at a state made of two numbers; as they were, afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed * 1_000_003 + index)
        yield


def prepared(plan: Plan, index: int = 0, device: str = "cpu") -> tuple[Denoiser, Callable, Tensor, list[Level]]:
    """What a batch starts from: the Denoiser, the same with its classes, x_T and the grid."""
    denoise, schedule = checkpoints.denoiser(plan.name, plan.folder)
    denoise.net.to(device)
    grid = schedule.grid(plan.steps, plan.spacing)
    shape = (plan.size, *store.card(plan.name, plan.folder)["shape"])
    x = samplers.start(shape, grid, store.seeded(plan.seed, index), device)
    return denoise, conditioned(denoise, plan, index), x, grid


def batch(plan: Plan, index: int = 0, device: str = "cpu") -> Tensor:
    """One batch of samples, (size, C, H, W)."""
    _, denoise, x, grid = prepared(plan, index, device)
    with global_seed(plan.seed, index):
        return samplers.last(samplers.SAMPLERS[plan.sampler](denoise, x, grid)).cpu()


def stem(plan: Plan) -> str:
    stamp = store.card(plan.name, plan.folder)["sha256"][:12]
    rest = repr(plan._replace(folder=None)), *(store.card(name)["sha256"] for name in NEEDS[plan.by])
    return f"{plan.name}-{stamp}-{plan.sampler}-{plan.steps}-{sha256(' '.join(rest).encode()).hexdigest()[:16]}"


def path(plan: Plan, index: int) -> Path:
    return folders.home() / "samples" / f"{stem(plan)}-{index}.safetensors"


def work(todo: list[tuple[Plan, int]], device: str) -> None:
    """Draw and keep these batches, on one thread; stop when whoever asked for them is gone."""
    torch.set_num_threads(1)
    parent = parent_process()
    for plan, index in tqdm(todo, desc="samples", unit="batch", disable=not todo or parent is not None):
        if parent is not None and not parent.is_alive():
            return
        store.write(path(plan, index), {"images": batch(plan, index, device).half()})


def fill(plans: list[Plan], n: int, device: str = "cpu", workers: int | None = None) -> None:
    """Draw what is missing of n samples of each plan. workers: processes, by default one a core, and one for a GPU."""
    workers = workers or (os.cpu_count() if torch.device(device).type == "cpu" else 1)
    todo = [(plan, i) for plan in plans for i in range(-(-n // plan.size)) if not path(plan, i).exists()]
    others = [get_context("spawn").Process(target=work, args=(todo[k::workers], device), daemon=True)
              for k in range(1, min(workers, len(todo)))]
    threads = torch.get_num_threads()
    for process in others:
        process.start()
    try:
        work(todo[::workers], device)
    finally:
        torch.set_num_threads(threads)
    for process in others:
        process.join()
        if process.exitcode:
            raise RuntimeError("a process that drew samples failed, as told above: the same command goes on from there")


def draw(plan: Plan, n: int, device: str = "cpu", workers: int | None = None) -> Tensor:
    """n samples of a plan, (n, C, H, W) in float32; batches that are kept already are read."""
    fill([plan], n, device, workers)
    return torch.cat([store.read_state(path(plan, i))[0]["images"].float() for i in range(-(-n // plan.size))])[:n]


def forget(plan: Plan) -> None:
    """Remove the kept samples of a plan: the next measurement draws them again, with the code of its day."""
    for kept in (folders.home() / "samples").glob(f"{stem(plan)}-*.safetensors"):
        kept.unlink()
