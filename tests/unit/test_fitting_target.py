"""The target that fits a dataset, by its version, record, names and columns."""

import json
from pathlib import Path

import pytest

from mstool.dataset.record import Record
from mstool.errors import UsageError
from mstool.layouts import LAYOUTS
from mstool.layouts.recognise import recognise
from mstool.maniskill2lerobot.options import make_recipe
from mstool.maniskill2lerobot.writers.features import features
from mstool.validators.targets import TARGETS, fitting_target, get_target

GOLDEN = Path(__file__).parent.parent / "golden" / "validate_data"
NAMED = [(layout.name, mode) for layout in LAYOUTS.values() for mode in layout.control_modes]


def table(layout, mode, version="v2.1"):
    """Return the feature table that `convert` writes, after a trip through JSON."""
    recipe = make_recipe("PickCube-v1", layout=layout, control_mode=mode)
    return json.loads(json.dumps(features(recipe, version, "video", 20)))


@pytest.mark.parametrize(("layout", "mode"), NAMED)
@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_a_layout_is_recognised_by_the_names_that_convert_writes(layout, mode, version):
    found = recognise(table(layout, mode, version))
    assert (found.layout.name, found.control_mode) == (layout, mode)


def test_names_that_are_nearly_a_layouts_are_not_taken_for_it():
    almost = table("libero", "pd_ee_delta_pose")
    almost["actions"]["names"][3] = "roll"
    assert recognise(almost) is None
    assert recognise({}) is None
    assert recognise({"state": {"names": None}, "actions": {"names": 3}}) is None


@pytest.mark.parametrize("layout", ["libero", "droid", "joint", "tcp"])
@pytest.mark.parametrize("recorded", [True, False])
def test_the_target_follows_format_and_layout(layout, recorded):
    mode = LAYOUTS[layout].control_modes[0]
    record = Record(layout=layout if recorded else "")
    v3 = {"codebase_version": "v3.0", "features": table(layout, mode, "v3.0")}
    assert fitting_target(v3, record).target == "lerobot_pi05"
    v21 = {"codebase_version": "v2.1", "features": table(layout, mode)}
    openpis = {"libero": "pi05_libero", "droid": "pi05_droid"}
    assert fitting_target(v21, record).target == openpis.get(layout, "maniskill")


def test_without_names_openpis_columns_decide():
    columns = table("libero", "pd_ee_delta_pose")
    for feature in columns.values():
        feature["names"] = None
    assert fitting_target({"codebase_version": "v2.1", "features": columns}, Record()).target == "pi05_libero"
    del columns["wrist_image"]
    assert fitting_target({"codebase_version": "v2.1", "features": columns}, Record()).target == "maniskill"


def test_a_robot_with_more_dimensions_than_pi05_takes():
    wide = {"observation.state": {"shape": [50]}, "action": {"shape": [25]}}
    assert fitting_target({"codebase_version": "v3.0", "features": wide}, Record(layout="native")).target == "maniskill"


@pytest.mark.parametrize("info", [{}, {"codebase_version": 3}, {"features": []}, {"features": {"action": 1}}])
def test_a_malformed_info_still_has_a_target(info):
    assert fitting_target(info, Record()).target in TARGETS
    assert fitting_target({**info, "codebase_version": "v2.1"}, Record()).target in TARGETS


def test_an_unknown_target_is_named_with_those_there_are():
    with pytest.raises(UsageError, match="did you mean 'pi05_libero'"):
        get_target("pi05_libro")
    with pytest.raises(UsageError, match="unknown target 'foo'; there are: pi05_libero"):
        get_target("foo")
