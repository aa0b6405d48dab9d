"""`bench quant` and `bench ranges`: whole nets, on few pictures; and the control of equal bytes."""
import pytest
import torch
from torch import nn

from effml_lab.bench import beds, lora, quant, ranges, spent
from effml_lab.efficiency import calibrate, svdquant
from effml_lab.efficiency.quantized import quantized, stored
from effml_lab.measure import records
from effml_lab.models import store
from effml_lab.nets.dit import DiT
from effml_lab.recipes import dit


pytestmark = pytest.mark.usefixtures("toys")


@pytest.fixture
def coarse(monkeypatch):
    monkeypatch.setattr(svdquant, "EXPONENTS", [None, (0.5, 0.5)])
    monkeypatch.setattr(beds, "STEPS", 3)


def test_rows_of_a_whole_net(tmp_path, coarse, monkeypatch):
    few = "SVDQuant, w4a4, rank 8"
    eight = "equal bytes, 8 bits a weight"
    names = ("fp32", "bf16", "w4a16, rounded", "w4a4, rounded", eight, few)
    whole = lora.measured
    monkeypatch.setattr(lora, "measured", lambda given, net: whole(given, net, n=6, steps=2))
    ways = {name: quant.WAYS[name] for name in (quant.BEST, *names)}
    assert "quant.jsonl" in quant.measure(tmp_path, n=12, nets=("dit",), ways=ways, rounds=3)
    rows = records.latest(tmp_path / "quant.jsonl")
    assert rows.keys() == {f"{quant.FLOOR}, n = 12", f"dit, LoRA on {quant.BEST}",
                           *(f"dit, {name}" for name in (*names, quant.BEST)),
                           *(f"dit, {quant.BEST} over {name}" for name in ("w4a4, rounded", eight))}
    value = lambda name, key: rows[f"dit, {name}"].quality[key]["value"]
    assert value("bf16", "psnr") > value(quant.BEST, "psnr") > value("w4a4, rounded", "psnr") > 10
    size = {name: rows[f"dit, {name}"].bytes for name in (*names, quant.BEST)}
    assert size["fp32"] == 2 * size["bf16"] > 2 * size[quant.BEST] and size["w4a4, rounded"] < size[few] < size[quant.BEST]
    assert 0.8 * size[quant.BEST] < size[eight] <= size[quant.BEST]
    apart = rows[f"dit, {quant.BEST} over w4a4, rounded"].quality["decibels"]
    assert abs(apart["value"] - (value(quant.BEST, "psnr_pooled") - value("w4a4, rounded", "psnr_pooled"))) < 1e-3
    assert {rows[f"dit, {name}"].settings["checkpoint"] for name in names} == {store.card("dit")["sha256"][:12]}
    assert "time over fp32" in rows["dit, bf16"].quality
    assert all(("simulated" in rows[f"dit, {name}"].settings) is (name not in ("fp32", "bf16")) for name in names)
    told = rows[f"dit, LoRA on {quant.BEST}"].settings
    assert told["simulated"] and told["checkpoint"] == store.card("dit")["sha256"][:12]
    assert told["layers whose codes changed"] == 0 and told["beside to on top"] < 1e-2
    assert told["bytes after"] > told["bytes before"]
    with pytest.raises(ValueError, match="simulated"):
        quant.measure(tmp_path, "cuda")


@pytest.mark.parametrize("layer, x", [
    (nn.Linear(200, 96), torch.randn(64, 200)), (nn.Conv2d(8, 24, 3, stride=2, padding=(1, 0)), torch.randn(4, 8, 9, 12)),
    (nn.Conv2d(8, 24, 3, dilation=2, padding=1), torch.randn(4, 8, 9, 12))])
@pytest.mark.parametrize("rung", [spent.Rung(4, 64), spent.Rung(4, 8), spent.Rung(8, 16)])
def test_a_layer_of_the_control_is_the_layer(layer, x, rung):
    layer.requires_grad_(False)
    made = spent.Spent(layer, x, rung)
    assert made(x).shape == layer(x).shape and svdquant.relative(made(x), layer(x)) < 0.25
    assert spent.Spent(layer, x, spent.Rung(8, 16), 1).error < 0.1 * made.error < 0.03       # inputs one by one: hardly rounded


@pytest.mark.parametrize("ladder", spent.LADDERS)
def test_the_control_takes_as_many_bytes_on_the_net_of_the_recipe(ladder, coarse):
    torch.manual_seed(0)
    net = DiT(**dit.NET).requires_grad_(False)
    for weight in net.parameters():
        nn.init.normal_(weight, std=0.05)
    blocks = {name: layer for name, layer in calibrate.layers(net).items() if name.startswith("blocks")}
    rows = {name: torch.randn(32, layer.weight.shape[1]) for name, layer in blocks.items()}
    places = ["first", *(name for name in rows if not name.endswith("told")), "last"]
    given = beds.Bed("dit", "dit", net, [], calibrate.Seen(rows, places))
    budget = stored(quant.svd(given, exponents=[None], rounds=1))
    assert 0.96 * budget < stored(spent.spent(given, budget, spent.LADDERS[ladder])) <= budget


def test_a_net_in_place_of_the_dit_is_a_point(coarse):
    mine = beds.measured("mine", quantized(beds.bed("dit", 4).net, beds.bed("dit", 4).seen, "w8a8").net, 1234, 6)
    assert mine.bytes == 1234 and mine.nfe == 3 and 0 < mine.quality["rmse_median"]["value"] < 0.1


def test_ranges_of_layers_are_recorded(tmp_path, coarse):
    assert "ranges.jsonl" in ranges.measure(tmp_path, images=4)
    rows = records.latest(tmp_path / "ranges.jsonl")
    loud = {name: rows[f"ranges, {name}"].quality["inputs"]["value"] for name in beds.NETS}
    assert min(loud["rescaled"], loud["shifted"]) > 4 * loud["dit"] and set(rows["ranges, dit"].settings["over levels"]) == set(
        rows["ranges, dit"].settings["weights"])
    assert not any("told" in key for key in rows["ranges, dit"].settings["inputs"])
    x = torch.ones(5, 4)
    x[2, 1] = -7.0
    assert ranges.loudest(x) == 7.0 and ranges.loudest(x[..., None, None].expand(5, 4, 2, 2)) == 7.0
