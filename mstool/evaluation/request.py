"""What a user asked for, and what the policy was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mstool.dataset.conventions import Conventions, load_conventions
from mstool.errors import UsageError
from mstool.evaluation.plan import SEED_START
from mstool.evaluation.policies.checkpoint import checkpoint_conventions, find_checkpoint, results_folder
from mstool.evaluation.policies.choose import PLANNER, RANDOM, REPLAY, SERVER

# Steps that go on after the first success: 1 s at 20 Hz.
HOLD = 20


@dataclass(frozen=True)
class EvalRequest:
    """What a user asked for."""

    # See `mstool.evaluation.policies.choose.open_policy`.
    policy: str
    envs: Sequence[str] = ()
    suite: str | None = None
    # Per task; by default 40, of `replay:` all, with `diagnose` 10.
    episodes: int | None = None
    seed_start: int = SEED_START
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
    # Forget what an interrupted run finished.
    fresh: bool = False
    diagnose: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be together.

        Raises
        ------
        UsageError
            The planner is asked for what only a policy can do.

        """
        if self.policy != PLANNER:
            return
        if self.ensemble or self.replan or self.diagnose:
            raise UsageError(
                "the planner answers no observations: --replan, --ensemble and --diagnose are for policies",
                fix="leave them out",
            )
        if self.video is not None:
            raise UsageError(
                "--video: the planner runs without pictures",
                fix="mstool convert --demos generate, then mstool show DATASET",
            )

    @property
    def folder(self) -> Path:
        """Where the results go."""
        if self.output is not None:
            return self.output
        folder = self._usual_folder()
        return folder / "diagnose" if self.diagnose else folder

    def _usual_folder(self) -> Path:
        if self.policy in {PLANNER, RANDOM}:
            return Path("eval") / self.policy
        if self.policy.startswith(REPLAY):
            return Path("eval") / f"replay-{self._replayed.resolve().name}"
        if self.policy.startswith(SERVER):
            return Path("eval") / self.policy.partition("://")[2].rstrip("/").replace("/", "_").replace(":", "_")
        return results_folder(find_checkpoint(self.policy))

    @property
    def _replayed(self) -> Path:
        return Path(self.policy.removeprefix(REPLAY))

    def conventions(self) -> Conventions | None:
        """Find what the policy was trained on; None for one that was trained on nothing.

        Raises
        ------
        UsageError
            Neither the policy nor the user says.
        DataError
            They contradict each other.

        """
        if self.policy == PLANNER:
            return None
        if self.policy.startswith(REPLAY):
            return load_conventions(self._replayed)
        if self.policy == RANDOM or self.policy.startswith(SERVER):
            given = None if self.dataset is None else load_conventions(self.dataset)
            if given is None and self.policy != RANDOM:
                raise UsageError(
                    "a server does not say what its policy was trained on: layout, cameras, image size",
                    fix=f"mstool eval --policy {self.policy} --dataset DATASET",
                )
            return given
        return checkpoint_conventions(find_checkpoint(self.policy), self.dataset)
