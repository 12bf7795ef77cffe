"""LeRobot's own commands on our datasets and checkpoints: train, go on, evaluate in ManiSkill, serve."""

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import forked
from support.checkpoints import make_checkpoint

from mstool.dataset.conventions import load_conventions
from mstool.errors import UsageError
from mstool.evaluation.gym_env import ManiskillEnv
from mstool.evaluation.lerobot_env import ManiskillEnvConfig
from mstool.evaluation.plan import EvalTask

pytestmark = pytest.mark.sim


def lerobot(command, *words, fresh=False):
    path = str(Path(sys.executable).with_name(f"lerobot-{command}"))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    run = subprocess.run if fresh else forked.run
    done = run([path, *words], capture_output=True, text=True, env=environment, timeout=550, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr


@pytest.mark.timeout(1200)
def test_lerobots_commands(pickcube, tmp_path):
    dataset = pickcube / "v3.0"
    environment = ["--env.type=maniskill", f"--env.dataset={dataset}", "--env.episode_length=4"]
    log = lerobot(
        "train",
        "--dataset.repo_id=test/pickcube",
        f"--dataset.root={dataset}",
        "--dataset.video_backend=pyav",
        "--policy.type=act",
        "--policy.device=cpu",
        "--policy.push_to_hub=false",
        "--policy.pretrained_backbone_weights=null",
        "--policy.dim_model=64",
        "--policy.dim_feedforward=64",
        "--policy.n_encoder_layers=1",
        "--policy.n_vae_encoder_layers=1",
        "--steps=2",
        "--batch_size=2",
        "--num_workers=0",
        "--wandb.enable=false",
        "--log_freq=1",
        "--env_eval_freq=2",
        "--eval.n_episodes=1",
        "--eval.batch_size=1",
        f"--output_dir={tmp_path / 'run'}",
        *environment,
        fresh=True,
    )
    assert re.search(r"step:2 .*loss:\d", log), log[-3000:]
    assert "pc_success" in log or "Suite" in log, log[-3000:]
    assert list((tmp_path / "run").rglob("*.mp4"))
    lerobot(
        "eval",
        f"--policy.path={tmp_path / 'run' / 'checkpoints' / 'last' / 'pretrained_model'}",
        "--policy.device=cpu",
        "--eval.n_episodes=1",
        "--eval.batch_size=1",
        f"--output_dir={tmp_path / 'eval'}",
        *environment,
    )
    result = json.loads((tmp_path / "eval" / "eval_info.json").read_text())
    assert result["overall"]["n_episodes"] == 1
    assert set(result["per_group"]) == {"PickCube-v1"}


MODEL = Path("checkpoints", "last", "pretrained_model")


@pytest.fixture(scope="module")
def runs(tiny, tmp_path_factory):
    """A run of `mstool finetune` per policy that LeRobot's server can answer for: diffusion needs a history."""
    # LeRobot goes on with it in place.
    flow = make_checkpoint(tiny.data("pickcube"), tmp_path_factory.mktemp("runs") / "flow", "flow", steps=2)
    return {"flow": flow, "act": tiny.run("pickcube")}


@pytest.mark.timeout(1200)
def test_lerobot_evaluates_our_checkpoint_and_goes_on_with_it(pickcube, runs, tmp_path):
    """Of all policies `flow` has processor steps of its own, which LeRobot's processes must find."""
    model = runs["flow"] / MODEL
    lerobot(
        "eval",
        f"--policy.path={model}",
        "--policy.device=cpu",
        "--eval.n_episodes=1",
        "--eval.batch_size=1",
        f"--output_dir={tmp_path / 'eval'}",
        "--env.type=maniskill",
        f"--env.dataset={model}",
        "--env.episode_length=4",
    )
    assert json.loads((tmp_path / "eval" / "eval_info.json").read_text())["overall"]["n_episodes"] == 1
    log = lerobot("train", f"--config_path={model / 'train_config.json'}", "--resume=true", "--steps=3")
    assert re.search(r"step:3 .*loss:\d", log), log[-3000:]
    assert (runs["flow"] / MODEL).resolve().parent.name == "000003"


@pytest.mark.timeout(1200)
def test_lerobot_trains_the_bundled_policy(pickcube, tmp_path):
    sizes = ["backbone_width=8", "width=32", "num_heads=2", "observation_layers=1", "action_layers=1"]
    log = lerobot(
        "train",
        "--dataset.repo_id=test/pickcube",
        f"--dataset.root={pickcube / 'v3.0'}",
        "--dataset.video_backend=pyav",
        "--policy.type=flow",
        "--policy.device=cpu",
        "--policy.push_to_hub=false",
        *(f"--policy.{size}" for size in (*sizes, "image_size=[32,32]")),
        "--steps=1",
        "--batch_size=2",
        "--num_workers=0",
        "--log_freq=1",
        f"--output_dir={tmp_path / 'run'}",
    )
    assert re.search(r"step:1 .*loss:\d", log), log[-3000:]


def test_the_asynchronous_server_answers_for_every_policy(pickcube, runs, tmp_path):
    pytest.importorskip("grpc", reason="LeRobot's extra `async` is not installed")
    from support.async_client import ask

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    features = load_conventions(pickcube / "v3.0").features
    server = forked.start(
        [sys.executable, "-m", "lerobot_env_maniskill.policy_server", "--host=127.0.0.1", f"--port={port}"],
        cwd=tmp_path,
    )
    try:
        for kind, run in runs.items():
            chunk = ask(f"127.0.0.1:{port}", kind, run / MODEL, features)
            assert chunk.shape == (3, 7)
            assert np.isfinite(chunk).all()
    finally:
        server.kill()
        server.wait()


def test_the_asynchronous_server_names_the_extra_that_it_lacks(tmp_path):
    if importlib.util.find_spec("grpc"):
        pytest.skip("LeRobot's extra `async` is installed")
    words = [sys.executable, "-m", "lerobot_env_maniskill.policy_server"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "error: 'grpcio' is required" in done.stderr
    assert "lerobot[async]" in done.stderr
    assert "Traceback" not in done.stderr


def test_observations_are_those_of_the_dataset(pickcube):
    """The first training episode's seed gives its first frame; a stored action is executed as it was."""
    import pyarrow.parquet as pq

    conventions = load_conventions(pickcube / "v3.0")
    config = ManiskillEnvConfig(dataset=str(pickcube / "v3.0"))
    assert config.fps == 20
    assert set(config.features_map.values()) == {
        "action",
        "observation.state",
        "observation.images.image",
        "observation.images.image2",
    }
    env = config.create_envs(1)["PickCube-v1"][0]
    assert env.call("task_description")[0] == "pick up the red cube and move it to the green sphere"
    assert env.call("_max_episode_steps")[0] == 150
    seed = min(conventions.seeds("PickCube-v1"))
    with pytest.raises(UsageError, match="is one that the policy was trained on"):
        ManiskillEnv(conventions, EvalTask("PickCube-v1", "", 150, ()), seed_offset=seed - 7).reset(seed=7)
    env.close()

    table = pq.read_table(next((pickcube / "v3.0" / "data").rglob("*.parquet")))
    rows = table.filter(np.asarray(table["episode_index"]) == 0)
    stored = np.stack(rows["observation.state"].to_pylist()).astype(np.float32)
    actions = np.stack(rows["action"].to_pylist()).astype(np.float32)
    unseen = replace(conventions, episodes=[])
    alone = ManiskillEnv(unseen, EvalTask("PickCube-v1", "", 150, ()))
    first, _ = alone.reset(seed=int(conventions.episodes[0]["seed"]))
    np.testing.assert_allclose(first["agent_pos"], stored[0], atol=1e-5)
    assert alone.observation_space.contains(first)
    for step in range(3):
        after, reward, terminated, truncated, info = alone.step(actions[step])
        np.testing.assert_allclose(after["agent_pos"], stored[step + 1], atol=1e-3)
    assert (reward, terminated, truncated, info) == (0.0, False, False, {"is_success": False})
    assert alone.render().shape == (128, 256, 3)
    alone.close()


def test_without_a_dataset():
    with pytest.raises(UsageError, match="no dataset is named"):
        ManiskillEnvConfig().create_envs(1)
