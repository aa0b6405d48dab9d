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


# A newcomer's own, written before any check was run


def newcomers_run_helper(denoise, layer, x, grid, see, sampler=None):
    seen = []
    h = layer.register_forward_pre_hook(lambda m, g: seen.append(see(g)))
    try:
        for _ in samplers.ddim(denoise, x, grid):
            pass
    finally:
        h.remove()
    return seen


def newcomers_list(denoise, layer, x, grid):
    """returns a list of floats, no tensor"""
    return newcomers_run_helper(denoise, layer, x, grid, lambda g: g[0].abs().max().item())


def newcomers_state(denoise, layer, x, grid):
    """largest |state| of the sampler instead of the layer's input"""
    out = []
    for st in samplers.ddim(denoise, x, grid):
        t = st if torch.is_tensor(st) else getattr(st, 'x', None)
        if t is None:
            t = st[0]
        out.append(t.abs().max())
    return torch.stack(out)


def newcomers_channels(denoise, layer, x, grid):
    """largest for each channel (last dimension), not one number"""
    return torch.stack(newcomers_run_helper(denoise, layer, x, grid, lambda g: g[0].abs().flatten(0, -2).amax(0)))


def newcomers_normalised(denoise, layer, x, grid):
    """divided by the first, as in the figure"""
    t = torch.stack(newcomers_run_helper(denoise, layer, x, grid, lambda g: g[0].abs().max()))
    return t / t[0]


def newcomers_hook_in_loop_removed(denoise, layer, x, grid):
    """hook is set inside the loop for one step and removed (first call missed)"""
    seen = []
    h = None
    for _ in samplers.ddim(denoise, x, grid):
        if h:
            h.remove()
        h = layer.register_forward_pre_hook(lambda m, g: seen.append(g[0].abs().max()))
    h.remove()
    return torch.stack(seen)


def newcomers_break(denoise, layer, x, grid):
    """takes only one state: next()"""
    seen = []
    h = layer.register_forward_pre_hook(lambda m, g: seen.append(g[0].abs().max()))
    next(iter(samplers.ddim(denoise, x, grid)))
    h.remove()
    return torch.stack(seen) if seen else torch.zeros(0)


def newcomers_clear_hooks(denoise, layer, x, grid):
    """clears all hooks of the layer, others' too"""
    seen = []
    layer.register_forward_pre_hook(lambda m, g: seen.append(g[0].abs().max()))
    for _ in samplers.ddim(denoise, x, grid):
        pass
    layer._forward_pre_hooks.clear()
    return torch.stack(seen)


def newcomers_hook_returns(denoise, layer, x, grid):
    """the hook returns the maximum, which torch takes for the new input"""
    seen = []

    def hook(m, g):
        seen.append(g[0].abs().max())
        return seen[-1]
    h = layer.register_forward_pre_hook(hook)
    try:
        for _ in samplers.ddim(denoise, x, grid):
            pass
    finally:
        h.remove()
    return torch.stack(seen)


def newcomers_reference(denoise, layer, x, grid):
    """eval-train: sets the layer to eval and leaves it there"""
    layer.eval()
    return torch.stack(newcomers_run_helper(denoise, layer, x, grid, lambda g: g[0].abs().max()))


def newcomers_wrapped_forward_right(denoise, layer, x, grid):
    """wraps forward and puts it back"""
    seen = []
    old = layer.forward

    def fwd(inp, *r, **k):
        seen.append(inp.detach().abs().max())
        return old(inp, *r, **k)
    layer.forward = fwd
    try:
        list(samplers.ddim(denoise, x, grid))
    finally:
        del layer.forward
    return torch.stack(seen)


def newcomers_list_right(denoise, layer, x, grid):
    """list() and torch.tensor of floats"""
    return torch.tensor(newcomers_run_helper(denoise, layer, x, grid, lambda g: g[0].abs().max().item()))


def newcomers_forward_hook_right(denoise, layer, x, grid):
    """a forward hook, its inputs"""
    from collections import deque
    seen = []
    h = layer.register_forward_hook(lambda m, g, out: seen.append(torch.linalg.vector_norm(g[0].detach(), float('inf'))) or None)
    deque(samplers.ddim(denoise, x, grid), maxlen=0)
    h.remove()
    return torch.stack(seen)


def newcomers_prefilled_right(denoise, layer, x, grid):
    """a prefilled tensor, max(max, -min), with-statement"""
    out = torch.zeros(len(grid) - 1)
    i = [0]

    def hook(m, g):
        t = g[0]
        out[i[0]] = max(t.max().item(), -t.min().item())
        i[0] += 1
    with layer.register_forward_pre_hook(hook):
        for _ in samplers.ddim(denoise, x, grid):
            pass
    return out


def hurried_default(denoise, layer, x, grid, found=[]):
    """a list that outlives the call"""
    handle = layer.register_forward_pre_hook(lambda module, given: found.append(given[0].abs().max()))
    samplers.last(samplers.ddim(denoise, x, grid))
    handle.remove()
    return torch.stack(found)


def right_put_back(denoise, layer, x, grid):
    """forward is exchanged, and put back by hand"""
    found, before = [], layer.forward

    def forward(given):
        found.append(given.abs().max())
        return before(given)
    layer.forward = forward
    samplers.last(samplers.ddim(denoise, x, grid))
    layer.forward = before
    return torch.stack(found)


RIGHT = [
    right, right_last, right_two, right_put_back, newcomers_list_right, newcomers_wrapped_forward_right,
    newcomers_forward_hook_right, newcomers_prefilled_right,
]
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
    (hooked(lambda t: t.abs().amax(0)), ["one number for each of the layer"]), (hooked(lambda t: t), []),
    (hooked(out=lambda found: found[-1]), ["one number for the whole"]), (never_run, ["a sampler runs only when"]),
    (removed_first, ["nothing was collected"]), (states, ["the states of the path"]), (all_states, ["one number too many"]),
    (guesses, ["the guesses of x0", "walked twice"]), (at_the_start, ["x stays at the start"]),
    (guess_as_state, ["taken for states"]), (fed_directly, []), (twice, ["walked twice"]),
    (late, ["one step late", "walked twice"]), (newcomers_list, ["this is a list: torch.stack or torch.tensor m"]),
    (hooked(lambda t: t.abs_().max()), ["the hook changes what the layer is given"]), (hurried_default, ["a list that outlives"]),
    (hooked(walk=samplers.ddpm), ["right for the states visited"]),
    (newcomers_clear_hooks, []), (newcomers_reference, []), (newcomers_state, ["the states after each step"]),
    (newcomers_normalised, ["divided by the first: the numbers themselves "]), (newcomers_hook_returns, []),
    (newcomers_break, ["fewer numbers than levels: was the sampler ru"]),
    (newcomers_channels, ["one number for each of the layer's inputs: th"]),
    (newcomers_hook_in_loop_removed, ["fewer numbers than levels: was the sampler ru"]),
]
