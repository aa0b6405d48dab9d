"""The dozen rows of the front page: the few numbers that a visitor should see, each from the rows of one benchmark.

The whole is on the page of data/results. What was never recorded is left out here too.
"""
from pathlib import Path

import torch

from ...bench import factors, findings
from ...measure import cost, records
from ...nets.unet import UNet
from .results import FLOOR, Lines, graders, interval, latest, rows
from .results_gpu import ROWS, SIZES, measured, rough, turns


def ratio(record: records.Record) -> str:
    return interval(record.quality["ratio"])


def labs(results: Path) -> Lines:
    """Seconds of each lab as the grader runs it."""
    last = {row["lab"]: row for row in rows(results / "labs.jsonl") if row["kind"] == "graded"}
    if last:
        told = ", ".join(f"{lab[:2]}: {row['seconds']:.0f} s" for lab, row in sorted(last.items()))
        devices = " or ".join(dict.fromkeys(row["device"] for row in last.values()))
        yield "A lab, as the grader runs it", f"{told} ({devices})"


def speed(results: Path) -> Lines:
    """The fewest evaluations that will do by distance, and what they cost in the other metric."""
    recorded = latest(results, "samplers")
    found = recorded.get(findings.NO_WORSE)
    if found is None or found.nfe is None:
        return
    point, full = recorded[found.settings["point"]], recorded[findings.FULL]
    few, many, floor = (interval(row.quality["frechet"]) for row in (point, full, recorded[FLOOR]))
    yield f"Fréchet distance to real shapes: the fewest calls that will do (lab 02 asks which) instead of `{full.technique}`", (
        f"{few} instead of {many}, surely at most a fifth greater; {interval(found.quality['speedup'])} times as fast; "
        f"real shapes score {floor}")
    yield "Share of pictures that show the wanted kind, the same two", (
        f"{interval(point.quality['wanted'])} instead of {interval(full.quality['wanted'])}")


def asked(results: Path) -> Lines:
    """What guidance buys and takes on captions and kinds, from the same noises."""
    recorded = latest(results, "guidance")
    plain, strong, words = (recorded.get(name) for name in ("shapes, w = 1", "shapes, w = 2", "scenes, w = 2"))
    if plain and strong:
        yield "Guidance on the kind, w = 2 instead of none: share that shows the wanted kind, Fréchet distance", (
            f"{interval(strong.quality['kind'])} instead of {interval(plain.quality['kind'])}, but "
            f"{interval(strong.quality['frechet'])} instead of {interval(plain.quality['frechet'])}")
    if words:
        yield "Captions, w = 2: share of pictures with kind, color, size and ground right, all together", (
            interval(words.quality["all four"]))


def trained_away(results: Path) -> Lines:
    """Four evaluations: students beside the best solver, without guidance and with."""
    recorded = latest(results, "distill")
    four, over = recorded.get("progressive_4, 4 steps"), recorded.get("progressive over ddim, 4 steps")
    best = factors.best_solver(recorded)
    if four and over and best:
        what = "share that shows the wanted kind, error to 64 steps over that of DDIM's four"
        yield f"Four steps, distilled (progressive): {what}", (
            f"{interval(four.quality['wanted'])}, the best solver ({best.technique}) {interval(best.quality['wanted'])}; "
            f"{ratio(over)}")
    told = recorded.get("guided, consistency_guided, w = 2, 4 steps")
    called = [row for name, row in recorded.items() if name.startswith("guided, two calls, w = 2") and row.nfe == 4]
    if told and called:
        best = max(called, key=lambda row: row.quality["wanted"]["value"])
        yield "Four evaluations under guidance, w = 2 (a consistency model that is told w): share of the wanted kind", (
            f"{interval(told.quality['wanted'])}, 2M with two calls a step {interval(best.quality['wanted'])}")


def saved(record: records.Record) -> float:
    """The share of multiply-adds that a net of the course saves by its stem."""
    shape, net = record.settings["shape"], record.settings["net"]
    given = torch.zeros(1, *shape[1:]), torch.zeros(1), torch.zeros(1, dtype=torch.long)
    return 1 - cost.macs(UNet(**net), *given) / cost.macs(UNet(**net | {"stem": 1}), *given)


def peers(results: Path) -> Lines:
    """Beside diffusers: the loop, a training step of equal nets, one with our stem, the loss after equal time."""
    loop, unet = latest(results, "loop"), latest(results, "unet")
    free = [loop.get(f"{name}, ours to diffusers', a network that costs nothing") for name in ("ddim", "dpmpp_2m")]
    if all(free):
        yield ("Time of a sampler's loop around a network that costs nothing, over diffusers'",
               f"DDIM {ratio(free[0])}, 2M {ratio(free[1])}")
    step = "training step, ours to diffusers' as it comes, "
    if equal := unet.get(f"{step}32x32, batch 8"):
        yield "Time of a training step over diffusers', the same net", ratio(equal)
    stem, half = (unet.get(f"{step}the course model{form}, batch 64") for form in ("", " in bfloat16"))
    if stem and half:
        yield (f"The same for the course model, whose stem of 2 x 2 pixels saves {saved(stem):.0%} of the multiply-adds",
               f"float32 {ratio(stem)}, bfloat16 {ratio(half)}")
    if race := unet.get("validation loss after 20 minutes of one core, ours to diffusers'"):
        steps = " for ".join(f"{race.settings['curves'][name][-1][1]:,}" for name in ("ours", "theirs"))
        yield "Loss of the course model over diffusers' net of as many weights, after 20 minutes of one core each", (
            f"{ratio(race)}, with {steps} steps")


def four_bits(results: Path) -> Lines:
    recorded = latest(results, "layers")
    told = [f"{way} {interval(row.quality['error'])}" for way in ("rounded", "SVDQuant")
            if (row := recorded.get(f"{way}, w4a4, 8 outliers"))]
    if told:
        yield "Error of a w4a4 layer with 8 outlier channels of 512 (arithmetic simulated)", ", ".join(told)


def whole_net(results: Path) -> Lines:
    """A whole net in four bits, with outliers and without, beside the control that spends as many bytes."""
    recorded = latest(results, "quant")
    for net, what in (("dit", "as trained"), ("shifted", "with planted outliers")):
        rows = [row for row in recorded.values() if row.settings.get("net") == net and "psnr" in row.quality]
        found = {row.settings["way"]: row.quality["psnr"] for row in rows}
        told = [f"{way.rpartition(', ')[2] if way.startswith('w4a4') else 'SVDQuant'} {interval(found[way])}"
                for way in ("w4a4, rounded", "w4a4, smoothing only", "SVDQuant, w4a4, rank 32") if way in found]
        controls = [row.quality["psnr"] for row in rows if row.settings["control"]]
        if told and controls:
            best = max(controls, key=lambda row: row["value"])
            yield f"The DiT {what}, whole, in w4a4 (simulated): PSNR of the median picture to 32 bits, dB", (
                f"{', '.join(told)}; as many bytes spent on codes instead of a branch {interval(best)}")


def on_a_gpu(results: Path) -> Lines:
    """The fused 4-bit layer in the size of a large model, beside the library's products; of withdrawn tiles the notes tell."""
    layer, found = f"{SIZES[0]}, M = {ROWS[-1]}", measured(results, "kernels")
    fused = found.get(f"w4a8, {layer}")
    if fused and not rough(fused):
        fp8 = found.get(f"fp8, {layer}")
        beside = f"; the library's FP8 product {turns(fp8.settings['ratio']['graph'])}" if fp8 else ""
        yield (f"Speed of the fused w4a8 layer, {layer}, over the library's in 16 bits, {fused.device}, two turns",
               turns(fused.settings["ratio"]["graph"]) + beside)
    else:
        notes = "[notes](data/results/kernels.md)"
        yield "Speed of the fused 4-bit kernels", (
            f"first runs on an {fused.device}: {notes}" if fused else "not measured: no GPU has been at hand yet")


def lines(results: Path) -> Lines:
    for source in (graders, labs, speed, asked, trained_away, peers, four_bits, whole_net, on_a_gpu):
        yield from source(results)
