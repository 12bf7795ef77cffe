"""What a policy is to an evaluation: it sees observations in the dataset's layout and answers with action chunks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mstool.contract import Array


@dataclass(frozen=True)
class Observation:
    """What a policy may know at one moment of one episode."""

    # View name ("base", "wrist", "base2"): uint8 (H, W, 3) RGB, upright.
    images: Mapping[str, Array]
    # (S,) float32 in the dataset's layout.
    state: Array
    # The task's sentence.
    prompt: str
    env_id: str
    # Seed of the episode.
    seed: int
    # Control steps since the reset.
    step: int
    # Where the goal marker stands, (3,) float32, m in the world; where the dataset stores it.
    goal: Array | None = None


class Policy(Protocol):
    """Answers observations of several episodes at once; an episode keeps its slot from `reset` to its end."""

    # For people: in tables, and in the name of the results' folder.
    name: str

    def reset(self, slot: int, env_id: str, seed: int) -> None:
        """Forget the slot's last episode: a new one begins in it."""

    def act(self, slots: Sequence[int], observations: Sequence[Observation]) -> list[Array]:
        """Return per observation a chunk of actions (H, D), float32, in the dataset's layout.

        The first action is for the observed moment, one more for each control step after it. An empty chunk (0, D)
        ends the episode.
        """

    def close(self) -> None:
        """Free what the policy holds."""


@dataclass(frozen=True)
class Traits:
    """What the runner may know of a policy beyond the protocol: its attribute `traits`, where it has one."""

    # Whether it looks at pictures; without, none are rendered.
    sees: bool = True
    # How many actions of a chunk are executed before it is asked again, unless the user says; None: all of them.
    replan: int | None = None
    # Whether it must be asked at every step, because it keeps a history of its own.
    stateful: bool = False
    # Whether it decides when an episode is over (by an empty chunk); else that is some steps after success.
    ends_episodes: bool = False
    # What identifies it: two runs with equal entries had the same policy.
    identity: Mapping[str, Any] = field(default_factory=dict)


def traits_of(policy: Policy) -> Traits:
    """Return a policy's traits; one that declares none sees, is stateless and leaves everything to the user."""
    traits = getattr(policy, "traits", None)
    return traits if isinstance(traits, Traits) else Traits()
