import pytest

from mstool.errors import DataError, UsageError
from mstool.layouts import get_layout
from mstool.manifest import all_tasks, find_task, load_manifest
from mstool.simulators.maniskill.demos.hub import OFFICIAL

TEN = {
    "PickCube-v1", "StackCube-v1", "PushCube-v1", "PullCube-v1", "PullCubeTool-v1", "PlaceSphere-v1",
    "PegInsertionSide-v1", "PlugCharger-v1", "LiftPegUpright-v1", "StackPyramid-v1",
}  # fmt: skip


def test_shipped_manifest_knows_the_ten_tasks():
    tasks = load_manifest()
    assert set(tasks) > TEN == set(all_tasks())
    assert set(tasks) >= set(OFFICIAL)
    assert all(get_layout("native").camera(view) for task in tasks.values() for view in task.cameras)
    for env_id, task in tasks.items():
        assert task.env_id == env_id
        assert "-v" not in task.instruction
        # ManiSkill's own 50 is shorter than most demos; SimplerEnv's tasks have 5 Hz and no demos.
        assert task.horizon > 100 or "InScene" in env_id
    assert find_task("PickCube-v1").hidden_goal == "goal_site"
    assert find_task("NoSuch-v1") is None


def test_every_problem_is_listed_at_once(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text("tasks:\n  A-v1: {instruction: '', horizn: 3}\n  B-v1: 7\n")
    with pytest.raises(DataError) as error:
        load_manifest(path)
    message = error.value.message
    assert "A-v1: unknown field 'horizn', did you mean 'horizon'?" in message
    assert "A-v1: instruction must be a sentence" in message
    assert "A-v1: horizon must be a positive number of steps" in message
    assert "B-v1: expected fields, found 7" in message


@pytest.mark.parametrize(("text", "message"), [("tasks: [", "not valid YAML"), ("a: 1", "must hold `tasks:`")])
def test_a_file_that_is_no_manifest(tmp_path, text, message):
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(DataError, match=message) as error:
        load_manifest(tmp_path / "m.yaml")
    assert "tasks: {PickCube-v1: {instruction: " in error.value.fix


def test_the_form_that_a_manifest_is_told_to_have_is_one(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not valid YAML") as error:
        load_manifest(path)
    other = tmp_path / "other.yaml"
    other.write_text(error.value.fix[error.value.fix.index("tasks: ") :])
    assert list(load_manifest(other)) == ["PickCube-v1"]


@pytest.mark.parametrize("name", ["none.yaml", "."])
def test_a_path_that_is_no_file(tmp_path, name):
    with pytest.raises(UsageError) as error:
        load_manifest(tmp_path / name)
    assert str(tmp_path) in error.value.message
    assert error.value.fix
