"""SVDQuant: 4-bit weights whose outliers go through a thin branch in 16 bits (Li et al. 2025); the layer is svdlinear.py.

Few input channels carry values tens of times as large as the rest, and a shared scale wastes all codes on them. Two
moves, both exact in real numbers:
  smooth    x W^T = (x / s) (W s)^T: with one s a channel, the difficulty moves from the inputs into the weights
  split     W s = L + R, with L = up down' of rank r, the best by SVD: the branch takes what the weights got too much of
Only the rest is rounded:  y ~ Q(x / s) Q(R)^T + (x down^T) up^T + bias,  down = down' / s, which reads x as it comes.
s = amax(x)^a / amax(W)^b is searched for the least error of the layer *with the branch in the loop* (SmoothQuant, Xiao
et al. 2023, has no branch and another optimum); the split is refined by turns, L = SVD_r(W s - Q(R)), best one kept.

Two modes, as the kernels read them; both have 4-bit weights in groups of 64.
  w4a4   codes -7..7, a 16-bit scale a group; inputs as well, dynamically: the paper's INT4
  w4a8   codes -8..7 times a whole number 1..16 a group, a scale a channel (after QServe, Lin et al. 2024, which has zero
         points): code times number fits 8 bits, so the sum over K stays whole; inputs in 8 bits, dynamically, a scale a
         token. With a branch it is ours
Left out: unsigned inputs after GELU, NVFP4, and GPTQ on the rest, which gained nothing on the course's nets.
"""
from typing import NamedTuple, Sequence

import torch
from torch import Tensor

from . import quant
from .quant import GROUP, PAIR, padded

TOP = 16                        # the largest multiplier of a group
EXPONENTS = [None] + [(k / 20, b) for k in range(1, 20) for b in (0.0, 1 - k / 20)]     # (a, b), 39 in all


class Weights(NamedTuple):
    """4-bit weights (N, K padded to 128): codes int8 (N, K); scale float16 and multiplier uint8, for groups or channels."""
    codes: Tensor
    scale: Tensor                   # w4a4 (N, K / 64), w4a8 (N, 1)
    multiplier: Tensor | None       # w4a8 (N, K / 64)

    def dense(self) -> Tensor:
        """The weights that the codes stand for, (N, K padded), float32."""
        each = self.scale.float() if self.multiplier is None else self.scale.float() * self.multiplier
        return (self.codes.unflatten(1, (-1, GROUP)) * each[..., None]).flatten(1)


def grouped(w: Tensor) -> Weights:
    """Weights (N, K) in w4a4: codes -7..7, a float16 scale a group."""
    codes = quant.quantize(padded(w, PAIR), 4, "group")
    return Weights(codes.q.flatten(1), codes.scale[..., 0], None)


def two_level(w: Tensor) -> Weights:
    """Weights (N, K) in w4a8: codes -8..7, a multiplier 1..16 a group (that of least squared error), a scale a channel."""
    part = padded(quant.finite(w).float(), PAIR).unflatten(1, (-1, GROUP))              # (N, groups, 64)
    scale = quant.stored(part.abs().amax((1, 2)) / (7 * TOP))[:, None]                  # (N, 1)
    best, least = torch.ones(part.shape[:2], dtype=torch.uint8, device=w.device), torch.full(part.shape[:2], torch.inf).to(w)
    for m in range(1, TOP + 1):
        each = scale.float()[..., None] * m
        error = ((part / each).round().clamp(-8, 7) * each - part).square().sum(-1)
        best, least = best.where(error >= least, m), torch.minimum(error, least)
    codes = (part / (scale.float() * best)[..., None]).round().clamp(-8, 7).to(torch.int8)
    return Weights(codes.flatten(1), scale, best)


MODES = {"w4a4": grouped, "w4a8": two_level}
INPUTS = {"w4a4": {"bits": 4, "per": "group"}, "w4a8": {"bits": 8, "per": "token"}}
OFFSET = {"w4a4": 0, "w4a8": 8}     # of the stored nibbles


def smooth_scale(x: Tensor, w: Tensor, a: float = 0.5, b: float | None = None, share: int = 1) -> Tensor:
    """s (K,) = amax |x|^a / amax |w|^b for inputs (rows, K) and weights (N, K); b is 1 - a unless given.

    share: so many neighbours have one s, as the pixels of an unfolded channel do. s is rounded to the 16 bits it is
    stored in, and kept within 1e-4 and 1e4. A dead channel, whose inputs or weights reach at most a hundred-thousandth of the
    largest, tells nothing of itself: it gets the median of the others, so that it is an ordinary one when it wakes.
    """
    amax = lambda t: t.detach().float().abs().amax(0).view(-1, share).amax(1)
    inputs, weights = amax(x), amax(w)
    alive = (inputs > 1e-5 * inputs.max()) & (weights > 1e-5 * weights.max())
    s = (inputs ** a / weights ** (1 - a if b is None else b)).clamp(1e-4, 1e4).where(alive, torch.nan)
    return s.where(alive, s.nanmedian().nan_to_num(1.0)).half().float().repeat_interleave(share)


def spread(rows: Tensor, keep: int) -> Tensor:
    """Rows (n, ...) thinned out evenly to `keep`, or all where there are no more."""
    many = min(len(rows), keep)
    return rows[torch.arange(many, device=rows.device) * len(rows) // max(1, many)]


def lowrank(w: Tensor, rank: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(up (N, rank), down (rank, K)) whose product is the best of that rank; randomized (Halko et al. 2011), by a seed."""
    if not 0 <= rank <= min(w.shape):
        raise ValueError(f"a weight of {tuple(w.shape)} has no branch of rank {rank}: choose 0 to {min(w.shape)}")
    if rank == 0:
        return w.new_zeros(len(w), 0), w.new_zeros(0, w.shape[1])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        u, s, v = torch.svd_lowrank(w, min(rank + 16, *w.shape), niter=4)
    half = s[:rank].sqrt()
    return u[:, :rank] * half, (v[:, :rank] * half).T


def lowrank_residual(w: Tensor, rank: int, mode: str = "w4a4", rounds: int = 20) -> tuple[Tensor, Tensor, Weights]:
    """(up, down, codes of the rest) of weights (N, K): by turns the branch of what the codes miss, and the codes."""
    best, least, base, k = None, float("inf"), w, w.shape[1]
    for _ in range(rounds if rank else 1):
        up, down = lowrank(base, rank)
        rest = MODES[mode](w - up @ down)
        base = w - rest.dense()[:, :k]
        error = (base - up @ down).square().sum().item()
        if error >= least:
            break
        best, least = (up, down, rest), error
    return best


class Split(NamedTuple):
    """A smoothed, split layer before it is stored: s (K,), the branch, and the codes of the rest."""
    smooth: Tensor
    up: Tensor
    down: Tensor
    rest: Weights


def apply(x: Tensor, split: Split, mode: str) -> Tensor:
    """The layer's output (rows, N) without its bias, in float32, for inputs (rows, K)."""
    k = x.shape[-1]
    told = quant.rounded(padded(x / split.smooth, PAIR), **INPUTS[mode])
    return told @ split.rest.dense().T + (x / split.smooth) @ split.down[:, :k].T @ split.up.T


def relative(got: Tensor, want: Tensor) -> float:
    """The root of the squared error over that of what is wanted."""
    return ((got - want).norm() / want.norm().clamp(min=1e-30)).item()


def search(w: Tensor, x: Tensor, rank: int = 32, mode: str = "w4a4", exponents: Sequence = EXPONENTS,
           rounds: int = 20, share: int = 1) -> Split:
    """The best split of weights (N, K) for inputs (rows, K): exponents tried with the branch in the loop, then refined.

    The exponent with the least error of the output is taken; the turns of refining keep the least error of the weights.
    """
    if mode not in MODES:
        raise ValueError(f"there is no mode {mode!r}: choose one of {', '.join(MODES)}")
    if not exponents or rounds < 1:
        raise ValueError("a search takes one exponent or more (None is no smoothing) and one round or more")
    w, x = quant.finite(w.detach().float()), quant.finite(x.detach().float())
    if not len(x) or x.shape[1:] != w.shape[1:]:
        raise ValueError(f"weights {tuple(w.shape)} are converted for inputs (rows, {w.shape[1]}), at least one, got "
                         f"{tuple(x.shape)}")
    want = x @ w.T

    def tried(pair, turns=1) -> Split:
        s = torch.ones_like(w[0]) if pair is None else smooth_scale(x, w, *pair, share)
        return Split(s, *lowrank_residual(w * s, rank, mode, turns))

    best = min(exponents, key=lambda pair: relative(apply(x, tried(pair), mode), want))
    return tried(best, rounds)
