"""Every lecture as a talk that fits: measured in Chromium, at 1280 x 720, with no network."""
import browser
import pytest

from effml_lab.course.authoring import talk
from effml_lab.folders import checkout

pytestmark = browser.needed
LECTURES = sorted(path.stem for path in (checkout() / "lectures").glob("*.ipynb"))
MOST, HEIGHT, WORDS = 30, 720, 60       # slides of 75 minutes; pixels; words, without formulas and what a program printed
MEASURED = """() => Reveal.getSlides().map(slide => {
    Reveal.slide(...Object.values(Reveal.getIndices(slide)).slice(0, 2));
    const shown = slide.cloneNode(true);
    shown.querySelectorAll('aside, math, pre, style').forEach(part => part.remove());
    const wide = [...slide.querySelectorAll('img, table, pre, math')].map(part => part.scrollWidth);
    return {title: (slide.querySelector('h1, h2, h3') || {innerText: ''}).innerText,
            height: slide.scrollHeight, width: Math.max(0, ...wide),
            words: (shown.textContent.match(/\\p{L}{2,}/gu) || []).length, figures: slide.querySelectorAll('img').length};
})"""


def measured(path) -> list[dict]:
    """Each slide of a talk: its title, pixels, words and figures."""
    with browser.opened(1280, 720) as page:
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        slides = page.evaluate(MEASURED)
        assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
    return slides


@pytest.mark.parametrize("name", LECTURES)
def test_a_talk_fits(name, tmp_path):
    slides = measured(talk.make(checkout(), [name], tmp_path)[0])
    assert 10 <= len(slides) <= MOST
    too_much = [slide for slide in slides if slide["height"] > HEIGHT or slide["width"] > 1280 or slide["words"] > WORDS
                or slide["figures"] > 1]
    assert not too_much
    assert sum(slide["figures"] for slide in slides) >= 5
