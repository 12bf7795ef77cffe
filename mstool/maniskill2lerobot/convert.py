"""`convert`: demos to LeRobot datasets on disk."""

import shutil
import time
from collections import Counter
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from mstool.contract import Storage, Version
from mstool.dataset.target import check_target, locked, work_folder
from mstool.errors import MstoolError
from mstool.maniskill2lerobot.batches import Part
from mstool.maniskill2lerobot.dropped import from_states, nothing_kept
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.episode.shard import MARKER, EpisodeMark
from mstool.maniskill2lerobot.executors.base import Executor, UnderWay
from mstool.maniskill2lerobot.executors.job import ConvertJob, disk_full, finished
from mstool.maniskill2lerobot.executors.local import run_local
from mstool.maniskill2lerobot.report import ConvertReport, video_quality
from mstool.maniskill2lerobot.resume import check_finished, clear, sweep
from mstool.maniskill2lerobot.writers.assemble import assemble
from mstool.maniskill2lerobot.writers.episodes import Episode, check_alike
from mstool.maniskill2lerobot.writers.provenance import unverified
from mstool.ordering import firsts_first
from mstool.paths import no_space
from mstool.progress import Notify, Progress
from mstool.simulators.benchmarks import benchmark_of

# Measured by benchmarks/render_detail.py.
SPEED_HINT = (
    "rendering on the CPU: --render-detail fast is 2.2 to 2.6 times faster (a simplified robot, PSNR 35 dB or more)"
)


@dataclass
class _Opened:
    """A part whose work folder is held, and what became of its episodes so far."""

    part: Part
    work: Path
    # In the order in which episodes are stored.
    jobs: list[ConvertJob]
    # How many damaged demos are left out.
    invalid: int
    kept: dict[ConvertJob, Episode] = field(default_factory=dict)
    # Why the others are not kept.
    dropped: dict[ConvertJob, str] = field(default_factory=dict)

    def add(self, job: ConvertJob, outcome: EpisodeMark | str) -> None:
        """Note what became of a job; a DataError when it does not fit to the others."""
        why = outcome if isinstance(outcome, str) else outcome.dropped
        if isinstance(outcome, str) or why:
            self.dropped[job] = why
            return
        self.kept[job] = Episode.of(job.shard, outcome, job.recipe)
        check_alike([next(iter(self.kept.values())), self.kept[job]])


def convert(
    parts: Sequence[Part],
    *,
    formats: Mapping[Version, Storage],
    overwrite: bool = False,
    skip_invalid: bool = False,
    fresh: bool = False,
    workers: int | None = None,
    executor: Executor = run_local,
    notify: Notify = lambda _: None,
) -> list[ConvertReport]:
    """Convert demos into one LeRobot dataset per part and format, at `root` (or `root`/<format> when there are two).

    Finished episodes are kept in a work folder beside `root` until the dataset stands complete: an interrupted run goes
    on where it stopped. `root` appears complete or not at all, and holds the same bytes for any number of workers.
    One episode of every environment comes before all others: what ends the run is met before the others cost time.

    Parameters
    ----------
    parts
        The datasets that are wanted.
    formats
        {format: how pictures are stored}.
    overwrite
        Replace datasets that are there, once the new ones are complete.
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
        A `root` exists and `overwrite` is False, another run writes to it, demos cannot be executed as asked, or the
        work folder holds episodes that another recipe, other demos or another version made.
    DataError
        Demos are damaged (they are listed) and `skip_invalid` is False, or an environment cannot be built or does not
        fit into one dataset with the others.
    MstoolError
        No demo led to success, the disk is full, or Ctrl-C was pressed.

    """
    started = time.monotonic()
    for part in parts:
        check_target(part.root, overwrite=overwrite)
    for fewer in (batch.too_few for part in parts for batch in part.batches if batch.too_few):
        notify(f"warning: {fewer}")
    invalid = [[batch.invalid(skip=skip_invalid) for batch in part.batches] for part in parts]
    with ExitStack() as held:
        opened = [_open(part, bad, held, fresh=fresh) for part, bad in zip(parts, invalid, strict=True)]
        owner = {job: each for each in opened for job in each.jobs}
        jobs = firsts_first(owner, lambda job: (job.demos, job.recipe))
        try:
            for job, outcome in held.enter_context(closing(_run(jobs, workers, executor, notify))):
                owner[job].add(job, outcome)
            frames = sum(episode.mark.frames for each in opened for episode in each.kept.values())
            return [_finish(each, formats, started, frames, overwrite=overwrite) for each in opened]
        except OSError as error:
            if not no_space(error):
                raise
            raise disk_full(opened[0].work, kept=sum(finished(each.work) for each in opened)) from error
        except KeyboardInterrupt:
            kept = sum(finished(each.work) for each in opened)
            raise _interrupted(kept, opened[0].work) from None


def _interrupted(kept: int, work: Path) -> MstoolError:
    """Say how many finished episodes an interrupted run leaves."""
    said = "interrupted before an episode was finished"
    if kept:
        said = f"interrupted; finished episodes, which the same command goes on with: {kept} in {work}"
    return MstoolError(said, fix="run the same command again", change={"--fresh": None})


def _open(part: Part, invalid: Sequence[Collection[int]], held: ExitStack, *, fresh: bool) -> _Opened:
    """Hold a part's work folder, and check what an earlier run left there."""
    work = work_folder(part.root)
    held.enter_context(locked(work, kept=f"*/*/{MARKER}"))
    if fresh:
        clear(work)
    jobs = [job for batch, bad in zip(part.batches, invalid, strict=True) for job in batch.jobs(work, without=bad)]
    check_finished(jobs, work)
    sweep(work)
    return _Opened(part, work, jobs, sum(map(len, invalid)))


def _finish(
    opened: _Opened, formats: Mapping[Version, Storage], started: float, frames: int, *, overwrite: bool
) -> ConvertReport:
    """Make a part's dataset of its episodes, in demo order whatever the order in which they were finished."""
    part, batches = opened.part, opened.part.batches
    kept = [opened.kept[job] for job in opened.jobs if job in opened.kept]
    dropped = Counter(opened.dropped[job] for job in opened.jobs if job in opened.dropped)
    dropped += Counter({"invalid demo": opened.invalid})
    if not kept:
        shutil.rmtree(opened.work)
        raise nothing_kept(batches, dropped)
    demos = [batch.source.describe() for batch in batches]
    advice = from_states(batches, dropped)
    assemble(kept, part.root, opened.work, formats, demos, dict(dropped), overwrite=overwrite)
    shutil.rmtree(opened.work)
    recipe, own = kept[0].recipe, sum(episode.mark.frames for episode in kept)
    return ConvertReport(
        root=part.root,
        repo_id=part.repo_id,
        env_ids=tuple(dict.fromkeys(batch.recipe.env_id for batch in batches)),
        formats=dict(formats),
        asked=sum(len(batch.positions) for batch in batches),
        converted=len(kept),
        frames=own,
        dropped=dict(dropped),
        fps=int(kept[0].mark.controller["fps"]),
        # Parts are converted side by side: each took its share.
        seconds=(time.monotonic() - started) * own / frames,
        size_bytes=sum(path.stat().st_size for path in part.root.rglob("*") if path.is_file()),
        instructions=tuple(dict.fromkeys(episode.recipe.instruction for episode in kept)),
        state_names=recipe.layout.state.names,
        action_names=recipe.layout.action(recipe.control_mode).names,
        cameras=tuple(camera.view for camera in recipe.cameras),
        image_size=recipe.image_size,
        psnr_db=video_quality(kept),
        warnings=(
            *(batch.too_few for batch in batches if batch.too_few),
            *([f"most demos do not succeed when executed again: {advice}"] if advice else []),
            *unverified(kept),
        ),
    )


def _run(
    jobs: Sequence[ConvertJob], workers: int | None, executor: Executor, notify: Notify
) -> Generator[tuple[ConvertJob, EpisodeMark | str], None, None]:
    """Do all jobs, showing progress in frames; yields each with its marker, or the reason for which it is dropped."""
    done = dropped = 0
    hinted: set[str] = set()
    rendered = dict.fromkeys(jobs, 0)
    with (
        Progress("convert", sum(job.steps for job in jobs), "frame") as progress,
        closing(executor(jobs, workers)) as events,
    ):
        progress.note = f"0 of {len(jobs)} episodes, 0 dropped"
        for event in events:
            job = event.job
            if isinstance(event, UnderWay):
                frames = min(event.frames, job.steps)
                progress.update(frames - rendered[job])
                rendered[job] = frames
                continue
            mark = event.mark
            if mark is None:
                notify(f"episode {job.position} of {job.demos} failed twice:\n{event.dropped}")
            elif (hint := _hint(mark, job.recipe)) and hint not in hinted:
                notify(hint)
                hinted.add(hint)
            done += 1
            dropped += mark is None or bool(mark.dropped)
            frames = mark.frames if mark else 0
            progress.note = f"{done} of {len(jobs)} episodes, {dropped} dropped"
            progress.update(frames - rendered[job], more=frames - job.steps)
            yield job, mark or event.dropped.strip().splitlines()[-1]


def _hint(mark: EpisodeMark, recipe: Recipe) -> str:
    """Say why an episode's pictures took longer than they could; empty where they did not."""
    if mark.one_by_one:
        return f"{recipe.env_id}: the GPU renders one frame after the other: {mark.one_by_one}"
    simplified = recipe.render_detail == "full" and "fast" in benchmark_of(recipe.env_id).render_details
    return SPEED_HINT if mark.rendered_on == "cpu" and simplified else ""
