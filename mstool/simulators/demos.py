"""What a demo is, whichever benchmark it is of, and what is asked of a file of them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NotRequired, Protocol, TypedDict

from mstool.contract import Array, State


@dataclass(frozen=True)
class Demo:
    """One demonstrated episode."""

    env_id: str
    # Its number in the file that it comes from.
    episode_id: int
    seed: int
    control_mode: str
    # (T, A) float32, as the simulator executed them.
    actions: Array
    # The environment's state before the first action; None: what the seed gives.
    first_state: State | None = None
    # Whether its seed is a mere number: nothing but `first_state` says where it begins.
    seedless: bool = False
    reset_options: Mapping[str, Any] = field(default_factory=dict)
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    # Which recorded observations and states belong to it: "" for none, else the file's size and time of change.
    observations: str = ""
    states: str = ""
    # Whether it begins in a state that the planner was disturbed to, and recovered from.
    disturbed: bool = False
    # The file that lists it, for an error to name.
    listed_in: str = ""
    # (T,) which steps ask for nothing, a person's pauses; None where none are to be left out.
    idle: Array | None = None
    # How many of these were left out.
    left_out: int = 0

    def without_idle(self) -> "Demo":
        """Return it without the steps that ask for nothing."""
        if self.idle is None or not self.idle.any() or self.idle.all():
            return replace(self, idle=None)
        return replace(self, actions=self.actions[~self.idle], idle=None, left_out=int(self.idle.sum()))


@dataclass(frozen=True)
class RecordedStates:
    """What a file holds of one episode of T actions beside them."""

    # T+1 states, before every action and after the last.
    states: Sequence[State]
    # Whether the task was solved at the end; None where the file does not say.
    success: bool | None


class Demos(Protocol):
    """A file of demos of one environment, checked when it is opened."""

    @property
    def path(self) -> Path:
        """The file itself."""

    @property
    def json(self) -> Path:
        """The file that lists the episodes: `path` itself, or one beside it."""

    @property
    def env_id(self) -> str:
        """The environment of all its episodes."""

    @property
    def env_kwargs(self) -> Mapping[str, Any]:
        """Arguments of the environment that they were recorded with."""

    @property
    def control_mode(self) -> str:
        """The control mode of the first episode; empty when the file does not say."""

    @property
    def unlisted(self) -> list[str]:
        """Names of trajectories of which nothing says seed and control mode."""

    def __len__(self) -> int:
        """Return the number of episodes."""

    def problems(self, *, limit: int | None = None) -> dict[int, str]:
        """Say what is wrong with each of the first `limit` episodes: {position: problem}, empty when all is well."""

    def read(self, position: int) -> Demo:
        """Read one episode."""

    def read_many(self, positions: Sequence[int]) -> list[Demo]:
        """Read several episodes, opening the file once."""

    def recorded_states(self, position: int) -> RecordedStates:
        """Read all states of one episode; DataError where the file holds none, or not one per action."""

    def check_replayable(self) -> None:
        """Raise DataError unless an environment of this installation can begin where the episodes began."""


@dataclass(frozen=True)
class Attempt:
    """How an attempt at one seed ended, a planner's or a policy's."""

    seed: int
    # Whether the task counts as solved when the episode has ended.
    success: bool
    # Control steps executed.
    steps: int
    # Empty on success; else "planner" (no motion was found), "not successful", "solver error: ...", or what ended a
    # policy's episode early.
    failure: str = ""
    # How many of the first steps are left out of the demo: the planner was disturbed until then.
    left_out: int = 0


@dataclass(frozen=True)
class Rollout:
    """One episode that somebody else acted, from its seed."""

    attempt: Attempt
    # (T, A) float32, as the simulator executed them.
    actions: Array


def most_attempts(episodes: int) -> int:
    """Return after how many seeds it is hopeless to get so many successful episodes."""
    return max(50, 20 * episodes)


class Wanted(TypedDict):
    """What is asked of demos that are to be written, whoever acts in them."""

    # Successful ones, of seeds from this one on.
    episodes: int
    seed: int
    # The folder of the files, and whether those that are there are replaced.
    out_dir: Path
    overwrite: NotRequired[bool]


@dataclass(frozen=True)
class GenerateReport:
    """What demos were made, and what it took."""

    env_id: str
    h5: Path
    json: Path
    # Seed and length (control steps) of every kept episode, in the order of the files.
    seeds: tuple[int, ...]
    steps: tuple[int, ...]
    # How many seeds failed, by reason (see `Attempt.failure`).
    failures: dict[str, int]
    seconds: float
    # How many of the kept episodes begin in a state that the planner was disturbed to.
    disturbed: int = 0

    @property
    def episodes(self) -> int:
        """Number of episodes kept."""
        return len(self.seeds)

    @property
    def attempts(self) -> int:
        """Number of seeds tried."""
        return self.episodes + sum(self.failures.values())

    def to_json(self) -> dict[str, Any]:
        """Everything above as JSON types."""
        counts = {"episodes": self.episodes, "attempts": self.attempts}
        return {**asdict(self), **counts, "h5": str(self.h5), "json": str(self.json)}
