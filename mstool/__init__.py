"""mstool: ManiSkill3 demos to LeRobot datasets that Pi0.5 understands the first time."""

__version__ = "0.3.0"
