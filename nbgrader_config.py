"""How this course uses nbgrader: run its commands, or `jupyter lab`, in this folder.

  nbgrader generate_assignment 01_ddpm --force    solutions/ -> labs/ (as `python -m effml_lab build` does)
  python -m effml_lab repair 01_ddpm              hand-ins with a wrong name, place or encoding
  nbgrader autograde 01_ddpm --force              grading/submitted/STUDENT/01_ddpm/01_ddpm.ipynb -> grading/autograded
  nbgrader generate_feedback 01_ddpm --force      -> grading/feedback
  nbgrader export                                 -> grading/grades.csv and, by exercise, grading/exercises.csv

TEACHING.md tells the whole of it. Everything that grading makes lies in grading/, which git ignores: keep that folder, it
holds the grades.
"""
import os
import secrets
import sys
from pathlib import Path

from nbgrader import preprocessors as stock

from effml_lab.course.grading import execute, export, marks, pages, restore, sanitize

ROOT = Path(__file__).resolve().parent
GRADING = ROOT / "grading"
GRADING.mkdir(exist_ok=True)
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
c.ExportApp.plugin_class = export.Marks
c.ExportPlugin.to = str(GRADING / "grades.csv")
c.ZipCollectApp.downloaded_directory = "grading/downloaded"
c.FileNameCollectorPlugin.named_regexp = (              # a folder for each student; Moodle's end in a number and words
    r".*?/(?P<student_id>[^/]+?)(?:_\d+_assignsubmission_file_?/(?:[^/]+/)*|/)(?P<file_id>[^/]+)$")

c.ClearSolutions.code_stub = {"python": marks.STUB}
c.ClearMarkScheme.enforce_metadata = False              # a written answer holds its own mark scheme
c.GenerateAssignment.preprocessors = [
    stock.LockCells, marks.ClearSolutions, stock.ClearMarkScheme, stock.ClearOutput, stock.ComputeChecksums,
    stock.CheckCellMetadata, stock.SaveCells]

c.RestoreCells.labs = str(ROOT / "labs")
c.Execute.folder = str(GRADING)                         # the secret that seeds are made of
c.Execute.timeout = 60                                  # seconds a cell
c.Execute.deadline = 600                                # seconds a notebook
c.Execute.interrupt_on_timeout = True
c.Execute.iopub_timeout = 15
c.Execute.shutdown_kernel = "immediate"
c.Execute.store_widget_state = False
c.Execute.skip_cells_with_tag = secrets.token_hex(16)   # nbclient skips cells with this tag: nobody knows it
c.Autograde.sanitize_preprocessors = [
    stock.ClearOutput, restore.RestoreCells, stock.OverwriteKernelspec, stock.CheckCellMetadata]
c.Autograde.autograde_preprocessors = [
    execute.Execute, marks.HonestPoints, stock.LimitOutput, pages.Harmless, stock.SaveAutoGrades,
    stock.AssignLatePenalties, stock.CheckCellMetadata]

c.GenerateFeedback.preprocessors = [stock.GetGrades, pages.HideTests, pages.Spaced]
c.GenerateFeedback.exporter_class = pages.Feedback
c.HTMLExporter.preprocessors = [pages.Harmless]       # for feedback and formgrader
c.HTMLExporter.filters = {"markdown2html": sanitize.markdown}
