"""Pictures of an episode: a strip of moments, and a video."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np

from mstool.atomic import written_aside
from mstool.contract import Array

# Moments on a strip, and the height of its pictures, px.
MOMENTS = 8
HEIGHT = 128


class Strip:
    """Keeps an episode's pictures small, and picks some that are evenly spread."""

    def __init__(self) -> None:
        self._pictures: list[Array] = []

    def add(self, images: Mapping[str, Array]) -> None:
        """Keep one moment: the views above each other."""
        if images:
            self._pictures.append(np.concatenate([_small(image) for image in images.values()]))

    def picture(self) -> Array | None:
        """Return the moments side by side, uint8 (H, W, 3); None when nothing was seen."""
        if not self._pictures:
            return None
        count = min(MOMENTS, len(self._pictures))
        chosen = np.linspace(0, len(self._pictures) - 1, count).round().astype(int)
        return np.concatenate([self._pictures[i] for i in chosen], axis=1)


class Video:
    """Writes an mp4 at the control frequency, the views side by side; complete once closed.

    The file has its name only then: one that breaks off leaves nothing behind under it.
    """

    def __init__(self, path: Path, fps: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._aside = path, path.with_name(f".{path.name}")
        self._container = av.open(str(self._aside), "w", format="mp4")
        self._stream = self._container.add_stream("libx264", rate=fps, options={"crf": "20", "preset": "veryfast"})
        self._stream.pix_fmt = "yuv420p"
        self._started = False

    def add(self, images: Mapping[str, Array]) -> None:
        """Add one frame."""
        picture = np.concatenate(list(images.values()), axis=1)
        # H.264 wants even sides.
        picture = np.ascontiguousarray(picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2])
        if not self._started:
            self._stream.height, self._stream.width = picture.shape[:2]
            self._started = True
        for packet in self._stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
            self._container.mux(packet)

    def close(self, name: str) -> None:
        """Finish the file under `name` in the folder it was opened for."""
        if self._started:
            for packet in self._stream.encode():
                self._container.mux(packet)
        self._container.close()
        self._aside.replace(self._path.with_name(name))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._container.close()
            self._aside.unlink(missing_ok=True)


def write_picture(picture: Array, path: Path) -> None:
    """Write a PNG."""
    from PIL import Image

    with written_aside(path) as aside:
        Image.fromarray(picture).save(aside)


def _small(image: Array) -> Array:
    from PIL import Image

    height, width = image.shape[:2]
    if height <= HEIGHT:
        return image
    return np.asarray(Image.fromarray(image).resize((round(width * HEIGHT / height), HEIGHT), Image.Resampling.BOX))
