"""The base of every check, and the table that holds them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mstool.contract import Array
from mstool.dataset.record import Record
from mstool.validators.report import Issue, Note
from mstool.validators.sampling import SampledView
from mstool.validators.targets import Target

# Executes stored actions in a simulator: (the dataset's record, lines of the episode log, actions (T, D) of each)
# to {episode: success}. Injected, so that no validator needs a simulator.
type ReplayDataset = Callable[[Record, Sequence[Mapping[str, Any]], Sequence[Array]], dict[int, bool]]


class Skip(Exception):  # noqa: N818
    """Raised by a check that does not apply, or cannot be decided on this data; its text says why."""


@dataclass(frozen=True)
class Context:
    """What a check looks at."""

    data: SampledView
    target: Target
    # openpi's statistics, if given or found.
    norm_stats: Path | None = None
    replay: ReplayDataset | None = None
    # Whether LeRobot's own reader is to read frames.
    open_it: bool = False
    # Why there is no replay.
    no_replay: str = "not asked for (--replay)"


class Check(ABC):
    """One question about a dataset.

    A subclass says in class attributes what it asks and yields an `Issue` per thing that is wrong and a `Note` per
    thing measured. It never raises on bad data: `data` raises `Unavailable` where something cannot be read, which
    makes the check skipped, because another check reports the file at fault.
    """

    code: ClassVar[str]
    family: ClassVar[str]
    title: ClassVar[str]
    # What happens to a training that ignores it.
    meaning: ClassVar[str]
    fix: ClassVar[str]

    @abstractmethod
    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Look at the data and yield what is wrong."""


CHECKS: dict[str, type[Check]] = {}


def register[C: type[Check]](check: C) -> C:
    """Add a check to the table; a code can be used once."""
    if check.code in CHECKS:
        raise ValueError(f"{check.code} is used by {CHECKS[check.code].__name__} and {check.__name__}")
    CHECKS[check.code] = check
    return check
