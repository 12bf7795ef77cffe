"""Conventions of a dataset that is not there."""

from mstool.conventions import Conventions

CONTROLLER = {
    "fps": 20,
    "position_m": 0.1,
    "rotation_rad": -0.1,
    "joint_rad": 0.0,
    "finger_closed_m": -0.01,
    "finger_open_m": 0.04,
}


def conventions(**more):
    return Conventions(
        dataset="tiny",
        fps=20,
        features={"action": {"dtype": "float32", "shape": [7]}},
        mstool={
            "layout": "libero",
            "control_mode": "pd_ee_delta_pose",
            "controller": CONTROLLER,
            "horizon": {"PickCube-v1": 150},
            **more,
        },
        episodes=[
            {"episode_index": i, "env_id": "PickCube-v1", "seed": seed, "frames": 70 + i}
            for i, seed in enumerate((3, 4, 9))
        ],
    )
