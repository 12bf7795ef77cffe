"""`mstool layouts`: what state, actions and cameras mean."""

import typer

from mstool.cli.output import print_json, table


def layouts(
    as_json: bool = typer.Option(False, "--json", help="Print the tables as JSON."),
) -> None:
    """Print every layout: state, actions, units, cameras and conventions.

    Examples:

        mstool layouts

        mstool layouts --json
    """
    from mstool.layouts import LAYOUTS

    if as_json:
        print_json([layout.describe() for layout in LAYOUTS.values()])
        return
    for layout in LAYOUTS.values():
        print(f"{layout.name}: {layout.summary}\n")
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
        print(table(rows, ["vector", "dimension", "unit"]) if rows else own)
        height, width = layout.image_size
        cameras = ", ".join(f"{c.view} -> {c.openpi} / {c.lerobot}" for c in layout.cameras)
        print(f"cameras ({height}x{width}): {cameras}")
        for name, words in layout.conventions.items():
            print(f"{name}: {words}")
        print()
