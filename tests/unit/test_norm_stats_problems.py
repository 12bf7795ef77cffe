"""Each problem code: found where it is, not found where it is not."""

from pathlib import Path

import numpy as np
import pytest
from support.synthetic import write_dataset

from mstool.api.stats import compute_stats
from mstool.errors import UsageError
from mstool.norm_stats.compute import StatsResult, compute
from mstool.norm_stats.report import document, problem_lines, rows

STATE = ["x", "y", "z", "ax", "ay", "az", "finger_left", "finger_right"]
ACTION = ["dx", "dy", "dz", "drx", "dry", "drz", "gripper"]
UNITS = ["m"] * 3 + ["rad"] * 3 + ["m"] * 2
FRAMES, EPISODES = 600, 6


def good() -> tuple[np.ndarray, np.ndarray]:
    """A plausible libero recording: states in metres and radians, delta actions, a gripper that opens and closes."""
    rng = np.random.default_rng(0)
    state = rng.uniform([-0.3, -0.3, 0, -3, -1, -1, 0, -0.04], [0.3, 0.3, 0.6, 3, 1, 1, 0.04, 0], size=(FRAMES, 8))
    action = np.clip(rng.normal(size=(FRAMES, 7)) * 0.4, -1, 1)
    action[:, 6] = np.where(np.arange(FRAMES) % 100 < 60, -1, 1)
    return state.astype(np.float32), action.astype(np.float32)


def run(root: Path, state, action, *, lengths=None, layout="libero", units=True, names=True, **options) -> StatsResult:
    write_dataset(
        root,
        {"observation.state": state.astype(np.float32), "action": action.astype(np.float32)},
        lengths or [FRAMES // EPISODES] * EPISODES,
        layout=layout,
        names={"observation.state": STATE, "action": ACTION} if names else None,
        units={"observation.state": UNITS} if units else None,
    )
    return compute([root], features=False, **options)


def codes(result: StatsResult) -> list[tuple[str, str, int | None]]:
    return [(problem.code, problem.key, problem.dim) for problem in result.problems]


def test_a_good_dataset_has_no_problems(tmp_path):
    result = run(tmp_path / "d", *good())
    assert codes(result) == []
    assert result.ok


def test_a_dataset_counts_once(tmp_path):
    root = tmp_path / "d"
    run(root, *good())
    with pytest.raises(UsageError, match="given twice") as caught:
        compute_stats([root, root / "meta" / ".."])
    assert caught.value.fix == f"mstool stats {root}"


def test_constant(tmp_path):
    state, action = good()
    state[:, 2] = 0.25
    result = run(tmp_path / "d", state, action)
    assert codes(result) == [("NS102", "state", 2)]
    assert result.ok
    assert "constant at 0.25" in result.problems[0].message


def test_near_constant(tmp_path):
    state, action = good()
    state[:, 7] = 0.04 + np.linspace(0, 2e-5, FRAMES)
    result = run(tmp_path / "d", state, action)
    assert codes(result) == [("NS103", "state", 7)]
    assert result.state.shape.extreme[7] < 1.1


def test_narrow_against_the_std(tmp_path):
    state, action = good()
    state[:, 0] = np.linspace(0, 1e-3, FRAMES)
    state[:3, 0] = 3.0
    result = run(tmp_path / "d", state, action)
    assert codes(result) == [("NS104", "state", 0)]
    assert result.state.shape.extreme[0] > 1000


@pytest.mark.parametrize(
    ("gripper", "found"),
    [
        (np.linspace(-1, 1, FRAMES), True),
        (np.where(np.arange(FRAMES) < 2, 1.0, -1.0), True),
        (np.where(np.arange(FRAMES) < 300, 0.0, 1.0), False),
        (np.where(np.arange(FRAMES) < 60, 0.9, -1.0) + np.arange(FRAMES) * 1e-4, False),
    ],
)
def test_gripper(tmp_path, gripper, found):
    state, action = good()
    action[:, 6] = gripper
    result = run(tmp_path / "d", state, action)
    assert (("NS105", "actions", 6) in codes(result)) == found


def test_gripper_without_names_is_the_last_of_seven(tmp_path):
    state, action = good()
    action[:, 6] = np.linspace(-1, 1, FRAMES)
    assert ("NS105", "actions", 6) in codes(run(tmp_path / "d", state, action, names=False))


def test_constant_gripper(tmp_path):
    state, action = good()
    action[:, 6] = 1
    assert codes(run(tmp_path / "d", state, action)) == [("NS102", "actions", 6), ("NS105", "actions", 6)]


@pytest.mark.parametrize("units", [True, False])
def test_degrees_and_millimetres(tmp_path, units):
    state, action = good()
    state[:, 3] *= 57.3
    state[:, 0] *= 1000
    found = codes(run(tmp_path / "d", state, action, units=units))
    # Without units the names decide: "ax" could be anything, "x" is a length.
    assert found == ([("NS107", "state", 0), ("NS106", "state", 3)] if units else [("NS107", "state", 0)])


def test_joint_names_are_angles(tmp_path):
    state, action = good()
    state[:, :7] = np.random.default_rng(1).uniform(-150, 150, size=(FRAMES, 7))
    root = write_dataset(
        tmp_path / "d",
        {"observation.state": state, "action": action},
        [FRAMES],
        names={"observation.state": [f"joint_{i}.pos" for i in range(7)] + ["gripper"], "action": ACTION},
    )
    found = codes(compute([root], features=False))
    assert found == [("NS106", "state", dim) for dim in range(7)]


def test_unnamed_dimensions_far_from_any_unit(tmp_path):
    state, action = good()
    state[:, 4] *= 57.3
    assert ("NS106", "state", 4) in codes(run(tmp_path / "d", state, action, units=False, names=False))
    assert ("NS106", "state", 3) not in codes(run(tmp_path / "e", state, action, units=False, names=False))


def walk() -> np.ndarray:
    rng = np.random.default_rng(3)
    return (np.cumsum(rng.normal(size=(FRAMES, 8)), axis=0) * 0.01).astype(np.float32)


def test_delta_twice(tmp_path):
    _, action = good()
    result = run(tmp_path / "d", walk(), action, config="pi0_libero")
    [problem] = [p for p in result.problems if p.code == "NS108"]
    assert problem.fix == f"mstool stats {tmp_path / 'd'} --config pi0_libero --delta none"
    assert "public checkpoint" in problem.message
    assert not result.wrong, "that config's own training does it"
    assert not any(code in {"NS108", "NS109"} for code, _, _ in codes(run(tmp_path / "e", walk(), action)))


def test_delta_twice_on_the_users_own_demand_is_wrong(tmp_path):
    _, action = good()
    result = run(tmp_path / "d", walk(), action, delta="6")
    assert [problem.code for problem in result.wrong] == ["NS108"]
    assert "public checkpoint" not in result.wrong[0].message


def test_delta_missing(tmp_path):
    _, action = good()
    state = walk()
    action[:, :6] = np.roll(state, -1, axis=0)[:, :6]
    result = run(tmp_path / "d", state, action)
    [problem] = [p for p in result.problems if p.code == "NS109"]
    assert "--delta 6,-1" in problem.fix
    fixed = run(tmp_path / "e", state, action, delta="6,-1")
    assert not any(code in {"NS108", "NS109"} for code, _, _ in codes(fixed))


def test_few_frames_and_one_frame_episodes(tmp_path):
    state, action = good()
    result = run(tmp_path / "d", state[:100], action[:100], lengths=[1] * 40 + [60])
    assert {"NS110", "NS111"} <= {code for code, _, _ in codes(result)}
    assert "episodes of one frame: 40;" in next(p.message for p in result.problems if p.code == "NS111")


def test_config_of_another_layout(tmp_path):
    result = run(tmp_path / "d", *good(), config="pi05_droid")
    assert ("NS112", "", None) in codes(result)
    assert [problem.code for problem in result.wrong] == ["NS112"]
    assert ("NS112", "", None) not in codes(run(tmp_path / "e", *good(), config="pi0_fast_libero"))


def test_every_problem_says_what_to_do(tmp_path):
    state, action = good()
    state[:, 2], state[:, 3], action[:, 6] = 0.25, state[:, 3] * 57.3, 0.5
    result = run(tmp_path / "d", state, action, config="pi0_libero")
    assert len(result.problems) >= 5
    lines = problem_lines(result.problems)
    assert all(line.startswith("    fix: ") and len(line) > 20 for line in lines[1::2])


def test_rows_and_document(tmp_path):
    state, action = good()
    state[:, 2] = 0.25
    result = run(tmp_path / "d", state, action)
    table = rows(result)
    assert [row["name"] for row in table] == STATE + ACTION
    assert [row["unit"] for row in table] == [*UNITS, *[""] * 7]
    assert table[2]["problems"] == "NS102"
    assert table[0]["outside"] == "2.00%"
    machine = document(result)
    assert machine["ok"]
    assert machine["horizon"] == 10
    assert machine["state"]["q01"][2] == machine["state"]["max"][2] == 0.25
    assert machine["problems"][0]["code"] == "NS102"


ARM = ["waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", "gripper"]


def two_arms(root: Path, **options) -> StatsResult:
    """Two arms whose actions are targets: each has six joints and a gripper."""
    rng = np.random.default_rng(4)
    state = (np.cumsum(rng.normal(size=(FRAMES, 14)), axis=0) * 0.01).astype(np.float32)
    state[:, [6, 13]] = (np.arange(FRAMES) % 100 < 50)[:, None]
    names = [f"{side}_{name}" for side in ("left", "right") for name in ARM]
    columns = {"observation.state": state, "action": np.roll(state, -1, axis=0)}
    write_dataset(root, columns, [FRAMES], names=dict.fromkeys(columns, names))
    return compute([root], features=False, **options)


def test_both_grippers_of_two_arms_stay_absolute(tmp_path):
    [problem] = [p for p in two_arms(tmp_path / "d", config="pi05_libero").problems if p.code == "NS109"]
    assert "--delta 6,-1,6,-1 " in problem.fix
    assert "right_wrist_rotate" in problem.message
    assert "gripper" not in problem.message


def test_a_config_that_takes_targets_misses_no_differences(tmp_path):
    result = two_arms(tmp_path / "d", config="lerobot")
    assert not any(code == "NS109" for code, _, _ in codes(result))


def test_float64_that_float32_cannot_tell_apart(tmp_path):
    columns = {"observation.state": np.random.default_rng(5).uniform(-1, 1, (FRAMES, 2)), "action": good()[1]}
    columns["observation.state"][:, 1] = 1e8 + columns["observation.state"][:, 1] * 1e-3
    root = write_dataset(tmp_path / "d", columns, [FRAMES])
    result = compute([root])
    [problem] = [p for p in result.problems if p.code == "NS113"]
    assert (problem.key, problem.dim) == ("observation.state", 1)
    assert "steps of 8" in problem.message
    # What is written of the column itself keeps its digits.
    stats = result.features[0]["observation.state"]
    assert stats.std[1] == pytest.approx(columns["observation.state"][:, 1].std(), rel=1e-4)


def test_a_unit_that_nothing_declares_is_not_to_be_changed(tmp_path):
    names = [f"{name}.pos" for name in ("pan", "lift", "elbow", "wrist_flex", "wrist_roll", "gripper")]
    degrees = np.random.default_rng(6).uniform(-90, 90, (FRAMES, 6)).astype(np.float32)
    columns = {"observation.state": degrees, "action": degrees.copy()}
    root = write_dataset(tmp_path / "d", columns, [FRAMES], names=dict.fromkeys(columns, names))
    found = [p for p in compute([root], features=False).problems if p.code in {"NS106", "NS107"}]
    assert {(p.code, p.name) for p in found} == {("NS106", "wrist_roll.pos")}
    assert all(p.fix.startswith("leave it if it is the robot's own unit") for p in found)
