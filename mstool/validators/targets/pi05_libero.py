"""openpi's training config `pi05_libero`."""

from mstool.dataset.files import NORM_STATS_FILE
from mstool.validators.targets.base import Expectation, Target

_OPENPI = "openpi 15a9616, src/openpi/"
_CONFIG = _OPENPI + "training/config.py, TrainConfig pi05_libero"
_REPACK = _OPENPI + "training/config.py, LeRobotLiberoDataConfig"
_POLICY = _OPENPI + "policies/libero_policy.py"

_DATASET = "openpi 15a9616, examples/libero/convert_libero_data_to_lerobot.py"

PI05_LIBERO = Target(
    name="pi05_libero",
    summary="openpi, pi05_libero: eef state, eef delta actions, LeRobot v2.1 with openpi's keys",
    versions=Expectation(
        ("v2.1", "v2.0"),
        "openpi 15a9616, pyproject.toml pins lerobot 0cf8648: CODEBASE_VERSION v2.1, a warning alone for v2.0",
    ),
    state=Expectation((("state",),), _REPACK),
    actions=Expectation((("actions",),), _REPACK + " and DataConfig.action_sequence_keys"),
    cameras=Expectation(("image", "wrist_image"), _REPACK),
    min_cameras=Expectation(2, _POLICY + ", LiberoInputs reads both"),
    layout=Expectation("libero", f"{_DATASET}; robosuite OSC_POSE"),
    control_mode="pd_ee_delta_pose",
    state_dims=Expectation(8, _DATASET),
    action_dims=Expectation(7, _POLICY + ", LiberoOutputs keeps the first 7"),
    max_dims=Expectation(32, _OPENPI + "models/pi0_config.py, action_dim"),
    chunk=Expectation(10, _CONFIG + ", action_horizon"),
    max_tokens=Expectation(200, _OPENPI + "models/pi0_config.py, max_token_len with pi05"),
    state_in_prompt=Expectation(False, _CONFIG + ", discrete_state_input=False"),
    stats=Expectation(NORM_STATS_FILE, _OPENPI + "shared/normalize.py"),
    trained_fps=Expectation(10, _DATASET),
    trained_image_size=Expectation((256, 256), _DATASET),
    advice="mstool convert ... --format v2.1",
)
