"""Layers above frozen ones can be trained: in processes of their own, since what this guards against is a crash."""
import subprocess
import sys

import pytest

TRAIN = """
import torch
from effml_lab.nets.classifier import Classifier
from effml_lab.nets.unet import UNet
torch.manual_seed(0)
net, given = {net}
net.to(memory_format=torch.channels_last).requires_grad_(False)
trained = [weight.requires_grad_(True) for name, weight in net.named_parameters() if {part!r} in name]
x = torch.randn(4, 3, 16, 16).to(memory_format=torch.channels_last)
(net(x, *given) - 1).square().mean().backward()
assert trained and all(weight.grad is not None and weight.grad.isfinite().all() for weight in trained)
"""
UNET = "UNet(3, (16, 32), 1, (False, True)), (torch.rand(4) * 999,)"
JUDGE = "Classifier(classes=3, channels_in=3, widths=[16, 16], features=8), ()"


@pytest.mark.parametrize("net, part", [
    (UNET, "down.0.block.enter"), (UNET, "middle.0.attend.norm"), (UNET, "leave"), (UNET, "up.1"), (JUDGE, "1.1")])
def test_what_stands_above_frozen_layers_can_be_trained(net, part):
    done = subprocess.run([sys.executable, "-c", TRAIN.format(net=net, part=part)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
