"""Tiny checkpoints for a dataset, as `mstool finetune` writes them: quick to load, never successful."""

from pathlib import Path

import torch

from mstool.training.options import FinetuneOptions
from mstool.training.prepare import prepare
from mstool.training.run import finetune
from support.converted import copied, made, once
from support.shards import make_dataset, make_episode

TINY = {
    "act": {
        "dim_model": 32,
        "n_heads": 2,
        "dim_feedforward": 32,
        "n_encoder_layers": 1,
        "n_vae_encoder_layers": 1,
        "chunk_size": 10,
        "n_action_steps": 5,
    },
    "flow": {
        "backbone_width": 8,
        "width": 32,
        "num_heads": 2,
        "observation_layers": 1,
        "action_layers": 1,
        "chunk_size": 8,
        "n_action_steps": 4,
        "num_inference_steps": 2,
        "image_size": (64, 64),
    },
    "diffusion": {
        "down_dims": (32, 64),
        "horizon": 8,
        "n_action_steps": 4,
        "drop_n_last_frames": 1,
        "num_inference_steps": 2,
        "crop_shape": None,
        "use_separate_rgb_encoder_per_camera": False,
        "pretrained_backbone_weights": None,
    },
}


def make_checkpoint(root, run, kind="act", *, steps=1, init=None):
    """Train a tiny policy on the dataset `root` into `run`, and return `run`.

    `force` because datasets of `support.shards` are noise, which no target takes.
    """
    torch.set_num_threads(1)
    options = FinetuneOptions(
        dataset=root, policy=kind, output=run, steps=steps, batch_size=2, num_workers=0, device="cpu",
        cache_frames="off", force=True, init=init, overrides=() if init else tuple(TINY[kind].items()),
    )  # fmt: skip
    finetune(prepare(options, notify=lambda _line: None))
    return run


class Tiny:
    """Such checkpoints, each trained once per test run and shared by both test processes: copy before changing one.

    Parameters
    ----------
    base
        A folder that all test processes of this run share.

    """

    def __init__(self, base: Path) -> None:
        self._base = base

    def data(self, name: str) -> Path:
        """Return a copy of what `convert` made, v3.0, for a verdict is kept inside; "noise" is two random episodes."""

        def noise(root: Path) -> None:
            work = root.with_name(f"{root.name}.work")
            episodes = [make_episode(work, seed=seed, frames=12, size=(64, 64)) for seed in range(2)]
            make_dataset(root, work, {"v3.0": "video"}, episodes)

        def copy(root: Path) -> None:
            copied(made(self._base, name) / "v3.0", root)

        return once(self._base, f"tiny_{name}", noise if name == "noise" else copy)

    def run(self, name: str, kind: str = "act") -> Path:
        """Return a run of one step on that dataset."""
        return once(self._base, f"tiny_{name}_{kind}", lambda run: make_checkpoint(self.data(name), run, kind))
