"""`--workers N|auto`, the same for every command that starts simulators."""

from typing import Annotated

import typer


def count(text: str) -> int | None:
    """Return the number of processes; None for `auto`.

    Raises
    ------
    typer.BadParameter
        It is neither.

    """
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"{text!r} is not a number of processes: give 1 or more, or auto")
    return int(text)


PlanWorkers = Annotated[
    int | None,
    typer.Option(
        parser=count,
        metavar="N|auto",
        help="Processes that plan and simulate.",
        show_default="auto: by cores and episodes",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        parser=count,
        metavar="N|auto",
        help="Processes that simulate and render.",
        show_default="auto: by cores, memory and GPUs",
    ),
]
