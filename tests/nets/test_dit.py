"""The DiT: a fresh one, its peer weight for weight, what it is told, what it refuses."""
import pytest
import torch
from torch import nn

from effml_lab.diffusion.denoise import Denoiser
from effml_lab.diffusion.levels import cosine
from effml_lab.nets.dit import DiT, positions

SETTINGS = {"patch": 2, "width": 32, "depth": 2, "heads": 4, "classes": 3}


def stirred(net: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    for weight in net.parameters():
        nn.init.normal_(weight, std=0.1)
    return net.eval()


def test_a_fresh_one_predicts_nothing_and_its_blocks_are_the_identity():
    net, x = DiT(**SETTINGS), torch.randn(2, 3, 8, 8)
    assert not net(x, torch.arange(2.0), torch.tensor([0, 3])).any()
    h = torch.randn(2, 16, 32)
    assert torch.equal(net.blocks[0](h, torch.randn(2, 32)), h)


@pytest.mark.filterwarnings("ignore")
def test_it_is_its_peer_weight_for_weight():
    from diffusers import DiTTransformer2DModel
    settings = {"num_attention_heads": 4, "attention_head_dim": 8, "in_channels": 3, "num_layers": 2, "patch_size": 2}
    peer = stirred(DiTTransformer2DModel(**settings, sample_size=8, num_embeds_ada_norm=3, out_channels=3))
    net, theirs, mine = DiT(**SETTINGS).eval(), peer.state_dict(), {}
    names = {"weight": "weight", "bias": "bias"}

    def taken(own: str, *other: str) -> None:
        for name in names:
            mine[f"{own}.{name}"] = torch.cat([theirs[f"{each}.{name}"] for each in other])
    told = "transformer_blocks.0.norm1."                # the peer has an embedding in every block: all become the first's
    for i in range(2):
        for part in ("timestep_embedder.linear_1", "timestep_embedder.linear_2", "class_embedder.embedding_table"):
            for name in names:
                key = f"norm1.emb.{part}.{name}"
                if f"transformer_blocks.0.{key}" in theirs:
                    theirs[f"transformer_blocks.{i}.{key}"] = theirs[f"transformer_blocks.0.{key}"]
        block = f"transformer_blocks.{i}."
        taken(f"blocks.{i}.told", block + "norm1.linear")
        taken(f"blocks.{i}.attention.qkv", *(block + f"attn1.to_{part}" for part in "qkv"))
        taken(f"blocks.{i}.attention.out", block + "attn1.to_out.0")
        taken(f"blocks.{i}.mlp.0", block + "ff.net.0.proj")
        taken(f"blocks.{i}.mlp.2", block + "ff.net.2")
    peer.load_state_dict(theirs)
    taken("enter", "pos_embed.proj")
    taken("time.mlp.0", told + "emb.timestep_embedder.linear_1")
    taken("time.mlp.2", told + "emb.timestep_embedder.linear_2")
    mine["label.weight"] = theirs[told + "emb.class_embedder.embedding_table.weight"]
    taken("told", "proj_out_1")
    last = {name: theirs[f"proj_out_2.{name}"] for name in names}       # its patches are (row, column, channel)
    mine["leave.weight"] = last["weight"].unflatten(0, (2, 2, 3)).permute(2, 0, 1, 3).flatten(0, 2)
    mine["leave.bias"] = last["bias"].unflatten(0, (2, 2, 3)).permute(2, 0, 1).flatten()
    net.load_state_dict(mine)
    x, t, kind = torch.randn(3, 3, 8, 8), torch.tensor([3.0, 500.0, 999.0]), torch.tensor([0, 2, 3])
    want = peer(x, timestep=t, class_labels=kind).sample
    assert (net(x, t, kind) - want).abs().max() < 1e-4 * want.abs().max()


def test_it_is_told_time_and_class_and_knows_places():
    net, x, t = stirred(DiT(**SETTINGS)), torch.randn(2, 3, 8, 8), torch.tensor([10.0, 10.0])
    out = net(x, t, torch.tensor([0, 1]))
    assert not torch.equal(out[0], net(x, t + 500, torch.tensor([0, 1]))[0])
    assert torch.equal(net(x, t), net(x, t, torch.tensor([3, 3]))) and not torch.equal(net(x, t), out)
    moved = net(x.roll(2, 3), t, torch.tensor([0, 1])).roll(-2, 3)
    assert (moved - out).abs().max() > 1e-3                             # a patch elsewhere is another patch
    assert net(torch.randn(1, 3, 4, 12), t[:1]).shape == (1, 3, 4, 12)
    assert Denoiser(net, "v")(x, cosine().at(0.0), torch.tensor([0, 1])).shape == x.shape


def test_places_are_near_where_patches_are():
    places = positions(4, 4, 32).view(4, 4, 32)
    near, far = (places[0, 0] - places[0, 1]).norm(), (places[0, 0] - places[3, 3]).norm()
    assert 0 < near < far and (places[1, 2, :16] - places[3, 2, :16]).abs().max() == 0          # of one column


@pytest.mark.parametrize("call, said", [
    (lambda: DiT(width=30, heads=5), "a multiple of 4 and of its heads, got 30 and 5 heads"),
    (lambda: DiT(**SETTINGS)(torch.zeros(1, 3, 7, 8), torch.zeros(1)), "H and W multiples of 2, got \\(1, 3, 7, 8\\)"),
    (lambda: DiT(**SETTINGS)(torch.zeros(1, 3, 8, 8), torch.zeros(1), torch.tensor([4])), "classes are numbered from 0 to 2"),
    (lambda: DiT()(torch.zeros(1, 3, 8, 8), torch.zeros(1), torch.tensor([0])), "built without classes")])
def test_bad_input_gets_one_sentence(call, said):
    with pytest.raises(ValueError, match=said) as told:
        call()
    assert "\n" not in str(told.value)
