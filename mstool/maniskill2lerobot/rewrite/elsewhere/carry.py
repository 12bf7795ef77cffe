"""Datasets made elsewhere to one dataset: rows, packets, statistics and what else they say."""

import json
import shlex
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mstool import __version__
from mstool.atomic import replace_text
from mstool.contract import Storage, Version, VideoProfile
from mstool.dataset.episode_content import vector_columns
from mstool.dataset.files import INFO_NAME, SOURCES_FILE, other_meta_files, read_object
from mstool.dataset.fingerprint import content_hash
from mstool.dataset.formats import FORMATS
from mstool.dataset.formats.base import Content
from mstool.dataset.target import locked, put_in_place, work_folder
from mstool.errors import DataError
from mstool.maniskill2lerobot.episode.shard import MARKER
from mstool.maniskill2lerobot.executors.job import disk_full
from mstool.maniskill2lerobot.pictures.video_joiner import VideoJoiner
from mstool.maniskill2lerobot.rewrite.elsewhere import episodes as of_episodes
from mstool.maniskill2lerobot.rewrite.elsewhere.description import feature_table, other_entries, statistics_of_whole
from mstool.maniskill2lerobot.rewrite.elsewhere.records import keep_record
from mstool.maniskill2lerobot.rewrite.elsewhere.repeated import repeated
from mstool.maniskill2lerobot.rewrite.elsewhere.rows import RowReader, undeclared
from mstool.maniskill2lerobot.rewrite.elsewhere.source import Source
from mstool.maniskill2lerobot.rewrite.elsewhere.storage import Changed, change_storage
from mstool.maniskill2lerobot.rewrite.elsewhere.videos import Videos, videos_of
from mstool.maniskill2lerobot.rewrite.report import RebuildReport
from mstool.maniskill2lerobot.writers.episodes import vector_stats
from mstool.norm_stats.output import write_feature_stats
from mstool.paths import no_space


def carry(
    sources: Sequence[Source],
    root: Path,
    version: Version,
    *,
    storage: Storage | None = None,
    profile: VideoProfile | None = None,
    overwrite: bool,
) -> RebuildReport:
    """Write datasets of the same columns as one, in `version` of LeRobot's format.

    `storage` is how RGB pictures are to be stored, `profile` how their videos are to be encoded; None: as they are.

    Raises
    ------
    UsageError
        Another run writes the result.
    DataError
        A dataset is damaged.

    """
    started = time.monotonic()
    work = work_folder(root)
    built, scratch = work / "dataset", work / "stored"
    with locked(work, kept=f"*/*/{MARKER}"):
        try:
            for folder in (built, scratch):
                shutil.rmtree(folder, ignore_errors=True)
            built.mkdir()
            content, notes = _content(sources, version, storage, profile, scratch)
            FORMATS[version].write(content, built)
            if version == "v3.0":
                write_feature_stats(built)
            if len(sources) == 1:
                _copy_other_files(sources[0].root, built)
            notes += keep_record(sources, built, storage, profile)
            replace_text(built / SOURCES_FILE, json.dumps(_provenance(sources, notes), indent=2))
            put_in_place(built, root, overwrite=overwrite)
        except (pa.ArrowException, ValueError) as error:
            given = ", ".join(str(source.root) for source in sources)
            raise DataError(
                f"{given}: values are not of the dtype and shape that {INFO_NAME} declares ({str(error)[:200]})",
                fix=shlex.join(["mstool", "validate", str(sources[0].root)]),
            ) from error
        except OSError as error:
            if not no_space(error):
                raise
            raise disk_full(work) from error
        finally:
            for folder in (built, scratch):
                shutil.rmtree(folder, ignore_errors=True)
    kinds = sorted({spec["dtype"] for spec in content.features.values()} & {"image", "video"}, reverse=True)
    return RebuildReport(
        root=root,
        sources=tuple(source.root for source in sources),
        formats={version: " and ".join(kinds) or "no pictures"},
        episodes=len(content.episodes),
        frames=sum(episode.frames for episode in content.episodes),
        instructions=tuple(content.tasks),
        size_bytes=sum(path.stat().st_size for path in root.rglob("*") if path.is_file()),
        seconds=time.monotonic() - started,
        notes=tuple(notes),
    )


def _content(
    sources: Sequence[Source],
    version: Version,
    storage: Storage | None,
    profile: VideoProfile | None,
    scratch: Path,
) -> tuple[Content, list[str]]:
    notes: list[str] = []
    first = sources[0]
    vectors = [name for name, old in first.columns.items() if old in vector_columns(first.info.features)]
    if twice := repeated([(each.root, [each.columns[name] for name in vectors]) for each in sources]):
        notes.append(f"{twice} episodes are in more than one of the datasets: they weigh more in training (MS210)")
    tasks, task_indices = of_episodes.task_table(sources)
    noted, unlike = of_episodes.common_names(sources)
    if unlike:
        notes.append(f"what the episode tables say under {', '.join(unlike)} is of several kinds: left out")
    changed = [
        change_storage(source, storage, scratch / f"{number:03d}-{storage}", profile or "exact")
        if storage
        else Changed()
        for number, source in enumerate(sources)
    ]
    notes += [note for each in changed for note in each.notes]
    videos: list[Videos] = []
    pictures: list[dict[str, Any]] = []
    episodes: list[of_episodes.CarriedEpisode] = []
    for number, source in enumerate(sources):
        but = changed[number].pngs
        videos.append(videos_of(source, version, scratch / f"{number:03d}", notes, but=but, profile=profile))
        each, counted = of_episodes.picture_stats(source, videos[-1].parts, changed[number].episodes)
        pictures += each
        if counted:
            notes.append(f"{source.root.name}: statistics of {', '.join(counted)} are of every image: it had none")
        if names := undeclared(source):
            notes.append(f"{source.root.name}: {INFO_NAME} does not know {', '.join(names)}: left out")
    pictures = of_episodes.same_statistics(pictures)
    for number, source in enumerate(sources):
        reader = RowReader(source)
        for row in source.rows:
            moving = {**videos[number].parts, **changed[number].videos}
            parts = {name: found[row.index] for name, found in moving.items()}
            own = pictures[len(episodes)]
            episodes.append(
                of_episodes.CarriedEpisode(
                    source, row, reader, task_indices[number], parts, own, noted, changed[number]
                )
            )
    features, said = feature_table(sources, videos, version, profile or "exact")
    notes += said
    fps = float(first.info.fps)
    for other in changed:
        other.describe(features, version, fps)
    cameras = [name for name, spec in features.items() if spec["dtype"] in {"image", "video"}]
    whole = {name: statistics_of_whole(sources, name, [each.get(name, {}) for each in pictures]) for name in cameras}
    whole.update((name, dict(stats)) for name, stats in changed[0].whole.items())
    without = [name for name, stats in whole.items() if not stats]
    if without:
        notes.append(f"{', '.join(without)}: no statistics, as there were none")
    more, left = other_entries(sources, len(episodes))
    content = Content(
        episodes=episodes,
        features=features,
        tasks=tasks,
        fps=int(fps) if fps.is_integer() else fps,
        robot_type=first.robot_type,
        column_stats=vector_stats,
        image_stats={name: stats for name, stats in whole.items() if stats},
        join_videos=VideoJoiner(),
        more=more,
    )
    return content, [*notes, *left]


def _provenance(sources: Sequence[Source], notes: Sequence[str]) -> dict[str, Any]:
    """Return which episodes come from where, and what was done to them."""
    parts, first = [], 0
    for source in sources:
        own = source.root / SOURCES_FILE
        before = read_object(own, fix=f"remove {own}").get("sources") if own.is_file() else None
        parts.append(
            {
                "name": source.root.resolve().name,
                "codebase_version": source.info.codebase_version,
                "robot_type": source.robot_type,
                "layout": source.record.layout or None,
                "episodes": [first, first + len(source.rows)],
                "frames": sum(row.length for row in source.rows),
                "content_hash": content_hash(source.root),
                "left_out": [name for name in source.info.features if name not in source.columns.values()],
                "renamed": {old: new for new, old in source.columns.items() if old != new},
                **({"sources": before} if before else {}),
            }
        )
        first += len(source.rows)
    return {"version": __version__, "notes": list(notes), "sources": parts}


def _copy_other_files(source: Path, target: Path) -> None:
    for path in other_meta_files(source):
        there = target / path.relative_to(source)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, there)
