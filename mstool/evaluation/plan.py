"""What is to be evaluated: tasks, seeds, sentences and horizons, checked before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mstool.dataset.conventions import Conventions
from mstool.dataset.files import Unavailable
from mstool.dataset.view import DatasetView
from mstool.errors import UsageError
from mstool.evaluation.rollout import EvalJob
from mstool.manifest import all_tasks, load_manifest
from mstool.simulators.benchmarks import BENCHMARKS, benchmark_of
from mstool.simulators.protocol import Protocol

# The six tasks of ManiSkill that single-arm policies are compared on.
SUITES = {
    "seed6": ("PickCube-v1", "StackCube-v1", "PushCube-v1", "PullCube-v1", "PullCubeTool-v1", "PlaceSphere-v1"),
    "all": (),
}
EPISODES = 40


@dataclass(frozen=True)
class EvalTask:
    """One task of an evaluation."""

    env_id: str
    prompt: str
    horizon: int
    seeds: tuple[int, ...]

    def jobs(self) -> list[EvalJob]:
        """Return its episodes."""
        return [EvalJob(self.env_id, seed, self.prompt, self.horizon) for seed in self.seeds]


def choose_envs(names: Sequence[str], suite: str | None, conventions: Conventions | None) -> list[str]:
    """Read `--env A,B --env C` and `--suite`; by default what the policy was trained on.

    Raises
    ------
    UsageError
        Both or an unknown suite was given, or nothing and there is no dataset to ask; there is no such environment.
    SetupError
        The extra of a benchmark is not installed.

    """
    chosen = list(dict.fromkeys(name.strip() for text in names for name in text.split(",") if name.strip()))
    if suite is not None and chosen:
        raise UsageError("--suite and --env exclude each other", fix="leave one of them out", change={"--suite": None})
    if suite is not None:
        if suite not in SUITES:
            others = [
                name
                for benchmark in BENCHMARKS
                for protocol in benchmark.protocols.values()
                for name in protocol.horizons
            ]
            raise UsageError(
                f"there is no suite {suite!r}: choose from {', '.join(SUITES)}",
                fix=f"--env {suite}" if suite in others else "--suite seed6",
                change={"--suite": None, "--env": suite} if suite in others else {"--suite": "seed6"},
            )
        return list(SUITES[suite]) or all_tasks()
    if chosen:
        envs = list(dict.fromkeys(env_id for name in chosen for env_id in benchmark_of(name).suite(name)))
        for env_id in envs:
            benchmark_of(env_id).check_env_id(env_id)
        return envs
    if conventions is None or not conventions.env_ids:
        first = next(iter(load_manifest()))
        raise UsageError("which environment?", fix=f"add --env {first}", change={"--env": first})
    for env_id in conventions.env_ids:
        benchmark_of(env_id).task(env_id)  # which needs its extra, where it is one
    return list(conventions.env_ids)


def plan_tasks(
    envs: Sequence[str],
    conventions: Conventions | None,
    *,
    seeds: range,
    instruction: str | None = None,
    horizon: int | None = None,
    dataset: Path | None = None,
) -> list[EvalTask]:
    """Fill in each task's sentence and horizon, and check that no seed was trained on.

    Sentences are the dataset's own where it is at hand, else the manifest's.

    Raises
    ------
    UsageError
        A seed is one of a training episode, or a task has no sentence or horizon.

    """
    prompts = dataset_prompts(dataset, conventions) if dataset is not None and conventions is not None else {}
    tasks = []
    for env_id in envs:
        for seed in seeds:
            benchmark_of(env_id).check_seed(env_id, seed)
        if conventions is not None:
            _check_unseen(env_id, seeds, conventions)
        tasks.append(plan_task(env_id, tuple(seeds), conventions, instruction or prompts.get(env_id), horizon))
    return tasks


def choose_protocol(envs: Sequence[str], name: str | None) -> Protocol | None:
    """Return how others evaluate in the benchmark of `envs`, by name or the first; None where nobody says.

    Raises
    ------
    UsageError
        There is none of that name, or a name was given for environments of several benchmarks.

    """
    benchmarks = {benchmark.name: benchmark for benchmark in map(benchmark_of, envs)}
    known = {key: each for benchmark in benchmarks.values() for key, each in benchmark.protocols.items()}
    if name is not None and name not in known:
        has = f", it has {', '.join(known)}" if known else ""
        raise UsageError(
            f"{' with '.join(benchmarks)} has no protocol {name!r}{has}",
            fix=f"--protocol {next(iter(known))}" if known else "leave --protocol out",
            change={"--protocol": next(iter(known), None)},
        )
    return known[name] if name else next(iter(known.values()), None)


def plan_replay(
    envs: Sequence[str],
    conventions: Conventions,
    episodes: int | None,
    *,
    seed_start: int | None = None,
    horizon: int | None = None,
) -> list[EvalTask]:
    """Take each task's recorded seeds, in the dataset's order, from `seed_start` on, and steps for all their actions.

    Raises
    ------
    UsageError
        The dataset has no episode of a task or with such seeds, or does not know their seeds.

    """
    conventions.need_seeds()
    tasks = []
    for env_id in envs:
        # One that begins where a disturbance or a policy had come to cannot be begun from its seed.
        own = [line for line in conventions.episodes if line["env_id"] == env_id and line.get("disturbed") is not True]
        seeds = [int(line["seed"]) for line in own]
        if not seeds:
            if env_id in conventions.env_ids:
                raise UsageError(
                    f"no episode of {conventions.dataset} begins at its seed: all begin where a disturbance or a "
                    "policy had come to",
                    fix=f"mstool demos generate --env {env_id}",
                )
            raise UsageError(
                f"{conventions.dataset} has no episode of {env_id}: it holds {', '.join(conventions.env_ids)}",
                fix=f"add --env {conventions.env_ids[0]}",
                change={"--env": conventions.env_ids[0], "--suite": None},
            )
        from_start = [seed for seed in seeds if seed_start is None or seed >= seed_start]
        if not from_start:
            raise UsageError(
                f"the seeds of {env_id} in {conventions.dataset} go up to {max(seeds)}, not to {seed_start}",
                fix=f"leave the first seed out, or take {min(seeds)}",
                change={"--seed-start": None, "--seed": None},
            )
        steps = horizon or max(int(line["frames"]) for line in conventions.episodes if line["env_id"] == env_id)
        tasks.append(EvalTask(env_id, "", steps, tuple(dict.fromkeys(from_start))[:episodes]))
    return tasks


def too_few(tasks: Sequence[EvalTask], conventions: Conventions, episodes: int | None) -> list[str]:
    """Say of each task of a replay how many of the `episodes` asked for its dataset has, where these are fewer."""
    return [
        f"{conventions.dataset} holds {len(task.seeds)} episodes of {task.env_id} to replay"
        f", fewer than the {episodes} asked for"
        for task in tasks
        if episodes is not None and len(task.seeds) < episodes
    ]


def dataset_prompts(root: Path, conventions: Conventions) -> dict[str, str]:
    """Return the sentence that a dataset stores with each environment's episodes."""
    try:
        rows = {row.index: row for row in DatasetView(root).episodes}
    except Unavailable:
        return {}
    return {
        str(line["env_id"]): rows[int(line["episode_index"])].tasks[0]
        for line in reversed(conventions.episodes)
        if int(line["episode_index"]) in rows and "env_id" in line
    }


def plan_task(
    env_id: str, seeds: tuple[int, ...], conventions: Conventions | None, prompt: str | None, horizon: int | None
) -> EvalTask:
    """Fill in a task's sentence and horizon; UsageError where nothing says them."""
    known = benchmark_of(env_id).task(env_id)
    recorded = conventions.record.horizon.get(env_id) if conventions is not None else None
    prompt = prompt or (known.instruction if known else None)
    horizon = horizon or (known.horizon if known else recorded)
    if conventions is not None and prompt is None:
        raise UsageError(
            f"{env_id} has no sentence in the manifest",
            fix='add --instruction "..." with the sentence that the policy was trained on',
            change={"--instruction": "SENTENCE"},
        )
    if horizon is None:
        raise UsageError(
            f"{env_id} has no horizon in the manifest", fix="add --horizon STEPS", change={"--horizon": "STEPS"}
        )
    return EvalTask(env_id, prompt or "", int(horizon), seeds)


def _check_unseen(env_id: str, seeds: range, conventions: Conventions) -> None:
    trained = conventions.seeds(env_id)
    seen = sorted(trained.intersection(seeds))
    if not seen:
        return
    start, count, other = _unseen(env_id, trained, len(seeds))
    shown = ", ".join(map(str, seen[:5])) + (", ..." if len(seen) > 5 else "")
    raise UsageError(
        f"{env_id}: {len(seen)} of the {len(seeds)} seeds were trained on ({shown}): success there says little",
        fix=other or f"add --seed-start {start}" + (f" --episodes {count}" if count < len(seeds) else ""),
        change=None if other else {"--seed-start": start, **({"--episodes": count} if count < len(seeds) else {})},
    )


def _unseen(env_id: str, trained: frozenset[int], count: int) -> tuple[int, int, str]:
    """Return where most of `count` seeds begin that are none of `trained`, how many, and what to do where none is."""
    found, why = [], ""
    for first in (max(trained) + 1, 0):
        free = 0
        for seed in range(first, first + count):
            try:
                benchmark_of(env_id).check_seed(env_id, seed)
            except UsageError as error:
                why = error.fix
                break
            if seed in trained:
                break
            free += 1
        found.append((first, free))
    start, most = max(found, key=lambda each: each[1])
    return start, most, "" if most else why
