"""`export` and `merge` of datasets that mstool did not make: what can be asked, and what keeps them from fitting."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mstool.contract import Storage, Version, VideoProfile
from mstool.errors import DataError, UsageError
from mstool.maniskill2lerobot.options import choose_profile
from mstool.maniskill2lerobot.rewrite.elsewhere.carry import carry
from mstool.maniskill2lerobot.rewrite.elsewhere.differences import differences
from mstool.maniskill2lerobot.rewrite.elsewhere.source import check_names, open_source
from mstool.maniskill2lerobot.rewrite.elsewhere.storage import other_pictures
from mstool.maniskill2lerobot.rewrite.elsewhere.videos import is_encoded
from mstool.maniskill2lerobot.rewrite.report import RebuildReport


def export_elsewhere(
    root: Path,
    target: Path,
    version: Version,
    storage: Storage | None,
    *,
    profile: VideoProfile | None = None,
    drop: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    overwrite: bool,
) -> RebuildReport:
    """Write a dataset in another version of the format, its pictures stored in another way, or with other columns.

    Raises
    ------
    UsageError
        There is nothing to change, or a column to drop or to rename is not there.
    DataError
        It is damaged.

    """
    check_names([root], drop, rename or {})
    source = open_source(root, drop=drop, rename=rename)
    kinds = {spec["dtype"] for spec in source.features.values()}
    choose_profile(profile, [storage] if storage else kinds)
    changes = bool(drop or rename) or (storage is not None and bool(other_pictures(source, storage)))
    changes = changes or (profile is not None and not is_encoded(source, profile))
    if source.info.codebase_version == version and not changes:
        other: Version = "v2.1" if source.info.codebase_version == "v3.0" else "v3.0"
        raise UsageError(
            f"{root} is {version}{f' with RGB images stored as {storage}' if storage else ''}"
            f"{f' with {profile} videos' if profile else ''} already",
            fix=shlex.join(["mstool", "export", str(root), "--format", other, "--output", str(target)]),
        )
    report = carry([source], target, version, storage=storage, profile=profile, overwrite=overwrite)
    if version == "v3.0" or source.record.converted:
        return report
    note = f"columns keep their names ({', '.join(source.columns)}): openpi's config must map them"
    return replace(report, notes=(*report.notes, note))


def merge_elsewhere(
    roots: Sequence[Path],
    target: Path,
    drop: Sequence[str],
    rename: Mapping[str, str],
    profile: VideoProfile | None,
    *,
    overwrite: bool,
) -> RebuildReport:
    """Join datasets of the same columns, fps and robot in the first one's version, v2.0 as v2.1.

    Raises
    ------
    UsageError
        A column to drop or to rename is in none of them.
    DataError
        They differ, all differences named, or one is damaged.

    """
    check_names(roots, drop, rename)
    sources = [open_source(root, drop=drop, rename=rename) for root in roots]
    kinds = {spec["dtype"] for source in sources for spec in source.features.values()}
    choose_profile(profile, kinds, storage_chosen=False)
    found = differences(sources)
    if found:
        words = ["mstool", "merge", *map(str, roots), "--output", str(target)]
        words += [word for old, new in rename.items() for word in ("--rename", f"{old}={new}")]
        columns = list(dict.fromkeys(each.column for each in found if each.column))
        words += [word for column in [*drop, *columns] for word in ("--drop", column)]
        settled = all(each.column for each in found) and not {"observation.state", "action"} & set(columns)
        raise DataError(
            "these datasets do not fit into one (--rename OLD=NEW where only the names differ):\n  "
            + "\n  ".join(each.text for each in found),
            fix=shlex.join(words)
            if settled
            else "give datasets of one robot, recorded at one rate, with the same state and actions; columns that only "
            "some have can be left out by --drop, and named alike by --rename OLD=NEW",
        )
    version: Version = "v2.1" if sources[0].info.is_v2 else "v3.0"
    return carry(sources, target, version, profile=profile, overwrite=overwrite)
