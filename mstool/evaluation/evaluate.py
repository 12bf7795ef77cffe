"""The command's own logic: from what was asked for to results on disk."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mstool.conventions import Conventions, load_conventions
from mstool.errors import UsageError
from mstool.evaluation.checkpoint import find_checkpoint, results_folder
from mstool.evaluation.chunks import ENSEMBLE_RATE
from mstool.evaluation.configuration import configuration, fingerprint
from mstool.evaluation.film import write_picture
from mstool.evaluation.outcomes import Outcome, OutcomeLog, in_order
from mstool.evaluation.page import FILMS, write_page
from mstool.evaluation.plain import plain_conventions
from mstool.evaluation.plan import EPISODES, SEED_START, Task, choose_envs, plan_replay, plan_tasks
from mstool.evaluation.policies import PLANNER, RANDOM, REPLAY, SERVER, open_policy
from mstool.evaluation.policy import Policy, Traits, traits_of
from mstool.evaluation.results import Results, TaskResult, write_results
from mstool.evaluation.runner import Runner
from mstool.evaluation.scene import dataset_views
from mstool.evaluation.worker import Finished, Setup

# Steps that go on after the first success: 1 s at 20 Hz.
HOLD = 20
# A worker's peak with two 256 px views, with room to spare.
WORKER_BYTES = 2 * 1024**3

type Notify = Callable[[str], None]


@dataclass(frozen=True)
class Wish:
    """What a user asked for."""

    # See `mstool.evaluation.policies.open_policy`.
    policy: str
    envs: Sequence[str] = ()
    suite: str | None = None
    # Per task; by default 40, of `replay:` all.
    episodes: int | None = None
    seed_start: int = SEED_START
    workers: int | None = None
    replan: int | None = None
    ensemble: bool = False
    hold: int = HOLD
    instruction: str | None = None
    horizon: int | None = None
    # The dataset a policy was trained on, where no conventions lie beside it.
    dataset: Path | None = None
    device: str = "auto"
    timeout_s: float = 60.0
    video: Path | None = None
    output: Path | None = None
    # Forget what an interrupted run finished.
    fresh: bool = False


def evaluate(wish: Wish, notify: Notify) -> Results:
    """Run an evaluation, or what is left of it, and write its results.

    Raises
    ------
    MstoolError
        As `open_policy`, `plan_tasks` and `Runner`.

    """
    _check(wish)
    conventions = conventions_of(wish)
    envs = choose_envs(wish.envs, wish.suite, conventions)
    if conventions is None and wish.policy == RANDOM:
        conventions = plain_conventions(envs)
    tasks = _tasks(wish, envs, conventions)
    jobs = sum(len(task.seeds) for task in tasks)
    workers = min(wish.workers or auto_workers(), jobs)
    policy = _open(wish, conventions, workers, notify)
    try:
        return _run(wish, conventions, tasks, policy, workers, notify)
    finally:
        if policy is not None:
            policy.close()


def conventions_of(wish: Wish) -> Conventions | None:
    """Find what the policy was trained on; None for one that was trained on nothing.

    Raises
    ------
    UsageError
        A server does not say, and no dataset was given.

    """
    if wish.policy.startswith(REPLAY):
        return load_conventions(Path(wish.policy.removeprefix(REPLAY)))
    if wish.policy == PLANNER:
        return None
    if wish.dataset is not None:
        return load_conventions(wish.dataset)
    if wish.policy == RANDOM:
        return None
    if wish.policy.startswith(SERVER):
        raise UsageError(
            "a server does not say what its policy was trained on: layout, cameras, image size",
            fix=f"mstool eval --policy {wish.policy} --dataset DATASET",
        )
    return load_conventions(find_checkpoint(wish.policy))


def auto_workers() -> int:
    """Choose a number of workers: all cores but one, as far as memory reaches."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(cores - 1, int(memory // WORKER_BYTES)))


def _check(wish: Wish) -> None:
    if wish.ensemble and wish.policy == PLANNER:
        raise UsageError("--ensemble: the planner answers no observations", fix="leave --ensemble out")
    if wish.video is not None and wish.policy == PLANNER:
        raise UsageError(
            "--video: the planner runs without pictures",
            fix="mstool convert --demos generate, then mstool show DATASET",
        )


def _tasks(wish: Wish, envs: Sequence[str], conventions: Conventions | None) -> list[Task]:
    if wish.policy.startswith(REPLAY):
        assert conventions is not None
        return plan_replay(envs, conventions, wish.episodes)
    seeds = range(wish.seed_start, wish.seed_start + (wish.episodes or EPISODES))
    return plan_tasks(
        envs,
        conventions,
        seeds=seeds,
        instruction=wish.instruction,
        horizon=wish.horizon,
        dataset=wish.dataset,
    )


def _open(wish: Wish, conventions: Conventions | None, workers: int, notify: Notify) -> Policy | None:
    if wish.policy == PLANNER:
        return None
    assert conventions is not None
    return open_policy(
        wish.policy,
        conventions,
        device=wish.device,
        timeout_s=wish.timeout_s,
        slots=workers,
        dataset=wish.dataset,
        notify=notify,
    )


def _run(
    wish: Wish,
    conventions: Conventions | None,
    tasks: Sequence[Task],
    policy: Policy | None,
    workers: int,
    notify: Notify,
) -> Results:
    traits = traits_of(policy) if policy is not None else Traits(sees=False, identity={"kind": PLANNER})
    views = dataset_views(conventions) if conventions is not None else ()
    if traits.stateful and (wish.ensemble or (wish.replan or 1) > 1):
        raise UsageError(
            "--replan, --ensemble: this policy keeps a history of its own and must be asked at every step",
            fix="leave them out",
        )
    replan = None if traits.ends_episodes else wish.replan or (1 if wish.ensemble else traits.replan)
    ensemble = ENSEMBLE_RATE if wish.ensemble else None
    hold = None if traits.ends_episodes or policy is None else wish.hold
    seen = views if traits.sees else ()
    common = configuration(conventions, traits, views=seen, replan=replan, ensemble=ensemble, hold=hold)
    folder = wish.output or _folder(wish, policy)
    logs = {task.env_id: OutcomeLog(folder, fingerprint(common, task)) for task in tasks}
    setup = Setup(conventions, views if wish.video else seen, hold, wish.video)
    runner = Runner(policy, setup, workers, replan, ensemble)
    outcomes, timing = _play(tasks, logs, runner, folder, fresh=wish.fresh, notify=notify)
    trained = set(conventions.env_ids) if conventions is not None else set()
    results = Results(
        policy=policy.name if policy is not None else PLANNER,
        configuration={**common, "seeds": {task.env_id: _span(task.seeds) for task in tasks}},
        tasks=[
            TaskResult(
                task.env_id,
                task.prompt,
                task.horizon,
                task.env_id in trained,
                in_order(outcomes, [(task.env_id, seed) for seed in task.seeds]),
            )
            for task in tasks
        ],
        timing=timing,
        notes=_notes(conventions, tasks, seen),
        folder=folder,
    )
    write_results(results, folder)
    write_page(results, folder)
    return results


def _play(
    tasks: Sequence[Task],
    logs: dict[str, OutcomeLog],
    runner: Runner,
    folder: Path,
    *,
    fresh: bool,
    notify: Notify,
) -> tuple[list[Outcome], dict[str, Any]]:
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
    if kept:
        notify(f"{kept} episodes were finished before, {len(jobs)} are left (--fresh starts again)")
    started, steps, solved = time.monotonic(), 0, sum(outcome.success_once for outcome in outcomes)
    with tqdm(total=kept + len(jobs), initial=kept, desc="eval", unit="episode", disable=None) as bar:
        for finished in runner.run(jobs) if jobs else ():
            outcome = finished.outcome
            logs[outcome.env_id].add(outcome)
            outcomes.append(outcome)
            _keep_strip(finished, folder)
            steps, solved = steps + outcome.steps, solved + outcome.success_once
            bar.set_postfix_str(f"{solved} solved, {steps / (time.monotonic() - started):.0f} steps/s", refresh=False)
            bar.update()
    seconds = time.monotonic() - started
    speed = runner.speed
    timing = {
        "seconds": round(seconds, 2),
        "workers": runner.workers,
        "episodes": len(jobs),
        "kept_episodes": kept,
        "steps": steps,
        "steps_per_second": round(steps / seconds, 2) if jobs else None,
        "inferences": speed.inferences,
        "observations": speed.answered,
        "inference_seconds": round(speed.inferring, 2),
    }
    return outcomes, timing


def _keep_strip(finished: Finished, folder: Path) -> None:
    """Keep one strip of a success and one of a failure per task: those of the lowest seeds."""
    outcome = finished.outcome
    if finished.strip is None:
        return
    kind = "success" if outcome.success_once else "failure"
    there = sorted((folder / FILMS).glob(f"{outcome.env_id}_{kind}_*.png"))
    if there and int(there[0].stem.rpartition("_")[2]) <= outcome.seed:
        return
    write_picture(finished.strip, folder / FILMS / f"{outcome.env_id}_{kind}_{outcome.seed}.png")
    for path in there:
        path.unlink()


def _folder(wish: Wish, policy: Policy | None) -> Path:
    if wish.policy in {PLANNER, RANDOM}:
        return Path("eval") / wish.policy
    if wish.policy.startswith(REPLAY):
        return Path("eval") / f"replay-{Path(wish.policy.removeprefix(REPLAY)).resolve().name}"
    if wish.policy.startswith(SERVER):
        return Path("eval") / wish.policy.partition("://")[2].replace("/", "_").replace(":", "_")
    del policy
    return results_folder(find_checkpoint(wish.policy))


def _notes(conventions: Conventions | None, tasks: Sequence[Task], views: Sequence[str]) -> list[str]:
    if conventions is None or not conventions.episodes:
        return []
    new = [task.env_id for task in tasks if task.env_id not in conventions.env_ids]
    notes = [f"not trained on: {', '.join(new)}"] if new else []
    if views and conventions.mstool.get("observations") == "recorded":
        notes.append("the training pictures were taken from demo files: the cameras here may stand elsewhere")
    return notes


def _span(seeds: Sequence[int]) -> str:
    whole = list(seeds) == list(range(seeds[0], seeds[0] + len(seeds)))
    return f"{seeds[0]}..{seeds[-1]}" if whole else ",".join(map(str, seeds))
