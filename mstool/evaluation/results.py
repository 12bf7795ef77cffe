"""What an evaluation found: rates with intervals per task, for people and for machines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mstool.atomic import replace_text
from mstool.dataset.files import RESULTS_FILE
from mstool.errors import DataError, UsageError
from mstool.evaluation.outcomes import Outcome, as_lines
from mstool.evaluation.phases import counted, in_words
from mstool.evaluation.published import published_json, reported
from mstool.evaluation.statistics import wilson
from mstool.json_files import load_json
from mstool.simulators.protocol import Published, suite_name

FORMAT = 1


def rate(successes: int, episodes: int) -> dict[str, Any]:
    """Return a success rate with Wilson's 95 % interval; `rate` is null without episodes."""
    low, high = wilson(successes, episodes)
    return {
        "successes": successes,
        "episodes": episodes,
        "rate": successes / episodes if episodes else None,
        "low": low,
        "high": high,
    }


@dataclass(frozen=True)
class TaskResult:
    """One task's outcomes."""

    env_id: str
    prompt: str
    horizon: int
    # Whether the policy was trained on it.
    trained: bool
    outcomes: Sequence[Outcome]

    @property
    def ran(self) -> list[Outcome]:
        """The episodes that have an outcome."""
        return [outcome for outcome in self.outcomes if not outcome.crashed]

    @property
    def crashed(self) -> int:
        """How many episodes have none."""
        return len(self.outcomes) - len(self.ran)

    @property
    def failed_in(self) -> dict[str, int]:
        """How many episodes failed in which phase, where that is known."""
        return counted([outcome.phase for outcome in self.ran])

    @property
    def stalled(self) -> int:
        """How many episodes failed standing still."""
        return sum(outcome.stalled for outcome in self.ran)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "TaskResult":
        """Read what `to_json` returned."""
        own = {name: data[name] for name in ("env_id", "prompt", "horizon", "trained")}
        return cls(**own, outcomes=[Outcome(**line) for line in data["outcomes"]])

    def failures(self) -> str:
        """Say in which phases it failed, and how often it stood still; "" where none did or nothing is known."""
        failed, ran = sum(not outcome.success_at_end for outcome in self.ran), len(self.ran)
        if not (self.failed_in or self.stalled):
            return ""
        rest = f"; {self.stalled} stood still in the last two seconds: a longer --replan may take them on"
        return f"{self.env_id}: {in_words(self.failed_in, ran, failed)}{rest if self.stalled else ''}"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; lengths in control steps."""
        ran = self.ran
        solved = sorted(o.first_success for o in ran if o.first_success is not None)
        return {
            "env_id": self.env_id,
            "prompt": self.prompt,
            "horizon": self.horizon,
            "trained": self.trained,
            "success_once": rate(sum(o.success_once for o in ran), len(ran)),
            "success_at_end": rate(sum(o.success_at_end for o in ran), len(ran)),
            "crashed": self.crashed,
            "retried": sum(o.attempts > 1 for o in ran),
            "steps": {"mean": _mean([o.steps for o in ran]), "max": max((o.steps for o in ran), default=None)},
            "steps_to_success": {
                "mean": _mean(solved),
                "median": solved[len(solved) // 2] if solved else None,
                "max": solved[-1] if solved else None,
            },
            "reasons": _counts([o.reason for o in self.outcomes if o.reason]),
            "failed_in": self.failed_in,
            "stalled": self.stalled,
            "outcomes": as_lines(self.outcomes),
        }

    def row(self) -> dict[str, object]:
        """Return a table's row for a person."""
        ran = self.ran
        once, end = sum(o.success_once for o in ran), sum(o.success_at_end for o in ran)
        solved = [o.first_success for o in ran if o.first_success is not None]
        low, high = wilson(once, len(ran))
        row: dict[str, object] = {
            "task": self.env_id,
            "episodes": len(ran),
            "success": f"{once}/{len(ran)}",
            "rate": f"{100 * once / len(ran):.1f} %" if ran else "-",
            "95 %": f"{100 * low:.0f}-{100 * high:.0f} %" if ran else "-",
            "at end": f"{100 * end / len(ran):.1f} %" if ran else "-",
            "steps": f"{_mean(solved):.0f}" if solved else "-",
            "horizon": self.horizon,
        }
        return {**row, "crashed": self.crashed} if self.crashed else row


@dataclass(frozen=True)
class Results:
    """A whole evaluation."""

    policy: str
    configuration: Mapping[str, Any]
    tasks: Sequence[TaskResult]
    # Of this run alone; an earlier run's episodes cost nothing.
    timing: Mapping[str, Any]
    # {suite: how many tasks it has}, of the suites whose tasks these are.
    suites: Mapping[str, int] = field(default_factory=dict)
    # What others report of these suites.
    published: Published | None = None
    notes: Sequence[str] = ()
    diagnosis: Mapping[str, Any] | None = None
    # Where they lie, absolute.
    folder: Path | None = field(default=None, compare=False)

    @property
    def episodes(self) -> int:
        """How many episodes were to be run."""
        return sum(len(task.outcomes) for task in self.tasks)

    @property
    def crashed(self) -> int:
        """How many episodes have no outcome."""
        return sum(task.crashed for task in self.tasks)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        ran = [outcome for task in self.tasks for outcome in task.ran]
        document = {
            "format": FORMAT,
            "policy": self.policy,
            "configuration": dict(self.configuration),
            "tasks": [task.to_json() for task in self.tasks],
            "suites": [self._suite_json(suite) for suite in self.suites],
            "total": {**_rates(ran), "crashed": self.crashed},
            "timing": dict(self.timing),
            "notes": list(self.notes),
            "folder": str(self.folder) if self.folder else None,
        }
        return document if self.diagnosis is None else {**document, "diagnosis": dict(self.diagnosis)}

    def rows(self) -> list[dict[str, object]]:
        """Return the table's rows: one per task, per suite of several tasks, and over all where these say it not yet.

        A suite's row has what others report of the whole suite; that over all their mean, where all suites are whole.
        """
        rows = [task.row() for task in self.tasks]
        totals = [self._total(self._label(suite), self._of(suite), [suite]) for suite in self.suites]
        totals = [row for row, suite in zip(totals, self.suites, strict=True) if len(self._of(suite)) > 1]
        covered = len(self.suites) == 1 and len(self._of(*self.suites)) == len(self.tasks)
        if len(self.tasks) > 1 and not covered:
            whole = len(self.tasks) == sum(self.suites.values()) == len(self._of(*self.suites))
            totals.append(self._total("all", self.tasks, list(self.suites) if whole else []))
        return rows + totals

    def _of(self, *suites: str) -> list[TaskResult]:
        return [task for task in self.tasks if suite_name(task.env_id) in suites]

    def _label(self, suite: str) -> str:
        here = len(self._of(suite))
        return suite if here == self.suites[suite] else f"{suite} ({here} of {self.suites[suite]} tasks)"

    def _total(self, name: str, tasks: Sequence[TaskResult], suites: Sequence[str]) -> dict[str, object]:
        every = TaskResult(name, "", 0, trained=False, outcomes=[o for task in tasks for o in task.outcomes])
        row = {**every.row(), "horizon": "", "steps": ""}
        mean = reported(self.published, suites)
        return row if mean is None else {**row, "published": f"{100 * mean:.1f} %"}

    def _suite_json(self, suite: str) -> dict[str, Any]:
        ran = [outcome for task in self._of(suite) for outcome in task.ran]
        return {
            "suite": suite,
            "tasks": len(self._of(suite)),
            "of_tasks": self.suites[suite],
            **_rates(ran),
            "published": published_json(self.published, suite),
        }

    def columns(self) -> list[str]:
        """Return the table's columns."""
        return list(dict.fromkeys(name for row in self.rows() for name in row))


def write_results(results: Results, folder: Path) -> Path:
    """Write `results.json` into a folder that need not exist yet; it names no folder, for it may be published."""
    document = {name: value for name, value in results.to_json().items() if name != "folder"}
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    return replace_text(folder / RESULTS_FILE, text)


def read_results(path: Path) -> dict[str, Any]:
    """Read a results file, or the one in a folder.

    Raises
    ------
    UsageError
        There is neither such a file nor such a folder.
    DataError
        The folder holds none, or they are not of this format.

    """
    kind = DataError if path.is_dir() else UsageError
    path = path / RESULTS_FILE if path.is_dir() else path
    try:
        document = load_json(path)
    except FileNotFoundError as error:
        raise kind(
            f"{path}: no such results; an evaluation writes them into its --output",
            fix="mstool eval --policy runs/NAME",
        ) from error
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON: {error}", fix="run the evaluation again") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DataError(f"{path} was not written by mstool eval", fix="give the results.json of an evaluation's folder")
    return document


def _rates(ran: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "success_once": rate(sum(o.success_once for o in ran), len(ran)),
        "success_at_end": rate(sum(o.success_at_end for o in ran), len(ran)),
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 2) if values else None


def _counts(values: Sequence[str]) -> dict[str, int]:
    return {value: values.count(value) for value in sorted(set(values))}
