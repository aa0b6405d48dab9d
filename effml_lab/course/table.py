"""A plain HTML table, everything in it escaped; no colours, so that it reads on dark pages too."""
from html import escape
from typing import Iterable


def html_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    left = 'style="text-align:left"'
    top = "".join(f'<th scope="col" {left}>{escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td {left}>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
