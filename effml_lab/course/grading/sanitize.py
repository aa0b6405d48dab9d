"""What a student's cell may put on a page that others open: text, tables, pictures with their alt text; nothing that
runs.

Reports are HTML tables, so HTML is cleaned (bleach), not dropped; nbconvert's own sanitizer garbles tables and
leaves a script in a written answer. JavaScript, SVG, widgets, LaTeX and PDF outputs go; their plain text stays
where there is one. `class` goes too: formgrader's own buttons are found by it.
"""
import base64
import binascii

import bleach
from bleach.css_sanitizer import CSSSanitizer
from bs4 import BeautifulSoup
from jinja2 import pass_context
from nbformat import NotebookNode
from nbformat.v4 import new_output

from ..formulas import rendered

TAGS = frozenset("""a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure
    h1 h2 h3 h4 h5 h6 hr i img li ol p pre s samp small span strong sub summary sup table tbody td tfoot th thead tr
    u ul""".split())
NAMES = {"align", "alt", "colspan", "dir", "height", "lang", "open", "rowspan", "scope", "title", "width"}
STYLE = CSSSanitizer(allowed_css_properties="border border-collapse color font-family font-size font-style font-weight "
                     "margin padding text-align vertical-align white-space width".split())
PICTURES = ("image/png", "image/jpeg", "image/gif")
LARGEST = 5_000_000     # characters of a pasted picture
EMBEDDED = tuple(f"data:{kind};base64," for kind in PICTURES)


def clean(html: str) -> str:
    """HTML without anything that runs, loads or links to more than a web page."""
    soup = BeautifulSoup(html, "html.parser")
    for tag in soup(["script", "style", "template", "iframe", "object", "svg", "math", "noscript"]):
        tag.decompose()
    for picture in soup("img"):         # of a picture from elsewhere its words stay
        if not str(picture.get("src", "")).strip().lower().startswith(EMBEDDED):
            picture.replace_with(picture.get("alt", ""))
    return bleach.clean(str(soup), tags=TAGS, attributes=allowed, css_sanitizer=STYLE, strip=True,
                        protocols={"http", "https", "mailto", "data"})


def allowed(tag: str, name: str, value: str) -> bool:
    if tag == "a" and name == "href":
        return value.strip().lower().startswith(("http://", "https://", "mailto:", "#"))
    if tag == "img" and name == "src":
        return value.strip().lower().startswith(EMBEDDED)
    return name in NAMES or name == "style"


@pass_context
def markdown(context, source: str) -> str:
    """Markdown to harmless HTML, pictures within and formulas as MathML: nbconvert's filter `markdown2html`."""
    return rendered(source, attachments(context.get("cell", {})), clean)


def attachments(cell: NotebookNode) -> dict[str, dict[str, str]]:
    """The pictures that were pasted into a text cell."""
    given = cell.get("attachments") if isinstance(cell.get("attachments"), dict) else {}
    kept = {name: {kind: data for kind, data in forms.items() if kind in PICTURES and isinstance(data, str) and is_base64(data)}
            for name, forms in given.items() if isinstance(forms, dict)}
    return {name: forms for name, forms in kept.items() if forms and len(str(forms)) < LARGEST}


def cell(given: NotebookNode, number: int) -> NotebookNode:
    """A cell with its nbgrader metadata, its source, and outputs that are safe to show."""
    kept = NotebookNode({key: given.metadata[key] for key in ("nbgrader",) if key in given.metadata})
    made = NotebookNode(cell_type=given.cell_type, id=f"cell-{number}", metadata=kept, source=given.source)
    if given.cell_type == "code":
        made.execution_count = counted(given)
        made.outputs = [safe for safe in map(output, given.get("outputs", [])) if safe]
    elif pasted := attachments(given):
        made.attachments = pasted
    return made


def output(given: NotebookNode) -> NotebookNode | None:
    """One output with its harmless forms; None if there are none."""
    if given.output_type == "stream":
        name = "stderr" if given.name == "stderr" else "stdout"
        return new_output("stream", name=name, text=str(given.text))
    if given.output_type == "error":
        traceback = [str(line) for line in given.traceback]
        return new_output("error", ename=str(given.ename), evalue=str(given.evalue), traceback=traceback)
    data = {kind: form(kind, value) for kind, value in given.data.items()}
    data = {kind: value for kind, value in data.items() if value}
    if not data:
        return None
    extra = {"execution_count": counted(given)} if given.output_type == "execute_result" else {}
    return new_output(given.output_type, data=data, metadata=described(given.get("metadata", {})), **extra)


def counted(given: NotebookNode) -> int | None:
    """The execution count, which a kernel may fake."""
    count = given.get("execution_count")
    return count if isinstance(count, int) else None


def form(kind: str, value) -> str:
    """A harmless value of one kind, empty if there is none."""
    text = "".join(value) if isinstance(value, list) else str(value)
    if kind == "text/html":
        return clean(text)
    if kind in PICTURES[:2]:
        return text if is_base64(text) else ""
    return text if kind in ("text/plain", "text/markdown") else ""


def is_base64(text: str) -> bool:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def described(metadata: dict) -> dict:
    """The alt text and the size of pictures."""
    kept = {}
    for kind in PICTURES[:2]:
        told = metadata.get(kind, {}) if isinstance(metadata.get(kind), dict) else {}
        sizes = {key: told[key] for key in ("width", "height") if isinstance(told.get(key), (int, float))}
        alt = {"alt": str(told["alt"])} if "alt" in told else {}
        if sizes or alt:
            kept[kind] = sizes | alt
    return kept
