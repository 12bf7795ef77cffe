"""Whether a task is solved, asked when somebody wants to know: after every step, it is a fourth of the time."""

from typing import Any

from mstool.contract import Array

# ManiSkill's environments, or their bases, whose `evaluate` keeps what it sees: they must be asked after every step.
REMEMBERING = {"RotateSingleObjectInHand", "DrawSVGEnv", "DrawTriangleEnv"}


class Verdict:
    """Steps an environment, and says what it says of itself."""

    def __init__(self, env: Any) -> None:
        self._env = env
        names = {cls.__name__ for cls in type(env).__mro__}
        # Somebody's own environment may remember as well.
        theirs = type(env).__module__.startswith("mani_skill.")
        self._waits = theirs and not names & REMEMBERING and env.reward_mode == "none"
        self._info: dict[str, Any] | None = None

    def step(self, action: Array | dict[str, Array]) -> None:
        """Execute an action."""
        if not self._waits:
            self._info = self._env.step(action)[4]
            return
        self._info = None
        self._env.get_info = dict
        try:
            self._env.step(action)
        finally:
            del self._env.get_info

    def info(self) -> dict[str, Any]:
        """Return what the environment says of the scene as it stands."""
        if self._info is None:
            self._info = self._env.get_info()
        return self._info
