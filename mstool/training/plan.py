"""The whole plan of a training, before anything is loaded or written."""

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mstool.dataset.conventions import Conventions
from mstool.dataset.training import ACTION, STATE, Facts
from mstool.errors import SetupError
from mstool.hub_files import HubFiles
from mstool.training.expected import Expected
from mstool.training.keys import FORMULAS, InputKeys
from mstool.training.machine import free_disk
from mstool.training.memory import Memory
from mstool.training.options import FinetuneOptions
from mstool.training.pictures import Cache

_GIB = 2**30


@dataclass(frozen=True)
class Plan:
    """What will be done, for people and for machines."""

    options: FinetuneOptions
    facts: Facts
    # None for a dataset that does not say what its numbers mean: made elsewhere, or its record is lost.
    conventions: Conventions | None
    # Validation target that the dataset must pass, and the fingerprint of its content.
    target: str
    content_hash: str
    keys: InputKeys
    # LeRobot's TrainPipelineConfig as plain data.
    config: Mapping[str, Any]
    reasons: tuple[tuple[str, Any, str], ...]
    # Normalisation mode per kind of feature.
    norm: Mapping[str, str]
    # Where the weights come from, in words.
    start: str
    # What of it is on a hub.
    downloads: tuple[HubFiles, ...]
    device: str
    device_bytes: int | None
    memory: Memory | None
    cache: Cache | None
    gpus: int
    # Steps done already.
    first_step: int = 0
    # How long the run takes where it ends by time, not by steps.
    minutes: float | None = None
    # What was measured of the dataset's tasks, where the policy is the bundled one.
    expected: tuple[Expected, ...] = ()
    # Episodes that are not trained on, and their frames.
    held_out: tuple[int, int] = (0, 0)

    @property
    def epoch(self) -> int:
        """How many frames are trained on."""
        return self.facts.frames - self.held_out[1]

    @property
    def steps(self) -> int:
        """The step that the run ends at."""
        return int(self.config["steps"])

    @property
    def checkpoints(self) -> int:
        """How many are still to be written; of a run that ends by time, the one at its end."""
        if self.minutes:
            return 1
        every = int(self.config["save_freq"])
        return math.ceil(self.steps / every) - self.first_step // every

    @property
    def disk(self) -> int | None:
        """Bytes of the checkpoints still to be written."""
        return None if self.memory is None else self.checkpoints * self.memory.checkpoint

    @property
    def launch(self) -> str:
        """The command for all GPUs of this machine."""
        words = shlex.split(self.options.command())[1:]
        return shlex.join(
            ["accelerate", "launch", "--num_processes", str(max(2, self.gpus)), "-m", "mstool.cli", *words]
        )

    def normalised(self) -> list[dict[str, str]]:
        """Return one row per column that is read: its name in the policy, its shape and normalisation."""
        rows = []
        for key, name in self.keys.mapped.items():
            kind = {STATE: "STATE", ACTION: "ACTION"}.get(key, "VISUAL" if key in self.facts.cameras else "ENV")
            mode = self.norm.get(kind, "IDENTITY")
            shape = "x".join(str(size) for size in self.facts.features[key]["shape"])
            formula = "ImageNet's mean and std" if kind == "VISUAL" and mode == "MEAN_STD" else FORMULAS.get(mode, "")
            rows.append({"column": key, "input": name, "shape": shape, "normalisation": f"{mode}: {formula}"})
        return rows

    @property
    def obstacle(self) -> SetupError | None:
        """What this machine lacks for the training: weights, disk or memory; None where it lacks nothing."""
        missing = [files for files in self.downloads if files.missing]
        if missing:
            return SetupError(
                "\n  ".join(f"{files.name}: {files.missing}" for files in missing),
                fix="\n  ".join(files.download for files in missing),
            )
        free = free_disk(self.options.output)
        if self.disk is not None and self.memory is not None and self.disk > free:
            fits = free // self.memory.checkpoint
            every = math.ceil((self.steps - self.first_step) / fits) if fits else 0
            return SetupError(
                f"{self.checkpoints} checkpoints of {self.memory.checkpoint / _GIB:.1f} GiB need "
                f"{self.disk / _GIB:.1f} GiB; {free / _GIB:.1f} GiB are free at {self.options.output}",
                # Where checkpoints are evaluated, that says when one is kept.
                fix=self.options.command(**{"eval_freq" if self.options.eval_freq else "save_every": every})
                if fits
                else self.options.command(output="ELSEWHERE"),
            )
        if self.memory and self.device_bytes and self.memory.certain > self.device_bytes and not self.options.force:
            return SetupError(
                f"weights, gradients and optimizer take {self.memory.certain / _GIB:.1f} GiB, the device has "
                f"{self.device_bytes / _GIB:.1f} GiB: no batch size makes them fit",
                fix="add --lora" if self.options.policy == "pi05" and not self.options.lora else "use a larger GPU",
            )
        return None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        samples = int(self.config["batch_size"])
        return {
            "policy": self.options.policy,
            "dataset": str(self.options.dataset),
            "episodes": self.facts.episodes,
            "frames": self.facts.frames,
            "target": self.target,
            "dataset_hash": self.content_hash,
            "start": self.start,
            "missing": [
                {"name": files.name, "why": files.missing, "download": files.download}
                for files in self.downloads
                if files.missing
            ],
            "first_step": self.first_step,
            "steps": None if self.minutes else self.steps,
            "minutes": self.minutes,
            "batch_size": samples,
            "held_out": dict(zip(("episodes", "frames"), self.held_out, strict=True)),
            "steps_per_epoch": math.ceil(self.epoch / samples),
            "epochs": None if self.minutes else round(self.steps * samples / max(1, self.epoch), 2),
            "keys": dict(self.keys.mapped),
            "renamed": dict(self.keys.renamed),
            "empty_cameras": list(self.keys.empty),
            "unread": list(self.keys.unread),
            "normalisation": self.normalised(),
            "device": self.device,
            "memory_bytes": self.memory.to_json() if self.memory else None,
            "cache": {"folder": str(self.cache.folder), "bytes": self.cache.bytes} if self.cache else None,
            "expected": [each.to_json() for each in self.expected],
            "checkpoints": self.checkpoints,
            "disk_bytes": self.disk,
            "output": str(self.options.output),
            "several_gpus": self.launch,
            "reasons": [{"name": name, "value": value, "why": why} for name, value, why in self.reasons],
            "config": dict(self.config),
        }
