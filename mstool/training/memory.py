"""How much memory a training takes, and how much disk: estimated before any weight is loaded.

Parameters are counted on torch's `meta` device, which has shapes and no numbers. Adam keeps two numbers per trained
parameter in the parameter's own precision, and a gradient has it too:

    bytes = sum over parameters (size * precision * (1 + 3 * trained)) + samples * bytes per sample

Bytes per sample are constants of `presets.py`: the policy's own, and those of its pictures where it does not resize
them. The backward pass and cuDNN's choice of algorithms come on top: an estimate, for choosing a batch size.
"""

import re
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from mstool.training.presets import Preset

_MIB, _GIB = 2**20, 2**30
_REFERENCE = 128 * 128  # pixels of a preset's camera_mib
# Assumed: CUDA's context, cuDNN's workspace, fragmentation.
_OVERHEAD = 1.5 * _GIB


@dataclass(frozen=True)
class Memory:
    """Bytes of a training on one device."""

    parameters: int
    trained: int
    # Weights, gradients, Adam's two moments.
    weights: int
    gradients: int
    optimizer: int
    # Per sample of a batch.
    sample: int
    samples: int
    # One checkpoint on disk.
    checkpoint: int

    @property
    def certain(self) -> int:
        """Bytes that do not depend on the batch size."""
        return self.weights + self.gradients + self.optimizer

    @property
    def total(self) -> int:
        """Bytes of all parts together."""
        return int(self.certain + self.sample * self.samples + _OVERHEAD)

    def samples_that_fit(self, device_bytes: int) -> int:
        """Return the largest batch for a device."""
        return max(0, int((device_bytes - self.certain - _OVERHEAD) // max(1, self.sample)))

    def to_json(self) -> dict[str, int]:
        """Return plain data, bytes."""
        names = ("parameters", "trained", "weights", "gradients", "optimizer", "sample", "total", "checkpoint")
        return {name: int(getattr(self, name)) for name in names}


def estimate(config: Any, preset: Preset, *, samples: int, lora: bool) -> Memory | None:
    """Estimate a training's memory; None where the policy's parts are described on a hub that cannot be reached.

    Parameters
    ----------
    config
        The policy's LeRobot config, features included.
    preset
        Which parameters no loss reaches, adapters, memory per sample.
    samples
        Samples per step on one device.
    lora
        Train adapters only.

    """
    shapes = _parameters(config)
    if shapes is None:
        return None
    total = weights = gradients = trained = 0
    for name, shape, size, learns in shapes:
        count = _product(shape)
        total += count
        weights += count * size
        if lora:
            # peft keeps adapters in float32; modules trained in full are a second copy.
            added = _added(name, shape, preset)
            weights += 4 * added
            trained += added
            gradients += 4 * added
        elif learns and not any(part in name for part in preset.unused):
            trained += count
            gradients += count * size
    checkpoint = (gradients if lora else weights) + 2 * gradients
    return Memory(
        parameters=total,
        trained=trained,
        weights=weights,
        gradients=gradients,
        optimizer=2 * gradients,
        sample=int(_sample_mib(config, preset) * _MIB),
        samples=samples,
        checkpoint=checkpoint,
    )


def _parameters(config: Any) -> list[tuple[str, tuple[int, ...], int, bool]] | None:
    import torch
    from lerobot.policies.factory import get_policy_class

    shadow = deepcopy(config)
    shadow.device = "meta"
    shadow.pretrained_path = None
    try:
        with torch.device("meta"):
            policy = get_policy_class(config.type)(shadow)
    except (OSError, NotImplementedError, RuntimeError):
        return None
    named: Iterable[tuple[str, Any]] = [*policy.named_parameters(), *policy.named_buffers()]
    return [(name, tuple(t.shape), t.element_size(), bool(t.requires_grad)) for name, t in named]


def _added(name: str, shape: tuple[int, ...], preset: Preset) -> int:
    module, _, kind = name.rpartition(".")
    if any(module.endswith(full) for full in preset.lora_full):
        return _product(shape)
    if kind == "weight" and preset.lora_targets and re.fullmatch(preset.lora_targets, module):
        # B (out, r) and A (r, in): arXiv 2106.09685, section 4.1.
        return preset.lora_rank * sum(shape)
    return 0


def _sample_mib(config: Any, preset: Preset) -> float:
    area = sum(feature.shape[-1] * feature.shape[-2] for feature in config.image_features.values()) / _REFERENCE
    return preset.sample_mib + preset.camera_mib * area


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
