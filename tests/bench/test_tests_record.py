"""`bench tests`: the commands are those of .ci/run, and a row says how long one took and what was slow in it."""
import pytest

from effml_lab.bench import tests
from effml_lab.folders import checkout
from effml_lab.measure import records


def test_what_is_timed_is_what_ci_runs():
    script, readme = ((checkout() / name).read_text() for name in (".ci/run", "README.md"))
    assert f"&& {tests.PARTS['plain']}\n```" in readme and "README.md" in script
    assert f'"{tests.PARTS["slow"]}"' in script and f'"{tests.PARTS["notebooks"]}"' in script


def test_a_command_becomes_a_row(tmp_path):
    tests.measure(tmp_path, parts={"few": "pytest -q -n 0 tests/datasets/test_digits.py"})
    row, = records.read(tmp_path / "tests.jsonl")
    assert row.settings["ends"]["passed"] >= 3 and row.settings["seconds"] > 0
    assert list(row.settings["slowest"]) == ["tests.datasets.test_digits"]
    with pytest.raises(RuntimeError, match="did not get to its end"):
        tests.measure(tmp_path, parts={"none": "pytest --no-such-option"})
