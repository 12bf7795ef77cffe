"""Weights that are the start of a training, and the norm stats that they learnt with."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from mstool.dataset.files import NORM_STATS_FILE
from mstool.dataset.training import Facts
from mstool.errors import DataError
from mstool.training.rescaled import rescaled


def stats(*ends):
    return {"q01": [low for low, _ in ends], "q99": [high for _, high in ends]}


def facts(**columns):
    return Facts(Path("data"), 20, 1, 1, {}, {"observation.state": columns["state"], "action": columns["action"]})


STATE, ACTION = stats((0, 1), (-1, 1)), stats((-0.4, 0.4), (1, 1))


def weights(folder, **columns):
    document = {"norm_stats": {"observation.state": columns["state"], "action": columns["action"]}}
    (folder / NORM_STATS_FILE).write_text(json.dumps(document))
    return folder


def test_the_same_scale_is_not_spoken_of(tmp_path):
    assert rescaled(tmp_path, facts(state=STATE, action=ACTION)) == ""  # nothing tells
    folder = weights(tmp_path, state=STATE, action=ACTION)
    assert rescaled(folder, facts(state=STATE, action=ACTION)) == ""
    assert rescaled(folder, facts(state=stats((0, 1.1), (-1.1, 1)), action=stats((-0.45, 0.4), (1, 1)))) == ""
    # A dimension that stands still has no scale; another number of them is another check's.
    assert rescaled(folder, facts(state=STATE, action=stats((-0.4, 0.4), (-1, 1)))) == ""
    assert rescaled(folder, facts(state=STATE, action=stats((-4, 4)))) == ""


@pytest.mark.parametrize("action", [{"q01": ["a", 1], "q99": [1, 1]}, {"q01": {}, "q99": [1, 1]}])
def test_damaged_norm_stats_are_named(tmp_path, action):
    folder = weights(tmp_path, state=STATE, action=action)
    with pytest.raises(DataError, match="holds no norm stats") as caught:
        rescaled(folder, facts(state=STATE, action=ACTION))
    assert caught.value.fix == f"rm {folder / NORM_STATS_FILE}"


def test_weights_made_elsewhere_are_asked_by_their_preprocessor(tmp_path):
    ends = {"observation.state": STATE, "action": ACTION}
    save_file(
        {f"{column}.{name}": np.array(value) for column, each in ends.items() for name, value in each.items()},
        tmp_path / "policy_preprocessor_step_3_normalizer_processor.safetensors",
    )
    assert rescaled(tmp_path, facts(state=STATE, action=ACTION)) == ""
    moved = rescaled(tmp_path, facts(state=stats((0.3, 1.3), (-1, 1)), action=ACTION))
    assert "observation.state[0] was 0 to 1 and is 0.3 to 1.3;" in moved


def test_a_damaged_preprocessor_is_named(tmp_path):
    (tmp_path / "normalizer.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(DataError, match=r"normalizer\.safetensors cannot be read"):
        rescaled(tmp_path, facts(state=STATE, action=ACTION))


def test_the_largest_change_is_named(tmp_path):
    folder = weights(tmp_path, state=STATE, action=ACTION)
    said = rescaled(folder, facts(state=stats((0, 1.5), (-1, 1)), action=stats((-0.9, 0.4), (1, 1))))
    assert said.startswith(
        "the weights learnt with other norm stats: action[0] was -0.4 to 0.4 and is -0.9 to 0.4, and 1 more dimensions;"
    )
    moved = rescaled(folder, facts(state=stats((0.3, 1.3), (-1, 1)), action=ACTION))
    assert "observation.state[0] was 0 to 1 and is 0.3 to 1.3;" in moved
    narrower = rescaled(folder, facts(state=STATE, action=stats((-0.1, 0.1), (1, 1))))
    assert "action[0] was -0.4 to 0.4 and is -0.1 to 0.1;" in narrower
