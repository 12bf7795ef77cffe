"""`mstool validate --open`: LeRobot's own reader has the last word."""

import shutil

import pytest
from support.edited import GOLDEN, edit_episodes

from mstool.validators import validate


@pytest.mark.parametrize("drift", [0.0, 0.002])
def test_lerobot_says_what_it_cannot_read(tmp_path, drift):
    root = tmp_path / "dataset"
    shutil.copytree(GOLDEN / "libero", root)

    def apply(rows):
        for row in rows:
            for key in [key for key in row if key.endswith("_timestamp")]:
                row[key] += drift * (row["episode_index"] + key.endswith("to_timestamp"))

    edit_episodes(root, apply)
    report = validate(root, "lerobot", select=["MS206", "MS902"], open_it=True)
    assert report.codes("failed") == ({"MS206", "MS902"} if drift else set())
    found = report.results[1]
    if drift:
        assert found.issues[0].message.startswith("LeRobot: FrameTimestampError: ")
    else:
        assert "frames read" in found.notes[0].text


def test_lerobot_is_asked_only_when_that_is_wanted():
    found = validate(GOLDEN / "libero", "lerobot", select=["MS902"]).results[0]
    assert (found.status, found.reason) == ("skipped", "not asked for (--open)")
