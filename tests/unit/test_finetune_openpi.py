"""The script for openpi: executed against stand-ins with openpi's names and fields."""

import ast
import importlib.util
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import openpi_stand_in
from support.records import edited_record
from support.shards import make_dataset, make_episode

from mstool.errors import DataError, UsageError
from mstool.training.openpi import write_openpi_run
from mstool.training.openpi.differences import MAX_TOKEN_LEN, WEIGHTS
from mstool.training.openpi.recipe import read_recipe


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """Two episodes of each layout in v2.1, and one in v3.0."""
    roots = {}
    for layout, version in (("libero", "v2.1"), ("droid", "v2.1"), ("native", "v2.1"), ("libero", "v3.0")):
        folder = tmp_path_factory.mktemp(f"{layout}_{version}")
        episodes = [make_episode(folder / "work", layout, seed=seed) for seed in range(2)]
        storage = "image" if version == "v2.1" else "video"
        roots[layout, version] = make_dataset(folder / "PickCube-v1", folder / "work", {version: storage}, episodes)
    return roots


@pytest.fixture
def openpi(tmp_path, monkeypatch):
    made = openpi_stand_in.modules(tmp_path / "openpi")
    for name, module in made.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("HF_LEROBOT_HOME", "")
    monkeypatch.delenv("MANISKILL_DATASET", raising=False)
    return made["openpi.training.config"]


def load(script):
    spec = importlib.util.spec_from_file_location("run_openpi", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_libero(datasets, openpi, tmp_path):
    root = datasets["libero", "v2.1"]
    report = write_openpi_run(root, tmp_path / "run", steps=500, batch_size=4)
    module = load(report.script)
    names = ["pi05_maniskill_pickcube", "pi05_maniskill_pickcube_lora", "pi0_maniskill_pickcube"]
    names.append("pi0_maniskill_pickcube_lora")
    assert list(module.CONFIGS) == names == list(openpi._CONFIGS_DICT)[1:]
    assert list(report.configs) == names
    pi05, low, pi0 = (openpi._CONFIGS_DICT[name] for name in names[:3])
    assert (pi05.model.pi05, pi05.model.action_horizon, pi05.model.discrete_state_input) == (True, 10, True)
    assert (pi0.model.pi05, pi0.model.action_horizon, pi0.model.discrete_state_input) == (False, 10, False)
    assert (pi05.model.max_token_len, pi0.model.max_token_len) == (MAX_TOKEN_LEN["pi05"], MAX_TOKEN_LEN["pi0"])
    assert pi05.weight_loader.params_path == WEIGHTS["pi05"] == "gs://openpi-assets/checkpoints/pi05_base/params"
    assert pi0.weight_loader.params_path == WEIGHTS["pi0"] == "gs://openpi-assets/checkpoints/pi0_base/params"
    assert type(pi05.data) is openpi_stand_in.LeRobotLiberoDataConfig
    assert pi05.data.extra_delta_transform is False
    assert pi05.data.base_config.prompt_from_task is True
    assert (pi05.num_train_steps, pi05.batch_size, pi05.wandb_enabled) == (500, 4, False)
    assert (pi05.lr_schedule.warmup_steps, pi05.lr_schedule.decay_steps) == (50, 500)
    assert (pi05.freeze_filter, pi05.ema_decay) == (None, 0.99)
    assert (low.freeze_filter, low.ema_decay) == ("freeze gemma_2b_lora gemma_300m_lora", None)
    assert low.model.pi05
    assert pi05.policy_metadata["mstool"]["layout"] == "libero"


def test_norm_stats_are_where_openpi_looks(datasets, openpi, tmp_path, monkeypatch):
    root = datasets["libero", "v2.1"]
    report = write_openpi_run(root, tmp_path / "run")
    module = load(report.script)
    for config in module.CONFIGS.values():
        made = config.data.create(config.assets_dirs, config.model)
        stats = json.loads((made.norm_stats / "norm_stats.json").read_text())["norm_stats"]
        assert {key: set(value) for key, value in stats.items()} == {
            key: {"mean", "std", "q01", "q99"} for key in ("state", "actions")
        }
        assert (len(stats["state"]["mean"]), len(stats["actions"]["q99"])) == (8, 7)
        assert module.check(config) is None
    assert (module.DATASET, module.os.environ["HF_LEROBOT_HOME"]) == (root.resolve(), str(root.resolve().parent))
    monkeypatch.setenv("MANISKILL_DATASET", str(tmp_path / "elsewhere"))
    with pytest.raises(SystemExit, match="no dataset at"):
        load(report.script).check(config)


def test_droid_with_velocities(datasets, openpi, tmp_path):
    report = write_openpi_run(datasets["droid", "v2.1"], tmp_path / "run", policy="pi0", lora=True)
    load(report.script)
    assert report.configs[0] == "pi0_maniskill_pickcube_droid_lora"
    config = openpi._CONFIGS_DICT["pi05_maniskill_pickcube_droid"]
    assert type(config.data) is openpi_stand_in.LeRobotDROIDDataConfig
    assert config.model.action_horizon == 16


def with_mode(root, folder, mode):
    """A copy of a dataset that says it has another control mode."""
    import shutil

    shutil.copytree(root, folder)
    with edited_record(folder) as record:
        record["control_mode"] = mode
    return folder


def test_droid_with_positions(datasets, openpi, tmp_path):
    root = with_mode(datasets["droid", "v2.1"], tmp_path / "positions", "pd_joint_pos")
    report = write_openpi_run(root, tmp_path / "run")
    module = load(report.script)
    config = module.CONFIGS["pi05_maniskill_pickcube_droid"]
    group = config.data.create(config.assets_dirs, config.model).data_transforms
    mask = (True,) * 7 + (False,)
    assert group.inputs == ("inputs", openpi_stand_in.DeltaActions(mask))
    assert group.outputs[0] == openpi_stand_in.AbsoluteActions(mask)
    kept = group.outputs[1]({"actions": np.zeros((16, 32))})
    assert kept["actions"].shape == (16, 8)
    stats = json.loads(report.assets[0].read_text())
    assert stats["mstool"]["delta"] == "7,-1"


@pytest.mark.parametrize(
    ("layout", "mode", "dims", "delta"),
    [
        ("joint", "pd_ee_delta_pose", 7, ()),
        ("joint", "pd_joint_delta_pos", 8, ()),
        ("joint", "pd_joint_pos", 8, (7, -1)),
        ("tcp", "pd_joint_pos", 8, ()),  # its state holds no joints to subtract
    ],
)
def test_manskills_own_layouts(datasets, openpi, tmp_path, layout, mode, dims, delta):
    root = with_mode(datasets["libero", "v2.1"], tmp_path / "other", mode)
    info = json.loads((root / "meta/info.json").read_text())
    with edited_record(root) as record:
        record["layout"] = layout
    info["features"]["actions"]["shape"] = [dims]
    (root / "meta/info.json").write_text(json.dumps(info))
    recipe = read_recipe(root)
    assert (recipe.action_dims, recipe.delta, recipe.plain) == (dims, delta, dims == 7)
    from mstool.training.openpi.script import Choices, render

    script = tmp_path / "run_openpi.py"
    script.write_text(render(recipe, Choices(), script))
    config = load(script).CONFIGS["pi0_maniskill_pickcube"]
    group = config.data.create(config.assets_dirs, config.model).data_transforms
    if dims == 7:
        assert group.outputs == ("outputs",)
    else:
        assert group.outputs[-1].dims == 8
    assert (openpi_stand_in.DeltaActions((True,) * 7 + (False,)) in group.inputs) == bool(delta)


def test_commands_reach_openpis_scripts(datasets, openpi, tmp_path, monkeypatch, capsys):
    report = write_openpi_run(datasets["libero", "v2.1"], tmp_path / "run", steps=7)
    module = load(report.script)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["run_openpi.py", *words])
        module.main()
        return capsys.readouterr().out

    name = "pi05_maniskill_pickcube"
    assert f"TRAIN {name} 7 ['train', '{name}', '--exp-name=b', '--resume']" in run(
        "train", name, "--exp-name=b", "--resume"
    )
    assert f"TRAIN {name} 7" in run("train")
    assert "STATS pi0_maniskill_pickcube_lora" in run("norm-stats", "pi0_maniskill_pickcube_lora")
    out = run("serve", "--dir", "somewhere", "--port", "9")
    assert "port=9" in out
    assert f"Checkpoint(config='{name}', dir='somewhere')" in out
    with pytest.raises(SystemExit, match="no checkpoint in"):
        run("serve")
    for step in (5, 1000):
        (tmp_path / "run" / "checkpoints" / name / "run" / str(step)).mkdir(parents=True)
    assert f"{name}/run/1000'" in run("serve")
    assert "(default)" in run("list")
    with pytest.raises(SystemExit):
        run("serve", "--nonsense")
    (tmp_path / "openpi" / "scripts" / "train.py").unlink()
    with pytest.raises(SystemExit, match="openpi checkout"):
        run("train")


def test_the_script_imports_openpi_and_the_standard_library_alone(datasets, tmp_path):
    text = write_openpi_run(datasets["droid", "v2.1"], tmp_path / "run").script.read_text()
    roots = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert roots - sys.stdlib_module_names == {"openpi"}
    assert "@" not in text.replace("@dataclasses", "")


def test_options(datasets, openpi, tmp_path):
    root = datasets["libero", "v2.1"]
    weights = tmp_path / "my weights" / "params"
    report = write_openpi_run(
        root, tmp_path / "run", init=str(weights), horizon=25, lr=1e-4, seed=3, discrete_state_input=False
    )
    load(report.script)
    pi05, pi0 = openpi._CONFIGS_DICT["pi05_maniskill_pickcube"], openpi._CONFIGS_DICT["pi0_maniskill_pickcube"]
    assert (pi05.model.action_horizon, pi05.model.discrete_state_input, pi05.seed) == (25, False, 3)
    assert (pi05.lr_schedule.peak_lr, pi05.lr_schedule.decay_lr) == (1e-4, 1e-5)
    assert pi05.weight_loader.params_path == str(weights)
    assert pi0.weight_loader.params_path == WEIGHTS["pi0"]
    assert json.loads(report.assets[0].read_text())["mstool"]["horizon"] == 25
    assert any("sees no state" in note for note in report.notes)


def test_the_report(datasets, tmp_path):
    report = write_openpi_run(datasets["libero", "v2.1"], tmp_path / "run")
    text = report.text()
    for words in ("max_token_len", "48", "200", "adaRMSNorm", "quantiles", "uv run", "mstool eval --policy ws://"):
        assert words in text
    document = json.loads(json.dumps(report.to_json()))
    assert document["config"] == "pi05_maniskill_pickcube"
    assert len(document["differences"]) >= 6


def test_every_path_is_absolute(datasets, openpi, tmp_path, monkeypatch):
    """openpi's commands are run in openpi's folder."""
    root = datasets["libero", "v2.1"]
    monkeypatch.chdir(root.parent)
    report = write_openpi_run(Path(root.name), Path("relative"), init="weights/params")
    assert all(f"uv run {root.parent}/relative/run_openpi.py" in command for command in report.commands)
    assert report.then.endswith(f"--dataset {root}")
    monkeypatch.chdir(tmp_path)
    module = load(report.script)
    assert module.check(openpi._CONFIGS_DICT["pi05_maniskill_pickcube"]) is None
    assert module.WEIGHTS["pi05"] == str(root.parent / "weights" / "params")
    assert "uv run relative" not in report.script.read_text()


def test_again(datasets, tmp_path):
    root = datasets["libero", "v2.1"]
    write_openpi_run(root, tmp_path / "run")
    write_openpi_run(root, tmp_path / "run")
    with pytest.raises(UsageError, match="says something else"):
        write_openpi_run(root, tmp_path / "run", steps=3)
    assert "STEPS = 3\n" in write_openpi_run(root, tmp_path / "run", steps=3, overwrite=True).script.read_text()


def test_refused(datasets, tmp_path):
    with pytest.raises(DataError, match=r"is LeRobot v3\.0, and openpi reads v2\.1 alone") as raised:
        write_openpi_run(datasets["libero", "v3.0"], tmp_path / "run")
    root = datasets["libero", "v3.0"]
    assert raised.value.fix == f"mstool export {root} --format v2.1 --output {root}-openpi"
    with pytest.raises(UsageError, match="layout 'native'"):
        write_openpi_run(datasets["native", "v2.1"], tmp_path / "run")
    for wrong in ({"policy": "act"}, {"steps": 0}, {"batch_size": -1}, {"horizon": 0}):
        with pytest.raises(UsageError):
            write_openpi_run(datasets["libero", "v2.1"], tmp_path / "run", **wrong)
    assert not (tmp_path / "run" / "run_openpi.py").exists()


def test_a_missing_camera_is_named(datasets, tmp_path):
    root = with_mode(datasets["libero", "v2.1"], tmp_path / "blind", "pd_ee_delta_pose")
    info = json.loads((root / "meta/info.json").read_text())
    del info["features"]["wrist_image"]
    (root / "meta/info.json").write_text(json.dumps(info))
    with pytest.raises(DataError, match="no column wrist_image") as raised:
        write_openpi_run(root, tmp_path / "run")
    assert raised.value.fix == "convert with --cameras base,wrist"


def test_without_openpi_it_says_where_to_run_it(datasets, tmp_path):
    report = write_openpi_run(datasets["libero", "v2.1"], tmp_path / "a run")
    words = [sys.executable, str(report.script), "train", "--exp-name=b"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "openpi is not in this Python's environment; from openpi's folder: "
        f"uv run {shlex.quote(str(report.script))} train --exp-name=b\n"
    )
