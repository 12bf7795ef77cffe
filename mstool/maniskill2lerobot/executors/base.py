"""What an executor is: jobs in, what becomes of them out, in the order in which they finish."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from mstool.maniskill2lerobot.episode.shard import EpisodeMark
from mstool.maniskill2lerobot.executors.job import ConvertJob


@dataclass(frozen=True)
class Done:
    """A job's outcome: a marker, or why there is none after `ATTEMPTS` attempts."""

    job: ConvertJob
    mark: EpisodeMark | None
    dropped: str = ""


@dataclass(frozen=True)
class UnderWay:
    """How many frames of a job's episode there are so far; fewer again when it had to begin anew."""

    job: ConvertJob
    frames: int


type Events = Generator[Done | UnderWay, None, None]
# Given the jobs and how many workers at a time; None leaves the number to the executor.
type Executor = Callable[[Sequence[ConvertJob], int | None], Events]
