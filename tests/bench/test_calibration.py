"""`bench calibration`: static scales over time, and the layers that a shortcut joins."""
import pytest
import torch

from effml_lab.bench import calibration
from effml_lab.measure import records
from effml_lab.nets.unet import UNet


def test_calibration_over_time_is_recorded(tmp_path):
    assert "calibration.jsonl" in calibration.measure(tmp_path, images=6, steps=4, visits=4)
    rows = records.latest(tmp_path / "calibration.jsonl")
    worth = lambda name: rows[name].quality["x0"]["value"]
    assert 0 < worth("w8a8, two scales, uniform") < worth("w8a8, one scale, uniform") < 0.1
    assert rows["w8a8, two scales, clean"].quality["to the worse end"]["value"] == 1
    assert len(rows["along the path"].settings["rmse"]) == 4 and max(rows["ranges over time"].settings["ratios"].values()) > 1
    with pytest.raises(ValueError, match="leave --device out"):
        calibration.measure(tmp_path, "cuda")


def test_the_layers_with_a_shortcut_are_found_in_any_unet():
    for net in (UNet(3, (16, 24, 32), 2), UNet(1, (16, 32), 1)):
        seen, parts = {}, calibration.joined(net)
        handles = [net.get_submodule(name).register_forward_pre_hook(
            lambda layer, given, name=name: seen.update({name: given[0]})) for name in parts]
        deep = [stage.register_forward_hook(lambda layer, given, out: seen.setdefault("out", []).append(out.shape[1]))
                for stage in [net.middle[-1], *net.up]]
        net(torch.zeros(1, net.enter.in_channels, 8, 8), torch.zeros(1))
        for name, (inner, outer) in parts.items():
            assert inner == seen["out"][int(name.split(".")[1])] and inner + outer == seen[name].shape[1]
        assert len(parts) == len(net.up) and all(handle.remove() is None for handle in handles + deep)
