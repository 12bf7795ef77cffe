"""Execute a dataset's stored actions in ManiSkill, through the layout that the dataset records."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mstool.contract import EPISODES_FILE, INFO_KEY, Array, ControllerFacts
from mstool.errors import DataError
from mstool.layouts import get_layout
from mstool.norm_stats.columns import ColumnReader
from mstool.norm_stats.dataset import open_dataset
from mstool.simulation.environment import Simulator, SimulatorSpec

# Replaying takes seconds an episode: this many are enough to see a wrong convention.
MOST = 20


def replay_dataset(root: Path, most: int = MOST) -> dict[int, bool]:
    """Replay the first `most` episodes of a dataset that `mstool convert` made.

    Each episode starts from its recorded seed. Demos recorded on another machine may have begun in a state that the
    seed does not give here: such an episode can fail although its actions are right.

    Returns
    -------
    {episode: whether the task was solved after its last action}.

    Raises
    ------
    DataError
        The dataset records no layout, controller or seeds, or its columns cannot be read.

    """
    info = json.loads((root / "meta" / "info.json").read_text(encoding="utf-8"))
    ours = info.get(INFO_KEY)
    log = root / EPISODES_FILE
    if not isinstance(ours, dict) or not log.is_file():
        raise DataError(f"{root}: no record of layout and seeds", fix="convert the dataset with mstool convert")
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    layout, mode = get_layout(str(ours["layout"])), str(ours["control_mode"])
    facts = ControllerFacts(**ours["controller"])
    outcome: dict[int, bool] = {}
    simulator: Simulator | None = None
    try:
        for line, actions in zip(tqdm(lines[:most], desc="replay", disable=None), _actions(root), strict=False):
            spec = _spec(line, ours, mode)
            if simulator is None or simulator.spec != spec:
                if simulator is not None:
                    simulator.close()
                simulator = Simulator(spec)
            outcome[int(line["episode_index"])] = _solves(
                simulator, int(line["seed"]), layout.decode_action(actions, facts, mode)
            )
    finally:
        if simulator is not None:
            simulator.close()
    return outcome


def _spec(line: dict[str, Any], ours: dict[str, Any], mode: str) -> SimulatorSpec:
    return SimulatorSpec(
        env_id=str(line["env_id"]),
        control_mode=mode,
        robot=ours.get("robot_uids"),
        views=(),
        env_kwargs=(ours.get("demos") or {}).get("env_kwargs") or {},
    )


def _solves(simulator: Simulator, seed: int, actions: Array) -> bool:
    simulator.reset(seed)
    # As in conversion, what counts is that the task is solved after the last action.
    return [simulator.step(action) for action in actions][-1]


def _actions(root: Path) -> Any:
    dataset = open_dataset(root)
    column = "action" if "action" in dataset.features else "actions"
    for block in ColumnReader(dataset, [column]).blocks():
        ends = np.cumsum(block.lengths)
        for start, end in zip(ends - block.lengths, ends, strict=True):
            yield block.columns[column][:, start:end].T
