"""What a check tells: points for nbgrader, a table for a reader in a notebook, prose for a terminal.

nbgrader reads the points from the plain text of what a test cell displays, and gives full marks to whatever is not a
number, so `repr` is a plain finite number and nothing else. The table names each property, says in a word and a sign
whether it holds, what was observed and what was expected, and the likely cause where one predicts the observation.
"""
import math
from dataclasses import dataclass, field
from html import escape
from typing import Iterable

import torch

from .codec import Tree
from .exercise import Property

VERDICT = {True: "✓ holds", False: "✗ fails", None: "– not reached"}


@dataclass
class Report:
    """points: earned, of `of`. rows: every property of the exercise, None where the run did not get to it."""
    id: str
    title: str
    points: float
    of: float
    rows: list[tuple[Property, bool | None]] = field(default_factory=list)
    note: str = ""          # one sentence above the table
    printed: str = ""
    foot: str = ""
    case: Tree = None       # the inputs of the first case that failed

    def __post_init__(self):
        earned = self.points if math.isfinite(self.points) else 0.0
        self.points = min(max(math.floor(earned * 100 + 1e-6) / 100, 0.0), self.of)

    def __repr__(self) -> str:
        return f"{self.points:.2f}".rstrip("0").rstrip(".")

    def __str__(self) -> str:
        lines = [f"{self.id} · {self.title}: {self!r} of {self.of:g} points", self.note]
        for row, verdict in self.rows:
            seen = f": observed {row.observed}, expected {row.expected}" if verdict is False else ""
            lines += [f"  {VERDICT[verdict]}  {row.name}{seen}"]
            lines += [f"      likely cause: {cause}" for cause in row.causes]
        printed = f"your code also printed:\n{self.printed.rstrip()}" if self.printed.strip() else ""
        return "\n".join(line for line in (*lines, printed, self.foot) if line)

    def _repr_html_(self) -> str:
        failed = any(verdict is False for _, verdict in self.rows)
        head = ("Property", "Verdict", "Observed", "Expected", "Likely cause")[:5 if failed else 3]
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        table = html_table(head, [self._row(row, verdict)[:len(head)] for row, verdict in self.rows])
        said = escape(self.printed.rstrip())
        printed = f"<p>Your code also printed:</p><pre>{said}</pre>" if said else ""
        return (f"<p><strong>{escape(self.title)}: {self!r} of {self.of:g} points</strong></p>{note}{table}{printed}"
                f"{self._inputs()}<p><small>{escape(self.foot)}</small></p>")

    def _inputs(self) -> str:
        if not self.case or not isinstance(self.case, dict):
            return ""
        lines = "\n".join(f"{name}: {shown(value)}" for name, value in self.case.items())
        return (f"<details><summary>Inputs with which it failed (in the notebook: <code>check.case</code>)</summary>"
                f"<pre>{escape(lines)}</pre></details>")

    @staticmethod
    def _row(row: Property, verdict: bool | None) -> tuple[str, ...]:
        if verdict is False:
            return row.name, VERDICT[verdict], row.observed, row.expected, "; ".join(row.causes)
        return row.name, VERDICT[verdict], row.observed if verdict else "", "", ""


def shown(value: Tree, most: int = 12) -> str:
    """A value of a case in a line: small tensors by their numbers, large ones by their shape."""
    if isinstance(value, torch.Tensor):
        kind = str(value.dtype).removeprefix("torch.")
        return (f"{torch.round(value, decimals=4).tolist()} ({kind})" if value.numel() <= most and value.is_floating_point()
                else f"{value.tolist()} ({kind})" if value.numel() <= most else f"shape {tuple(value.shape)} ({kind})")
    if isinstance(value, (list, dict)) and len(value) > most:
        return f"{len(value)} entries"
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(part, most)}" for key, part in value.items())
    return f"[{', '.join(shown(part, most) for part in value)}]" if isinstance(value, list) else str(value)


def html_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A plain table, everything in it escaped; no colours, so that it reads on dark pages too."""
    left = 'style="text-align:left"'
    top = "".join(f'<th scope="col" {left}>{escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td {left}>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
