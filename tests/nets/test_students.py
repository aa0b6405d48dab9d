"""Nets of students: told a weight of guidance, and the small one for points."""
import pytest
import torch
from torch import nn

from effml_lab.diffusion.denoise import Denoiser
from effml_lab.diffusion.levels import cosine
from effml_lab.nets.points import PointNet
from effml_lab.nets.unet import UNet
from effml_lab.nets.weighted import Weighted

SETTINGS = {"channels_in": 1, "widths": [16, 16], "blocks": 1, "classes": 3}


def stirred(net: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    for weight in net.parameters():
        nn.init.normal_(weight, std=0.1)
    return net


def test_a_fresh_one_is_the_net_it_begins_as_whatever_w_is():
    base = stirred(UNet(**SETTINGS))
    net, x, t, kind = Weighted(**SETTINGS).begin_as(base), torch.randn(4, 1, 8, 8), torch.arange(4.0), torch.tensor([0, 1, 2, 3])
    for w in (0.0, 1.0, 7.5):
        assert torch.equal(net(x, t, {"class": kind, "w": torch.full((4,), w)}), base(x, t, kind))


def test_w_tells_once_its_last_layer_does():
    net, x, t = stirred(Weighted(**SETTINGS)), torch.randn(2, 1, 8, 8), torch.zeros(2)
    told = lambda *w: net(x, t, {"class": torch.tensor([0, 1]), "w": torch.tensor(w)})
    assert not torch.equal(told(1.0, 1.0), told(2.0, 1.0)) and torch.equal(told(1.0, 1.0)[1], told(2.0, 1.0)[1])


@pytest.mark.parametrize("cond", [None, torch.tensor([0, 1]), {"class": torch.tensor([0, 1])}])
def test_what_it_is_told_is_asked_for_by_name(cond):
    with pytest.raises(ValueError, match='told {"class"'):
        Weighted(**SETTINGS)(torch.randn(2, 1, 8, 8), torch.zeros(2), cond)


def test_without_classes_there_is_no_guidance():
    with pytest.raises(ValueError, match="build it with classes="):
        Weighted(**SETTINGS | {"classes": None})


@pytest.mark.parametrize("other", [{"classes": None}, {"attention": True}, {"widths": [16, 24]}])
def test_it_begins_as_a_net_of_its_own_settings_or_not_at_all(other):
    with pytest.raises(ValueError, match="begins as one of the same settings"):
        Weighted(**SETTINGS).begin_as(UNet(**SETTINGS | other))


def test_points_without_classes_are_told_none():
    with pytest.raises(ValueError, match="built without classes"):
        PointNet()(torch.randn(2, 2), torch.zeros(2), torch.tensor([0, 1]))


def test_points_go_through_a_denoiser():
    net = stirred(PointNet(classes=8))
    x, level = torch.randn(5, 2), cosine().at(0.0)
    assert Denoiser(net, "v")(x, level).shape == (5, 2)
    none = torch.full((5,), 8)
    assert torch.equal(Denoiser(net, "v")(x, level), Denoiser(net, "v")(x, level, none))
    assert not torch.equal(Denoiser(net, "v")(x, level), Denoiser(net, "v")(x, level, torch.arange(5)))
    assert not PointNet()(x, torch.zeros(5)).any() and PointNet(out=1)(x, torch.zeros(5)).shape == (5, 1)
