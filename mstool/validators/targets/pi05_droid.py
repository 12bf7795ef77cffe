"""openpi's `pi05_droid` checkpoint, as the training config `pi05_droid_finetune` reads LeRobot datasets for it."""

from mstool.dataset.files import NORM_STATS_FILE
from mstool.validators.targets.base import Expectation, Target

_OPENPI = "openpi 15a9616, src/openpi/"
_CONFIG = _OPENPI + "training/config.py, TrainConfig pi05_droid_finetune"
_REPACK = _OPENPI + "training/config.py, LeRobotDROIDDataConfig"
_POLICY = _OPENPI + "policies/droid_policy.py"

PI05_DROID = Target(
    name="pi05_droid",
    summary="openpi, pi05_droid: joint state, joint velocity actions, LeRobot v2.1 with openpi's DROID keys",
    versions=Expectation(
        ("v2.1", "v2.0"),
        "openpi 15a9616, pyproject.toml pins lerobot 0cf8648: CODEBASE_VERSION v2.1, a warning alone for v2.0",
    ),
    state=Expectation((("joint_position", "gripper_position"),), _REPACK),
    actions=Expectation((("actions",),), _REPACK),
    cameras=Expectation(("exterior_image_1_left", "exterior_image_2_left", "wrist_image_left"), _REPACK),
    min_cameras=Expectation(
        3, _REPACK + ": all three are repacked, DroidInputs shows the model the first and the wrist"
    ),
    layout=Expectation("droid", _REPACK + ': "We assume joint *velocity* actions"'),
    control_mode="pd_joint_delta_pos",
    state_dims=Expectation(8, _POLICY + ", DroidInputs: 7 joints and the gripper"),
    action_dims=Expectation(8, _POLICY + ", DroidOutputs keeps the first 8"),
    max_dims=Expectation(32, _CONFIG + ", action_dim"),
    chunk=Expectation(16, _CONFIG + ", action_horizon"),
    max_tokens=Expectation(200, _OPENPI + "models/pi0_config.py, max_token_len with pi05"),
    state_in_prompt=Expectation(True, _OPENPI + "models/pi0_config.py, discrete_state_input with pi05"),
    stats=Expectation(NORM_STATS_FILE, _OPENPI + "shared/normalize.py"),
    advice="mstool convert ... --layout droid --format v2.1",
)
