"""Which policy a word on the command line means."""

from collections.abc import Callable
from pathlib import Path

from mstool.dataset.conventions import Conventions
from mstool.errors import UsageError
from mstool.evaluation.policy import Policy

SERVER = ("ws://", "wss://")
REPLAY = "replay:"
RANDOM = "random"
PLANNER = "planner"

type Notify = Callable[[str], None]


def open_policy(
    spec: str,
    conventions: Conventions,
    *,
    device: str = "auto",
    timeout_s: float = 60.0,
    slots: int = 1,
    dataset: Path | None = None,
    notify: Notify = print,
) -> Policy:
    """Make the policy that `spec` names.

    Parameters
    ----------
    spec
        A LeRobot checkpoint (a run's folder, a checkpoint in it, or a repo on the hub), `ws://host:port` of an openpi
        policy server, `replay:DATASET`, or `random`. `planner` is no policy: it acts inside the workers.
    conventions
        What the policy was trained on.
    device
        Where a checkpoint runs: `auto`, `cpu`, `cuda`, ...
    timeout_s
        How long a server may take for one answer.
    slots
        The most episodes that run at once.
    dataset
        The dataset that the conventions are of, where it is at hand.
    notify
        Told of what a person should know.

    Raises
    ------
    UsageError
        There is no such policy, or it does not fit the conventions.

    """
    if spec.startswith(SERVER):
        from mstool.evaluation.policies.openpi_server import OpenpiPolicy

        return OpenpiPolicy(spec, conventions, timeout_s=timeout_s)
    if spec.startswith(REPLAY):
        from mstool.evaluation.policies.baselines import ReplayPolicy

        return ReplayPolicy(Path(spec.removeprefix(REPLAY)), conventions)
    if spec == RANDOM:
        from mstool.evaluation.policies.baselines import RandomPolicy

        return RandomPolicy(conventions, dataset)
    if spec == PLANNER:
        raise UsageError("the planner needs the simulator: it cannot answer observations")
    from mstool.evaluation.policies.lerobot import LerobotPolicy

    return LerobotPolicy(spec, conventions, device=device, slots=slots, notify=notify)
