"""One picture that shows a dataset: every camera at the start, the middle and the end of a few episodes."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mstool.dataset.files import Unavailable, needed
from mstool.dataset.info import Info
from mstool.markup import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

    from mstool.dataset.episode_table import EpisodeRow

EPISODES = 4
MOMENTS = (0.0, 0.5, 1.0)
_HEIGHT, _GAP, _LABEL = 128, 4, 16


def contact_sheet(root: Path, info: Info) -> bytes | None:
    """Return the sheet as JPEG, the same bytes for the same dataset; None when there is no picture to show.

    One row per episode, one column per camera and moment, each picture 128 pixels high.

    Raises
    ------
    DataError
        A video or an episode table cannot be read.

    """
    cameras = [name for name, feature in info.features.items() if feature.is_camera]
    total = info.total_episodes
    if not cameras or total == 0:
        return None
    from mstool.dataset.episode_table import read_episodes

    chosen = sorted({round(i * (total - 1) / max(EPISODES - 1, 1)) for i in range(EPISODES)})
    with needed(root):
        table = {row.index: row for row in read_episodes(root, info.raw, info.videos, stats=False)}
        rows = [[_pictures(root, info, camera, table, episode) for camera in cameras] for episode in chosen]
    return _draw(rows, cameras, chosen)


def _pictures(root: Path, info: Info, camera: str, table: Mapping[int, "EpisodeRow"], episode: int) -> list["Image"]:
    from PIL import Image

    from mstool.dataset.frames import read_pictures

    if episode not in table:
        raise Unavailable(f"episode {episode} is in no episode table")
    row = table[episode]
    positions = [round(moment * (row.length - 1)) for moment in MOMENTS]
    return [Image.fromarray(picture) for picture in read_pictures(root, info.raw, row, camera, positions)]


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
                draw.text((left, 2), one_line(camera.removeprefix("observation.images.")), fill="black")
            for picture, width in zip(cell, sizes, strict=True):
                sheet.paste(picture.resize((width, _HEIGHT), Image.Resampling.LANCZOS), (left, top))
                left += width + _GAP
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
