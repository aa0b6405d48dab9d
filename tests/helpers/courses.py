"""A course folder of its own with one lab in it, and nbgrader's own commands run there."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from nbgrader.api import Gradebook

from effml_lab.course.authoring import build, percent
from effml_lab.folders import checkout

ROOT = checkout()


class Course:
    """The lab of one text, released; what is submitted, graded and told back lies in `folder`."""

    def __init__(self, folder: Path, text: Path):
        self.folder, self.lab = folder, text.stem
        shutil.copy(ROOT / "nbgrader_config.py", folder)
        made = build.lab_notebook(text.read_text(), self.lab, ROOT)
        self.write("solutions", made)
        self.nbgrader("generate_assignment", self.lab)
        self.solution, self.released = made, nbformat.read(folder / f"labs/{self.lab}/{self.lab}.ipynb", as_version=4)

    def write(self, where: str, notebook) -> Path:
        path = self.folder / where / self.lab / f"{self.lab}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(percent.to_bytes(notebook))
        return path

    def submit(self, student: str, notebook) -> None:
        self.write(f"grading/submitted/{student}", notebook)

    def nbgrader(self, *words: str, fails: bool = False) -> str:
        env = os.environ | {"EFFML_HOME": str(self.folder / "home"), "PYTHONPATH": str(Path(__file__).parent)}
        done = subprocess.run([sys.executable, "-m", "nbgrader", *words], cwd=self.folder, env=env, text=True,
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert fails or done.returncode == 0, done.stdout
        return done.stdout

    def gradebook(self) -> Gradebook:
        return Gradebook(f"sqlite:///{(self.folder / 'grading/gradebook.db').as_posix()}")

    def marks(self, student: str) -> dict[str, float]:
        """Exercise -> points, as nbgrader recorded them."""
        with self.gradebook() as book:
            notebook = book.find_submission_notebook(self.lab, self.lab, student)
            return {grade.name: grade.auto_score for grade in notebook.grades if grade.auto_score is not None}

    def graded(self, student: str):
        return nbformat.read(self.folder / f"grading/autograded/{student}/{self.lab}/{self.lab}.ipynb", as_version=4)

    def feedback(self, student: str) -> BeautifulSoup:
        path = self.folder / f"grading/feedback/{student}/{self.lab}/{self.lab}.html"
        return BeautifulSoup(path.read_text(), "html.parser")
