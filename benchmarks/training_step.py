"""What a training step of the bundled policy takes on this machine, part by part, with pictures that are there already.

    python benchmarks/training_step.py [--batch-size 512] [--device cuda] [--output benchmarks/results]

Two cameras of 128 px, random pictures, one process, `--compile off` (every kernel launched from Python) against `auto`
(recorded as CUDA graphs, on a GPU alone). What a real step takes beyond it is the batch's way from the loader: `data_s`
of a training's log. Writes `training_step.json` and `.md`; what the page says was found is kept.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from flow_ten_tasks import RESULTS, machine, write_page
from lerobot.configs.types import FeatureType, PolicyFeature
from torch import Tensor

from mstool.cli.output import table
from mstool.training.flow.augmentation import jitter, shift
from mstool.training.flow.configuration_flow import FlowConfig
from mstool.training.flow.modeling_flow import FlowPolicy

NAME = "training_step"
CAMERAS = ("observation.images.image", "observation.images.wrist_image")
SIZE = 128


class Step:
    """A policy, its optimizer and a batch."""

    def __init__(self, device: str, frames: int) -> None:
        pictures = {camera: PolicyFeature(FeatureType.VISUAL, (3, SIZE, SIZE)) for camera in CAMERAS}
        config = FlowConfig(
            device=device,
            image_size=(SIZE, SIZE),
            input_features={**pictures, "observation.state": PolicyFeature(FeatureType.STATE, (8,))},
            output_features={"action": PolicyFeature(FeatureType.ACTION, (7,))},
        )
        self.device, self.config = device, config
        self.policy = FlowPolicy(config).to(device).train()
        self.optimizer = torch.optim.AdamW(self.policy.get_optim_params(), lr=config.optimizer_lr)
        chunk = config.chunk_size
        self.batch = {
            **{camera: torch.rand(frames, 3, SIZE, SIZE, device=device) for camera in CAMERAS},
            "observation.state": torch.randn(frames, 8, device=device),
            "observation.language.tokens": torch.randint(1, config.vocabulary, (frames, config.max_words)).to(device),
            "action": torch.randn(frames, chunk, 7, device=device),
            "action_is_pad": torch.zeros(frames, chunk, dtype=torch.bool, device=device),
        }
        self.images = torch.stack([self.batch[camera] for camera in CAMERAS], dim=1)
        self.seen = self.images, self.batch["observation.state"], self.batch["observation.language.tokens"]

    def whole(self) -> None:
        """Do a step as LeRobot's loop does it, which waits for the loss."""
        with self._autocast():
            loss, _ = self.policy.forward(self.batch)
        loss.backward()
        self.clip()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.policy.update()
        loss.item()

    def augment(self) -> Tensor:
        """Shift and jitter the pictures."""
        return jitter(shift(self.images, self.config.shift_pixels), self.config.jitter)

    def encode(self) -> tuple[Tensor, Tensor]:
        """Run the encoder forward and back."""
        with self._autocast():
            context, mask = self.policy.model.encoder(*self.seen)
        context.backward(torch.ones_like(context))
        return context.detach(), mask

    def predict(self, context: Tensor, mask: Tensor) -> None:
        """Run the action expert forward and back."""
        chunks = len(context) * self.config.noise_draws
        noisy, t = (
            torch.randn(chunks, self.config.chunk_size, 7, device=self.device),
            torch.rand(chunks).to(self.device),
        )
        with self._autocast():
            predicted = self.policy.model.expert(noisy, t, context.requires_grad_(), mask)
        predicted.backward(torch.ones_like(predicted))

    def clip(self) -> None:
        """Clip the gradient."""
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda")


def measured(do: Callable[[], object], repeats: int, device: str) -> float:
    """Return the milliseconds of a call, after three that are not counted."""
    for _ in range(min(3, repeats)):
        do()
    _wait(device)
    began = time.perf_counter()
    for _ in range(repeats):
        do()
    _wait(device)
    return 1000 * (time.perf_counter() - began) / repeats


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def parts(device: str, frames: int, repeats: int) -> list[dict[str, str]]:
    """Measure every part."""
    step, rows = Step(device, frames), []

    def add(name: str, do: Callable[[], object]) -> None:
        rows.append({"part": name, "ms": f"{measured(do, repeats, device):.1f}"})
        print(rows[-1], flush=True)

    add("a step, every kernel launched", step.whole)
    if step.policy.record_network():
        step.whole()
        add("a step, recorded", step.whole)
    add("shift and jitter", step.augment)
    add("encoder, forward and back", step.encode)
    context, mask = step.encode()
    add("action expert, forward and back", lambda: step.predict(context, mask))
    for weight in step.policy.model.parameters():
        weight.grad = torch.zeros_like(weight)
    add("clip", step.clip)
    add("AdamW", step.optimizer.step)
    add("average of the weights", step.policy.update)
    return rows


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.backends.cudnn.benchmark = True  # as LeRobot's loop has it
    rows = parts(options.device, options.batch_size, options.repeats)
    document = {"machine": machine(), "batch_size": options.batch_size, "parts": rows}
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / f"{NAME}.json").write_text(json.dumps(document, indent=1) + "\n")
    lines = [
        "# A training step of the bundled policy",
        f"{machine()}, batch {options.batch_size}, two views of {SIZE} px",
    ]
    lines.append(f"```\n{table(rows, list(rows[0]))}\n```")
    write_page(options.output / f"{NAME}.md", lines)


if __name__ == "__main__":
    main()
