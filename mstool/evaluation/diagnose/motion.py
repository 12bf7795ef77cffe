"""Actions and states of an evaluation beside those of the training data, dimension by dimension."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.dataset.column_names import column_names
from mstool.dataset.training_stats import TrainingStats
from mstool.evaluation.diagnose.recorder import Trace

# A dimension whose spread is below this part of the training data's is hardly used.
LITTLE_USE = 0.1
# q01 to q99 hold 98 % of the training data; more than this share outside is a shift.
OUTSIDE = 0.1
# A gripper's commands are on one side of the middle in at least this share of all steps.
ONE_SIDE = 0.995
_GRIPPER = ("gripper",)


@dataclass(frozen=True)
class MotionNames:
    """The names of the state's and the action's dimensions."""

    state: Sequence[str]
    action: Sequence[str]


def names_of(features: Mapping[str, Any], state: int, action: int) -> MotionNames:
    """Read the names from a dataset's feature table; numbers where it has none."""

    def find(columns: tuple[str, ...], width: int) -> list[str]:
        names = column_names(features, (columns,))
        return list(names) if len(names) == width else [str(i) for i in range(width)]

    states = find(("observation.state",), state)
    if states[0] == "0":
        states = find(("state", "joint_position", "gripper_position"), state)
    actions = find(("action",), action)
    return MotionNames(states, actions if actions[0] != "0" else find(("actions",), action))


def look_at_actions(
    traces: Sequence[Trace], stats: TrainingStats, names: MotionNames
) -> tuple[list[dict[str, Any]], list[str]]:
    """Compare the use of every action dimension with the training data's: rows of a table, and findings."""
    every = np.concatenate([trace.all_actions() for trace in traces])
    rows, findings = [], []
    for dim, name in enumerate(names.action):
        used = every[:, dim].astype(np.float64)
        low, high = float(stats.action["q01"][dim]), float(stats.action["q99"][dim])
        spread = float(stats.action["std"][dim])
        outside = float(((used < low) | (used > high)).mean()) if high > low else 0.0
        rows.append(
            {
                "dimension": name,
                "min": float(used.min()),
                "max": float(used.max()),
                "mean": float(used.mean()),
                "std": float(used.std()),
                "trained_q01": low,
                "trained_q99": high,
                "trained_std": spread,
                "outside": outside,
            }
        )
        if any(word in name.lower() for word in _GRIPPER):
            findings += _gripper(name, used, low, high, traces, dim)
        elif spread > 1e-6 and used.std() < LITTLE_USE * spread:
            findings.append(
                f"action {name} is hardly used: its spread is {used.std():.3g}, in training {spread:.3g}. "
                "The policy may not have learned it, or its statistics are wrong"
            )
        if outside > 2 * OUTSIDE:
            findings.append(
                f"action {name} is outside the training data's q01..q99 ({low:.3g}..{high:.3g}) in "
                f"{100 * outside:.0f} % of all steps: check the normalisation"
            )
    return rows, findings


def look_at_states(
    traces: Sequence[Trace], stats: TrainingStats, names: MotionNames
) -> tuple[list[dict[str, Any]], list[str]]:
    """Say which state dimensions leave the training data's q01..q99, and when: rows of a table, and findings."""
    rows, findings = [], []
    every = np.concatenate([trace.all_states() for trace in traces])
    for dim, name in enumerate(names.state):
        seen = every[:, dim].astype(np.float64)
        low, high = float(stats.state["q01"][dim]), float(stats.state["q99"][dim])
        slack = 1e-3 * max(high - low, 1e-3)
        outside = (seen < low - slack) | (seen > high + slack)
        first = _first_outside(traces, dim, low - slack, high + slack)
        rows.append(
            {
                "dimension": name,
                "min": float(seen.min()),
                "max": float(seen.max()),
                "trained_q01": low,
                "trained_q99": high,
                "outside": float(outside.mean()),
                "median_first_step_outside": first,
            }
        )
        if outside.mean() > OUTSIDE:
            when = f", at first around step {first}" if first is not None else ""
            findings.append(
                f"state {name} is outside the training data's q01..q99 ({low:.3g}..{high:.3g}) in "
                f"{100 * outside.mean():.0f} % of all looks{when}: seen {seen.min():.3g}..{seen.max():.3g}"
            )
    return rows, findings


def _gripper(name: str, used: Array, low: float, high: float, traces: Sequence[Trace], dim: int) -> list[str]:
    """Find a gripper that is stuck although the training data moves it."""
    if high - low < 1e-6:
        return []
    middle = (low + high) / 2
    above = float((used > middle).mean())
    if max(above, 1 - above) >= ONE_SIDE:
        side, other = (high, low) if above > 0.5 else (low, high)
        share = 100 * max(above, 1 - above)
        said = f"action {name} stays at about {side:.2g} in {share:.1f} % of all steps: the gripper is stuck"
        return [f"{said} (training data goes to {other:.2g} too)"]
    moving = sum(len(set((trace.all_actions()[:, dim] > middle).tolist())) == 2 for trace in traces)
    if moving < len(traces) / 2:
        return [f"action {name} changes sides in {moving} of {len(traces)} episodes only"]
    return []


def _first_outside(traces: Sequence[Trace], dim: int, low: float, high: float) -> int | None:
    firsts = []
    for trace in traces:
        out = [step for step, state in zip(trace.steps, trace.states, strict=True) if not low <= state[dim] <= high]
        firsts += out[:1]
    return sorted(firsts)[len(firsts) // 2] if firsts else None
