"""`mstool finetune` before any training: presets, keys, memory, refusals."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mstool.api.finetune import finetune
from mstool.dataset.fingerprint import content_hash
from mstool.dataset.training import Facts, read_facts
from mstool.errors import DataError, UsageError
from mstool.training import gate, keys, resume
from mstool.training.batches import describe, is_broken
from mstool.training.options import FinetuneOptions
from mstool.training.presets import PI05, PRESETS, get_preset, network_of
from mstool.training.problems import Stopped, explained

QUANTILES = {"q01": [0.0], "q99": [1.0], "mean": [0.0], "std": [1.0], "min": [0.0], "max": [1.0]}
NORM = {"VISUAL": "IDENTITY", "STATE": "QUANTILES", "ACTION": "QUANTILES"}


def facts(cameras, root=Path("data/cube"), state=8, **changes):
    features = {camera: {"dtype": "video", "shape": [128, 128, 3]} for camera in cameras}
    features |= {
        "observation.state": {"dtype": "float32", "shape": [state]},
        "action": {"dtype": "float32", "shape": [7]},
    }
    stats = {"observation.state": QUANTILES, "action": QUANTILES}
    return Facts(root, 20, 10, 1000, features, **{"stats": stats, **changes})


def options(**changes):
    return FinetuneOptions(**{"dataset": Path("data/cube"), "policy": "flow", "output": Path("runs/x"), **changes})


@pytest.fixture
def dataset(pickcube, tmp_path):
    return Path(shutil.copytree(pickcube / "v3.0", tmp_path / "cube"))


def test_libero_cameras_go_to_their_places():
    found = keys.onto(facts(["observation.images.image", "observation.images.image2"]), PI05.camera_slots)
    assert found.renamed == {
        "observation.images.image": "observation.images.base_0_rgb",
        "observation.images.image2": "observation.images.left_wrist_0_rgb",
    }
    assert found.empty == ("observation.images.right_wrist_0_rgb",)
    assert found.unread == ()


def test_droids_second_outside_view_is_not_shown_as_a_wrist():
    names = [f"observation.images.{name}" for name in ("exterior_1_left", "exterior_2_left", "wrist_left")]
    found = keys.onto(facts(names), PI05.camera_slots)
    assert found.renamed == {
        names[0]: "observation.images.base_0_rgb",
        names[2]: "observation.images.left_wrist_0_rgb",
    }
    assert found.unread == (names[1],)


def test_cameras_that_bear_the_right_name_stay():
    found = keys.onto(facts([PI05.camera_slots[1], "observation.images.image"]), PI05.camera_slots)
    assert found.renamed == {"observation.images.image": PI05.camera_slots[0]}


def test_every_mismatch_is_named_at_once():
    data = facts(["observation.images.image"], state=40, stats={"observation.state": {"mean": [0]}})
    with pytest.raises(DataError) as error:
        keys.check(data, keys.from_scratch(data), {}, NORM, 32)
    for part in (
        "observation.state: 40 numbers, the policy takes at most 32",
        "observation.state: no q01 in meta/stats.json (QUANTILES)",
        "action: no q99 in meta/stats.json (QUANTILES)",
    ):
        assert part in error.value.message
    data = facts([], stats={})
    with pytest.raises(DataError, match="the dataset has no images"):
        keys.check(data, keys.from_scratch(data), {}, NORM, None)


def test_a_camera_of_one_channel_is_refused_with_the_command_that_leaves_it_out():
    data = facts(["observation.images.image", "observation.images.depth"])
    data.features["observation.images.depth"]["shape"] = [128, 128, 1]
    with pytest.raises(DataError, match=r"observation.images.depth: .* 3 channels, of which it has 1") as error:
        keys.check(data, keys.from_scratch(data), {}, NORM, None)
    assert error.value.fix.startswith(f"mstool export {data.root} --drop observation.images.depth --output ")


def test_missing_quantiles_are_computed_by_stats():
    data = facts(["observation.images.image"], stats={})
    with pytest.raises(DataError) as error:
        keys.check(data, keys.from_scratch(data), {}, NORM, 32)
    assert error.value.fix == "mstool stats data/cube"


def test_weights_of_another_shape():
    data = facts(["observation.images.image"])
    with pytest.raises(DataError, match=r"observation.state: shape \(8,\) in the dataset, \(9,\) in the weights"):
        keys.check(data, keys.from_scratch(data), {"observation.state": (9,)}, NORM, None)


def test_an_unknown_policy_names_the_nearest(mstool, capsys):
    assert mstool("finetune", "data", "--policy", "pi0.5") == 2
    err = capsys.readouterr().err
    assert "unknown policy 'pi0.5' (did you mean 'pi05'?); there are: flow, act, " in err
    assert err.endswith("fix: mstool finetune data --policy pi05\n")
    with pytest.raises(UsageError, match="flow, act, diffusion, smolvla, pi05"):
        get_preset("fow")


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_every_value_of_a_preset_says_why(preset):
    values = [preset.steps, preset.batch_size, preset.lr, preset.chunk, preset.n_action_steps]
    for value in [*values, *preset.training.values(), *preset.architecture.values()]:
        assert len(value.why) > 5


def test_the_command_line_says_the_options_again():
    wish = options(policy="pi05", lora=True, steps=5, lr=1e-4)
    assert wish.command() == "mstool finetune data/cube --policy pi05 --output runs/x --steps 5 --lr 0.0001 --lora"
    assert wish.command(resume=True, lora=False).endswith("--resume")
    assert "--lora" not in wish.command(lora=False)


def test_options_that_contradict_each_other():
    for wrong in (
        {"resume": True, "overwrite": True},
        {"resume": True, "init": "x"},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"engine": "x"},
        {"policy": "act", "lora": True},
        {"policy": "act", "chunk_size": 3, "init": "runs/act"},
        {"head": "x"},
        {"policy": "act", "tokenizer": Path("x")},
        {"policy": "pi05", "tokenizer": Path("x")},
        {"policy": "pi05", "engine": "openpi", "num_workers": 0},
        {"policy": "pi05", "engine": "openpi", "dry_run": True},
    ):
        with pytest.raises(UsageError) as error:
            options(**wrong)
        assert error.value.fix


def test_everything_wrong_is_said_at_once(mstool, capsys):
    words = ("--policy", "act", "--lora", "--head", "ddpm", "--lr", "-1", "--cache-frames", "memry")
    assert mstool("finetune", "no/such/dataset", *words) == 2
    err = capsys.readouterr().err
    for part in ("--lora: act", "--head is of flow alone", "--lr -1", "unknown cache frames 'memry'"):
        assert part in err
    assert err.endswith("fix: mstool finetune no/such/dataset --policy act --cache-frames memory\n")


def test_going_on_is_said_without_where_the_run_began():
    wish = options(init="runs/other", overwrite=True, steps=9)
    assert wish.command(resume=True) == ("mstool finetune data/cube --policy flow --output runs/x --steps 9 --resume")


def test_no_dataset(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        read_facts(tmp_path / "no")
    with pytest.raises(UsageError, match="is not a LeRobot dataset"):
        read_facts(tmp_path)


def test_the_wrong_format_names_its_twin_or_the_export(mstool, capsys, pickcube, tmp_path):
    """Before anything else: validation alone would take longer than this."""
    for given, twin, more in (("v2.1", "v3.0", ()), ("v3.0", "v2.1", ("--engine", "openpi"))):
        wrong, right = pickcube / given, pickcube / twin
        for root in (pickcube, wrong):
            assert mstool("finetune", root, "--policy", "pi05", "--init", "random", *more) == 2
            err = capsys.readouterr().err
            assert f"fix: mstool finetune {right} " in err, err
            assert "validating" not in err
        alone = shutil.copytree(wrong, tmp_path / given / "cube")
        assert mstool("finetune", alone, "--policy", "pi05", "--init", "random", *more) == 1
        err = capsys.readouterr().err
        assert f"mstool export {alone} --format {twin} --output {alone}-" in err
        assert "validating" not in err


def verdict(wish, target, notify=lambda _line: None):
    return gate.check(wish, target, content_hash(wish.dataset), notify)


def test_an_invalid_dataset_is_refused_unless_forced(dataset):
    info = dataset / "meta" / "info.json"
    info.write_text(info.read_text().replace('"fps": 20', '"fps": 30', 1))
    wish = options(dataset=dataset)
    with pytest.raises(DataError, match="INVALID for maniskill") as error:
        verdict(wish, "maniskill")
    assert "--force" in error.value.message
    assert error.value.fix == f"mstool validate {dataset} --against maniskill"
    assert verdict(options(dataset=dataset, force=True), "maniskill").valid is False


def test_a_kept_verdict_is_taken_for_its_target_and_content_alone(dataset):
    said = []
    wish = options(dataset=dataset)
    assert verdict(wish, "maniskill", said.append).valid
    assert verdict(wish, "maniskill", said.append).summary.startswith("validated on")
    assert len(said) == 1
    verdict(wish, "lerobot_pi05", said.append)
    assert json.loads((dataset / "meta/mstool/validation.json").read_text())["target"] == "maniskill"
    stats = dataset / "meta" / "stats.json"
    stats.write_text(stats.read_text() + "\n")
    verdict(wish, "maniskill", said.append)
    assert len(said) == 3


def test_the_gate_asks_what_the_policy_needs(dataset):
    """Quantiles are pi05's need alone; valid for pi05 is valid for the others, and is not looked at again."""
    said = []
    assert verdict(options(dataset=dataset), "lerobot", said.append).target == "lerobot_pi05"
    assert verdict(options(dataset=dataset), "lerobot", said.append).summary.startswith("validated on")
    path = dataset / "meta" / "stats.json"
    stats = json.loads(path.read_text())
    for column in ("observation.state", "action"):
        del stats[column]["q01"]
    path.write_text(json.dumps(stats))
    assert verdict(options(dataset=dataset), "lerobot", said.append).target == "lerobot"
    with pytest.raises(DataError, match="INVALID for lerobot_pi05"):
        verdict(options(dataset=dataset), "lerobot_pi05", said.append)
    assert [PRESETS[name].target for name in ("act", "smolvla")] == ["lerobot", "lerobot_smolvla"]


def test_the_target_is_the_one_that_fits(pickcube):
    """The same that `validate` and `push` take, so that one verdict serves all; no simulator's rule is among them."""
    assert gate.choose_target(pickcube / "v3.0") == "lerobot_pi05"
    assert gate.choose_target(pickcube / "v2.1") == "pi05_libero"
    assert gate.choose_target(pickcube / "v2.1", "maniskill") == "maniskill"


def test_nothing_to_resume(tmp_path):
    with pytest.raises(UsageError, match="no checkpoint to go on from") as error:
        resume.find(options(output=tmp_path, resume=True), "hash")
    assert error.value.change == {"--resume": None}


def test_going_on_is_silent_of_a_decoder_that_is_not_asked_for(tmp_path, monkeypatch, caplog):
    from lerobot.configs.train import TrainPipelineConfig

    def read(_folder):
        logging.getLogger("lerobot.utils.import_utils").warning("Could not load libtorchcodec")
        raise UsageError("read")

    monkeypatch.setattr(TrainPipelineConfig, "from_pretrained", read)
    with pytest.raises(UsageError, match="read"):
        resume.load(options(output=tmp_path, resume=True), resume.Checkpoint(tmp_path, 20), "cpu")
    assert not caplog.records


def half_written(output):
    """Make checkpoints of steps 10 and 20, of which the second is not complete."""
    for step in ("000010", "000020"):
        folder = output / "checkpoints" / step
        (folder / "pretrained_model").mkdir(parents=True)
        (folder / "pretrained_model" / "train_config.json").write_text("{}")
    state = output / "checkpoints" / "000010" / "training_state"
    state.mkdir()
    (state / "training_step.json").write_text('{"step": 10}')


def interrupted(**more):
    with explained(options(**more), None, None, None):
        raise KeyboardInterrupt


def test_ctrl_c_says_that_checkpoints_are_kept_where_there_are_any(tmp_path):
    output = tmp_path / "x"
    with pytest.raises(KeyboardInterrupt):
        interrupted(output=output)
    with pytest.raises(Stopped, match="interrupted before a checkpoint was saved in") as told:
        interrupted(output=output, overwrite=True)
    assert told.value.fix.endswith("--overwrite")
    half_written(output)
    with pytest.raises(Stopped, match="interrupted; checkpoints that were saved are kept") as told:
        interrupted(output=output, overwrite=True)
    assert told.value.fix.endswith("--resume")


def test_a_half_written_checkpoint_is_passed_over(tmp_path):
    half_written(tmp_path)
    found = resume.newest(tmp_path)
    assert found is not None
    assert found.step == 10


def test_a_run_that_goes_on_is_evaluated_as_it_was_unless_something_else_is_given(tmp_path):
    half_written(tmp_path)
    (tmp_path / "checkpoints" / "000010" / "pretrained_model" / "mstool_run.json").write_text(
        '{"policy": "act", "eval_freq": 50, "eval_episodes": 3}'
    )
    checkpoint = resume.newest(tmp_path)

    def found(**given):
        taken = resume.taken_over(options(**given, resume=True), checkpoint)
        return taken.eval_freq, taken.eval_episodes

    assert found() == (50, 3)
    assert found(eval_episodes=20) == (50, 20)
    assert found(eval_freq=10) == (10, 3)
    assert found(save_every=5) == (None, None)


def test_the_policy_of_a_run_that_goes_on_is_the_runs(tmp_path, monkeypatch):
    half_written(tmp_path)
    (tmp_path / "checkpoints" / "000010" / "pretrained_model" / "mstool_run.json").write_text('{"policy": "act"}')
    asked_for = []

    def prepared(options, _):
        asked_for.append(options.policy)
        raise UsageError("enough")

    monkeypatch.setattr("mstool.api.finetune.prepare", prepared)
    for given in ({}, {"policy": "flow"}, {"resume": False}):
        with pytest.raises(UsageError, match="enough"):
            finetune("data/cube", output=tmp_path, **{"resume": True, **given})
    assert asked_for == ["act", "flow", "flow"]


def test_a_broken_batch_names_column_and_frame():
    import torch

    batch = {
        "observation.state": torch.tensor([[0.0], [float("nan")]]),
        "index": torch.tensor([4, 150]),
        "episode_index": torch.tensor([0, 2]),
    }
    assert describe(batch) == "observation.state is not finite in frame 150 (episode 2)"
    batch["observation.state"] = torch.zeros(2, 1)
    assert describe(batch) == "all inputs are finite; the batch was frame 4 (episode 0), frame 150 (episode 2)"
    assert is_broken(1.0, float("inf"))
    assert not is_broken(1.0, 2.0)


@pytest.fixture
def no_hub(monkeypatch):
    """A hub's address at which nobody listens, whatever the machine has."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")


def test_missing_weights_and_tokenizer_say_how_to_get_them(no_hub):
    from mstool.training.weights import find_companion, find_weights

    weights = find_weights(options(policy="pi05"), PI05)
    assert weights.missing.startswith("not on this machine (about 14 GB), and http://127.0.0.1:1 cannot be reached")
    assert weights.hub.download == "HF_ENDPOINT=https://MIRROR hf download lerobot/pi05_base"
    assert "google/paligemma-3b-pt-224 --include" in find_companion(options(policy="pi05"), PI05).download


def test_weights_in_a_folder_that_lacks_files(tmp_path):
    from mstool.training.weights import find_weights

    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match=r"lacks model\.safetensors, policy_preprocessor\.json"):
        find_weights(options(policy="pi05", init=str(tmp_path)), PI05)
    with pytest.raises(UsageError, match="no such folder"):
        find_weights(options(policy="pi05", init="./nowhere"), PI05)


def test_the_openpi_engine_writes_a_script(mstool, capsys, pickcube, tmp_path):
    data = Path(shutil.copytree(pickcube / "v2.1", tmp_path / "cube"))
    words = ("finetune", data, "--engine", "openpi", "--output", tmp_path / "run")
    assert mstool(*words, "--steps", 7, "--json") == 0
    written = json.loads(capsys.readouterr().out)
    assert Path(written["script"]).is_file()
    assert mstool(*words, "--num-workers", 3) == 2
    assert "--num-workers: --engine openpi writes a script" in capsys.readouterr().err
    info = data / "meta" / "info.json"
    info.write_text(info.read_text().replace('"fps": 20', '"fps": 30', 1))
    assert mstool("finetune", data, "--engine", "openpi", "--output", tmp_path / "other") == 1
    assert "INVALID for pi05_libero" in capsys.readouterr().err


class TestPlan:
    """`--dry-run` on a converted dataset."""

    @pytest.fixture
    def tokenizer(self, tmp_path):
        folder = tmp_path / "tokenizer"
        folder.mkdir()
        (folder / "tokenizer_config.json").write_text("{}")
        return folder

    def plan(self, mstool, capsys, *words):
        code = mstool("finetune", *words, "--dry-run", "--json", "--device", "cpu")
        out, err = capsys.readouterr()
        assert code == 0, err
        return json.loads(out)

    def test_flow(self, mstool, capsys, dataset, tmp_path):
        plan = self.plan(mstool, capsys, dataset, "--steps", 80, "--batch-size", 16, "--output", tmp_path / "run")
        assert plan["start"] == "from scratch"
        assert plan["steps_per_epoch"] == -(-plan["frames"] // 16)
        assert plan["checkpoints"] == 4
        assert plan["disk_bytes"] == 4 * plan["memory_bytes"]["checkpoint"]
        assert plan["config"]["policy"]["type"] == "flow"
        assert plan["config"]["wandb"]["enable"] is plan["config"]["policy"]["push_to_hub"] is False
        rows = {row["column"]: row["normalisation"] for row in plan["normalisation"]}
        assert rows["action"].startswith("QUANTILES")
        assert "accelerate launch --num_processes 2 -m mstool.cli finetune" in plan["several_gpus"]
        assert not (tmp_path / "run").exists()

    def test_a_small_network_for_a_machine_without_a_gpu(self, mstool, capsys, dataset, tmp_path):
        words = (dataset, "--device", "cpu", "--output", tmp_path / "run")
        base = self.plan(mstool, capsys, *words)
        small = self.plan(mstool, capsys, *words, "--network", "small")
        assert small["memory_bytes"]["trained"] < 0.12 * base["memory_bytes"]["trained"]
        assert small["config"]["policy"]["image_size"] == [64, 64]
        assert [network_of(plan["config"]["policy"]) for plan in (base, small)] == ["base", "small"]
        assert base["expected"], "what was measured with one network is not expected of the other"
        assert not [each for each in small["expected"] if each["measured"]["network"] != "small"]
        larger = self.plan(mstool, capsys, *words, "--network", "small", "--image-size", 96)
        assert larger["config"]["policy"]["image_size"] == [96, 96]
        for network, hint in ((), True), (("--network", "small"), False):
            assert mstool("finetune", *words, *network, "--dry-run") == 0
            assert ("--network small is made for" in capsys.readouterr().out) is hint

    def test_pi05_in_full_and_with_lora(self, mstool, capsys, dataset, tokenizer, tmp_path, monkeypatch):
        monkeypatch.setattr("mstool.training.plan.free_disk", lambda _folder: 10**12)
        words = (dataset, "--policy", "pi05", "--init", "random", "--tokenizer", tokenizer, "--output", tmp_path / "r")
        full = self.plan(mstool, capsys, *words, "--force")
        lora = self.plan(mstool, capsys, *words, "--lora", "--force")
        # 4.14e9 with the two tables for writing words, which nothing trains; 34 GiB at batch 8 were seen on an H100.
        assert full["memory_bytes"]["parameters"] == pytest.approx(4.14e9, rel=0.01)
        assert full["memory_bytes"]["total"] / 2**30 == pytest.approx(34, rel=0.1)
        assert lora["memory_bytes"]["trained"] < 0.03 * full["memory_bytes"]["trained"]
        assert lora["memory_bytes"]["total"] < 0.5 * full["memory_bytes"]["total"]
        assert full["config"]["policy"]["normalization_mapping"]["STATE"] == "QUANTILES"
        assert full["empty_cameras"] == ["observation.images.empty_camera_0"]
        assert "RANDOM" in full["start"]

    def test_without_a_hub_the_plan_comes_first(self, mstool, capsys, dataset, tmp_path, no_hub, monkeypatch):
        monkeypatch.setattr(gate, "check", lambda *_words: pytest.fail("validated before the weights were there"))
        words = ("finetune", dataset, "--policy", "pi05", "--lora", "--output", tmp_path / "run", "--device", "cpu")
        for more, stream in ((("--dry-run",), 0), ((), 1)):
            assert mstool(*words, *more) == 1
            said = capsys.readouterr()
            assert "lerobot/pi05_base is MISSING: not on this machine" in said[stream]
            assert "28.7 trained" in said[stream]
            assert "google/paligemma-3b-pt-224 is MISSING" in said[stream]
            assert "hf download lerobot/pi05_base" in said.err.split("fix:")[1]
        assert not (tmp_path / "run").exists()

    def test_what_stands_in_the_way_is_one_document_with_the_plan(self, mstool, capsys, dataset, tmp_path):
        info = dataset / "meta" / "info.json"
        info.write_text(info.read_text().replace('"fps": 20', '"fps": 30', 1))
        words = ("finetune", dataset, "--output", tmp_path / "run", "--dry-run", "--json", "--device", "cpu")
        assert mstool(*words) == 1
        document = json.loads(capsys.readouterr().out)
        assert document["error"].startswith(f"{dataset} is INVALID")
        assert document["steps"] == 20_000

    def test_no_space_for_checkpoints(self, mstool, capsys, dataset, tmp_path, monkeypatch):
        from mstool.training import plan

        monkeypatch.setattr(plan, "free_disk", lambda _folder: 2 * 10**9)
        words = ("finetune", dataset, "--policy", "act", "--steps", 100, "--save-every", 1, "--device", "cpu")
        assert mstool(*words, "--output", tmp_path / "run", "--cache-frames", "off", "--dry-run") == 1
        out, err = capsys.readouterr()
        assert "from scratch" in out
        assert "100 checkpoints of" in err
        assert "--save-every" in err.split("fix:")[1]
        evaluated = ["--eval-freq" if word == "--save-every" else word for word in words]
        assert mstool(*evaluated, "--output", tmp_path / "run", "--cache-frames", "off", "--dry-run") == 1
        fix = capsys.readouterr().err.split("fix:")[1]
        assert "--eval-freq" in fix
        assert "--save-every" not in fix, "the two exclude each other"

    def test_an_output_that_is_there(self, mstool, capsys, dataset, tmp_path):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "notes.txt").write_text("mine")
        assert mstool("finetune", dataset, "--output", tmp_path / "run") == 2
        assert "holds something else than a training" in capsys.readouterr().err
        assert mstool("finetune", dataset, "--output", tmp_path / "run", "--overwrite") == 2
        assert "holds something else than a training" in capsys.readouterr().err
        (tmp_path / "train" / "checkpoints").mkdir(parents=True)
        assert mstool("finetune", dataset, "--output", tmp_path / "train", "--dry-run") == 2
        said = capsys.readouterr().err
        assert "--overwrite removes it" in said
        assert said.endswith(f"fix: mstool finetune {dataset} --dry-run --output runs/ANOTHER\n")
        checkpoint = tmp_path / "train" / "checkpoints" / "000010"
        for name in ("pretrained_model/train_config.json", "training_state/training_step.json"):
            (checkpoint / name).parent.mkdir(parents=True)
            (checkpoint / name).write_text("{}")
        assert mstool("finetune", dataset, "--output", tmp_path / "train", "--dry-run") == 2
        said = capsys.readouterr().err
        assert said.endswith(f"fix: mstool finetune {dataset} --output {tmp_path / 'train'} --dry-run --resume\n")
        assert mstool("finetune", dataset, "--output", tmp_path / "run" / "notes.txt" / "run") == 2
        assert "notes.txt is a file" in capsys.readouterr().err
        assert (tmp_path / "run" / "notes.txt").is_file()


def test_what_is_not_valid_is_told_with_its_place(dataset):
    (path,) = (dataset / "data").rglob("*.parquet")
    table = pq.read_table(path)
    actions = np.stack(table["action"].to_pylist()).astype(np.float32)
    actions[5, 2] = np.nan
    column = pa.array(actions.tolist(), table.schema.field("action").type)
    pq.write_table(table.set_column(table.column_names.index("action"), "action", column), path)
    with pytest.raises(DataError, match=r"action\[2\], episode 0, frame 5: a value is not finite \(found nan\)"):
        gate.check(options(dataset=dataset), "lerobot", content_hash(dataset))
