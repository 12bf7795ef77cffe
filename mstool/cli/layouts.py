"""`mstool layouts`: what state, actions and cameras mean."""

from typing import TYPE_CHECKING, Annotated

import typer

from mstool.cli.output import out, print_json, table

if TYPE_CHECKING:
    from mstool.layouts.base import Layout


def layouts(
    name: Annotated[str | None, typer.Argument(metavar="LAYOUT", help="This one alone.", show_default="all")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
) -> None:
    """Print what the state, the actions and the cameras of a layout mean, with units and conventions.

    Examples:

        mstool layouts

        mstool layouts libero

        mstool layouts --json
    """
    from mstool.layouts import LAYOUTS, get_layout

    chosen = list(LAYOUTS.values()) if name is None else [get_layout(name)]
    if as_json:
        described = [layout.describe() for layout in chosen]
        print_json(described if name is None else described[0])
        return
    for layout in chosen:
        _print(layout)


def _print(layout: "Layout") -> None:
    out(f"{layout.name}: {layout.summary}\n")
    rows: list[dict[str, object]] = [
        {"vector": "state", "dimension": name, "unit": unit}
        for name, unit in zip(layout.state.names, layout.state.units, strict=True)
    ]
    for mode in layout.control_modes:
        action = layout.action(mode)
        rows += [
            {"vector": f"action ({mode})", "dimension": name, "unit": unit}
            for name, unit in zip(action.names, action.units, strict=True)
        ]
    own = "state and action: the robot's own, as it names them"
    out(table(rows, ["vector", "dimension", "unit"]) if rows else own)
    height, width = layout.image_size
    cameras = ", ".join(f"{c.view} -> {c.openpi} / {c.lerobot}" for c in layout.cameras)
    out(f"cameras ({height}x{width}): {cameras}")
    for name, words in layout.conventions.items():
        out(f"{name}: {words}")
    out()
