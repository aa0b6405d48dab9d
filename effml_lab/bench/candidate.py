"""`bench candidate`: is the course model that was trained at home surely better than the one that ships?

`train shapes` leaves its model in $EFFML_HOME/checkpoints. Both draw from the same 2,000 noises, the same kinds in turn, by DDIM
with 100 steps: so every picture of one has its partner, and the differences are known far better than the two values.
  wanted, small, large    share that shows the wanted kind: the candidate's, less the shipped one's; by size as both are read
  frechet                 distance to real shapes, the candidate's less the shipped one's
It is surely better where the interval of `wanted` lies above 0, and no worse where that of `frechet` holds or lies below 0.
"""
from pathlib import Path

from torch import Tensor

from .. import folders
from ..measure import quality, records
from ..models import judges, reader, samples, store
from ..models.samples import SPACING, Plan
from . import real

N, PLAN = real.N, Plan("shapes", "ddim", 100, SPACING)


def drawn(plan: Plan, n: int, device: str) -> tuple[Tensor, reader.Attributes]:
    """Features (n, D) of the samples of a plan, and what is read off them."""
    images = samples.draw(plan, n, device)
    return judges.features("shapes", images), reader.attributes(images)


def compared(new: tuple, old: tuple, wanted: Tensor, held: Tensor) -> dict[str, quality.Estimate]:
    """The differences, new less old, with intervals over the pairs of pictures."""
    hits = [(read.kind == wanted).double() for _, read in (new, old)]
    gain = hits[0] - hits[1]
    mean = lambda values: quality.bootstrap(lambda v: v.mean().item(), values)
    same = {part: (new[1].size == k) & (old[1].size == k) for k, part in enumerate(("small", "large"))}
    return {"wanted": mean(gain), "own wanted": mean(hits[0]), "shipped wanted": mean(hits[1]),
            **{part: mean(gain[rows]) for part, rows in same.items() if rows.any()},
            "frechet": quality.paired(quality.frechet, new[0], old[0], held),
            "own frechet": quality.bootstrap(quality.frechet, new[0], held)}


def measure(out: Path | str | None = None, device: str = "cpu", n: int = N, folder: Path | None = None) -> str:
    """Compare the candidate of `folder`, by default of $EFFML_HOME, with the shipped model; append a row to candidate.jsonl."""
    home, path = folder or folders.home() / "checkpoints", folders.results(out) / "candidate.jsonl"
    cards = store.card("shapes", home), store.card("shapes")
    plans = PLAN._replace(folder=str(home)), PLAN
    found = compared(*(drawn(plan, n, device) for plan in plans), samples.kinds("shapes", n),
                     judges.features("shapes", real.scenes(n)[0]))
    records.append(path, records.Record(
        "shapes, trained at home, less the shipped one", quality={name: each._asdict() for name, each in found.items()},
        settings={"checkpoint": cards[0]["sha256"][:12], "shipped": cards[1]["sha256"][:12], "net": cards[0]["net"],
                  "plan": PLAN._asdict(), "judge": store.card("shapes_judge")["sha256"][:12]},
        device=records.device_name(device)))
    for plan in plans:
        samples.forget(plan)
    told = lambda name, form: "{:{f}} ({:{f}} to {:{f}})".format(*found[name][:3], f=form)
    verdict = "surely better" if found["wanted"].low > 0 else "not surely better"
    return f"{verdict}: wanted kind {told('wanted', '+.4f')}, distance {told('frechet', '+.2f')}; recorded in {path}"
