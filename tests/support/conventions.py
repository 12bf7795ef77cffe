"""Conventions as `mstool convert` records them, without a dataset."""

from mstool.conventions import Conventions
from mstool.layouts import get_layout

SENTENCE = "pick up the red cube"


def conventions(layout="libero", *, mode=None, size=(16, 16), goal="visible", views=None, env_id="PickCube-v1"):
    """What a v3.0 dataset of one episode says of itself."""
    known = get_layout(layout)
    mode = mode or known.control_modes[0]
    cameras = [camera for camera in known.cameras if views is None or camera.view in views]
    columns = {camera.lerobot: camera.view for camera in cameras}
    pictures = {
        column: {"dtype": "video", "shape": [*size, 3], "names": ["height", "width", "channels"]} for column in columns
    }
    action = known.action(mode)
    return Conventions(
        dataset="test",
        fps=20,
        features={
            **pictures,
            "observation.state": {"dtype": "float32", "shape": [len(known.state)], "names": list(known.state.names)},
            "action": {"dtype": "float32", "shape": [len(action)], "names": list(action.names)},
        },
        mstool={
            "layout": layout,
            "control_mode": mode,
            "controller": {"fps": 20, "position_m": 0.1, "rotation_rad": -0.1, "joint_rad": 0.1},
            "goal": goal,
            "views": columns,
            "image_size": list(size),
            "env_ids": [env_id],
            "horizon": {env_id: 150},
            "robot": "panda",
            "robot_uids": None,
            "demos": [],
        },
        episodes=[{"episode_index": 0, "env_id": env_id, "seed": 0, "frames": 10}],
    )
