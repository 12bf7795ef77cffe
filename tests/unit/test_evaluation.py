"""Evaluation without a simulator: intervals, tests, chunks, bookkeeping, plans, comparisons."""

import importlib.util
import json
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binomtest
from support.conventions import three_episodes

from mstool.errors import DataError, SetupError, UsageError
from mstool.evaluation.chunks import ChunkBuffer, ensemble
from mstool.evaluation.compare import compare
from mstool.evaluation.configuration import configuration, differences, fingerprint
from mstool.evaluation.outcomes import Outcome, OutcomeLog, in_order
from mstool.evaluation.plan import SUITES, EvalTask, choose_envs, plan_replay, plan_tasks, too_few
from mstool.evaluation.policies.baselines import RandomPolicy
from mstool.evaluation.policies.checkpoint import find_checkpoint, results_folder
from mstool.evaluation.policy import Observation, Policy, Traits, traits_of
from mstool.evaluation.published import published_notes
from mstool.evaluation.results import Results, TaskResult, read_results, write_results
from mstool.evaluation.statistics import mcnemar, wilson
from mstool.evaluation.summary import Summary
from mstool.installation import install_command
from mstool.simulators.libero.tasks import PROTOCOLS


def outcome(seed, solved, env_id="PickCube-v1", **more):
    return Outcome(env_id, seed, solved, solved, 70 if solved else 150, 60 if solved else None, 1.5, **more)


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 40), (1, 40), (11, 40), (20, 40), (39, 40), (50, 50)])
def test_wilson_is_scipys(successes, trials):
    expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_without_trials():
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("b", "c"), [(0, 1), (1, 0), (3, 3), (2, 9), (9, 2), (0, 12), (40, 55)])
def test_mcnemar_is_the_binomial_test(b, c):
    assert mcnemar(b, c) == pytest.approx(binomtest(b, b + c, 0.5).pvalue)


def test_mcnemar_without_discordant_pairs():
    assert mcnemar(0, 0) == 1.0


def test_ensemble_is_acts_formula():
    predictions = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    weights = np.exp(-0.01 * np.arange(5))
    np.testing.assert_allclose(
        ensemble(predictions), (weights[:, None] * predictions).sum(0) / weights.sum(), rtol=1e-6
    )


def test_ensemble_weighs_the_oldest_most():
    assert ensemble(np.array([[0.0], [1.0]]), rate=1.0)[0] == pytest.approx(np.exp(-1) / (1 + np.exp(-1)))


def test_chunks_are_cut_at_the_replanning_step():
    chunk = np.arange(20, dtype=np.float32).reshape(10, 2)
    assert np.array_equal(ChunkBuffer(replan=3).add(0, chunk), chunk[:3])
    assert np.array_equal(ChunkBuffer(replan=30).add(0, chunk), chunk)
    assert np.array_equal(ChunkBuffer(replan=None).add(0, chunk), chunk)
    assert ChunkBuffer(replan=3).add(0, chunk[:0]).shape == (0, 2)


def test_overlapping_chunks_are_ensembled_by_their_step():
    """Three chunks of four actions, replanned every two steps."""
    buffer = ChunkBuffer(replan=2, ensemble_rate=0.5)
    chunks = np.random.default_rng(1).normal(size=(3, 4, 1)).astype(np.float32)
    given = np.concatenate([buffer.add(2 * i, chunk) for i, chunk in enumerate(chunks)])
    expected = [
        chunks[0, 0],
        chunks[0, 1],
        ensemble(np.stack([chunks[0, 2], chunks[1, 0]]), 0.5),
        ensemble(np.stack([chunks[0, 3], chunks[1, 1]]), 0.5),
        ensemble(np.stack([chunks[1, 2], chunks[2, 0]]), 0.5),
        ensemble(np.stack([chunks[1, 3], chunks[2, 1]]), 0.5),
    ]
    np.testing.assert_allclose(given, np.stack(expected))
    assert given.dtype == np.float32


def test_log_keeps_outcomes_but_no_crashes(tmp_path):
    log = OutcomeLog(tmp_path / "eval", "abc")
    assert log.read() == {}
    log.add(outcome(1, solved=True))
    log.add(outcome(2, solved=False, crashed=True))
    log.add(outcome(3, solved=False))
    assert list(log.read()) == [("PickCube-v1", 1), ("PickCube-v1", 3)]
    assert log.read()["PickCube-v1", 1] == outcome(1, solved=True)
    assert OutcomeLog(tmp_path / "eval", "other").read() == {}
    log.forget()
    assert log.read() == {}


def test_log_survives_a_line_that_was_cut_off(tmp_path):
    log = OutcomeLog(tmp_path, "abc")
    log.add(outcome(1, solved=True))
    with log.path.open("a") as file:
        file.write('{"env_id": "PickCube-v1", "se')
    assert list(log.read()) == [("PickCube-v1", 1)]
    log.add(outcome(2, solved=True))
    assert list(log.read()) == [("PickCube-v1", 1), ("PickCube-v1", 2)]


def test_log_says_which_line_is_damaged(tmp_path):
    log = OutcomeLog(tmp_path, "abc")
    log.path.write_text("nonsense\n")
    with pytest.raises(DataError, match="line 1") as error:
        log.read()
    assert str(log.path) in error.value.fix


def test_in_order_follows_the_seeds():
    ended = [outcome(3, solved=True), outcome(1, solved=False)]
    keys = [("PickCube-v1", seed) for seed in (1, 2, 3)]
    assert [o.seed for o in in_order(ended, keys)] == [1, 3]


def test_training_seeds_are_refused():
    with pytest.raises(UsageError, match=r"2 of the 5 seeds were trained on \(3, 4\)") as error:
        plan_tasks(["PickCube-v1"], three_episodes(), seeds=range(5))
    assert error.value.fix == "add --seed-start 10"
    (task,) = plan_tasks(["PickCube-v1"], three_episodes(), seeds=range(10, 12))
    assert task.seeds == (10, 11)
    assert task.horizon == 150
    assert task.prompt.startswith("pick up the red cube")


def test_a_task_that_nobody_knows_needs_a_sentence_and_a_horizon():
    with pytest.raises(UsageError, match="no sentence"):
        plan_tasks(["FMBAssembly1Easy-v1"], three_episodes(), seeds=range(10, 12))
    with pytest.raises(UsageError, match="no horizon"):
        plan_tasks(["FMBAssembly1Easy-v1"], three_episodes(), seeds=range(10, 12), instruction="roll it")
    (task,) = plan_tasks(["FMBAssembly1Easy-v1"], three_episodes(), seeds=range(2), instruction="roll it", horizon=80)
    assert task == EvalTask("FMBAssembly1Easy-v1", "roll it", 80, (0, 1))


def test_replay_takes_the_recorded_seeds():
    (task,) = plan_replay(["PickCube-v1"], three_episodes(), None)
    assert task.seeds == (3, 4, 9)
    assert task.horizon == 72
    (later,) = plan_replay(["PickCube-v1"], three_episodes(), None, seed_start=max(task.seeds), horizon=7)
    assert (later.seeds, later.horizon) == ((max(task.seeds),), 7)
    with pytest.raises(UsageError, match=rf"go up to {max(task.seeds)}, not to 999"):
        plan_replay(["PickCube-v1"], three_episodes(), None, seed_start=999)
    (task,) = plan_replay(["PickCube-v1"], three_episodes(), 2)
    assert task.seeds == (3, 4)
    assert not too_few([task], three_episodes(), 2)
    assert not too_few([task], three_episodes(), None)
    assert (
        "holds 2 episodes of PickCube-v1 to replay, fewer than the 5 asked for"
        in too_few([task], three_episodes(), 5)[0]
    )
    with pytest.raises(UsageError, match="no episode of PushCube-v1"):
        plan_replay(["PushCube-v1"], three_episodes(), None)


def test_environments_come_from_options_or_the_dataset():
    assert choose_envs([], "seed6", None) == list(SUITES["seed6"])
    assert "PlugCharger-v1" in choose_envs([], "all", None)
    assert choose_envs([], None, three_episodes()) == ["PickCube-v1"]
    assert choose_envs(["PushCube-v1,PickCube-v1", "PushCube-v1"], None, None) == ["PushCube-v1", "PickCube-v1"]
    for names, suite, known in ((["PickCube-v1"], "seed6", None), ([], "six", None), ([], None, None)):
        with pytest.raises(UsageError):
            choose_envs(names, suite, known)


def test_a_dataset_of_a_benchmark_that_is_not_installed_is_told_with_the_extra(monkeypatch):
    find = importlib.util.find_spec
    gone = {"libero", "robosuite", "mujoco"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *of: None if name in gone else find(name, *of))
    told = []
    for names, known in ((["libero_spatial/0"], None), ([], SimpleNamespace(env_ids=("libero_spatial/0",)))):
        with pytest.raises(SetupError, match="LIBERO needs libero, robosuite and mujoco, ") as caught:
            choose_envs(names, None, known)
        told.append(caught.value.fix)
    assert told == [install_command(["libero"])] * 2


def test_a_package_without_a_distribution_has_no_version(monkeypatch):
    """LIBERO from a clone of it, in the place of hf-libero."""

    def version(name):
        if name == "hf-libero":
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr("mstool.installation.version", version)
    traits = Traits(sees=False, identity={})
    said = configuration(["libero_spatial/0"], None, traits, views=(), replan=None, ensemble=None, hold=None)
    assert (said["versions"]["hf-libero"], said["versions"]["robosuite"]) == ("", "1")


def test_fingerprint_changes_with_what_decides_an_outcome_but_not_with_the_seeds():
    common = {"policy": {"content": "x"}, "replan": 8}
    task = EvalTask("PickCube-v1", "pick", 150, (1, 2))
    first = fingerprint(common, task)
    assert fingerprint(common, replace(task, seeds=(1, 2, 3))) == first
    others = [
        fingerprint({**common, "replan": 4}, task),
        fingerprint(common, replace(task, horizon=50)),
        fingerprint(common, replace(task, prompt="lift")),
        fingerprint(common, replace(task, env_id="PushCube-v1")),
    ]
    assert len({first, *others}) == 5


def test_differences_are_named():
    first = {"replan": 8, "scene": {"goal": "visible", "fps": 20}}
    second = {"replan": 4, "scene": {"goal": "hidden", "fps": 20}, "hold": 20}
    assert differences(first, second) == [
        "replan: 8 and 4",
        'scene.goal: "visible" and "hidden"',
        "hold: null and 20",
    ]


def results(name, solved, *, replan=8, crashed=()):
    ended = [outcome(seed, won) for seed, won in solved.items()]
    ended += [outcome(seed, solved=False, crashed=True) for seed in crashed]
    task = TaskResult("PickCube-v1", "pick", 150, trained=True, outcomes=ended)
    return Results(name, {"replan": replan, "versions": {"mstool": "1"}}, [task], {"episodes": 0})


def test_crashes_are_no_failures(tmp_path):
    document = results("a", {1: True, 2: False}, crashed=(3, 4)).to_json()
    (task,) = document["tasks"]
    assert task["success_once"]["episodes"] == 2
    assert task["success_once"]["rate"] == 0.5
    assert task["crashed"] == 2
    assert document["total"]["crashed"] == 2
    assert len(task["outcomes"]) == 4


def suites_table(tasks, sizes):
    won = [
        TaskResult(name, "", 220, trained=True, outcomes=[outcome(0, solved=True), outcome(1, solved=False)])
        for name in tasks
    ]
    found = Results("a", {}, won, {}, suites=sizes, published=PROTOCOLS["openpi"].published)
    return found, {row["task"]: row for row in found.rows() if row["task"] not in tasks}


def test_a_suite_has_a_row_beside_what_others_report():
    _, totals = suites_table(["libero_spatial/0", "libero_spatial/1"], {"libero_spatial": 2})
    assert {name: (row["success"], row["published"]) for name, row in totals.items()} == {
        "libero_spatial": ("2/4", "98.8 %")
    }
    names = ["libero_spatial/0", "libero_spatial/1", "libero_10/3", "libero_10/4"]
    found, totals = suites_table(names, {"libero_spatial": 2, "libero_10": 10})
    assert {name: row.get("published") for name, row in totals.items()} == {
        "libero_spatial": "98.8 %",
        "libero_10 (2 of 10 tasks)": "92.4 %",
        "all": None,
    }
    assert suites_table(names, {"libero_spatial": 2, "libero_10": 2})[1]["all"]["published"] == "95.6 %"
    spatial, ten = found.to_json()["suites"]
    assert (ten["tasks"], ten["of_tasks"], ten["success_once"]["rate"]) == (2, 10, 0.5)
    assert spatial["published"]["rate"] == 0.988
    assert "openpi" in spatial["published"]["source"]


def test_what_nobody_reports_is_beside_nothing():
    found, totals = suites_table(["libero_spatial/0", "PickCube-v1"], {"libero_spatial": 10})
    assert list(totals) == ["all"]
    assert "published" not in found.columns()
    assert published_notes(PROTOCOLS["openpi"], ["libero_90"]) == published_notes(None, ["libero_10"]) == []
    (note,) = published_notes(PROTOCOLS["openpi"], ["libero_90", "libero_10"])
    assert "openpi pi05_libero, protocol openpi, 50 episodes" in note
    assert "libero_10 92.4 %" in note


@pytest.mark.parametrize(
    ("protocol", "horizon", "replan", "told"),
    [
        ("openpi", 220, 5, True),
        ("openpi", 10, 5, False),
        ("openpi", 280, 5, False),
        ("openpi", 220, 10, False),
        ("lerobot", 280, None, False),
    ],
)
def test_published_rates_are_told_where_their_protocol_was_kept_to(tmp_path, protocol, horizon, replan, told):
    tasks = [
        TaskResult(f"libero_spatial/{i}", "", horizon, trained=False, outcomes=[outcome(0, solved=True)])
        for i in range(2)
    ]
    known = Summary(
        "random", {"replan": replan}, None, (), stored=False, protocol=PROTOCOLS[protocol], fewer=(), diagnosis=None
    )
    found = known.of(tasks, {}, tmp_path)
    assert any("98.8 %" in note for note in found.notes) is told
    assert ("published" in found.columns()) is told
    assert (found.to_json()["suites"][0]["published"] is not None) is told


def test_results_are_written_and_read(tmp_path):
    found = results("a", {1: True})
    path = write_results(found, tmp_path)
    written = {name: value for name, value in json.loads(json.dumps(found.to_json())).items() if name != "folder"}
    assert read_results(path) == read_results(tmp_path) == written
    (tmp_path / "other.json").write_text("{}")
    for wrong in (tmp_path / "none.json", tmp_path / "other.json"):
        with pytest.raises(UsageError if "none" in wrong.name else DataError):
            read_results(wrong)


def test_comparison_pairs_seeds():
    first = results("a", {1: True, 2: True, 3: True, 4: False, 5: True}).to_json()
    second = results("b", {1: True, 2: False, 3: False, 4: False, 6: True}, replan=4, crashed=(7,)).to_json()
    found = compare(first, second)
    (pairs,) = found.tasks
    assert (pairs.both, pairs.only_first, pairs.only_second, pairs.neither, pairs.unpaired) == (1, 2, 0, 1, 2)
    assert pairs.p_value == 0.5
    assert found.differences == ["replan: 8 and 4"]
    assert found.rows()[0]["verdict"] == "no difference shown"
    with pytest.raises(DataError, match="no task and seed in common"):
        compare(first, results("c", {8: True}).to_json())


def test_many_wins_are_a_verdict():
    first = results("a", dict.fromkeys(range(20), True)).to_json()
    second = results("b", dict.fromkeys(range(20), False)).to_json()
    assert compare(first, second).rows()[0]["verdict"] == "A is better"
    assert compare(second, first).rows()[0]["verdict"] == "B is better"


def observation(seed, step):
    return Observation({}, np.zeros(8, np.float32), "", "PickCube-v1", seed, step)


def test_random_actions_depend_on_seed_and_step_alone():
    policy: Policy = RandomPolicy(three_episodes())
    assert not traits_of(policy).sees
    one, two = policy.act([0, 1], [observation(1, 0), observation(2, 0)])
    (again,) = policy.act([5], [observation(2, 0)])
    assert np.array_equal(two, again)
    assert not np.array_equal(one, two)
    (later,) = policy.act([5], [observation(2, 8)])
    assert not np.array_equal(two, later)
    assert two.shape == (8, 7)
    assert two.dtype == np.float32
    # LIBERO's units: 0.1 m is two of them, 0.1 rad a fifth.
    assert 1 < np.abs(two[:, :3]).max() <= 2
    assert np.abs(two[:, 3:6]).max() <= 0.2 + 1e-6


def test_random_needs_a_range():
    with pytest.raises(UsageError, match="no range") as error:
        RandomPolicy(three_episodes("joint", mode="pd_joint_pos"))
    assert "--dataset" in error.value.fix


def test_a_policy_without_traits_has_the_plain_ones():
    assert traits_of(object()) == Traits()


def test_checkpoints_are_found_from_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "run" / "checkpoints" / "000100" / "pretrained_model"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    for folder in (tmp_path / "run", model.parent, model):
        assert find_checkpoint(str(folder)) == model
    (tmp_path / "run" / "checkpoints" / "last").symlink_to("000100")
    assert find_checkpoint(str(tmp_path / "run")) == model
    assert results_folder(model) == tmp_path / "run" / "eval" / "000100"
    with pytest.raises(UsageError, match="no such folder"):
        find_checkpoint(str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match="is not a LeRobot checkpoint") as error:
        find_checkpoint(str(model.parent.parent))
    assert error.value.fix == "mstool finetune DATASET"
    for version in ("v2.1", "v3.0"):
        (tmp_path / "both" / version / "meta").mkdir(parents=True)
        (tmp_path / "both" / version / "meta" / "info.json").write_text("{}")
    with pytest.raises(UsageError, match="is a dataset, not a checkpoint: finetune trains one") as error:
        find_checkpoint(str(tmp_path / "both"))
    assert error.value.fix == f"mstool finetune {tmp_path / 'both' / 'v3.0'}", "training reads no other"
