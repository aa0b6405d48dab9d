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


RIGHT = [right, right_roots, right_project]
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
    (made(lambda u, s, vt, r, w: (w[:, :r], torch.eye(r, w.shape[1], dtype=w.dtype))), []),
    (made(lambda u, s, vt, r, w: (u[:, :r] * s[:r].flip(0), vt[:r])), []),
    (made(best, lambda w, up, down: (w - up @ down).abs()), []), (made(best, lambda w, up, down: (w - up @ down).round()), []),
    (lambda w, rank: right(w, rank)[:2], []), (lambda w, rank: right(w, rank + 1), []), (lambda w, rank: right(w, 1), []),
    (lambda w, rank: (torch.zeros(len(w), rank, dtype=w.dtype), torch.zeros(rank, w.shape[1], dtype=w.dtype), w), []),
    (lambda w, rank: torch.linalg.svd(w, full_matrices=False), ["not cut to the rank"]),
]
