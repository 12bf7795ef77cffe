"""MS201 to MS206: frames per second, timestamps, lengths."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from mstool.contract import Array
from mstool.dataset.episode_table import EpisodeRow
from mstool.dataset.files import INFO_NAME
from mstool.dataset.frames import VideoHeader, video_header
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.origin import simulated
from mstool.validators.report import Issue, Note, apart

# LeRobot's `tolerance_s`, lerobot 0.6.1 datasets/lerobot_dataset.py.
TOLERANCE_S = 1e-4


@register
class Timestamps(Check):
    """MS201."""

    code, family = "MS201", "timing"
    title = "timestamps are frame_index / fps"
    meaning = "video frames and action windows are found by timestamp: LeRobot raises, or takes a neighbour"
    fix = "write timestamp = frame_index / fps, starting at 0 in every episode"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare within LeRobot's own tolerance."""
        data = context.data
        data.need_columns("timestamp")
        fps = data.fps
        for rows in data.rows():
            values = rows.columns["timestamp"][:, 0].astype(np.float64)
            off = np.abs(values - np.arange(len(values)) / fps)
            # float32 seconds: a long episode's timestamps are rounded by more than nothing.
            wrong = np.flatnonzero(~(off <= TOLERANCE_S + 1e-6 * np.abs(values)))
            if wrong.size:
                at = int(wrong[0])
                observed, expected = apart(values[at], at / fps)
                yield Issue(
                    "a timestamp is not frame / fps",
                    episode=rows.episode,
                    frame=at,
                    feature="timestamp",
                    observed=f"{observed} s",
                    expected=f"{expected} s",
                )


@register
class ControlFrequency(Check):
    """MS202."""

    code, family = "MS202", "timing"
    title = "fps is the simulator's control frequency"
    meaning = "actions are trained at one rate and executed at another: a robot that is too fast or too slow"
    fix = "write the control frequency of the recording (ManiSkill: 20 Hz) as fps, and timestamps to match"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Compare fps with the simulator's, where it is known, or is the target's."""
        data = context.data
        known, expected = simulated(context), context.target.fps
        trained = context.target.trained_fps
        if trained.value is not None and data.fps != trained.value:
            yield Note(
                f"fps is {data.fps:g}, and {trained.value} in the dataset that {context.target.name} was trained on "
                f"({trained.source}), which reads it nowhere",
                told=True,
            )
        if known is None and expected.value is None:
            raise Skip("neither the dataset nor the target says what the control frequency was")
        if known is not None and data.fps != known.fps:
            observed, wanted = apart(data.fps, known.fps)
            yield Issue(
                f"fps is not the control frequency of the recording: {known.because}",
                known.severity,
                feature="fps",
                observed=observed,
                expected=wanted,
            )
        elif known is None and data.fps != expected.value:
            observed, wanted = apart(data.fps, float(expected.value or 0))
            yield Issue(
                f"fps is not ManiSkill's ({expected.source}); right only if the episodes were recorded elsewhere",
                "warning",
                feature="fps",
                observed=observed,
                expected=wanted,
                fix="none if they were; else the control frequency (ManiSkill: 20 Hz) as fps, and timestamps to match",
            )


@register
class EpisodeLengths(Check):
    """MS203."""

    code, family = "MS203", "timing"
    title = "episodes are longer than an action window and within the recorded horizon"
    meaning = (
        "short episodes are mostly padding (the last action repeated); longer ones than the horizon cannot be "
        "repeated in evaluation"
    )
    fix = (
        "drop one-frame episodes; evaluate with mstool eval --horizon N (ManiSkill's own 50 is shorter than most demos)"
    )

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Check every length."""
        data, chunk = context.data, context.target.chunk.value
        lengths = np.array([row.length for row in data.episodes])
        if not lengths.size:
            raise Skip("there are no episodes")
        yield Note(
            f"lengths {lengths.min()} to {lengths.max()}, median {int(np.median(lengths))}; action window {chunk}"
        )
        if lengths.size == 1:
            yield Issue(
                "the dataset holds a single episode",
                "warning",
                observed="1 episode",
                fix="convert more demos (mstool convert --episodes N): from one, a policy learns only to repeat it",
            )
        for row in data.episodes:
            if row.length < max(2, chunk // 4):
                yield Issue(
                    "an episode is far shorter than the action window",
                    "warning",
                    episode=row.index,
                    feature="length",
                    observed=str(row.length),
                    expected=f"window {chunk}",
                )
        record = data.record
        most = max((steps + record.hold_steps.get(env_id, 0) for env_id, steps in record.horizon.items()), default=0)
        for row in data.episodes:
            if most and row.length > most:
                yield Issue(
                    "an episode is longer than the recorded horizon",
                    episode=row.index,
                    feature="length",
                    observed=str(row.length),
                    expected=f"at most {most}",
                )


@register
class VideoSpans(Check):
    """MS204."""

    code, family = "MS204", "timing"
    title = "every episode's span within its video file matches its length"
    meaning = (
        "images are fetched at from_timestamp + timestamp: a shifted span shows another moment, or another episode"
    )
    fix = "convert the demos again; spans must follow each other as lengths / fps"

    def run(self, context: Context) -> Iterator[Issue]:
        """Check that spans follow each other within each file."""
        data = context.data
        if not any(row.videos for row in data.episodes):
            if any(f["dtype"] == "video" for f in data.features.values()):
                yield Issue("the episode table does not say where the videos are", feature="videos/*")
                return
            raise Skip("there are no videos")
        if data.version.startswith("v2"):
            raise Skip("in v2.1 an episode fills its own video file")
        shown: dict[tuple[str, tuple[int, ...]], float] = {}
        for row in sorted(data.episodes, key=lambda row: row.index):
            for camera, span in row.videos.items():
                key = (camera, tuple(span.place.values()))
                start = shown.get(key, 0.0)
                end = span.start + row.length / data.fps
                # Half a frame: nearer, and the right frame is found. The end is read nowhere but in editing, and some
                # versions of LeRobot wrote the last frame's time there.
                late = span.end - end
                if abs(span.start - start) > 0.5 / data.fps or not -1.5 / data.fps < late < 0.5 / data.fps:
                    yield Issue(
                        "the span in the video file does not follow from the lengths",
                        episode=row.index,
                        feature=camera,
                        observed=f"{span.start:.3f} to {span.end:.3f} s",
                        expected=f"{start:.3f} to {start + row.length / data.fps:.3f} s",
                    )
                shown[key] = end
            missing = {c for c, f in data.features.items() if f["dtype"] == "video"} - set(row.videos)
            for camera in sorted(missing):
                yield Issue("the episode table does not say where this video is", episode=row.index, feature=camera)


@register
class VideoRate(Check):
    """MS205."""

    code, family = "MS205", "timing"
    title = "videos run at the dataset's fps"
    meaning = "the frame at a timestamp is another than the row's"
    fix = f"encode the videos at the dataset's fps; set video.fps in {INFO_NAME} to it"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare the declared rate and the files' own."""
        data = context.data
        videos = [name for name, f in data.features.items() if f["dtype"] == "video"]
        if not videos:
            raise Skip("there are no videos")
        for name in videos:
            declared = (data.features[name].get("info") or {}).get("video.fps")
            if declared is not None and declared != data.fps:
                yield Issue(
                    f"{INFO_NAME}'s video.fps is not its fps",
                    feature=name,
                    observed=str(declared),
                    expected=f"{data.fps:g}",
                )
        for path, camera in data.video_files():
            header = video_header(path)
            if header is not None and _other_rate(header, data.fps):
                yield Issue(
                    "a video runs at another rate",
                    feature=camera,
                    observed=f"{float(header.rate):g} in {path.name}",
                    expected=f"{data.fps:g}",
                )


@register
class PacketTimes(Check):
    """MS206."""

    code, family = "MS206", "timing"
    title = "every row's image is in its video at the row's time"
    meaning = f"LeRobot raises FrameTimestampError where no image is within {TOLERANCE_S:g} s, hours into a training"
    fix = "encode the video again at the dataset's fps, the first image at 0 s"

    def run(self, context: Context) -> Iterator[Issue]:
        """Look every row's time up among the packets of its file, as lerobot 0.6.1, datasets/video_utils.py, does."""
        data = context.data
        if not data.filmed:
            raise Skip("there are no videos")
        for path, episodes in data.filmed.items():
            header = video_header(path) if path.is_file() else None
            # Another rate, and other numbers of frames, are MS205's and MS302's.
            if header is None or _other_rate(header, data.fps) or header.frames != sum(r.length for r, _ in episodes):
                continue
            for row, camera in episodes:
                yield from self._episode(row, camera, header.times, data.fps, str(path.relative_to(data.root)))

    @staticmethod
    def _episode(row: EpisodeRow, camera: str, times: Array, fps: float, name: str) -> Iterator[Issue]:
        shown, asked = times.astype(np.float32), asked_times(row.videos[camera].start, row.length, fps)
        after = np.searchsorted(shown, asked).clip(1, max(len(shown) - 1, 1))
        near = np.minimum(np.abs(asked - shown[after - 1]), np.abs(asked - shown[after % len(shown)]))
        off = np.flatnonzero(~(near < TOLERANCE_S))
        if not off.size:
            return
        at = int(off[0])
        even = bool((np.abs(times - times[0] - np.arange(len(times)) / fps) < TOLERANCE_S).all())
        what, fix = "no image is shown at the time of a row", ""
        if not even:
            what = f"{name} has a variable rate"
        elif times[0] > TOLERANCE_S:
            what = f"{name} starts {times[0]:.4f} s late"
        else:
            what = "the span's start is between two images"
            fix = "write from_timestamp as the sum of the file's earlier episodes' lengths / fps, not of durations"
        nearest = float(times[int(np.abs(times - float(asked[at])).argmin())])
        yield Issue(
            what,
            episode=row.index,
            frame=at,
            feature=camera,
            observed=f"{nearest:.4f} s",
            expected=f"{float(asked[at]):.4f} s",
            fix=fix,
        )


def asked_times(start: float, length: int, fps: float) -> Array:
    """Return the times (length,) float32, s, at which LeRobot looks for an episode's images in its file.

    Rows hold float32 times; the episode's start is added to them as float64, and the sum compared as float32 (lerobot
    0.6.1, datasets/dataset_reader.py `_query_videos`). The sum of two float32 is wrong by up to 0.0001 s past 1024 s.
    """
    of_rows = (np.arange(length) / fps).astype(np.float32).astype(np.float64)
    return np.asarray((start + of_rows).astype(np.float32))


def _other_rate(header: VideoHeader, fps: float) -> bool:
    return abs(header.rate - Fraction(fps).limit_denominator(1000)) > Fraction(1, 100)
