"""Pages that students and graders open: feedback, and formgrader's.

  Harmless    no live script from an answer or an output; tables, pictures and alt text stay
  HideTests   feedback shows what a test said, not its source
  Spaced      room between the columns of tables, which nbgrader's page leaves out
  Feedback    the page itself: exercises are named, where nbgrader says "Test cell"; no script, so nothing from a network
"""
from bs4 import BeautifulSoup
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbgrader import preprocessors, utils

from . import sanitize

TABLES = ".rendered_html td, .rendered_html th { padding: 0.15em 1em 0.15em 0; vertical-align: top }"


class Harmless(preprocessors.NbGraderPreprocessor):
    """Rebuild each cell from the parts that are known to be safe on a page."""

    def preprocess(self, nb, resources):
        nb.metadata = NotebookNode({key: nb.metadata[key] for key in ("kernelspec",) if key in nb.metadata}
                                   | {"language_info": {"name": "python"}})
        nb.cells = [sanitize.cell(cell, number) for number, cell in enumerate(nb.cells) if cell.cell_type != "raw"]
        return nb, resources


class HideTests(preprocessors.NbGraderPreprocessor):
    def preprocess_cell(self, cell, resources, index):
        if utils.is_grade(cell) and not utils.is_solution(cell) and cell.cell_type == "code":
            cell.source = ""
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
        return cell, resources


class Spaced(preprocessors.NbGraderPreprocessor):
    """The template has filled in its styles by now."""

    def preprocess(self, nb, resources):
        resources["inlining"]["css"].append(TABLES)
        return nb, resources


class Feedback(HTMLExporter):
    def from_notebook_node(self, nb, resources=None, **words):
        page, resources = super().from_notebook_node(nb, resources, **words)
        soup = BeautifulSoup(page, "html.parser")
        for script in soup("script"):
            script.decompose()
        for link in soup.select("#toc a"):
            link.string = named(link["href"].removeprefix("#"), link.get_text())
        for label in soup.select(".nbgrader-label code"):
            label.replace_with(named(label.get_text(), "Exercise"))
        return str(soup), resources


def named(id: str, otherwise: str) -> str:
    """The title of an exercise, or of the exercise whose answer a comment is on."""
    from ..exercises import EXERCISES       # with torch, which other commands of nbgrader need not wait for
    comment = id.startswith("comment-")
    exercise = EXERCISES.get(id.removeprefix("comment-").removesuffix("-answer"))
    return f"{otherwise} ({id})" if exercise is None else f"Comment on {exercise.title}" if comment else exercise.title
