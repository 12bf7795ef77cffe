"""A scene put in a demo's state, or compared with it."""

from typing import Any

import numpy as np

from mstool.contract import Array, State
from mstool.errors import DataError
from mstool.simulators.maniskill.robots import robots
from mstool.simulators.maniskill.solve import other_demos, other_source

# Two states that differ by less are the same: another machine's rounding of positions (m) and quaternions.
ROUNDING = 1e-6


def is_at(env: Any, state: State) -> bool:
    """Tell whether the scene is in `state` but for rounding; DataError where it has no such bodies."""
    now = env.get_state_dict()
    for kind, bodies in state.items():
        for name, value in bodies.items():
            if name not in now.get(kind, {}):
                raise _other_scene(env, f"{name!r}", f"has {', '.join(sorted(now.get(kind, {})))}")
            here = now[kind][name][0].numpy()
            if here.shape != value.shape:
                raise _other_scene(env, f"{len(value)} numbers for {name!r}", f"has {len(here)}")
            if not np.allclose(here, value, rtol=0, atol=ROUNDING):
                return False
    return True


def state_of(env: Any) -> State:
    """Return the scene as it stands: each body's place and velocity."""
    now = env.get_state_dict()
    return {kind: {name: value[0].numpy().copy() for name, value in bodies.items()} for kind, bodies in now.items()}


def put(env: Any, state: State) -> None:
    """Put every body where `state` has it, with its velocity."""
    import torch

    env.set_state_dict(
        {
            kind: {name: torch.from_numpy(np.asarray(value, np.float32)[None]) for name, value in bodies.items()}
            for kind, bodies in state.items()
        }
    )


def begin_in(env: Any, state: State) -> None:
    """Put the scene in `state` as an episode's beginning: controllers that add to their last target begin there too."""
    put(env, state)
    for robot in robots(env.agent).values():
        robot.controller.reset()


def command(env: Any, action: Array) -> None:
    """Have the robot's controller set an action (A,) and let no time pass."""
    import torch

    env.agent.set_action(torch.from_numpy(np.asarray(action, np.float32)[None]))
    for _ in range(env._sim_steps_per_control):
        env.agent.before_simulation_step()  # a controller that interpolates ends at its target


def _other_scene(env: Any, recorded: str, here: str) -> DataError:
    env_id = env.spec.id
    return DataError(
        f"{env_id}: the demo's state holds {recorded}, this ManiSkill's environment {here}",
        fix=other_demos(env_id),
        change={"--demos": other_source(env_id)},
    )
