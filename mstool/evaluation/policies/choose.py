"""What each word of `--policy` means: where its policy comes from, what that was trained on, where its results go."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from mstool.dataset.conventions import Conventions, load_conventions
from mstool.dataset.training_stats import TrainingStats, checkpoint_stats, dataset_stats
from mstool.errors import DataError, UsageError
from mstool.evaluation.policies.checkpoint import (
    EVAL,
    checkpoint_conventions,
    find_checkpoint,
    results_folder,
)
from mstool.evaluation.policy import Policy
from mstool.paths import quoted
from mstool.progress import Notify


class PolicySource(ABC):
    """A policy as a user names it; nothing is loaded before `open`.

    Parameters
    ----------
    word
        What `--policy` says.
    dataset
        The dataset that a policy was trained on, where the user gives it.
    command
        The command line that goes on with `word`, for fixes.

    """

    # Whether it acts in the workers, with the simulator before it, instead of answering observations.
    plans = False
    # Whether it plays a dataset's own episodes, and no others.
    replays = False

    def __init__(self, word: str, dataset: Path | None, command: str = EVAL) -> None:
        self.word = word
        self.dataset = dataset
        self.command = command

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where its results go, unless the user says it."""

    def conventions(self) -> Conventions | None:
        """Return what it was trained on; None for one that was trained on nothing.

        Raises
        ------
        UsageError
            Neither the policy nor the user says.
        DataError
            They contradict each other.

        """
        return None if self.dataset is None else load_conventions(self.dataset)

    def plain_conventions(self, env_ids: Sequence[str]) -> Conventions | None:  # noqa: ARG002
        """Return the conventions of a policy that was trained on nothing and speaks a layout nevertheless."""
        return None

    def stats(self) -> TrainingStats:
        """Return the statistics of what it was trained on.

        Raises
        ------
        UsageError
            It holds none.

        """
        if self.dataset is not None:
            return dataset_stats(self.dataset)
        return self._own_stats()

    def _own_stats(self) -> TrainingStats:
        raise UsageError(
            "--diagnose compares with the training data, which this policy does not hold",
            fix=f"mstool eval --policy {quoted(self.word)} --diagnose --dataset DATASET",
            change={"--dataset": "DATASET"},
        )

    @abstractmethod
    def open(
        self,
        conventions: Conventions,
        *,
        device: str = "auto",
        timeout_s: float = 60.0,
        slots: int = 1,
        notify: Notify = print,
    ) -> Policy:
        """Make the policy.

        Parameters
        ----------
        conventions
            What it was trained on.
        device
            Where a checkpoint runs: `auto`, `cpu`, `cuda`, ...
        timeout_s
            How long a server may take for one answer.
        slots
            The most episodes that run at once.
        notify
            Told of what a person should know.

        Raises
        ------
        UsageError
            There is no such policy, or it does not fit the conventions.

        """


class CheckpointSource(PolicySource):
    """A LeRobot checkpoint: a run's folder, a checkpoint in it, or a repo on the hub."""

    @property
    def folder(self) -> Path:
        """Inside the run."""
        return results_folder(find_checkpoint(self.word))

    def conventions(self) -> Conventions:
        """Return what lies beside the checkpoint, else what the user's dataset says."""
        return checkpoint_conventions(find_checkpoint(self.word, self.command), self.dataset, self.command)

    def _own_stats(self) -> TrainingStats:
        model = find_checkpoint(self.word)
        stats = checkpoint_stats(model)
        if stats is None:
            raise DataError(
                f"{model} holds no statistics of its training data",
                fix=f"mstool eval --policy {quoted(self.word)} --diagnose --dataset DATASET",
                change={"--dataset": "DATASET"},
            )
        return stats

    def open(
        self,
        conventions: Conventions,
        *,
        device: str = "auto",
        timeout_s: float = 60.0,  # noqa: ARG002
        slots: int = 1,
        notify: Notify = print,
    ) -> Policy:
        """Load the checkpoint."""
        from mstool.evaluation.policies.lerobot import LerobotPolicy

        return LerobotPolicy(self.word, conventions, device=device, slots=slots, notify=notify)


class ServerSource(PolicySource):
    """An openpi policy server: `ws://HOST:PORT`."""

    schemes = ("ws://", "wss://")

    @property
    def folder(self) -> Path:
        """Named after the address."""
        return Path("eval") / self.word.partition("://")[2].rstrip("/").replace("/", "_").replace(":", "_")

    def conventions(self) -> Conventions:
        """Return what the user's dataset says; a server says nothing."""
        if self.dataset is None:
            raise UsageError(
                "a server does not say what its policy was trained on: layout, cameras, image size",
                fix=f"{self.command} {quoted(self.word)} --dataset DATASET",
                change={"--dataset": "DATASET"},
            )
        return load_conventions(self.dataset)

    def open(self, conventions: Conventions, *, timeout_s: float = 60.0, **_: object) -> Policy:
        """Connect to the server."""
        from mstool.evaluation.policies.openpi_server import OpenpiPolicy

        return OpenpiPolicy(self.word, conventions, timeout_s=timeout_s)


class ReplaySource(PolicySource):
    """A dataset's own actions: `replay:DATASET`."""

    prefix = "replay:"
    replays = True

    @property
    def _root(self) -> Path:
        return Path(self.word.removeprefix(self.prefix))

    @property
    def folder(self) -> Path:
        """Named after the dataset."""
        return Path("eval") / f"replay-{self._root.resolve().name}"

    def conventions(self) -> Conventions:
        """Return what the dataset says of itself."""
        return load_conventions(self._root)

    def _own_stats(self) -> TrainingStats:
        return dataset_stats(self._root)

    def open(self, conventions: Conventions, **_: object) -> Policy:
        """Read the actions."""
        from mstool.evaluation.policies.baselines import ReplayPolicy

        return ReplayPolicy(self._root, conventions)


class RandomSource(PolicySource):
    """`random`: actions without sense, what any policy must be better than."""

    @property
    def folder(self) -> Path:
        """Named so."""
        return Path("eval") / self.word

    def plain_conventions(self, env_ids: Sequence[str]) -> Conventions:
        """Return the default layout's, on the tasks' own robots."""
        from mstool.evaluation.default_conventions import plain_conventions

        return plain_conventions(env_ids)

    def open(self, conventions: Conventions, **_: object) -> Policy:
        """Look up the actions' range."""
        from mstool.evaluation.policies.baselines import RandomPolicy

        return RandomPolicy(conventions, self.dataset)


class PlannerSource(PolicySource):
    """`planner`: ManiSkill's own solutions, which need the simulator and answer no observations."""

    plans = True

    @property
    def folder(self) -> Path:
        """Named so."""
        return Path("eval") / self.word

    def conventions(self) -> None:
        """Say that it was trained on nothing."""

    def open(self, conventions: Conventions, **_: object) -> Policy:  # noqa: ARG002
        """Refuse to answer observations."""
        raise UsageError("the planner needs the simulator: it cannot answer observations")


def choose_policy(word: str, dataset: Path | None = None, command: str = EVAL) -> PolicySource:
    """Return what `--policy` names; anything else is a checkpoint."""
    if word.startswith(ServerSource.schemes):
        return ServerSource(word, dataset, command)
    if word.startswith(ReplaySource.prefix):
        return ReplaySource(word, dataset, command)
    named = {"random": RandomSource, "planner": PlannerSource}
    return named.get(word, CheckpointSource)(word, dataset, command)
