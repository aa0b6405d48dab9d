"""What a user does with a converted net: saves it, gets it back, freezes parts of it and uses a layer in two places."""
import pytest
import torch
from safetensors.torch import load_file, save_file, save_model
from torch import nn

from effml_lab.efficiency import calibrate, svdlinear, svdquant, swap

QUICK = {"exponents": [(0.5, 0.5)], "rounds": 2}


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Net(nn.Module):
    """Two convolutions, one of them with `same`, and linear layers; `twice` is called twice, by keyword once."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        torch.manual_seed(0)
        self.enter, self.mix = nn.Conv2d(3, 32, 3, padding=1, dtype=dtype), nn.Conv2d(32, 32, 4, padding="same", dtype=dtype)
        self.twice, self.leave = nn.Linear(32, 32, dtype=dtype), nn.Linear(32, 3, bias=False, dtype=dtype)
        self.again = self.twice

    def forward(self, x):
        h = self.mix(self.enter(x).relu()).flatten(2).mT
        return self.leave(self.again(input=self.twice(h).relu()))


def images(dtype=torch.float32, seed=0):
    return randn(4, 3, 8, 8, seed=seed).to(dtype)


def seen(net, dtype=torch.float32):
    return calibrate.calibrate(lambda x, level: net(x), net, [(images(dtype), None)])


WAYS = {**{f"{mode}, rank {rank}": (swap.fourbit, {"mode": mode, "rank": rank} | QUICK) for mode in svdquant.MODES
           for rank in (0, 5, 16, 32)},
        "static, 8 bits": (swap.static, {"bits": 8}), "static, 4 bits": (swap.static, {"bits": 4, "per": "group"})}
every = lambda name, layer: True


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_net_returns_from_its_file_bit_by_bit(way, dtype, tmp_path):
    convert, how = WAYS[way]
    net = Net(dtype)
    made, _ = swap.swap(net, seen(net, dtype), every, convert, **how)
    save_model(made, tmp_path / "net.safetensors")                      # keeps one name of the layer in two places
    other, x = Net(dtype).requires_grad_(False), images(dtype, seed=5)
    for p in other.parameters():
        p.mul_(2)
    again = swap.restored(other, load_file(tmp_path / "net.safetensors"), convert, **how)
    assert torch.equal(again(x), made(x)) and not torch.equal(made(x), net(x)) and again.again is again.twice
    assert again.state_dict().keys() == made.state_dict().keys() and not any(p.requires_grad for p in again.parameters())


@pytest.mark.parametrize("way", WAYS)
def test_a_state_fits_into_a_net_swapped_alike(way, tmp_path):
    convert, how = WAYS[way]
    net = nn.Sequential(nn.Conv2d(3, 32, 3), nn.Conv2d(32, 16, 1), nn.Flatten(), nn.Linear(16 * 36, 32), nn.Linear(32, 8))
    where = lambda name, layer: name in ("1", "3")
    given = lambda seed: calibrate.calibrate(lambda x, level: net(x), net, [(images(seed=seed), None)])
    made, fresh = (swap.swap(net, given(seed), where, convert, **how)[0] for seed in (0, 1))
    save_file(made.state_dict(), tmp_path / "net.safetensors")
    x = images(seed=2)
    assert not torch.equal(fresh(x), made(x))
    fresh.load_state_dict(load_file(tmp_path / "net.safetensors"))
    assert torch.equal(fresh(x), made(x))
    assert torch.equal(swap.restored(net, load_file(tmp_path / "net.safetensors"), convert, **how)(x), made(x))


def test_a_layer_with_a_lora_returns_too_and_in_the_types_it_was_saved_in():
    net = nn.Sequential(nn.Linear(64, 48), nn.Linear(48, 48))
    found = {"0": randn(9, 64), "1": randn(9, 48)}
    made, _ = swap.swap(net, found, rank=16, **QUICK)
    made[0].add_lora(0.1 * randn(48, 4), 0.1 * randn(4, 64).mT.contiguous().mT)
    x = randn(5, 64, seed=3)
    for cast in (lambda net: net, lambda net: net.float(), lambda net: net.bfloat16()):
        made, x = cast(made), x.to(cast(nn.Linear(1, 1)).weight.dtype)
        back = swap.restored(net, made.state_dict(), rank=16)
        assert torch.equal(back(x), made(x)) and back[0].up.shape == (48, 32) and back[0].up.dtype == made[0].up.dtype
        kept = {t.untyped_storage().data_ptr() for t in made.state_dict().values()}
        assert not any(t.untyped_storage().data_ptr() in kept for t in back.state_dict().values())


def test_a_state_of_another_conversion_gets_one_sentence():
    net = nn.Sequential(nn.Linear(64, 48))
    state = swap.swap(net, {"0": randn(9, 64)}, rank=16, mode="w4a8", **QUICK)[0].state_dict()
    eight = swap.swap(net, {"0": randn(9, 64)}, convert=swap.static)[0].state_dict()
    for given, how in ((state, {"mode": "w4a4"}), (state, {"convert": swap.static}), (eight, {}),
                       (eight, {"convert": swap.static, "bits": 4}), (state | {"more": randn(1)}, {"mode": "w4a8"})):
        with pytest.raises(ValueError, match="no state of this net so converted") as caught:
            swap.restored(net, given, **how)
        assert "\n" not in str(caught.value)


def test_what_was_frozen_stays_frozen_and_a_mode_is_kept():
    net = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)).eval()
    net[0].requires_grad_(False), net[1].requires_grad_(False)
    for convert, how in ((swap.fourbit, {"rank": 4}), (swap.static, {})):
        made, _ = swap.swap(net, seen_rows(net, 8), lambda name, layer: name != "1", convert, **how)
        assert [any(p.requires_grad for p in part.parameters()) for part in made] == [False, False, True]
        assert not made[0].training
    made[0] = swap.fourbit("0", net[0], randn(9, 8), 4)
    made[0].add_lora(randn(8, 2), randn(2, 8))
    assert not any(p.requires_grad for p in made[0].parameters())


def seen_rows(net, width):
    return {name: randn(16, width) for name in calibrate.layers(net)}


def test_a_net_that_is_a_layer_is_converted():
    linear = nn.Linear(64, 32)
    made, rows = swap.swap(linear, {"": randn(64, 64)}, rank=16, **QUICK)
    assert isinstance(made, svdlinear.SVDQuantLinear) and [row.name for row in rows] == [""]
    assert torch.equal(swap.restored(linear, made.state_dict())(randn(3, 64)), made(randn(3, 64)))


def test_a_layer_in_several_places_is_converted_in_all_of_them():
    net = Net()
    block = nn.Sequential(net.twice, nn.ReLU())
    whole = nn.Sequential(block, block, net.twice)
    made, rows = swap.swap(whole, {"0.0": randn(64, 32)}, rank=16, **QUICK)
    assert len(rows) == 1 and made[0][0] is made[1][0] is made[2] and isinstance(made[2], svdlinear.SVDQuantLinear)
    both = seen(net)["twice"]
    assert len(both) == 2 * 256 and torch.equal(both[:256], net.mix(net.enter(images()).relu()).flatten(2).mT.flatten(0, 1))


def test_a_picture_without_a_batch_is_seen_as_one():
    net = nn.Sequential(nn.Conv2d(8, 4, 3), nn.Flatten(0), nn.Linear(4 * 7 * 8, 5))
    found = calibrate.calibrate(lambda x, level: net(x), net, [(randn(8, 9, 10), None)])
    assert found["0"].shape == (1, 8, 9, 10) and found["2"].shape == (1, 224)


@pytest.mark.parametrize("rows, keep, left", [(1023, 512, 512), (1024, 512, 512), (600, 512, 512), (5, 512, 5), (0, 512, 0)])
def test_no_more_rows_are_kept_than_asked(rows, keep, left):
    x = torch.arange(rows)[:, None].float()
    found = svdquant.spread(x, keep)
    steps = found.diff(dim=0)
    assert len(found) == left and (left < 2 or (steps.max() - steps.min() <= 1 and found[-1] >= rows - -(-rows // left)))
    net = nn.Linear(1, 1)
    assert len(calibrate.calibrate(lambda x, level: net(x), net, [(x, None)], keep)[""]) == left


def test_code_that_reads_a_weight_is_told_why_there_is_none():
    block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    for convert, how in ((swap.fourbit, {"rank": 4}), (swap.static, {})):
        made, _ = swap.swap(block, {"linear1": randn(8, 16), "linear2": randn(8, 32)}, convert=convert, **how)
        with pytest.raises(AttributeError, match="keeps codes and has no .weight"):
            made(randn(1, 3, 16))
        assert not hasattr(made.linear1, "weight")


@pytest.mark.parametrize("net, seen, told", [(nn.Sequential(nn.ReLU()), {}, "no layer of this net"),
                                             (nn.Linear(8, 8), {"": randn(1, 8)}, "none is left to measure")])
def test_a_conversion_of_nothing_or_measured_on_nothing_gets_one_sentence(net, seen, told):
    with pytest.raises(ValueError, match=told) as caught:
        swap.swap(net, seen)
    assert "\n" not in str(caught.value)
