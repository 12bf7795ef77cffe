"""LeRobot's policies that take whatever a dataset has, and SmolVLA."""

from dataclasses import replace

from mstool.dataset.files import STATS_FILE
from mstool.validators.targets.base import Expectation
from mstool.validators.targets.lerobot_pi05 import LEROBOT_PI05

_POLICIES = "lerobot 0.6.1, policies/"
_SMOLVLA = _POLICIES + "smolvla/configuration_smolvla.py"

LEROBOT = replace(
    LEROBOT_PI05,
    name="lerobot",
    summary=f"LeRobot, policies act, diffusion and flow: any robot, LeRobot v3.0, mean and std in {STATS_FILE}",
    min_cameras=Expectation(0, "a policy may see the state alone; finetune refuses where it must not"),
    max_dims=Expectation(1024, "the network is made for the dataset; more is a mistake"),
    chunk=Expectation(16, _POLICIES + "diffusion/configuration_diffusion.py, horizon: the shortest of them"),
    state_in_prompt=Expectation(False, "the state is an input of its own"),
    stats=Expectation(STATS_FILE, _POLICIES + "act/configuration_act.py and diffusion's, normalization_mapping"),
    stats_names=Expectation(("mean", "std", "min", "max"), _POLICIES + "act: MEAN_STD, diffusion: MIN_MAX"),
    needs_prompt=False,
    includes=(),
)

LEROBOT_SMOLVLA = replace(
    LEROBOT_PI05,
    name="lerobot_smolvla",
    summary=f"LeRobot, policy smolvla: any robot, LeRobot v3.0, mean and std in {STATS_FILE}",
    max_dims=Expectation(32, _SMOLVLA + ", max_state_dim and max_action_dim"),
    chunk=Expectation(50, _SMOLVLA + ", chunk_size"),
    max_tokens=Expectation(48, _SMOLVLA + ", tokenizer_max_length"),
    state_in_prompt=Expectation(False, _POLICIES + "smolvla/modeling_smolvla.py: the state is an input of its own"),
    stats=Expectation(STATS_FILE, _SMOLVLA + ", normalization_mapping"),
    stats_names=Expectation(("mean", "std"), _SMOLVLA + ", normalization_mapping: MEAN_STD"),
    includes=(),
)
