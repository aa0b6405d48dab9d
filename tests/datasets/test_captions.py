"""Captions say what is seen, as sentences and as tokens; pairs that are held out are never drawn; bad captions are told."""
import pytest
import torch

from effml_lab.datasets import captions, shapes


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_scene_of_one_shape_says_all_four_things_and_where_it_lies():
    scenes = shapes.draw(60, seeded())
    for i, said in enumerate(captions.sentences(scenes)):
        size, color, kind = (list(table)[field[i, 0]] for table, field in (
            (shapes.SIZES, scenes.size), (shapes.COLORS, scenes.color), (shapes.KINDS, scenes.kind)))
        x, y = scenes.centre[i, 0].tolist()
        where = f"{'top' if y <= 0 else 'bottom'} {'left' if x <= 0 else 'right'}"
        assert said == f"a {size} {color} {kind} towards the {where}, on {list(shapes.GROUNDS)[scenes.ground[i]]}"


def test_a_relation_is_true_of_both_shapes():
    scenes = captions.draw(400, seeded(1), alone=0.0)
    pairs = scenes.shown.sum(1) == 2
    related = captions.sentences(scenes, torch.ones(400, dtype=torch.bool))
    seen = set()
    with pytest.raises(ValueError, match="zip"):
        captions.sentences(scenes, torch.ones(2, dtype=torch.bool))
    for i in pairs.nonzero().flatten().tolist():
        order = scenes.place[i, :2].argsort()
        (x, y), (u, v) = scenes.centre[i, order].tolist()
        words = related[i].split(", on ")[0]
        relation = " ".join(w for w in words.split() if w in ("above", "below", "left", "right"))
        seen.add(relation)
        middle = lambda k: (int(scenes.place[i, order[k]]) % 2, int(scenes.place[i, order[k]]) // 2)
        (column, row), (other, below) = middle(0), middle(1)
        assert ("above" in relation) == (row < below) and row <= below
        assert ("left" in relation) == (column < other) and ("right" in relation) == (column > other)
        assert ("above" not in relation or y < v) and ("left" not in relation or x < u)
    assert seen == {"above", "left", "above left", "above right"}            # the first in reading order is never below
    said = " ".join(related + captions.sentences(scenes)).replace(",", " ,").split()
    assert set(said) == set(captions.VOCABULARY[2:])                        # no word that was never shown
    assert all("at the" in said for said, pair in zip(captions.sentences(scenes), pairs) if pair)


def test_pairs_held_out_are_never_drawn_and_both_halves_of_each_are():
    scenes = captions.draw(4000, seeded(2))
    assert not (captions.held(scenes) & scenes.shown).any()
    shown = scenes.shown
    for kind, color in captions.HELD:
        assert ((scenes.kind == kind) & shown).any() and ((scenes.color == color) & shown).any()
    assert 0.59 < (shown.sum(1) == 1).double().mean() < 0.66          # half, and a quarter of the others
    assert captions.held(shapes.draw(400, seeded())).any()


def test_tokens_are_words_and_never_all_padding():
    scenes = captions.draw(300, seeded(3))
    said = captions.sentences(scenes, torch.rand(300, generator=seeded()) < 0.5)
    tokens = captions.tokens(said)
    assert tokens.shape == (300, captions.LENGTH) and (tokens[:, 0] == 1).all() and tokens.max() < len(captions.VOCABULARY)
    for row, sentence in zip(tokens.tolist(), said):
        words = " ".join(captions.VOCABULARY[k] for k in row[1:] if k).replace(" ,", ",")
        assert words == sentence
    assert len(set(said)) > 250 and (captions.nothing() > 0).sum() == 1
    assert torch.equal(captions.tokens(said[0]), tokens[:1]) and captions.tokens([]).shape == (0, captions.LENGTH)


@pytest.mark.parametrize("said, word", [
    ("a small mauve star, on grey", "no word 'mauve'"), ("", "empty caption"), ("  ", "empty caption"), ("<pad>",
                                                                                                         "no word '<pad>'"),
    ("a " * 40, "at most 39 words and commas, got 40")])
def test_a_bad_caption_gets_one_sentence(said, word):
    with pytest.raises(ValueError) as error:
        captions.tokens(said)
    assert word in str(error.value) and "\n" not in str(error.value)
