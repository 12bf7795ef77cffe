"""How a run of `mstool improve` goes: its phases, its curve, and what ends it."""

import errno
import inspect
import math
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import get_type_hints

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from torch import nn

from mstool.api.improve import improve
from mstool.cli.improve import improve as command
from mstool.errors import DataError, MstoolError, UsageError
from mstool.evaluation.plan import EvalTask
from mstool.improvement import schedule as schedules
from mstool.improvement.began import asked, check_left, check_unchanged, taken_over
from mstool.improvement.course import Course
from mstool.improvement.curve import smoothed, write_curve
from mstool.improvement.learner import Learner
from mstool.improvement.method import Base, Hyper, Method
from mstool.improvement.options import ImproveOptions
from mstool.improvement.plan import told_of_limits
from mstool.improvement.replay import Replay
from mstool.improvement.resuming import go_on
from mstool.improvement.rows import Episode, Sizes
from mstool.improvement.run import told_of_ctrl_c
from mstool.improvement.saving import Saver, load_rows, read_state, replay_files
from mstool.improvement.schedule import Schedule


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(schedules.time, "monotonic", lambda: now.seconds)
    return now


def phases(schedule, clock, *, updates_per_second, round_seconds, episodes):
    """Walk through a run as `Run` does; return the phase of each round, updates on demos first."""
    updates = 0
    while not schedule.demos_over(updates):
        updates += 1
        clock.seconds += 1 / updates_per_second
    found, count = [], 0
    while not (schedule.time_over and "online" in found):
        found.append(schedule.phase(count))
        count += episodes
        clock.seconds += round_seconds
    return updates, found


def test_a_short_run_has_every_phase_and_most_of_its_time_for_the_last(clock):
    schedule = Schedule(ImproveOptions("runs/x", minutes=5))
    clock.seconds = 20.0
    schedule.begin()
    updates, found = phases(schedule, clock, updates_per_second=50, round_seconds=7, episodes=28)
    assert updates == 2000  # 40 s: done before their 56 s are over
    assert found[:4] == ["critic", "critic", "critic", "online"]
    assert found.count("online") * 7 > 0.6 * 300


def test_on_a_slow_machine_each_phase_has_a_round(clock):
    schedule = Schedule(ImproveOptions("runs/x", minutes=1))
    clock.seconds = 120.0  # encoding took longer than all
    schedule.begin()
    updates, found = phases(schedule, clock, updates_per_second=0.1, round_seconds=200, episodes=4)
    assert (updates, found) == (1, ["critic", "online"])
    assert schedule.end() == 150


def test_an_actor_is_distilled_before_it_is_pushed_unless_that_takes_too_long(clock):
    schedule = Schedule(ImproveOptions("runs/x", minutes=10))
    assert schedule.phase(64, distilled=True) == "online"
    assert schedule.phase(64, distilled=False) == "critic"
    clock.seconds = schedules.CRITIC * 600
    assert schedule.phase(64, distilled=False) == "online"


def test_episodes_that_are_not_learnt_from_do_not_hold_a_slow_run_up(clock):
    schedule = Schedule(ImproveOptions("runs/x", minutes=10))
    assert schedule.phase(48, learnt=0) == "critic"
    assert schedule.phase(112, learnt=64) == "online"
    clock.seconds = schedules.CRITIC * 600
    assert schedule.phase(0, learnt=0) == "critic"
    assert schedule.phase(4, learnt=0) == "online"


def test_a_run_that_goes_on_keeps_its_clock(clock):
    clock.seconds = 1000.0
    schedule = Schedule(ImproveOptions("runs/x", minutes=10), spent=250.0, encoded=20.0)
    schedule.begin()
    assert (schedule.seconds, schedule.encoded, schedule.end(schedules.CRITIC)) == (250.0, 20.0, 252.0)


def course(tmp_path, rounds, method="fql"):
    """A run of which rounds (phase, episodes solved out of 32) were played."""
    options = ImproveOptions("runs/x", method=method)
    found = Course(SimpleNamespace(options=options, output=tmp_path), ("flow",))
    found.note_demos(1.0, 5, {"critic": 0.1})
    for number, (phase, solved) in enumerate(rounds):
        outcomes = [
            SimpleNamespace(env_id="PickCube-v1", seed=s, steps=10, success_once=s < solved, success_at_end=s < solved)
            for s in range(32)
        ]
        players = ["policy" if phase == "critic" else "flow"] * 32
        played = SimpleNamespace(outcomes=outcomes, players=players, steps=320, seconds=1.0)
        found.note(played, phase, 32, 2.0 + number, 6 + number, {"critic": 0.1})
    return found


def test_a_policy_that_unlearns_stops_the_run_with_the_best_checkpoint(tmp_path):
    course(tmp_path, [("critic", 20), ("online", 4)]).check_alive()  # too few to tell
    course(tmp_path, [("critic", 20), ("online", 8), ("online", 8)]).check_alive()  # a dip
    course(tmp_path, [("critic", 3), ("online", 0), ("online", 0)]).check_alive()  # never could much
    lost = course(tmp_path, [("critic", 20), ("online", 0), ("online", 0)])
    for name, link in (("000038", "best"), ("000105", "last")):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
        (tmp_path / "checkpoints" / link).symlink_to(name)
    with pytest.raises(MstoolError, match="the policy collapsed: 0 % of the last") as told:
        lost.check_alive()
    assert told.value.exit_code == 1
    assert "--alpha 90" in told.value.fix
    with pytest.raises(MstoolError) as told:  # which knows no alpha
        course(tmp_path, [("critic", 20), ("online", 0), ("online", 0)], "dsrl").check_alive()
    assert "--lr 0.0001" in told.value.fix
    assert "--alpha" not in told.value.fix
    assert (tmp_path / "checkpoints" / "last").resolve().name == "000038"


def test_what_the_policy_did_on_its_own_is_learnt_from_by_those_who_can(tmp_path):
    played = course(tmp_path, [("critic", 20), ("online", 4), ("online", 8)])
    assert (played.learnt_from(policy=True), played.learnt_from(policy=False)) == (96, 64)
    for able in (True, False):
        kept = []
        learner = SimpleNamespace(
            method=SimpleNamespace(learns_from_the_policy=able), own=SimpleNamespace(add=kept.append)
        )
        Learner.take(learner, ["one", "two", "three"], ["policy", "steered", "policy"])
        assert kept == (["one", "two", "three"] if able else ["two"])


def test_the_curve_has_a_point_of_every_phase_and_smooths_rounds_alone(tmp_path):
    points = course(tmp_path, [("critic", 16), ("online", 32)]).points
    assert [point["phase"] for point in points] == ["demos", "critic", "online"]
    assert [point["steps"] for point in points] == [0, 320, 640]
    assert smoothed(points, "once") == [0.5, 0.75]
    write_curve(points, {"method": "fql", "envs": ["PickCube-v1"]}, tmp_path)
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_every_player_has_every_task(tmp_path):
    found = Course(
        SimpleNamespace(
            options=ImproveOptions("runs/x"), output=tmp_path, tasks=tasks(50), round=4, first_seed=7,
        ),
        ("flow", "actor"),
    )  # fmt: skip
    assert set(found.jobs("critic").values()) == {"policy"}
    found.points = [
        {"phase": "critic", "asked": 49, "episodes": 48, "played": {"policy": {"episodes": 48, "at_end": 9}}}
    ]
    found.lines = [{}] * 48
    jobs = [(job.env_id, job.seed, player) for job, player in found.jobs("online").items()]
    assert jobs == [
        ("PickCube-v1", 56, "flow"), ("PushCube-v1", 57, "flow"),
        ("PickCube-v1", 58, "actor"), ("PushCube-v1", 59, "actor"),
    ]  # fmt: skip


def on_gpu():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def on_cpu():
    torch.zeros(10**15)  # torch has an error of its own for this


def beside_torch():
    raise MemoryError


@pytest.mark.parametrize("ask", [on_gpu, on_cpu, beside_torch])
def test_where_memory_ends_is_told_what_to_lower(ask):
    with (
        pytest.raises(MstoolError, match="out of memory with batches of 256") as told,
        told_of_limits(ImproveOptions("runs/x")),
    ):
        ask()
    assert told.value.exit_code == 1
    assert "--batch-size 128" in told.value.fix
    with pytest.raises(RuntimeError, match="shape"), told_of_limits(ImproveOptions("runs/x")):
        torch.zeros(2).reshape(3)


def test_rows_that_made_way_leave_the_disk_and_a_run_goes_on_from_the_others(tmp_path):
    sizes = Sizes(tokens=1, width=2, chunk=1, steps=1, action=1)
    own, method = Replay(sizes, 5, 0.9), Square()
    saver = Saver(tmp_path, SimpleNamespace(write=lambda _method, _player, folder, _lines: folder.mkdir()))
    for number in range(4):
        tokens = torch.full((3, 1, 2), float(number))
        mask, actions = torch.ones(3, 1, dtype=torch.bool), np.zeros((3, 1), np.float32)
        own.add(Episode(tokens, mask, np.arange(3), actions, np.zeros(3, bool)))
        saver.save(method, "flow", own, {"updates": number + 1}, [])
    assert [(first, stop) for first, stop, _ in replay_files(tmp_path)] == [(6, 9), (9, 12)]
    again = Replay(sizes, 5, 0.9)
    load_rows(tmp_path, again, read_state(tmp_path)["added"])
    assert again.added == own.added == 12
    assert all(torch.equal(again.rows[name], values) for name, values in own.rows.items())


def full():
    raise OSError(errno.ENOSPC, "No space left on device")


def full_for_torch():
    torch.save({"weights": torch.zeros(10**6)}, "/dev/full")  # it has another error for this


def full_for_safetensors():
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize("save", [full, full_for_torch, full_for_safetensors])
def test_a_full_disk_is_told_with_how_to_go_on(save):
    with pytest.raises(MstoolError, match="no space is left") as told, told_of_limits(ImproveOptions("runs/x")):
        save()
    assert told.value.fix.endswith("mstool improve runs/x --resume")


def tasks(horizon):
    return [EvalTask(name, name, horizon, ()) for name in ("PickCube-v1", "PushCube-v1")]


def began(horizon=50, first_seed=2_000_000, **options):
    return asked(ImproveOptions("runs/x", **options), tasks(horizon), first_seed)


def test_a_run_that_goes_on_takes_over_what_is_not_given(tmp_path):
    run = began(horizon=9, first_seed=7, batch_size=8, method="dsrl", minutes=40, dataset=tmp_path)
    found = taken_over(ImproveOptions("runs/x", resume=True, gamma=0.9), run)
    assert found == ImproveOptions(
        "runs/x", ("PickCube-v1", "PushCube-v1"), tmp_path.resolve(), resume=True, gamma=0.9, batch_size=8,
        method="dsrl", minutes=40, horizon=9, seed_start=7,
    )  # fmt: skip
    assert taken_over(ImproveOptions("runs/x", minutes=20, lr=0.1), run).minutes == 20


def test_what_is_given_as_it_is_by_default_is_given(monkeypatch):
    """`--resume --seed 0` of a run that began with another seed is refused, `--demo-updates 2000` is heard."""
    asked_for = []
    monkeypatch.setattr("mstool.api.improve.run_options", lambda options, _: asked_for.append(options))
    improve("runs/x", resume=True, seed=0, demo_updates=2000)
    run = began(seed=5, demo_updates=9, updates=3)
    found = taken_over(asked_for[0], run)
    assert (found.seed, found.demo_updates, found.updates) == (0, 2000, 3)
    with pytest.raises(UsageError, match=r"--seed cannot change \(it was seed 5\)") as told:
        check_unchanged(found, run, asked(found, tasks(50), 2_000_000))
    assert told.value.change == {"--seed": None}
    assert asked_for[0].command() == "mstool improve runs/x --demo-updates 2000 --seed 0 --resume"


def test_what_the_command_line_calls_a_default_is_the_default():
    usual = {each.name: each.default for each in fields(ImproveOptions)}
    for name, parameter in inspect.signature(command).parameters.items():
        shown = get_type_hints(command, include_extras=True)[name].__metadata__[0].show_default
        if isinstance(shown, str) and usual.get(name) is not None:
            assert parameter.default is None
            assert type(usual[name])(shown) == usual[name], name


def test_a_run_goes_on_from_what_was_checked():
    """The state is read once, be it gone meanwhile."""
    loaded = []
    learner = SimpleNamespace(method=SimpleNamespace(load=loaded.append), own=None)
    state = {"method": "weights", "added": 0, "points": [1], "lines": [2], "seconds": 60.0, "encoded": 5.0}
    state |= {"updates": 7, "demo_updates": 4}
    prepared = SimpleNamespace(output=Path("gone"), state=state, options=ImproveOptions("runs/x"))
    schedule = go_on(prepared, learner, course := SimpleNamespace())
    assert (loaded, course.points, course.lines) == (["weights"], [1], [2])
    assert (learner.updates, learner.demo_updates, schedule.encoded) == (7, 4, 5.0)


@pytest.mark.parametrize(
    ("more", "now", "word", "was"),
    [
        ({"batch_size": 8}, {"batch_size": 4}, "--batch-size", "batch_size 8"),
        ({}, {"horizon": 9}, "--horizon", "horizon 50"),
        ({}, {"first_seed": 8}, "--seed-start", "seed_start 2000000"),
    ],
)
def test_what_a_run_that_goes_on_cannot_change(more, now, word, was):
    with pytest.raises(UsageError, match=rf"{word} cannot change \(it was {was}\)") as told:
        check_unchanged(ImproveOptions("runs/x", resume=True), began(**more), began(**{**more, **now}))
    assert told.value.change == {word: None}
    check_unchanged(ImproveOptions("runs/x", resume=True), began(**more), began(**more, minutes=5, episodes=9))


def test_a_run_that_is_over_says_that_nothing_is_left():
    lines, points = [{}] * 8, [{"phase": "critic"}]
    state = {"seconds": 130.0, "encoded": 5.0, "lines": lines, "points": points}
    check_left(ImproveOptions("runs/x", minutes=2), state)  # the last phase has a round all the same
    state["points"] = [*points, {"phase": "online"}]
    with pytest.raises(UsageError, match=r"for 2.2 of 2 minutes: nothing is left") as told:
        check_left(ImproveOptions("runs/x", minutes=2, resume=True), state)
    assert told.value.fix == "mstool improve runs/x --minutes 6 --resume"
    check_left(ImproveOptions("runs/x", minutes=6, resume=True), state)
    with pytest.raises(UsageError, match="from 8 of 8 episodes: nothing is left") as told:
        check_left(ImproveOptions("runs/x", episodes=8, resume=True), state)
    assert told.value.change == {"--episodes": 16}


def interrupted(output, **more):
    with told_of_ctrl_c(SimpleNamespace(options=ImproveOptions("runs/x", output=output, **more), output=output)):
        raise KeyboardInterrupt


def test_ctrl_c_says_that_checkpoints_are_kept_where_there_are_any(tmp_path):
    output = tmp_path / "x"
    with pytest.raises(KeyboardInterrupt):
        interrupted(output)
    with pytest.raises(MstoolError, match="interrupted before a checkpoint was saved in"):
        interrupted(output, overwrite=True)
    (output / "checkpoints" / "last" / "training_state").mkdir(parents=True)
    (output / "checkpoints" / "last" / "training_state" / "improve.pt").touch()
    with pytest.raises(MstoolError, match="interrupted; checkpoints that were saved are kept") as told:
        interrupted(output, overwrite=True)
    assert told.value.fix == f"mstool improve runs/x --output {output} --resume"


class Square(Method):
    """Learns w * x = 0."""

    def __init__(self):
        super().__init__(Base(tokens=1, width=8, heads=1, chunk=1, action=1, noise=1, steps=1), Hyper(), "cpu", 0)
        self.net = nn.Linear(1, 1, bias=False)
        self.adam("net", self.net, 0.1)

    def update(self, demos, own, phase):
        return {}

    acting = weights = None


@pytest.mark.parametrize("broken", [lambda out: out * math.nan, lambda out: out.clamp(max=0).sqrt()])
def test_a_loss_or_a_gradient_that_is_not_finite_changes_no_weight(broken):
    method = Square()
    with torch.no_grad():
        method.net.weight.fill_(1.0)
    before = method.net.weight.clone()
    assert not math.isfinite(method.step("net", broken(method.net(torch.zeros(1, 1))).sum()))
    assert torch.equal(method.net.weight, before)
    assert math.isfinite(method.step("net", method.net(torch.ones(1, 1)).square().sum()))
    assert not torch.equal(method.net.weight, before)


@pytest.mark.parametrize(
    ("kept", "said"),
    [(b"PK\x03\x04 half a file", "is damaged"), (b"", "is damaged"), ({"points": []}, "another version")],
    ids=["damaged", "empty", "older"],
)
def test_a_state_that_cannot_be_gone_on_from_is_told(tmp_path, kept, said):
    path = tmp_path / "checkpoints/last/training_state/improve.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(kept) if isinstance(kept, bytes) else torch.save(kept, path)
    with pytest.raises(DataError, match=f"{said}.*cannot go on") as told:
        read_state(tmp_path)
    assert told.value.change == {"--resume": None, "--output": "runs/ANOTHER"}
