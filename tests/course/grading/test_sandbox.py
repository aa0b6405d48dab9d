"""What a hand-in can do within the walls, through the plug-in that nbgrader calls, and with nbgrader itself."""
import os
import socket
import time
from pathlib import Path

import pytest
from courses import Course
from nbformat.v4 import new_code_cell, new_notebook
from submissions import answer, filled, points

from effml_lab import folders
from effml_lab.course.grading import execute, sandbox

pytestmark = pytest.mark.skipif(bool(sandbox.leaks()), reason=f"the sandbox does not hold here: {sandbox.leaks()}")


def executed(*sources, **words):
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    return execute.Execute(sandbox=True, **words).preprocess(notebook, {})[0].cells


def said(cell) -> str:
    return " ".join(str(output.get("text") or output.get("evalue") or output.get("data")) for output in cell.outputs)


def test_what_is_outside_is_out_of_reach(tmp_path, monkeypatch):
    secret, mine = tmp_path / "secret", folders.PACKAGE / "left_behind"
    secret.write_text("the marks")
    monkeypatch.setenv("SECRET", "the marks")
    with socket.create_server(("127.0.0.1", 0)) as host:
        port = host.getsockname()[1]
        cells = executed(
            f"open({str(secret)!r}).read()", f"open({str(mine)!r}, 'w')", f"open({str(tmp_path / 'new')!r}, 'w')",
            f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)", f"import os; os.kill({os.getpid()}, 9)",
            f"os.path.exists({str(folders.checkout() / 'solutions')!r})", "'SECRET' in os.environ")
    assert all(output.output_type == "error" for cell in cells[:5] for output in cell.outputs), [said(cell) for cell in cells]
    assert not mine.exists() and secret.read_text() == "the marks" and os.listdir(tmp_path) == ["secret"]
    assert "False" in said(cells[5]) and "False" in said(cells[6])


def test_an_honest_hand_in_finds_what_it_needs():
    cells = executed("import torch, matplotlib.pyplot as plt; from effml_lab import models; net, _ = models.denoiser('digits')",
                     "open('mine.txt', 'w').write('a'); open('mine.txt').read()",
                     "fig, ax = plt.subplots(); fig.savefig('a.png'); 1 + 1",
                     "import effml_lab.bench as b; len(b.recorded('digits')) > 0")
    assert not [said(cell) for cell in cells if any(output.output_type == "error" for output in cell.outputs)]
    assert "True" in said(cells[3])


def test_limits_hold_and_loops_are_interrupted():
    begin = time.monotonic()
    cells = executed("x = bytearray(20 * 2**30)", "open('big', 'wb').write(b'0' * 10**8)", "while True: pass", "1 + 1",
                     timeout=3, interrupt_on_timeout=True)
    assert "MemoryError" in str(cells[0].outputs) and "error" in {output.output_type for output in cells[1].outputs}
    assert "2" in said(cells[3]) and time.monotonic() - begin < 60


def test_nothing_is_left_running():
    mark = f"effml{time.monotonic_ns()}"
    executed(f"import subprocess; subprocess.Popen(['sleep', '600', '{mark}'], start_new_session=True)")
    time.sleep(1)
    for path in filter(str.isdigit, os.listdir("/proc")):
        try:
            assert mark.encode() not in open(f"/proc/{path}/cmdline", "rb").read()
        except OSError:
            continue


def test_where_walls_do_not_hold_nothing_is_run(monkeypatch):
    monkeypatch.setattr(sandbox, "leaks", lambda: "the network is open")
    with pytest.raises(RuntimeError, match="the network is open.*bubblewrap"):
        executed("1 + 1")


def test_nbgrader_grades_within_the_walls_as_without(tmp_path):
    """Full marks for an honest hand-in; nothing for one that looks for the solutions."""
    course = Course(tmp_path, Path(__file__).with_name("00_practice.py"))
    id = next(iter(points(course.released)))
    thief = filled(course.released, course.solution, [])
    answer(thief, id).source = f"exec(open({str(course.folder / 'solutions')!r} + '/00_practice/00_practice.ipynb').read())"
    course.submit("honest", filled(course.released, course.solution))
    course.submit("thief", thief)
    course.nbgrader("autograde", course.lab, "--Execute.sandbox=True")
    full, found = points(course.released), course.marks("honest")
    assert {id: found[id] for id in full} == full and not any(course.marks("thief").values())
