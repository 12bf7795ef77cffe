"""Conventions as `mstool convert` records them, of episodes whose pictures nobody needs."""

from pathlib import Path

from mstool import __version__
from mstool.dataset.conventions import Conventions
from mstool.maniskill2lerobot.writers.episodes import Episode
from mstool.maniskill2lerobot.writers.features import features
from mstool.maniskill2lerobot.writers.provenance import episode_log, make_record
from support.shards import FACTS, make_mark, make_recipe

SENTENCE = "pick up the red cube"


def conventions(layout="libero", *, env_id="PickCube-v1", seeds=(0,), frames=10, controller=FACTS, **more):
    """What a v3.0 dataset of an episode per seed, each a frame longer than the last, says of itself."""
    recipe = make_recipe(layout, env=env_id, task=SENTENCE, **more)
    episodes = [
        Episode.of(Path("nowhere"), make_mark(recipe, seed, frames + number, controller=controller), recipe)
        for number, seed in enumerate(seeds)
    ]
    return Conventions(
        dataset="test",
        fps=20,
        features=features(recipe, "v3.0", "video", 20),
        record=make_record(episodes, "v3.0", "video", [], {}, __version__),
        episodes=episode_log(episodes),
    )


def three_episodes(layout="libero", **more):
    """Conventions of PickCube's seeds 3, 4 and 9, which take 70, 71 and 72 frames."""
    return conventions(layout, seeds=(3, 4, 9), frames=70, **more)
