"""From environments and wishes to batches of demos, and from batches to one dataset or one per task."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mstool.contract import Storage, Version
from mstool.dataset.target import check_target
from mstool.errors import DataError, UsageError
from mstool.layouts import DEFAULT_LAYOUT
from mstool.manifest import Task, all_tasks, load_manifest
from mstool.maniskill2lerobot.batches import Batch, Part
from mstool.maniskill2lerobot.convert import convert
from mstool.maniskill2lerobot.demos import at_hand, open_demos
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.episode.recorded import fit_to_recording, recorded_file
from mstool.maniskill2lerobot.executors.base import Executor
from mstool.maniskill2lerobot.executors.local import run_local
from mstool.maniskill2lerobot.options import make_recipe
from mstool.maniskill2lerobot.possible import check_demos, check_goals, check_layouts
from mstool.maniskill2lerobot.report import ConvertReport
from mstool.nearest import nearest
from mstool.paths import as_file_name
from mstool.progress import Notify
from mstool.simulators.apart import check_buildable
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.demos import Demos


@dataclass(frozen=True)
class ConvertRequest:
    """What a user asked for, the same for every environment; None where it was left open."""

    layout: str = DEFAULT_LAYOUT
    control_mode: str | None = None
    image_size: str | None = None
    cameras: str | None = None
    goal: str = "visible"
    instruction: str | None = None
    horizon: int | None = None
    observations: str = "replayed"
    # A path, `hub`, `generate` or None; for several environments a folder that holds one folder per environment.
    demos: str | None = None
    # Per environment.
    episodes: int | None = None
    # First seed of generated demos; None: the benchmark's.
    seed: int | None = None
    render_detail: str = "full"
    video_profile: str | None = None
    # Whether episodes that do not solve their task are kept.
    keep_failures: bool = False
    # Steps to stay after a demo's end.
    hold_steps: int = 0
    # Whether steps that ask for nothing are kept, where the benchmark leaves them out.
    keep_noops: bool = False


def choose_envs(names: Iterable[str], *, every: bool) -> list[str]:
    """Read `--env A --env B,C` and `--all` (those of the manifest that it takes): distinct names in the order given.

    Raises
    ------
    UsageError
        Nothing or both was given.

    """
    chosen = list(dict.fromkeys(name.strip() for text in names for name in text.split(",") if name.strip()))
    if every and chosen:
        raise UsageError("--all and --env exclude each other", fix="leave one of them out", change={"--all": None})
    if every:
        return all_tasks()
    if not chosen:
        first = next(iter(load_manifest()))
        raise UsageError(
            "which environment?", fix=f"add --env {first}, or --all for all known", change={"--env": first}
        )
    return list(dict.fromkeys(env_id for name in chosen for env_id in benchmark_of(name).suite(name)))


def tasks_of(manifest: Path, only: Iterable[str]) -> list[Task]:
    """Return a manifest's entries (but for `in_all: false`), or those named (`--env A,B`), in the manifest's order.

    Raises
    ------
    DataError
        The manifest cannot be read; every wrong field is listed.
    UsageError
        A name is not in it.

    """
    tasks = load_manifest(manifest)
    wanted = [name.strip() for text in only for name in text.split(",") if name.strip()]
    for name in wanted:
        if name not in tasks:
            near = nearest(name, tasks)
            hint = f" Did you mean {near}?" if near else ""
            raise UsageError(f"{manifest} has no entry {name!r}.{hint}", fix=f"choose from {', '.join(tasks)}")
    if not tasks:
        raise DataError(f"{manifest} lists no task", fix="add an entry under `tasks:` as in mstool's own manifest")
    chosen = [task for name, task in tasks.items() if (name in wanted if wanted else task.in_all)]
    if not chosen:
        raise UsageError(
            f"every entry of {manifest} says in_all: false", fix=f"name one with --env {next(iter(tasks))}"
        )
    return chosen


def make_recipes(
    envs: Sequence[str | Task], request: ConvertRequest, formats: Mapping[Version, Storage], *, per_task: bool
) -> list[Recipe]:
    """Make one recipe per environment; a manifest's entry brings its own sentence, horizon and cameras.

    Raises
    ------
    UsageError
        An option is wrong for one of them, or there are no demos of one; or together they cannot be one dataset.

    """
    if request.instruction and len(envs) > 1:
        raise UsageError(
            "--instruction is one task's sentence, several environments were named",
            fix="leave it out, or write the sentences into a manifest: mstool build MANIFEST",
            change={"--instruction": None},
        )
    recipes = []
    for env in envs:
        task = env if isinstance(env, Task) else None
        cameras = request.cameras
        known = task or benchmark_of(str(env)).task(str(env))
        if cameras is None and known is not None and known.cameras != Task.cameras:
            cameras = ",".join(known.cameras)
        recipes.append(
            make_recipe(
                task.env_id if task else str(env),
                layout=request.layout,
                control_mode=request.control_mode,
                image_size=request.image_size,
                cameras=cameras,
                goal=request.goal,
                instruction=request.instruction,
                horizon=request.horizon,
                storages=tuple(dict.fromkeys(formats.values())),
                observations=request.observations,
                render_detail=request.render_detail,
                video_profile=request.video_profile,
                keep_failures=request.keep_failures,
                hold_steps=request.hold_steps,
                keep_noops=request.keep_noops,
                task=task,
            )
        )
    env_ids = [recipe.env_id for recipe in recipes]
    check_goals(env_ids, request.goal)
    absent = _absent(recipes, request)
    check_demos(env_ids, absent, request.demos)
    check_layouts(env_ids, absent, request.layout)
    views = {recipe.env_id: recipe.views for recipe in recipes}
    if not per_task and len(set(views.values())) > 1:
        listed = ", ".join(f"{env_id}: {'+'.join(names)}" for env_id, names in views.items())
        raise UsageError(
            f"one dataset has the same cameras throughout ({listed})",
            fix="add --per-task or --cameras base",
            change={"--cameras": "base"} if all("base" in names for names in views.values()) else {"--per-task": True},
        )
    return recipes


def _absent(recipes: Sequence[Recipe], request: ConvertRequest) -> list[str]:
    """Return the environments whose demos are not on this machine."""
    return [
        recipe.env_id
        for recipe in recipes
        if not at_hand(recipe.env_id, request.demos, episodes=request.episodes, seed=request.seed)
    ]


def open_batches(
    recipes: Sequence[Recipe], request: ConvertRequest, notify: Notify, workers: int | None = None
) -> list[Batch]:
    """Open (or fetch, or generate) every environment's demos, and complete its recipe by what they say.

    Where demos have to come from elsewhere, which takes long, all environments are built before.
    """
    if request.seed is not None and request.demos not in {None, "generate"}:
        raise UsageError(
            f"--seed is of demos that are generated; those of --demos {request.demos} have seeds of their own",
            fix="leave --seed out",
            change={"--seed": None},
        )
    absent = _absent(recipes, request)
    if absent and request.observations != "recorded":
        check_buildable(absent)
    batches = []
    for recipe in recipes:
        where = request.demos
        if where not in {None, "hub", "generate"}:
            own = Path(str(where)) / recipe.env_id
            where = str(own) if own.is_dir() or len(recipes) > 1 else where
        source = open_demos(
            recipe.env_id, where, episodes=request.episodes, seed=request.seed, notify=notify, workers=workers
        )
        batches.append(Batch(source, _complete(recipe, source.demos, request), request.episodes))
    return batches


def build(
    recipes: Sequence[Recipe],
    request: ConvertRequest,
    root: Path,
    *,
    repo_id: str,
    formats: Mapping[Version, Storage],
    per_task: bool = False,
    overwrite: bool = False,
    skip_invalid: bool = False,
    fresh: bool = False,
    workers: int | None = None,
    executor: Executor = run_local,
    notify: Notify = lambda _: None,
) -> list[ConvertReport]:
    """Convert all environments into one dataset at `root`, or each into `root`/<environment> (`per_task`).

    Task indices follow the order of first use, so the order of `recipes`. Every target is checked before any work.

    Raises
    ------
    UsageError, DataError, MstoolError
        As `mstool.maniskill2lerobot.convert.convert`.

    """
    targets = {recipe.env_id: root / as_file_name(recipe.env_id) for recipe in recipes} if per_task else {"": root}
    for target in targets.values():
        check_target(target, overwrite=overwrite)
    batches = open_batches(recipes, request, notify, workers)
    groups = {batch.recipe.env_id: [batch] for batch in batches} if per_task else {"": batches}
    names = {name: f"{repo_id}-{as_file_name(name)}" if name else repo_id for name in groups}
    return convert(
        [Part(group, targets[name], names[name]) for name, group in groups.items()],
        formats=formats,
        overwrite=overwrite,
        skip_invalid=skip_invalid,
        fresh=fresh,
        workers=workers,
        executor=executor,
        notify=notify,
    )


def _complete(recipe: Recipe, demos: Demos, request: ConvertRequest) -> Recipe:
    if not demos.control_mode:
        raise DataError(
            f"{demos.json} names no control mode",
            fix=f'write the one they were recorded in into {demos.json}, as "control_mode" of each of its episodes '
            "(pd_joint_pos for planner demos)",
        )
    if recipe.observations == "recorded":
        return fit_to_recording(
            recipe, recorded_file(demos), control_mode=request.control_mode, image_size=request.image_size
        )
    demos.check_replayable()
    return recipe if recipe.control_mode else replace(recipe, control_mode=demos.control_mode)
