"""What a user asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mstool.errors import UsageError
from mstool.evaluation.chunks import ENSEMBLE_RATE
from mstool.evaluation.policies.checkpoint import EVAL
from mstool.evaluation.policies.choose import PolicySource, choose_policy
from mstool.evaluation.policy import Traits

# Steps that go on after the first success: 1 s at 20 Hz.
HOLD = 20


@dataclass(frozen=True)
class Schedule:
    """When a policy is asked, and when an episode ends."""

    # Actions of a chunk that are executed before it is asked again; None: all.
    replan: int | None
    # See `ChunkBuffer`.
    ensemble: float | None
    # Steps that go on after the first success; None: to the horizon, or where the policy ends the episode.
    hold: int | None


@dataclass(frozen=True)
class EvalRequest:
    """What a user asked for."""

    # See `mstool.evaluation.policies.choose.choose_policy`.
    policy: str
    envs: Sequence[str] = ()
    suite: str | None = None
    # Per task; by default 40, of `replay:` all, with `diagnose` 10.
    episodes: int | None = None
    # None: the benchmark's own first one.
    seed_start: int | None = None
    # A name of the benchmark's protocols; None takes its first.
    protocol: str | None = None
    workers: int | None = None
    replan: int | None = None
    ensemble: bool = False
    hold: int = HOLD
    instruction: str | None = None
    horizon: int | None = None
    # The dataset a policy was trained on, where no conventions lie beside it; with `diagnose` its stored episodes.
    dataset: Path | None = None
    device: str = "auto"
    timeout_s: float = 60.0
    video: Path | None = None
    output: Path | None = None
    # Forget what was measured of these tasks in this configuration.
    fresh: bool = False
    diagnose: bool = False
    # The command line that goes on with the policy, for fixes.
    command: str = EVAL

    def __post_init__(self) -> None:
        """Refuse what cannot be together.

        Raises
        ------
        UsageError
            The planner is asked for what only a policy can do.

        """
        if not self.source.plans:
            return
        if self.ensemble or self.replan or self.diagnose:
            raise UsageError(
                "the planner answers no observations: --replan, --ensemble and --diagnose are for policies",
                fix="leave them out",
                change=dict.fromkeys(("--replan", "--ensemble", "--diagnose")),
            )
        if self.video is not None:
            raise UsageError(
                "--video: the planner runs without images",
                fix="leave --video out; of demos, convert them and look at the dataset",
                change={"--video": None},
            )

    @property
    def source(self) -> PolicySource:
        """Where the policy comes from."""
        return choose_policy(self.policy, self.dataset, self.command)

    @property
    def folder(self) -> Path:
        """Where the results go."""
        if self.output is not None:
            return self.output
        folder = self.source.folder
        return folder / "diagnose" if self.diagnose else folder

    def schedule(self, traits: Traits, replan: int | None = None) -> Schedule:
        """Say how a policy's chunks are executed and when its episodes end; `replan` is a protocol's.

        Raises
        ------
        UsageError
            The user asks for something else than a policy with a history of its own can do.

        """
        if traits.stateful and (self.ensemble or (self.replan or 1) > 1):
            raise UsageError(
                "--replan, --ensemble: this policy keeps a history of its own and must be asked at every step",
                fix="leave them out",
            )
        theirs = traits.replan if traits.stateful else replan or traits.replan
        return Schedule(
            replan=None if traits.ends_episodes else self.replan or (1 if self.ensemble else theirs),
            ensemble=ENSEMBLE_RATE if self.ensemble else None,
            hold=None if traits.ends_episodes or self.source.plans else self.hold,
        )
