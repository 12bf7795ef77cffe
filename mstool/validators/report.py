"""What a validation found: issues with a place, a status per check, one verdict."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mstool.contract import Array

Severity = Literal["error", "warning"]
# `error` is a failure of the check itself: our bug, never the dataset's.
Status = Literal["passed", "failed", "warned", "skipped", "error"]
STATUSES: tuple[Status, ...] = ("failed", "error", "warned", "skipped", "passed")


def apart(observed: float, expected: float, digits: int = 5) -> tuple[str, str]:
    """Write two numbers with as many digits as tell them apart, and no fewer than `digits`."""
    for enough in range(digits, 18):
        texts = f"{observed:.{enough}g}", f"{expected:.{enough}g}"
        if texts[0] != texts[1]:
            return texts
    return repr(observed), repr(expected)


@dataclass(frozen=True)
class Picture:
    """An image that shows a problem: uint8 (H, W, 3) RGB."""

    caption: str
    pixels: Array


@dataclass(frozen=True)
class Curve:
    """A plot that shows a problem: lines or, with `scatter`, points; x and y (n,) each."""

    caption: str
    x_label: str
    y_label: str
    lines: tuple[tuple[str, Array, Array], ...]
    scatter: bool = False


@dataclass(frozen=True)
class Issue:
    """One thing that is wrong, and where."""

    message: str
    severity: Severity = "error"
    episode: int | None = None
    frame: int | None = None
    # A column, a file (relative to the dataset) or a field of the dataset's description.
    feature: str | None = None
    dimension: int | None = None
    observed: str | None = None
    expected: str | None = None
    # What puts this one right, where it is not what the check says of all.
    fix: str = ""
    # Shown on the HTML page only.
    evidence: tuple[Picture | Curve, ...] = ()

    @property
    def place(self) -> str:
        """The place in words, empty for the dataset as a whole."""
        parts = [self.feature or ""]
        if self.dimension is not None:
            parts[0] += f"[{self.dimension}]"
        if self.episode is not None:
            parts.append(f"episode {self.episode}")
        if self.frame is not None:
            parts.append(f"frame {self.frame}")
        return ", ".join(part for part in parts if part)

    @property
    def said(self) -> str:
        """The place, the message, and what was found where something else was expected."""
        seen = [f"found {self.observed}" if self.observed else "", f"expected {self.expected}" if self.expected else ""]
        more = ", ".join(filter(None, seen))
        return (f"{self.place}: " if self.place else "") + self.message + (f" ({more})" if more else "")

    def to_json(self) -> dict[str, Any]:
        """Return plain data; a place that is not known is left out."""
        names = ("message", "severity", "feature", "dimension", "episode", "frame", "observed", "expected")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


@dataclass(frozen=True)
class Note:
    """Something measured that is not wrong: shown with a check that passes."""

    text: str
    evidence: tuple[Picture | Curve, ...] = ()
    # Whether a report in text has it without being asked for all.
    told: bool = False


@dataclass(frozen=True)
class CheckResult:
    """What one check found."""

    code: str
    family: str
    title: str
    meaning: str
    fix: str
    status: Status
    issues: tuple[Issue, ...] = ()
    # How many issues there were; more than are kept in `issues` when one mistake repeats in every episode.
    found: int = 0
    notes: tuple[Note, ...] = ()
    # Why it was skipped, or the traceback of a check that failed itself.
    reason: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain data, without evidence and timing."""
        data: dict[str, Any] = {
            name: getattr(self, name) for name in ("code", "family", "title", "status", "meaning", "fix")
        }
        if self.issues:
            data |= {"found": self.found, "issues": [issue.to_json() for issue in self.issues]}
        if self.notes:
            data["notes"] = [note.text for note in self.notes]
        if self.reason:
            data["reason"] = self.reason
        return data


@dataclass(frozen=True)
class ValidationReport:
    """The whole report: `flatten` for tests, `summary` for people, `to_json` for machines."""

    root: str
    target: str
    # Facts of the dataset: version, episodes, frames, fps, layout; what could be read of them.
    facts: dict[str, Any]
    results: tuple[CheckResult, ...]
    strict: bool = False
    seconds: float = field(default=0.0, compare=False)
    # Why the target was chosen, where nobody named one.
    chosen: str = ""
    # What was looked at: how many episodes and images, and of how many.
    coverage: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """How many checks have each status."""
        found = Counter(result.status for result in self.results)
        return {status: found.get(status, 0) for status in STATUSES}

    @property
    def valid(self) -> bool:
        """No check failed; with `strict`, none warned either."""
        counts = self.counts
        return not (counts["failed"] or counts["error"] or (self.strict and counts["warned"]))

    def flatten(self, fields: Sequence[str] = ("code", "feature", "episode", "dimension")) -> list[tuple[Any, ...]]:
        """Return one tuple per issue, `code` and the asked fields of `Issue`."""
        return [
            tuple(result.code if name == "code" else getattr(issue, name) for name in fields)
            for result in self.results
            for issue in result.issues
        ]

    def with_status(self, *statuses: Status) -> list[CheckResult]:
        """Return the results that have one of `statuses`."""
        return [result for result in self.results if result.status in statuses]

    def codes(self, *statuses: Status) -> set[str]:
        """Return the codes of the checks that have one of `statuses`."""
        return {result.code for result in self.with_status(*statuses)}

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "dataset": self.root,
            "against": self.target,
            "valid": self.valid,
            "strict": self.strict,
            "facts": self.facts,
            "coverage": self.coverage,
            "counts": self.counts,
            "checks": [result.to_json() for result in self.results],
        }

    def headline(self) -> str:
        """Return the verdict in one line."""
        counts = ", ".join(f"{number} {status}" for status, number in self.counts.items() if number)
        return f"{'valid' if self.valid else 'INVALID'} for {self.target}: {counts}"
