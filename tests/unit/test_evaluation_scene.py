"""What a policy is told of the scene."""

from types import SimpleNamespace

import numpy as np
import pytest

from mstool.errors import UsageError
from mstool.evaluation.scene import Scene


def scene(position, *, stored):
    made = object.__new__(Scene)
    made.env_id, made._stores_goal = "StackCube-v1", stored
    made.simulator = SimpleNamespace(goal_position=lambda: position)
    return made


def test_a_goal_is_told_where_the_dataset_stores_it():
    assert scene(np.ones(3), stored=False).goal() is None
    told = scene(np.arange(3.0), stored=True).goal()
    assert told.dtype == np.float32
    assert told.tolist() == [0, 1, 2]


def test_an_environment_without_a_goal_cannot_tell_one():
    assert scene(None, stored=False).goal() is None
    with pytest.raises(UsageError, match="StackCube-v1 has no goal marker"):
        scene(None, stored=True).goal()
