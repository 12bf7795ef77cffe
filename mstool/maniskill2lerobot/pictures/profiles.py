"""How videos are encoded: `exact` for training, `portable` for browsers and hardware decoders. All codec options."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from mstool.contract import PIX_FMTS, VideoProfile
from mstool.dataset.media import open_video
from mstool.nearest import unknown

CODEC = "libx264"
CODEC_NAME = "h264"  # of what it encodes

# g=2: a key frame at every other frame, so that training's random access decodes at most two frames.
# No B-frames: presentation order is decoding order.
# One thread and cpu-independent: the same bytes on every machine. Without the latter x264 takes other code for each
# instruction set, and the one for AVX-512 depends on what memory held before (seen at 32 and 224 px, not at 256).
_X264 = "ipratio=1.0:cpu-independent=1"
_EXTRA: dict[str, int | str] = {"bf": 0, "threads": 1, "x264-params": _X264}
# `exact` without what serves the eye (psy, aq, deblocking) and what costs more time than it saves bytes. At the crf of
# equal PSNR and bytes, encoding takes 0.45 and decoding 0.52 of the time that it takes with it (benchmarks/video.py).
_PLAIN = "psy=0:aq-mode=0:subme=0:cabac=0:8x8dct=0:no-deblock=1"
# What the numbers are: BT.601's matrix and limited range, sRGB's primaries. PyAV, and with it LeRobot's reader, takes
# every video for BT.601 whatever it says; browsers and torchcodec go by what it says. So all see the same colours;
# BT.709's matrix turned pure red into (232, 0, 1) in LeRobot's reader.
_COLOURS: dict[str, int | str] = {
    "colorspace": "smpte170m",
    "color_primaries": "bt709",
    "color_trc": "bt709",
    "color_range": "tv",
}
# swscale's flags (libswscale/swscale.h): AREA | FULL_CHR_H_INP | ACCURATE_RND | BITEXACT. The mean of the four pixels
# that share a colour keeps 0.3 to 0.5 dB more than the default; the C code rounds alike on every machine.
_MEAN_OF_FOUR = 0x20 | 0x4000 | 0x40000 | 0x80000


@dataclass(frozen=True)
class Profile:
    """The encoder's settings; the two halves of its options are those of LeRobot's `VideoEncoderConfig`.

    A dataset's description holds both, so that LeRobot encodes what its tools cut out of a video as we do: its merge
    needs streams that agree on B-frames.
    """

    pix_fmt: str
    encoder: Mapping[str, int | str]
    extra_options: Mapping[str, int | str]
    # swscale's flags with which pixels become `pix_fmt`; None: PyAV's own.
    scaling: int | None = None

    @property
    def options(self) -> dict[str, str]:
        """Both halves, as PyAV takes them."""
        return {name: str(value) for name, value in {**self.encoder, **self.extra_options}.items()}


PROFILES: dict[VideoProfile, Profile] = {
    # 4:2:0 halves the colour of small objects: it keeps 34.5 dB of the renders of six tasks where this, with equal
    # quality for key and predicted frames, keeps 39.1 dB at fewer bytes (benchmarks/video.py).
    "exact": Profile(
        PIX_FMTS["exact"],
        {"g": 2, "crf": 16, "preset": "veryfast"},
        {**_EXTRA, "x264-params": f"{_X264}:{_PLAIN}"},
    ),
    # H.264 High, 4:2:0, what browsers and hardware decoders play. No rate brings it to 36 dB over all of them: crf 4
    # gives 0.4 dB more for half as many bytes again.
    "portable": Profile(
        PIX_FMTS["portable"], {"g": 2, "crf": 10, "preset": "veryfast"}, {**_EXTRA, **_COLOURS}, _MEAN_OF_FOUR
    ),
}


def is_profile(path: Path, profile: VideoProfile) -> bool:
    """Whether a video's stream is of a profile's codec and pixel format, whoever encoded it."""
    with open_video(path) as container:
        codec = container.streams.video[0].codec_context
        return (codec.name, codec.pix_fmt) == (CODEC_NAME, PROFILES[profile].pix_fmt)


def parse_profile(text: str | None) -> VideoProfile | None:
    """Read `--video-profile`; None where it was not given."""
    if text is not None and text not in get_args(VideoProfile):
        raise unknown("video profile", text, get_args(VideoProfile), "--video-profile")
    return cast("VideoProfile | None", text)
