"""How this course uses nbgrader: run its commands, or `jupyter lab`, in this folder.

  nbgrader generate_assignment 01_ddpm --force    solutions/ -> labs/ (as `python -m effml_lab build` does)
  nbgrader autograde 01_ddpm --force              grading/submitted/STUDENT/01_ddpm/01_ddpm.ipynb -> grading/autograded
  nbgrader generate_feedback 01_ddpm --force      -> grading/feedback
  nbgrader export                                 -> grading/grades.csv

Everything that grading makes lies in grading/, which git ignores: keep that folder, it holds the grades.
"""
import os
import secrets
import sys
from pathlib import Path

from nbgrader import preprocessors as stock

from effml_lab.course.grading import plugins, sanitize

ROOT = Path(__file__).resolve().parent
GRADING = ROOT / "grading"
os.environ["EFFML_SEED"] = plugins.seed(GRADING)        # one seed for all students and every regrade
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])    # nbgrader calls alembic

c = get_config()  # noqa: F821  nbgrader provides it
c.CourseDirectory.course_id = "effml"
c.CourseDirectory.root = str(ROOT)
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "labs"
for step in ("source_with_tests", "submitted", "autograded", "feedback", "solution"):
    setattr(c.CourseDirectory, f"{step}_directory", f"grading/{step}")
c.CourseDirectory.db_url = f"sqlite:///{(GRADING / 'gradebook.db').as_posix()}"
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "*.py", "feedback"]
c.ExportPlugin.to = str(GRADING / "grades.csv")

c.ClearSolutions.code_stub = {"python": plugins.STUB}
c.ClearMarkScheme.enforce_metadata = False              # a written answer holds its own mark scheme
c.GenerateAssignment.preprocessors = [
    stock.LockCells, plugins.ClearSolutions, stock.ClearMarkScheme, stock.ClearOutput, stock.ComputeChecksums,
    stock.CheckCellMetadata, stock.SaveCells]

c.Execute.timeout = 60                                  # seconds a cell
c.Execute.interrupt_on_timeout = True
c.Execute.iopub_timeout = 15
c.Execute.shutdown_kernel = "immediate"
c.Execute.store_widget_state = False
c.Execute.skip_cells_with_tag = secrets.token_hex(16)   # nbclient skips cells with this tag: nobody knows it
c.Autograde.sanitize_preprocessors = [
    stock.ClearOutput, plugins.RestoreCells, stock.OverwriteKernelspec, stock.CheckCellMetadata]
c.Autograde.autograde_preprocessors = [
    plugins.Execute, plugins.HonestPoints, stock.LimitOutput, plugins.Harmless, stock.SaveAutoGrades,
    stock.AssignLatePenalties, stock.CheckCellMetadata]

c.GenerateFeedback.preprocessors = [stock.GetGrades, plugins.HideTests, plugins.Spaced]
c.HTMLExporter.preprocessors = [plugins.Harmless]       # for feedback and formgrader
c.HTMLExporter.filters = {"markdown2html": sanitize.markdown}
