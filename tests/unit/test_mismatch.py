"""A work folder of another conversion is refused, and the refusal names what changed."""

from dataclasses import replace

import numpy as np
import pytest

from mstool.errors import UsageError
from mstool.maniskill2lerobot.episode import recipe as recipes
from mstool.maniskill2lerobot.episode.mismatch import Mismatch, refusal
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.episode.shard import convert_episode, read_mark
from mstool.simulators.demos import Demo

RECIPE = Recipe("PickCube-v1", "pick", 10)
STATE = {"actors": {"cube": np.zeros(13, np.float32)}}
DEMO = Demo("PickCube-v1", 3, 7, "pd_joint_pos", np.ones((4, 8), np.float32), first_state=STATE)


def said(there, now, tmp_path):
    error = refusal(tmp_path, [Mismatch(3, there, now)])
    assert error.fix == "run the same command with --fresh to start over, or choose another --output"
    assert error.change == {"--fresh": True}
    return error.message


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"image_size": (128, 256)}, "image_size: 256x256 there, 128x256 now"),
        ({"views": ("base",)}, "views: base+wrist there, base now"),
        ({"layout_name": "joint"}, "layout: libero there, joint now"),
        ({"instruction": "grasp"}, "instruction: pick there, grasp now"),
    ],
)
def test_a_changed_option_is_named(change, line, tmp_path):
    now = replace(RECIPE, **change)
    assert RECIPE.fingerprint(DEMO) != now.fingerprint(DEMO)
    message = said(RECIPE.made_from(DEMO), now.made_from(DEMO), tmp_path)
    said_first = f"{tmp_path} holds 1 episode finished by another conversion (another --output keeps them):"
    assert message == f"{said_first}\n  {line}"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"actions": np.zeros((4, 8), np.float32)}, "actions"),
        ({"seed": 8}, "seed"),
        ({"first_state": {"actors": {"cube": np.ones(13, np.float32)}}}, "first_state"),
        ({"env_kwargs": {"obs": 1}}, "env_kwargs"),
    ],
)
def test_changed_demo_content_is_named(change, name, tmp_path):
    now = replace(DEMO, **change)
    assert RECIPE.fingerprint(DEMO) != RECIPE.fingerprint(now)
    message = said(RECIPE.made_from(DEMO), RECIPE.made_from(now), tmp_path)
    assert message.endswith(f"\n  demo content of episode 3: {name}")


def test_another_version_is_named(monkeypatch, tmp_path):
    before = RECIPE.made_from(DEMO)
    monkeypatch.setattr(recipes, "__version__", "9.9.9")
    now = RECIPE.made_from(DEMO)
    assert "\n  tool_version: " in said(before, now, tmp_path)
    assert said(before, now, tmp_path).endswith("there, 9.9.9 now")
    assert "tool_version: an older one there, 9.9.9 now" in said({}, now, tmp_path)


def test_many_episodes_are_counted(tmp_path):
    before, now = RECIPE.made_from(DEMO), RECIPE.made_from(replace(DEMO, seed=8))
    message = refusal(tmp_path, [Mismatch(k, before, now) for k in range(9)]).message
    assert "holds 9 episodes" in message
    assert "demo content of episodes 0, 1, 2, 3, 4 and 4 more: seed" in message


def test_the_function_that_owns_an_episode_refuses_it_too(tmp_path):
    shard = tmp_path / "episode_000003"
    shard.mkdir()
    (shard / "episode.json").write_text(
        '{"fingerprint": "x", "source_episode": 3, "seed": 7, "source_steps": 4, "frames": 4}'
    )
    with pytest.raises(UsageError, match="finished by another conversion"):
        convert_episode(lambda: pytest.fail("no work"), RECIPE, DEMO, shard)
    assert read_mark(shard).fingerprint == "x"
