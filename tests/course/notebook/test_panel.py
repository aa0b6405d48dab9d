"""A panel redraws when a knob is moved, tells a refusal in its sentence and keeps the picture, and waits for a stub."""
import pytest

from effml_lab.course.notebook import figures

widgets = pytest.importorskip("ipywidgets")
KNOBS = {"caption": "a star", "w": (0.0, 8.0, 2.0), "steps": (3, 40, 20), "sampler": ["2M", "DDIM"]}


@pytest.fixture
def shown(monkeypatch):
    boxes = []
    monkeypatch.setattr(figures, "display", boxes.append)
    return boxes


def test_every_knob_redraws_and_a_refusal_keeps_the_picture(shown):
    drawn = []

    def draw(ax, **values):
        if values["caption"] == "mauve":
            raise ValueError("the net knows no word 'mauve'")
        drawn.append(values)
        ax.plot([0, values["w"]])
    figures.panel(draw, KNOBS)
    *knobs, told, picture = shown[0].children
    assert drawn == [{"caption": "a star", "w": 2.0, "steps": 20, "sampler": "2M"}]
    before = picture.value
    for knob, value in zip(knobs, ("a ring", 5.0, 8, "DDIM")):
        knob.value = value
    assert len(drawn) == 5 and drawn[-1] == {"caption": "a ring", "w": 5.0, "steps": 8, "sampler": "DDIM"}
    assert picture.value != before
    after, knobs[0].value = picture.value, "mauve"
    assert told.value == "the net knows no word 'mauve'" and picture.value == after
    knobs[0].value = "a star"
    assert told.value == "" and len(drawn) == 6


def test_a_stub_is_told_and_nothing_is_shown(shown, capsys):
    def draw(ax, *value, **values):
        raise NotImplementedError
    figures.panel(draw, KNOBS)
    figures.slider(draw, 0, 5, 2)
    assert not shown and capsys.readouterr().out.count("Nothing to draw yet") == 2
