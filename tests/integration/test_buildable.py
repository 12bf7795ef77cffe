"""Whether environments can be built is asked in a process of its own."""

import pytest

from mstool.errors import MstoolError
from mstool.simulators.apart import check_buildable

pytestmark = pytest.mark.sim


def test_what_builds_and_what_lacks_its_files(monkeypatch, tmp_path):
    check_buildable(["PickCube-v1"])
    # Its scene's files are nobody's who did not fetch them.
    monkeypatch.setenv("MS_ASSET_DIR", str(tmp_path))
    with pytest.raises(MstoolError, match=r"PutCarrotOnPlateInScene-v1 cannot be built") as caught:
        check_buildable(["PickCube-v1", "PutCarrotOnPlateInScene-v1"])
    assert "download_asset" in caught.value.fix
