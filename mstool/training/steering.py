"""A frozen policy of another type than `flow`, steered by its noise: what `improve --method dsrl` lays beside it.

    a = policy(o, (w, .., w)),  w = b tanh(mean(z)),  z = features(o)

(DSRL, arXiv 2506.15799.) z are the embeddings that the policy itself computes of each camera's picture, averaged over
4 x 4 cells, that of the prompt, and the normalised state; a fixed random projection makes them narrow.
"""

import math
from pathlib import Path
from typing import Any

import torch
from lerobot.utils.constants import OBS_LANGUAGE_ATTENTION_MASK, OBS_LANGUAGE_TOKENS, OBS_STATE
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from mstool.dataset.files import STEERING_FILE
from mstool.training.flow.improved import Steered
from mstool.training.flow.network import rms, sinusoidal

# The policies whose embeddings this knows to ask for.
TYPES = ("pi05",)
# Of the tokens, and of the attention that reads them.
WIDTH, HEADS = 256, 4
CELLS = 4


class Steering(nn.Module):
    """Features of an observation, and the network that chooses noise by them.

    Parameters
    ----------
    embedding, noise
        Widths of the policy's embeddings and of its noise.
    hidden
        Width of the network's hidden layers.

    """

    projection: Tensor

    def __init__(self, embedding: int, noise: int, hidden: int = 512) -> None:
        super().__init__()
        fixed = torch.randn(embedding, WIDTH, generator=torch.Generator().manual_seed(0))
        self.register_buffer("projection", fixed / math.sqrt(embedding))
        self.actor = Steered(WIDTH, HEADS, noise, hidden=hidden)

    def see(self, policy: Any, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Return features of a normalised batch as tokens (B, N, W), and their mask (B, N)."""
        policy = plain(policy)
        embed = policy.model.paligemma_with_expert
        images, there = policy._preprocess_images(batch)
        tokens, marks = [], []
        for image, real in zip(images, there, strict=True):
            cells = embed.embed_image(image).float()
            side = math.isqrt(cells.shape[1])
            cells = F.adaptive_avg_pool2d(cells.transpose(1, 2).unflatten(2, (side, side)), CELLS)
            tokens.append(cells.flatten(2).transpose(1, 2))
            marks.append(real[:, None].expand(-1, CELLS * CELLS))
        said = batch[OBS_LANGUAGE_ATTENTION_MASK].float()[..., None]
        words = embed.embed_language_tokens(batch[OBS_LANGUAGE_TOKENS]).float()
        tokens.append(((words * said).sum(1) / said.sum(1).clamp(min=1))[:, None])
        narrow = rms(torch.cat(tokens, dim=1)) @ self.projection
        state = batch[OBS_STATE].float()
        # As loud as the others, whose numbers are about one.
        alone = F.pad(state, (0, WIDTH - state.shape[1])) * math.sqrt(WIDTH / state.shape[1])
        found = torch.cat([narrow, alone[:, None]], dim=1)
        place = torch.linspace(0, 1, found.shape[1], device=found.device)
        return found + sinusoidal(place, WIDTH), torch.cat([*marks, marks[0][:, :1].new_ones(len(state), 2)], dim=1)

    def noise(self, policy: Any, batch: dict[str, Any], steps: int) -> Tensor:
        """Choose the noise (B, steps, D) of a normalised batch."""
        chosen = self.actor.noise(self.actor(*self.see(policy, batch))[0])
        return chosen[:, None].expand(-1, steps, -1)


def begin(policy: Any, hidden: int = 512) -> Steering:
    """Return an untrained one for a policy."""
    policy = plain(policy)
    embedding = policy.model.paligemma_with_expert.paligemma.config.text_config.hidden_size
    return Steering(embedding, policy.config.max_action_dim, hidden)


def plain(policy: Any) -> Any:
    """Return the policy itself of one with adapters."""
    return policy.get_base_model() if hasattr(policy, "get_base_model") else policy


def save(steering: Steering, folder: Path) -> None:
    """Write it beside a policy's weights."""
    save_file({name: value.cpu().contiguous() for name, value in steering.state_dict().items()}, folder / STEERING_FILE)


def load(folder: Path, device: str) -> Steering | None:
    """Return what lies beside a policy's weights, None where there is nothing."""
    if not (folder / STEERING_FILE).is_file():
        return None
    weights = load_file(folder / STEERING_FILE, device)
    last = weights["actor.net.9.weight"]
    steering = Steering(len(weights["projection"]), len(last) // 2, last.shape[1])
    steering.load_state_dict(weights)
    return steering.to(device).eval()
