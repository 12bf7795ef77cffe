"""Conversion without execution: every recorded state is set and rendered (`--from-states`).

Demos of a simulation that this machine's physics does not repeat, such as reinforcement learning's on a GPU, would end
elsewhere if their actions were executed.
"""

from dataclasses import dataclass

import numpy as np

from mstool.contract import Array
from mstool.maniskill2lerobot.episode.replay import Replayer, as_track, begun_elsewhere
from mstool.maniskill2lerobot.episode.source import NOT_SUCCESSFUL, TIMEOUT, Replay
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.demos import Demo, RecordedStates
from mstool.simulators.film import FrameSink

NOT_EXECUTED = (
    "made from the recorded states: the actions, which lead from each state where the demo's did, were not executed"
)
AS_RECORDED = "solved as the file says of the last step, not judged here"
CUT_OFF = "some actions are beyond what the controller takes in one step and were cut off: they lead less far"
UNSAID = "the file does not say whether the task was solved"


@dataclass(frozen=True)
class StatesSource(Replayer):
    """Recorded states in a simulator that draws them and converts the actions."""

    recorded: RecordedStates

    def play(self, demo: Demo, *, horizon: int, on_frame: FrameSink | None = None) -> Replay:
        """Set, read and render every state but the last one, which has no action.

        Raises
        ------
        DataError, UsageError
            The simulator's environment has no such state, or the demo's control mode no way to the simulator's.

        """
        simulator, mode = self.simulator, self.simulator.spec.control_mode
        simulator.reset(demo.seed, demo.reset_options, demo.first_state)
        controller = benchmark_of(demo.env_id).controller(simulator.controller_facts())
        goal = simulator.goal_position()
        success = self.recorded.success
        dropped = TIMEOUT if len(demo.actions) > horizon else NOT_SUCCESSFUL if success is False else ""
        # One that is dropped is not drawn, but one that cannot be drawn is told all the same.
        source = demo.actions[: 1 if dropped else None]
        qpos: list[Array] = []
        tcp: list[Array] = []
        actions: list[Array] = []
        film = simulator.film(on_frame) if on_frame is not None else None
        for action in simulator.restored(self.recorded.states, source, demo.control_mode):
            reading = simulator.reading()
            qpos.append(reading.qpos)
            tcp.append(reading.tcp_pose)
            if film is not None:
                film.take()
            actions.append(self.layout.encode_action(action[None], controller, mode))
        if film is not None:
            film.finish()
        warnings = [NOT_EXECUTED, UNSAID if success is None else AS_RECORDED]
        if simulator.cut_off:
            warnings.append(CUT_OFF)
        if not simulator.begun_at_seed:
            warnings.append(begun_elsewhere(demo))
        one_by_one = film.one_by_one if film else ""
        return Replay(as_track(qpos, tcp), np.concatenate(actions), goal, dropped, tuple(warnings), one_by_one)
