"""The diagnosis of made-up episodes: each fault is named, and a healthy policy has none."""

import numpy as np
import pytest
from support.conventions import three_episodes

from mstool.dataset.training_stats import TrainingStats, checkpoint_stats, dataset_stats
from mstool.evaluation.diagnose.motion import MotionNames, look_at_actions, look_at_states
from mstool.evaluation.diagnose.pictures import compare_first_pictures, look_at_pictures, psnr
from mstool.evaluation.diagnose.recorder import Recorder, Trace
from mstool.evaluation.diagnose.stored import Stored, divergence, open_loop
from mstool.evaluation.policies.baselines import RandomPolicy
from mstool.evaluation.policy import Observation

NAMES = MotionNames(["x", "y"], ["dx", "gripper"])


def stats():
    table = {
        "min": np.array([-1.0, -1.0]),
        "max": np.array([1.0, 1.0]),
        "mean": np.zeros(2),
        "std": np.array([0.5, 1.0]),
        "q01": np.array([-1.0, -1.0]),
        "q99": np.array([1.0, 1.0]),
    }
    return TrainingStats(table, table, "made up")


def trace(actions=None, states=None, pictures=None, seed=0):
    """Ten looks, one action each; healthy unless said otherwise."""
    random = np.random.default_rng(seed)
    made = Trace("PickCube-v1", seed, steps=list(range(10)))
    healthy = np.stack([random.uniform(-0.9, 0.9, 10), np.repeat([-1.0, 1.0], 5)], axis=1)
    made.actions = [row[None] for row in (healthy if actions is None else actions)]
    made.states = list(random.uniform(-0.9, 0.9, (10, 2)) if states is None else states)
    made.first = pictures or {}
    made.moved = dict.fromkeys(made.first, True)
    return made


def test_a_healthy_policy_has_no_findings():
    traces = [trace(seed=i, pictures={"base": np.arange(48).reshape(4, 4, 3).astype(np.uint8) * 4}) for i in range(4)]
    for look in (look_at_actions, look_at_states):
        rows, findings = look(traces, stats(), NAMES)
        assert len(rows) == 2
        assert findings == []
    assert look_at_pictures(traces)[1] == []


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_stuck_gripper_is_named(side):
    actions = np.stack([np.linspace(-0.9, 0.9, 10), np.full(10, side)], axis=1)
    (finding,) = look_at_actions([trace(actions)], stats(), NAMES)[1]
    assert f"gripper stays at about {side:.2g} in 100.0 %" in finding


def test_a_dimension_that_is_not_used_is_named():
    actions = np.stack([np.full(10, 0.2), np.repeat([-1.0, 1.0], 5)], axis=1)
    (finding,) = look_at_actions([trace(actions)], stats(), NAMES)[1]
    assert finding.startswith("action dx is hardly used")


def test_actions_in_another_unit_are_named():
    actions = np.stack([np.linspace(-9, 9, 10), np.repeat([-1.0, 1.0], 5)], axis=1)
    (finding,) = look_at_actions([trace(actions)], stats(), NAMES)[1]
    assert "outside the training data's q01..q99" in finding
    assert "check the normalisation" in finding


def test_states_outside_the_training_data_are_named_with_their_step():
    states = np.zeros((10, 2))
    states[6:, 1] = 3
    rows, findings = look_at_states([trace(states=states)], stats(), NAMES)
    assert rows[1]["outside"] == pytest.approx(0.4)
    assert "state y is outside" in findings[0]
    assert "around step 6" in findings[0]


def test_black_flat_and_frozen_cameras_are_named():
    black = trace(pictures={"base": np.zeros((4, 4, 3), np.uint8), "wrist": np.full((4, 4, 3), 99, np.uint8)})
    black.moved["wrist"] = False
    said = look_at_pictures([black])[1]
    assert any("camera base is black" in text for text in said)
    assert any("camera wrist shows one colour" in text for text in said)
    assert any("camera wrist never changes" in text for text in said)


def test_a_changed_camera_is_named():
    random = np.random.default_rng(0)
    then = random.integers(0, 256, (8, 8, 3), np.uint8)
    near = np.clip(then.astype(int) + random.integers(-3, 4, then.shape), 0, 255).astype(np.uint8)
    key = ("PickCube-v1", 0)
    rows, findings = compare_first_pictures({key: {"base": near}}, {key: {"base": then}})
    assert findings == []
    assert rows[0]["psnr_db"] == psnr(near, then) > 38
    (finding,) = compare_first_pictures({key: {"base": then[::-1]}}, {key: {"base": then}})[1]
    assert "camera base does not show what the dataset holds" in finding
    assert psnr(then, then) == 99


def stored(actions, *, trained=True):
    return Stored("PickCube-v1", 0, "", trained, np.zeros((10, 2), np.float32), actions, [0, 4], [{}, {}])


class Copy:
    """Answers with the stored actions, times a factor."""

    name = "copy"

    def __init__(self, actions, factor):
        self.actions, self.factor = actions, factor

    def reset(self, slot, env_id, seed):
        pass

    def act(self, slots, observations):
        return [self.factor * self.actions[seen.step :] for seen in observations]

    def close(self):
        pass


def test_open_loop_error_is_that_of_the_actions():
    actions = np.random.default_rng(0).normal(size=(10, 2)).astype(np.float32)
    rows, findings = open_loop(Copy(actions, 1), [stored(actions)], stats(), NAMES.action, 3)
    assert findings == []
    assert all(row["error"] == 0 and row["explained"] == 1 for row in rows)
    rows, findings = open_loop(Copy(actions, 0), [stored(actions, trained=False)], stats(), NAMES.action, 3)
    used = np.concatenate([actions[0:3], actions[4:7]])
    assert rows[0]["error"] == pytest.approx(np.abs(used[:, 0]).mean() / 0.5)
    assert "held out" in findings[0]
    assert "does not generalise" in findings[0]


def test_the_first_divergence_is_found():
    states = np.zeros((10, 2))
    states[7:, 1] = 0.8
    rows, findings = divergence([trace(states=states)], [stored(np.zeros((10, 2)))], stats(), NAMES.state)
    assert rows[0]["step"] == 7
    assert rows[0]["dimension"] == "y"
    assert "at step 7" in findings[0]
    rows, findings = divergence([trace(states=0 * states)], [stored(np.zeros((10, 2)))], stats(), NAMES.state)
    assert rows[0]["step"] is None
    assert findings == []


def test_the_recorder_changes_nothing_and_keeps_everything():
    plain = RandomPolicy(three_episodes())
    recorder = Recorder(plain, replan=5)
    recorder.reset(0, "PickCube-v1", 3)
    seen = [Observation({}, np.full(8, step, np.float32), "", "PickCube-v1", 3, step) for step in (0, 5)]
    for observation in seen:
        assert np.array_equal(recorder.act([0], [observation])[0], plain.act([0], [observation])[0])
    (kept,) = recorder.traces
    assert kept.steps == [0, 5]
    assert kept.all_states().shape == (2, 8)
    assert kept.all_actions().shape == (10, 7)
    recorder.reset(0, "PickCube-v1", 3)
    assert recorder.traces == []


def test_statistics_are_read_from_each_place(tmp_path):
    import json

    from safetensors.numpy import save_file

    entry = {name: [0.0, 1.0] for name in ("min", "max", "mean", "std", "q01", "q99")}
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/stats.json").write_text(json.dumps({"observation.state": entry, "action": entry}))
    assert np.array_equal(dataset_stats(tmp_path).state["q99"], [0, 1])
    save_file(
        {f"{c}.{n}": np.array(v, np.float32) for c in ("observation.state", "action") for n, v in entry.items()},
        tmp_path / "policy_preprocessor_step_3_normalizer_processor.safetensors",
    )
    found = checkpoint_stats(tmp_path)
    assert np.array_equal(found.action["q01"], [0, 1])
    assert "normalizer" in found.source
    beside = tmp_path / "norm_stats.json"
    beside.write_text(json.dumps({"norm_stats": {"observation.state": entry, "action": entry}}))
    assert checkpoint_stats(tmp_path).source == str(beside)
