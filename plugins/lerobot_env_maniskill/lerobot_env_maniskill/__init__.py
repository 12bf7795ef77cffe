"""What LeRobot's commands import to know `--env.type=maniskill` and the bundled policy `flow`."""

from mstool.evaluation.lerobot_env import ManiskillEnvConfig
from mstool.training.flow import FlowConfig

__all__ = ["FlowConfig", "ManiskillEnvConfig"]
