"""The benchmark of the flow policy notes how long each training really was."""

import argparse

from benchmarks.flow_ten_tasks import Bench, as_table


def bench(tmp_path, limit):
    options = {"work": tmp_path, "output": tmp_path, "minutes": 5.0, "limit": limit, "reserve": 75, "side_by_side": 1}
    return Bench(argparse.Namespace(**options, common=""))


def test_a_training_that_the_limit_cut_short_is_told_with_its_minutes(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr("benchmarks.flow_ten_tasks.gpus", list)
    monkeypatch.setattr(Bench, "run", lambda self, log, *words, **_: lines.append(words) or {"steps": 7})
    short = bench(tmp_path, 75 + 60 + 180).trained("a", tmp_path / "a", tmp_path / "data", [], None)
    whole = bench(tmp_path, 3600).trained("b", tmp_path / "b", tmp_path / "data", [], None)
    assert 2.0 < short["minutes"] <= 3.0
    assert whole["minutes"] == whole["minutes_asked"] == 5.0
    # What is finished is not done again, and still says it.
    again = bench(tmp_path, 3600).trained("a", tmp_path / "a", tmp_path / "data", [], None)
    assert again == short
    assert len(lines) == 2
    task = {"env_id": "PickCube-v1", "eval": "", "episodes": 4, "once": 1, "at_end": 1}
    entry = {"tasks": "PickCube-v1", "variant": "plain", "convert": {"converted": 3}, "tasks_done": [task]}
    table = as_table([{**entry, "finetune": short}, {**entry, "finetune": whole}])
    assert " of 5 " in table
    assert "minutes" not in as_table([{**entry, "finetune": {"steps": 7}}])
