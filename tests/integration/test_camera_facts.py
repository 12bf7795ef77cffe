"""Where the cameras are: written by `convert`, kept by what rewrites datasets, and used to tell which way is up."""

import numpy as np
import pytest
from support.converted import copied
from support.edited import BASE, edit_video

from mstool.contract import CameraFacts
from mstool.dataset.record import read_record
from mstool.validators import validate
from mstool.validators.ways import UPRIGHT, WAYS

pytestmark = pytest.mark.sim


def turned(image, way):
    """Turn an image so that a shift (right, down) becomes shift @ way."""
    if way[0, 0] == 0:  # right becomes down
        image, way = image.swapaxes(0, 1), way[:, ::-1]
        return image[:: way[0, 0], :: way[1, 1]]
    return image[:: way[1, 1], :: way[0, 0]]


def test_the_record_says_where_the_cameras_are_and_rewriting_keeps_it(made):
    record = read_record(made("pick") / "v3.0")
    facts = {view: CameraFacts(**facts) for view, facts in record.cameras["PickCube-v1"].items()}
    base, wrist = facts["base"], facts["wrist"]
    # mani_skill 3.0.1, envs/tasks/tabletop/pick_cube.py: look_at(eye=[0.3, 0, 0.6], target=[-0.1, 0, 0.1]), fov pi / 2.
    assert (base.mount, wrist.mount) == ("", "panda_hand")
    assert np.allclose(base.position, (0.3, 0, 0.6))
    rotation = np.array(base.rotation)
    assert np.allclose(rotation[:, 2], np.array([-0.4, 0, -0.5]) / np.hypot(0.4, 0.5), atol=1e-5)
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-5)
    assert np.isclose(np.linalg.det(rotation), 1, atol=1e-5)
    assert base.focal_px == pytest.approx((32, 32), abs=1e-3)
    merged = read_record(made("merged"))
    assert list(merged.cameras) == ["PickCube-v1", "PushCube-v1"]
    assert merged.cameras["PickCube-v1"] == record.cameras["PickCube-v1"]
    assert read_record(made("back")).cameras == merged.cameras


@pytest.mark.parametrize("way", WAYS)
def test_a_view_that_is_turned_against_its_camera_is_named(made, tmp_path, way):
    root = copied(made("pick") / "v3.0", tmp_path / "dataset")
    edit_video(root / BASE, lambda frames: [np.ascontiguousarray(turned(frame, WAYS[way])) for frame in frames])
    (found,) = validate(root, "lerobot_pi05", select=["MS310"]).results
    assert found.status == ("passed" if way == UPRIGHT else "failed"), (found.reason, found.notes)
    assert all(f"the view is {way} against" in issue.message for issue in found.issues)


def test_frames_of_a_fixed_view_out_of_order_are_named(made, tmp_path):
    root = copied(made("pick") / "v3.0", tmp_path / "dataset")
    order = np.random.default_rng(0).permutation
    edit_video(root / BASE, lambda frames: [frames[i] for i in order(len(frames))])
    (found,) = validate(root, "lerobot_pi05", select=["MS311"]).results
    assert found.status == "failed"
    assert [issue.episode for issue in found.issues] == [None]
