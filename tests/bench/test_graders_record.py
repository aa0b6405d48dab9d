"""`bench graders`: only what has no current row is judged again, and a row an exercise is kept."""
from effml_lab.bench import graders
from effml_lab.folders import data_folder
from effml_lab.measure import records

ALONE = "02-read-latency"


def test_only_what_is_stale_is_judged_again(tmp_path):
    shipped = records.latest(data_folder() / "results/graders.jsonl")
    for id, row in shipped.items():
        if id == ALONE:
            row.settings["rests on"] = "another state of things"
        records.append(tmp_path / "graders.jsonl", row)
    assert str(tmp_path) in graders.measure(tmp_path, seeds=1)
    made = records.read(tmp_path / "graders.jsonl")[len(shipped):]
    assert [row.technique for row in made] == [ALONE]
    assert made[0].settings["wrong"] == made[0].settings["wrong told"] >= 2 and made[0].settings["seeds"] == 1
    assert made[0].settings["rests on"] != "another state of things"
