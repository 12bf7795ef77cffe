"""Episode shards: one folder per episode, complete or absent.

episode_000123/
    rows.npz          state (T, S), action (T, D), goal (3,) where stored
    <view>.mp4        one video per view, or
    <view>.parquet    one PNG per frame
    episode.json      the marker, written last: fingerprint, where it comes from, counts, statistics of the pictures
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from mstool.contract import Array, State
from mstool.errors import UsageError
from mstool.json_files import load_json
from mstool.maniskill2lerobot.episode.mismatch import Mismatch, refusal
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.episode.source import IDLE_LEFT_OUT, KEPT_FAILURE, NOT_HELD, NOT_SUCCESSFUL, EpisodeSource
from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram
from mstool.maniskill2lerobot.pictures.pngs import PngWriter
from mstool.maniskill2lerobot.pictures.profiles import PROFILES, Profile
from mstool.maniskill2lerobot.pictures.video import VideoWriter
from mstool.maniskill2lerobot.pictures.view_writer import PictureSink, ViewWriter
from mstool.simulators.demos import Demo

MARKER = "episode.json"
# The brightest pixel of a picture that shows nothing, of 1.
BLACK = 2 / 255

# Hears how many frames of an episode there are so far.
type Tell = Callable[[int], None]


@dataclass(frozen=True)
class EpisodeMark:
    """What the marker says of an episode."""

    fingerprint: str
    # `episode_id` in the demo file, and the seed it was reset with.
    source_episode: int
    seed: int
    source_steps: int
    # Frames stored; 0 for a dropped episode.
    frames: int
    # Why the episode was dropped, empty for one that was kept.
    dropped: str = ""
    # ManiSkill's robot and what its controller does per unit of action.
    robot: str = ""
    controller: Mapping[str, float] = field(default_factory=dict)
    # {view: where its camera is} (`CameraFacts.as_dict`).
    cameras: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # Per view: histogram counts (3, 256), and the video's PSNR in dB where there is one.
    histograms: Mapping[str, list[list[int]]] = field(default_factory=dict)
    psnr_db: Mapping[str, dict[str, float]] = field(default_factory=dict)
    # What the robot's joints and actions are called (`RobotFacts.as_dict`).
    names: Mapping[str, list[str]] = field(default_factory=dict)
    # What could not be verified of this episode.
    warnings: Sequence[str] = ()
    # What made the pictures: `gpu`, `cpu`, or empty when they were made already.
    rendered_on: str = ""
    # Why a GPU made them one after the other; empty where it did not.
    one_by_one: str = ""
    # What the fingerprint is of (`Recipe.made_from`): says what changed when it no longer fits.
    made_from: Mapping[str, Any] = field(default_factory=dict)
    # Where it begins, {group: {name: numbers}}, where its seed does not say so.
    first_state: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # The shard's other files, bytes: a power cut leaves some of them empty or short.
    sizes: Mapping[str, int] = field(default_factory=dict)


def shard_path(work: Path, position: int) -> Path:
    """Return the folder of the episode at `position` in the demo file."""
    return work / f"episode_{position:06d}"


def read_mark(shard: Path) -> EpisodeMark | None:
    """Return what the shard's marker says, None when the shard is absent, was left unfinished, or lacks a part."""
    try:
        mark = EpisodeMark(**load_json(shard / MARKER))
        whole = all((shard / name).stat().st_size == size for name, size in mark.sizes.items())
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return None
    return mark if whole else None


def read_rows(shard: Path) -> dict[str, Array]:
    """Return the shard's arrays: state (T, S), action (T, D), goal (3,) where stored; all float32."""
    with np.load(shard / "rows.npz") as rows:
        return dict(rows)


def silent(frames: int) -> None:
    """Tell nobody."""


def convert_episode(
    open_source: Callable[[], EpisodeSource], recipe: Recipe, demo: Demo, shard: Path, tell: Tell = silent
) -> EpisodeMark:
    """Own one episode from demo to shard: skip if complete, play it, write aside, rename, marker inside.

    An episode that fails leaves a marker with its reason and no data. Whatever interrupts this function leaves at most
    a temporary folder, which nobody reads. `open_source` is called only when there is something to do, and `tell` after
    every frame.

    Raises
    ------
    UsageError
        The shard is complete, but made from something else.

    """
    made_from = recipe.made_from(demo)
    fingerprint = recipe.fingerprint(demo)
    done = read_mark(shard)
    if done is not None:
        if done.fingerprint != fingerprint:
            raise refusal(shard.parent, [Mismatch(demo.episode_id, done.made_from, made_from)])
        return done
    # A name of our own: another process, on this machine or another, may be at the same episode after a kill.
    aside = shard.with_name(f".{shard.name}.{uuid4().hex}")
    aside.mkdir(parents=True)
    try:
        mark = replace(_convert(open_source(), recipe, demo, aside, fingerprint, tell), made_from=made_from)
        if mark.dropped:
            for path in aside.iterdir():
                path.unlink()
        mark = replace(mark, sizes={path.name: path.stat().st_size for path in sorted(aside.iterdir())})
        (aside / MARKER).write_text(json.dumps(asdict(mark)), encoding="utf-8")
        _put_in_place(aside, shard)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return mark


def _put_in_place(aside: Path, shard: Path) -> None:
    """Rename a complete shard, unless another process was faster: its shard holds the same and may be in use."""
    if read_mark(shard) is not None:
        return
    shutil.rmtree(shard, ignore_errors=True)
    try:
        aside.rename(shard)
    except OSError:
        if read_mark(shard) is None:
            raise


def _convert(
    source: EpisodeSource, recipe: Recipe, demo: Demo, folder: Path, fingerprint: str, tell: Tell
) -> EpisodeMark:
    names = source.robot_facts()
    recipe.layout.check_robot(names)
    facts = source.controller_facts()
    writers = {
        camera.view: ViewWriter(
            [
                _open_sink(storage, folder, camera.view, facts.fps, PROFILES[recipe.video_profile])
                for storage in recipe.storages
            ]
        )
        for camera in recipe.cameras
    }

    frames = 0

    def on_frame(images: dict[str, Array]) -> None:
        nonlocal frames
        for view, image in images.items():
            writers[view].add(image)
        frames += 1
        tell(frames)

    mark = EpisodeMark(
        fingerprint=fingerprint,
        source_episode=demo.episode_id,
        seed=demo.seed,
        source_steps=len(demo.actions) + demo.left_out,
        frames=0,
        first_state=as_lists(demo.first_state) if demo.seedless and demo.first_state else {},
    )
    try:
        result = source.play(demo, horizon=recipe.horizon, on_frame=on_frame)
        if result.dropped in {NOT_SUCCESSFUL, NOT_HELD} and recipe.keep_failures:
            result = replace(result, dropped="", warnings=(*result.warnings, KEPT_FAILURE))
        if not result.dropped:
            quality = _close(writers)
    except BaseException:
        _abort(writers)
        raise
    if result.dropped:
        _abort(writers)
        return replace(mark, dropped=result.dropped, first_state={})
    histograms = {view: writer.histogram for view, writer in writers.items()}

    rows = {
        "state": recipe.layout.encode_state(result.track),
        "action": result.actions,
    }
    if recipe.goal == "state":
        if result.goal is None:
            raise UsageError(
                f"{recipe.env_id} has no goal marker whose position could be stored",
                fix="add --goal visible",
                change={"--goal": "visible"},
            )
        rows["goal"] = result.goal.astype(np.float32)
    np.savez(folder / "rows.npz", **rows)  # type: ignore[arg-type]
    return replace(
        mark,
        frames=len(result.actions),
        robot=source.robot,
        rendered_on=source.rendered_on,
        one_by_one=result.one_by_one,
        controller=facts.as_dict(),
        cameras={view: camera.as_dict() for view, camera in source.camera_facts().items()},
        histograms={view: histogram.counts.tolist() for view, histogram in histograms.items()},
        psnr_db=quality,
        names=names.as_dict(),
        warnings=[*result.warnings, *([IDLE_LEFT_OUT] if demo.left_out else []), *_black_views(histograms)],
    )


def as_lists(state: State) -> dict[str, dict[str, Any]]:
    """Return a state as JSON holds it, to the bit."""
    return {group: {name: values.tolist() for name, values in named.items()} for group, named in state.items()}


def _close(writers: Mapping[str, ViewWriter]) -> dict[str, dict[str, float]]:
    """Finish all views side by side; the quality of those that are videos."""
    for writer in writers.values():
        writer.close()
    closed = {view: [each for each in writer.result() if each is not None] for view, writer in writers.items()}
    return {view: asdict(qualities[0]) for view, qualities in closed.items() if qualities}


def _abort(writers: Mapping[str, ViewWriter]) -> None:
    for writer in writers.values():
        writer.abort()


def _black_views(histograms: Mapping[str, ImageHistogram]) -> list[str]:
    """Say which views show nothing: the commonest silent fault of a dataset is a wrist camera filled with zeros."""
    return [
        f"the {view} images are black"
        for view, histogram in histograms.items()
        if float(histogram.stats()["max"].max()) <= BLACK
    ]


def _open_sink(storage: str, folder: Path, view: str, fps: int, profile: Profile) -> PictureSink:
    if storage == "video":
        return VideoWriter(folder / f"{view}.mp4", fps, profile)
    return PngWriter(folder / f"{view}.parquet")
