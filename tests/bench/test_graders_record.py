"""`bench graders`: only what has no current row is judged again, and a row an exercise is kept."""
from banks import BANKS, rests_on

from effml_lab.bench import graders
from effml_lab.measure import records

ALONE = "02-read-latency"


def current(id: str) -> records.Record:
    """A row that says that all answers of an exercise were judged as they should be, today."""
    counts = {f"{kind}{told}": len(answers) for kind, answers in zip(("right", "wrong"), BANKS[id]) for told in ("", " told")}
    rests = "another state of things" if id == ALONE else rests_on(id)
    return records.Record(id, settings=counts | {"seeds": 100, "rests on": rests})


def test_only_what_is_stale_is_judged_again(tmp_path):
    for id in BANKS:
        records.append(tmp_path / "graders.jsonl", current(id))
    assert str(tmp_path) in graders.measure(tmp_path, seeds=1)
    made = records.read(tmp_path / "graders.jsonl")[len(BANKS):]
    assert [row.technique for row in made] == [ALONE]
    assert made[0].settings["wrong"] == made[0].settings["wrong told"] >= 2 and made[0].settings["seeds"] == 1
    assert made[0].settings["rests on"] != "another state of things"
