"""Answers to 05-path: right ones, and wrong ones with the causes that a report may name for them."""
import torch

from effml_lab.diffusion import samplers

EXERCISE = "05-path"


def right(denoise, layer, x, grid):
    found = []
    handle = layer.register_forward_pre_hook(lambda module, given: found.append(given[0].abs().max()))
    for _ in samplers.ddim(denoise, x, grid):
        pass
    handle.remove()
    return torch.stack(found)


def right_last(denoise, layer, x, grid):
    found = []
    hook = layer.register_forward_hook(lambda module, given, out: found.append(given[0].abs().amax().item()))
    try:
        samplers.last(samplers.ddim(denoise, x, grid))
    finally:
        hook.remove()
    return torch.tensor(found, dtype=torch.float64)


def right_two(denoise, layer, x, grid):
    seen = {}
    handle = layer.register_forward_pre_hook(lambda module, given: seen.setdefault("x", []).append(given[0].detach()))
    list(samplers.ddim(denoise, x, grid))
    handle.remove()
    return torch.stack([each.abs().max() for each in seen["x"]])


def hooked(read=lambda t: t.abs().max(), remove=True, post=False, walk=samplers.ddim, out=torch.stack):
    def answer(denoise, layer, x, grid):
        found = []
        handle = (layer.register_forward_hook(lambda module, given, y: found.append(read(y))) if post else
                  layer.register_forward_pre_hook(lambda module, given: found.append(read(given[0]))))
        for _ in walk(denoise, x, grid):
            pass
        if remove:
            handle.remove()
        return out(found)
    return answer


def never_run(denoise, layer, x, grid):
    found = []
    handle = layer.register_forward_pre_hook(lambda module, given: found.append(given[0].abs().max()))
    samplers.ddim(denoise, x, grid)
    handle.remove()
    return found


def removed_first(denoise, layer, x, grid):
    found = []
    handle = layer.register_forward_pre_hook(lambda module, given: found.append(given[0].abs().max()))
    handle.remove()
    for _ in samplers.ddim(denoise, x, grid):
        pass
    return torch.stack(found) if found else torch.zeros(0, dtype=torch.float64)


def states(denoise, layer, x, grid):
    return torch.stack([state.abs().max() for state in [x, *samplers.ddim(denoise, x, grid)][:-1]])


def all_states(denoise, layer, x, grid):
    return torch.stack([state.abs().max() for state in [x, *samplers.ddim(denoise, x, grid)]])


def guesses(denoise, layer, x, grid):
    states = [x, *samplers.ddim(denoise, x, grid)]
    return torch.stack([denoise(state, level).abs().max() for state, level in zip(states, grid[:-1])])


def at_the_start(denoise, layer, x, grid):
    return hooked(walk=lambda denoise, x, grid: [denoise(x, level) for level in grid[:-1]])(denoise, layer, x, grid)


def guess_as_state(denoise, layer, x, grid):
    def walk(denoise, x, grid):
        for level in grid[:-1]:
            x = denoise(x, level)
            yield x
    return hooked(walk=walk)(denoise, layer, x, grid)


def fed_directly(denoise, layer, x, grid):
    return torch.stack([layer(state).abs().max() for state in [x, *samplers.ddim(denoise, x, grid)][:-1]])


def twice(denoise, layer, x, grid):
    """Walks the path once for the states, and once more for the layer."""
    path = list(zip([x, *samplers.ddim(denoise, x, grid)], grid[:-1]))
    return hooked(walk=lambda denoise, x, grid: [denoise(*visit) for visit in path])(denoise, layer, x, grid)


def late(denoise, layer, x, grid):
    path = list(samplers.ddim(denoise, x, grid))
    return hooked(walk=lambda denoise, x, grid: [denoise(*visit) for visit in zip(path, grid[:-1])])(denoise, layer, x, grid)


RIGHT = [right, right_last, right_two]
WRONG = [
    (hooked(remove=False), ["the hook is still there"]), (hooked(lambda t: t.max()), ["without abs()"]),
    (hooked(lambda t: t.abs().mean()), ["the mean of |input|"]), (hooked(lambda t: t.std()), ["standard deviation"]),
    (hooked(lambda t: t.norm()), ["the norm"]), (hooked(lambda t: t.abs().min()), ["the least"]),
    (hooked(lambda t: t[0].abs().max()), ["the first row alone"]),
    (hooked(lambda t: t.abs().amax(1).mean()), ["each row's largest"]), (hooked(post=True), ["the layer's outputs"]),
    (hooked(out=lambda found: torch.stack(found).max()), ["one number for the whole path"]),
    (hooked(out=lambda found: torch.stack(found).cummax(0).values), ["of several levels"]),
    (hooked(out=lambda found: torch.stack(found).flip(0)), ["from picture to noise"]),
    (hooked(out=lambda found: torch.stack(found).max().expand(len(found))), ["of several levels"]),
    (hooked(lambda t: t.abs().amax(0)), []), (hooked(lambda t: t), []),
    (hooked(out=lambda found: found[-1]), ["one number for the whole"]), (never_run, ["a sampler runs only when"]),
    (removed_first, ["nothing was collected"]), (states, ["the states of the path"]), (all_states, ["one number too many"]),
    (guesses, ["the guesses of x0", "walked twice"]), (at_the_start, ["x stays at the start"]),
    (guess_as_state, ["taken for states"]), (fed_directly, []), (twice, ["walked twice"]),
    (late, ["one step late", "walked twice"]),
]
