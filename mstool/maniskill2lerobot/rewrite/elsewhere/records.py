"""The record of datasets that are carried over: kept where all parts have one and mean the same."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mstool.contract import Storage, VideoProfile
from mstool.dataset.column_names import ACTION_COLUMNS, GOAL_COLUMNS, STATE_COLUMNS
from mstool.dataset.describe import environments, join_records, record_differences
from mstool.dataset.episode_log import read_episode_log, write_episode_log
from mstool.dataset.files import EPISODE_LOG_FILE, needed
from mstool.dataset.record import Record, write_record
from mstool.maniskill2lerobot.rewrite.elsewhere.source import Source
from mstool.paths import quoted


def keep_record(
    sources: Sequence[Source], root: Path, storage: Storage | None = None, profile: VideoProfile | None = None
) -> list[str]:
    """Write the record and the episode log of all parts to the dataset at `root`; return what a reader should know."""
    described = [source for source in sources if source.record]
    if not described:
        return []
    names = ", ".join(source.root.name for source in described)
    if len(described) < len(sources):
        others = ", ".join(source.root.name for source in sources if not source.record)
        say = "; ".join(f"mstool describe {quoted(s.root)} --from ORIGINAL" for s in sources if not s.record)
        return [f"the record of {names} is left out: nothing says that {others} means the same, until {say}"]
    records = [_renamed(source) for source in sources]
    differing = sorted({name for other in records[1:] for name in record_differences(records[0], other)})
    # Where state and actions are, the layout says: a record follows them from one format's name to the other's alone.
    renamed = any(
        old != new and old in source.record.units and not _known_as(old, new)
        for source in sources
        for new, old in source.columns.items()
    )
    if differing or renamed:
        why = f"they differ in {', '.join(differing)}" if differing else "columns have other names now"
        return [f"the records of {names} are left out: {why}"]
    lines = []
    for source in sources:
        if (source.root / EPISODE_LOG_FILE).is_file():
            with needed(source.root):
                lines += read_episode_log(source.root)
    write_episode_log(root, [{**line, "episode_index": index} for index, line in enumerate(lines)])
    record = join_records(records, list(sources[0].columns), environments(lines))
    profiles = {source.record.video_profile for source in sources}
    if storage or profile or len(profiles) > 1:
        now = (profile or "exact") if storage == "video" else profile or ""
        # How far from the rendered pictures they are now, nobody has measured.
        record = replace(record, video_profile=now, psnr_db={})
    write_record(root, record)
    return []


def _renamed(source: Source) -> Record:
    """Return the record of a source, whose columns have the names that they get."""
    names = {old: new for new, old in source.columns.items()}
    views = {names.get(column, column): view for column, view in source.record.views.items()}
    units = {names.get(column, column): each for column, each in source.record.units.items()}
    return replace(source.record, views=views, units=units)


def _known_as(old: str, new: str) -> bool:
    return any((old,) in known and (new,) in known for known in (STATE_COLUMNS, ACTION_COLUMNS, GOAL_COLUMNS))
