"""`mstool envs`: which environments there are, and what becomes of each."""

from typing import TYPE_CHECKING, Annotated

import typer

from mstool.cli.output import out, print_json, say, table

if TYPE_CHECKING:
    from mstool.simulators.environments import EnvironmentFacts

_SUCCESS = {True: "yes", False: "none", None: "?"}


def envs(
    env: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ENV]...", help="These alone, in full.", show_default="all, one a line"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the facts as JSON.")] = False,
) -> None:
    """List every environment: whether it builds here, robot, success signal, demos, layouts, cameras.

    Nothing is simulated: what needs an environment to be built was found out once, with the ManiSkill that mstool is
    made for. `builds` is about this machine; `success: none` means that every demo is kept unjudged.

    Examples:

        mstool envs

        mstool envs PickCube-v1 TwoRobotPickCube-v1

        mstool envs --json
    """
    from mstool.simulators.benchmarks import BENCHMARKS, known_environments

    for benchmark in BENCHMARKS:
        if warning := benchmark.outdated():
            say(f"{benchmark.name}: {warning}")
    chosen = known_environments(env or ())
    if as_json:
        print_json([each.as_dict() for each in chosen])
    elif env:
        out("\n\n".join(_in_full(each) for each in chosen))
    else:
        out(table([_row(each) for each in chosen], list(_row(chosen[0]))))
        lacking = sum(not each.builds for each in chosen)
        say(f"{len(chosen)} environments, {lacking} of which do not build here: mstool envs ENV says what they need")


def _row(facts: "EnvironmentFacts") -> dict[str, object]:
    return {
        "environment": facts.env_id,
        "builds": "yes" if facts.builds else "no",
        "robot": facts.robot,
        "success": _SUCCESS[facts.success],
        "demos": ", ".join(facts.demos),
        "planner": "yes" if facts.planner else "",
        "layouts": ", ".join(facts.layouts),
        "views": ", ".join(facts.views),
    }


def _in_full(facts: "EnvironmentFacts") -> str:
    lines = {
        "builds here": facts.problem or "yes",
        "to build it": " && ".join(facts.fix),
        "robot": facts.robot,
        "it supports": ", ".join(facts.robots),
        "control modes": ", ".join(facts.control_modes),
        "success": _SUCCESS[facts.success],
        "its own horizon": f"{facts.max_steps} steps" if facts.max_steps else "",
        "official demos": ", ".join(facts.demos),
        "demos generate": "yes" if facts.planner else "no planner",
        "layouts": ", ".join(facts.layouts),
        "views": ", ".join(facts.views),
        "its cameras": ", ".join(f"{name} ({'on ' + on if on else 'stands still'})" for name, on in facts.cameras),
    }
    return "\n".join([facts.env_id, *(f"  {name:<16}{text}" for name, text in lines.items() if text)])
