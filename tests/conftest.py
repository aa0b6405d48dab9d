"""What a run of the tests says at its end: how many wrong answers the graders caught, how many right ones they accepted.

`pytest tests/test_mutants.py -m "slow or not slow" --record data/results` also keeps the row from which the README is
drawn.
"""
import json
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")       # here and in what the tests start: small nets, busy machines

KINDS = {"wrong": "test_mutants.py::test_wrong_answers_lose_points", "right": "test_mutants.py::test_right_answers_keep_all_points"}


def pytest_addoption(parser):
    parser.addoption("--record", metavar="FOLDER", help="append what the run says of the graders to FOLDER/graders.jsonl")


def counted(reporter) -> dict[str, int]:
    """How many answers were judged, how many of them as they should be on all their seeds, and on how many seeds."""
    judged = lambda outcome, part: [report.nodeid for report in reporter.stats.get(outcome, ())
                                    if part in report.nodeid and getattr(report, "when", "") == "call"]
    row, answers = {"seeds": 20}, lambda nodes: {node.removesuffix("-more]").removesuffix("]") for node in nodes}
    for kind, part in KINDS.items():
        passed, failed = judged("passed", part), judged("failed", part)
        row |= {kind: len(answers(passed + failed)), f"{kind} told": len(answers(passed) - answers(failed))}
        row["seeds"] = 100 if any(node.endswith("-more]") for node in passed) else row["seeds"]
    return row


def pytest_terminal_summary(terminalreporter, config):
    row = counted(terminalreporter)
    if not row["wrong"] or hasattr(config, "workerinput"):          # one of several processes: its parent tells
        return
    terminalreporter.write_line(f"graders: {row['wrong told']} of {row['wrong']} wrong answers caught, "
                                f"{row['right told']} of {row['right']} right ones accepted, {row['seeds']} seeds each")
    if config.getoption("record"):
        from effml_lab.measure import bench
        path = Path(config.getoption("record")) / "graders.jsonl"
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row | {"date": bench.now(), "commit": bench.commit()}) + "\n")
