"""GPTQ: codes decided one column after another, each making up for what the ones before it left (Frantar et al. 2023).

To nearest, every weight is rounded as if it were alone. But what counts is the output, and inputs that rise together can make up
for each other's weights. With H = x^T x of the inputs, and U the upper Cholesky factor of its inverse, rounding column j by
  e = (w_j - scale q_j) / U_jj        lets the best of what is still free be      w_k <- w_k - e U_jk,  k > j.
Scales are given, and stay (algorithm 1 of the paper; its blocks of columns are for speed). H is damped by a
hundredth of its mean diagonal, as there.
"""
import torch
from torch import Tensor

DAMP = 0.01


def gptq(w: Tensor, x: Tensor, steps: Tensor, low: int, high: int) -> Tensor:
    """Codes int8 (N, K) in [low, high] of weights (N, K) for inputs x (rows, K); steps: what a code counts, (N, K)."""
    h = (x.double().T @ x.double()) / len(x)
    h.diagonal().add_(DAMP * h.diagonal().mean() + 1e-12)
    u = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)
    left, codes = w.double().clone(), torch.empty_like(w, dtype=torch.int8)
    for j in range(w.shape[1]):
        q = (left[:, j] / steps[:, j]).round().clamp(low, high)
        codes[:, j] = q.to(torch.int8)
        left[:, j + 1:] -= torch.outer((left[:, j] - q * steps[:, j]) / u[j, j], u[j, j + 1:])
    return codes
