"""Guidance: one call of twice the rows, the same in x0 as in eps."""
import pytest
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
    for w in (0.5, 3.0, -1.0):
        torch.testing.assert_close(guided(denoise, cond, null, w)(x, level), without + w * (with_cond - without))
    assert calls == [6, 6, 6]
    calls.clear()
    for w, alone in ((1.0, with_cond), (0.0, without)):
        torch.testing.assert_close(guided(denoise, cond, null, w)(x, level), alone, rtol=0, atol=0)
    assert calls == [3, 3]


def test_every_image_may_have_its_own_weight():
    x, level, cond, null = normal(3, 1, 2, 2), LINEAR(500), torch.tensor([1, 2, 3]), torch.tensor([0])
    denoise = dn.Denoiser(lambda x, t, cond: torch.tanh(x + cond.reshape(-1, 1, 1, 1)))
    together = guided(denoise, cond, null, torch.tensor([0.0, 1.0, 4.0]))(x, level)
    for i, w in enumerate((0.0, 1.0, 4.0)):
        one = guided(denoise, cond[i:i + 1], null, w)(x[i:i + 1], level)
        torch.testing.assert_close(together[i:i + 1], one)


def test_without_a_null_the_net_is_told_nothing():
    x, level, told = normal(2, 1, 2, 2), LINEAR(500), []

    def denoise(x, level, cond=None):
        told.append(None if cond is None else len(cond))
        return x if cond is None else x + cond.reshape(-1, 1, 1, 1)
    torch.testing.assert_close(guided(denoise, torch.tensor([1.0]), None, 3.0)(x, level), x + 3)
    torch.testing.assert_close(guided(denoise, torch.tensor([1.0]), None, 0.0)(x, level), x)
    assert told == [None, 2, None]


@pytest.mark.parametrize("cond, null", [
    ({"words": torch.ones(1), "size": torch.ones(1)}, {"words": torch.ones(1)}), (torch.ones(1), {"words": torch.ones(1)}),
    ({"words": torch.ones(1)}, torch.ones(1))])
def test_conditions_of_two_forms_are_refused(cond, null):
    with pytest.raises(ValueError, match="must be of one form") as caught:
        guided(lambda x, level, cond: x, cond, null, 2.0)(normal(1, 1, 2, 2), LINEAR(500))
    assert "\n" not in str(caught.value)


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
