"""`mstool finetune` on a converted dataset, on the CPU, with tiny policies: train, stop, go on, load."""

import itertools
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from support.proofs import some
from support.train_tiny import FLOW

from mstool.dataset.conventions import load_conventions
from mstool.errors import DataError, SetupError, UsageError
from mstool.progress import progress_to
from mstool.training import clock
from mstool.training.ahead import ahead
from mstool.training.device_pictures import DevicePictures
from mstool.training.options import FinetuneOptions
from mstool.training.plan_text import text
from mstool.training.prepare import prepare
from mstool.training.run import finetune

TINY = {
    "flow": FLOW,
    "act": {"dim_model": 32, "n_heads": 2, "dim_feedforward": 32, "n_encoder_layers": 1, "n_vae_encoder_layers": 1},
    "diffusion": {"down_dims": (8, 16), "n_groups": 2, "resize_shape": (32, 32), "spatial_softmax_num_keypoints": 4},
}


@pytest.fixture(scope="module")
def dataset(pickcube, tmp_path_factory):
    """A copy: its verdict is kept inside."""
    return Path(shutil.copytree(pickcube / "v3.0", tmp_path_factory.mktemp("finetune") / "cube"))


def options(dataset, output, policy="flow", **changes):
    wish = {
        "steps": 30,
        "batch_size": 4,
        "save_every": 20,
        "log_every": 5,
        "num_workers": 0,
        "device": "cpu",
        "cache_frames": "off",
        "lr": 3e-3,
        "overrides": tuple(
            {**TINY[policy], "scheduler_warmup_steps": 1}.items() if policy != "act" else TINY[policy].items()
        ),
    }
    return FinetuneOptions(dataset=dataset, policy=policy, output=output, **{**wish, **changes})


def train(wish, on_step=lambda _step, _loss: None):
    torch.set_num_threads(1)
    return finetune(prepare(wish, notify=lambda _line: None), on_step)


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    """Thirty steps of the flow policy: (output, loss per step, report)."""
    output = tmp_path_factory.mktemp("runs") / "flow"
    losses = []
    report = train(options(dataset, output), lambda _step, loss: losses.append(loss))
    return output, losses, report


def test_the_loss_falls(run):
    output, losses, report = run
    assert len(losses) == report.steps == 30
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
    lines = [json.loads(line) for line in (output / "train_log.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == list(range(5, 31, 5))
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert "30 steps" in report.text()


def test_a_checkpoint_loads_and_says_what_it_means(run, dataset):
    from lerobot.policies.factory import get_policy_class, make_pre_post_processors
    from lerobot.policies.pretrained import PreTrainedConfig

    _, _, report = run
    config = PreTrainedConfig.from_pretrained(report.checkpoint)
    policy = get_policy_class("flow").from_pretrained(report.checkpoint, config=config)
    before, after = make_pre_post_processors(config, str(report.checkpoint))
    frame = {
        "observation.images.image": torch.zeros(3, 128, 128),
        "observation.images.image2": torch.zeros(3, 128, 128),
        "observation.state": torch.zeros(8),
        "task": "pick the cube",
    }
    action = after(policy.select_action(before(frame)))
    assert action.shape[-1] == 7
    assert torch.isfinite(action).all()
    assert load_conventions(report.checkpoint) == load_conventions(dataset)
    stats = json.loads((report.checkpoint / "norm_stats.json").read_text())["norm_stats"]
    assert stats["action"]["q99"] == json.loads((dataset / "meta" / "stats.json").read_text())["action"]["q99"]
    own = (dataset / "norm_stats.json").read_text()
    assert (report.checkpoint / "openpi_norm_stats.json").read_text() == own
    assert json.loads((report.checkpoint / "mstool_run.json").read_text())["validation"]["valid"] is True


def test_pictures_that_lie_on_the_device_train_the_same(run, dataset, tmp_path, monkeypatch):
    _, losses, _ = run
    kept, again = [], []

    def keep(data, _device, _bytes, planned):
        assert planned > 0
        kept.append(DevicePictures(data, torch.device("cpu")))
        return kept[0]

    monkeypatch.setattr("mstool.training.hooks.keep", keep)
    wish = options(dataset, tmp_path / "flow", cache_frames="memory", num_workers=1)
    train(wish, lambda _step, loss: again.append(loss))
    assert kept
    assert again == pytest.approx(losses, rel=0.02)


def test_batches_made_ready_a_step_ahead_train_the_same(run, dataset, tmp_path, monkeypatch):
    _, losses, _ = run
    ready, again = [], []

    def noted(*words):
        for batch in ahead(*words):
            ready.append(batch)
            yield batch

    monkeypatch.setattr("mstool.training.hooks.ahead", noted)
    train(options(dataset, tmp_path / "flow", num_workers=1), lambda _step, loss: again.append(loss))
    assert len(ready) == 30
    assert again == losses


@pytest.mark.parametrize("cached", [True, False])
def test_demos_that_are_held_out_are_not_trained_on_and_judged(dataset, tmp_path, cached, monkeypatch):
    if cached:
        monkeypatch.setattr("mstool.training.hooks.keep", lambda data, *_: DevicePictures(data, torch.device("cpu")))
    more = {"cache_frames": "memory" if cached else "off", "eval_split": 0.2, "steps": 4, "save_every": 2}
    losses, heard = [], []
    with progress_to(heard.append):
        report = train(
            options(dataset, tmp_path / "flow", **more, num_workers=int(cached)), lambda _, loss: losses.append(loss)
        )
    judged = report.held_out
    assert judged["episodes"] == 1
    assert 0 < judged["loss"] < 10
    assert judged["loss"] != judged["trained_on"] > 0
    assert "on 1 demos that were not trained on" in report.text()
    assert report.to_json()["held_out"] == judged
    assert sum(isinstance(line, str) and "that were not trained on" in line for line in heard) == 2
    run_file = json.loads((report.checkpoint / "mstool_run.json").read_text())
    assert run_file["trained"]["held_out"] == judged
    config = json.loads((report.checkpoint / "train_config.json").read_text())
    assert config["dataset"]["eval_split"] == 0.2
    # LeRobot's log counts epochs as the plan does: over what is trained on.
    plan = prepare(options(dataset, tmp_path / "plan", **more), notify=lambda _: None).plan
    assert plan.held_out[0] == judged["episodes"]
    assert 0 < plan.epoch == plan.facts.frames - plan.held_out[1] < plan.facts.frames
    assert plan.to_json()["epochs"] == pytest.approx(run_file["trained"]["epochs"], abs=0.01)
    assert "held out    1 episodes" in text(plan)
    # Goes on as if nothing had been judged: the second checkpoint is that of a run that keeps and judges one alone.
    once = []
    again = train(
        options(dataset, tmp_path / "again", **{**more, "save_every": 4}, num_workers=int(cached)),
        lambda _, loss: once.append(loss),
    )
    assert once == losses
    assert again.held_out == judged
    on = {**more, "steps": 8, "resume": True, "batch_size": None, "save_every": None, "log_every": None}
    assert prepare(options(dataset, tmp_path / "again", **on), notify=lambda _: None).train.dataset.eval_split == 0.2
    for other in (0.5, 0.0):
        with pytest.raises(UsageError, match="--eval-split cannot change"):
            prepare(options(dataset, tmp_path / "again", **{**on, "eval_split": other}), notify=lambda _: None)
    with pytest.raises(UsageError, match="nothing is left") as caught:
        prepare(options(dataset, tmp_path / "again", **{**on, "steps": None, "eval_split": 0.5}), notify=lambda _: None)
    assert "--steps 8 " in caught.value.fix
    assert "--eval-split" not in caught.value.fix


def test_a_training_that_leaves_no_memory_to_judge_goes_on(dataset, tmp_path, monkeypatch):
    def judge(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("mstool.training.held_out_demos.HeldOutDemos.judge", judge)
    heard = []
    with progress_to(heard.append):
        report = train(options(dataset, tmp_path / "flow", eval_split=0.2, steps=2, save_every=1))
    assert report.held_out is None
    assert sum(isinstance(line, str) and "no memory is left" in line for line in heard) == 2
    assert "held_out" not in json.loads((report.checkpoint / "mstool_run.json").read_text())["trained"]


@pytest.mark.parametrize("policy", ["act", "diffusion"])
def test_other_policies_are_judged_too(dataset, tmp_path, policy):
    report = train(options(dataset, tmp_path / policy, policy, steps=2, save_every=2, eval_split=0.2))
    assert report.held_out["loss"] > 0


def test_a_resumed_run_is_the_uninterrupted_one(run, dataset, tmp_path):
    output, losses, _ = run
    copy = Path(shutil.copytree(output, tmp_path / "flow", symlinks=True))
    shutil.rmtree(copy / "checkpoints" / "000030")
    (copy / "checkpoints" / "last").unlink()
    again = []
    report = train(
        options(dataset, copy, steps=None, resume=True, batch_size=None, save_every=None, log_every=None),
        lambda _step, loss: again.append(loss),
    )
    assert again == losses[20:]
    for part in ("pretrained_model/model.safetensors", "training_state/optimizer_state.safetensors"):
        one = load_file(output / "checkpoints" / "000030" / part)
        other = load_file(report.checkpoint.parent / part)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one), part
    step = json.loads((report.checkpoint.parent / "training_state" / "training_step.json").read_text())
    assert step["step"] == 30


def test_ctrl_c_keeps_a_checkpoint_and_says_how_to_go_on(dataset, tmp_path):
    output, locked = tmp_path / "run", []

    def interrupt(step, _loss):
        if step == 3:
            locked.append((tmp_path / ".run.lock").is_file())
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Exception, match="stopped after step 3") as stopped:
        train(options(dataset, output, "act", steps=6), interrupt)
    assert stopped.value.exit_code == 1
    assert "--resume" in stopped.value.fix
    assert locked == [True]
    assert not (tmp_path / ".run.lock").exists()
    assert [path.name for path in (output / "checkpoints").glob("0*")] == ["000003"]
    report = train(options(dataset, output, "act", steps=6, resume=True))
    assert report.checkpoint.parent.name == "000006"


def test_a_loss_that_is_no_number_stops_and_names_the_frames(dataset, tmp_path, monkeypatch):
    from mstool.training.flow.modeling_flow import FlowPolicy

    forward, calls = FlowPolicy.forward, []

    def broken(self, batch, *args, **kwargs):
        loss, facts = forward(self, batch, *args, **kwargs)
        calls.append(1)
        return (loss * float("nan") if len(calls) == 3 else loss), facts

    monkeypatch.setattr(FlowPolicy, "forward", broken)
    with pytest.raises(DataError, match=r"step 3: loss nan.*frame \d+ \(episode [01]\).*checkpoint of step 2") as error:
        train(options(dataset, tmp_path / "run", steps=6, save_every=2))
    assert "--lr" in error.value.fix


def test_out_of_memory_says_what_to_change(dataset, tmp_path):
    def full(_step, _loss):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with pytest.raises(SetupError, match=r"2\.00 GiB.*estimated: .*GiB per sample of the 4") as error:
        train(options(dataset, tmp_path / "run", "act"), full)
    assert "--batch-size 2" in error.value.fix


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGKILL, "SIGKILL: probably memory was full"),
        (signal.SIGTERM, "SIGTERM: somebody asked it to end"),
        pytest.param(signal.SIGSEGV, "SIGSEGV: a library crashed", marks=pytest.mark.proof),
        pytest.param(signal.SIGBUS, "SIGBUS: shared memory is full", marks=pytest.mark.proof),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else "",
)
def test_a_signal_that_ends_a_data_loader_is_named(dataset, tmp_path, number, words):
    def end_it(step, _loss):
        if step == 2:
            for child in multiprocessing.active_children():
                # Not from here: a data loader takes a SIGTERM of its parent's for the usual end.
                subprocess.run(["kill", f"-{int(number)}", str(child.pid)], check=True)

    wish = {"steps": 20, "num_workers": 2, "save_every": 1, "cache_frames": "memory"}
    with pytest.raises(SetupError, match=words) as error:
        train(options(dataset, tmp_path / "run", "act", **wish), end_it)
    assert "--resume" in error.value.fix
    assert ("--num-workers 1" in error.value.fix) == (number != signal.SIGTERM)


def test_another_run_may_be_the_start(run, dataset, tmp_path, monkeypatch):
    from mstool.training import weights

    output, _, report = run
    wish = options(dataset, tmp_path / "run", init=str(output), steps=1)
    prepared = prepare(wish, notify=lambda _line: None)
    assert prepared.plan.start == f"weights of {report.checkpoint.resolve()}"
    said = []
    check = weights.check_loaded
    monkeypatch.setattr("mstool.training.hooks.check_loaded", lambda *words: said.append(check(*words)))
    finetune(prepared)
    assert "tensors compared with" in said[0]
    with pytest.raises(UsageError, match="holds a flow policy, not act"):
        prepare(options(dataset, tmp_path / "act", "act", init=str(output)), notify=lambda _line: None)


# `act` goes on in the suite after Ctrl-C.
@pytest.mark.parametrize("policy", some(["act", "diffusion"], "diffusion".__eq__))
def test_the_same_entry_trains(policy, dataset, tmp_path):
    losses = []
    report = train(
        options(dataset, tmp_path / "run", policy, steps=4, save_every=2), lambda _step, loss: losses.append(loss)
    )
    assert len(losses) == 4
    assert (report.checkpoint / "mstool_conventions.json").is_file()
    with pytest.raises(Exception, match="nothing is left"):
        train(options(dataset, tmp_path / "run", policy, steps=4, resume=True))
    report = train(options(dataset, tmp_path / "run", policy, steps=5, resume=True))
    assert report.checkpoint.parent.name == "000005"


def test_another_dataset_is_not_gone_on_with(run, dataset, tmp_path):
    output, _, _ = run
    other = Path(shutil.copytree(dataset, tmp_path / "other"))
    stats = other / "meta" / "stats.json"
    stats.write_text(stats.read_text() + "\n")
    with pytest.raises(DataError, match="was trained on cube with content"):
        prepare(options(other, output, steps=60, resume=True), notify=lambda _line: None)


def test_a_dataset_made_elsewhere_is_trained_on_at_its_own_rate(mstool, capsys, tmp_path):
    """As LeRobot's recorder writes it: another robot, 30 Hz, no record. No rule of ManiSkill's holds for it."""
    import numpy as np
    from lerobot.datasets import LeRobotDataset

    names = [f"joint_{number}.pos" for number in range(6)]
    vector = {"dtype": "float32", "shape": (6,), "names": names}
    picture = {"dtype": "image", "shape": (64, 64, 3), "names": ["height", "width", "channels"]}
    features = {"observation.state": vector, "action": vector, "observation.images.front": picture}
    root = tmp_path / "so100"
    made = LeRobotDataset.create("me/so100", 30, features, root=root, robot_type="so100", use_videos=False)
    random = np.random.default_rng(0)
    for _ in range(2):
        start = 20 * random.normal(size=6)
        for step in range(40):
            state = (start + 10 * np.sin(step / 10 + np.arange(6))).astype(np.float32)
            image = np.zeros((64, 64, 3), np.uint8)
            image[..., 0] = np.linspace(0, 255, 64)
            image[step : step + 10, 20:30] = 255
            made.add_frame(
                {
                    "observation.state": state,
                    "action": state + np.float32(0.5),
                    "observation.images.front": image,
                    "task": "pick up the block",
                }
            )
        made.save_episode()
    made.finalize()

    words = ("finetune", root, "--policy", "act", "--device", "cpu", "--output", tmp_path / "run", "--dry-run")
    assert mstool(*words) == 0
    said = capsys.readouterr()
    assert "meaning     not recorded" in said.out
    assert "at 30 Hz" in said.out
    assert "validation  lerobot_pi05: valid" in said.err
    report = train(options(root, tmp_path / "run", "act", steps=1, chunk_size=8))
    assert not (report.checkpoint / "mstool_conventions.json").exists()
    assert json.loads((report.checkpoint / "mstool_run.json").read_text())["validation"]["valid"] is True


def test_a_run_by_time_ends_with_a_checkpoint_and_its_schedule(dataset, tmp_path, monkeypatch):
    output = tmp_path / "timed"
    # A clock that goes on by a quarter of a second whenever it is looked at, however slow this machine is.
    looks = itertools.count()
    monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: next(looks) / 4))
    wish = options(dataset, output, steps=None, save_every=None, log_every=1, minutes=0.1)
    report = train(wish)
    assert 5 < report.steps < 20
    lines = [json.loads(line) for line in (output / "train_log.jsonl").read_text().splitlines()]
    assert lines[-1]["lr"] < 0.1 * max(line["lr"] for line in lines)
    run_file = json.loads((report.checkpoint / "mstool_run.json").read_text())
    assert run_file["minutes"] == 0.1
    assert run_file["seconds"] >= 6
    assert report.checkpoint.parent.name == f"{report.steps:06d}"
    with pytest.raises(UsageError, match="nothing is left"):
        prepare(replace(wish, resume=True), notify=lambda _line: None)
