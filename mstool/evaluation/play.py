"""Run the episodes that are left, keep each as it ends, and show how it goes."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mstool.dataset.files import RESULTS_FILE
from mstool.evaluation.filmstrip import write_picture
from mstool.evaluation.markdown_report import FILMS
from mstool.evaluation.outcomes import Outcome, OutcomeLog
from mstool.evaluation.plan import EvalTask
from mstool.evaluation.runner import Runner
from mstool.evaluation.worker import Finished
from mstool.ordering import firsts_first
from mstool.paths import as_file_name
from mstool.progress import Notify, Progress


def play(
    tasks: Sequence[EvalTask],
    logs: Mapping[str, OutcomeLog],
    runner: Runner,
    folder: Path,
    *,
    fresh: bool,
    notify: Notify,
) -> tuple[list[Outcome], dict[str, Any]]:
    """Run what the logs do not hold.

    Parameters
    ----------
    tasks
        What to run.
    logs
        {environment: where its outcomes are kept}.
    runner
        Who runs them.
    folder
        Where strips of pictures go.
    fresh
        Forget what the logs hold.
    notify
        Told what is left out because it was finished before.

    Returns
    -------
    The outcomes in no order, and what the time went into.

    """
    outcomes: list[Outcome] = []
    jobs = []
    # The longest first: short ones fill the gaps at the end.
    for task in sorted(tasks, key=lambda task: -task.horizon):
        if fresh:
            logs[task.env_id].forget()
        known = logs[task.env_id].read()
        outcomes += [known[job.env_id, job.seed] for job in task.jobs() if (job.env_id, job.seed) in known]
        jobs += [job for job in task.jobs() if (job.env_id, job.seed) not in known]
    kept = len(outcomes)
    # What is forgotten, or lies where no results do yet, would stay where its seeds are lower.
    if fresh or not (kept or (folder / RESULTS_FILE).exists()):
        for task in tasks:
            for strip in (folder / FILMS).glob(f"{as_file_name(task.env_id)}_*.png"):
                strip.unlink()
    if kept:
        notify(f"{kept} episodes were finished before, {len(jobs)} are left (--fresh starts again)")
    started, steps, solved = time.monotonic(), 0, sum(outcome.success_once for outcome in outcomes)
    with Progress("eval", kept + len(jobs), "episode", done=kept) as progress:
        for finished in runner.run(firsts_first(jobs, lambda job: job.env_id)):
            outcome = finished.outcome
            logs[outcome.env_id].add(outcome)
            outcomes.append(outcome)
            _keep_strip(finished, folder)
            steps, solved = steps + outcome.steps, solved + outcome.success_once
            progress.note = f"{solved} solved, {steps / (time.monotonic() - started):.0f} steps/s"
            progress.update()
    seconds = time.monotonic() - started
    return outcomes, {
        "seconds": round(seconds, 2),
        "workers": runner.workers,
        "episodes": len(jobs),
        "kept_episodes": kept,
        "steps": steps,
        "steps_per_second": round(steps / seconds, 2) if jobs else None,
        "inferences": runner.speed.inferences,
        "observations": runner.speed.answered,
        "inference_seconds": round(runner.speed.inferring, 2),
    }


def _keep_strip(finished: Finished, folder: Path) -> None:
    """Keep one strip of a success and one of a failure per task: those of the lowest seeds."""
    outcome = finished.outcome
    if finished.strip is None:
        return
    kind = "success" if outcome.success_once else "failure"
    there = sorted((folder / FILMS).glob(f"{as_file_name(outcome.env_id)}_{kind}_*.png"))
    if there and int(there[0].stem.rpartition("_")[2]) <= outcome.seed:
        return
    write_picture(finished.strip, folder / FILMS / f"{as_file_name(outcome.env_id)}_{kind}_{outcome.seed}.png")
    for path in there:
        path.unlink()
