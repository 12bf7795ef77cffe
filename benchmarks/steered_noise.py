"""How much of what a flow policy's noise changes in the executed actions is in a chunk's slowest waves.

    python benchmarks/steered_noise.py RUN DATASET [--frames 16] [--replan 16]

For frames of the dataset the mean over the executed actions of a chunk is drawn with noise whose first 1, 2, 4 or 8
waves (orthonormal cosines over the chunk, `mstool.training.flow.improved`) are held while the others vary, and the
share of the variance over all noise is told that is explained by what is held. `one vector` is the same noise for every
action of a chunk, as DSRL gives pi0 (arXiv 2506.15799): how much wider its actions spread than the policy's own, in
standard deviations.
Writes `benchmarks/results/steered_noise.json`.
"""

import argparse
import json
import math
import tempfile
from pathlib import Path

import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from torch import Tensor

from mstool.cli.output import table
from mstool.dataset.view import DatasetView
from mstool.evaluation.policies.lerobot_checkpoint import load_checkpoint
from mstool.training.frame_cache import cached, collate_rows

RESULTS = Path(__file__).parent / "results"
HELD, OTHERS, OWN = 8, 6, 48


class Draws:
    """The executed part of chunks that a policy draws for some frames of a dataset."""

    def __init__(self, run: Path, root: Path, frames: int, replan: int) -> None:
        loaded = load_checkpoint(run, "cpu")
        self.policy, self.replan = loaded.policy, replan
        config = loaded.config
        self.steps, self.size = config.chunk_size, config.action_feature.shape[0]
        deltas = {"action": [step / DatasetView(root).fps for step in range(self.steps)]}
        data = LeRobotDataset(
            "local/steered", root=root, episodes=list(range(6)), delta_timestamps=deltas, video_backend="pyav"
        )
        with tempfile.TemporaryDirectory() as scratch:
            data = cached(data, Path(scratch) / "frames", config.image_size, processes=1)
            chosen = torch.linspace(0, len(data) - 1, frames).round().int().tolist()
            batch = loaded.before(collate_rows(data.__getitems__(chosen)))
            self.tokens, self.mask = self.policy.encode(batch)

    def mean(self, noise: Tensor) -> Tensor:
        """Return the mean executed action (B, M, D) of noise (B, M, H, D)."""
        many = noise.shape[1]
        seen = (each.repeat_interleave(many, 0) for each in (self.tokens, self.mask))
        return self.policy._draw(noise.flatten(0, 1), *seen).float().reshape(noise.shape)[:, :, : self.replan].mean(2)

    def noise(self, *shape: int) -> Tensor:
        """Draw noise (B, *shape, H, D)."""
        return torch.randn(len(self.tokens), *shape, self.steps, self.size)


def held(draws: Draws, count: int) -> Tensor:
    """Return the variance (D,) between draws that differ in the first `count` waves, what the others add taken off."""
    at = torch.cos(math.pi / draws.steps * (torch.arange(draws.steps) + 0.5) * torch.arange(count)[:, None])
    basis = at / at.norm(dim=1, keepdim=True)
    slow, fast = draws.noise(HELD, 1), draws.noise(1, OTHERS)
    low, high = (basis.T @ (basis @ each) for each in (slow, fast))
    found = draws.mean((low + fast - high).flatten(1, 2)).unflatten(1, (HELD, OTHERS))
    return found.mean(2).var(1).mean(0) - found.var(2).mean((0, 1)) / OTHERS


@torch.no_grad()
def measure(draws: Draws) -> dict[str, float]:
    """Return the share that each number of waves explains, over all dimensions, and how wide one vector spreads."""
    torch.manual_seed(0)
    own = draws.mean(draws.noise(OWN)).var(1).mean(0)
    shares = {f"{count} waves": float(held(draws, count).sum() / own.sum()) for count in (1, 2, 4, 8)}
    alike = draws.noise(OWN)[:, :, :1].expand(-1, -1, draws.steps, -1)
    return {**shares, "one vector": float((draws.mean(alike).var(1).mean(0).sum() / own.sum()).sqrt())}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--replan", type=int, default=16)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    found = measure(Draws(options.run, options.dataset, options.frames, options.replan))
    path = options.output / "steered_noise.json"
    document = json.loads(path.read_text()) if path.is_file() else {}
    document[options.run.name] = {name: round(value, 3) for name, value in found.items()}
    path.write_text(json.dumps(document, indent=1) + "\n")
    rows = [{"policy": name, **{k: f"{v:.2f}" for k, v in each.items()}} for name, each in document.items()]
    print(table(rows, list(rows[0])))


if __name__ == "__main__":
    main()
