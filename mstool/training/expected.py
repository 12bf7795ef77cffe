"""What success to expect of a `flow` policy: what was measured, beside what is planned."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mstool.dataset.conventions import Conventions
from mstool.training.presets import network_of

# Measured (benchmarks/results/flow_six_tasks.md): six tasks trained to 0.026 solved 42 to 96 % of their episodes, the
# same tasks trained to 0.009 solved 80 to 98 %. And (flow_ten_tasks.md): 25 epochs, with a loss of 0.009, solved 74 to
# 84 % of four tasks, two of which 35 to 53 epochs solve to 95 % and more; a loss of 0.0142 after 32 solved 62 % of
# StackCube, and one of 0.0132 after 56 solved 92 % of PullCube.
TRAINED, EPOCHS = 0.0135, 35
UNDERTRAINED = (
    f"probably under-trained: policies that solve their tasks end with a loss below {TRAINED}, after {EPOCHS} epochs "
    "and more"
)


def is_undertrained(policy: Mapping[str, Any], loss: float, epochs: float) -> bool:
    """Tell whether a policy's training should have gone on.

    Nothing is known of other heads than that of the `flow` policy which is called so itself, and of other networks.

    Parameters
    ----------
    policy
        Its config as plain data.
    loss
        The mean over some of its last steps.
    epochs
        How often it saw every frame; one that began with another's weights may do with fewer.

    """
    known = policy.get("head") == "flow" and network_of(policy) == "base"
    return known and (loss > TRAINED or (epochs < EPOCHS and not policy.get("pretrained_path")))


@dataclass(frozen=True)
class Measured:
    """How often one policy solved a task on unseen seeds: shares once and at the end."""

    env_id: str
    demos: int
    epochs: int
    once: float
    at_end: float
    # What of the dataset mattered.
    goal: str = "visible"
    hold_steps: int = 0
    network: str = "base"
    # Actions executed of each chunk, 0 for as many as the policy says.
    replan: int = 0


# benchmarks/results/flow_six_tasks.md (50 seeds) and flow_ten_tasks.md (100 seeds).
MEASURED = (
    Measured("PickCube-v1", 300, 69, 0.74, 0.64, hold_steps=20),
    Measured("PickCube-v1", 300, 100, 0.96, 0.96, goal="state", hold_steps=20),
    Measured("StackCube-v1", 600, 46, 0.84, 0.58),
    Measured("StackCube-v1", 597, 54, 0.68, 0.56, hold_steps=20),
    Measured("StackCube-v1", 1492, 34, 0.88, 0.87, hold_steps=20, replan=8),
    Measured("PushCube-v1", 200, 35, 0.98, 0.98),
    Measured("PullCube-v1", 200, 35, 0.98, 0.98),
    Measured("PullCube-v1", 150, 63, 0.98, 0.98, hold_steps=20, replan=32),
    Measured("PullCubeTool-v1", 200, 35, 0.80, 0.80),
    Measured("PullCubeTool-v1", 198, 35, 0.75, 0.75, hold_steps=20),
    Measured("PullCubeTool-v1", 593, 13, 0.86, 0.86, hold_steps=20),
    Measured("LiftPegUpright-v1", 195, 42, 0.98, 0.98, hold_steps=20, replan=32),
    Measured("PlaceSphere-v1", 200, 35, 0.80, 0.64),
    Measured("PlaceSphere-v1", 259, 53, 0.97, 0.97, hold_steps=20),
)


@dataclass(frozen=True)
class Expected:
    """What was measured of one task of a dataset, and how many demos of it there are here."""

    measured: Measured
    demos: int
    # Steps that see every frame as often as the measured training did.
    steps: int

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {"demos": self.demos, "steps": self.steps, "measured": asdict(self.measured)}

    def row(self) -> dict[str, str]:
        """Return a table's row for a person."""
        known = self.measured
        held = f", --hold-steps {known.hold_steps}" if known.hold_steps else ""
        held += f", eval --replan {known.replan}" if known.replan else ""
        return {
            "task": known.env_id,
            "demos here": str(self.demos),
            "measured with": f"{known.demos} demos, {known.epochs} epochs{held}",
            "solved": f"{100 * known.once:.0f} %",
            "at end": f"{100 * known.at_end:.0f} %",
            "as many epochs here": f"{self.steps} steps",
        }


def expected(frames: int, conventions: Conventions | None, samples: int, network: str | None) -> tuple[Expected, ...]:
    """Return what was measured of each task of a dataset, for those of which something was.

    Parameters
    ----------
    frames
        Trained on in an epoch.
    conventions
        The dataset's.
    samples
        Per step, over all processes.
    network
        The policy's, None where it is no `flow`.

    """
    return () if conventions is None else tuple(_of_tasks(frames, conventions, samples, network))


def _of_tasks(frames: int, conventions: Conventions, samples: int, network: str | None) -> Iterator[Expected]:
    for env_id in conventions.env_ids:
        same = env_id, conventions.record.goal, network
        known = [m for m in MEASURED if (m.env_id, m.goal, m.network) == same]
        held = env_id in conventions.record.hold_steps
        demos = sum(line.get("env_id") == env_id for line in conventions.episodes)
        if known:
            measured = min(known, key=lambda m: (bool(m.hold_steps) != held, abs(math.log(m.demos / max(1, demos)))))
            yield Expected(measured, demos, math.ceil(measured.epochs * frames / samples))
