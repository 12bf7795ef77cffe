"""The command's own logic: from what was asked for to results on disk."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mstool.dataset.conventions import Conventions
from mstool.dataset.target import refuse_in_dataset
from mstool.dataset.training_stats import TrainingStats
from mstool.evaluation.configuration import configuration, fingerprint, spans
from mstool.evaluation.diagnose.diagnosis import diagnose
from mstool.evaluation.diagnose.recorder import Recorder
from mstool.evaluation.kept import DIAGNOSIS, all_measured, find_place, timing_of
from mstool.evaluation.markdown_report import write_page
from mstool.evaluation.outcomes import OutcomeLog, in_order
from mstool.evaluation.plan import EPISODES, EvalTask, choose_envs, choose_protocol, plan_replay, plan_tasks, too_few
from mstool.evaluation.play import play
from mstool.evaluation.policy import Policy, Traits, traits_of
from mstool.evaluation.request import EvalRequest
from mstool.evaluation.results import Results, TaskResult, write_results
from mstool.evaluation.runner import Runner
from mstool.evaluation.scene import dataset_views
from mstool.evaluation.summary import Summary
from mstool.evaluation.worker import WorkerSetup
from mstool.folders import writing_alone
from mstool.paths import writable_folder
from mstool.progress import Notify
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.capacity import waiting_workers
from mstool.simulators.protocol import Protocol
from mstool.torch_device import leave_cores

# Episodes per task of a diagnosis.
DIAGNOSED = 10


def evaluate(request: EvalRequest, notify: Notify) -> Results:
    """Run an evaluation, or what is left of it, and write its results.

    Raises
    ------
    UsageError
        Nothing can be written where the results go, or that is a dataset, or another evaluation writes there.
    MstoolError
        As `PolicySource.conventions`, `PolicySource.open`, `plan_tasks` and `Runner`.

    """
    writable_folder(request.folder, "--output")
    if request.video is not None:
        writable_folder(request.video, "--video")
        refuse_in_dataset(request.video, "--video", "videos")
    if request.output is not None:
        refuse_in_dataset(request.output, "--output", "results")
    with writing_alone(request.folder, "another evaluation writes into"):
        return _evaluate(request, notify)


def _evaluate(request: EvalRequest, notify: Notify) -> Results:
    source = request.source
    conventions = source.conventions()
    envs = choose_envs(request.envs, request.suite, conventions)
    conventions = conventions or source.plain_conventions(envs)
    stats = source.stats() if request.diagnose else None
    protocol = choose_protocol(envs, request.protocol)
    tasks = _tasks(request, envs, conventions, protocol)
    workers = min(request.workers or waiting_workers(), sum(len(task.seeds) for task in tasks))
    policy = _open(request, conventions, workers, notify)
    try:
        return _run(request, conventions, tasks, policy, workers, stats, notify, protocol)
    finally:
        if policy is not None:
            policy.close()


def _tasks(
    request: EvalRequest, envs: Sequence[str], conventions: Conventions | None, protocol: Protocol | None
) -> list[EvalTask]:
    if request.source.replays and conventions is not None:
        return plan_replay(envs, conventions, request.episodes, seed_start=request.seed_start, horizon=request.horizon)
    count = request.episodes or (DIAGNOSED if request.diagnose else EPISODES)
    tasks = []
    for env_id in envs:
        start = benchmark_of(env_id).first_seed if request.seed_start is None else request.seed_start
        tasks += plan_tasks(
            [env_id],
            conventions,
            seeds=range(start, start + count),
            instruction=request.instruction,
            horizon=request.horizon or (protocol.horizon(env_id) if protocol else None),
            dataset=request.dataset,
        )
    return tasks


def _open(request: EvalRequest, conventions: Conventions | None, workers: int, notify: Notify) -> Policy | None:
    if request.source.plans:
        return None
    assert conventions is not None
    leave_cores(workers)
    return request.source.open(
        conventions, device=request.device, timeout_s=request.timeout_s, slots=workers, notify=notify
    )


def _run(
    request: EvalRequest,
    conventions: Conventions | None,
    tasks: Sequence[EvalTask],
    policy: Policy | None,
    workers: int,
    stats: TrainingStats | None,
    notify: Notify,
    protocol: Protocol | None,
) -> Results:
    traits = traits_of(policy) if policy is not None else Traits(sees=False, identity={"kind": request.policy})
    schedule = request.schedule(traits, protocol.replan if protocol is not None else None)
    replan, ensemble, hold = schedule.replan, schedule.ensemble, schedule.hold
    views = dataset_views(conventions) if conventions is not None else ()
    seen = views if traits.sees else ()
    common = configuration(
        [task.env_id for task in tasks], conventions, traits, views=seen, replan=replan, ensemble=ensemble, hold=hold
    )
    if protocol is not None:
        common["protocol"] = protocol.name
    if request.diagnose:  # findings are of the episodes that it looked at, and of no others
        looked_at = {task.env_id: spans(task.seeds) for task in tasks}
        common[DIAGNOSIS] = {"seeds": looked_at, "dataset": request.dataset and request.dataset.resolve().name}
    folder = request.folder
    fewer = too_few(tasks, conventions, request.episodes) if request.source.replays and conventions is not None else []
    for line in fewer:
        notify(f"warning: {line}")
    logs = {task.env_id: OutcomeLog(folder, fingerprint(common, task)) for task in tasks}
    recorder = Recorder(policy, replan) if policy is not None and stats is not None else None
    setup = WorkerSetup(conventions, views if request.video else seen, hold, request.video)
    runner = Runner(recorder or policy, setup, workers, replan, ensemble)
    # A diagnosis needs to see every episode happen.
    fresh = request.fresh or request.diagnose
    place = find_place(folder, common, tasks, notify)
    outcomes, timing = play(tasks, logs, runner, place, fresh=fresh, notify=notify)
    trained = set(conventions.env_ids) if conventions is not None else set()
    asked = [
        TaskResult(
            task.env_id,
            task.prompt,
            task.horizon,
            task.env_id in trained,
            in_order(outcomes, [(task.env_id, seed) for seed in task.seeds]),
        )
        for task in tasks
    ]
    diagnosis = None
    if recorder is not None and stats is not None and conventions is not None:
        notify("looking at what the policy did")
        diagnosis = _diagnose(request, recorder, conventions, stats, tasks, replan, replace(runner))

    summary = Summary(
        policy=policy.name if policy is not None else request.policy,
        common=common,
        conventions=conventions,
        views=seen,
        stored=traits.ends_episodes,
        protocol=protocol,
        fewer=fewer,
        diagnosis=diagnosis,
    )
    whole = summary.of(all_measured(place, asked, logs, fresh=fresh), timing_of(place, timing), place)
    write_results(whole, place)
    write_page(whole, place)
    results = summary.of(asked, timing, place)
    if more := whole.episodes - results.episodes:
        notify(f"{place} has {more} more episodes of the same configuration, measured before")
    return results


def _diagnose(
    request: EvalRequest,
    recorder: Recorder,
    conventions: Conventions,
    stats: TrainingStats,
    tasks: Sequence[EvalTask],
    replan: int | None,
    runner: Runner,
) -> dict[str, Any]:
    return diagnose(
        recorder,
        conventions,
        stats,
        [job for task in tasks for job in task.jobs()],
        replan=replan,
        dataset=request.dataset,
        play=lambda jobs: [finished.outcome for finished in runner.run(jobs)],
    )
