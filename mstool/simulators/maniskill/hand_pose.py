"""Where the hand is, computed once per action: ManiSkill's controllers compute it twice, each time from the base on.

What they compute stays ManiSkill's own, to the bit.
"""

from functools import cache
from typing import Any

from mstool.simulators.maniskill.robots import robots


def ask_once(agent: Any) -> None:
    """Have a freshly built agent's controllers of a hand compute its pose once per action."""
    from mani_skill.agents.controllers.pd_ee_pose import PDEEPosController

    for robot in robots(agent).values():
        for part in getattr(robot.controller, "controllers", {}).values():
            if isinstance(part, PDEEPosController):
                kind: Any = type(part)
                part.__class__ = _asking_once(kind)


@cache
def _asking_once(controller: Any) -> type[Any]:
    import torch

    class AskingOnce(controller):  # type: ignore[misc]
        _setting = False
        _hand: Any = None
        # The base's pose, (1, 7), and the inverse.
        _base: Any = None
        _to_base: Any = None

        def set_action(self, action: Any) -> None:
            """Go where `action` says; nothing moves meanwhile."""
            self._setting = True
            try:
                super().set_action(action)
            finally:
                self._setting, self._hand = False, None

        @property
        def ee_pose_at_base(self) -> Any:
            """The hand's pose in the frame of the robot's base."""
            if self._hand is not None:
                return self._hand
            base = self.root_link.pose
            if self._base is None or not torch.equal(self._base, base.raw_pose):
                self._base, self._to_base = base.raw_pose, base.inv()
            pose = self._to_base * self.ee_pose
            if self._setting:
                self._hand = pose
            return pose

    return AskingOnce
