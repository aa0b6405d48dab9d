"""A whole net in few bits: what stays, what is stored, in place or for good, with a LoRA on top, and models made elsewhere."""
import pipelines
import pytest
import torch
from torch import nn

from effml_lab import hub
from effml_lab.bench.calibration import joined
from effml_lab.diffusion import levels, samplers
from effml_lab.diffusion.denoise import Denoiser
from effml_lab.efficiency import calibrate, quant, svdquant, swap
from effml_lab.efficiency.quantized import MODES, merged, quantized, staying, stored, tuned
from effml_lab.models import quantized as files
from effml_lab.nets.dit import DiT
from effml_lab.nets.lora import LoRA
from effml_lab.nets.unet import UNet

QUICK = {"exponents": [(0.5, 0.5)], "rounds": 2}
SVD = ("w4a4", "w4a8")


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def filled(net: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for weight in net.parameters():
        nn.init.normal_(weight, std=0.1)
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def dit() -> DiT:
    return filled(DiT(patch=2, width=32, depth=2, heads=4, classes=3))


@pytest.fixture(scope="module")
def seen(dit):
    schedule = levels.cosine()
    denoise = Denoiser(dit, "v")
    visits = calibrate.trajectory(denoise, randn(3, 3, 8, 8), schedule.grid(4, "trailing"))
    return calibrate.calibrate(denoise, dit, visits)


def asked(net, seed=5):
    return net(randn(2, 3, 8, 8, seed=seed), torch.tensor([10.0, 700.0]), torch.tensor([0, 2]))


def how(mode):
    return QUICK if mode in SVD else {}


def test_what_stays_of_a_dit_is_what_sees_one_row_a_picture_and_both_ends(dit, seen):
    whole = staying(dit, seen)
    assert {name for name, why in whole.items() if why == "one row a picture"} == {
        "told", *(f"blocks.{k}.told" for k in range(2)), *(name for name in calibrate.layers(dit) if name.startswith("time."))}
    assert whole["enter"] == "first of all" and whole["leave"] == "last of all"
    large = {f"blocks.{k}.{name}" for k in range(2) for name in ("attention.qkv", "attention.out", "mlp.0", "mlp.2")}
    assert calibrate.layers(dit).keys() - whole.keys() == large


def test_what_stays_of_a_unet():
    net = filled(UNet(channels_in=3, widths=[16, 16], blocks=1, attention=False, classes=3, stem=2))
    denoise = Denoiser(net, "v")
    found = calibrate.calibrate(denoise, net, [(randn(2, 3, 16, 16), levels.cosine()(500.0))])
    whole = staying(net, found)
    assert whole.pop("enter") == "first of all" and set(whole.values()) == {"one row a picture", "last of all"}
    assert all(isinstance(net.get_submodule(name), nn.Linear) for name, why in whole.items() if why == "one row a picture")


def test_static_scales_of_their_own_for_the_parts_of_a_shortcut(tmp_path):
    net = filled(UNet(channels_in=3, widths=[16, 16], blocks=1, attention=False, classes=3, stem=2))
    denoise = Denoiser(net, "v")
    found = calibrate.calibrate(denoise, net, [(randn(4, 3, 16, 16), levels.cosine()(500.0))])
    parts = {name: list(widths) for name, widths in joined(net).items()}
    for name, (deep, _) in parts.items():
        found[name] = torch.cat([found[name][:, :deep], 30 * found[name][:, deep:]], 1)         # two families of numbers
    one, two = (quantized(net, found, "w8a8_static", parts=each) for each in ({}, parts))
    error = lambda made: {row.name: row.error for row in made.rows}
    assert parts and all(error(two)[name] <= error(one)[name] for name in parts)
    assert len(two.net.get_submodule(next(iter(parts))).stored) == 2
    files.save(two, "split", tmp_path)
    x, t, back = randn(2, 3, 16, 16, seed=4), torch.tensor([10.0, 700.0]), files.load(net, "split", tmp_path)
    assert all(torch.equal(*pair) for pair in zip(back.state_dict().values(), two.net.state_dict().values(), strict=True))
    assert (back(x, t) - two.net(x, t)).abs().max() < 1e-3         # a convolution's last bit follows how its weights lie in memory


@pytest.mark.parametrize("mode", MODES)
def test_errors_fall_with_bits_and_bytes_are_those_of_the_file(dit, seen, mode, tmp_path):
    made = quantized(dit, seen, mode, 8, **how(mode))
    error = svdquant.relative(asked(made.net), asked(dit))
    assert 0 < error < {"w4a4": 0.35, "w4a8": 0.2, "w4a16": 0.2, "w8a8": 0.03, "w8a8_static": 0.05}[mode]
    assert all(0 < row.error < 0.3 for row in made.rows) and len(made.rows) == 8
    path = files.save(made, "small", tmp_path, of="nothing")
    header = int.from_bytes(path.read_bytes()[:8], "little") + 8
    assert path.stat().st_size - header == made.bytes() == stored(made.net)


@pytest.mark.parametrize("mode", MODES)
def test_it_returns_from_its_file_bit_by_bit(dit, seen, mode, tmp_path):
    made = quantized(dit, seen, mode, 8, **how(mode))
    files.save(made, "small", tmp_path)
    again = files.load(dit, "small", tmp_path)
    assert torch.equal(asked(again), asked(made.net)) and not torch.equal(asked(again), asked(dit))
    (tmp_path / "small.safetensors").write_bytes(b"something else")
    with pytest.raises(ValueError, match="is not the file that its card names"):
        files.load(dit, "small", tmp_path)


class Odd(nn.Module):
    """A layer in two places, numbers that are no parameters, and a padding of its own."""

    def __init__(self):
        super().__init__()
        self.enter, self.round = nn.Conv2d(3, 16, 1), nn.Conv2d(16, 16, 3, padding=1, padding_mode="circular")
        self.norm, self.leave = nn.BatchNorm2d(16), nn.Conv2d(16, 3, 1)
        self.twice = nn.Conv2d(16, 16, 1)
        self.again = self.twice

    def forward(self, x):
        return self.leave(self.again(self.norm(self.twice(self.round(self.enter(x))).relu())))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mode", ["w4a4", "w8a8"])
def test_odd_nets_return_from_their_files_too(mode, dtype, tmp_path):
    net, x = filled(Odd()).to(dtype), randn(4, 3, 8, 8).to(dtype)
    net.norm.running_mean.normal_(generator=torch.Generator().manual_seed(1))
    found = calibrate.calibrate(lambda x, level: net(x), net, [(x, None)])
    made = quantized(net, found, mode, **how(mode))
    assert made.whole == {"enter": "first of all", "leave": "last of all", "round": "not padded with zeros"}
    path = files.save(made, "odd", tmp_path)
    again = files.load(net, "odd", tmp_path)
    assert torch.equal(again(x), made.net(x)) and again.again is again.twice
    assert path.stat().st_size - int.from_bytes(path.read_bytes()[:8], "little") - 8 == made.bytes()


def test_a_text_encoder_before_the_stem_is_not_the_first_of_all():
    found = calibrate.Seen({}, ["encoder.0", "stem", "blocks.0", "leave"])
    net = nn.ModuleDict({"encoder": nn.ModuleList([nn.Linear(4, 4)]), "stem": nn.Conv2d(3, 4, 1),
                         "blocks": nn.ModuleList([nn.Linear(4, 4)]), "leave": nn.Linear(4, 3)})
    found.update(dict.fromkeys(calibrate.layers(net), randn(2, 4)))
    assert staying(net, found) == {"stem": "first of all", "leave": "last of all"}


def test_inside_a_block_the_net_itself_is_quantized_and_then_it_is_not(dit, seen):
    made, before = quantized(dit, seen, "w4a4", 8, **QUICK), dit.state_dict().keys()
    exact = asked(dit)
    whole = {row.name for row in made.rows}
    with pytest.raises(KeyError), made.inside(dit) as net:
        assert net is dit and 0 < svdquant.relative(asked(dit), asked(made.net)) < 0.02         # what stays is not rounded here
        assert all(net.get_submodule(name) is made.net.get_submodule(name) for name in whole)
        raise KeyError("in the middle")
    assert torch.equal(asked(dit), exact) and dit.state_dict().keys() == before


def test_what_stays_is_rounded_to_sixteen_bits_and_too_large_is_told(dit, seen):
    made = quantized(dit, seen, "w8a8").net
    assert all(torch.equal(p, p.half().float()) for p in made.parameters())
    assert not any(torch.equal(p, p.half().float()) for p in dit.parameters())
    loud = filled(DiT(patch=2, width=32, depth=2, heads=4, classes=3))
    loud.enter.weight.mul_(1e7)
    with pytest.raises(ValueError, match="beyond float16"):
        quantized(loud, seen, "w8a8")


def test_a_choice_of_ones_own_and_choices_that_choose_nothing(dit, seen):
    made = quantized(dit, seen, "w8a8", where=lambda name, layer: name.endswith("told"))
    assert {row.name for row in made.rows} == {"told", "blocks.0.told", "blocks.1.told"} and made.whole["enter"] == "not chosen"
    plain = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    rows = calibrate.calibrate(lambda x, level: plain(x), plain, [(randn(8, 4), None)])
    with pytest.raises(ValueError, match="no layer but the first and the last sees more than one row a picture"):
        quantized(plain, rows)
    with pytest.raises(ValueError, match="`where` chooses no layer"):
        quantized(dit, seen, where=lambda name, layer: False)
    with pytest.raises(ValueError, match="has seen no layer"):
        quantized(dit, calibrate.Seen({}, []))
    with pytest.raises(ValueError, match="this net has no layer blocks.9.mlp"):
        quantized(dit, seen, "w8a8_static", parts={"blocks.9.mlp": [1, 2]})
    alone = nn.Linear(32, 8).requires_grad_(False)
    whole = quantized(alone, calibrate.Seen({"": randn(8, 32)}, [""]), "w8a8", where=lambda name, layer: True)
    with pytest.raises(ValueError, match="use .net"), whole.inside(alone):
        pass
    for wrong in ({"rounds": 0}, {"exponents": []}):
        with pytest.raises(ValueError, match="one exponent or more"):
            quantized(dit, seen, "w4a4", 8, **wrong)
    with pytest.raises(ValueError, match="there is no mode 'w2a2': choose one of w4a4, w4a8, w8a8, w8a8_static, w4a16"):
        quantized(dit, seen, "w2a2")


@pytest.mark.parametrize("mode", SVD)
def test_a_lora_beside_the_branch_is_the_lora_on_top_and_no_code_changes(dit, seen, mode, tmp_path):
    four = quantized(dit, seen, mode, 8, **QUICK).net
    net = tuned(four, 4, rng=torch.Generator().manual_seed(1))
    with pytest.raises(ValueError, match="has no LoRA to merge"):
        merged(four)
    assert torch.equal(asked(net), asked(four))                                 # a fresh one changes nothing
    learned = [p for p in net.parameters() if p.requires_grad]
    assert sum(p.numel() for p in learned) == 4 * 2 * (32 + 96 + 32 + 32 + 32 + 128 + 128 + 32)
    opt, want = torch.optim.Adam(learned, lr=1e-2), asked(dit)
    losses = []
    for _ in range(60):
        opt.zero_grad()
        losses.append((asked(net) - want).square().mean())
        losses[-1].backward()
        opt.step()
    assert losses[-1] < 0.5 * losses[0]
    again = quantized(dit, seen, mode, 8, **QUICK)._replace(net=merged(net))
    files.save(again, "merged", tmp_path)
    assert torch.equal(asked(files.load(dit, "merged", tmp_path)), asked(again.net))
    one, codes = merged(net), lambda net: [t for key, t in net.state_dict().items() if key.endswith("codes")]
    assert svdquant.relative(asked(one), asked(net)) < 5e-3         # factors in 16 bits turn a few codes of later inputs
    assert all(map(torch.equal, codes(one), codes(four))) and not any(isinstance(part, LoRA) for part in one.modules())
    exact = [part for part in net.modules() if isinstance(part, LoRA)][0]
    x = randn(7, 32, seed=3)
    beside, on_top = one.get_submodule("blocks.0.attention.qkv")(x), exact(x)
    assert svdquant.relative(beside, on_top) < 1e-4


def test_a_net_without_a_place_for_a_lora_is_told(dit, seen):
    with pytest.raises(ValueError, match="no layer of this net is a 4-bit linear layer"):
        tuned(quantized(dit, seen, "w8a8").net)
    with pytest.raises(ValueError, match="a rank from 1 to 32, got 40"):
        tuned(quantized(dit, seen, "w4a4", 8, **QUICK).net, 40)


def told(width):
    return {"encoder_hidden_states": pipelines.draw(2, 5, width)}


@pytest.mark.parametrize("kind", ["SDXL", "SANA"])
@pytest.mark.parametrize("mode", ["w4a4", "w8a8"])
def test_models_of_diffusers_are_quantized_by_the_same_call(kind, mode, tmp_path):
    if kind == "SDXL":
        cond = told(12) | {"added_cond_kwargs": {"text_embeds": pipelines.draw(2, 10), "time_ids": pipelines.draw(2, 6)}}
        net, scheduler = pipelines.sized_unet(), pipelines.diffusers.DDIMScheduler()
    else:
        cond, net = told(12), pipelines.linear_transformer()
        scheduler = pipelines.diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    net.requires_grad_(False)
    model = hub.from_diffusers(net, scheduler)
    denoise = lambda x, level: model.denoise(x, level, cond)
    x = samplers.start((2, *model.shape), model.grid(2), torch.Generator().manual_seed(0))
    visits = calibrate.trajectory(denoise, x, model.grid(2))
    made = quantized(net, calibrate.calibrate(denoise, net, visits), mode, 4, **how(mode))
    exact = denoise(*visits[0])
    with made.inside(net):
        inside = denoise(*visits[0])
    assert 0 < svdquant.relative(inside, exact) < 0.5 and torch.equal(denoise(*visits[0]), exact)
    names = {why: [name for name, reason in made.whole.items() if reason == why] for why in set(made.whole.values())}
    first, last = ("conv_in", "conv_out") if kind == "SDXL" else ("patch_embed.proj", "proj_out")
    assert names["first of all"] == [first] and names["last of all"] == [last]
    assert any("time" in name for name in names["one row a picture"]) and all(row.error < 0.5 for row in made.rows)
    assert kind == "SDXL" or all("conv_depth" in name for name in names["grouped"])
    files.save(made, "theirs", tmp_path)
    again, for_good = (hub.from_diffusers(each, scheduler).denoise(*visits[0], cond)
                       for each in (files.load(net, "theirs", tmp_path), made.net))
    assert torch.equal(again, for_good)


@pytest.mark.parametrize("per", [1, 16, 48, 64, 100])
def test_a_number_is_a_group_of_that_many(per):
    x = randn(5, 96)
    codes = quant.quantize(x, 4, per)
    assert codes.q.shape == (5, -(-96 // per), per) and quant.dequantize(codes).shape == x.shape
    assert per != 64 or torch.equal(quant.rounded(x, 4, per), quant.rounded(x, 4, "group"))
    layer = nn.Linear(96, 5)
    made = swap.plainly("", layer, x, 4, per)
    assert svdquant.relative(made.stored[0].weight(), quant.rounded(layer.weight.detach(), 4, per)) < 1e-6


@pytest.mark.parametrize("per", [0, -4, True, "row", 2.0])
def test_what_is_no_group_is_told(per):
    with pytest.raises(ValueError, match="there is no scale per .*: choose one of .* or the size of a group"):
        quant.quantize(randn(3, 8), 4, per)
