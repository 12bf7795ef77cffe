"""Videos and images of strangers: opened as the one kind of file that they must be, and within bounds.

FFmpeg and Pillow choose a reader by a file's content: a playlist or a script in place of an mp4 would open other files
and addresses, and a few kilobytes may announce gigabytes of pixels.
"""

import io
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import av
from PIL import Image

# Pixels of one image: 8K video has 33 million.
MOST_PIXELS = 1 << 25
_CONTAINERS = {".mp4": "mp4", ".mov": "mp4", ".mkv": "matroska", ".webm": "matroska", ".avi": "avi"}
# What FFmpeg looks at to know a stream: 32 bytes, its least, and no frame.
_NO_PROBE = {"probesize": "32", "skip_frame": "all"}
_IMAGES = ("PNG", "JPEG", "WEBP", "TIFF")


def open_video(path: Path, *, probe: bool = True) -> Any:
    """Open a video as the container that its suffix names; FFmpeg opens no other file for it, and no address.

    Parameters
    ----------
    path
        The video.
    probe
        Decode its first frame, which takes three quarters of the time, and is how FFmpeg learns the pixel format. H.264
        is not decoded without: its packets are read, and later frames decoded, by the file's header.

    Raises
    ------
    av.FFmpegError, OSError
        It is another kind of file, damaged, or not there.
    ValueError
        No video container has that suffix, or its images are larger than `MOST_PIXELS`.

    """
    container = _CONTAINERS.get(path.suffix.lower())
    if container is None:
        raise ValueError(f"{path.name} has no suffix of a video ({', '.join(_CONTAINERS)})")
    if not path.is_file():
        raise FileNotFoundError(f"{path.name}: no such file")
    bounds = {"protocol_whitelist": "file", "max_pixels": str(MOST_PIXELS)} | ({} if probe else _NO_PROBE)
    # Absolute: what precedes a colon would be taken for a protocol.
    opened = av.open(str(path.absolute()), format=container, options=bounds)
    for stream in opened.streams.video:
        codec = stream.codec_context
        if codec.width * codec.height > MOST_PIXELS:
            opened.close()
            raise ValueError(f"{path.name} announces {codec.width}x{codec.height} pixels, more than {MOST_PIXELS}")
        if not probe and (codec.name != "h264" or not codec.extradata):
            opened.close()
            return open_video(path)
    return opened


def open_image(source: bytes | Path) -> AbstractContextManager[Image.Image]:
    """Open an image, of which nothing is decoded yet.

    Raises
    ------
    OSError, ValueError
        It is no PNG, JPEG, WebP or TIFF, damaged, or larger than `MOST_PIXELS`.

    """
    try:
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_IMAGES)
    except (Image.DecompressionBombError, SyntaxError) as error:
        raise ValueError(str(error)) from error
    width, height = image.size
    if width * height > MOST_PIXELS:
        image.close()
        raise ValueError(f"an image announces {width}x{height} pixels, more than {MOST_PIXELS}")
    return image
