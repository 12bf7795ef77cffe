"""Training by time, and how a network is told to run."""

import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from mstool.errors import UsageError
from mstool.training import clock, compiling, held_out, resume
from mstool.training.clock import Clock, rate
from mstool.training.options import FinetuneOptions


@pytest.fixture
def now(monkeypatch):
    """A clock that a test turns."""
    turned = SimpleNamespace(s=100.0)
    monkeypatch.setattr(clock.time, "monotonic", lambda: turned.s)
    return turned


def test_the_rate_rises_falls_and_ends_with_the_time():
    rates = [rate(share / 100, 0.1) for share in range(101)]
    top = rates.index(max(rates))
    assert rates == [*sorted(rates[:top]), *sorted(rates[top:], reverse=True)]
    assert 0 < rates[0] < 0.1
    assert max(rates) == pytest.approx(1)
    assert rates[-1] == rate(7.0, 0.1) == pytest.approx(0.1)


def test_the_clock_starts_with_the_first_step_and_goes_on_where_a_checkpoint_was(now):
    optimizer = SimpleNamespace(param_groups=[{"initial_lr": 2.0, "lr": 0.0}, {"lr": 5.0}])
    timed = Clock(1.0, spent=15.0)
    now.s += 50
    assert timed.spent == 15.0
    timed.set_rate(optimizer, lambda value: value)
    now.s += 15
    timed.set_rate(optimizer, lambda value: value)
    assert timed.left == 30
    assert optimizer.param_groups[0]["lr"] == pytest.approx(2 * rate(0.5, 0.0))
    assert optimizer.param_groups[1]["lr"] == 5.0  # LeRobot gives it no schedule
    with timed.paused():
        now.s += 500
    assert timed.left == 30
    now.s += 31
    assert not timed.left


@pytest.mark.parametrize(
    ("mode", "processes", "gpu", "told"),
    [
        ("auto", 1, True, "record"),
        ("auto", 2, True, ""),
        ("auto", 1, False, "record"),
        ("on", 2, True, "compile"),
        ("on", 1, False, "compile"),
        ("off", 1, True, ""),
    ],
)
def test_the_network_is_told_how_to_run(monkeypatch, mode, processes, gpu, told):
    monkeypatch.setattr(compiling.shutil, "which", lambda _name: "/usr/bin/cc")
    heard = []
    policy = SimpleNamespace(
        record_network=lambda: heard.append("record") or gpu, compile_network=lambda: heard.append("compile") or gpu
    )
    said = compiling.prepare(policy, mode, processes)
    assert heard == ([told] if told else [])
    assert bool(said) == (bool(told) and gpu)
    assert compiling.prepare(SimpleNamespace(), mode, processes) == ""


def test_what_time_and_pictures_cannot_go_with(tmp_path):
    for wrong, said in (
        ({"minutes": 5, "steps": 10}, "both say when to end"),
        ({"minutes": -1}, "above 0"),
        ({"eval_freq": 5, "save_every": 10}, "both say when a checkpoint is kept"),
        ({"policy": "act", "image_size": 160}, "of flow alone"),
        ({"policy": "act", "compile": "on"}, "of flow alone"),
        ({"policy": "act", "network": "small"}, "of flow alone"),
        ({"network": "tiny"}, "unknown network 'tiny'; there are: base, small"),
        ({"network": "small", "init": "runs/pick"}, "are of one size"),
        ({"image_size": 96, "init": "runs/pick"}, "see images of one size"),
        ({"compile": "maybe"}, "auto, on, off"),
        ({"image_size": 8}, "below 32"),
        ({"policy": "pi05", "engine": "openpi", "minutes": 5}, "openpi trains"),
    ):
        with pytest.raises(UsageError, match=said):
            FinetuneOptions(**{"dataset": tmp_path, "policy": "flow", "output": tmp_path, **wrong})


def test_the_best_checkpoint_is_marked_and_of_equals_the_latest(tmp_path, monkeypatch):
    rates = {10: 0.4, 20: 0.6, 30: 0.6, 40: 0.5, 50: None}
    current = iter(rates.items())

    def evaluated(_line, **_):
        _step, share = next(current)
        total = {"success_once": {"rate": share, "episodes": 5}, "success_at_end": {"rate": share}}
        return SimpleNamespace(returncode=share is None, stdout=json.dumps({"total": total}), stderr="no GPU")

    monkeypatch.setattr(held_out.subprocess, "run", evaluated)
    marked = []
    for step in rates:
        model = tmp_path / "checkpoints" / f"{step:06d}" / "pretrained_model"
        model.mkdir(parents=True)
        held_out.HeldOut(tmp_path, 5).judge(step, model)
        marked.append((tmp_path / "checkpoints" / "best").resolve().name)
    assert marked == ["000010", "000020", "000030", "000030", "000030"]
    assert held_out.best(tmp_path) == {"step": 30, "episodes": 5, "once": 0.6, "at_end": 0.6}


@pytest.mark.parametrize(
    ("run", "asked", "said", "fix"),
    [
        ({"minutes": 10.0, "seconds": 60.0}, {"steps": 500}, "a run of 10 minutes", "--output runs/x --resume"),
        ({}, {"minutes": 5.0}, "a run of 900 steps", "--output runs/x --resume"),
        ({"minutes": 10.0, "seconds": 600.0}, {}, "nothing is left", "--init runs/x --minutes 10.0"),
        ({"minutes": 10.0, "seconds": 600.0}, {"steps": 500}, "nothing is left", "--init runs/x --steps 500"),
        ({}, {"steps": 300}, "ends at step 300: nothing", "--steps 600 --resume"),
        ({"steps": 300}, {"minutes": 5.0}, "ends at step 300: nothing", "--init runs/x --minutes 5.0"),
        ({"minutes": 10.0, "seconds": 60.0}, {"minutes": 10.0}, "", ""),
        ({}, {"steps": 1000}, "", ""),
        ({}, {}, "", ""),
    ],
)  # fmt: skip
def test_a_run_that_goes_on_ends_as_it_was_to_end(run, asked, said, fix):
    options = FinetuneOptions(Path("data"), "flow", Path("runs/x"), resume=True, **asked)
    checkpoint = SimpleNamespace(folder=Path("runs/x/checkpoints/000300"), step=300, run=run)
    steps = run.get("steps", 900)
    if not said:
        resume._check_end(options, checkpoint, steps, [])
        return
    with pytest.raises(UsageError, match=said) as caught:
        resume._check_end(options, checkpoint, steps, [])
    words = shlex.split(caught.value.fix)
    for pair in zip(fix.split()[::2], fix.split()[1::2], strict=False):
        assert pair[0] in words
        assert words[words.index(pair[0]) + 1] == pair[1]
    assert ("--resume" in words) == ("--resume" in fix)
