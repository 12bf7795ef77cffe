"""Video: encoders by encoding something, decoders by loading them."""

import importlib
import os
import shutil
from fractions import Fraction
from io import BytesIO

from mstool.doctor.line import Line, first_line
from mstool.installation import repair_command

# What each encoder is for; a LeRobot dataset can be written with either.
ENCODERS = ("libx264", "libsvtav1")
SIDE = 64
FPS = 20


def encode(codec: str) -> int:
    """Encode a few small frames and return the size of the file in bytes.

    Raises
    ------
    ValueError, OSError
        PyAV has no such encoder, or it fails (PyAV's errors derive from both).

    """
    import av
    import numpy as np

    os.environ.setdefault("SVT_LOG", "0")  # SVT-AV1 otherwise prints twenty lines about itself
    buffer = BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=Fraction(FPS))
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for shade in (0, 100, 200):
            image = np.full((SIDE, SIDE, 3), shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return len(buffer.getvalue())


def encoder_line(codec: str) -> Line:
    """One encoder of PyAV's own FFmpeg."""
    try:
        size = encode(codec)
    except (ImportError, ValueError, OSError, RuntimeError) as error:
        return Line(f"encoder {codec}", "missing", first_line(error), repair_command("av"))
    return Line(f"encoder {codec}", "ok", f"works ({size} bytes for 3 frames)")


def decoder_line() -> Line:
    """Name what decodes videos in training: torchcodec where FFmpeg's libraries are, else PyAV."""
    try:
        importlib.import_module("torchcodec.decoders")
    except (ImportError, OSError, RuntimeError):
        found = "PyAV (torchcodec does not load: it needs FFmpeg's shared libraries)"
        return Line("decoder", "ok", found)
    return Line("decoder", "ok", "torchcodec")


def ffmpeg_line() -> Line:
    """Look for the `ffmpeg` program: nothing here calls it, a person may want it."""
    path = shutil.which("ffmpeg")
    return Line("ffmpeg", "ok", path or "not installed (not needed: PyAV brings its own)")


def video_lines() -> list[Line]:
    """Return all lines about video."""
    return [*(encoder_line(codec) for codec in ENCODERS), decoder_line(), ffmpeg_line()]
