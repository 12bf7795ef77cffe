import threading
import time

import numpy as np
import pytest

from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram
from mstool.maniskill2lerobot.pictures.video import VideoWriter
from mstool.maniskill2lerobot.pictures.view_writer import WAITING, ViewWriter


def pictures(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.kron(rng.integers(0, 256, (8, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8)) for _ in range(count)]


class Slow:
    def __init__(self, fail_at: int | None = None) -> None:
        self.seen: list[np.ndarray] = []
        self.fail_at = fail_at
        self.aborted = False
        self.go_on = threading.Event()

    def add(self, image: np.ndarray) -> None:
        self.go_on.wait(10)
        if len(self.seen) == self.fail_at:
            raise OSError(28, "no space")
        self.seen.append(image)

    def close(self) -> str:
        return "closed"

    def abort(self) -> None:
        self.aborted = True


def produce(writer: ViewWriter, count: int) -> None:
    for image in pictures(count):
        writer.add(image)
        time.sleep(0.001)


def test_the_same_bytes_and_counts_as_without_a_thread(tmp_path):
    direct = VideoWriter(tmp_path / "direct.mp4", 20)
    histogram = ImageHistogram()
    writer = ViewWriter([VideoWriter(tmp_path / "thread.mp4", 20)])
    for image in pictures(40):
        direct.add(image)
        histogram.add(image)
        writer.add(image)
    quality = direct.close()
    assert writer.result() == [quality]
    assert (tmp_path / "thread.mp4").read_bytes() == (tmp_path / "direct.mp4").read_bytes()
    np.testing.assert_array_equal(writer.histogram.counts, histogram.counts)
    assert writer.histogram.frames == 40


def test_pictures_wait_in_order_and_only_so_many():
    sink = Slow()
    writer = ViewWriter([sink])
    given = pictures(3 * WAITING)
    handed: list[int] = []

    def produce() -> None:
        for k, image in enumerate(given):
            writer.add(image)
            handed.append(k)

    producer = threading.Thread(target=produce)
    producer.start()
    time.sleep(0.3)
    assert len(handed) == WAITING
    sink.go_on.set()
    producer.join()
    assert writer.result() == ["closed"]
    assert all(a is b for a, b in zip(sink.seen, given, strict=True))


def test_a_sinks_error_reaches_the_caller():
    sink = Slow(fail_at=2)
    sink.go_on.set()
    writer = ViewWriter([sink])
    with pytest.raises(OSError, match="no space"):
        produce(writer, 100)
    writer.abort()
    assert sink.aborted
    late = Slow(fail_at=0)
    late.go_on.set()
    writer = ViewWriter([late])
    writer.add(pictures(1)[0])
    with pytest.raises(OSError, match="no space"):
        writer.result()


def test_abort_drops_what_waits():
    sink = Slow()
    writer = ViewWriter([sink])
    for image in pictures(WAITING):
        writer.add(image)
    sink.go_on.set()
    writer.abort()
    assert sink.aborted


def test_histograms_are_exact():
    histogram = ImageHistogram()
    images = np.random.default_rng(1).integers(0, 256, (3, 30, 40, 3), np.uint8)
    for image in images:
        histogram.add(image)
    for channel in range(3):
        np.testing.assert_array_equal(
            histogram.counts[channel], np.bincount(images[..., channel].ravel(), minlength=256)
        )
