"""`nbgrader export`: who has how many points, for what, and what became of every hand-in.

grades.csv has a row for each student and lab, with a status in words; exercises.csv a row for each exercise of it. A hand-in
that could not be graded has no score, and its status says why: nobody gets a zero that nobody has seen.
"""
import csv
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbgrader.api import Assignment, Gradebook, MissingEntry, Student
from nbgrader.plugins import ExportPlugin

from .handins import Handin, handins
from .marks import NOT_RUN

GRADES = ("assignment", "student_id", "last_name", "first_name", "email", "status", "score", "max_score",
          "late_submission_penalty", "timestamp", "duedate")
EXERCISES = ("assignment", "student_id", "exercise", "score", "max_score", "by_hand", "comment")


class Marks(ExportPlugin):
    def export(self, gradebook: Gradebook) -> None:
        """Write both files; what nbgrader calls."""
        self.found: dict[str, dict[str, Handin]] = {}               # by lab: reading them takes time
        to = Path(self.to or "grades.csv")
        wanted = lambda name, names: not names or name in map(str, names)
        labs = sorted(gradebook.assignments, key=lambda lab: lab.name)
        pairs = [(lab, student) for lab in labs if wanted(lab.name, self.assignment)
                 for student in self.students(gradebook, lab.name) if wanted(student.id, self.student)]
        write(to, GRADES, (self.row(gradebook, *pair) for pair in pairs))
        write(to.with_name("exercises.csv"), EXERCISES, (row for pair in pairs for row in self.questions(gradebook, *pair)))
        self.log.info("%d hand-ins in %s, by exercise in %s", len(pairs), to, to.with_name("exercises.csv"))

    def students(self, gradebook: Gradebook, lab: str) -> list[Student]:
        """Those that the gradebook knows, and those whose hand-in nbgrader has passed over."""
        known = {student.id: student for student in gradebook.students}
        return [*known.values(), *(Student(id=name) for name in self.handed_in(lab) if name not in known)]

    def handed_in(self, lab: str) -> dict[str, Handin]:
        if lab not in self.found:
            course = self.parent.coursedir
            self.found[lab] = {found.student: found for found in handins(Path(course.root, course.submitted_directory), lab)}
        return self.found[lab]

    def row(self, gradebook: Gradebook, lab: Assignment, student: Student) -> dict:
        """A line of grades.csv."""
        told = {"assignment": lab.name, "duedate": lab.duedate, "student_id": student.id, "last_name": student.last_name,
                "first_name": student.first_name, "email": student.email, "max_score": lab.max_score}
        found = self.handed_in(lab.name).get(student.id)
        try:
            made = gradebook.find_submission(lab.name, student.id)
        except MissingEntry:
            return told | {"status": waiting(found), "score": "" if found else 0.0}
        if found and not self.graded(student.id, lab.name):         # nbgrader keeps the row of a run that broke off
            return told | {"status": waiting(found) if found.trouble else "not graded: autograde ended with an error"}
        if found and self.changed(found, lab.name):
            return told | {"status": waiting(found) if found.trouble else "not graded: changed since, so grade it again"}
        penalty = made.late_submission_penalty
        return told | {"status": self.status(made), "timestamp": made.timestamp, "late_submission_penalty": penalty,
                       "score": round(max(0.0, made.score - penalty), 2)}

    def status(self, made) -> str:
        """In words, of a hand-in that went through the grader."""
        by_hand = [grade.name for notebook in made.notebooks for grade in notebook.grades if grade.needs_manual_grade]
        said = [f"needs marking: {', '.join(by_hand)}"] if by_hand else []
        return "; ".join([*self.lost(made), *said]) or "graded"

    def graded(self, student: str, lab: str) -> list[Path]:
        course = self.parent.coursedir
        return list(Path(course.root, course.autograded_directory, student, lab).glob("*.ipynb"))

    def changed(self, found: Handin, lab: str) -> bool:
        """Whether a hand-in is newer than the notebook that was made of it."""
        return found.path is not None and any(
            found.path.stat().st_mtime > path.stat().st_mtime for path in self.graded(found.student, lab))

    def lost(self, made) -> list[str]:
        """What was not run, from the notebook as it was graded."""
        cells = [cell for path in self.graded(made.student.id, made.assignment.name) for cell in nbformat.read(path, 4).cells]
        told = {output.evalue for cell in cells for output in cell.get("outputs", ()) if output.get("ename") == "NotGraded"}
        return sorted(f"some cells were {why}" for why in told if why.startswith(NOT_RUN))

    def questions(self, gradebook: Gradebook, lab: Assignment, student: Student) -> Iterator[dict]:
        """The lines of exercises.csv, of a hand-in that was graded."""
        found = self.handed_in(lab.name).get(student.id)
        try:
            made = gradebook.find_submission(lab.name, student.id)
        except MissingEntry:
            return
        if found and not self.graded(student.id, lab.name):
            return
        for notebook in made.notebooks:
            comments = {comment.name: comment.comment for comment in notebook.comments}
            for grade in notebook.grades:
                yield {"assignment": lab.name, "student_id": student.id, "exercise": grade.name, "max_score": grade.max_score,
                       "score": "" if grade.needs_manual_grade and grade.manual_score is None else round(grade.score, 2),
                       "by_hand": "yes" if grade.manual_score is not None else "waits" if grade.needs_manual_grade else "",
                       "comment": comments.get(grade.name) or comments.get(f"{grade.name}-answer")}


def waiting(found: Handin | None) -> str:
    """The status of a hand-in that was not graded."""
    if found is None:
        return "not handed in"
    mended = " (python -m effml_lab repair mends it)" if found.mend else ""
    return f"not graded: {found.trouble}{mended}" if found.trouble else "not graded yet"


def write(path: Path, names: tuple[str, ...], rows: Iterator[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8-sig") as file:     # Excel reads names right by the mark
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
