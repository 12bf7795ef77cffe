"""A compact flow-matching policy, trainable from scratch; registered in LeRobot as the policy type `flow`.

Importing anything of this package registers the configuration and the processor steps, as LeRobot's own policies do:
a checkpoint names its steps, and LeRobot must find them wherever it can read the configuration.
"""

from mstool.training.flow.configuration_flow import FlowConfig
from mstool.training.flow.processor_flow import make_flow_pre_post_processors

__all__ = ["FlowConfig", "make_flow_pre_post_processors"]
