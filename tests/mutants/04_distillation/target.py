"""Answers to 04-target: right ones, and wrong ones with the causes that a report may name for them."""
import torch

from effml_lab.diffusion import samplers
from effml_lab.diffusion.step import step

EXERCISE = "04-target"


def right(teacher, z, cur, mid, nxt):
    with torch.no_grad():
        half = step(z, teacher(z, cur), cur, mid)
        end = step(half, teacher(half, mid), mid, nxt)
    keep = nxt.sigma / cur.sigma
    return (end - keep * z) / (nxt.alpha - keep * cur.alpha)


@torch.no_grad()
def right_by_hand(teacher, z, cur, mid, nxt):
    x, first = z, teacher(z, cur)
    x = mid.alpha * first + mid.sigma * (x - cur.alpha * first) / cur.sigma
    second = teacher(x, mid)
    x = nxt.alpha * second + nxt.sigma * (x - mid.alpha * second) / mid.sigma
    return (cur.sigma * x - nxt.sigma * z) / (cur.sigma * nxt.alpha - nxt.sigma * cur.alpha)


def right_detached(teacher, z, cur, mid, nxt):
    half = step(z, teacher(z, cur), cur, mid)
    end = step(half, teacher(half, mid), mid, nxt)
    return ((cur.sigma * end - nxt.sigma * z) / (cur.sigma * nxt.alpha - nxt.sigma * cur.alpha)).detach()


def right_line(teacher, z, cur, mid, nxt):
    """The line from z to z'' has one noise and one picture: the noise is solved for, and the picture follows."""
    with torch.no_grad():
        half = step(z, teacher(z, cur), cur, mid)
        end = step(half, teacher(half, mid), mid, nxt)
    keep = nxt.alpha / cur.alpha
    eps = (end - keep * z) / (nxt.sigma - keep * cur.sigma)
    return (end - nxt.sigma * eps) / nxt.alpha


def wrong_sampler(teacher, z, cur, mid, nxt):
    """The package's samplers take plain levels, and in training each row has its own."""
    end = list(samplers.ddim(teacher, z, [cur, mid, nxt]))[-1]
    keep = nxt.sigma / cur.sigma
    return (end - keep * z) / (nxt.alpha - keep * cur.alpha)


@torch.no_grad()
def wrong_if(teacher, z, cur, mid, nxt):
    """A case of its own for the clean end: levels of a batch are tensors, which no `if` can ask."""
    half = step(z, teacher(z, cur), cur, mid)
    end = step(half, teacher(half, mid), mid, nxt)
    if nxt.sigma == 0:
        return end / nxt.alpha
    ratio = cur.sigma / nxt.sigma
    return (ratio * end - z) / (ratio * nxt.alpha - cur.alpha)


def solve(end, z, cur, nxt):
    keep = nxt.sigma / cur.sigma
    return (end - keep * z) / (nxt.alpha - keep * cur.alpha)


def solved(ratio, exchanged=False):
    """The right walk, solved with another ratio or with the alphas exchanged."""
    @torch.no_grad()
    def answer(teacher, z, cur, mid, nxt):
        half = step(z, teacher(z, cur), cur, mid)
        end = step(half, teacher(half, mid), mid, nxt)
        keep, (a, b) = ratio(cur, nxt), (nxt.alpha, cur.alpha) if exchanged else (cur.alpha, nxt.alpha)
        return (end - keep * z) / (b - keep * a)
    return answer


def walk(make):
    """make(teacher, z, half, end, cur, mid, nxt), under no_grad."""
    @torch.no_grad()
    def answer(teacher, z, cur, mid, nxt):
        half = step(z, teacher(z, cur), cur, mid)
        return make(teacher, z, half, step(half, teacher(half, mid), mid, nxt), cur, mid, nxt)
    return answer


def plain(make):
    """make(teacher, z, cur, mid, nxt), under no_grad."""
    return torch.no_grad()(make)


def wrong_gradient(teacher, z, cur, mid, nxt):
    half = step(z, teacher(z, cur), cur, mid)
    return solve(step(half, teacher(half, mid), mid, nxt), z, cur, nxt)


def wrong_late_no_grad(teacher, z, cur, mid, nxt):
    half = step(z, teacher(z, cur), cur, mid)
    end = step(half, teacher(half, mid), mid, nxt)
    with torch.no_grad():
        keep = nxt.sigma / cur.sigma
    return (end - keep * z) / (nxt.alpha - keep * cur.alpha)


@torch.no_grad()
def wrong_in_place(teacher, z, cur, mid, nxt):
    first = teacher(z, cur)
    start = z.clone()
    z *= mid.sigma / cur.sigma
    z += (mid.alpha - mid.sigma / cur.sigma * cur.alpha) * first
    return solve(step(z, teacher(z, mid), mid, nxt), start, cur, nxt)


@torch.no_grad()
def wrong_three(teacher, z, cur, mid, nxt):
    half = step(z, teacher(z, cur), cur, mid)
    end = step(half, teacher(half, mid), mid, nxt)
    return teacher(end, nxt)


@torch.no_grad()
def wrong_thrice(teacher, z, cur, mid, nxt):
    half = step(z, teacher(z, cur), cur, mid)
    end = step(half, teacher(half, mid), mid, nxt)
    teacher(end, nxt)
    return solve(end, z, cur, nxt)


# A newcomer's own, written before any check was run


def walk_theirs(teacher, z, cur, mid, nxt):
    with torch.no_grad():
        z1 = step(z, teacher(z, cur), cur, mid)
        return z1, step(z1, teacher(z1, mid), mid, nxt)


def newcomers_no_ratio_below(teacher, z, cur, mid, nxt):
    """I forgot the ratio in the denominator."""
    z2 = walk_theirs(teacher, z, cur, mid, nxt)[1]
    return (z2 - nxt.sigma / cur.sigma * z) / (nxt.alpha - cur.alpha)


def newcomers_no_ratio_above(teacher, z, cur, mid, nxt):
    """I forgot the ratio before z in the numerator."""
    z2 = walk_theirs(teacher, z, cur, mid, nxt)[1]
    return (z2 - z) / (nxt.alpha - nxt.sigma / cur.sigma * cur.alpha)


def newcomers_mid_for_cur(teacher, z, cur, mid, nxt):
    """I took alpha and sigma of mid where those of cur belong."""
    z2 = walk_theirs(teacher, z, cur, mid, nxt)[1]
    ratio = nxt.sigma / mid.sigma
    return (z2 - ratio * z) / (nxt.alpha - ratio * mid.alpha)


def newcomers_sign_above(teacher, z, cur, mid, nxt):
    """I added the rest instead of subtracting it."""
    z2 = walk_theirs(teacher, z, cur, mid, nxt)[1]
    ratio = nxt.sigma / cur.sigma
    return (z2 + ratio * z) / (nxt.alpha - ratio * cur.alpha)


def newcomers_sign_below(teacher, z, cur, mid, nxt):
    """I got a plus in the denominator."""
    z2 = walk_theirs(teacher, z, cur, mid, nxt)[1]
    ratio = nxt.sigma / cur.sigma
    return (z2 - ratio * z) / (nxt.alpha + ratio * cur.alpha)


def newcomers_variances(teacher, z, cur, mid, nxt):
    """I took sigma for a variance and put a root over the ratio."""
    z2 = walk_theirs(teacher, z, cur, mid, nxt)[1]
    ratio = (nxt.sigma / cur.sigma) ** 0.5
    return (z2 - ratio * z) / (nxt.alpha - ratio * cur.alpha)


def newcomers_eps_of_first(teacher, z, cur, mid, nxt):
    """I took the noise of the teacher's first guess and read x0 off z'' with it."""
    with torch.no_grad():
        first = teacher(z, cur)
        eps = (z - cur.alpha * first) / cur.sigma
        z1 = step(z, first, cur, mid)
        z2 = step(z1, teacher(z1, mid), mid, nxt)
    return (z2 - nxt.sigma * eps) / nxt.alpha


def newcomers_z2_for_z(teacher, z, cur, mid, nxt):
    """I overwrote z in both steps, so it is z'' twice in the formula."""
    with torch.no_grad():
        z = step(z, teacher(z, cur), cur, mid)
        z = step(z, teacher(z, mid), mid, nxt)
    ratio = nxt.sigma / cur.sigma
    return (z - ratio * z) / (nxt.alpha - ratio * cur.alpha)


def newcomers_alpha_bar(teacher, z, cur, mid, nxt):
    """I took alpha for alpha-bar and put roots over it."""
    z2 = walk_theirs(teacher, z, cur, mid, nxt)[1]
    ratio = nxt.sigma / cur.sigma
    return (z2 - ratio * z) / (nxt.alpha ** 0.5 - ratio * cur.alpha ** 0.5)


def newcomers_second_at_nxt(teacher, z, cur, mid, nxt):
    """I asked the teacher at the level where the step goes to, not where it starts."""
    with torch.no_grad():
        z1 = step(z, teacher(z, cur), cur, mid)
        z2 = step(z1, teacher(z1, nxt), mid, nxt)
    ratio = nxt.sigma / cur.sigma
    return (z2 - ratio * z) / (nxt.alpha - ratio * cur.alpha)


def newcomers_all_sign(teacher, z, cur, mid, nxt):
    """I have the numerator the other way round, so the whole target has the wrong sign."""
    z2 = walk_theirs(teacher, z, cur, mid, nxt)[1]
    ratio = nxt.sigma / cur.sigma
    return (ratio * z - z2) / (nxt.alpha - ratio * cur.alpha)


def safe(teacher, z, cur, mid, nxt):
    """I kept the denominator away from 0; the course's student divides by 0.02 in its first step."""
    end = walk_theirs(teacher, z, cur, mid, nxt)[1]
    keep = nxt.sigma / cur.sigma
    return (end - keep * z) / torch.as_tensor(nxt.alpha - keep * cur.alpha, dtype=z.dtype).clamp(min=0.05)


RIGHT = [right, right_by_hand, right_detached, right_line]
WRONG = [
    (wrong_if, []), (wrong_sampler, []),
    (walk(lambda T, z, half, end, cur, mid, nxt: end), ["this is z''"]),
    (walk(lambda T, z, half, end, cur, mid, nxt: half), ["the state at mid"]),
    (walk(lambda T, z, half, end, cur, mid, nxt: T(z, cur)), ["guess at cur"]),
    (walk(lambda T, z, half, end, cur, mid, nxt: T(half, mid)), ["guess at mid"]),
    (walk(lambda T, z, half, end, cur, mid, nxt: (T(z, cur) + T(half, mid)) / 2), ["the average"]),
    (solved(lambda cur, nxt: cur.sigma / nxt.sigma), ["upside down"]),
    (solved(lambda cur, nxt: nxt.alpha / cur.alpha), ["alpha'' / alpha"]),
    (solved(lambda cur, nxt: nxt.sigma / cur.sigma, exchanged=True), ["alphas are exchanged"]),
    (walk(lambda T, z, half, end, cur, mid, nxt: solve(end, half, cur, nxt)), ["z' where z"]),
    (walk(lambda T, z, half, end, cur, mid, nxt: solve(end, half, mid, nxt)), ["guess at mid"]),
    (walk(lambda T, z, half, end, cur, mid, nxt: solve(end, z, mid, nxt)), ["alpha and sigma of mid"]),
    (walk(lambda T, z, half, end, cur, mid, nxt: end - nxt.sigma / cur.sigma * z), ["denominator is missing"]),
    (walk(lambda T, z, half, end, cur, mid, nxt: (end - nxt.sigma / cur.sigma * z) / nxt.alpha), ["divided by alpha'' alone"]),
    (walk(lambda T, z, half, end, cur, mid, nxt: end / (nxt.alpha - nxt.sigma / cur.sigma * cur.alpha)), ["z is missing"]),
    (solved(lambda cur, nxt: -nxt.sigma / cur.sigma), ["plus where minus"]),
    (walk(lambda T, z, half, end, cur, mid, nxt: (end - nxt.sigma * z) / (nxt.alpha - nxt.sigma * cur.alpha)), []),
    (plain(lambda T, z, cur, mid, nxt: solve(step(step(z, T(z, cur), cur, mid), T(z, mid), mid, nxt), z, cur, nxt)),
     ["second guess is made about z"]),
    (plain(lambda T, z, cur, mid, nxt: solve(step(h := step(z, T(z, cur), cur, mid), T(h, cur), mid, nxt), z, cur, nxt)),
     ["second guess is made at cur", "both at cur"]),
    (plain(lambda T, z, cur, mid, nxt: solve(step(step(z, u := T(z, cur), cur, mid), u, mid, nxt), z, cur, nxt)),
     ["guess at cur", "once: it is asked again"]),
    (plain(lambda T, z, cur, mid, nxt: solve(step(z, T(z, cur), cur, nxt), z, cur, nxt)),
     ["guess at cur", "once: it is asked again"]),
    (plain(lambda T, z, cur, mid, nxt: solve(step(z, T(step(z, T(z, cur), cur, mid), mid), mid, nxt), z, cur, nxt)),
     ["both steps begin at z"]),
    (plain(lambda T, z, cur, mid, nxt: solve(step(h := step(z, T(z, cur), cur, mid), T(h, mid), cur, nxt), z, cur, nxt)),
     ["second step is one from cur"]),
    (wrong_gradient, ["under torch.no_grad"]), (wrong_late_no_grad, ["under torch.no_grad"]), (wrong_in_place, []),
    (wrong_three, []), (wrong_thrice, []), (safe, []),
    (walk(lambda T, z, half, end, cur, mid, nxt: (end - nxt.sigma / mid.sigma * z) / (
        nxt.alpha - nxt.sigma / mid.sigma * cur.alpha)), ["sigma of mid stands below"]),
    (walk(lambda T, z, half, end, cur, mid, nxt: (end - nxt.sigma / cur.sigma * z) / (nxt.alpha - nxt.sigma / cur.sigma)),
     ["alpha is missing in the denominator"]),
    (walk(lambda T, z, half, end, cur, mid, nxt: end - nxt.sigma / cur.sigma * z / (
        nxt.alpha - nxt.sigma / cur.sigma * cur.alpha)), ["brackets are missing"]),
    (walk(lambda T, z, half, end, cur, mid, nxt: solve(end, z, cur, nxt).clamp(-1, 1)), ["the target is clipped"]),
    (newcomers_no_ratio_below, ["the ratio is missing in the denominator"]),
    (newcomers_no_ratio_above, ["the ratio is missing before z"]),
    (newcomers_mid_for_cur, ["alpha and sigma of mid stand where those of cur "]),
    (newcomers_sign_above, ["plus where minus belongs before z"]),
    (newcomers_sign_below, ["plus where minus belongs in the denominator"]),
    (newcomers_variances, ["a root is taken of sigma'' / sigma"]),
    (newcomers_eps_of_first, ["the noise of the teacher's first guess is taken "]),
    (newcomers_z2_for_z, ["z'' where z belongs"]),
    (newcomers_alpha_bar, ["roots are taken of alpha"]),
    (newcomers_second_at_nxt, ["the second guess is made at nxt"]),
    (newcomers_all_sign, ["numerator or denominator is turned round"]),
]
