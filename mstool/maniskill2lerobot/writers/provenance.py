"""What a dataset says of itself: its record and one line per episode."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mstool.contract import Storage, Version
from mstool.dataset.record import Record
from mstool.manifest import find_task
from mstool.maniskill2lerobot.episode.source import DISTURBED, KEPT_FAILURE
from mstool.maniskill2lerobot.writers.episodes import Episode
from mstool.maniskill2lerobot.writers.features import camera_columns, units
from mstool.simulators.benchmarks import benchmark_of


def make_record(
    episodes: Sequence[Episode],
    fmt: Version,
    storage: Storage,
    demos: Sequence[Mapping[str, Any]],
    dropped: Mapping[str, int],
    version: str,
) -> Record:
    """Return the record of a dataset of `episodes`."""
    first = episodes[0]
    recipe = first.recipe
    env_ids = list(dict.fromkeys(episode.recipe.env_id for episode in episodes))
    benchmarks = {each.name: dict(each.conventions) for each in map(benchmark_of, env_ids)}
    controllers = {episode.recipe.env_id: dict(episode.mark.controller) for episode in episodes}
    return Record(
        version=version,
        layout=recipe.layout_name,
        conventions=recipe.layout.conventions,
        units=units(recipe, fmt),
        control_mode=recipe.control_mode,
        controller=dict(first.mark.controller),
        controllers=controllers if len({tuple(each.items()) for each in controllers.values()}) > 1 else {},
        maniskill=benchmarks.pop("ManiSkill", {}),
        benchmarks=benchmarks,
        robot=first.mark.robot,
        robots={episode.recipe.env_id: episode.mark.robot for episode in episodes},
        observations=recipe.observations,
        env_ids=env_ids,
        goal=recipe.goal,
        render_detail=recipe.render_detail,
        video_profile=recipe.video_profile if storage == "video" else "",
        views=camera_columns(recipe, fmt),
        image_size=list(recipe.image_size),
        cameras={e.recipe.env_id: dict(e.mark.cameras) for e in episodes if e.mark.cameras},
        horizon={episode.recipe.env_id: episode.recipe.horizon for episode in episodes},
        hold_steps={
            env_id: most
            for env_id in env_ids
            if (most := max(e.recipe.hold_steps for e in episodes if e.recipe.env_id == env_id))
        },
        gripper_constant={
            env_id: task is not None and task.gripper_constant for env_id in env_ids for task in [find_task(env_id)]
        },
        demos=[dict(demo) for demo in demos],
        dropped=dict(dropped),
        warnings=unverified(episodes),
        psnr_db={
            camera.view: round(min(e.mark.psnr_db[camera.view]["min_psnr_db"] for e in episodes), 2)
            for camera in recipe.cameras
            if camera.view in first.mark.psnr_db
        },
    )


def unverified(episodes: Sequence[Episode]) -> list[str]:
    """Return every warning of the episodes once, in order of first appearance, and how many episodes it concerns."""
    counts = Counter(warning for episode in episodes for warning in episode.mark.warnings)
    return [f"{text} ({count} of {len(episodes)} episodes)" for text, count in counts.items()]


def episode_log(episodes: Sequence[Episode]) -> list[dict[str, Any]]:
    """Return where every episode comes from: environment, seed, demo, steps before and after conversion.

    `solved` is there, and False, for those that failed and were kept; `hold_steps` where the robot stays at the end;
    `first_state` where no seed gives it; `disturbed` where the episode does not begin where its seed does, but where
    its planner was disturbed to.
    """
    return [
        {
            "episode_index": index,
            "env_id": episode.recipe.env_id,
            "seed": episode.mark.seed,
            "source_episode": episode.mark.source_episode,
            "source_steps": episode.mark.source_steps,
            "frames": episode.mark.frames,
            "fingerprint": episode.mark.fingerprint,
            **({"first_state": episode.mark.first_state} if episode.mark.first_state else {}),
            **({"hold_steps": episode.recipe.hold_steps} if episode.recipe.hold_steps else {}),
            **({"disturbed": True} if DISTURBED in episode.mark.warnings else {}),
            **({"solved": False} if KEPT_FAILURE in episode.mark.warnings else {}),
        }
        for index, episode in enumerate(episodes)
    ]
