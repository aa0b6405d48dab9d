"""The nets: shapes, what a fresh one does, and weight-for-weight equality with diffusers."""
import pytest
import torch

from effml_lab.bench import unet
from effml_lab.nets.classifier import Classifier
from effml_lab.nets.unet import UNet


@pytest.mark.parametrize("settings, shape", [
    (dict(channels_in=1, widths=(16, 32), blocks=1), (2, 1, 8, 8)),
    (dict(channels_in=3, widths=(16, 24, 32), blocks=2, attention=(False, True, True)), (1, 3, 16, 8)),
    (dict(channels_in=3, widths=(16, 32), blocks=1, stem=2, attention=True, time_scale=1000.0), (3, 3, 16, 16)),
    (dict(channels_in=1, widths=(8,), blocks=1), (2, 1, 7, 5)),
])
def test_a_fresh_unet_predicts_zero_in_the_shape_of_its_input(settings, shape):
    out = UNet(**settings)(torch.randn(shape), torch.rand(shape[0]))
    assert out.shape == shape and out.dtype == torch.float32 and not out.any()


def stirred(net, seed=0):
    """A net whose zeros are no longer zero, so that every weight matters."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=rng))
    return net.eval()


def test_every_weight_gets_a_gradient_once_stirred():
    net = stirred(UNet(1, (16, 32), 1, (False, True), classes=3, stem=2))
    net(torch.randn(4, 1, 16, 16), 999 * torch.rand(4), torch.tensor([0, 1, 2, 3])).square().mean().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_rows_of_a_batch_do_not_mix_and_time_and_class_matter():
    net, x, t = stirred(UNet(1, (16, 32), 1, (False, True), classes=3)), torch.randn(4, 1, 8, 8), 999 * torch.rand(4)
    cond = torch.tensor([0, 1, 2, 1])
    whole = net(x, t, cond)
    rows = torch.cat([net(x[i:i + 1], t[i:i + 1], cond[i:i + 1]) for i in range(4)])
    assert torch.allclose(whole, rows, atol=1e-5)
    assert not torch.allclose(whole, net(x, t + 100, cond), atol=1e-3)
    assert not torch.allclose(whole, net(x, t, cond.roll(1)), atol=1e-3)
    assert torch.equal(net(x, t), net(x, t, torch.full((4,), 3)))           # no condition is the row "no class"


def test_dropout_only_while_training():
    net, x, t = stirred(UNet(1, (16,), 1, dropout=0.5)), torch.randn(2, 1, 8, 8), torch.zeros(2)
    assert torch.equal(net(x, t), net(x, t))
    net.train()
    assert not torch.equal(net(x, t), net(x, t))


def test_half_precision_runs():
    net = stirred(UNet(1, (16, 32), 1, (False, True)))
    x, t = torch.randn(2, 1, 8, 8), torch.tensor([10.0, 900.0])
    out = net.to(torch.bfloat16)(x.bfloat16(), t.bfloat16())
    assert out.dtype == torch.bfloat16 and out.isfinite().all()


def theirs_of(key: str, widths: int, blocks: int) -> str:
    """The name in diffusers of one of our weights; q, k and v of ours are one matrix."""
    inside = {"enter.0": "norm1", "enter.2": "conv1", "shift": "time_emb_proj", "leave.0": "norm2", "leave.3": "conv2",
              "skip": "conv_shortcut", "norm": "group_norm", "qkv": "to_qkv", "out": "to_out.0"}
    outside = {"time.mlp.0": "time_embedding.linear_1", "time.mlp.2": "time_embedding.linear_2", "enter": "conv_in",
               "leave.0": "conv_norm_out", "leave.2": "conv_out"}
    path, weight = key.rsplit(".", 1)
    if path in outside:
        return f"{outside[path]}.{weight}"
    side, number, rest = path.split(".", 2) if path.count(".") > 1 else (*path.split("."), "")
    part, _, rest = rest.partition(".")
    if side == "middle":
        level, block, where = 0, int(number), "mid_block"
    else:
        each = blocks + 1                                       # down: blocks and the stride; up: blocks + 1
        level, block = divmod(int(number), each)
        where = f"{side}_blocks.{level}"
    if part == "block":
        return f"{where}.resnets.{block}.{inside[rest]}.{weight}"
    if part == "attend":
        return f"{where}.attentions.{block}.{inside[rest]}.{weight}"
    return f"{where}.{'downsamplers.0' if side == 'down' else 'upsamplers.0'}.conv.{weight}"


@pytest.mark.parametrize("attention", [(False, True, True), False])
def test_weight_for_weight_diffusers_unet(attention):
    pytest.importorskip("diffusers")
    widths = (16, 32, 32)
    ours = stirred(UNet(3, widths, 2, attention, dropout=0.1))
    peer = unet.peer(16, 3, widths, 2, attention, dropout=0.1).eval()
    given = {}
    for key, value in ours.state_dict().items():
        name = theirs_of(key, len(widths), 2)
        parts = value.chunk(3) if "to_qkv" in name else [value]
        names = [name.replace("to_qkv", f"to_{letter}") for letter in "qkv"] if "to_qkv" in name else [name]
        given |= dict(zip(names, parts))
    peer.load_state_dict(given)                                 # strict: nothing missing, nothing left over
    x, t = torch.randn(2, 3, 16, 16), torch.tensor([3.0, 700.0])
    with torch.no_grad():
        assert torch.allclose(ours(x, t), peer(x, t).sample, atol=1e-5)


@pytest.mark.parametrize("width", [8, 24, 56, 64, 96, 104, 112, 128, 168, 176, 184, 256])
def test_every_width_that_passes_the_check_can_attend(width):
    """Heads of 32 channels, or of the next size up that divides the width; one head below 64."""
    net = stirred(UNet(1, (width,), 1, True, stem=2))
    heads = net.middle[0].attend.heads
    assert width % heads == 0 and (width // heads >= 32 or heads == 1)
    assert heads == max(width // 32, 1) or width % max(width // 32, 1)             # those of the shipped nets as ever
    x, t = torch.randn(1, 1, 4, 4), torch.tensor([5.0])
    with torch.no_grad():
        assert net(x, t).shape == x.shape


@pytest.mark.parametrize("attention", [False, True])
def test_no_image_at_all(attention):
    net = UNet(3, (16, 32), 1, attention, classes=4, stem=2)
    for cond in (None, torch.zeros(0, dtype=torch.long)):
        assert net(torch.zeros(0, 3, 8, 8), torch.zeros(0), cond).shape == (0, 3, 8, 8)


@pytest.mark.parametrize("call, word", [
    (lambda: UNet(1, (30,)), "multiples of 8"),
    (lambda: UNet(1, (16, 32), attention=(True,)), "one attention flag and one number of blocks each"),
    (lambda: UNet(1, (16, 32), (1, 2, 1)), "one attention flag and one number of blocks each"),
    (lambda: UNet(1, (16, 32))(torch.randn(1, 1, 7, 8), torch.zeros(1)), "multiples of 2"),
    (lambda: UNet(1, (16, 32))(torch.randn(1, 8, 8), torch.zeros(1)), "(B, C, H, W)"),
    (lambda: UNet(1, (16,))(torch.randn(1, 1, 8, 8), torch.zeros(1), torch.zeros(1)), "without classes"),
])
def test_bad_input_gets_one_sentence(call, word):
    with pytest.raises(ValueError) as error:
        call()
    assert word in str(error.value) and "\n" not in str(error.value)


def test_classifier_logits_come_from_its_features():
    net, x = Classifier(5, 3, (16, 32), features=7).eval(), torch.randn(4, 3, 12, 10)
    assert net(x).shape == (4, 5) and net.features(x).shape == (4, 7)
    assert torch.allclose(net(x), net.head(net.features(x)))
