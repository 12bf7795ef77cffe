"""Seeds that were failed are played again: where the policy solves most, most new episodes have nothing to teach.

After prioritised level replay (arXiv 2010.03934), with failing in the place of a learning signal's size: in the last
phase up to half of a round are seeds whose last episode did not end solved, the one that waits longest first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mstool.evaluation.outcomes import Outcome


@dataclass
class Failures:
    """Environment and seed of what waits, in the order in which it was failed."""

    waiting: list[tuple[str, int]] = field(default_factory=list)

    def next(self, count: int) -> list[tuple[str, int]]:
        """Return at most so many of those that wait."""
        return self.waiting[:count]

    def note(self, outcomes: Iterable[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
        """Hear how episodes ended; returns those of new seeds, and those of seeds that waited."""
        new, again = list[Outcome](), list[Outcome]()
        for outcome in outcomes:
            key = outcome.env_id, outcome.seed
            waited = key in self.waiting
            (again if waited else new).append(outcome)
            if waited:
                self.waiting.remove(key)
            if not outcome.success_at_end:
                self.waiting.append(key)
        return new, again
