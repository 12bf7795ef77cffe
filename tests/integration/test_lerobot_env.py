"""LeRobot's own commands: `lerobot-train` on our dataset, evaluating in ManiSkill; `lerobot-eval` on its checkpoint."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mstool.conventions import load_conventions
from mstool.errors import UsageError
from mstool.evaluation.gym_env import ManiskillEnv
from mstool.evaluation.lerobot_env import ManiskillEnvConfig
from mstool.evaluation.plan import Task

pytestmark = pytest.mark.sim


def lerobot(command, *words):
    path = str(Path(sys.executable).with_name(f"lerobot-{command}"))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([path, *words], capture_output=True, text=True, env=environment, timeout=550, check=False)
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
        ManiskillEnv(conventions, Task("PickCube-v1", "", 150, ()), seed_offset=seed - 7).reset(seed=7)
    env.close()

    table = pq.read_table(next((pickcube / "v3.0" / "data").rglob("*.parquet")))
    rows = table.filter(np.asarray(table["episode_index"]) == 0)
    stored = np.stack(rows["observation.state"].to_pylist()).astype(np.float32)
    actions = np.stack(rows["action"].to_pylist()).astype(np.float32)
    unseen = replace(conventions, episodes=[])
    alone = ManiskillEnv(unseen, Task("PickCube-v1", "", 150, ()))
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
