"""H.264 videos: frames straight to the encoder, and back."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mstool.contract import Array
from mstool.dataset.media import open_video

# g=2: a key frame at every other frame, so that training's random access decodes at most two frames.
# No B-frames: presentation order is decoding order.
# One thread and cpu-independent: the same bytes on every machine. Without the latter x264 takes other code for each
# instruction set, and the one for AVX-512 depends on what memory held before (seen at 32 and 224 px, not at 256).
# 4:4:4: 4:2:0 halves the colour of small objects and stops at 35 dB on these renders whatever the rate.
# crf 12 with equal quality for key and predicted frames keeps 38 dB (benchmarks/video.py).
CODEC = "libx264"
CODEC_NAME = "h264"  # of what it encodes
PIX_FMT = "yuv444p"
# The two halves of the options are those of LeRobot's `VideoEncoderConfig`. The dataset's description holds both, so
# that LeRobot encodes what its tools cut out of a video as we do: its merge needs streams that agree on B-frames.
ENCODER: dict[str, int | str] = {"g": 2, "crf": 12, "preset": "veryfast"}
EXTRA_OPTIONS: dict[str, int | str] = {"bf": 0, "threads": 1, "x264-params": "ipratio=1.0:cpu-independent=1"}
OPTIONS = {name: str(value) for name, value in (ENCODER | EXTRA_OPTIONS).items()}
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

    def __init__(self, path: Path, fps: float) -> None:
        self._path = path
        self._fps = Fraction(str(fps))
        self._container = av.open(str(path), "w", format="mp4")
        self._stream: av.VideoStream | None = None
        self._count = 0
        self._samples: dict[int, Array] = {}

    def add(self, image: Array) -> None:
        """Encode one frame, uint8 (H, W, 3) RGB with even H and W."""
        if self._stream is None:
            self._stream = self._container.add_stream(CODEC, rate=self._fps, options=dict(OPTIONS))
            self._stream.height, self._stream.width = image.shape[:2]
            self._stream.pix_fmt = PIX_FMT
        if self._count % PSNR_EVERY == PSNR_PHASE or self._count == 0:
            self._samples[self._count] = image
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts = self._count
        frame.time_base = 1 / self._fps
        self._container.mux(self._stream.encode(frame))
        self._count += 1

    def close(self) -> VideoQuality:
        """Flush, close, decode the sampled frames again and compare them."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        values = [psnr_db(self._samples[k], image) for k, image in _decode_some(self._path, set(self._samples))]
        return VideoQuality(mean_psnr_db=float(np.mean(values)), min_psnr_db=float(np.min(values)))

    def abort(self) -> None:
        """Close the file without looking at it; what was written is of no use."""
        self._container.close()


def decode(path: Path) -> Iterator[Array]:
    """Yield every frame of a video as uint8 (H, W, 3) RGB."""
    with open_video(path) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def _decode_some(path: Path, wanted: set[int]) -> Iterator[tuple[int, Array]]:
    """Yield (index, frame) for the wanted frames, decoding only them and the key frames before them."""
    with open_video(path) as container:
        stream = container.streams.video[0]
        group = int(OPTIONS["g"])
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
