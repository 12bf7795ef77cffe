"""`--workers N|auto`, the same for every command that starts simulators."""

from typing import Annotated, Any

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


def _option(help_text: str, default: str) -> Any:
    return typer.Option(parser=count, metavar="N|auto", help=help_text, show_default=f"auto: {default}")


PlanWorkers = Annotated[int | None, _option("Processes that plan and simulate.", "by cores and episodes")]
Workers = Annotated[int | None, _option("Processes that simulate and render.", "by cores, memory and GPUs")]
