"""What was measured stays: evaluations of several configurations, seeds and tasks into one folder.

The commands are real but for the simulation: its outcomes follow from the seed.
"""

import json

import pytest
from support.simulation import RUNNER, Simulation

PICK, PUSH = "PickCube-v1", "PushCube-v1"


@pytest.fixture
def evaluate(mstool, monkeypatch, tmp_path, capsys):
    """Evaluate the planner into `tmp_path`; returns the document and what else was said."""
    monkeypatch.setattr(RUNNER, Simulation)

    def run(*words, code=0):
        assert mstool("eval", "--policy", "planner", "--output", tmp_path, "--workers", 1, "--json", *words) == code
        said = capsys.readouterr()
        return json.loads(said.out), said.err

    return run


def kept(folder):
    return json.loads((folder / "results.json").read_text())


def seeds(document, env_id=PICK):
    (task,) = (task for task in document["tasks"] if task["env_id"] == env_id)
    return [outcome["seed"] for outcome in task["outcomes"]]


def test_fewer_episodes_replace_nothing(evaluate, tmp_path):
    first, _ = evaluate("-e", PICK, "-n", 4)
    before = kept(tmp_path)
    assert {name: value for name, value in first.items() if name != "folder"} == before
    assert first["folder"] == str(tmp_path)
    page = (tmp_path / "report.md").read_text()
    again, said = evaluate("-e", PICK, "-n", 1)
    assert again["total"]["success_once"]["episodes"] == 1  # what was asked
    assert f"{tmp_path} has 3 more episodes of the same configuration" in said
    assert kept(tmp_path) == before  # its timing too: nothing was run
    assert (tmp_path / "report.md").read_text() == page


def test_other_seeds_and_tasks_of_a_configuration_are_added(evaluate, tmp_path):
    evaluate("-e", PICK, "-n", 2)
    evaluate("-e", PUSH, "-n", 1)
    evaluate("-e", f"{PUSH},{PICK}", "-n", 1, "--seed-start", 20000)
    found = kept(tmp_path)
    assert (seeds(found), seeds(found, PUSH)) == ([10000, 10001, 20000], [10000, 20000])
    assert found["configuration"]["seeds"] == {PICK: "10000..10001, 20000", PUSH: "10000, 20000"}
    assert found["total"]["success_once"]["episodes"] == 5
    assert PUSH in (tmp_path / "report.md").read_text()
    assert not list(tmp_path.glob("other-*"))


def test_another_configuration_has_a_place_of_its_own(evaluate, tmp_path):
    evaluate("-e", PICK, "-n", 3)
    before = (tmp_path / "results.json").read_bytes(), (tmp_path / "report.md").read_bytes()
    short, said = evaluate("-e", PICK, "-n", 1, "--horizon", 7)
    (other,) = tmp_path.glob("other-*")
    assert f"(PickCube-v1.horizon: 150 and 7): these go to {other}" in said
    assert short["folder"] == str(other)
    evaluate("-e", PICK, "-n", 1, "--seed-start", 10001, "--horizon", 7)
    assert seeds(kept(other)) == [10000, 10001]
    evaluate("-e", PICK, "-n", 1, "--horizon", 8)
    assert len(list(tmp_path.glob("other-*/report.md"))) == 2
    assert ((tmp_path / "results.json").read_bytes(), (tmp_path / "report.md").read_bytes()) == before


def test_fresh_forgets_its_own_configuration_alone(evaluate, tmp_path):
    evaluate("-e", f"{PICK},{PUSH}", "-n", 3)
    evaluate("-e", PICK, "-n", 3, "--horizon", 7)
    (other,) = tmp_path.glob("other-*")
    before = kept(other)
    found, _ = evaluate("-e", PICK, "-n", 1, "--fresh")
    assert found["timing"]["episodes"] == 1
    assert (seeds(kept(tmp_path)), seeds(kept(tmp_path), PUSH)) == ([10000], [10000, 10001, 10002])
    assert kept(other) == before


def test_what_crashed_is_counted_until_it_has_an_outcome(evaluate, tmp_path, monkeypatch):
    monkeypatch.setattr(Simulation, "dies", frozenset({10001}))
    evaluate("-e", PICK, "-n", 2, code=1)
    evaluate("-e", PICK, "-n", 1)
    assert kept(tmp_path)["total"]["crashed"] == 1
    monkeypatch.setattr(Simulation, "dies", frozenset())
    evaluate("-e", PICK, "-n", 2)
    total = kept(tmp_path)["total"]
    assert (total["crashed"], total["success_once"]["successes"], total["success_once"]["episodes"]) == (0, 1, 2)


def test_outcomes_without_results_are_counted(evaluate, tmp_path):
    """As an interrupted evaluation leaves them."""
    evaluate("-e", PICK, "-n", 3)
    for name in ("results.json", "report.md"):
        (tmp_path / name).unlink()
    evaluate("-e", PICK, "-n", 1)
    assert seeds(kept(tmp_path)) == [10000, 10001, 10002]


@pytest.mark.parametrize("name", ["results.json", "report.md"])
def test_files_of_others_stay(evaluate, tmp_path, name):
    (tmp_path / name).write_text("{}")
    found, said = evaluate("-e", PICK, "-n", 1)
    assert (tmp_path / name).read_text() == "{}"
    assert found["folder"] != str(tmp_path)
    assert "what mstool eval did not write" in said


def test_places_are_compared(evaluate, mstool, tmp_path, capsys):
    evaluate("-e", PICK, "-n", 2)
    short, _ = evaluate("-e", PICK, "-n", 2, "--horizon", 7)
    assert mstool("eval", "--compare", tmp_path, short["folder"], "--json") == 0
    assert json.loads(capsys.readouterr().out)["differences"] == [f"{PICK}.horizon: 150 and 7"]
