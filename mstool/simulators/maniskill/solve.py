"""ManiSkill's own motion-planning solutions for the robots of `mstool.robots`, one seed at a time."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium

from mstool.ctrl_c import ctrl_c_heard
from mstool.errors import UsageError
from mstool.nearest import nearest
from mstool.robots import ROBOTS, find_robot
from mstool.simulators.demos import Attempt
from mstool.simulators.maniskill.build import build_env
from mstool.simulators.maniskill.registry import env_ids
from mstool.simulators.maniskill.robots import name_of

CONTROL_MODE = "pd_joint_pos"
# Why an attempt failed that was carried out to its end.
NOT_SUCCESSFUL = "not successful"

# The environments that some robot has a solution for.
_SOLVABLE = {env_id for robot in ROBOTS for env_id in robot.solutions}

# What a solution returns: the last step's (observation, reward, terminated, truncated, info), or -1.
type Solution = Callable[..., Any]


def solvable_envs() -> tuple[str, ...]:
    """Return the environments that ManiSkill has a working solution for, sorted."""
    return tuple(sorted(_SOLVABLE))


def other_source(env_id: str) -> str:
    """Return what `--demos` gives demos of the environment where those at hand are of no use."""
    return "generate" if env_id in _SOLVABLE else "hub"


def other_demos(env_id: str) -> str:
    """Return the command that converts demos of the environment where those at hand are of no use."""
    return f"mstool convert --env {env_id} --demos {other_source(env_id)}"


def check_solvable(env_id: str, robot: str | None = None) -> None:
    """Raise UsageError, with what was meant and all there is, unless there is a solution with that robot."""
    if env_id in _SOLVABLE:
        _module(env_id, robot)
        return
    near = nearest(env_id, _SOLVABLE)
    hint = f" Did you mean {near}?" if near else ""
    what = (
        f"ManiSkill has no motion-planning solution for {env_id!r}"
        if env_id in env_ids()
        else f"there is no ManiSkill environment {env_id!r}"
    )
    raise UsageError(
        f"{what}.{hint} Demos can be generated of: {', '.join(solvable_envs())}.",
        fix=f"mstool demos generate --env {near}" if near else "mstool demos list",
        change={"--env": near} if near else None,
    )


def _module(env_id: str, robot: str | None) -> str:
    """Return ManiSkill's module that solves an environment with a robot; None: with the first that there is one for."""
    able = [each for each in ROBOTS if env_id in each.solutions]
    if robot is None:
        return able[0].solutions[env_id]
    # Drawing is solved with a stick in the hand's place, all else with a gripper.
    draws = env_id.startswith("Draw")
    names = [uid for each in able for uid in each.solved_as if ("stick" in uid) == draws]
    found = find_robot(robot)
    if found is None or robot not in names:
        meant = nearest(robot, names) or names[0]
        raise UsageError(
            f"ManiSkill has no motion-planning solution for {env_id} with robot {robot!r}, but with {', '.join(names)}",
            fix=f"mstool demos generate --env {env_id} --robot {meant}",
            change={"--robot": meant},
        )
    return found.solutions[env_id]


def load_solution(env_id: str, robot: str | None = None) -> Solution:
    """Import ManiSkill's solution of an environment with a robot, planning with our planner.

    Raises
    ------
    UsageError
        There is none.

    """
    check_solvable(env_id, robot)
    from mstool.simulators.maniskill.planner.inject import import_with_planner

    solution: Solution = import_with_planner(_module(env_id, robot)).solve
    return solution


class RebuiltScene(gymnasium.Wrapper):  # type: ignore[misc]  # gymnasium is untyped here
    """Builds the scene anew at every reset.

    PhysX keeps contacts and solver state that ManiSkill's reset does not clear, so an episode would depend on
    the ones before it, in the last bit at first and, after a few contacts, in whether it succeeds.
    """

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start the episode of `seed` in a new scene."""
        first: tuple[Any, dict[str, Any]] = super().reset(seed=seed, options={**(options or {}), "reconfigure": True})
        return first


def make_planning_env(env_id: str, robot: str | None = None, *, rebuild: bool = True) -> gymnasium.Env:
    """Make the environment that a solution acts in: physics on the CPU, no renderer, joint position control.

    Parameters
    ----------
    env_id
        One of `solvable_envs`.
    robot
        ManiSkill's name of a robot; None takes the environment's own.
    rebuild
        Whether every reset builds the scene anew (0.1 to 0.5 s), which makes an episode a function of its seed and
        actions alone. Without it, episodes depend on those before them, as in ManiSkill's own script.

    Raises
    ------
    UsageError
        ManiSkill has no solution for the environment with this robot.
    MstoolError
        As `build_env`.

    """
    check_solvable(env_id, robot)
    env = build_env(env_id, CONTROL_MODE, {"robot_uids": robot} if robot else {})
    return RebuiltScene(env) if rebuild else env


def solve_episode(
    env: gymnasium.Env, env_id: str, seed: int, *, disturb: float = 0.0, from_first_motion: bool = False
) -> Attempt:
    """Run ManiSkill's solution on one seed.

    Parameters
    ----------
    env
        What `make_planning_env` made, possibly wrapped.
    env_id
        The environment's name.
    seed
        Seed of the episode.
    disturb
        Share of the seeds on which the hand is taken away before a motion (`planner.detour`).
    from_first_motion
        Whether the steps before the first motion are left out (`planner.detour.FirstMotion`), in place of `disturb`.

    """
    base: Any = env.unwrapped
    solution = load_solution(env_id, name_of(base.agent))
    from mstool.simulators.maniskill.planner.detour import Detour, FirstMotion, detours, motions_of

    detour = FirstMotion() if from_first_motion else Detour(seed, disturb, motions_of(solution))
    try:
        with ctrl_c_heard(), _silent(), detours(detour):
            result = solution(env, seed=seed)
    except Exception as error:  # noqa: BLE001 -- after a failed plan, solutions stop with anything
        text = str(error).splitlines()
        return _failed(env, seed, f"solver error: {type(error).__name__}: {text[0] if text else ''}".rstrip(": "))
    if isinstance(result, int):
        return _failed(env, seed, "planner")
    # Not the step that the solution returns: LiftPegUpright's lets go of the peg after it.
    if not is_solved(env):
        return _failed(env, seed, NOT_SUCCESSFUL)
    return Attempt(seed=seed, success=True, steps=_steps(env), left_out=detour.steps)


def is_solved(env: gymnasium.Env) -> bool:
    """Ask the environment whether its task counts as solved now; False for one that never says."""
    base: Any = env.unwrapped
    return bool(base.get_info().get("success", False))


def _failed(env: gymnasium.Env, seed: int, reason: str) -> Attempt:
    return Attempt(seed=seed, success=False, steps=_steps(env), failure=reason)


def _steps(env: gymnasium.Env) -> int:
    base: Any = env.unwrapped
    return int(base.elapsed_steps[0])


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Solutions print every failed plan; standard output belongs to the command's result."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        yield
