"""`export` and `merge` of datasets that mstool did not make: what can be asked, and what keeps them from fitting."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mstool.contract import Storage, Version
from mstool.errors import DataError, UsageError
from mstool.maniskill2lerobot.rewrite.elsewhere.carry import carry
from mstool.maniskill2lerobot.rewrite.elsewhere.differences import differences
from mstool.maniskill2lerobot.rewrite.elsewhere.source import check_names, open_source
from mstool.maniskill2lerobot.rewrite.report import RebuildReport


def export_elsewhere(
    root: Path, target: Path, version: Version, storage: Storage | None, *, overwrite: bool
) -> RebuildReport:
    """Write a dataset in another version of the format.

    Raises
    ------
    UsageError
        It is in that version already, or its pictures are stored otherwise than asked for.
    DataError
        It is damaged.

    """
    source = open_source(root)
    stored = sorted({spec["dtype"] for spec in source.features.values()} & {"image", "video"})
    other: Version = "v2.1" if source.info.codebase_version == "v3.0" else "v3.0"
    fix = shlex.join(["mstool", "export", str(root), "--format", other, "--output", str(target)])
    if storage is not None and stored not in ([], [storage]):
        raise UsageError(
            f"{root} was not made by mstool: its pictures stay as they are stored ({' and '.join(stored)})", fix=fix
        )
    if source.info.codebase_version == version:
        raise UsageError(f"{root} is {version} already", fix=fix)
    report = carry([source], target, version, overwrite=overwrite)
    if version == "v3.0":
        return report
    note = f"columns keep their names ({', '.join(source.columns)}): openpi's config must map them"
    return replace(report, notes=(*report.notes, note))


def merge_elsewhere(
    roots: Sequence[Path], target: Path, drop: Sequence[str], rename: Mapping[str, str], *, overwrite: bool
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
    found = differences(sources)
    if found:
        words = ["mstool", "merge", *map(str, roots), "--output", str(target)]
        words += [word for old, new in rename.items() for word in ("--rename", f"{old}={new}")]
        columns = list(dict.fromkeys(each.column for each in found if each.column))
        words += [word for column in [*drop, *columns] for word in ("--drop", column)]
        settled = all(each.column for each in found) and not {"observation.state", "action"} & set(columns)
        raise DataError(
            "these datasets do not fit into one:\n  " + "\n  ".join(each.text for each in found),
            fix=f"{shlex.join(words)} (or --rename OLD=NEW where only the names differ)"
            if settled
            else "give datasets of one robot, recorded at one rate, with the same state and actions; columns that only "
            "some have can be left out by --drop, and named alike by --rename OLD=NEW",
        )
    version: Version = "v2.1" if sources[0].info.is_v2 else "v3.0"
    return carry(sources, target, version, overwrite=overwrite)
