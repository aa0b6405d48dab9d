"""`bench quant` and `bench ranges`: whole nets, on few pictures; and the control of equal bytes."""
import pytest
import torch
from torch import nn

from effml_lab.bench import beds, lora, quant, ranges
from effml_lab.efficiency import svdquant
from effml_lab.efficiency.quantized import stored
from effml_lab.efficiency.swap import fourbit
from effml_lab.measure import records


pytestmark = pytest.mark.usefixtures("toys")


@pytest.fixture
def coarse(monkeypatch):
    monkeypatch.setattr(svdquant, "EXPONENTS", [None, (0.5, 0.5)])
    monkeypatch.setattr(beds, "STEPS", 3)


def test_rows_of_a_whole_net(tmp_path, coarse, monkeypatch):
    few = "SVDQuant, w4a4, rank 8"
    names = ("fp32", "bf16", "w4a16, rounded", "w4a4, rounded", "equal bytes, 8 bits a weight", few, quant.BEST)
    monkeypatch.setattr(quant, "OVER", ["w4a4, rounded", "equal bytes, 8 bits a weight"])
    quick = lambda given, net: lora.measured(given, net, n=6, steps=2)
    monkeypatch.setattr(quant, "lora", quick)
    ways = {name: quant.WAYS[name] for name in names}
    assert "quant.jsonl" in quant.measure(tmp_path, n=12, nets=("dit",), ways=ways, rounds=3)
    rows = records.latest(tmp_path / "quant.jsonl")
    assert rows.keys() == {*(f"dit, {name}" for name in names), *(f"dit, {quant.BEST} over {name}" for name in quant.OVER),
                           f"dit, LoRA on {quant.BEST}"}
    value = lambda name, key: rows[f"dit, {name}"].quality[key]["value"]
    assert value("bf16", "psnr") > value(quant.BEST, "psnr") > value("w4a4, rounded", "psnr") > 10
    size = {name: rows[f"dit, {name}"].bytes for name in names}
    assert size["fp32"] == 2 * size["bf16"] > 2 * size[quant.BEST] and size["w4a4, rounded"] < size[few] < size[quant.BEST]
    assert 0.8 * size[quant.BEST] < size["equal bytes, 8 bits a weight"] <= size[quant.BEST]
    assert "time over fp32" in rows["dit, bf16"].quality
    assert all(("simulated" in rows[f"dit, {name}"].settings) is (name not in ("fp32", "bf16")) for name in names)
    told = rows[f"dit, LoRA on {quant.BEST}"].settings
    assert told["layers whose codes changed"] == 0 and told["beside to on top"] < 1e-2
    assert told["bytes after"] > told["bytes before"]
    with pytest.raises(ValueError, match="simulated"):
        quant.measure(tmp_path, "cuda")


@pytest.mark.parametrize("layer, x", [(nn.Linear(200, 96), torch.randn(64, 200)),
                                      (nn.Conv2d(8, 24, 3, stride=2, padding=1), torch.randn(4, 8, 9, 12))])
@pytest.mark.parametrize("bits", [4, 8])
def test_the_control_takes_no_more_bytes_and_is_a_layer(layer, x, bits):
    layer.requires_grad_(False)
    most = stored(fourbit("", layer, x, 16, conv_rank=16, exponents=[None]))
    size = quant.smallest(layer, most, bits)
    made = quant.Spent(layer, x, bits, size, quant.FOUR)
    assert made(x).shape == layer(x).shape and svdquant.relative(made(x), layer(x)) < 0.25
    assert stored(made) == quant.taken(layer, size, bits)
    if 1 < size < 64:
        assert stored(made) <= most < quant.taken(layer, size - 1, bits)
    exact = quant.Spent(layer, x, 8, 16, {"bits": 8, "per": "token"})
    assert svdquant.relative(exact(x), layer(x)) < 0.02


def test_ranges_of_layers_are_recorded(tmp_path, coarse):
    assert "ranges.jsonl" in ranges.measure(tmp_path, images=4)
    rows = records.latest(tmp_path / "ranges.jsonl")
    loud = {name: rows[f"ranges, {name}"].quality["inputs"]["value"] for name in beds.NETS}
    assert loud["planted"] > 5 * loud["dit"] and set(rows["ranges, dit"].settings["over levels"]) == set(
        rows["ranges, dit"].settings["weights"])
    assert not any("told" in key for key in rows["ranges, dit"].settings["inputs"])
    x = torch.ones(5, 4)
    x[2, 1] = -7.0
    assert ranges.loudest(x) == 7.0 and ranges.loudest(x[..., None, None].expand(5, 4, 2, 2)) == 7.0
