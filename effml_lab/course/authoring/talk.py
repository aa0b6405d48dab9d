"""A lecture as a talk: python -m effml_lab talk NN.

A lecture's cells say what they are (nbconvert's slide types): `slide` and `subslide` begin a page, `notes` are what the
speaker says to it, `skip` is left out. Code is left out, too. What comes out needs no network: formulas are MathML, and
reveal.js lies beside the page (a copy of the one that sphinx-revealjs brings). Press S for the notes.
"""
import importlib.util
import shutil
from pathlib import Path

import nbformat
from jinja2 import pass_context
from nbconvert import SlidesExporter
from nbformat import NotebookNode
from traitlets.config import Config

from ..formulas import rendered
from .build import chosen

TEMPLATES, NAME = Path(__file__).parent, "talk_template"
REVEAL = "reveal.js"
SHOWN = Config({"SlidesExporter": {
    "template_name": NAME, "extra_template_basedirs": [str(TEMPLATES)], "reveal_url_prefix": REVEAL, "reveal_theme": "white",
    "exclude_input": True, "exclude_input_prompt": True, "exclude_output_prompt": True, "embed_images": True}})


def make(root: Path, names: list[str], out: Path | None = None) -> list[Path]:
    """Write the talks of the lectures named ("01" or "01_ddpm"; all without a name) to out, by default talks/."""
    out = out or root / "talks"
    if out.is_file():
        raise ValueError(f"{out} is a file: --out names a folder.")
    out.mkdir(parents=True, exist_ok=True)
    shutil.copytree(program(), out / REVEAL, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.map", "markdown", "search"))
    paths = []
    for path in (root / f"lectures/{name}.ipynb" for name in chosen(names, root)):
        if not path.is_file():
            raise ValueError(f"{path.name} was not built yet: python -m effml_lab build {path.stem[:2]} --execute.")
        page = out / f"{path.stem}.slides.html"
        page.write_text(slides(nbformat.read(path, 4)), encoding="utf-8")
        paths.append(page)
    return paths


def program() -> Path:
    """The folder of reveal.js."""
    found = importlib.util.find_spec("sphinx_revealjs")
    if found is None:
        raise ModuleNotFoundError("sphinx-revealjs", name="sphinx-revealjs")
    return Path(found.submodule_search_locations[0]) / "_static/revealjs"


def slides(notebook: NotebookNode) -> str:
    exporter = SlidesExporter(config=SHOWN)
    exporter.register_filter("markdown2html", pass_context(lambda context, source: rendered(source)))
    return exporter.from_notebook_node(notebook)[0]
