"""`bench memory`: what is kept for the way back: by blocks of a DiT with and without gradient checkpointing, and by attention.

Counted are the bytes of all tensors that autograd keeps, each storage once, weights left out: a count, not an allocator's peak.
  checkpoint   each block of a DiT as wide as lab 05's, everything kept or its inputs alone (Chen et al. 2016; torch's own
               function), after the way forth; on the way back a block's own come and go once more, one block at a time. `time` is
               that of a step, forth and back, over that with everything kept
  attention    one head of 64, as products and a softmax, or by the fused function, which keeps no matrix (Dao et al. 2022)
  sampling     the same DiT without gradients: nothing is kept, so there is nothing to save
"""
from functools import partial
from pathlib import Path
from typing import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from tqdm.auto import tqdm

from .. import folders
from ..measure import cost, quality, records
from ..nets.dit import Block

WIDTH, HEADS, TOKENS, BATCH = 256, 8, 64, 16
DEPTHS, LENGTHS, HEAD = (1, 3, 6, 12), (64, 256, 1024), 64


def kept(run: Callable[[], Tensor], weights: list[Tensor] = []) -> int:
    """Bytes that autograd keeps while run() computes; `weights` are there anyway."""
    own, found = {t.untyped_storage().data_ptr() for t in weights}, {}

    def keep(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
        return t
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        run()
    return sum(found.values())


def through(blocks: nn.ModuleList, x: Tensor, emb: Tensor, again: bool) -> Tensor:
    """Blocks one after the other; again: of each the inputs alone are kept."""
    for block in blocks:
        x = checkpoint(block, x, emb, use_reentrant=False) if again else block(x, emb)
    return x


def attended(q: Tensor, k: Tensor, v: Tensor, fused: bool) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v) if fused else (q @ k.mT * HEAD**-0.5).softmax(-1) @ v


def measure(out: Path | str | None = None, device: str = "cpu", depths: tuple = DEPTHS, lengths: tuple = LENGTHS,
            rounds: int = 5) -> str:
    """Count, time and append the rows to memory.jsonl."""
    path, rng = folders.results(out) / "memory.jsonl", torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(shape, generator=rng).to(device).requires_grad_()
    append = lambda name, bytes, settings={}, found={}: records.append(path, records.Record(
        name, bytes=bytes, settings=settings, quality=found, device=records.device_name(device)))
    for depth in tqdm(depths, desc="depths", unit="depth"):
        torch.manual_seed(0)
        blocks = nn.ModuleList(Block(WIDTH, HEADS, 4) for _ in range(depth)).to(device)
        for weight in blocks.parameters():
            nn.init.normal_(weight, std=0.02)
        x, emb = draw(BATCH, TOKENS, WIDTH), draw(BATCH, WIDTH)
        step = lambda again: through(blocks, x, emb, again).square().mean().backward()
        for again, name in ((False, "everything kept"), (True, "inputs alone")):
            size = kept(lambda: through(blocks, x, emb, again), list(blocks.parameters()))
            time = cost.ratio(partial(step, True), partial(step, False), rounds, warmup=1)[0] if again else None
            append(f"checkpoint, {depth} blocks, {name}", size, {"depth": depth, "again": again},
                   {"time": quality.Estimate(*time, rounds)._asdict()} if time else {})
        with torch.no_grad():
            append(f"sampling, {depth} blocks", kept(lambda: through(blocks, x, emb, False)), {"depth": depth})
    for n in lengths:
        q, k, v = (draw(1, 1, n, HEAD) for _ in range(3))
        for fused in (False, True):
            append(f"attention, {n} tokens, {'fused' if fused else 'as products'}", kept(lambda: attended(q, k, v, fused)),
                   {"tokens": n, "fused": fused})
    return f"recorded in {path}"
