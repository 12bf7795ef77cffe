"""Execute a dataset's stored actions in the simulator, through the layout that the dataset records."""

from collections.abc import Mapping, Sequence
from typing import Any

from mstool.contract import Array
from mstool.dataset.episode_log import first_state
from mstool.dataset.files import RECORD_FILE
from mstool.dataset.record import Record
from mstool.layouts import get_layout
from mstool.progress import Progress
from mstool.simulators.base import Simulator, SimulatorSpec
from mstool.simulators.benchmarks import benchmark_of, build_simulator


def replay_dataset(record: Record, episodes: Sequence[Mapping[str, Any]], actions: Sequence[Array]) -> dict[int, bool]:
    """Replay episodes of a dataset that `mstool convert` made.

    Each episode starts from its recorded seed, or from its recorded first state where no seed gives it. Demos recorded
    on another machine may have begun in a state that the seed does not give here: such an episode can fail although its
    actions are right.

    Parameters
    ----------
    record
        What the dataset says of itself.
    episodes
        Lines of the episode log.
    actions
        The stored actions (T, D) of each of them.

    Returns
    -------
    {episode: whether the task was solved after its last action}, as conversion decides which demos to keep.

    Raises
    ------
    MstoolError
        As `build_simulator`.

    """
    layout, mode = get_layout(record.layout), record.control_mode
    outcome: dict[int, bool] = {}
    simulator: Simulator | None = None
    progress = Progress("replay", len(episodes), "episode")
    try:
        progress.start()
        for line, stored in zip(episodes, actions, strict=True):
            spec = SimulatorSpec(
                env_id=str(line["env_id"]),
                control_mode=mode,
                robot=record.robot_uids,
                views=(),
                env_kwargs=record.env_kwargs(str(line["env_id"])),
                env_kwargs_in=RECORD_FILE,
            )
            if simulator is None or simulator.spec != spec:
                if simulator is not None:
                    simulator.close()
                simulator = build_simulator(spec)
            simulator.reset(int(line["seed"]), state=first_state(line))
            controller = benchmark_of(spec.env_id).controller(record.facts(spec.env_id))
            solved = False
            for action in layout.decode_action(stored, controller, mode):
                solved = simulator.step(action)
            outcome[int(line["episode_index"])] = solved
            progress.update()
    finally:
        progress.stop()
        if simulator is not None:
            simulator.close()
    return outcome
