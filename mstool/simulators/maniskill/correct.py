"""The planner goes on from where a policy came to: demos of states that the planner alone never visits.

A policy that learnt from a planner's demos meets, after its own small errors, states that no demo holds. Here it meets
them first, and the planner shows the way on from there: DAgger (arXiv 1011.0686), with the policy alone at play.
"""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from mstool.contract import State
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.demos import Attempt, Rollout
from mstool.simulators.maniskill.build import arguments_of, build_env
from mstool.simulators.maniskill.environment import ManiSkillSimulator
from mstool.simulators.maniskill.record import Recorder
from mstool.simulators.maniskill.solve import CONTROL_MODE, RebuiltScene, solve_episode
from mstool.simulators.maniskill.states import begin_in


class Corrector(Recorder):
    """Plays a policy's actions again, and records how the planner solves the task from a step of it.

    Parameters
    ----------
    spec
        The environment, in the control mode of the actions.
    source
        Who acted, in words.
    folder
        An existing, empty folder.

    """

    mark = MappingProxyType({"disturbed": True})

    def __init__(self, spec: SimulatorSpec, source: str, folder: Path) -> None:
        self._played = ManiSkillSimulator(replace(spec, views=()))
        self._env_id = spec.env_id
        kwargs = arguments_of(spec)
        self._scene = _BegunThere(build_env(spec.env_id, CONTROL_MODE, kwargs, said_in=spec.env_kwargs_in))
        said = f"motion planning from where {source} came to"
        super().__init__(self._scene, folder, kwargs, source_type="motionplanning", source=said)

    def attempt(self, rollout: Rollout) -> Attempt:
        """Have the planner go on; a success becomes the next trajectory, a failure leaves no trace."""
        seed = rollout.attempt.seed
        self._scene.begin = self._met(rollout)
        outcome = solve_episode(self._env, self._env_id, seed, from_first_motion=True)
        self._env.flush_trajectory(save=outcome.success)
        return outcome

    def close(self) -> None:
        """Finish both files."""
        self._played.close()
        super().close()

    def _met(self, rollout: Rollout) -> State:
        """Return the state before one of the actions, drawn among those before which nothing is held."""
        seed, free = rollout.attempt.seed, list[State]()
        self._played.reset(seed)
        for action in rollout.actions:
            if not self._played.holding():
                free.append(self._played.state())
            self._played.execute(action)
        # A stream of its own: not the one that places the objects, nor that of `--disturb`.
        drawn = int(np.random.default_rng([seed, 2]).integers(max(1, len(free))))
        return free[drawn] if free else self._played.state()


class _BegunThere(RebuiltScene):
    """Begins every episode in the state that is given."""

    begin: State

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start the episode of `seed`, and put the scene there."""
        first = super().reset(seed=seed, options=options)
        begin_in(self.env.unwrapped, self.begin)
        return first
