"""`convert`: demos to LeRobot datasets on disk."""

import errno
import shutil
import time
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mstool.errors import DataError, MstoolError
from mstool.maniskill2lerobot.assemble import assemble
from mstool.maniskill2lerobot.demos.source import DemoSource, Notify
from mstool.maniskill2lerobot.episodes import Episode
from mstool.maniskill2lerobot.executor import Executor, UnderWay, run_local
from mstool.maniskill2lerobot.features import Version
from mstool.maniskill2lerobot.provenance import unverified
from mstool.maniskill2lerobot.recipe import Recipe, Storage
from mstool.maniskill2lerobot.report import ConvertReport, video_quality
from mstool.maniskill2lerobot.resume import check_finished, clear, sweep
from mstool.maniskill2lerobot.shard import EpisodeMark, shard_path
from mstool.maniskill2lerobot.target import check_target, locked, work_folder
from mstool.maniskill2lerobot.work import Job, disk_full
from mstool.progress import Progress

# Measured by benchmarks/render_detail.py.
SPEED_HINT = "rendering on the CPU: --render-detail fast is 2 to 3 times faster (a simplified robot, 35 dB alike)"


@dataclass(frozen=True)
class Batch:
    """Demos of one environment and what to make of them."""

    source: DemoSource
    recipe: Recipe
    # How many demos from the start of the file; None for all.
    episodes: int | None = None

    @property
    def positions(self) -> list[int]:
        """Which demos are wanted, in demo order."""
        return list(range(len(self.source.demos)))[: self.episodes]

    def jobs(self, work: Path, *, without: Container[int] = ()) -> list[Job]:
        """Return what is to be done, in demo order, with shards in the work folder."""
        shards, demos = work / self.recipe.env_id, self.source.demos
        return [
            Job(demos.path, p, self.recipe, shard_path(shards, p), min(demos.steps(p), self.recipe.horizon))
            for p in self.positions
            if p not in without
        ]


def convert(
    batches: Sequence[Batch],
    root: Path,
    *,
    repo_id: str,
    formats: Mapping[Version, Storage],
    overwrite: bool = False,
    skip_invalid: bool = False,
    fresh: bool = False,
    workers: int | None = None,
    executor: Executor = run_local,
    notify: Notify = lambda _: None,
) -> ConvertReport:
    """Convert demos into one LeRobot dataset per format, at `root` (or `root`/<format> when there are two).

    Finished episodes are kept in a work folder beside `root` until the dataset stands complete: an interrupted run goes
    on where it stopped. `root` appears complete or not at all, and holds the same bytes for any number of workers.

    Parameters
    ----------
    batches
        What to convert, in the order in which episodes are stored; all recipes share layout, cameras and storages.
    root
        Folder of the result.
    repo_id
        The dataset's name on a hub, for the report.
    formats
        {format: how pictures are stored}.
    overwrite
        Replace a dataset at `root`, once the new one is complete.
    skip_invalid
        Drop damaged demos instead of stopping.
    fresh
        Forget what an interrupted run finished.
    workers
        Processes; None leaves it to the executor, which looks at cores and memory.
    executor
        Who does the jobs, `run_local` or a Ray cluster's.
    notify
        Called with lines for a person.

    Raises
    ------
    UsageError
        `root` exists and `overwrite` is False, another run writes to it, demos cannot be executed as asked, or the work
        folder holds episodes that another recipe, other demos or another version made.
    DataError
        Demos are damaged (they are listed) and `skip_invalid` is False.
    MstoolError
        No demo led to success, or the disk is full.

    """
    started = time.monotonic()
    check_target(root, overwrite=overwrite)
    for batch in batches:
        if batch.episodes is not None and len(batch.positions) < batch.episodes:
            found = f"{batch.source.demos.path} holds {len(batch.positions)} episodes"
            notify(f"{found}, fewer than the {batch.episodes} asked for")
    invalid = [_invalid(batch, skip_invalid=skip_invalid) for batch in batches]
    work = work_folder(root)
    with locked(work):
        if fresh:
            clear(work)
        jobs = [job for batch, bad in zip(batches, invalid, strict=True) for job in batch.jobs(work, without=bad)]
        check_finished(jobs, work)
        sweep(work)
        try:
            marks, lost = _run(jobs, workers, executor, notify)
            kept = [
                Episode.of(job.shard, marks[job], job.recipe) for job in jobs if job in marks and not marks[job].dropped
            ]
            dropped = Counter(mark.dropped for mark in marks.values() if mark.dropped) + lost
            dropped += Counter({"invalid demo": sum(map(len, invalid))})
            if not kept:
                raise _nothing_kept(batches, dropped, work)
            demos = [batch.source.describe() for batch in batches]
            assemble(kept, root, work, formats, demos, dict(dropped), overwrite=overwrite)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise disk_full(work) from error
    shutil.rmtree(work)
    recipe = kept[0].recipe
    return ConvertReport(
        root=root,
        repo_id=repo_id,
        env_ids=tuple(dict.fromkeys(batch.recipe.env_id for batch in batches)),
        formats=dict(formats),
        asked=sum(len(batch.positions) for batch in batches),
        converted=len(kept),
        frames=sum(episode.mark.frames for episode in kept),
        dropped=dict(dropped),
        fps=int(kept[0].mark.controller["fps"]),
        seconds=time.monotonic() - started,
        size_bytes=sum(path.stat().st_size for path in root.rglob("*") if path.is_file()),
        instructions=tuple(dict.fromkeys(episode.recipe.instruction for episode in kept)),
        state_names=recipe.layout.state.names,
        action_names=recipe.layout.action(recipe.control_mode).names,
        cameras=tuple(camera.view for camera in recipe.cameras),
        image_size=recipe.image_size,
        psnr_db=video_quality(kept),
        warnings=tuple(unverified(kept)),
    )


def _invalid(batch: Batch, *, skip_invalid: bool) -> dict[int, str]:
    problems = batch.source.demos.problems(limit=len(batch.positions))
    some = len(problems) < len(batch.positions)
    if problems and not (skip_invalid and some):
        listed = "\n  ".join(list(problems.values())[:10])
        more = f"\n  and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise DataError(
            f"{len(problems)} of {len(batch.positions)} demos cannot be used, in {batch.source.demos.path} and its "
            f".json:\n  {listed}{more}",
            fix="repair the file, or add --skip-invalid to drop them"
            if some
            else f"mstool convert --env {batch.recipe.env_id} --demos generate",
        )
    return problems


def _run(
    jobs: Sequence[Job], workers: int | None, executor: Executor, notify: Notify
) -> tuple[dict[Job, EpisodeMark], Counter[str]]:
    """Do all jobs, showing progress in frames: markers by job, and how many were lost for which reason."""
    marks: dict[Job, EpisodeMark] = {}
    lost: Counter[str] = Counter()
    dropped = 0
    rendered = dict.fromkeys(jobs, 0)
    with Progress("convert", sum(job.steps for job in jobs), "frame") as progress:
        progress.note = f"0 of {len(jobs)} episodes, 0 dropped"
        for event in executor(jobs, workers):
            job = event.job
            if isinstance(event, UnderWay):
                frames = min(event.frames, job.steps)
                progress.update(frames - rendered[job])
                rendered[job] = frames
                continue
            if event.mark is None:
                lines = event.failure.strip().splitlines()
                notify(f"episode {job.position} of {job.demos} failed twice:\n{event.failure}")
                lost[lines[-1]] += 1
            else:
                if not marks and event.mark.rendered_on == "cpu" and job.recipe.render_detail == "full":
                    notify(SPEED_HINT)
                marks[job] = event.mark
            dropped += event.mark is None or bool(event.mark.dropped)
            frames = event.mark.frames if event.mark else 0
            progress.note = f"{len(marks) + lost.total()} of {len(jobs)} episodes, {dropped} dropped"
            progress.update(frames - rendered[job], more=frames - job.steps)
    return marks, lost


def _nothing_kept(batches: Sequence[Batch], dropped: Mapping[str, int], work: Path) -> MstoolError:
    shutil.rmtree(work)
    reasons = ", ".join(f"{count} x {reason}" for reason, count in dropped.items())
    first = batches[0]
    return MstoolError(
        f"none of the {sum(len(batch.positions) for batch in batches)} demos led to success: {reasons}",
        fix=f"mstool convert --env {first.recipe.env_id} --demos generate",
    )
