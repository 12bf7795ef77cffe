"""The network: ResNet-18 per camera, a transformer over what is observed, an action expert with adaRMSNorm.

Shapes: B frames, C cameras, K noise draws per frame, N observation tokens, H actions in a chunk, D action dimensions,
W width.
"""

import math
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its name everywhere

# How much wider than its first stage ResNet-18's last one is.
_RESNET_GROWTH = 8


def sinusoidal(t: Tensor, width: int, shortest: float = 4e-3, longest: float = 4.0) -> Tensor:
    """Embed scalars (M,) as (M, width): sines and cosines with periods from `shortest` to `longest`.

    The periods are Pi0's for times in [0, 1] (arXiv 2410.24164).
    """
    share = torch.linspace(0.0, 1.0, width // 2, device=t.device, dtype=torch.float32)
    period = shortest * (longest / shortest) ** share
    angle = 2 * math.pi * t.float()[:, None] / period
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps), then a learnt scale per channel (arXiv 1910.07467)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (..., W) over its last axis."""
        return rms(x) * self.scale.to(x.dtype)


class AdaRMSNorm(nn.Module):
    """RMSNorm whose scale, shift and gate are linear in a condition; all three are 0 at first.

    y = rms(x) * (1 + scale(c)) + shift(c); a block adds gate(c) * f(y) to x, so it starts as the identity. Pi0.5's
    action expert receives the flow's time in this way (arXiv 2504.16054; the zero start is DiT's, arXiv 2212.09748).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(width, 3 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return y and the gate: x (M, H, W), condition (M, W) -> (M, H, W), (M, 1, W)."""
        scale, shift, gate = self.modulation(condition)[:, None].chunk(3, dim=-1)
        return rms(x) * (1 + scale) + shift, gate


def rms(x: Tensor, eps: float = 1e-6) -> Tensor:
    """Divide by the root mean square over the last axis, computed in float32."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


class Attention(nn.Module):
    """Multi-head attention of `x` (M, H, W) to `context` (M', N, W); draws may share one context."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width, bias=False)
        self.kv = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """With M = M' * K, the K draws of a frame are queries of one attention; mask (M', N) is True where to look."""
        frames, tokens, width = context.shape
        q = self.q(x).reshape(frames, -1, self.heads, width // self.heads).transpose(1, 2)
        k, v = self.kv(context).reshape(frames, tokens, 2, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=None if mask is None else mask[:, None, None])
        return self.out(attended.transpose(1, 2).reshape(x.shape))


class FeedForward(nn.Module):
    """Two gated layers (GEGLU, arXiv 2002.05202), as in Gemma."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * 3 * width, bias=False)
        self.down = nn.Linear(3 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Apply to every token of x (..., W)."""
        gate, value = self.up(x).chunk(2, dim=-1)
        return self.down(F.gelu(gate, approximate="tanh") * value)


class ObservationLayer(nn.Module):
    """Self-attention and feed-forward over observation tokens, normalised before each."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(RMSNorm(width) for _ in range(2))
        self.attention = Attention(width, heads)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Update x (B, N, W); mask (B, N) is True where there is something to look at."""
        normed = self.norms[0](x)
        x = x + self.attention(normed, normed, mask)
        return x + self.feed_forward(self.norms[1](x))


class ActionLayer(nn.Module):
    """Action tokens look at each other, then at the observation, then feed forward; adaRMSNorm before each."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(AdaRMSNorm(width) for _ in range(3))
        self.own = Attention(width, heads)
        self.cross = Attention(width, heads)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Tensor, condition: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """Update x (B*K, H, W) under condition (B*K, W) with context (B, N, W)."""
        y, gate = self.norms[0](x, condition)
        x = x + gate * self.own(y, y)
        y, gate = self.norms[1](x, condition)
        x = x + gate * self.cross(y, context, mask)
        y, gate = self.norms[2](x, condition)
        return x + gate * self.feed_forward(y)


class ObservationEncoder(nn.Module):
    """Pictures, state and instruction to tokens (B, N, W)."""

    def __init__(
        self,
        *,
        cameras: int,
        image_size: tuple[int, int],
        state_size: int,
        backbone_width: int,
        width: int,
        heads: int,
        layers: int,
        vocabulary: int,
        max_words: int,
    ) -> None:
        super().__init__()
        self.backbones = nn.ModuleList(_resnet18(backbone_width) for _ in range(cameras))
        self.project = nn.ModuleList(nn.Linear(_RESNET_GROWTH * backbone_width, width) for _ in range(cameras))
        cells = math.ceil(image_size[0] / 32) * math.ceil(image_size[1] / 32)
        self.place = nn.Parameter(torch.randn(cameras, cells, width) * 0.02)
        self.state = nn.Sequential(nn.Linear(state_size, width), nn.SiLU(), nn.Linear(width, width))
        # Word 0 is no word: it fills up short instructions and is not looked at.
        self.words = nn.Embedding(vocabulary, width)
        self.word_place = nn.Parameter(torch.randn(max_words, width) * 0.02)
        nn.init.normal_(self.words.weight, std=0.02)
        self.layers = nn.ModuleList(ObservationLayer(width, heads) for _ in range(layers))
        self.norm = RMSNorm(width)

    def forward(self, images: Tensor, state: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """Encode images (B, C, 3, H, W) in [-1, 1], state (B, S), word ids (B, L): tokens and mask (B, N)."""
        tokens = []
        for index, (backbone, project) in enumerate(zip(self.backbones, self.project, strict=True)):
            # The pictures alone: weights of this format would give the optimizer a state that safetensors refuses.
            picture = images[:, index].contiguous(memory_format=torch.channels_last)
            # Twice where it is alone: a batch norm in training refuses a single number per channel (32 px, one frame).
            alone = self.training and len(picture) == 1
            features = backbone(picture.expand(2, -1, -1, -1) if alone else picture)[: len(picture)]
            features = features.flatten(2).transpose(1, 2)
            tokens.append(project(features) + self.place[index])
        pictured = torch.cat([*tokens, self.state(state)[:, None]], dim=1)
        x = torch.cat([pictured, self.words(words) + self.word_place], dim=1)
        seen = torch.ones(pictured.shape[:2], dtype=torch.bool, device=x.device)
        mask = torch.cat([seen, words != 0], dim=1)
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x), mask


class ActionExpert(nn.Module):
    """A noisy action chunk, its time and the observation tokens to a prediction of the chunk's shape."""

    def __init__(self, *, action_size: int, chunk_size: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.into = nn.Linear(action_size, width)
        self.place = nn.Parameter(torch.randn(chunk_size, width) * 0.02)
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.layers = nn.ModuleList(ActionLayer(width, heads) for _ in range(layers))
        self.norm = AdaRMSNorm(width)
        self.out = nn.Linear(width, action_size)

    def forward(self, noisy: Tensor, t: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """Predict from noisy (B*K, H, D), t (B*K,), context (B, N, W): (B*K, H, D)."""
        condition = self.time(sinusoidal(t, self.place.shape[-1]).to(noisy.dtype))
        x = self.into(noisy) + self.place
        for layer in self.layers:
            x = layer(x, condition, context, mask)
        return self.out(self.norm(x, condition)[0])


class _ResNet(torchvision.models.ResNet):  # type: ignore[misc]
    """torchvision's, its stages `width` / 64 times as wide."""

    def __init__(self, width: int, **options: Any) -> None:
        self._width = width
        super().__init__(**options)

    def _make_layer(self, block: Any, planes: int, *words: Any, **options: Any) -> nn.Sequential:
        return super()._make_layer(block, planes * self._width // 64, *words, **options)


def _resnet18(width: int) -> nn.Module:
    """ResNet-18 (arXiv 1512.03385) from scratch, without pooling and classes; 64 is its own `width`."""
    block = torchvision.models.resnet.BasicBlock
    net = _ResNet(width, block=block, layers=[2, 2, 2, 2], zero_init_residual=True)
    return nn.Sequential(*list(net.children())[:-2])
