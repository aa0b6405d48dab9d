"""Guidance: one call of twice the rows, the same in x0 as in eps."""
import torch
from beds import LINEAR, normal

from effml_lab.diffusion import denoise as dn
from effml_lab.diffusion.guidance import guided


def test_guidance_is_one_call_of_twice_the_rows_and_equals_two_calls():
    x, cond, null, calls = normal(3, 1, 2, 2), torch.tensor([1, 2, 3]), torch.tensor([0]), []

    def net(x, t, cond):
        calls.append(len(x))
        return torch.tanh(x + cond.reshape(-1, 1, 1, 1))
    denoise, level = dn.Denoiser(net), LINEAR(500)
    with_cond, without = denoise(x, level, cond), denoise(x, level, null.expand(3))
    calls.clear()
    for w in (0.0, 0.5, 3.0):
        torch.testing.assert_close(guided(denoise, cond, null, w)(x, level), without + w * (with_cond - without))
    assert calls == [6, 6, 6]
    calls.clear()
    torch.testing.assert_close(guided(denoise, cond, null, 1.0)(x, level), with_cond, rtol=0, atol=0)
    assert calls == [3]


def test_guiding_x0_is_guiding_eps():
    x, level, w = normal(3, 1, 2, 2), LINEAR(500), 3.0
    net = lambda x, t, cond: torch.tanh(x + cond.reshape(-1, 1, 1, 1))
    cond, null, t = torch.full((3,), 2.0), torch.zeros(3), torch.full((3,), 500.0)
    eps = (1 + (w - 1)) * net(x, t, cond) - (w - 1) * net(x, t, null)      # Ho and Salimans eq. 6, with w - 1 for w
    expected = (x - level.sigma * eps) / level.alpha
    torch.testing.assert_close(guided(dn.Denoiser(net), cond, null, w)(x, level), expected)


def test_a_condition_may_hold_several_tensors():
    x, level, seen = normal(3, 1, 2, 2), LINEAR(500), []

    def net(x, t, cond):
        seen.append([cond["words"].shape, cond["more"]["size"].shape])
        return torch.tanh(x + cond["words"].mean((1, 2)).reshape(-1, 1, 1, 1) * cond["more"]["size"].reshape(-1, 1, 1, 1))
    tell = lambda words, size: {"words": words, "more": {"size": size}}
    cond, null = tell(normal(3, 5, 2), torch.tensor([[2.0]])), tell(torch.zeros(1, 5, 2), torch.tensor([[3.0]]))
    denoise, rows = dn.Denoiser(net), tell(cond["words"], torch.full((3, 1), 2.0))
    with_cond, without = denoise(x, level, rows), denoise(x, level, tell(torch.zeros(3, 5, 2), torch.full((3, 1), 3.0)))
    torch.testing.assert_close(guided(denoise, cond, null, 3.0)(x, level), without + 3 * (with_cond - without))
    torch.testing.assert_close(guided(denoise, cond, null, 1.0)(x, level), with_cond)
    assert seen[-2:] == [[(6, 5, 2), (6, 1)], [(3, 5, 2), (3, 1)]]
