"""A dataset for training and evaluating in ManiSkill, whatever the policy."""

from mstool.validators.targets.base import Expectation, Target

_CONTRACT = "mstool.contract"

MANISKILL = Target(
    name="maniskill",
    summary="any policy evaluated in ManiSkill: v2.1 or v3.0, any layout, 20 Hz",
    versions=Expectation(("v2.1", "v3.0"), _CONTRACT),
    state=Expectation((("observation.state",), ("state",), ("joint_position", "gripper_position")), _CONTRACT),
    actions=Expectation((("action",), ("actions",)), _CONTRACT),
    cameras=Expectation((), "any"),
    min_cameras=Expectation(1, "a policy that sees only the robot's state cannot know where objects are"),
    layout=Expectation("", "what the dataset declares"),
    control_mode="",
    state_dims=Expectation(None, _CONTRACT),
    action_dims=Expectation(None, _CONTRACT),
    max_dims=Expectation(64, "no model in view; more is a mistake"),
    chunk=Expectation(1, "no window is assumed"),
    max_tokens=Expectation(200, "as the pi05 models"),
    state_in_prompt=Expectation(False, "no model in view"),
    stats=Expectation("", "no model in view"),
    needs_prompt=True,
    fps=Expectation(20, "mani_skill 3.0.1, utils/structs/types.py, SimConfig.control_freq"),
    advice="mstool convert ...",
)
