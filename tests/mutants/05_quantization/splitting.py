"""Answers to 05-split: right ones, and wrong ones with the causes that a report may name for them."""
import torch

EXERCISE = "05-split"


def right(w, rank):
    u, s, vt = torch.linalg.svd(w, full_matrices=False)
    up, down = u[:, :rank] * s[:rank], vt[:rank]
    return up, down, w - up @ down


def right_roots(w, rank):
    u, s, v = torch.svd(w)
    root = s[:rank].sqrt()
    up, down = u[:, :rank] * root, (v[:, :rank] * root).T
    return up, down, w - up @ down


def right_project(w, rank):
    u = torch.linalg.svd(w)[0][:, :rank]
    down = u.T @ w
    return u, down, w - u @ down


def right_eigen(w, rank):
    values, vectors = torch.linalg.eigh(w.T @ w)
    down = vectors[:, values.argsort(descending=True)[:rank]].T
    up = w @ down.T
    return up, down, w - up @ down


def made(factors, rest=lambda w, up, down: w - up @ down):
    def answer(w, rank):
        u, s, vt = torch.linalg.svd(w, full_matrices=False)
        up, down = factors(u, s, vt, rank, w)
        return up, down, rest(w, up, down)
    return answer


def best(u, s, vt, r, w):
    return u[:, :r] * s[:r], vt[:r]


# A newcomer's own, written before any check was run


def newcomers_svd_helper(w):
    return torch.linalg.svd(w, full_matrices=False)


def newcomers_swapped(w, rank):
    """returns (down, up, rest)"""
    u, s, v = newcomers_svd_helper(w)
    up, down = (u[:, :rank] * s[:rank], v[:rank])
    return (down, up, w - up @ down)


def newcomers_broadcast(w, rank):
    """s scales rows of u (s[:, None])"""
    u, s, v = newcomers_svd_helper(w)
    up = u[:, :rank] * (s[:len(u), None] if len(s) >= len(u) else torch.cat((s, s.new_zeros(len(u) - len(s))))[:, None])
    down = v[:rank]
    return (up, down, w - up @ down)


def newcomers_fp16_branch(w, rank):
    """keeps the branch in 16 bits (half), since the text says 16 bits; rest in float from the half branch"""
    u, s, v = newcomers_svd_helper(w)
    up, down = ((u[:, :rank] * s[:rank]).half(), v[:rank].half())
    return (up, down, w - up.float() @ down.float())


def newcomers_rounded_rest(w, rank):
    """rest is rounded to 4 bits here already (the brace says 4 bits)"""
    u, s, v = newcomers_svd_helper(w)
    up, down = (u[:, :rank] * s[:rank], v[:rank])
    rest = w - up @ down
    g = rest.flatten().abs().max() / 7
    return (up, down, (rest / g).round() * g)


def newcomers_random(w, rank):
    """first rank columns of w instead of singular vectors (QR of the first columns)"""
    q, _ = torch.linalg.qr(w[:, :rank])
    down = q.T @ w
    return (q, down, w - q @ down)


def newcomers_off_by_one(w, rank):
    """leaves out the first term: 1 to rank"""
    u, s, v = newcomers_svd_helper(w)
    up, down = (u[:, 1:rank + 1] * s[1:rank + 1], v[1:rank + 1])
    return (up, down, w - up @ down)


def newcomers_rest_other_terms_no_s(w, rank):
    """rest from the remaining terms, values forgotten there"""
    u, s, v = newcomers_svd_helper(w)
    return (u[:, :rank] * s[:rank], v[:rank], u[:, rank:] @ v[rank:])


def newcomers_centered(w, rank):
    """PCA: mean of the columns taken off first (torch.pca_lowrank default)"""
    m = w.mean(0, keepdim=True)
    u, s, v = newcomers_svd_helper(w - m)
    up, down = (u[:, :rank] * s[:rank], v[:rank])
    return (up, down, w - up @ down)


def newcomers_roots_right(w, rank):
    """roots to both"""
    u, s, v = newcomers_svd_helper(w)
    r = s[:rank].sqrt()
    up, down = (u[:, :rank] * r, r[:, None] * v[:rank])
    return (up, down, w - up @ down)


def newcomers_down_values_right(w, rank):
    """values to down; rest from the other terms"""
    u, s, v = newcomers_svd_helper(w)
    return (u[:, :rank], torch.diag(s[:rank]) @ v[:rank], u[:, rank:] * s[rank:] @ v[rank:])


def newcomers_eigh_right(w, rank):
    """eigh of the gram matrix in double, projection"""
    d = w.double()
    _, v = torch.linalg.eigh(d.T @ d)
    v = v[:, -rank:]
    up, down = (d @ v, v.T)
    return (up.to(w.dtype), down.to(w.dtype), (d - up @ down).to(w.dtype))


def newcomers_full_right(w, rank):
    """full svd with einsum, sign flipped in both factors"""
    u, s, v = torch.linalg.svd(w)
    up = -u[:, :rank]
    down = -(s[:rank].unsqueeze(1) * v[:rank])
    return (up, down, w - torch.einsum('nr,rk->nk', up, down))


def newcomers_rotated_right(w, rank):
    """another factorization: a rotation between the factors"""
    u, s, v = newcomers_svd_helper(w)
    q, _ = torch.linalg.qr(torch.randn(rank, rank, generator=torch.Generator().manual_seed(0)).to(w.dtype))
    up, down = (u[:, :rank] * s[:rank] @ q, q.T @ v[:rank])
    return (up, down, w - up @ down)


def hurried_lowrank(w, rank):
    """an approximate SVD with a few terms to spare"""
    u, s, v = torch.svd_lowrank(w, q=min(rank + 6, *w.shape))
    up, down = u[:, :rank] * s[:rank], v[:, :rank].T
    return up, down, w - up @ down


RIGHT = [
    right, right_roots, right_project, newcomers_eigh_right, newcomers_roots_right, newcomers_rotated_right,
    newcomers_down_values_right, newcomers_full_right,
]
WRONG = [
    (made(lambda u, s, vt, r, w: (u[:, :r], vt[:r])), ["singular values are missing"]),
    (made(lambda u, s, vt, r, w: (u[:, :r] * s[:r], s[:r, None] * vt[:r])), ["stand in both factors"]),
    (made(lambda u, s, vt, r, w: (u[:, :r] * s[:r].sqrt(), vt[:r])), ["root of the singular values stands in one"]),
    (made(lambda u, s, vt, r, w: (u[:, -r:] * s[-r:], vt[-r:])), ["smallest singular values"]),
    (made(lambda u, s, vt, r, w: (u[:, :r] / s[:r], vt[:r])), ["divided by the singular values"]),
    (made(lambda u, s, vt, r, w: (torch.cat([u[:, :r - 1] * s[:r - 1], 0 * u[:, :1]], 1), vt[:r])), ["one rank less"]),
    (made(lambda u, s, vt, r, w: (u[:, :r] * s[:r], vt[:, :r].T)), ["V where V^T belongs", "down lies"]),
    (made(lambda u, s, vt, r, w: (u * s, vt)), ["not cut to the rank"]),
    (made(lambda u, s, vt, r, w: (u[:, :r] * s[:r], vt[:r].T), lambda w, up, down: w - up @ down.T), ["down lies on its side"]),
    (made(lambda u, s, vt, r, w: ((u[:, :r] * s[:r]).T, vt[:r]), lambda w, up, down: w - up.T @ down), ["up lies on its side"]),
    (made(lambda u, s, vt, r, w: (vt[:r], u[:, :r] * s[:r]), lambda w, up, down: w - down @ up), ["up and down are exchanged"]),
    (made(best, lambda w, up, down: up @ down - w), ["the sign"]),
    (made(best, lambda w, up, down: w + up @ down), ["the branch is added"]),
    (made(best, lambda w, up, down: up @ down), ["this is the branch itself"]),
    (made(best, lambda w, up, down: w), ["this is w itself"]),
    (made(lambda u, s, vt, r, w: (w[:, :r], torch.eye(r, w.shape[1], dtype=w.dtype))), ["on other directions"]),
    (made(lambda u, s, vt, r, w: (u[:, :r] * s[:r].flip(0), vt[:r])), []),
    (made(best, lambda w, up, down: (w - up @ down).abs()), []), (made(best, lambda w, up, down: (w - up @ down).round()), []),
    (lambda w, rank: right(w, rank)[:2], []), (lambda w, rank: right(w, rank + 1), []), (lambda w, rank: right(w, 1), []),
    (lambda w, rank: (torch.zeros(len(w), rank, dtype=w.dtype), torch.zeros(rank, w.shape[1], dtype=w.dtype), w), []),
    (lambda w, rank: torch.linalg.svd(w, full_matrices=False), ["not cut to the rank"]),
    (newcomers_fp16_branch, ["near the best branch"]),
    (newcomers_broadcast, []), (newcomers_rounded_rest, []),
    (newcomers_off_by_one, ["the first term is left out: U[:, :rank], from"]),
    (newcomers_random, ["on other directions"]), (newcomers_centered, ["the mean is taken off"]),
    (newcomers_rest_other_terms_no_s, ["the other terms without"]), (newcomers_swapped, []),
    (hurried_lowrank, ["on other directions", "near the best branch"]),
    (made(best, lambda w, up, down: w - torch.nn.functional.normalize(up, dim=0) @ down), ["made without the singular values"]),
]
