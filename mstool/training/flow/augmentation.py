"""Pictures to the network's size, and varied in training: (B, C, 3, H, W) in [0, 1]."""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its name everywhere


def reduce_to(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Average areas of an image (B, 3, H, W), uint8 or float in [0, 1], down to `size`: float (B, 3, h, w).

    The frame cache stores what this gives, rounded to uint8, so a cached frame stays as it is here.
    """
    if image.dtype == torch.uint8:
        image = image.float() / 255
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    return F.interpolate(image, size=size, mode="area")


def shift(images: Tensor, pixels: int) -> Tensor:
    """Move every picture by up to `pixels` whole pixels each way, edges repeated (DrQ-v2, arXiv 2107.09645)."""
    if not pixels:
        return images
    height, width = images.shape[-2:]
    flat = images.flatten(0, 1)
    dx, dy = torch.randint(-pixels, pixels + 1, (2, len(flat), 1), device=images.device)
    rows = (torch.arange(height, device=images.device) + dy).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) + dx).clamp(0, width - 1)
    every = torch.arange(len(flat), device=images.device)[:, None, None]
    moved = flat.permute(0, 2, 3, 1)[every, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2).reshape(images.shape)


def jitter(images: Tensor, share: float) -> Tensor:
    """Scale brightness and contrast of every picture by 1 +- `share`."""
    if not share:
        return images
    shape = (*images.shape[:2], 1, 1, 1)
    brightness, contrast = (1 + share * (2 * torch.rand(2, *shape, device=images.device) - 1)).unbind(0)
    mean = images.mean(dim=(2, 3, 4), keepdim=True)
    return ((images - mean) * contrast + mean * brightness).clamp(0, 1)
