import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from mstool.dataset.fingerprint import hash_file
from mstool.dataset.formats.base import VideoPart
from mstool.dataset.media import open_video
from mstool.errors import DataError
from mstool.maniskill2lerobot.pictures import packets
from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram
from mstool.maniskill2lerobot.pictures.pngs import PngWriter, read_pngs
from mstool.maniskill2lerobot.pictures.profiles import PROFILES
from mstool.maniskill2lerobot.pictures.video import VideoWriter, _decode_some, decode, psnr_db
from mstool.maniskill2lerobot.pictures.video_joiner import VideoJoiner
from mstool.norm_stats.quantiles import BY_NAME as QUANTILES


def scene(frames: int, seed: int = 0) -> np.ndarray:
    """A smooth background with a small saturated square that moves: what a render is made of."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :96]
    base = np.stack([x * 2, y * 3, 255 - x], axis=-1) + rng.integers(0, 3, (64, 96, 3))
    images = np.repeat(base[None].clip(0, 255).astype(np.uint8), frames, axis=0)
    for k, image in enumerate(images):
        image[20:28, 10 + k : 18 + k] = (255, 0, 0)
    return images


def moving(size: int) -> np.ndarray:
    """Twelve pictures of a texture that moves over `size` x `size` pixels: every macroblock has motion."""
    k, y, x = np.mgrid[:12, :size, :size]
    wave = np.sin((x + 2 * k) / 7) * np.cos((y + k) / 9)
    return np.stack([127 + 100 * wave, 127 - 60 * wave, x * 255 // size], axis=-1).astype(np.uint8)


def write(path, images, fps=20, profile=PROFILES["exact"]):
    writer = VideoWriter(path, fps, profile)
    for image in images:
        writer.add(image)
    return writer.close()


def test_video_keeps_frames_time_and_small_coloured_objects(tmp_path):
    images = scene(23)
    quality = write(tmp_path / "v.mp4", images)
    shown = np.stack(list(decode(tmp_path / "v.mp4")))
    assert shown.shape == images.shape
    assert quality.min_psnr_db > 38
    assert quality.min_psnr_db == pytest.approx(min(psnr_db(images[k], shown[k]) for k in (0, 5, 15)))
    square = shown[5][22:26, 17:21].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(square, (255, 0, 0), atol=12)
    with av.open(str(tmp_path / "v.mp4")) as container:
        times = [packet.pts * packet.time_base for packet in container.demux(video=0) if packet.pts is not None]
    assert times == [Fraction(k, 20) for k in range(23)]


def test_sampled_frames_are_the_readers(tmp_path):
    write(tmp_path / "v.mp4", scene(23))
    shown = list(decode(tmp_path / "v.mp4"))
    sampled = dict(_decode_some(tmp_path / "v.mp4", {0, 5, 15, 22}, 2))
    assert sorted(sampled) == [0, 5, 15, 22]
    for k, image in sampled.items():
        np.testing.assert_array_equal(image, shown[k])


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_same_frames_same_bytes(tmp_path, profile):
    for name in ("a.mp4", "b.mp4"):
        write(tmp_path / name, scene(7), profile=profile)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("asm", ["0", "mmx2,sse2", "mmx2,sse2,ssse3,sse4.2,avx,avx2,fma3,bmi1,bmi2,lzcnt"])
@pytest.mark.parametrize("size", [32, 224])
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_instruction_set_encodes_the_same_bytes(asm, size, profile, tmp_path):
    write(tmp_path / "own.mp4", moving(size), profile=profile)
    options = {**profile.extra_options, "x264-params": f"{profile.extra_options['x264-params']}:asm={asm}"}
    write(tmp_path / "asm.mp4", moving(size), profile=replace(profile, extra_options=options))
    assert hash_file(tmp_path / "own.mp4") == hash_file(tmp_path / "asm.mp4")


DIRTY = """
import ctypes, sys, numpy as np
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_video import hash_file, moving, write
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
for option in (-3, -1):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD: what is freed is given out again as it was left
    libc.mallopt(option, 1 << 30)
rng, images, path, seen = np.random.default_rng(0), moving(224), Path(sys.argv[2]), set()
for _ in range(40):
    left = rng.integers(-512, 512, 1 << 20).astype(np.int16)
    left[rng.random(left.size) < 0.3] |= 0x4000
    block = libc.malloc(left.nbytes)
    ctypes.memmove(block, left.ctypes.data, left.nbytes)
    libc.free(block)
    write(path, images)
    seen.add(hash_file(path).sha256)
print(len(seen))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the allocator's settings are glibc's")
def test_what_memory_held_before_changes_no_byte(tmp_path):
    words = [sys.executable, "-c", DIRTY, Path(__file__).parent, tmp_path / "v.mp4"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "1", done.stderr


COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "grey": (128, 128, 128),
    "wood": (171, 107, 34),
}


@pytest.mark.parametrize("name", PROFILES)
def test_colours_come_out_as_they_went_in(tmp_path, name):
    """LeRobot's reader takes every video for BT.601; others go by what the video says, which must be the same."""
    from lerobot.datasets.video_utils import decode_video_frames

    image = np.concatenate([np.full((64, 64, 3), colour, np.uint8) for colour in COLOURS.values()], axis=1)
    path = tmp_path / "v.mp4"
    write(path, [image] * 4, profile=PROFILES[name])
    shown = decode_video_frames(path, [0.0, 0.05, 0.15], 1e-3, "pyav", return_uint8=True).permute(0, 2, 3, 1).numpy()
    for each in shown:
        for k, colour in enumerate(COLOURS.values()):
            np.testing.assert_allclose(each[8:56, 64 * k + 8 : 64 * k + 56], np.full((48, 48, 3), colour), atol=3)
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context
        said = (codec.profile, codec.pix_fmt, codec.colorspace, codec.color_range, codec.color_primaries)
        by_tags = next(container.decode(video=0)).to_ndarray(
            format="rgb24", src_colorspace=codec.colorspace, dst_colorspace="DEFAULT"
        )
    if name == "portable":
        # libavutil's numbers: 6 is BT.601's matrix (SMPTE 170M), 1 limited range and BT.709's primaries.
        assert said == ("High", "yuv420p", 6, 1, 1)
        np.testing.assert_array_equal(by_tags, shown[0])


def test_portable_keeps_the_mean_colour_of_each_four_pixels(tmp_path):
    """Not of one of them, nor of its neighbours: small objects keep as much of their colour as 4:2:0 can."""
    images = np.tile(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8), (32, 16, 1))[None].repeat(4, axis=0)
    write(tmp_path / "v.mp4", images, profile=PROFILES["portable"])
    means = next(decode(tmp_path / "v.mp4"))[8:24].astype(float).reshape(8, 2, 16, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(means, np.broadcast_to((127.5, 0, 127.5), means.shape), atol=30)


def whole(path, frames):
    return VideoPart(path, 0.0, frames, path.stat().st_size, "h264", alone=True)


def test_concatenation_copies_packets(tmp_path):
    parts = [scene(5, 1), scene(1, 2), scene(12, 3)]
    paths = []
    for i, images in enumerate(parts):
        write(tmp_path / f"{i}.mp4", images)
        paths.append((tmp_path / f"{i}.mp4", len(images)))
    VideoJoiner()([whole(*path) for path in paths], tmp_path / "all.mp4", 20)
    expected = np.concatenate([list(decode(path)) for path, _ in paths])
    np.testing.assert_array_equal(np.stack(list(decode(tmp_path / "all.mp4"))), expected)
    with av.open(str(tmp_path / "all.mp4")) as container:
        times = [packet.pts * packet.time_base for packet in container.demux(video=0) if packet.pts is not None]
    assert times == [Fraction(k, 20) for k in range(18)]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("count", [1, 3])
def test_joining_decodes_a_frame_of_the_first_video_at_most(tmp_path, monkeypatch, profile, count):
    """Without any other byte than when a frame of each is decoded."""
    parts = []
    for i, images in enumerate([scene(5, 1), scene(1, 2), scene(12, 3)][:count]):
        write(tmp_path / f"{i}.mp4", images, profile=profile)
        parts.append(whole(tmp_path / f"{i}.mp4", len(images)))
    probed = []

    def noting(path, *, probe=True, always=False):
        probed.append(probe)
        return open_video(path, probe=probe or always)

    with monkeypatch.context() as patched:
        patched.setattr(packets, "open_video", noting)
        VideoJoiner()(parts, tmp_path / "all.mp4", 20)
    assert probed == [count > 1] + [False] * (count - 1)
    with monkeypatch.context() as patched:
        patched.setattr(packets, "open_video", partial(noting, always=True))
        VideoJoiner()(parts, tmp_path / "probed.mp4", 20)
    assert hash_file(tmp_path / "all.mp4") == hash_file(tmp_path / "probed.mp4")


def test_videos_of_two_profiles_are_not_joined(tmp_path):
    for name, profile in PROFILES.items():
        write(tmp_path / f"{name}.mp4", scene(4), profile=profile)
    with pytest.raises(DataError, match="encoded otherwise"):
        VideoJoiner()([whole(tmp_path / f"{name}.mp4", 4) for name in PROFILES], tmp_path / "all.mp4", 20)


def test_a_rate_that_is_no_whole_number(tmp_path):
    paths = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path in paths:
        writer = VideoWriter(path, 29.97)
        for image in scene(40):
            writer.add(image)
        writer.close()
    VideoJoiner()([whole(path, 40) for path in paths], tmp_path / "all.mp4", 29.97)
    with av.open(str(tmp_path / "all.mp4")) as container:
        times = [float(packet.pts * packet.time_base) for packet in container.demux(video=0) if packet.pts is not None]
    np.testing.assert_allclose(times, np.arange(80) / 29.97, atol=1e-5)


def test_concatenation_refuses_a_short_video(tmp_path):
    write(tmp_path / "v.mp4", scene(4))
    with pytest.raises(DataError, match=r"holds 4 frames .* its episode has 5"):
        VideoJoiner()([whole(tmp_path / "v.mp4", 5)], tmp_path / "all.mp4", 20)


def test_psnr_formula():
    black = np.zeros((4, 4, 3), np.uint8)
    assert psnr_db(black, black) == 99
    assert psnr_db(black, black + 1) == pytest.approx(20 * np.log10(255))


def test_pngs_are_lossless_and_batched(tmp_path):
    import cv2

    images = scene(35)
    writer = PngWriter(tmp_path / "v.parquet")
    for image in images:
        writer.add(image)
    writer.close()
    back = [
        cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        for png in read_pngs(tmp_path / "v.parquet")
    ]
    np.testing.assert_array_equal(np.stack(back), images)


def test_histogram_statistics_equal_numpy_and_add_up():
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 6, 3), dtype=np.uint8)
    images[..., 2] //= 5
    parts = [ImageHistogram(), ImageHistogram()]
    for k, image in enumerate(images):
        parts[k % 2].add(image)
    stats = (parts[0] + parts[1]).stats()
    pixels = images.reshape(-1, 3) / 255
    expected = {"min": pixels.min(0), "max": pixels.max(0), "mean": pixels.mean(0), "std": pixels.std(0)}
    expected |= {name: np.quantile(pixels, q, axis=0) for name, q in QUANTILES.items()}
    for name, value in expected.items():
        assert stats[name].shape == (3, 1, 1)
        np.testing.assert_allclose(stats[name].ravel(), value, atol=1e-12, err_msg=name)
    assert stats["count"].tolist() == [9]
