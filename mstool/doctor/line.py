"""One thing a machine has, lacks, or has in a way that costs something."""

from dataclasses import asdict, dataclass
from typing import Literal

type Status = Literal["ok", "warning", "timed out", "missing"]


@dataclass(frozen=True)
class Line:
    """One line of `mstool doctor`.

    `missing` means that a part of mstool does not work; `warning`, that it works worse or not everywhere; `timed out`,
    that it did not answer in time, which a busy machine is reason enough for.
    """

    name: str
    status: Status
    # What is there, in a few words: a version, a device, a count with its unit.
    found: str
    # The command or the sentence that puts it right; empty when nothing is wrong.
    fix: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the line as JSON has it."""
        return asdict(self)


def first_line(error: BaseException | str) -> str:
    """Return an error's first line that says something, short enough for a table."""
    text = next((part.strip() for part in str(error).splitlines() if part.strip()), "")
    return text[:100] if text else type(error).__name__
