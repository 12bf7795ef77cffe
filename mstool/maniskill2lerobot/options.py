"""From what a user typed to a recipe; everything that is wrong is said at once."""

from collections.abc import Iterable
from typing import cast, get_args

from mstool.contract import Goal, Observations, RenderDetail, Storage, Version, VideoProfile
from mstool.dataset.formats import FORMATS
from mstool.errors import UsageError
from mstool.layouts import DEFAULT_LAYOUT, Layout, get_layout
from mstool.manifest import Task, load_manifest
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.pictures.profiles import parse_profile
from mstool.nearest import unknown
from mstool.simulators.benchmarks import benchmark_of


def make_recipe(
    env_id: str,
    *,
    layout: str = DEFAULT_LAYOUT,
    control_mode: str | None = None,
    image_size: str | None = None,
    cameras: str | None = None,
    goal: str = "visible",
    instruction: str | None = None,
    horizon: int | None = None,
    storages: tuple[Storage, ...] = ("video",),
    observations: str = "replayed",
    render_detail: str = "full",
    video_profile: str | None = None,
    keep_failures: bool = False,
    hold_steps: int = 0,
    keep_noops: bool = False,
    task: Task | None = None,
) -> Recipe:
    """Fill in what was not given from `task` (by default the shipped manifest's entry) and the layout.

    The control mode stays empty where it is the demo's to say: layout `native`, and recorded observations.

    Raises
    ------
    UsageError
        An unknown environment, layout, view or goal mode, an invalid size, or no sentence for the task.

    """
    benchmark = benchmark_of(env_id)
    known = benchmark.task(env_id)
    task = task or known
    if task is None:
        benchmark.check_env_id(env_id)
        if instruction is None:
            raise UsageError(
                f"{env_id} has no sentence in the manifest, which knows {', '.join(load_manifest())}",
                fix=f'add --instruction "..." to say what a policy should be told for {env_id}',
                change={"--instruction": "SENTENCE"},
            )
    chosen = get_layout(layout)
    benchmark.check_layout(chosen)
    if goal not in get_args(Goal):
        raise unknown("goal", goal, get_args(Goal), "--goal")
    if observations not in get_args(Observations):
        raise unknown("observations", observations, get_args(Observations), "--observations")
    if render_detail not in get_args(RenderDetail):
        raise unknown("render detail", render_detail, get_args(RenderDetail), "--render-detail")
    if render_detail not in benchmark.render_details:
        raise UsageError(
            f"{env_id}: {benchmark.name}'s meshes are drawn as they are, without --render-detail {render_detail}",
            fix=f"mstool convert --env {env_id}",
            change={"--render-detail": None},
        )
    if render_detail != "full" and observations == "recorded":
        raise UsageError(
            "--render-detail is of no use with recorded images",
            fix="leave one of the two out",
            change={"--render-detail": None},
        )
    if hold_steps and observations != "replayed":
        raise UsageError(
            "--hold-steps goes on where a demo ends: it must be executed, not taken from the file",
            fix="leave --hold-steps out, or --observations and --from-states",
            change={"--hold-steps": None},
        )
    profile = choose_profile(video_profile, storages)
    views = _views(cameras, chosen)
    size = parse_image_size(image_size) if image_size else chosen.image_size
    return Recipe(
        env_id=env_id,
        instruction=instruction or (task.instruction if task else ""),
        # Without a manifest entry the horizon only has to stop a runaway episode.
        horizon=horizon or (task.horizon if task else 1000),
        layout_name=layout,
        control_mode=control_mode or ("" if observations == "recorded" else next(iter(chosen.control_modes), "")),
        views=views,
        image_size=size,
        goal=cast("Goal", goal),
        storages=storages,
        video_profile=profile or "exact",
        observations=cast("Observations", observations),
        render_detail=cast("RenderDetail", render_detail),
        keep_failures=keep_failures,
        hold_steps=hold_steps,
        keep_noops=keep_noops,
    )


def parse_formats(text: str, storage: str | None) -> dict[Version, Storage]:
    """Read `--format` and `--storage`: {format: storage}; v3.0 keeps videos and v2.1 images unless told otherwise."""
    if storage is not None and storage not in get_args(Storage):
        raise unknown("storage", storage, get_args(Storage), "--storage")
    storages = {each.version: each.storage for each in FORMATS.values()}
    chosen = {name: default for name, default in storages.items() if text in {name, "both"}}
    if not chosen:
        raise unknown("format", text, (*FORMATS, "both"), "--format")
    return {name: cast("Storage", storage) if storage else default for name, default in chosen.items()}


def parse_version(version: str | None, storage: str | None) -> tuple[Version | None, Storage | None]:
    """Read `--format` and `--storage` of a command that writes one format; None keeps what the dataset has."""
    if version is not None and version not in FORMATS:
        raise unknown("format", version, FORMATS, "--format")
    if storage is not None and storage not in get_args(Storage):
        raise unknown("storage", storage, get_args(Storage), "--storage")
    return version, cast("Storage | None", storage)


def choose_profile(
    text: str | None, storages: Iterable[Storage | None], *, storage_chosen: bool = True
) -> VideoProfile | None:
    """Read `--video-profile` of a command that stores pictures as `storages` say; None where it was not given.

    `storage_chosen` tells whether the command has a `--storage`.
    """
    if text is not None and "video" not in storages:
        raise UsageError(
            "--video-profile is of no use where images are stored one by one",
            fix="add --storage video" if storage_chosen else "leave --video-profile out",
            change={"--storage": "video"} if storage_chosen else {"--video-profile": None},
        )
    return parse_profile(text)


def parse_image_size(text: str) -> tuple[int, int]:
    """Read `256` or `180x320` as (height, width) in pixels."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdigit() for part in parts):
        raise UsageError(
            f"--image-size {text!r} is not a size: one is 256, or HEIGHTxWIDTH as in 180x320",
            fix="--image-size 256",
            change={"--image-size": 256},
        )
    height, width = int(parts[0]), int(parts[-1])
    if height % 2 or width % 2 or not (16 <= height <= 4096 and 16 <= width <= 4096):
        raise UsageError(
            f"--image-size {text!r}: height and width must be even, 16 to 4096",
            fix="--image-size 256",
            change={"--image-size": 256},
        )
    return height, width


def _views(text: str | None, layout: Layout) -> tuple[str, ...]:
    own = tuple(camera.view for camera in layout.cameras)
    if text is None:
        return own
    chosen = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    lacking = [name for name in chosen if layout.camera(name) is None]
    if lacking or not chosen:
        raise UsageError(
            f"--cameras {text!r}: layout {layout.name!r} has no view {', '.join(lacking) or 'named'}",
            fix=f"choose from --cameras {','.join(own)}, or add --layout native: any view that the environment has",
            change={"--cameras": ",".join(own)},
        )
    return tuple(camera.view for camera in layout.cameras_of(chosen))
