"""Outliers that were planted: the net computes the same, and its layers see what they were planted for."""
import pytest
import torch
from torch import nn

from effml_lab.efficiency.planted import KINDS, planted
from effml_lab.nets.dit import DiT


@pytest.fixture(scope="module")
def net() -> DiT:
    torch.manual_seed(0)
    made = DiT(patch=2, width=32, depth=2, heads=4, classes=3).double()
    for weight in made.parameters():
        nn.init.normal_(weight, std=0.1)
    return made.eval()


def seen(net: DiT) -> dict[str, torch.Tensor]:
    """What each linear layer of the blocks is given, its largest number a channel."""
    found, x = {}, torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    for name, layer in net.blocks.named_modules():
        if isinstance(layer, nn.Linear):
            layer.register_forward_pre_hook(
                lambda layer, given, name=name: found.update({name: given[0].abs().flatten(0, -2).amax(0)}))
    net(x, torch.tensor([3.0, 900.0]), torch.tensor([0, 2]))
    return found


@pytest.mark.parametrize("kind_of", KINDS)
def test_it_computes_what_it_did(net, kind_of):
    x, t, kind = torch.randn(4, 3, 8, 8).double(), torch.linspace(0, 999, 4), torch.arange(4)
    other = planted(net, kind_of, 5, 40.0)
    assert (other(x, t, kind) - net(x, t, kind)).abs().max() < 1e-11
    assert not torch.equal(other.blocks[0].attention.qkv.bias, net.blocks[0].attention.qkv.bias)


def test_a_shift_leaves_the_weights_and_moves_as_many_channels(net):
    other = planted(net, "shifted", 3, 40.0)
    before, after = (seen(each) for each in (net, other))
    for name, was in before.items():
        assert ((after[name] - was).abs() > 30).sum() == (3 if name.endswith(("qkv", "out", "mlp.0")) else 0), name
    for block, was in zip(other.blocks, net.blocks):
        for path in ("attention.qkv", "mlp.0"):
            assert torch.equal(block.get_submodule(path).weight, was.get_submodule(path).weight)
        moved = block.told.bias != was.told.bias
        assert moved.sum() == 6 and torch.equal(block.told.bias[moved], block.told.bias[moved].half().double())


def test_three_layers_of_a_block_see_as_many_loud_channels_as_were_planted(net):
    before, after = (seen(each) for each in (planted(net, many=0), planted(net, "rescaled", 3, 40.0)))
    for name, was in before.items():
        louder = (after[name] / was.clamp(min=1e-9) - 40).abs() < 1e-6
        assert louder.sum() == (3 if name.endswith(("qkv", "out", "mlp.0")) else 0), name
        assert (after[name][~louder] / was[~louder].clamp(min=1e-9) - 1).abs().max() < 1e-6


@pytest.mark.parametrize("how", [{"many": 33}, {"many": -1}, {"loud": 0.0}])
def test_bad_input_gets_one_sentence(net, how):
    with pytest.raises(ValueError, match="from 0 to 32 channels can be planted, by a factor above 0"):
        planted(net, **how)


def test_another_kind_gets_one_sentence(net):
    with pytest.raises(ValueError, match="planted rescaled or shifted, not 'loud'"):
        planted(net, "loud")
