"""Two plug-ins that stock nbgrader 0.9.6 lacks: stubs that let a blank lab run, and points that are honest.

  ClearSolutions   two stubs: in a function it raises, at column 0 it is a comment, so that a blank lab runs through
  HonestPoints     a test cell counts only if it displays a number from 0 to its points; text on stderr costs nothing

Stock nbgrader gives full marks to a test cell without a readable number, and zero to one with a warning. What runs in
the student's process can still forge what it displays: for classes that are trusted.
"""
import re

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import preprocessors, utils

NOT_RUN = "not run: "          # begins the error of a cell that was not reached; its reason follows
STUB, COMMENT = "# YOUR CODE HERE\nraise NotImplementedError()", "# YOUR ANSWER HERE"


class ClearSolutions(preprocessors.ClearSolutions):
    def _replace_solution_region(self, cell, language):
        replaced = super()._replace_solution_region(cell, language)
        if cell.cell_type == "code":
            cell.source = re.sub(f"^{re.escape(self.code_stub[language])}$", COMMENT, cell.source, flags=re.MULTILINE)
        return replaced


class HonestPoints(preprocessors.NbGraderPreprocessor):
    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type == "code" and utils.is_grade(cell) and not utils.is_solution(cell):
            cell.outputs = honest(cell.outputs, float(cell.metadata.nbgrader["points"]))
        return cell, resources


def honest(outputs: list[NotebookNode], points: float) -> list[NotebookNode]:
    """A test cell's outputs, such that nbgrader reads its number, or else an error, which is zero."""
    results = [output.data.get("text/plain", "") for output in outputs if output.output_type == "execute_result"]
    rest = [output for output in outputs if output.output_type != "execute_result"]
    for output in rest:
        if output.output_type == "stream":
            output.name = "stdout"
    if any(output.output_type == "error" for output in outputs):
        return rest
    if len(results) == 1 and re.fullmatch(r"\d{1,6}(\.\d{1,6})?", str(results[0])) and float(results[0]) <= points:
        return outputs
    return [failure(f"the check did not display a number from 0 to {points:g}"), *rest]


def failure(why: str) -> NotebookNode:
    return new_output("error", ename="NotGraded", evalue=why, traceback=[f"NotGraded: {why}"])
