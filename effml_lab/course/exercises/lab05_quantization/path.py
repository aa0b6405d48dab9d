"""Lab 05: how far a layer's inputs reach at each level of a sampler's path (Shang et al. 2023; Li et al. 2023, Q-Diffusion)."""
import torch
from torch import Tensor, nn

from ....diffusion import levels, samplers
from ....diffusion.levels import Level
from ....efficiency import calibrate
from ...contract.exercise import Exercise, Property, Unanswered, close, kind, same_form
from .bed import drawn

FORM, VALUE = "one number a level", "the largest |input| of the layer at each level of the path"
CALLS, LEFT = "the denoiser is asked once a level", "the layer is left as it was"
WIDTH, STEPS = 6, (5, 1, 8)


def cases(rng):
    quiet_first = torch.tensor([[0.1], [1.0], [1.0], [1.0]], dtype=torch.float64)       # the first row is never the largest
    return [{"x": drawn(rng, 4, WIDTH) * quiet_first, "weight": drawn(rng, WIDTH, WIDTH) * 0.5,
             "inner": drawn(rng, WIDTH, WIDTH) * 0.6,
             "grid": [list(level) for level in levels.cosine().grid(steps, "trailing")]} for steps in STEPS]


class Looked(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor) or x.ndim != 2:
            raise Unanswered("What a forward pre-hook returns takes the place of the layer's input: append to a list, and return "
                             "nothing.")
        return super().forward(x)


class Net(nn.Module):
    """Two layers; the second one is looked at. Its inputs shrink as the noise falls, and are mostly below 0."""

    def __init__(self, case):
        super().__init__()
        self.first, self.looked_at = (kind(WIDTH, WIDTH, bias=False, dtype=torch.float64) for kind in (nn.Linear, Looked))
        self.first.weight.data, self.looked_at.weight.data = case["inner"].clone(), case["weight"].clone()

    def forward(self, x: Tensor, level: Level) -> Tensor:
        h = self.first(x) * (0.3 + 2 * level.alpha) - 12 * level.sigma
        return torch.tanh(self.looked_at(h) + x)


def followed(case, read=lambda net, x, level: inputs(net, x, level).abs().max(), states=None, hook=lambda *_: None) -> Tensor:
    """What is read at each level of the DDIM path. hook: one that the layer has on the way."""
    net, grid = Net(case).requires_grad_(False), [Level(*row) for row in case["grid"]]
    net.looked_at.register_forward_pre_hook(hook)
    states = states or [case["x"], *samplers.ddim(net, case["x"], grid)]
    return torch.stack([read(net, x, level) for x, level in zip(states, grid[:-1])])


def inputs(net: Net, x: Tensor, level: Level) -> Tensor:
    return net.first(x) * (0.3 + 2 * level.alpha) - 12 * level.sigma


def run(impl, case):
    net, grid, asked = Net(case).requires_grad_(False), [Level(*row) for row in case["grid"]], []
    net.looked_at.register_forward_pre_hook(lambda module, given: None)         # somebody else's, which has to stay
    visited, before = [], net.looked_at.forward

    def denoise(x, level=None):
        if not isinstance(x, Tensor) or not isinstance(level, Level):
            raise Unanswered(f"denoise(x, level) takes a tensor and a Level; it was given {kind(x)} and {kind(level)}.")
        asked.append(float(level.t))
        visited.append(x.detach().clone())
        return net(x, level)
    out = impl(denoise, net.looked_at, case["x"], grid)
    hooks = len(net.looked_at._forward_pre_hooks) + len(net.looked_at._forward_hooks) - 1
    changed = {"its forward() is another": net.looked_at.forward != before, "it is left in eval()": not net.looked_at.training,
               "its weights are others": not torch.equal(net.looked_at.weight, case["weight"])}
    return {"out": out.detach().double() if isinstance(out, Tensor) else out, "asked": asked, "visited": visited, "hooks": hooks,
            "changed": [said for said, holds in changed.items() if holds]}


def verify(case, out):
    got, right = out["out"], followed(case)
    n = len(right)
    form = same_form(FORM, got, right)
    if not form.readable:
        shape = tuple(getattr(got, "shape", ()))
        causes = {"this is one number for the whole path: one a level is asked for": shape == () and isinstance(got, Tensor),
                  "one number too many: the clean end is a state, and the net is never asked about it": shape == (n + 1,),
                  "more numbers than levels: a list that outlives the call, or a path walked again": len(shape) == 1 and
                  shape[0] > n + 1,
                  "fewer numbers than levels: was the sampler run to its end, and all of it kept?": len(shape) == 1 and
                  0 < shape[0] < n,
                  "one number for each of the layer's inputs: the largest of all is asked for": shape == (n, WIDTH),
                  "nothing was collected: was the sampler run to its end, and does the hook append?": shape == (0,)}
        if isinstance(got, list):
            causes = {"nothing was collected: a sampler runs only when somebody takes its states, in a loop or a list": not got,
                      "this is a list: torch.stack or torch.tensor makes a tensor of it": bool(got)}
        return [form._replace(causes=tuple(said for said, holds in causes.items() if holds))]
    h = lambda read: lambda: followed(case, lambda net, x, level: read(inputs(net, x, level)))
    grid = [Level(*row) for row in case["grid"]]
    net = Net(case).requires_grad_(False)
    value = close(VALUE, got, right, {
        "the greatest input, without abs(): most of these lie below 0": h(lambda t: t.max()),
        "abs() comes after max(): most of these lie below 0": h(lambda t: t.max().abs()),
        "the mean of |input|: the largest is asked for": h(lambda t: t.abs().mean()),
        "the mean over rows of each row's largest": h(lambda t: t.abs().amax(1).mean()),
        "the standard deviation: the largest |input| is asked for": h(lambda t: t.std()),
        "the norm: the largest |input| is asked for": h(lambda t: t.norm()),
        "the least |input|": h(lambda t: t.abs().min()),
        "the first row alone": h(lambda t: t[0].abs().max()),
        "these are the layer's outputs: a forward *pre*-hook is given its inputs": lambda: followed(
            case, lambda net, x, level: net.looked_at(inputs(net, x, level)).abs().max()),
        "these are the states of the path: the layer's inputs are asked for": lambda: followed(
            case, lambda net, x, level: x.abs().max()),
        "these are the states after each step: the layer's inputs are asked for": lambda: torch.stack(
            [state.abs().max() for state in samplers.ddim(net, case["x"], grid)]),
        "the hook changes what the layer is given, by abs_() in place, or by what it returns": lambda: followed(
            case, hook=lambda module, given: given[0].abs()),
        "these are the guesses of x0: the layer's inputs are asked for": lambda: followed(
            case, lambda net, x, level: net(x, level).abs().max()),
        "x stays at the start of the path: each level has a state of its own": lambda: followed(case, states=[case["x"]] * n),
        "the states are one step late: the first is x itself": lambda: followed(
            case, states=[*samplers.ddim(net, case["x"], grid)]),
        "divided by the first: the numbers themselves are asked for": lambda: right / right[0],
        "divided by the largest: the numbers themselves are asked for": lambda: right / right.max(),
        "the largest of several levels: each level by itself": lambda: right.cummax(0).values,
        "from picture to noise: first comes the noisiest": lambda: right.flip(0),
        "the guesses of x0 are taken for states: the sampler's step leads from state to state": lambda: followed(
            case, states=[case["x"], *guesses(net, case["x"], grid)])}, 1e-6)
    if not value.passed and not value.causes and elsewhere(case, got, out["visited"]):
        value = value._replace(causes=("right for the states visited, but these are not DDIM's: another sampler, eta or step",))
    calls, want = out["asked"], [level.t for level in grid[:-1]]
    seen = "as expected" if calls == want else "other levels" if len(calls) == n else f"{len(calls)} calls"
    once = Property(CALLS, calls == want, seen, f"{n} call{'s' * (n > 1)}, one a level of the path",
                    ("the path was walked twice",) if calls == 2 * want else ())
    seen = "a hook is left" if out["hooks"] > 0 else "a hook that was there before is gone" if out["hooks"] < 0 else (
        ", ".join(out["changed"]) or "as expected")
    left = Property(LEFT, seen == "as expected", seen, "no hook is left, nothing else is changed", (
        "the hook is still there, and would collect in every later call: handle.remove()",) if out["hooks"] > 0 else ())
    return [form, value, once, left]


def elsewhere(case, got: Tensor, visited: list[Tensor]) -> bool:
    """Whether the numbers are those of the states that the denoiser was given."""
    if len(visited) != len(got) or any(x.shape != case["x"].shape for x in visited):
        return False
    return close("", got, followed(case, states=[x.double() for x in visited]), None, 1e-6).passed


def guesses(net: Net, x: Tensor, grid: list[Level]) -> list[Tensor]:
    states = []
    for level in grid[:-1]:
        x = net(x, level)
        states.append(x)
    return states


EXERCISES = (Exercise("05-path", "What a layer sees on the way down", {FORM: 0, VALUE: 3, CALLS: 0.5, LEFT: 1}, cases, run,
                      verify, own=(calibrate.calibrate, calibrate.trajectory)),)
