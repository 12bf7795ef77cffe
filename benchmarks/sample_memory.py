"""What one sample of a batch keeps in memory until its backward pass, for the presets of `mstool finetune`.

    python benchmarks/sample_memory.py

One forward pass of 2 and of 4 samples on the CPU, two cameras of 128 and of 256 pixels; `saved_tensors_hooks` sees
every tensor that autograd keeps. The difference of the two batches is a sample's part: a policy's own, and each
camera's. In the precision that the preset trains in on a GPU: bfloat16 for flow, float32 for act and diffusion.
"""

from collections.abc import Callable

import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies.factory import get_policy_class, make_policy_config

from mstool.training.config import register
from mstool.training.presets import PRESETS

CAMERAS = ("observation.images.image", "observation.images.image2")


def saved_bytes(name: str, samples: int, pixels: int) -> int:
    """Return the bytes that autograd keeps of one forward pass, weights left out."""
    preset = PRESETS[name]
    values = {preset.chunk_field: preset.chunk.value, "n_action_steps": preset.n_action_steps.value}
    values |= {key: value.value for key, value in {**preset.training, **preset.architecture}.items()}
    config = make_policy_config(name, device="cpu", **values)
    config.input_features = {key: PolicyFeature(FeatureType.VISUAL, (3, pixels, pixels)) for key in CAMERAS}
    config.input_features["observation.state"] = PolicyFeature(FeatureType.STATE, (8,))
    config.output_features = {"action": PolicyFeature(FeatureType.ACTION, (7,))}
    policy = get_policy_class(name)(config).train()
    past = () if config.observation_delta_indices is None else (len(config.observation_delta_indices),)
    window = len(config.action_delta_indices)
    batch = {key: torch.rand(samples, *past, 3, pixels, pixels) for key in CAMERAS} | {
        "observation.state": torch.rand(samples, *past, 8),
        "action": torch.rand(samples, window, 7),
        "action_is_pad": torch.zeros(samples, window, dtype=torch.bool),
        "observation.language.tokens": torch.ones(samples, 32, dtype=torch.long),
    }
    weights = {parameter.untyped_storage().data_ptr() for parameter in policy.parameters()}
    seen: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    same: Callable[[torch.Tensor], torch.Tensor] = lambda tensor: tensor  # noqa: E731
    half = torch.autocast("cpu", dtype=torch.bfloat16, enabled=name == "flow")
    with torch.autograd.graph.saved_tensors_hooks(keep, same), half:
        graph = policy.forward(batch)  # kept while its tensors are counted
    del graph
    return sum(seen.values())


def main() -> None:
    """Print one line per policy."""
    register()
    print("policy     MiB per sample  + per camera and 128x128 pixels")
    for name in ("flow", "act", "diffusion"):
        small, large = (
            (saved_bytes(name, 4, pixels) - saved_bytes(name, 2, pixels)) / 2 / 2**20 for pixels in (128, 256)
        )
        # Two cameras of 256 pixels are eight areas of 128x128, of 128 pixels two.
        camera = (large - small) / 6
        print(f"{name:10} {small - 2 * camera:14.1f}  {camera:.1f}")


if __name__ == "__main__":
    main()
