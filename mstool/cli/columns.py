"""`--drop COLUMN` and `--rename OLD=NEW`, the same for every command that writes existing datasets anew."""

from typing import Annotated

import typer

Drop = Annotated[list[str] | None, typer.Option("--drop", metavar="COLUMN", help="Leave a column out; repeatable.")]
Rename = Annotated[
    list[str] | None,
    typer.Option("--rename", metavar="OLD=NEW", help="Give a column another name, where it is there; repeatable."),
]
