"""Conditions: a fresh one changes no bit, words reach the pixels and padding does not, a hint is learned behind zeros."""
import hashlib

import pytest
import torch
from torch import nn

from effml_lab.diffusion.train import Run, fit
from effml_lab.nets import blocks
from effml_lab.nets.classifier import NoisyClassifier
from effml_lab.nets.control import Controlled
from effml_lab.nets.text import Captioned, Encoder
from effml_lab.nets.unet import UNet

BASE = {"channels_in": 3, "widths": [16, 24], "blocks": 1, "attention": False, "stem": 2, "classes": 3}


def stirred(net, seed=0):
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=rng))
    return net.eval()


def given(n=3, size=16):
    rng = torch.Generator().manual_seed(1)
    return torch.randn(n, 3, size, size, generator=rng), 999 * torch.rand(n, generator=rng)


def test_adagn_is_its_formula_and_a_fresh_one_is_the_norm():
    h, emb = torch.randn(2, 16, 4, 4), torch.randn(2, 8)
    norm, linear = nn.GroupNorm(8, 16), blocks.zero(nn.Linear(8, 32))
    assert torch.equal(blocks.modulate(h, emb, norm, linear), norm(h))
    stirred(linear)
    w, b = linear.weight, linear.bias
    by_hand = torch.stack([norm(h)[i] * (1 + (w[:16] @ emb[i] + b[:16]))[:, None, None]
                           + (w[16:] @ emb[i] + b[16:])[:, None, None] for i in range(2)])
    torch.testing.assert_close(blocks.modulate(h, emb, norm, linear), by_hand)


def test_an_adaptive_unet_learns_from_what_it_is_told():
    fresh = UNet(**BASE, adaptive=True)
    x, t = given()
    nn.init.normal_(fresh.leave[2].weight)
    for stage in (*fresh.down[::2], *fresh.middle, *fresh.up):
        nn.init.normal_(stage.block.leave[3].weight, 0, 0.1)
    assert torch.equal(fresh(x, t, torch.tensor([0, 1, 2])), fresh(x, t, torch.tensor([2, 0, 1])))      # zero: no class yet
    net = stirred(fresh)
    assert not torch.allclose(net(x, t, torch.tensor([0, 1, 2])), net(x, t, torch.tensor([2, 0, 1])), atol=1e-3)
    same = stirred(UNet(**BASE, adaptive=True, emb=40))
    assert same.time.mlp[2].out_features == 40 and same(x, t).shape == x.shape


def attended(q, kv, pad, heads):
    """Image by image, head by head and word by word."""
    out, (k, v) = torch.zeros_like(q), kv.chunk(2, 2)
    for b, (queries, here) in enumerate(zip(q, ~pad)):
        for part in torch.arange(q.shape[2]).chunk(heads):
            scores = queries[:, part] @ k[b][here][:, part].T / len(part) ** 0.5
            out[b][:, part] = scores.softmax(1) @ v[b][here][:, part]
    return out


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_cross_attention_is_its_formula_and_padding_gets_no_weight(heads):
    q, kv = torch.randn(3, 5, 8), torch.randn(3, 6, 16)
    pad = torch.arange(6) >= torch.tensor([[1], [4], [6]])
    out = blocks.cross_attention(q, kv, pad, heads)
    torch.testing.assert_close(out, attended(q, kv, pad, heads))
    other = torch.where(pad[..., None], 100 * torch.randn(kv.shape), kv)
    assert torch.equal(blocks.cross_attention(q, other, pad, heads), out)
    order = torch.tensor([2, 0, 1, 3, 5, 4])                    # without a code of the place, words are a set
    torch.testing.assert_close(blocks.cross_attention(q, kv[:, order], pad[:, order], heads), out)


def captioned():
    return Captioned({**BASE, "reads": [True, False]}, vocabulary=11, length=7, width=16)


TOKENS = torch.tensor([[1, 4, 5, 6, 0, 0, 0], [1, 9, 2, 3, 4, 5, 10], [1, 0, 0, 0, 0, 0, 0]])


def test_a_fresh_text_model_is_its_unet_bit_for_bit():
    net, (x, t) = captioned(), given()
    base = stirred(UNet(**BASE))
    net.unet.load_state_dict(net.unet.state_dict() | base.state_dict())
    assert torch.equal(net(x, t, TOKENS), base(x, t)) and torch.equal(net(x, t), base(x, t))
    assert [reader.name for reader in net.readers()] == ["down0", "up2", "up3"]


def test_words_matter_rows_do_not_mix_and_nothing_is_its_own_prompt():
    net, (x, t) = stirred(captioned()), given()
    whole = net(x, t, TOKENS)
    assert torch.allclose(whole, torch.cat([net(x[i:i + 1], t[i:i + 1], TOKENS[i:i + 1]) for i in range(3)]), atol=1e-5)
    assert not torch.allclose(whole, net(x, t, TOKENS.roll(1, 0)), atol=1e-3)
    swapped = TOKENS[:, [0, 2, 1, 3, 4, 5, 6]]
    assert not torch.allclose(whole[:2], net(x, t, swapped)[:2], atol=1e-4)                      # order matters
    assert torch.equal(net(x, t, TOKENS[2:].expand(3, 7)), net(x, t))


def test_a_prompt_that_is_remembered_gives_the_same_bits_for_less_work():
    net, (x, t) = stirred(captioned()), given()
    told, calls = net.remember(TOKENS[:1]), []
    net.encoder.register_forward_hook(lambda *_: calls.append(1))
    spread = {key: part.expand(3, *part.shape[1:]) for key, part in told.items()}
    assert torch.equal(net(x, t, spread), net(x, t, TOKENS[:1].expand(3, 7))) and calls == [1]
    assert told["pad"].shape == (1, 7) and told["up3"].shape == (1, 7, 32)
    assert net.half()(x.half(), t.half(), spread).dtype == torch.float16            # what is remembered follows the net


def test_padding_is_seen_by_no_word():
    encoder = stirred(Encoder(11, 7, 16))
    words, pad = encoder(TOKENS)
    with torch.no_grad():
        encoder.word.weight[0] = 50 * torch.randn(16)
    other, _ = encoder(TOKENS)
    assert torch.allclose(words[~pad], other[~pad], atol=1e-5) and not torch.allclose(words[pad], other[pad], atol=1)
    assert not torch.equal(encoder.layers[0].qkv.weight, encoder.layers[1].qkv.weight)


def controlled():
    net = Controlled(BASE)
    stirred(net.base, 3).requires_grad_(False)
    return net.begin_as_base()


def hinted(n=3):
    return {"hint": torch.rand(n, 1, 16, 16, generator=torch.Generator().manual_seed(2)), "class": torch.tensor([0, 1, 3])[:n]}


def test_a_fresh_control_is_the_base_bit_for_bit():
    net, (x, t), cond = controlled(), given(), hinted()
    assert torch.equal(net(x, t, cond), net.base(x, t, cond["class"]))
    assert torch.equal(net(x, t, {"hint": cond["hint"]}), net.base(x, t))


def test_gradients_stand_behind_zeros_and_the_base_never_moves():
    """Step 0: the last zero convolutions alone; step 1: the copy and the first one too (algorithms, section 2)."""
    net, (x, t), cond = controlled(), given(), hinted()
    digest = lambda: hashlib.sha256(b"".join(w.detach().numpy().tobytes() for w in net.base.state_dict().values())).hexdigest()
    before, seen = digest(), []

    def loss(net, step):
        return (net(x, t, cond) - x).square().mean()

    def moves(weights):
        return [bool(w.grad is not None and w.grad.any()) for w in weights]
    run = Run(net, 1e-2)
    for _ in fit(run, loss, 2, warmup=1):
        seen.append((moves(net.zeros.parameters()), moves(net.own.parameters()), moves(net.seen.parameters())))
    assert all(seen[0][0]) and not any(seen[0][1]) and not any(seen[0][2])
    assert all(seen[1][0]) and all(seen[1][1]) and all(seen[1][2])
    assert digest() == before and not net.base.training and net.own.training
    assert not torch.allclose(net(x, t, cond), net.base(x, t, cond["class"]), atol=1e-4)


def test_an_empty_batch_stays_empty():
    none = torch.zeros(0, 3, 16, 16), torch.zeros(0)
    assert controlled()(*none, {"hint": torch.zeros(0, 1, 16, 16)}).shape == (0, 3, 16, 16)
    assert NoisyClassifier(5, {"channels_in": 3, "widths": [16], "stem": 2})(*none).shape == (0, 5)


def test_a_hint_of_another_size_is_told():
    net, (x, t) = controlled(), given()
    with pytest.raises(ValueError, match=r"a hint has the size of the picture, \(3, 1, 16, 16\), got \(3, 1, 8, 8\)"):
        net(x, t, {"hint": torch.zeros(3, 1, 8, 8), "class": torch.zeros(3, dtype=torch.long)})


def test_a_noisy_classifier_reads_images_and_times():
    net, (x, t) = stirred(NoisyClassifier(5, {"channels_in": 3, "widths": [16, 24], "blocks": 1, "stem": 2})), given()
    out = net(x, t)
    assert out.shape == (3, 5) and not torch.allclose(out, net(x, t.flip(0)), atol=1e-4)
    out.square().mean().backward()
    assert [name for name, w in net.named_parameters() if w.grad is None or not w.grad.any()] == []


@pytest.mark.parametrize("call, word", [
    (lambda: UNet(**BASE)(*given(), torch.tensor([0, 4, 1])), "numbered from 0 to 2, and 3 is \"no class\", got 0 to 4"),
    (lambda: UNet(**BASE)(*given(), torch.tensor([0, -1, 1])), "got -1 to 1"),
    (lambda: captioned()(*given(), TOKENS[:, :5]), "tokens come in rows of 7"),
    (lambda: captioned()(*given(), TOKENS + 5), "numbered from 0 to 10, got 5 to 15"),
    (lambda: captioned().unet(*given()), "call it through text.Captioned"),
    (lambda: UNet(**BASE, reads=True), "told their width"),
    (lambda: controlled()(*given()), "is told {\"hint\""),
    (lambda: controlled()(*given(), hinted() | {"kind": torch.zeros(3)}), "is told {\"hint\""),
    (lambda: controlled().own(*given()), "a way down alone"),
])
def test_bad_input_gets_one_sentence(call, word):
    with pytest.raises(ValueError) as error:
        call()
    assert word in str(error.value) and "\n" not in str(error.value)
