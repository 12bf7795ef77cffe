"""A tiny flow policy, trained by two processes on CPUs as `mstool finetune` does on GPUs.

Run as: tests/support/train_tiny.py DATASET OUTPUT STEPS
"""

import json
import os
import sys
from pathlib import Path

import torch
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from mstool.errors import MstoolError
from mstool.training.options import FinetuneOptions
from mstool.training.prepare import prepare
from mstool.training.run import finetune

FLOW = {
    "image_size": (32, 32),
    "backbone_width": 8,
    "width": 32,
    "num_heads": 2,
    "observation_layers": 1,
    "action_layers": 1,
    "shift_pixels": 2,
    "chunk_size": 8,
    "n_action_steps": 4,
    "vocabulary": 64,
    "ema_decay": 0.5,
}


def train(dataset: str, output: str, steps: str) -> None:
    """Train; process 0 prints the report."""
    os.setsid()  # as the launcher starts programs: it alone passes Ctrl-C on
    torch.set_num_threads(1)
    options = FinetuneOptions(
        dataset=Path(dataset), policy="flow", output=Path(output), steps=int(steps), batch_size=4, lr=3e-3, log_every=1,
        num_workers=1, device="cpu", cache_frames="memory", overrides=tuple(FLOW.items()),
    )  # fmt: skip
    try:
        report = finetune(prepare(options, notify=lambda _line: None))
    except MstoolError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    sys.stdout.write(json.dumps(report.to_json()) + "\n")


def main() -> None:
    """Launch two such processes, forked from this one, which has imported all."""
    os.environ["ACCELERATE_USE_CPU"] = "1"
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=2, rdzv_backend="c10d", rdzv_endpoint="localhost:0", max_restarts=0,
        start_method="fork",
    )  # fmt: skip
    elastic_launch(config, train)(*sys.argv[1:])


if __name__ == "__main__":
    main()
