"""Demos to datasets: of environments, or of what a manifest lists."""

from pathlib import Path
from typing import Any

from mstool.api.arguments import PathLike, Words, path_or_none, words
from mstool.dataset.names import check_repo_id
from mstool.errors import UsageError
from mstool.layouts import DEFAULT_LAYOUT
from mstool.manifest import Task
from mstool.maniskill2lerobot.executors.choose import choose_executor
from mstool.maniskill2lerobot.options import parse_formats
from mstool.maniskill2lerobot.plan import ConvertRequest, choose_envs, make_recipes, tasks_of
from mstool.maniskill2lerobot.plan import build as build_datasets
from mstool.maniskill2lerobot.report import ConvertReport
from mstool.paths import as_file_name
from mstool.progress import notify


def convert(
    env: Words | None = None,
    *,
    every: bool = False,
    demos: PathLike | None = None,
    episodes: int | None = None,
    seed: int | None = None,
    output: PathLike | None = None,
    repo_id: str | None = None,
    layout: str = DEFAULT_LAYOUT,
    control_mode: str | None = None,
    image_size: str | int | None = None,
    cameras: Words | None = None,
    goal: str = "visible",
    instruction: str | None = None,
    horizon: int | None = None,
    hold_steps: int = 0,
    observations: str = "replayed",
    from_states: bool = False,
    render_detail: str = "full",
    version: str = "v3.0",
    storage: str | None = None,
    video_profile: str | None = None,
    per_task: bool = False,
    workers: int | None = None,
    executor: str = "local",
    ray_address: str = "auto",
    fresh: bool = False,
    skip_invalid: bool = False,
    keep_failures: bool = False,
    keep_noops: bool = False,
    overwrite: bool = False,
) -> list[ConvertReport]:
    """Replay demos of ManiSkill or LIBERO into a LeRobot dataset: RGB views, state, actions, exact norm stats.

    Parameters
    ----------
    env
        Environments, as "PickCube-v1", or suites, as "libero_spatial"; several go into one dataset, or with `per_task`
        each into its own.
    every
        The ten Panda tasks that demos can be generated of, in the place of `env`.
    demos
        ManiSkill's .h5, LIBERO's _demo.hdf5, or its folder, "hub" or "generate"; by default the local cache,
        else the hub, else generated.
    episodes
        How many demos per environment; None takes all, of generated ones 10.
    seed
        First seed of generated demos, by default 0, in LIBERO 1000.
    output
        The dataset's folder, by default data/NAME.
    repo_id
        The dataset's name on a hub, by default local/NAME.
    layout
        What state and actions mean (`mstool.layouts`).
    control_mode
        The controller that executes the stored actions; by default the layout's first.
    image_size
        Pixels of a square's side, or "HEIGHTxWIDTH".
    cameras
        Views to render, by default the layout's.
    goal
        Goal markers that ManiSkill hides: "visible", "hidden", or "state" (position stored, in m).
    instruction
        The sentence of the one task, by default the manifest's.
    horizon
        The most control steps of a demo; longer ones are dropped.
    hold_steps
        Go on for so many control steps after a demo's end, staying where it led.
    observations
        "replayed" executes and renders the demo, "recorded" takes the images of its file, "states" renders the states
        of its file.
    from_states
        Short for `observations="states"`.
    render_detail
        "full", or "fast" with a simplified robot and floor.
    version
        LeRobot's format: "v3.0", "v2.1" or "both".
    storage
        "video" or "image"; by default video for v3.0 and image for v2.1.
    video_profile
        "exact" (by default) keeps full colour resolution; "portable" is what browsers and hardware decoders play.
    per_task
        One dataset per environment, in `output`/ENVIRONMENT.
    workers
        Processes; None looks at cores, memory and GPUs.
    executor, ray_address
        "local", or "ray" with a cluster's HOST:PORT.
    fresh
        Forget what an interrupted run finished.
    skip_invalid
        Drop damaged demos instead of stopping.
    keep_failures
        Keep episodes that do not solve their task too, and mark them.
    keep_noops
        Keep steps of LIBERO's own demos that ask for nothing.
    overwrite
        Replace the dataset that is there.

    Returns
    -------
    One report per dataset.

    Raises
    ------
    UsageError
        An option cannot be, or the output is taken.
    DataError
        Demos are damaged, or do not fit into one dataset.
    MstoolError
        No demo led to success, or the disk is full.

    Notes
    -----
    Worker processes import the main module again: a script needs `if __name__ == "__main__":`.

    """
    envs = choose_envs(words(env), every=every)
    named = words(env) or envs
    name = as_file_name(named[0] if len(named) == 1 else "multitask")
    return _convert(
        envs,
        name,
        path_or_none(output) or Path("data") / ("" if per_task else name),
        ConvertRequest(
            layout=layout,
            control_mode=control_mode,
            image_size=None if image_size is None else str(image_size),
            cameras=None if cameras is None else ",".join(words(cameras)),
            goal=goal,
            instruction=instruction,
            horizon=horizon,
            hold_steps=hold_steps,
            observations=_observations(observations, from_states=from_states),
            demos=None if demos is None else str(demos),
            episodes=episodes,
            seed=seed,
            render_detail=render_detail,
            video_profile=video_profile,
            keep_failures=keep_failures,
            keep_noops=keep_noops,
        ),
        version=version,
        storage=storage,
        repo_id=repo_id,
        per_task=per_task,
        workers=workers,
        executor=executor,
        ray_address=ray_address,
        fresh=fresh,
        skip_invalid=skip_invalid,
        overwrite=overwrite,
    )


def build(
    manifest: PathLike,
    env: Words | None = None,
    *,
    demos: PathLike | None = None,
    episodes: int | None = None,
    seed: int | None = None,
    output: PathLike | None = None,
    repo_id: str | None = None,
    layout: str = DEFAULT_LAYOUT,
    control_mode: str | None = None,
    image_size: str | int | None = None,
    cameras: Words | None = None,
    goal: str = "visible",
    horizon: int | None = None,
    hold_steps: int = 0,
    observations: str = "replayed",
    from_states: bool = False,
    render_detail: str = "full",
    version: str = "v3.0",
    storage: str | None = None,
    video_profile: str | None = None,
    per_task: bool = False,
    workers: int | None = None,
    executor: str = "local",
    ray_address: str = "auto",
    fresh: bool = False,
    skip_invalid: bool = False,
    keep_failures: bool = False,
    overwrite: bool = False,
) -> list[ConvertReport]:
    """Convert the environments of a manifest, with its sentences, horizons and cameras, in its order.

    Parameters
    ----------
    manifest
        A file like datasets_manifest.yaml.
    env
        Only these of its entries.

    Other parameters, what is returned and what is raised: see `convert`.

    """
    manifest = Path(manifest)
    return _convert(
        tasks_of(manifest, words(env)),
        manifest.stem,
        path_or_none(output) or Path("data") / ("" if per_task else manifest.stem),
        ConvertRequest(
            layout=layout,
            control_mode=control_mode,
            image_size=None if image_size is None else str(image_size),
            cameras=None if cameras is None else ",".join(words(cameras)),
            goal=goal,
            horizon=horizon,
            hold_steps=hold_steps,
            observations=_observations(observations, from_states=from_states),
            demos=None if demos is None else str(demos),
            episodes=episodes,
            seed=seed,
            render_detail=render_detail,
            video_profile=video_profile,
            keep_failures=keep_failures,
        ),
        version=version,
        storage=storage,
        repo_id=repo_id,
        per_task=per_task,
        workers=workers,
        executor=executor,
        ray_address=ray_address,
        fresh=fresh,
        skip_invalid=skip_invalid,
        overwrite=overwrite,
    )


def _convert(
    tasks: list[str] | list[Task],
    name: str,
    root: Path,
    request: ConvertRequest,
    *,
    version: str,
    storage: str | None,
    repo_id: str | None,
    per_task: bool,
    executor: str,
    ray_address: str,
    **how: Any,
) -> list[ConvertReport]:
    if repo_id is not None:
        check_repo_id(repo_id)
    formats = parse_formats(version, storage)
    return build_datasets(
        make_recipes(tasks, request, formats, per_task=per_task),
        request,
        root,
        repo_id=repo_id or f"local/{name}",
        formats=formats,
        per_task=per_task,
        executor=choose_executor(executor, ray_address),
        notify=notify(),
        **how,
    )


def _observations(observations: str, *, from_states: bool) -> str:
    """Return what the two options say together; UsageError where they disagree."""
    if from_states and observations == "recorded":
        raise UsageError(
            "--from-states renders what --observations recorded takes from the file",
            fix="leave one out",
            change={"--from-states": None},
        )
    return "states" if from_states else observations
