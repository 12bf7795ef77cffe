"""Faults of time and of single episodes: a few of each kind of `tests/support/mutations`, on a dataset of our own."""

import numpy as np
import pytest
from support.mutations import EVERY
from support.mutations.episodes import put, take

from mstool.validators import validate

# One of every kind: `benchmarks/validate_mutations.py` runs them all.
SOME = {
    "wrist 1 late": "MS315",
    "base frozen from the middle": "MS316",
    "base frames doubled": "MS316",
    "wrist in noise": "MS313",
    "actions x 1.33": "MS512",
    "gripper command is the measured state": "MS415",
    "base frame's offset in the state": "MS511",
    "hand's pose for the tool centre point": "MS511",
    "state's axis 0 frozen midway": "MS413",
    "float16 rounding of the state": "MS414",
    "episode duplicated": "MS210",
    "two episodes joined": "MS207",
    "episode split in two": "MS208",
    "last frame repeated twenty times": "MS209",
}
CONTENT = ("MS207", "MS208", "MS209", "MS210", "MS312", "MS313", "MS314", "MS315", "MS316", "MS317", "MS413", "MS414")
CONTENT = (*CONTENT, "MS415", "MS510", "MS511", "MS512")


@pytest.fixture(scope="module")
def taken(made, tmp_path_factory):
    return take(made("pick_images"), tmp_path_factory.mktemp("shards") / "work")


def test_names_are_distinct_and_enough():
    names = [mutation.name for mutation in EVERY]
    assert len(set(names)) == len(names) >= 150
    assert set(SOME) <= set(names)


def test_untouched_has_nothing_to_say(taken, tmp_path):
    root = put(taken, taken, tmp_path / "set", tmp_path / "work", "v3.0", "image")
    report = validate(root, select=CONTENT)
    assert report.codes("failed", "warned", "error") == set(), report.headline()


@pytest.mark.parametrize(("name", "code"), SOME.items(), ids=SOME)
def test_mutation_is_noticed(name, code, taken, tmp_path):
    (mutation,) = [each for each in EVERY if each.name == name]
    changed = mutation.change(taken, np.random.default_rng(0))
    root = put(changed, taken, tmp_path / "set", tmp_path / "work", "v3.0", "image")
    report = validate(root, select=CONTENT)
    assert not report.codes("error"), [result.reason for result in report.with_status("error")]
    assert code in report.codes("failed", "warned"), report.codes("failed", "warned")
