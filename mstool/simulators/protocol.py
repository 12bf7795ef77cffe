"""How others evaluate in a benchmark."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Protocol:
    """A published way to evaluate: what it fixes, where a user says nothing."""

    name: str
    # {suite: the most steps of an episode, after the objects came to rest}.
    horizons: Mapping[str, int]
    # Actions executed of each chunk; None leaves it to the policy.
    replan: int | None = None

    def horizon(self, env_id: str) -> int | None:
        """Return the most steps of an episode."""
        return self.horizons.get(env_id.partition("/")[0])
