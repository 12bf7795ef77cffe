"""Demos from a policy: its successful rollouts, as the benchmark's own tools would have recorded them."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from mstool.contract import Array
from mstool.dataset.conventions import Conventions
from mstool.errors import UsageError
from mstool.evaluation.plan import EvalTask, choose_envs, dataset_prompts, plan_replay, plan_task, too_few
from mstool.evaluation.policy import Observation, Policy, traits_of
from mstool.evaluation.request import EvalRequest
from mstool.evaluation.runner import Runner
from mstool.evaluation.scene import dataset_views, simulator_spec
from mstool.evaluation.worker import Finished, WorkerSetup
from mstool.paths import quoted
from mstool.progress import Notify
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.capacity import waiting_workers
from mstool.simulators.demos import Attempt, GenerateReport, Rollout, most_attempts

FAILED = "not successful"


def generate(
    request: EvalRequest,
    folder: Path | None,
    *,
    correct: bool = False,
    overwrite: bool = False,
    notify: Notify = print,
) -> GenerateReport:
    """Run a policy on one seed after the other until enough episodes are solved at their end, and record those.

    Or, with `correct`, until the planner solved enough from where the policy came to, and record that.

    The same for any number of workers: the policy answers one observation at a time, on one thread.

    Parameters
    ----------
    request
        Policy, environment, `episodes`, `seed_start`, and how it is run.
    folder
        Where the files go; None: `data/demos/ENV/policy`, or `corrected`.
    correct
        Whether the planner goes on from what the policy met (`Benchmark.correct`).
    overwrite
        Whether to replace files that are there.
    notify
        Told of what a person should know.

    Raises
    ------
    UsageError
        The policy is the planner, or speaks for no environment or for several.
    MstoolError
        As `PolicySource.conventions`, `PolicySource.open`, `Runner`, `Benchmark.record` and `Benchmark.correct`.

    """
    if request.episodes is not None and request.episodes < 1:
        raise UsageError(
            f"--episodes must be 1 or more, not {request.episodes}",
            fix=f"{request.command} {quoted(request.policy)} --episodes 1",
            change={"--episodes": 1},
        )
    source = request.source
    if source.plans:
        raise UsageError(
            "the planner is what makes demos where no policy is given",
            fix=f"mstool demos generate --env {next(iter(request.envs), 'PickCube-v1')}",
            change={"--policy": None, "--correct": None, "--env": next(iter(request.envs), "PickCube-v1")},
        )
    conventions = source.conventions()
    envs = choose_envs(request.envs, None, conventions)
    if len(envs) > 1:
        raise UsageError(
            f"a file of demos is of one environment, and these are {', '.join(envs)}",
            fix=f"{request.command} {quoted(request.policy)} --env {envs[0]}",
            change={"--env": envs[0]},
        )
    conventions = conventions or source.plain_conventions(envs)
    assert conventions is not None
    task = _task(request, envs[0], conventions)
    benchmark = benchmark_of(task.env_id)
    record = partial(benchmark.correct, workers=request.workers) if correct else benchmark.record
    with closing(_rollouts(request, conventions, task, notify)) as rollouts:
        return record(
            simulator_spec(conventions, task.env_id, views=()),
            rollouts,
            source=request.policy,
            episodes=request.episodes or 1,
            seed=_first_seed(request, task.env_id),
            out_dir=folder or Path("data/demos") / task.env_id / ("corrected" if correct else "policy"),
            overwrite=overwrite,
        )


def _task(request: EvalRequest, env_id: str, conventions: Conventions) -> EvalTask:
    if request.source.replays:
        (stored,) = plan_replay([env_id], conventions, None, seed_start=request.seed_start)
        for line in too_few([stored], conventions, request.episodes):
            raise UsageError(
                line,
                fix=f"{request.command} {quoted(request.policy)} --episodes {len(stored.seeds)}",
                change={"--episodes": len(stored.seeds)},
            )
        return replace(stored, seeds=tuple(sorted(stored.seeds)))
    prompts = dataset_prompts(request.dataset, conventions) if request.dataset is not None else {}
    start = _first_seed(request, env_id)
    seeds = tuple(range(start, start + most_attempts(request.episodes or 1)))
    return plan_task(env_id, seeds, conventions, request.instruction or prompts.get(env_id), request.horizon)


def _first_seed(request: EvalRequest, env_id: str) -> int:
    return benchmark_of(env_id).first_demo_seed if request.seed_start is None else request.seed_start


def _rollouts(request: EvalRequest, conventions: Conventions, task: EvalTask, notify: Notify) -> Generator[Rollout]:
    """Yield what the policy does on each of the task's seeds, in their order; nothing is loaded before it is asked."""
    import torch

    torch.set_num_threads(1)
    policy = request.source.open(conventions, device=request.device, timeout_s=request.timeout_s, notify=notify)
    try:
        traits = traits_of(policy)
        schedule = request.schedule(traits)
        if task.env_id not in conventions.env_ids and conventions.env_ids:
            notify(f"not trained on: {task.env_id}")
        setup = WorkerSetup(conventions, dataset_views(conventions) if traits.sees else (), schedule.hold)
        workers = min(request.workers or waiting_workers(), len(task.seeds))
        runner = Runner(_OneByOne(policy), setup, workers, schedule.replan, schedule.ensemble)
        with closing(runner.run(task.jobs())) as finished:
            yield from _in_order(finished, task.seeds)
    finally:
        policy.close()


def _in_order(finished: Iterator[Finished], seeds: Sequence[int]) -> Iterator[Rollout]:
    done: dict[int, Finished] = {}
    left = iter(seeds)
    wanted = next(left, None)
    for each in finished:
        done[each.outcome.seed] = each
        while wanted in done:
            yield _rollout(done.pop(wanted))
            wanted = next(left, None)


def _rollout(finished: Finished) -> Rollout:
    outcome, actions = finished.outcome, finished.actions
    success = outcome.success_at_end and actions is not None
    why = "" if success else outcome.reason or FAILED
    return Rollout(Attempt(outcome.seed, success, outcome.steps, why), np.zeros((0, 0)) if actions is None else actions)


class _OneByOne:
    """Asks a policy for each observation by itself: in a batch, the last bits depend on who else waits."""

    def __init__(self, policy: Policy) -> None:
        self.policy, self.name = policy, policy.name

    def reset(self, slot: int, env_id: str, seed: int) -> None:
        self.policy.reset(slot, env_id, seed)

    def act(self, slots: Sequence[int], observations: Sequence[Observation]) -> list[Array]:
        return [self.policy.act([slot], [seen])[0] for slot, seen in zip(slots, observations, strict=True)]

    def close(self) -> None:
        self.policy.close()
