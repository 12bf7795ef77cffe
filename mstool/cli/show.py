"""`mstool show`: look at a dataset."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mstool.cli.output import out, print_json, table
from mstool.markup import one_line


def show(
    dataset: Annotated[Path, typer.Argument(help="Folder of a LeRobot v2.1 or v3.0 dataset.")],
    *,
    episode: Annotated[int, typer.Option("--episode", "-e", min=0, help="Which episode to draw.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Write a contact sheet, curves and a film of the episode."),
    ] = None,
    rerun: Annotated[bool, typer.Option("--rerun", help="Write a recording for the Rerun viewer too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    r"""Summarise a dataset, and draw an episode: every camera at a few moments, curves with units, a film.

    Examples
    --------
    mstool show data/PickCube-v1

    mstool show data/PickCube-v1 --episode 3 --output shown

    mstool show data/PickCube-v1 --output shown --rerun && rerun shown/episode.rrd

    """
    from mstool.api.datasets import show as run

    shown = run(dataset, episode=episode, output=output, rerun=rerun)
    if as_json:
        print_json(shown.to_json())
        return
    _print(shown.summary)
    for path in shown.files:
        out(path)


def _print(facts: dict[str, Any]) -> None:
    length = facts["length"]
    rows = [
        {"": "dataset", "value": f"{facts['dataset']} (LeRobot {facts['version']}, {facts['size_mb']} MB)"},
        {"": "robot", "value": f"{facts['robot']}, layout {facts['layout']}, control mode {facts['control_mode']}"},
        {"": "episodes", "value": f"{facts['episodes']}, {facts['frames']} frames at {facts['fps']:g} fps"},
        {"": "lengths", "value": f"{length['min']} to {length['max']}, median {length['median']}"},
        *(
            {"": "camera", "value": f"{name} {camera['height']}x{camera['width']} {camera['storage']}"}
            for name, camera in facts["cameras"].items()
        ),
        *({"": "task", "value": f"{count} x {task}"} for task, count in facts["tasks"].items()),
    ]
    for row in rows:
        out(f"{row['']:<10}{one_line(row['value'])}")
    out()
    numbers = ("min", "mean", "max")
    dimensions = [
        row | {key: "" if row[key] is None else f"{row[key]:.4g}" for key in numbers} for row in facts["dimensions"]
    ]
    out(table(dimensions, ["column", "dim", "name", "unit", *numbers]))
