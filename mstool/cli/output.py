"""Where a command's words go: data on stdout, everything else on stderr."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from mstool.errors import MstoolError
from mstool.markup import one_line
from mstool.progress import plain, print_line


def out(text: object = "", *, flush: bool = False) -> None:
    """Print text on stdout, a stranger's control characters made visible."""
    print(plain(str(text)), flush=flush)


def print_json(data: object) -> None:
    """Print one JSON document on stdout."""
    # As JSON escapes them, so that whoever reads it gets back what was there.
    out(plain(json.dumps(data, indent=2, ensure_ascii=False), r"\u{:04x}"))


class Printable(Protocol):
    """What a command did, for people and for machines."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""

    def text(self) -> str:
        """Return lines for a person."""


def print_reports(reports: Sequence[Printable], *, as_json: bool) -> None:
    """Print what was done: one JSON document (a list where there are several reports), or text."""
    if as_json:
        documents = [report.to_json() for report in reports]
        print_json(documents[0] if len(documents) == 1 else documents)
        return
    out("\n\n".join(report.text() for report in reports))


def say(text: str) -> None:
    """Print a line for a person on stderr."""
    print_line(text)


def print_error(error: MstoolError, fix: str = "", *, as_json: bool = False) -> None:
    """Print an error and, on its own line, what fixes it: by default what the error says.

    With `as_json` stdout has it too: {"error", "fix", "exit_code"}, beside what else the error's `document` says.
    """
    fix = fix or error.fix
    say(f"error: {error.message}")
    if fix:
        say(f"fix: {fix}")
    if as_json:
        with suppress(OSError):  # stdout is what failed: stderr has said so
            print_json({**error.document, "error": error.message, "fix": fix, "exit_code": error.exit_code})


def table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Lay out rows as aligned text columns; a missing cell is empty."""
    cells = [list(columns), *([one_line(str(row.get(name, ""))) for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
