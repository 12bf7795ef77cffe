"""`mstool doctor`."""

from pathlib import Path

import typer

from mstool.cli.output import out, print_json, say, table


def doctor(
    json: bool = typer.Option(False, "--json", help="Print one JSON document instead of a table."),
    fix: bool = typer.Option(
        False, "--fix", help="Install what is missing: a Vulkan driver, one OpenCV in the place of two; remove mplib."
    ),
    draw: bool = typer.Option(True, "--draw/--no-draw", help="Draw with SAPIEN and time it (about 20 s)."),
) -> None:
    """Say what this machine has and lacks, and what to do about it.

    Exit code 0 when nothing is missing, 1 otherwise. What does not answer in time is not known, and not missing.

    Examples:

        mstool doctor

        mstool doctor --fix

        mstool doctor --json --no-draw
    """
    from mstool.doctor.examine import examine

    if fix:
        from mstool.doctor.repair import repair

        repair(say)

    if draw and not json:
        say("Drawing a scene, encoding a video, asking the hub: about 25 s ...")
    lines = examine(Path.cwd(), draw=draw)
    missing = [line.name for line in lines if line.status == "missing"]
    unknown = [line.name for line in lines if line.status == "timed out"]
    if json:
        print_json({"ok": not missing, "lines": [line.as_dict() for line in lines]})
    else:
        out(table([line.as_dict() for line in lines], ["name", "status", "found"]))
        for line in lines:
            if line.fix:
                say(f"fix {line.name}: {line.fix}")
        if unknown:
            say(f"timed out, so not known: {', '.join(unknown)}")
        say(f"missing: {', '.join(missing)}" if missing else f"Nothing {'else ' if unknown else ''}is missing.")
    if missing:
        raise typer.Exit(1)
