"""Small datasets made without a simulator: random rows and pictures through the real shards and writers."""

from dataclasses import asdict

import numpy as np

from mstool.contract import RobotFacts
from mstool.layouts import get_layout
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.episode.shard import EpisodeMark
from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram
from mstool.maniskill2lerobot.pictures.pngs import PngWriter
from mstool.maniskill2lerobot.pictures.profiles import PROFILES
from mstool.maniskill2lerobot.pictures.video import VideoWriter
from mstool.maniskill2lerobot.writers.assemble import assemble
from mstool.maniskill2lerobot.writers.episodes import Episode

FACTS = {
    "fps": 20,
    "position_m": 0.1,
    "rotation_rad": -0.1,
    "joint_rad": 0.1,
    "finger_closed_m": -0.01,
    "finger_open_m": 0.04,
}
BODY = RobotFacts(("hip", "knee", "slide"), ("rad", "rad", "m"), ("hip", "knee"), ("rad", "rad"))


def make_recipe(
    layout="libero",
    *,
    mode=None,
    task="do it",
    env="PickCube-v1",
    size=(16, 16),
    goal="visible",
    views=None,
    profile="exact",
):
    """What a conversion to a layout is asked for."""
    chosen = get_layout(layout)
    return Recipe(
        env_id=env,
        instruction=task,
        horizon=150,
        layout_name=layout,
        control_mode=mode or (chosen.control_modes[0] if chosen.control_modes else "pd_joint_pos"),
        views=tuple(views or (camera.view for camera in chosen.cameras)),
        image_size=size,
        goal=goal,
        storages=("video", "image"),
        video_profile=profile,
        names=BODY if layout == "native" else None,
    )


def make_mark(recipe, seed, frames, *, controller=FACTS, **more):
    """What a shard says of its episode."""
    return EpisodeMark(
        fingerprint=f"{recipe.layout_name}-{seed}",
        source_episode=seed,
        seed=seed,
        source_steps=frames,
        frames=frames,
        robot="panda",
        controller=controller,
        names=BODY.as_dict() if recipe.layout_name == "native" else {},
        **more,
    )


def make_episode(
    folder,
    layout="libero",
    *,
    seed=0,
    frames=7,
    task="do it",
    env="PickCube-v1",
    size=(16, 16),
    goal="visible",
    controller=FACTS,
    profile="exact",
):
    """One complete shard, with pictures as video and as PNGs."""
    random = np.random.default_rng(seed)
    recipe = make_recipe(layout, task=task, env=env, size=size, goal=goal, profile=profile)
    shard = folder / f"shard_{seed:03d}"
    shard.mkdir(parents=True)
    rows = {
        "state": random.normal(size=(frames, len(recipe.layout.state))).astype(np.float32),
        "action": random.uniform(-1, 1, (frames, len(recipe.layout.action(recipe.control_mode)))).astype(np.float32),
    }
    if goal == "state":
        rows["goal"] = random.normal(size=3).astype(np.float32)
    np.savez(shard / "rows.npz", **rows)
    histograms, psnr = {}, {}
    for view in recipe.views:
        video, pngs, histogram = (
            VideoWriter(shard / f"{view}.mp4", 20, PROFILES[profile]),
            PngWriter(shard / f"{view}.parquet"),
            ImageHistogram(),
        )
        for _ in range(frames):
            # Smooth: video codecs are made for pictures, not for noise.
            picture = np.tile(np.linspace(*random.integers(0, 256, 2), size[1])[None, :, None], (size[0], 1, 3)).astype(
                np.uint8
            )
            for sink in (video, pngs, histogram):
                sink.add(picture)
        psnr[view] = asdict(video.close())
        pngs.close()
        histograms[view] = histogram.counts.tolist()
    mark = make_mark(recipe, seed, frames, controller=controller, histograms=histograms, psnr_db=psnr)
    return Episode.of(shard, mark, recipe)


def make_dataset(root, work, formats, episodes):
    """Assemble episodes into `root` (or `root`/<format> when there are two formats)."""
    work.mkdir(parents=True, exist_ok=True)
    demos = [{"env_id": episodes[0].recipe.env_id, "origin": "local", "env_kwargs": {}}]
    assemble(episodes, root, work, formats, demos, {"timeout": 1}, overwrite=False)
    return root
