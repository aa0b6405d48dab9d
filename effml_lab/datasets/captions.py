"""What is said of a scene of shapes, as sentences and as tokens.

  one shape       a small red star towards the top left, on grey
  two or more     a small red star at the top left and a large blue ring at the bottom left, on grey
  two, related    a small red star above a large blue ring, on grey
The grammar is closed, so a word is a token: its number in VOCABULARY. A sentence begins with "<start>" and is filled up to
LENGTH with "<pad>"; "<start>" alone says nothing: that is the prompt of no prompt, and no row is all padding. The pairs of
HELD never stand together in a caption that is trained on: a net that draws them right has put words together. (The weights
that `scenes` begins with have drawn all pairs, told no color.)
Left out: other words for the same thing, and sentences that leave something unsaid (lab 07).
"""
import torch
from torch import Generator, Tensor

from . import shapes

PAD, START = "<pad>", "<start>"
TOWARDS = tuple(place.replace("at", "towards") for place in shapes.PLACES)              # of the one shape of a scene
RELATIONS = {(-1, 0): "left of", (0, -1): "above", (-1, -1): "above and left of", (1, -1): "above and right of"}
# (right, down) of the other -> in words; shapes are named in reading order, so that the first is never below the other
GRAMMAR = ("a", "and", ",", "on", *shapes.SIZES, *shapes.COLORS, *shapes.KINDS, *shapes.GROUNDS, *shapes.PLACES, *TOWARDS,
           *RELATIONS.values())
VOCABULARY = (PAD, START, *dict.fromkeys(word for phrase in GRAMMAR for word in phrase.split()))
LENGTH = 40                                             # tokens: four shapes and their ground, and one more
HELD = tuple((kind, (kind + 2) % len(shapes.COLORS)) for kind in range(len(shapes.KINDS)))      # (kind, color), one a kind


def draw(n: int, rng: Generator, most: int = 4, alone: float = 0.5) -> shapes.Scenes:
    """n scenes to train on: a share `alone` of one shape, the others of one to `most`; none with a pair of HELD.

    A shape of such a pair takes the next color in its place, which its kind has twice as often for it.
    """
    one, more = shapes.draw(n, rng), shapes.draw(n, rng, most)
    single = torch.rand(n, generator=rng) < alone
    fields = [torch.where(single.view(-1, *[1] * (b.ndim - 1)), widened(a, b), b) for a, b in zip(one, more)]
    scenes = shapes.Scenes(*fields)
    barred = held(scenes)
    return scenes._replace(color=torch.where(barred, (scenes.color + 1) % len(shapes.COLORS), scenes.color))


def widened(field: Tensor, like: Tensor) -> Tensor:
    """A field of scenes of one shape with room for as many as another has; what is added is not shown."""
    if field.shape == like.shape:
        return field
    return torch.cat([field, torch.zeros_like(like)[:, 1:].to(field)], 1)


def held_out(n: int, rng: Generator) -> shapes.Scenes:
    """n scenes of one shape, all with a pair of HELD."""
    scenes = shapes.draw(n, rng)
    return scenes._replace(color=torch.tensor([color for _, color in HELD])[scenes.kind])


def held(scenes: shapes.Scenes) -> Tensor:
    """Which shapes have a kind and a color that are held out together, (N, K) bool."""
    color = torch.tensor([color for _, color in HELD], device=scenes.kind.device)
    return color[scenes.kind] == scenes.color


def sentences(scenes: shapes.Scenes, related: Tensor | None = None) -> list[str]:
    """A sentence a scene. related: (N,) bool, which scenes of two shapes tell how one stands to the other; none if None."""
    if related is None:
        related = torch.zeros(len(scenes.shown), dtype=torch.bool)
    fields = scenes.kind, scenes.color, scenes.size, scenes.place, scenes.shown, scenes.centre
    rows = zip(*(field.tolist() for field in fields), scenes.ground.tolist(), related.tolist(), strict=True)
    return [_sentence(*row) for row in rows]


def _sentence(kind: list, color: list, size: list, place: list, shown: list, centre: list, ground: int, related: bool) -> str:
    kinds, colors, sizes, grounds = (list(table) for table in (shapes.KINDS, shapes.COLORS, shapes.SIZES, shapes.GROUNDS))
    order = [k for k in sorted(range(len(kind)), key=place.__getitem__) if shown[k]]          # in reading order
    names = [f"a {sizes[size[k]]} {colors[color[k]]} {kinds[kind[k]]}" for k in order]
    if len(order) == 1:
        said = f"{names[0]} {TOWARDS[2 * (centre[order[0]][1] > 0) + (centre[order[0]][0] > 0)]}"
    elif related and len(order) == 2:
        (down, right), (low, far) = (divmod(place[k], 2) for k in order)
        said = f"{names[0]} {RELATIONS[_sign(right - far), _sign(down - low)]} {names[1]}"
    else:
        names = [f"{name} {shapes.PLACES[place[k]]}" for name, k in zip(names, order)]
        said = " and ".join([" , ".join(names[:-1]), names[-1]])
    return f"{said}, on {grounds[ground]}".replace(" ,", ",")


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def tokens(said: list[str] | str) -> Tensor:
    """The tokens of sentences, (N, LENGTH) long. ValueError for a word that is not known, no word, or too many."""
    said = [said] if isinstance(said, str) else said
    return torch.tensor([_numbers(sentence) for sentence in said], dtype=torch.long).view(len(said), LENGTH)


NUMBER = {word: i for i, word in enumerate(VOCABULARY)}


def _numbers(sentence: str) -> list[int]:
    words = sentence.lower().replace(",", " , ").split()
    unknown = [word for word in words if word not in NUMBER or word in (PAD, START)]
    if unknown:
        raise ValueError(f"the net knows no word {unknown[0]!r}: it knows {', '.join(VOCABULARY[2:])}")
    if not words:
        raise ValueError("an empty caption: say what to draw, or take captions.nothing() to say nothing")
    if len(words) >= LENGTH:
        raise ValueError(f"a caption has at most {LENGTH - 1} words and commas, got {len(words)}")
    return [NUMBER[START], *(NUMBER[word] for word in words), *[NUMBER[PAD]] * (LENGTH - 1 - len(words))]


def nothing() -> Tensor:
    """The tokens of no caption, (1, LENGTH)."""
    return torch.tensor([[NUMBER[START]] + [NUMBER[PAD]] * (LENGTH - 1)])
