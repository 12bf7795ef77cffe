"""`merge` and `export`: datasets to datasets, without simulation."""

import shlex
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from mstool.contract import Storage, Version, VideoProfile
from mstool.dataset.files import HISTOGRAMS_FILE
from mstool.dataset.info import read_info
from mstool.dataset.locate import check_distinct, locate
from mstool.dataset.record import read_record
from mstool.dataset.target import check_target, locked, refuse_nested, work_folder
from mstool.errors import DataError, UsageError
from mstool.maniskill2lerobot.episode.shard import MARKER
from mstool.maniskill2lerobot.executors.job import disk_full
from mstool.maniskill2lerobot.options import choose_profile
from mstool.maniskill2lerobot.rewrite.elsewhere.commands import export_elsewhere, merge_elsewhere
from mstool.maniskill2lerobot.rewrite.elsewhere.repeated import repeated
from mstool.maniskill2lerobot.rewrite.extract import extract
from mstool.maniskill2lerobot.rewrite.report import RebuildReport
from mstool.maniskill2lerobot.rewrite.stored import StoredDataset, open_stored
from mstool.maniskill2lerobot.writers.assemble import assemble
from mstool.maniskill2lerobot.writers.episodes import Episode
from mstool.maniskill2lerobot.writers.features import camera_columns, vector_columns
from mstool.maniskill2lerobot.writers.provenance import unverified
from mstool.paths import as_named, no_space


def export(
    source: Path,
    root: Path,
    *,
    version: Version | None = None,
    storage: Storage | None = None,
    profile: VideoProfile | None = None,
    drop: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> RebuildReport:
    """Write a dataset in another format, with pictures stored or encoded in another way, or as this version writes it.

    `drop` leaves columns out, `rename` is {old name: new name}; what is None stays as it is. A dataset that mstool did
    not make, or that has more columns than mstool gives, keeps every other column, under its name where no format of
    ours has another one for it.

    Raises
    ------
    UsageError
        `root` exists and `overwrite` is False, or there is nothing to change.
    DataError
        The dataset is damaged.

    """
    locate(source)
    refuse_nested(root, [source])
    check_target(root, overwrite=overwrite)
    info = read_info(source)
    version = version or ("v2.1" if info.is_v2 else "v3.0")
    if drop or rename or is_elsewhere(source):
        names = {**_names_in(source, version), **(rename or {})}
        return export_elsewhere(
            source, root, version, storage, profile=profile, drop=drop, rename=names, overwrite=overwrite
        )
    dataset = open_stored(source)
    chosen = storage or dataset.storage
    encoded = choose_profile(profile, [chosen]) or dataset.video_profile
    same = (version, chosen, encoded) == (dataset.version, dataset.storage, dataset.video_profile)
    if same and dataset.is_current:
        other = "v2.1" if dataset.version == "v3.0" else "v3.0"
        how = f"{chosen} ({encoded})" if chosen == "video" else chosen
        raise UsageError(
            f"{source} is {dataset.version} with images stored as {how} already: choose another --format, --storage or "
            "--video-profile",
            fix=shlex.join(["mstool", "export", str(source), "--format", other, "--output", str(root)]),
        )
    return _rebuild(
        [dataset],
        root,
        {version: chosen},
        profile=encoded,
        exported_from=dataset.version,
        overwrite=overwrite,
    )


def merge(
    sources: Sequence[Path],
    root: Path,
    *,
    drop: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    profile: VideoProfile | None = None,
    overwrite: bool = False,
) -> RebuildReport:
    """Join datasets in the order given; task indices follow first use.

    Those that mstool made are of one layout and format. With one that it did not make, all need the same columns, fps
    and robot.

    Parameters
    ----------
    sources
        Folders of datasets.
    root
        The result.
    drop, rename
        Columns to leave out, and {old name: new name}.
    profile
        How videos are to be encoded; None: as they are.
    overwrite
        Replace a dataset at `root`.

    Raises
    ------
    UsageError
        Fewer than two datasets, one of them twice, or `root` exists and `overwrite` is False.
    DataError
        Datasets differ in what their numbers mean, or in their columns; every difference is named.

    """
    if len(sources) < 2:
        words = ["mstool", "merge", *map(str, sources), "ANOTHER", "--output", str(root)]
        raise UsageError("merge joins at least two datasets", fix=shlex.join(words), change={"ANOTHER": "ANOTHER"})
    check_distinct(sources, "merge", "--output", str(root), least=2)
    for source in sources:
        locate(source)
    refuse_nested(root, sources)
    check_target(root, overwrite=overwrite)
    if drop or rename or any(is_elsewhere(source) for source in sources):
        return merge_elsewhere(sources, root, drop, rename or {}, profile, overwrite=overwrite)
    datasets = [open_stored(source) for source in sources]
    first = datasets[0]
    choose_profile(profile, [dataset.storage for dataset in datasets], storage_chosen=False)
    wanted = profile or first.video_profile
    problems = _problems(datasets, profiles=profile is None)
    if problems and not _problems(datasets, profiles=False):
        words = ["mstool", "merge", *map(str, sources), "--output", str(root), "--video-profile", wanted]
        raise DataError(
            "these datasets do not fit into one:\n  " + "\n  ".join(problems),
            fix=shlex.join(words),
            change={"--video-profile": wanted},
        )
    if problems:
        kind = (first.version, first.storage)
        other = next((dataset for dataset in datasets if (dataset.version, dataset.storage) != kind), None)
        raise DataError(
            "these datasets do not fit into one:\n  " + "\n  ".join(problems),
            fix="convert the demos with the same options" if other is None else _export_command(other.root, *kind),
        )
    return _rebuild(datasets, root, {first.version: first.storage}, profile=wanted, overwrite=overwrite)


def _problems(datasets: Sequence[StoredDataset], *, profiles: bool) -> list[str]:
    first = datasets[0]
    return [
        f"{first.root} and {other.root}: {text}"
        for other in datasets[1:]
        for text in first.differences(other, profiles=profiles)
    ]


def is_elsewhere(root: Path) -> bool:
    """Tell whether a dataset is to be carried over as it is: mstool did not make it, or others have added columns.

    Raises
    ------
    UsageError, DataError
        As `open_stored`, of a dataset with a record.

    """
    read_info(root)
    return not read_record(root).converted or bool(open_stored(root).added)


def _names_in(source: Path, version: Version) -> dict[str, str]:
    """Return {column: its name in another version} of mstool's own columns that are called otherwise there."""
    if not read_record(source).converted:
        return {}
    dataset = open_stored(source)
    recipe = dataset.recipes[0]
    names: dict[str, str] = {}
    for columns in (camera_columns, vector_columns):
        there = {meaning: column for column, meaning in reversed(columns(recipe, version).items())}
        names |= {old: there[meaning] for old, meaning in columns(recipe, dataset.version).items() if meaning in there}
    return {old: new for old, new in names.items() if old != new}


def _export_command(source: Path, version: Version, storage: Storage) -> str:
    there = as_named(source).with_name(f"{source.resolve().name}-{version}-{storage}")
    words = ["--format", version, "--storage", storage, "--output", str(there)]
    return shlex.join(["mstool", "export", str(source), *words])


def _rebuild(
    datasets: Sequence[StoredDataset],
    root: Path,
    formats: Mapping[Version, Storage],
    *,
    profile: VideoProfile,
    overwrite: bool,
    exported_from: str = "",
) -> RebuildReport:
    started = time.monotonic()
    work = work_folder(root)
    shards = work / "stored"
    with locked(work, kept=f"*/*/{MARKER}"):
        try:
            shutil.rmtree(shards, ignore_errors=True)
            episodes: list[Episode] = []
            for number, dataset in enumerate(datasets):
                episodes += extract(dataset, shards / f"{number:03d}", formats.values(), profile)
            notes = (*_notes(datasets, formats, profile), *unverified(episodes))
            dropped = sum((Counter(dataset.record.dropped) for dataset in datasets), Counter[str]())
            demos = [demo for dataset in datasets for demo in dataset.record.demos]
            warnings = [text for dataset in datasets for text in dataset.record.warnings]
            warnings = list(dict.fromkeys([*warnings, *notes]))
            more = {"warnings": warnings, "exported_from": exported_from}
            assemble(episodes, root, work, formats, demos, dropped, overwrite=overwrite, more=more)
        except OSError as error:
            if not no_space(error):
                raise
            raise disk_full(work) from error
        finally:
            shutil.rmtree(shards, ignore_errors=True)
    return RebuildReport(
        root=root,
        sources=tuple(dataset.root for dataset in datasets),
        formats=dict(formats),
        episodes=len(episodes),
        frames=sum(episode.mark.frames for episode in episodes),
        instructions=tuple(dict.fromkeys(episode.recipe.instruction for episode in episodes)),
        size_bytes=sum(path.stat().st_size for path in root.rglob("*") if path.is_file()),
        seconds=time.monotonic() - started,
        notes=notes,
    )


def _difference(datasets: Sequence[StoredDataset]) -> str:
    """Say how far videos are from what was rendered: the lowest PSNR of any of their frames that was measured."""
    worst: dict[str, float] = {}
    for dataset in datasets:
        for view, value in dataset.record.psnr_db.items():
            worst[view] = min(value, worst.get(view, value))
    if not worst:
        return "how far they are from the rendered ones was not measured"
    lowest = ", ".join(f"{value:.1f} dB ({view})" for view, value in worst.items())
    return f"their PSNR to the rendered ones is at worst {lowest}"


def _notes(
    datasets: Sequence[StoredDataset],
    formats: Mapping[Version, Storage],
    profile: VideoProfile,
) -> list[str]:
    notes = []
    without = [dataset.root.name for dataset in datasets if not (dataset.root / HISTOGRAMS_FILE).is_file()]
    changed = [d.root.name for d in datasets if d.storage == "video" and d.video_profile != profile]
    if changed and "video" in formats.values():
        kept = "" if without else "; statistics stay those of the rendered images"
        lost = "" if profile == "portable" else "; the colour that 4:2:0 had left out does not come back"
        notes.append(f"videos of {', '.join(changed)} were decoded and encoded once more, as {profile}{kept}{lost}")
    if without:
        notes.append(f"{', '.join(without)} kept no histograms: statistics of its images are those of the stored ones")
    if "image" in formats.values() and datasets[0].storage == "video":
        notes.append(f"the images are decoded from H.264 video: {_difference(datasets)}")
    # By their numbers: what an episode was made from names the formats too.
    columns = [(each.root, list(vector_columns(each.recipes[0], each.version))) for each in datasets]
    twice = repeated(columns)
    if twice:
        notes.append(f"{twice} episodes are in more than one of the datasets: they weigh more in training (MS210)")
    return notes
