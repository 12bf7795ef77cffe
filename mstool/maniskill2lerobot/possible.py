"""Whether each environment can have what is asked of all, told before anything is built, fetched or generated."""

from collections.abc import Sequence

from mstool.errors import UsageError
from mstool.layouts import LAYOUTS, Layout
from mstool.maniskill2lerobot.demos import instead
from mstool.robots import find_robot
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.environments import EnvironmentFacts


def check_goals(env_ids: Sequence[str], goal: str) -> None:
    """Raise UsageError where a goal's position is to be stored of environments without a marker of it."""
    if goal != "state":
        return
    tasks = {env_id: benchmark_of(env_id).task(env_id) for env_id in env_ids}
    without = [env_id for env_id, task in tasks.items() if task is not None and not task.hidden_goal]
    if without:
        has = "has" if len(without) == 1 else "have"
        raise _refused(
            f"{', '.join(without)} {has} no goal marker whose position could be stored",
            _others(env_ids, without),
            {"--goal": "visible"},
        )


def check_demos(env_ids: Sequence[str], absent: Sequence[str], where: str | None) -> None:
    """Raise UsageError where demos of an environment can be had from nowhere.

    Parameters
    ----------
    env_ids
        All environments of the command.
    absent
        Those whose demos are not on this machine.
    where
        `hub`, `generate`, or None for either.

    """
    for env_id in absent:
        benchmark, known = benchmark_of(env_id), _facts(env_id)
        if where == "generate":
            _check_solvable(env_id, _others(env_ids, [env_id]))
        elif known is not None and not known.demos and (where == "hub" or not known.planner):
            planner = "" if where == "hub" else " and no planner"
            raise _refused(
                f"{env_id}: {benchmark.name} has no official demos of it{planner}",
                _others(env_ids, [env_id]),
                instead(env_id)["change"] if known.planner else {"--demos": "FILE.h5"},
            )


def check_layouts(env_ids: Sequence[str], absent: Sequence[str], layout: str) -> None:
    """Raise UsageError where a layout is made for another robot than an environment has, `absent` as in `check_demos`.

    Demos that are here say themselves which robot they are of.
    """
    for env_id in absent:
        known = _facts(env_id)
        if known is not None and not _fits(known, LAYOUTS[layout]):
            robots = known.robot or ", ".join(known.robots)
            made_for = LAYOUTS[layout].robot
            raise _refused(
                f"layout {layout!r} is made for {made_for.described if made_for else 'another robot'}; {env_id} has "
                f"{robots}",
                _others(env_ids, [env_id]),
                {"--layout": next(name for name, other in LAYOUTS.items() if other.robot is None)},
            )


def _fits(known: EnvironmentFacts, layout: Layout) -> bool:
    """Tell whether a layout is made for an environment's robot; of one that was never built its robots' names tell."""
    if known.layouts:
        return layout.name in known.layouts
    return layout.robot is None or not known.robots or layout.robot in map(find_robot, known.robots)


def _facts(env_id: str) -> EnvironmentFacts | None:
    return next((facts for facts in benchmark_of(env_id).environments() if facts.env_id == env_id), None)


def _others(env_ids: Sequence[str], without: Sequence[str]) -> list[str]:
    return [env_id for env_id in env_ids if env_id not in without]


def _refused(said: str, others: Sequence[str], alone: dict[str, object]) -> UsageError:
    """Return an error that leaves the others as they were asked for; where there are none, it changes what was asked.

    Parameters
    ----------
    said
        What cannot be.
    others
        The environments that can have it.
    alone
        The options that one which cannot takes.

    """
    if others:
        wanted = ",".join(others)
        return UsageError(said, fix=f"mstool convert --env {wanted}", change={"--env": wanted, "--all": None})
    return UsageError(said, fix=" ".join(f"add {name} {value}" for name, value in alone.items()), change=alone)


def _check_solvable(env_id: str, others: Sequence[str]) -> None:
    """Raise UsageError where there is no planner for an environment, which leaves the others where there are some."""
    try:
        benchmark_of(env_id).check_solvable(env_id)
    except UsageError as error:
        if others:
            raise _refused(error.message, others, {}) from error
        raise
