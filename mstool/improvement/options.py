"""What a user asks of `mstool improve`, and the command line that says it again."""

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from mstool.errors import UsageError

MINUTES = 20.0
METHODS = ("fql", "best-of-n", "bc-success", "dsrl")


@dataclass(frozen=True)
class ImproveOptions:
    """Every choice."""

    checkpoint: str
    envs: Sequence[str] = ()
    dataset: Path | None = None
    method: str = "fql"
    # How long (None: MINUTES), and at most how many of the policy's own episodes; rollouts and learning together.
    minutes: float | None = None
    episodes: int | None = None
    # Updates of the phase on demos, and the episodes after it on which the critic alone learns.
    demo_updates: int = 2000
    critic_episodes: int = 64
    # Updates that go with each own episode.
    updates: int = 8
    # The most steps of an own episode; None: the manifest's.
    horizon: int | None = None
    # Actions executed of a chunk.
    replan: int = 8
    batch_size: int = 256
    lr: float = 3e-4
    alpha: float = 30.0
    gamma: float = 0.99
    seed: int = 0
    # Of the first own episode.
    seed_start: int | None = None
    workers: int | None = None
    device: str = "auto"
    output: Path | None = None
    resume: bool = False
    overwrite: bool = False
    dry_run: bool = False
    # For tests: seconds between two saves, and the width of what is added.
    save_seconds: float = field(default=60.0, metadata={"hidden": True})
    hidden: int = field(default=512, metadata={"hidden": True})
    # The options that were given, be it as they are by default: with `resume` the others are as the run began.
    given: frozenset[str] = field(default=frozenset(), compare=False, metadata={"hidden": True})

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        UsageError
            An unknown method, or a number out of its range.

        """
        if self.method not in METHODS:
            raise self._refused(f"--method {self.method}: there are {', '.join(METHODS)}", method=METHODS[0])
        if not 0 < self.seconds < math.inf:
            raise self._refused(f"--minutes {self.minutes:g}: nothing can be learnt", minutes=None)
        if not 0 < self.gamma < 1:
            raise self._refused(f"--gamma {self.gamma:g} is not between 0 and 1", gamma=None)
        if not (0 < self.lr < math.inf and 0 <= self.alpha < math.inf):
            name = "alpha" if 0 < self.lr < math.inf else "lr"
            raise self._refused(f"--{name} {getattr(self, name):g} is out of range", **{name: None})
        if self.resume and self.overwrite:
            raise self._refused("--resume and --overwrite exclude each other", overwrite=None)

    def _refused(self, said: str, **changes: object) -> UsageError:
        """Return an error whose fix is the command with `changes`; None leaves an option out."""
        options = {"--" + name: value for name, value in changes.items()}
        return UsageError(said, fix=self.command(**changes), change=options)

    @property
    def seconds(self) -> float:
        """How long, s."""
        return 60 * (MINUTES if self.minutes is None else self.minutes)

    @property
    def tamer_lr(self) -> float:
        """A third of the learning rate, in few digits."""
        return float(f"{self.lr / 3:.2g}")

    def says(self, name: str) -> bool:
        """Tell whether an option was given."""
        return name in self.given or getattr(self, name) != type(self).__dataclass_fields__[name].default

    def command(self, **changes: object) -> str:
        """Return the command line of these options, with `changes`; None, False and what was not given are left out."""
        words = ["mstool", "improve", str(changes.pop("checkpoint", self.checkpoint))]
        for each in fields(self):
            name = "env" if each.name == "envs" else each.name
            value = changes.get(name, getattr(self, each.name))
            if each.name in {"checkpoint", "dry_run"} or each.metadata.get("hidden"):
                continue
            unsaid = value in (each.default, ()) and (name in changes or not self.says(each.name))
            if value is None or value is False or unsaid:
                continue
            words.append("--" + name.replace("_", "-"))
            if value is not True:
                words.append(",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value))
        return shlex.join(words)
