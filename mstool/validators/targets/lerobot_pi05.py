"""LeRobot's own implementation of pi05."""

from mstool.dataset.files import INFO_NAME, STATS_FILE
from mstool.validators.targets.base import Expectation, Target

_CONFIG = "lerobot 0.6.1, policies/pi05/configuration_pi05.py"

LEROBOT_PI05 = Target(
    name="lerobot_pi05",
    summary=f"LeRobot, policy pi05: any robot, LeRobot v3.0, quantiles in {STATS_FILE}",
    versions=Expectation(("v3.0",), "lerobot 0.6.1, datasets/dataset_metadata.py, CODEBASE_VERSION"),
    state=Expectation((("observation.state",),), "lerobot 0.6.1, utils/constants.py, OBS_STATE"),
    actions=Expectation((("action",),), "lerobot 0.6.1, utils/constants.py, ACTION"),
    cameras=Expectation((), f"lerobot 0.6.1: any observation.images.*, in the order of {INFO_NAME}"),
    min_cameras=Expectation(1, "lerobot 0.6.1, policies/pi05/modeling_pi05.py, _preprocess_images"),
    layout=Expectation("", "LeRobot fixes no meaning: what the dataset declares"),
    control_mode="",
    state_dims=Expectation(None, _CONFIG),
    action_dims=Expectation(None, _CONFIG),
    max_dims=Expectation(32, _CONFIG + ", max_state_dim and max_action_dim"),
    chunk=Expectation(50, _CONFIG + ", chunk_size"),
    max_tokens=Expectation(200, _CONFIG + ", tokenizer_max_length"),
    state_in_prompt=Expectation(True, "lerobot 0.6.1, policies/pi05/processor_pi05.py"),
    stats=Expectation(STATS_FILE, _CONFIG + ", normalization_mapping: QUANTILES for state and action"),
    stats_names=Expectation(("q01", "q99"), _CONFIG + ", normalization_mapping: QUANTILES for state and action"),
    includes=("lerobot",),
    advice="mstool convert ... (v3.0 is the default format)",
)
