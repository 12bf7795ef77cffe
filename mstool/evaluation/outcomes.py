"""How episodes ended, kept line by line so that an interrupted evaluation goes on where it stopped."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mstool.errors import DataError
from mstool.json_files import parse_json


@dataclass(frozen=True)
class Outcome:
    """How one episode ended."""

    env_id: str
    seed: int
    # Whether the task was solved after any step, and after the last one.
    success_once: bool
    success_at_end: bool
    # Control steps executed, and the first after which the task was solved (None: never).
    steps: int
    first_success: int | None
    # Wall time of the episode in its worker, s, waiting for the policy included.
    seconds: float
    # Pictures taken and how often the policy was asked.
    looks: int = 0
    # Empty; or why the episode ended early, or why it did not run at all.
    reason: str = ""
    # In which phase it failed (`phases.PHASES`), where the fingers tell.
    phase: str = ""
    # Whether it failed standing still (`phases.stands_still`).
    stalled: bool = False
    # Whether there is no outcome: the worker died at every attempt. Counted apart from failures.
    crashed: bool = False
    attempts: int = 1

    @property
    def key(self) -> tuple[str, int]:
        """What identifies an episode."""
        return self.env_id, self.seed


class OutcomeLog:
    """A JSON line per finished episode, in `outcomes-<fingerprint>.jsonl`.

    Another configuration has another fingerprint, so its outcomes never mix with these. Crashes are not kept: they are
    tried again by the next run.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.path = folder / f"outcomes-{fingerprint}.jsonl"

    def read(self) -> dict[tuple[str, int], Outcome]:
        """Return what is kept; a last line that was cut off is left out.

        Raises
        ------
        DataError
            Another line is damaged.

        """
        if not self.path.is_file():
            return {}
        found: dict[tuple[str, int], Outcome] = {}
        lines = self.path.read_text(encoding="utf-8").split("\n")
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            try:
                outcome = Outcome(**parse_json(line.encode()))
            except (TypeError, ValueError) as error:
                if number == len(lines):  # no newline after it: the run was killed while it wrote
                    continue
                raise DataError(
                    f"{self.path}, line {number}: {error}", fix=f"rm {self.path}  (the evaluation starts again)"
                ) from error
            found[outcome.key] = outcome
        return found

    def add(self, outcome: Outcome) -> None:
        """Append one outcome."""
        if outcome.crashed:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._end_last_line()
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")

    def forget(self) -> None:
        """Start again."""
        self.path.unlink(missing_ok=True)

    def _end_last_line(self) -> None:
        """Cut off what a killed run left of a line."""
        if not self.path.is_file() or not self.path.stat().st_size:
            return
        with self.path.open("rb+") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                whole = self.path.read_bytes().rfind(b"\n") + 1
                file.truncate(whole)


def in_order(outcomes: Iterable[Outcome], keys: Iterable[tuple[str, int]]) -> list[Outcome]:
    """Return the outcomes of `keys` that are there, in the order of `keys`."""
    found: Mapping[tuple[str, int], Outcome] = {outcome.key: outcome for outcome in outcomes}
    return [found[key] for key in keys if key in found]


def as_lines(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Return plain JSON data."""
    return [asdict(outcome) for outcome in outcomes]
