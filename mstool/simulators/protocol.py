"""How others evaluate in a benchmark."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """What others report of a policy by a protocol, over all tasks of each suite."""

    policy: str
    # {suite: success rate, 0 to 1}.
    rates: Mapping[str, float]
    # Per task.
    episodes: int
    source: str


def suite_name(env_id: str) -> str:
    """Return the suite that a task is of, as `SUITE/NUMBER` says; empty for a task of none."""
    return env_id.partition("/")[0] if "/" in env_id else ""


@dataclass(frozen=True)
class Protocol:
    """A published way to evaluate: what it fixes, where a user says nothing."""

    name: str
    # {suite: the most steps of an episode, after the objects came to rest}.
    horizons: Mapping[str, int]
    # Actions executed of each chunk; None leaves it to the policy.
    replan: int | None = None
    published: Published | None = None

    def horizon(self, env_id: str) -> int | None:
        """Return the most steps of an episode."""
        return self.horizons.get(suite_name(env_id))

    def kept_to(self, horizons: Mapping[str, int], replan: int | None) -> bool:
        """Tell whether tasks were run as it says.

        Parameters
        ----------
        horizons
            {task: the most steps of an episode}.
        replan
            Actions executed of each chunk; None for all.

        """
        as_said = all(self.horizon(env_id) in {None, horizon} for env_id, horizon in horizons.items())
        return as_said and self.replan in {None, replan}
