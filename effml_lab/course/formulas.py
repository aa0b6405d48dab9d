"""Formulas of a page without a network: TeX becomes MathML, which browsers draw themselves.

Markdown is rendered by nbconvert's renderer; a formula leaves a token in the page, and its MathML takes the token's
place once the page is done, so that a page can be cleaned in between. TeX that cannot be read stays as it was written.
Browsers draw no `mathvariant` but by the letters themselves, and the converter knows no `\\|`: both are mended here. It
escapes nothing, either: what comes out is taken only if it is made of MathML's own parts.
"""
import re
import secrets
import unicodedata
from html import escape
from typing import Callable
from xml.etree import ElementTree

from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath


SPACE = "{http://www.w3.org/1998/Math/MathML}"
TAGS = frozenset(SPACE + tag for tag in """math menclose mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub
    msubsup msup mtable mtd mtext mtr munder munderover""".split())
ATTRIBUTES = frozenset("""accent accentunder columnalign columnlines columnspacing displaystyle display fence form height
    largeop linethickness lspace mathcolor mathsize mathvariant maxsize minsize movablelimits notation rowlines rowspacing
    rspace scriptlevel separator stretchy symmetric width""".split())
ALPHABETS = {"double-struck": "DOUBLE-STRUCK", "script": "SCRIPT", "bold": "BOLD"}


class Renderer(IPythonRenderer):
    """Collects formulas; `found` maps each token to (TeX, whether it stands alone)."""

    def __init__(self, **words):
        super().__init__(escape=False, exclude_anchor_links=True, **words)
        self.found: dict[str, tuple[str, bool]] = {}

    def token(self, body: str, alone: bool) -> str:
        name = f"formula{secrets.token_hex(8)}"
        self.found[name] = body, alone
        return name

    def block_math(self, body: str) -> str:
        return self.token(body, True)

    def inline_math(self, body: str) -> str:
        return self.token(body, False)

    def latex_environment(self, name: str, body: str) -> str:
        return self.token(f"\\begin{{{name}}}{body}\\end{{{name}}}", True)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """Alt text holds words alone: formulas in it stay TeX."""
        for name, (tex, _) in self.found.items():
            text = text.replace(name, f"${tex}$")
        return super().image(text, url, title)


def rendered(source: str, attachments: dict | None = None, clean: Callable[[str], str] = str) -> str:
    """Markdown as HTML with MathML; `clean` sees the page before its formulas come back."""
    renderer = Renderer(attachments=attachments or {})
    page = clean(MarkdownWithMath(renderer=renderer).render(source))
    for name, (tex, alone) in renderer.found.items():
        page = page.replace(name, mathml(tex, alone))
    return page


def mathml(tex: str, alone: bool) -> str:
    """A formula as MathML; as it was written, dollars and all, if it cannot be read."""
    written = escape(f"$${tex}$$" if alone else f"${tex}$")
    bare = tex.strip().strip("$").strip().replace(r"\|", "‖").replace("<", r"\lt ").replace(">", r"\gt ")
    bare = re.sub(r"\\(begin|end)\{(aligned|align|eqnarray\*?)\}", r"\\\1{align*}", bare)
    bare = re.sub(r"\\mathrm\{(\w+)\}", r"\\text{\1}", bare)
    try:
        made = convert(bare, display="block" if alone else "inline")
        parts = list(ElementTree.fromstring(made).iter())
    except Exception:           # the converter's own errors have no common base; a student's TeX may be anything
        return written
    if not all(part.tag in TAGS and part.attrib.keys() <= ATTRIBUTES for part in parts):
        return written
    return re.sub(r'<mi mathvariant="([a-z-]+)">(.)</mi>', lambda found: f"<mi>{letter(*found.groups())}</mi>", made)


def letter(style: str, plain: str) -> str:
    """A letter of one of Unicode's mathematical alphabets; itself where there is none."""
    if style not in ALPHABETS:
        return plain
    kind = "CAPITAL" if plain.isupper() else "SMALL" if plain.islower() else "DIGIT"
    name = f"{ALPHABETS[style]} {kind} {plain if plain.isalpha() else unicodedata.name(plain, '').removeprefix('DIGIT ')}".upper()
    for full in (f"MATHEMATICAL {name}", name):         # some letters, such as R of the real numbers, are older
        try:
            return unicodedata.lookup(full)
        except KeyError:
            continue
    return plain
