"""What a dataset says of a policy: its actions on stored frames, and where it leaves the stored episodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.dataset.column_names import GOAL_COLUMN
from mstool.dataset.conventions import Conventions, load_conventions
from mstool.dataset.files import Unavailable
from mstool.dataset.training_stats import TrainingStats
from mstool.dataset.vectors import actions_of, state_of
from mstool.dataset.view import DatasetView
from mstool.errors import DataError
from mstool.evaluation.diagnose.recorder import Trace
from mstool.evaluation.plan import dataset_prompts
from mstool.evaluation.policy import Observation, Policy
from mstool.paths import quoted

# Episodes of each task that are looked at, and frames of each on which the policy is asked.
EPISODES = 3
FRAMES = 12
# An episode has diverged when a state dimension is this many training standard deviations from the stored one.
DIVERGED = 0.5
# Below this share of explained variance, a policy hardly follows its own training data.
EXPLAINED = 0.5


@dataclass(frozen=True)
class Stored:
    """One episode of a dataset."""

    env_id: str
    seed: int
    prompt: str
    # Whether the policy was trained on it.
    trained: bool
    # (T, S) and (T, D), float32.
    states: Array
    actions: Array
    # Frames at which there are pictures, and {view: uint8 (H, W, 3)} at each.
    frames: Sequence[int]
    pictures: Sequence[Mapping[str, Array]]
    # (3,) m, where the dataset stores it.
    goal: Array | None = None


def read_stored(root: Path, trained_on: Conventions, envs: Sequence[str]) -> list[Stored]:
    """Read some episodes of each task: the first ones.

    Raises
    ------
    DataError
        The dataset cannot be read.

    """
    own = load_conventions(root)
    own.need_seeds()
    prompts = dataset_prompts(root, own)
    data = DatasetView(root)
    wanted = [
        line for env_id in envs for line in [line for line in own.episodes if line["env_id"] == env_id][:EPISODES]
    ]
    numbers = {int(line["episode_index"]) for line in wanted}
    try:
        table = {row.index: row for row in data.episodes if row.index in numbers}
        rows = {rows.episode: rows for rows in data.rows() if rows.episode in numbers}
        found = []
        for line in wanted:
            number = int(line["episode_index"])
            frames = [int(i) for i in np.linspace(0, len(rows[number]) - 1, min(FRAMES, len(rows[number]))).round()]
            seen = {view: data.pictures(table[number], column, frames) for column, view in own.record.views.items()}
            goal = rows[number].columns.get(GOAL_COLUMN)
            found.append(
                Stored(
                    env_id=str(line["env_id"]),
                    seed=int(line["seed"]),
                    prompt=prompts.get(str(line["env_id"]), ""),
                    trained=int(line["seed"]) in trained_on.seeds(str(line["env_id"])),
                    states=state_of(data, rows[number]).astype(np.float32),
                    actions=actions_of(data, rows[number]).astype(np.float32),
                    frames=frames,
                    pictures=[{view: taken[i] for view, taken in seen.items()} for i in range(len(frames))],
                    goal=None if goal is None else goal[0].astype(np.float32),
                )
            )
    except Unavailable as error:
        raise DataError(f"{root}: {error}", fix=f"mstool validate {quoted(root)}") from error
    return found


def open_loop(
    policy: Policy, episodes: Sequence[Stored], stats: TrainingStats, names: Sequence[str], replan: int | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Ask the policy on stored frames and compare what it would execute with what is stored.

    `error` is the mean absolute error in training standard deviations; `explained` is 1 - (squared error / variance).
    """
    errors: dict[bool, list[Array]] = {}
    wanted: dict[bool, list[Array]] = {}
    for episode in episodes:
        policy.reset(0, episode.env_id, episode.seed)
        for frame, pictures in zip(episode.frames, episode.pictures, strict=True):
            seen = Observation(
                pictures,
                episode.states[frame],
                episode.prompt,
                episode.env_id,
                episode.seed,
                frame,
                goal=episode.goal,
            )
            (chunk,) = policy.act([0], [seen])
            truth = episode.actions[frame : frame + (len(chunk) if replan is None else replan)]
            errors.setdefault(episode.trained, []).append(chunk[: len(truth)] - truth[: len(chunk)])
            wanted.setdefault(episode.trained, []).append(truth[: len(chunk)])
    rows, findings = [], []
    spread = np.maximum(stats.action["std"], 1e-6)
    for trained, parts in errors.items():
        error, truth = np.concatenate(parts).astype(np.float64), np.concatenate(wanted[trained]).astype(np.float64)
        variance = np.maximum(truth.var(axis=0), 1e-12)
        explained = 1 - (error**2).mean(axis=0) / variance
        what = "stored, trained on" if trained else "held out"
        rows += [
            {
                "episodes": what,
                "dimension": name,
                "error": float(np.abs(error[:, dim]).mean() / spread[dim]),
                "explained": float(explained[dim]),
            }
            for dim, name in enumerate(names)
        ]
        overall = 1 - ((error / spread) ** 2).mean() / max(float((truth / spread).var(axis=0).mean()), 1e-12)
        if overall < EXPLAINED:
            findings.append(
                f"open loop, episodes {what}: the policy explains {100 * max(overall, 0):.0f} % of the actions' "
                "variance: " + ("it has not learned its training data" if trained else "it does not generalise")
            )
    return rows, findings


def divergence(
    traces: Sequence[Trace], episodes: Sequence[Stored], stats: TrainingStats, names: Sequence[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Find the first look at which a rollout from a training seed has left the stored episode, and in what."""
    stored = {(episode.env_id, episode.seed): episode for episode in episodes}
    spread = np.maximum(stats.state["std"], 1e-4)
    rows = []
    for trace in traces:
        episode = stored.get((trace.env_id, trace.seed))
        if episode is None:
            continue
        row: dict[str, Any] = {
            "env_id": trace.env_id,
            "seed": trace.seed,
            "stored_steps": len(episode.states),
            "step": None,
            "dimension": "",
        }
        for step, state in zip(trace.steps, trace.states, strict=True):
            if step >= len(episode.states):
                break
            away = np.abs(state - episode.states[step]) / spread
            if away.max() > DIVERGED:
                row |= {"step": step, "dimension": names[int(away.argmax())]}
                break
        rows.append(row)
    steps = sorted(row["step"] for row in rows if row["step"] is not None)
    if not steps:
        return rows, []
    said = (
        f"{len(steps)} of {len(rows)} rollouts from training seeds leave their stored episode by more than {DIVERGED} "
        f"standard deviations, in the median at step {steps[len(steps) // 2]} (another way to the goal is not a fault: "
        "compare the success there)"
    )
    return rows, [said]
