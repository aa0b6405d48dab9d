"""Guidance: towards what was asked for, by a classifier or by the network's own two guesses.

  guided              classifier-free (Ho and Salimans 2021): from the unconditional guess past the conditional one,
                      x0 = x0_uncond + w (x0_cond - x0_uncond)
  classifier_guided   a classifier of noisy images pulls (Dhariwal and Nichol 2021, eq. 14, which says it of eps),
                      x0 = x0_uncond + s sigma^2 / alpha grad_x log p(y | x)
With exact guesses and an exact classifier both are one vector for s = w, by Bayes' rule, where alpha > 0. Two learned guesses
need not be the gradient of anything: the classifier in them is spoken of as implicit. Here w = 1 is guidance off, as in
diffusers; the paper's w is ours less 1. x0, eps and v differ by affine maps that do not depend on the condition, so guiding
any of them is the same; clipping is no such map: clip what was guided (`denoise.clipped`), not what is to be.
What a call costs is counted at the net: two rows an image, but one where w is 0 or 1. Two ways to have less of its harm:
  rescaled    Lin et al. 2024, eq. 15-16: the output o that was guided gets some of the spread of the conditional one,
              o_rescaled = o_guided std(o_cond) / std(o_guided),  o = phi o_rescaled + (1 - phi) o_guided
  within      Kynkaanniemi et al. 2024: guidance only where low < sigma / alpha <= high, asked at every call of the net
              (their own Heun asks once a step)
All are denoisers (x, level) -> x0, so any sampler takes them; `dropped` is what a net needs in training to have both guesses.
Left out: guidance by other than classes and words (CLIP), and weights that change with the level otherwise.
"""
import math
from typing import Callable

import torch
from torch import Tensor, nn

from .denoise import Condition, fitting
from .levels import Level, matched


def each(fn: Callable, *conditions: Condition) -> Condition:
    """fn(*tensors) at every tensor of conditions of one form."""
    first = conditions[0]
    return {k: each(fn, *(c[k] for c in conditions)) for k in first} if isinstance(first, dict) else fn(*conditions)


def _form(cond: Condition) -> dict | tuple:
    """The keys of a condition and the shape of a row at each."""
    if isinstance(cond, dict):
        return {k: _form(cond[k]) for k in sorted(cond)}
    if not isinstance(cond, Tensor) or not cond.ndim:
        raise ValueError("conditions are tensors with a first dimension, or dicts of them, "
                         f"got {'a tensor without one' if isinstance(cond, Tensor) else type(cond).__name__}")
    return tuple(cond.shape[1:])


def _alike(cond: Condition, null: Condition | None) -> None:
    own, other = _form(cond), None if null is None else _form(null)
    if null is not None and own != other:
        raise ValueError(f"cond and null must be of one form, the same keys and shapes of a row, got {own} and {other}")


def _rows(cond: Condition, count: int) -> Condition:
    """A condition of as many rows as there are images, from one of as many or of one."""
    def spread(c: Tensor) -> Tensor:
        if len(c) not in (1, count):
            raise ValueError(f"give a condition for each of the {count} images, or one for all, got {len(c)}")
        return c.expand(count, *c.shape[1:])
    return each(spread, cond)


def _told(denoise: Callable, x: Tensor, level: Level, cond: Condition | None) -> Tensor:
    return denoise(x, level) if cond is None else denoise(x, level, _rows(cond, len(x)))


def _both(denoise: Callable, x: Tensor, level: Level, cond: Condition, null: Condition | None) -> tuple[Tensor, Tensor]:
    """The guesses without and with the condition: one call of 2B rows, or two calls where there is no null to batch."""
    if null is None:
        return _told(denoise, x, level, None), _told(denoise, x, level, cond)
    twice = Level(*(torch.cat([f, f]) if isinstance(f, Tensor) and f.ndim and len(f) != 1 else f for f in level))
    tree = each(lambda *pair: torch.cat(pair), _rows(null, len(x)), _rows(cond, len(x)))
    out = denoise(torch.cat([x, x]), twice, tree)
    return out[:len(x)], out[len(x):]


def _number(w: float | Tensor) -> float | Tensor:
    """A weight that may be used: a finite number, or a tensor of several."""
    w = w.item() if isinstance(w, Tensor) and w.numel() == 1 else w
    if not (w.isfinite().all() if isinstance(w, Tensor) else math.isfinite(w)):
        raise ValueError(f"a weight of guidance is a finite number, got {'NaN or infinity' if isinstance(w, Tensor) else w}")
    return w


def _column(w: float | Tensor, x: Tensor) -> float | Tensor:
    """A weight that broadcasts against x: a number, or (B, 1, ...) from one for each image."""
    if not isinstance(w, Tensor):
        return w
    rows = (len(x), *[1] * (x.ndim - 1))
    if w.shape not in ((len(x),), rows):
        raise ValueError(f"w must be a number or one for each of the {len(x)} images, (B,), got {tuple(w.shape)}")
    return w.to(x).reshape(rows)


def dropped(cond: Condition, null: Condition, p: float, rng: torch.Generator | None = None) -> Condition:
    """The conditions of a batch (B, ...) with a share p of the rows replaced by null (1, ...); whole rows, each by chance."""
    if not 0 <= p <= 1:
        raise ValueError(f"p is the share of conditions to drop, from 0 to 1, got {p:g}")
    _alike(cond, null)
    sizes, nulls, kinds = set(), set(), set()
    each(lambda c, n: (sizes.add((len(c), c.device)), nulls.add(len(n)), kinds.add((c.dtype, n.dtype))), cond, null)
    if len(sizes) != 1 or nulls != {1} or any(a != b for a, b in kinds):
        raise ValueError("conditions to drop have as many rows everywhere, null has one, of the same dtype")
    (count, device), = sizes
    drop = torch.rand(count, generator=rng, device=rng.device if rng else device).to(device) < p
    return each(lambda c, n: torch.where(drop.view(-1, *[1] * (c.ndim - 1)), n, c), cond, null)


def guided(denoise: Callable, cond: Condition, null: Condition | None, w: float | Tensor) -> Callable:
    """A denoiser under guidance: one call of 2B rows, or of B rows where the number w is 0 or 1.

    cond, null: (B, ...) conditions, or one for the whole batch, (1, ...); tensors, or dicts of them. null = None: the
    network's own, by a second call without a condition. w: a number, or (B,) of them, one for each image.
    """
    _alike(cond, null)
    w = _number(w)

    def guide(x: Tensor, level: Level) -> Tensor:
        if not isinstance(w, Tensor) and w in (0, 1):
            return _told(denoise, x, level, cond if w else null)
        return torch.lerp(*_both(denoise, x, level, cond, null), _column(w, x))
    return guide


def told_time(net: nn.Module) -> Callable:
    """A classifier net (x, t) -> logits as (x, level) -> logits (B, classes) in the dtype of x."""
    def classify(x: Tensor, level: Level) -> Tensor:
        dtype = next(net.parameters()).dtype
        t = torch.as_tensor(matched(level, x).t, dtype=torch.promote_types(dtype, torch.float32), device=x.device)
        return net(x.to(dtype), t.reshape(-1).expand(len(x))).to(x.dtype)
    return classify


def classifier_guided(denoise: Callable, classify: Callable, y: Tensor, s: float | Tensor) -> Callable:
    """A denoiser pulled towards classes y (B,) or (1,) by a classifier: B rows of the net, and a gradient of the classifier.

    classify: (x, level) -> logits or log-probabilities (B, classes); it must be differentiable in x. s: the scale, a number or
    (B,); 0 is no guidance, and asks no classifier. Gradients are taken here whatever the caller has set. At alpha = 0 the
    formula is 0 / 0: its limit moves to the mean of the class, which no classifier knows, so the guess is left as it is. Near it
    sigma^2 / alpha is large and multiplies what is merely the classifier's error.
    """
    s = _number(s)
    if not isinstance(y, Tensor) or y.ndim != 1:
        got = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(f"y holds class numbers, (B,) or (1,), got {got}")

    def guide(x: Tensor, level: Level) -> Tensor:
        x0, level = denoise(x, level), matched(level, x)
        if not isinstance(s, Tensor) and s == 0:
            return x0
        alpha = torch.as_tensor(level.alpha, dtype=x.dtype, device=x.device)
        pull = _pull(classify, x, level, _rows(y, len(x)).to(x.device))
        return torch.where(alpha == 0, x0, x0 + _column(s, x) * level.sigma**2 / alpha * pull)
    return guide


def _pull(classify: Callable, x: Tensor, level: Level, y: Tensor) -> Tensor:
    """The gradient of log p(y | x) in x, like x."""
    with torch.inference_mode(False), torch.enable_grad():
        seen = x.clone().detach().requires_grad_()
        chance = classify(seen, level).log_softmax(1)                                         # (B, classes)
        if len(y) and not 0 <= int(y.min()) <= int(y.max()) < chance.shape[1]:
            raise ValueError(f"the classifier knows classes 0 to {chance.shape[1] - 1}, got {int(y.min())} to {int(y.max())}")
        return torch.autograd.grad(chance.gather(1, y[:, None]).sum(), seen)[0]


def rescaled(denoise: Callable, cond: Condition, null: Condition | None, w: float | Tensor, phi: float = 0.7,
             pred: str = "v") -> Callable:
    """`guided`, and then a share phi of the rescaled output (Lin et al. 2024, eq. 15-16); 2B rows, B at w = 1.

    pred: what is rescaled, a key of PREDICTIONS, whatever the network itself predicts; v in the paper, the network's own
    output in diffusers. The standard deviation is that of an image.
    """
    if not 0 <= phi <= 1:
        raise ValueError(f"phi is the share of the rescaled output, from 0 to 1, got {phi:g}")
    _alike(cond, null)
    w = _number(w)
    fitting(pred)

    def guide(x: Tensor, level: Level) -> Tensor:
        if not isinstance(w, Tensor) and w == 1:
            return _told(denoise, x, level, cond)
        rule = fitting(pred, level.alpha)
        if not isinstance(level.sigma, Tensor) and level.sigma == 0:        # no output to rescale
            return torch.lerp(*_both(denoise, x, level, cond, null), _column(w, x))
        output = lambda x0: rule.target(x0, (x - level.alpha * x0) / level.sigma, level)
        without, with_cond = _both(denoise, x, level, cond, null)
        out = output(torch.lerp(without, with_cond, _column(w, x)))
        ratio = _deviation(output(with_cond)) / _deviation(out)
        return rule.to_x0(out * (1 - phi + phi * ratio.nan_to_num(1.0, posinf=1.0)), x, level)        # a flat image is left
    return guide


def _deviation(o: Tensor) -> Tensor:
    """The standard deviation of each image, (B, 1, ...)."""
    flat = o.reshape(len(o), math.prod(o.shape[1:]))
    return (flat - flat.mean(1, keepdim=True)).square().mean(1).sqrt().reshape(-1, *[1] * (o.ndim - 1))


def within(guide: Callable, plain: Callable, low: float, high: float) -> Callable:
    """The denoiser `guide` where low < sigma / alpha <= high, else `plain` (Kynkaanniemi et al. 2024).

    With plain = guided(..., w=1) a level outside the interval costs B rows. low, high: in EDM's sigma.
    """
    if not 0 <= low < high:
        raise ValueError(f"an interval of sigma / alpha runs from low up to high, got {low:g} and {high:g}")

    def choose(x: Tensor, level: Level) -> Tensor:
        if isinstance(level.alpha, Tensor) and level.alpha.numel() != 1:
            raise ValueError("guidance on an interval takes one level for all images of a call: split the batch by level")
        alpha, sigma = float(level.alpha), float(level.sigma)                       # alpha is 0 in pure noise
        inside = low * alpha < sigma and (math.isinf(high) or sigma <= high * alpha)
        return (guide if inside else plain)(x, level)
    return choose
