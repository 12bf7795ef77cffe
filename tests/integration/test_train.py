"""LeRobot's own training command runs on what `mstool convert` wrote."""

import os
import re
import subprocess
import sys
from pathlib import Path


def test_two_steps_of_act_on_cpu(pickcube, tmp_path):
    command = [
        str(Path(sys.executable).with_name("lerobot-train")),
        "--dataset.repo_id=test/pickcube",
        f"--dataset.root={pickcube / 'v3.0'}",
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
        "--log_freq=1",
        "--wandb.enable=false",
        "--save_checkpoint=false",
        f"--output_dir={tmp_path / 'run'}",
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500, check=False)
    log = done.stdout + done.stderr
    assert done.returncode == 0, log[-3000:]
    assert re.search(r"step:2 .*loss:\d", log), log[-3000:]
