"""What is known of an environment without building it."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class EnvironmentFacts:
    """One environment, as it was found when it was built last."""

    env_id: str
    # Why it cannot be built on this machine, and the commands that change that; both empty where it can be.
    problem: str = ""
    fix: tuple[str, ...] = ()
    # Its default robot (several in one scene are joined by `+`), and every one that it says it supports.
    robot: str = ""
    robots: tuple[str, ...] = ()
    control_modes: tuple[str, ...] = ()
    # Whether it says when its task is solved; None where it was never built.
    success: bool | None = None
    # After how many steps it ends an episode by itself; 0 for never.
    max_steps: int = 0
    # {its own camera: what carries it}; empty for one that stands still.
    cameras: tuple[tuple[str, str], ...] = ()
    # Views that a picture can be had of.
    views: tuple[str, ...] = ()
    # Our layouts that its robot's demos convert to.
    layouts: tuple[str, ...] = ()
    # Kinds of official demos.
    demos: tuple[str, ...] = ()
    # Whether demos can be generated.
    planner: bool = False

    @property
    def builds(self) -> bool:
        """Whether it can be built on this machine, as far as is known."""
        return not self.problem

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {**asdict(self), "cameras": dict(self.cameras), "builds": self.builds}
