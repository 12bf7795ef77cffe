"""H.264 videos: frames straight to the encoder, and back."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mstool.contract import Array
from mstool.dataset.media import open_video
from mstool.maniskill2lerobot.pictures.profiles import CODEC, PROFILES, Profile

# One frame in this many is kept to compare with what a reader will decode: an odd one, which is a predicted one.
PSNR_EVERY = 10
PSNR_PHASE = 5


@dataclass(frozen=True)
class VideoQuality:
    """PSNR in dB of decoded against rendered frames, over the sampled frames of one video."""

    mean_psnr_db: float
    min_psnr_db: float


class VideoWriter:
    """Encode one camera of one episode while it is being rendered.

    Frame k is shown at exactly k / fps. Memory holds one frame plus one in `PSNR_EVERY` for the quality check.
    """

    def __init__(self, path: Path, fps: float, profile: Profile = PROFILES["exact"]) -> None:
        self._path = path
        self._profile = profile
        self._fps = Fraction(str(fps))
        self._container = av.open(str(path), "w", format="mp4")
        self._stream: av.VideoStream | None = None
        self._count = 0
        self._samples: dict[int, Array] = {}

    def add(self, image: Array) -> None:
        """Encode one frame, uint8 (H, W, 3) RGB with even H and W."""
        if self._stream is None:
            self._stream = self._container.add_stream(CODEC, rate=self._fps, options=self._profile.options)
            self._stream.height, self._stream.width = image.shape[:2]
            self._stream.pix_fmt = self._profile.pix_fmt
        if self._count % PSNR_EVERY == PSNR_PHASE or self._count == 0:
            # A copy: a picture that came with others would keep them all.
            self._samples[self._count] = image.copy()
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        if self._profile.scaling is not None:
            frame = frame.reformat(format=self._profile.pix_fmt, interpolation=self._profile.scaling)
        frame.pts = self._count
        frame.time_base = 1 / self._fps
        self._container.mux(self._stream.encode(frame))
        self._count += 1

    def finish(self) -> None:
        """Flush and close."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()

    def close(self) -> VideoQuality:
        """Flush, close, decode the sampled frames again and compare them."""
        self.finish()
        group = int(self._profile.options["g"])
        shown = _decode_some(self._path, set(self._samples), group)
        values = [psnr_db(self._samples[k], image) for k, image in shown]
        return VideoQuality(mean_psnr_db=float(np.mean(values)), min_psnr_db=float(np.min(values)))

    def abort(self) -> None:
        """Close the file without looking at it; what was written is of no use."""
        self._container.close()


def decode(path: Path) -> Iterator[Array]:
    """Yield every frame of a video as uint8 (H, W, 3) RGB."""
    with open_video(path) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def _decode_some(path: Path, wanted: set[int], group: int) -> Iterator[tuple[int, Array]]:
    """Yield (index, frame) for the wanted frames, decoding only them and what is before them in their group."""
    with open_video(path, probe=False) as container:
        stream = container.streams.video[0]
        needed = {k for index in wanted for k in range(index - index % group, index + 1)}
        for k, packet in enumerate(container.demux(stream)):
            # The demuxer's closing packet is empty and flushes the decoder.
            if k in needed or packet.dts is None:
                for frame in packet.decode():
                    index = round(frame.pts * frame.time_base * stream.average_rate)
                    if index in wanted:
                        yield index, frame.to_ndarray(format="rgb24")


def psnr_db(reference: Array, image: Array) -> float:
    """Peak signal-to-noise ratio of two uint8 images: 10 log10(255^2 / mean squared error); 99 for equal ones."""
    error = float(np.mean((reference.astype(np.float32) - image.astype(np.float32)) ** 2))
    return 99.0 if error == 0 else float(10 * np.log10(255.0**2 / error))
