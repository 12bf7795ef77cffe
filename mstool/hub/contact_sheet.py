"""One picture that shows a dataset: every camera at the start, the middle and the end of a few episodes."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mstool.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

EPISODES = 4
MOMENTS = (0.0, 0.5, 1.0)
_HEIGHT, _GAP, _LABEL = 128, 4, 16


def contact_sheet(root: Path, info: dict[str, Any]) -> bytes | None:
    """Return the sheet as JPEG, the same bytes for the same dataset; None when there is no picture to show.

    One row per episode, one column per camera and moment, each picture 128 pixels high.

    Raises
    ------
    DataError
        A video or an episode table cannot be read.

    """
    cameras = [name for name, feature in info["features"].items() if feature.get("dtype") in {"video", "image"}]
    total = int(info.get("total_episodes", 0))
    if not cameras or total == 0:
        return None
    chosen = sorted({round(i * (total - 1) / max(EPISODES - 1, 1)) for i in range(EPISODES)})
    rows = [[_pictures(root, info, camera, episode) for camera in cameras] for episode in chosen]
    return _draw(rows, cameras, chosen)


def _pictures(root: Path, info: dict[str, Any], camera: str, episode: int) -> list["Image"]:
    from mstool.hub import frames

    try:
        if info["features"][camera]["dtype"] == "image":
            return frames.from_table(root, info, camera, episode, MOMENTS)
        return frames.from_video(root, info, camera, episode, MOMENTS)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise DataError(
            f"{root}: no picture of {camera} in episode {episode}: {error}", fix=f"mstool validate {root}"
        ) from error


def _draw(rows: list[list[list["Image"]]], cameras: list[str], episodes: list[int]) -> bytes:
    from PIL import Image, ImageDraw

    widths = [[round(picture.width * _HEIGHT / picture.height) for picture in cell] for cell in rows[0]]
    across = sum(sum(cell) + _GAP * len(cell) for cell in widths)
    sheet = Image.new("RGB", (across + _GAP, _LABEL + len(rows) * (_HEIGHT + _LABEL)), "white")
    draw = ImageDraw.Draw(sheet)
    for i, row in enumerate(rows):
        top, left = _LABEL + i * (_HEIGHT + _LABEL), _GAP
        draw.text((left, top + _HEIGHT + 2), f"episode {episodes[i]}", fill="black")
        for camera, cell, sizes in zip(cameras, row, widths, strict=True):
            if i == 0:
                draw.text((left, 2), camera.removeprefix("observation.images."), fill="black")
            for picture, width in zip(cell, sizes, strict=True):
                sheet.paste(picture.resize((width, _HEIGHT), Image.Resampling.LANCZOS), (left, top))
                left += width + _GAP
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
