"""Imported in the place of `mani_skill.envs`: MUJOCO_GL is LIBERO's alone.

For its kinematics ManiSkill imports MuJoCo, which loads what MUJOCO_GL names, and fails where that is not there.
"""

import os

_given = os.environ.pop("MUJOCO_GL", None)
try:
    import mani_skill.envs  # noqa: F401 - registers the environments
    from mani_skill.utils.logging_utils import logger
    from mani_skill.utils.registration import REGISTERED_ENVS
finally:
    if _given is not None:
        os.environ["MUJOCO_GL"] = _given

__all__ = ["REGISTERED_ENVS", "logger"]
