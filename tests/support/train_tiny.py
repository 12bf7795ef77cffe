"""One process of several: a tiny flow policy, trained on CPUs as `mstool finetune` does on GPUs.

Run as: ACCELERATE_USE_CPU=1 torchrun --nproc_per_node 2 tests/support/train_tiny.py DATASET OUTPUT STEPS
"""

import json
import sys
from pathlib import Path

import torch

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


def main() -> None:
    """Train; process 0 prints the report."""
    dataset, output, steps = sys.argv[1:]
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


if __name__ == "__main__":
    main()
