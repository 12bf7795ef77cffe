"""`describe`: the record of a dataset that another tool rewrote, restored from the datasets that it was made of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mstool.dataset.episode_content import episode_digests, vector_columns
from mstool.dataset.episode_log import read_episode_log, write_episode_log
from mstool.dataset.files import EPISODE_LOG_FILE, RECORD_FILE, needed
from mstool.dataset.info import Feature, read_info
from mstool.dataset.record import Record, lack_of_record, read_record, write_record
from mstool.errors import DataError, UsageError
from mstool.markup import one_line
from mstool.paths import quoted

# What the originals of one dataset must agree on: a dataset has one meaning.
_ONE = ("layout", "control_mode", "controller", "goal", "image_size", "units", "views")
# Lists and tables of the record that hold something of each original.
_LISTS, _TABLES = ("demos", "env_ids", "warnings"), ("horizon", "robots", "gripper_constant", "cameras")


@dataclass(frozen=True)
class DescribeReport:
    """What was restored from where."""

    root: Path
    originals: tuple[Path, ...]
    layout: str
    control_mode: str
    episodes: int
    # Columns of the originals that the dataset no longer has.
    without: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON data."""
        return {**asdict(self), "root": str(self.root), "originals": [str(path) for path in self.originals]}

    def text(self) -> str:
        """Return the report for a person."""
        lines = [
            f"dataset   {self.root}  (layout {self.layout}, {self.control_mode})",
            f"record    {RECORD_FILE} from {', '.join(str(path) for path in self.originals)}",
            f"episodes  {self.episodes}, each found there by its state and actions",
            *([f"without   {one_line(', '.join(self.without))}"] if self.without else []),
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Original:
    root: Path
    features: Mapping[str, Feature]
    fps: float
    record: Record
    episodes: Sequence[Mapping[str, Any]]


def describe(root: Path, originals: Sequence[Path], *, overwrite: bool = False) -> DescribeReport:
    """Give a dataset the record of the datasets whose episodes it holds, after finding each episode there.

    An episode is recognised by its state and actions, bit for bit: tools that delete, split, merge or encode again
    change its index and its pictures, and leave these as they are.

    Raises
    ------
    UsageError
        A folder is not a dataset, or the dataset has a record and `overwrite` is False.
    DataError
        An original has no record, the originals' records differ, or an episode is in none of them.

    """
    info = read_info(root)
    if not overwrite and read_record(root):
        raise UsageError(f"{root} has a record", fix="add --overwrite to replace it", change={"--overwrite": True})
    sources = [_open_original(path) for path in originals]
    first = sources[0]
    for other in sources[1:]:
        if differing := record_differences(first.record, other.record):
            raise DataError(
                f"{first.root} and {other.root} do not mean the same: {', '.join(differing)} differ",
                fix="give the datasets that this one was made of",
            )
    features = info.features
    columns = [name for name in vector_columns(features) if name in first.features]
    if not columns or info.fps != first.fps:
        reason = "no state or action column in common" if not columns else f"{info.fps} and {first.fps} fps"
        raise DataError(f"{root} was not made of {first.root}: {reason}", fix=_other(root))
    episodes = _match(root, sources, columns)
    record = join_records([source.record for source in sources], features, environments(episodes))
    # The lines come first: a record without them would speak of episodes that nothing names.
    write_episode_log(root, episodes)
    write_record(root, record)
    return DescribeReport(
        root=root,
        originals=tuple(originals),
        layout=record.layout,
        control_mode=record.control_mode,
        episodes=len(episodes),
        without=tuple(name for name in first.features if name not in features),
    )


def record_differences(ours: Record, theirs: Record) -> list[str]:
    """Name the entries in which the records of one dataset's parts must agree, and do not."""
    return [name for name, *_ in ours.differences(theirs, _ONE)]


def environments(lines: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the environments that the episode log names; datasets that a person described may name none."""
    return {str(line["env_id"]) for line in lines if line.get("env_id")}


def _match(root: Path, sources: Sequence[_Original], columns: Sequence[str]) -> list[dict[str, Any]]:
    known: dict[str, list[Mapping[str, Any]]] = {}
    for source in sources:
        for digest, line in zip(episode_digests(source.root, columns), source.episodes, strict=True):
            known.setdefault(digest, []).append(line)
    lines = []
    for index, digest in enumerate(episode_digests(root, columns)):
        candidates = known.get(digest)
        if not candidates:
            raise DataError(
                f"episode {index} of {root} is in none of {', '.join(str(source.root) for source in sources)}: its "
                f"{', '.join(columns)} differ from every episode there",
                fix=_other(root),
            )
        # Equal episodes take the originals' lines in turn.
        line = candidates.pop(0) if len(candidates) > 1 else candidates[0]
        lines.append({**line, "episode_index": index})
    return lines


def join_records(records: Sequence[Record], features: Collection[str], env_ids: set[str]) -> Record:
    """Return the record of episodes of several datasets, whose records agree (`record_differences`).

    Parameters
    ----------
    records
        Of each.
    features
        The columns that the result has.
    env_ids
        The environments of the result's episodes.

    """
    first = records[0]
    joined: dict[str, Any] = {}
    for name in _LISTS:
        entries = [entry for record in records for entry in getattr(record, name)]
        joined[name] = [entry for i, entry in enumerate(entries) if entry not in entries[:i]]
    for name in _TABLES:
        tables = [getattr(record, name) for record in records]
        joined[name] = {env: value for table in tables for env, value in table.items() if env in env_ids}
    joined["env_ids"] = [env for env in joined["env_ids"] if env in env_ids]
    claims = dict.fromkeys(claim for record in records for claim in record.stated)
    joined["stated"] = {
        claim: "; ".join(dict.fromkeys(record.stated.get(claim, "not stated") for record in records))
        for claim in claims
    }
    for name in ("units", "views"):
        joined[name] = {column: value for column, value in getattr(first, name).items() if column in features}
    return replace(first, **joined)


def _open_original(root: Path) -> _Original:
    info, record = read_info(root), read_record(root)
    if not record or not (root / EPISODE_LOG_FILE).is_file():
        raise DataError(
            f"{root} has no record itself ({f'no {EPISODE_LOG_FILE}' if record else lack_of_record(root)})",
            fix="give the dataset that mstool convert, merge or export wrote",
        )
    with needed(root):
        episodes = read_episode_log(root)
    return _Original(root, info.features, info.fps, record, episodes)


def _other(root: Path) -> str:
    return f"mstool describe {quoted(root)} --from ORIGINAL, once for each dataset that it was made of"
