"""MS202 where the simulator is known, MS503 where only a target says the units, and MS705 on v2.1."""

import shutil

import pytest
from support.edited import GOLDEN, edit_info, edit_rows, undeclare

from mstool.validators import validate
from mstool.validators.report import apart


def check(root, target, code):
    return validate(root, target, select=[code]).results[0]


@pytest.fixture
def root(tmp_path):
    return shutil.copytree(GOLDEN / "libero", tmp_path / "dataset")


def as_maniskills_converter(root, fps):
    """Names, task column and robot as mani_skill 3.0.1's trajectory/convert_to_lerobot.py writes them."""
    undeclare(root)

    def change(info):
        features = info["features"]
        features["observation.state"]["names"] = [f"joint_{i}" for i in range(8)]
        features["action"]["names"] = [f"action_{i}" for i in range(7)]
        features["task"] = {"dtype": "string", "shape": [1], "names": None, "fps": float(fps)}
        info |= {"fps": fps, "robot_type": "pickcube"}

    edit_info(root, change)


@pytest.mark.parametrize("target", ["lerobot_pi05", "pi05_libero", "maniskill"])
@pytest.mark.parametrize(("fps", "status"), [(30, "failed"), (10, "failed"), (20, "passed")])
def test_maniskills_own_converter_is_known_and_so_is_its_frequency(root, target, fps, status):
    as_maniskills_converter(root, fps)
    result = check(root, target, "MS202")
    assert result.status == status
    if status == "failed":
        assert "ManiSkill's own converter wrote it, of PickCube-v1" in result.issues[0].message
        assert (result.issues[0].observed, result.issues[0].expected) == (str(fps), "20")


@pytest.mark.parametrize("target", ["lerobot_pi05", "pi05_libero", "maniskill"])
def test_the_record_knows_the_simulator(root, target):
    edit_info(root, lambda info: info.update(fps=10))
    assert check(root, target, "MS202").status == "failed"
    edit_info(root, lambda info: info["mstool"]["controller"].pop("fps", None))
    result = check(root, target, "MS202")
    assert result.status == "failed"
    assert "PickCube-v1" in result.issues[0].message


def test_names_alone_warn_and_a_foreign_robot_is_free(root):
    edit_info(root, lambda info: info.update(fps=10) or info.pop("mstool"))
    shutil.rmtree(root / "meta/mstool", ignore_errors=True)
    assert check(root, "lerobot_pi05", "MS202").status == "warned"
    for column in ("observation.state", "action"):
        edit_info(root, lambda info, column=column: info["features"][column].update(names=None))
    assert check(root, "lerobot_pi05", "MS202").status == "skipped"


@pytest.mark.parametrize(("factor", "status"), [(0.5, "warned"), (2, "warned"), (1, "passed")])
def test_one_unit_that_is_off_by_two_is_named_though_the_controller_is_unknown(root, factor, status):
    undeclare(root)
    edit_rows(root, lambda columns: columns["action"][:, :3].__imul__(factor))
    result = check(root, "pi05_libero", "MS503")
    assert result.status == status
    if status == "warned":
        assert "one of both units is off" in result.issues[0].message


@pytest.mark.parametrize("factor", [0.5, 2])
def test_a_position_unit_that_is_off_by_two_fails_by_the_record(root, factor):
    edit_rows(root, lambda columns: columns["action"][:, :3].__imul__(factor))
    result = check(root, "maniskill", "MS503")
    assert result.status == "failed"
    assert "the actions' position unit" in result.issues[0].message


@pytest.mark.parametrize(("factor", "status"), [(1, "passed"), (0.5, "failed"), (2, "failed")])
def test_each_environment_is_compared_with_its_own_controller(root, factor, status):
    # LIBERO's controller reaches 0.25 of a command, ManiSkill's 0.39: together neither.
    def merged(info):
        record = info["mstool"]
        libero = record["controller"] | {"position_m": 0.05, "rotation_rad": 0.5}
        record["controllers"] = {"PickCube-v1": record["controller"], "libero_spatial/2": libero}
        record["env_ids"] = list(record["controllers"])

    def change(columns):
        second = columns["episode_index"] >= 2
        columns["action"][second, :6] *= 0.39 / 0.25
        columns["action"][second, :3] *= factor

    edit_info(root, merged)
    edit_rows(root, change)
    log = root / "meta/mstool/episodes.jsonl"
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines[:2], *(line.replace("PickCube-v1", "libero_spatial/2") for line in lines[2:])]))
    result = check(root, "lerobot_pi05", "MS503")
    assert result.status == status
    assert {note.text.split(":")[0] for note in result.notes} == {"PickCube-v1", "libero_spatial/2"}
    assert [issue.message.split(": ")[:2] for issue in result.issues] == [["libero_spatial/2", "position"]][
        : factor != 1
    ]


def test_statistics_of_v30_are_not_asked_of_v21(root):
    edit_info(root, lambda info: info.update(codebase_version="v2.1"))
    result = check(root, "lerobot_pi05", "MS705")
    assert result.status == "skipped"
    assert "MS701" in result.reason


def test_numbers_that_differ_are_printed_as_different():
    assert apart(20, 30) == ("20", "30")
    assert apart(0.1, 0.1000001) == ("0.1", "0.1000001")
    assert len(set(apart(1 / 3, 1 / 3 + 1e-15))) == 2
