"""Decide where an environment's demos come from, and bring them here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from mstool.errors import DataError, UsageError
from mstool.paths import quoted
from mstool.progress import Notify
from mstool.simulators.base import Benchmark
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.demos import Demos

CACHE = Path("data") / "demos"


@dataclass(frozen=True)
class DemoSource:
    """An opened demo file and how it came here (`local`, `hub` or `generate`)."""

    demos: Demos
    origin: str

    def describe(self) -> dict[str, Any]:
        """Return what the dataset's record says of it."""
        return {"env_id": self.demos.env_id, "origin": self.origin, "env_kwargs": self.demos.env_kwargs}


class Instead(TypedDict):
    """How an error names its mending command (`MstoolError`)."""

    fix: str
    change: dict[str, object]


def open_demos(
    env_id: str,
    where: str | None,
    *,
    episodes: int | None,
    seed: int | None = None,
    notify: Notify,
    workers: int | None = None,
) -> DemoSource:
    """Open the demos of `env_id`.

    Parameters
    ----------
    env_id
        The environment they must be of.
    where
        A path, `hub`, `generate`, or None: the local cache if it holds enough, else the hub if it answers quickly,
        else generate.
    episodes
        How many are wanted; None takes what there is (10 when they must be generated).
    seed
        First seed for generated demos; None takes the benchmark's.
    notify
        Called with one line on what was chosen.
    workers
        Processes that generate; None leaves it to the benchmark.

    Raises
    ------
    DataError
        The demos are missing, damaged or of another environment.
    UsageError
        There is no such file or folder; or they would have to be generated, and there is no planner for the
        environment.

    """
    benchmark = benchmark_of(env_id)
    seed = benchmark.first_demo_seed if seed is None else seed
    origin, path = _resolve(benchmark, env_id, where, episodes=episodes, seed=seed, notify=notify, workers=workers)
    try:
        demos = benchmark.open_demos(path, env_id)
    except DataError as error:
        others = instead(env_id)
        if error.fix not in {"", others["fix"]}:
            raise
        raise DataError(error.message, **others) from error
    if demos.env_id != env_id:
        known = demos.env_id in benchmark.env_ids()
        said = f"{demos.path} holds demos of {demos.env_id}"
        if not known:
            raise DataError(f"{said}, which this {benchmark.name} does not have", **instead(env_id))
        raise DataError(
            f"{said}, not of {env_id}",
            fix=f"mstool convert --env {demos.env_id} --demos {quoted(path)}",
            change={"--env": demos.env_id},
        )
    return DemoSource(demos, origin)


def instead(env_id: str) -> Instead:
    """Return what an error says where demos are of no use: to take others, all other words of the command kept."""
    command = benchmark_of(env_id).other_demos(env_id)
    return {"fix": command, "change": {"--demos": command.rpartition(" ")[2]}}


def at_hand(env_id: str, where: str | None, *, episodes: int | None, seed: int | None) -> bool:
    """Tell whether `open_demos` finds demos on this machine, so that none are downloaded or generated."""
    benchmark = benchmark_of(env_id)
    if where not in {None, "hub", "generate"}:
        return True
    if where == "generate":
        folders = [_generated_folder(env_id, episodes or 10, benchmark.first_demo_seed if seed is None else seed)]
    elif where == "hub":
        folders = [CACHE / env_id / "hub"]
    else:
        folders = _local_folders(benchmark, env_id)
    return any(_holds(benchmark, folder, env_id, episodes) for folder in folders)


def _local_folders(benchmark: Benchmark, env_id: str) -> list[Path]:
    ours = CACHE / env_id
    return [ours / "motionplanning", ours / "hub", *benchmark.demo_folders(env_id)]


def _generated_folder(env_id: str, episodes: int, seed: int) -> Path:
    return CACHE / env_id / f"generated-seed{seed}-n{episodes}"


def _resolve(
    benchmark: Benchmark,
    env_id: str,
    where: str | None,
    *,
    episodes: int | None,
    seed: int,
    notify: Notify,
    workers: int | None,
) -> tuple[str, Path]:
    if where == "generate":
        return "generate", _generated(benchmark, env_id, episodes or 10, seed, notify, workers)
    if where == "hub":
        notify(f"demos: {benchmark.official()}")
        return "hub", benchmark.download(env_id, CACHE / env_id)
    if where is not None:
        if not Path(where).exists():
            raise UsageError(f"no such file or folder: {where}", **instead(env_id))
        return "local", Path(where)
    for folder in _local_folders(benchmark, env_id):
        if _holds(benchmark, folder, env_id, episodes):
            notify(f"demos: {folder} (local cache)")
            return "local", folder
    if benchmark.reachable():
        notify(f"demos: {benchmark.official()}")
        try:
            return "hub", benchmark.download(env_id, CACHE / env_id)
        except DataError as error:
            if env_id not in benchmark.solvable():
                raise
            notify(f"demos: {error.message}")
    return "generate", _generated(benchmark, env_id, episodes or 10, seed, notify, workers)


def _generated(
    benchmark: Benchmark, env_id: str, episodes: int, seed: int, notify: Notify, workers: int | None
) -> Path:
    folder = _generated_folder(env_id, episodes, seed)
    if _holds(benchmark, folder, env_id, episodes):
        notify(f"demos: {folder} (generated before)")
    else:
        # Where nothing solves it, what generates says so, and nothing else is said.
        if env_id in benchmark.solvable():
            notify(f"demos: generating {episodes} with {benchmark.solver}, from seed {seed}, into {folder}")
        benchmark.generate(env_id, episodes=episodes, seed=seed, out_dir=folder, workers=workers)
    return folder


def _holds(benchmark: Benchmark, folder: Path, env_id: str, episodes: int | None) -> bool:
    """Tell whether `folder` holds one readable demo file with enough episodes."""
    try:
        return len(benchmark.open_demos(folder, env_id)) >= (episodes or 1)
    except DataError:
        return False
