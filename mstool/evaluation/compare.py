"""Two evaluations on the same seeds: which policy is better, and whether that could be chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mstool.errors import DataError
from mstool.evaluation.configuration import differences
from mstool.evaluation.results import rate
from mstool.evaluation.statistics import mcnemar

# Below this a difference is called one.
SIGNIFICANT = 0.05
_UNCOMPARED = ("versions", "policy", "seeds")


@dataclass(frozen=True)
class Pairs:
    """One task's seeds that both evaluations ran."""

    env_id: str
    both: int
    only_first: int
    only_second: int
    neither: int
    # Seeds that only one of them ran.
    unpaired: int

    @property
    def common(self) -> int:
        """How many seeds both ran."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def p_value(self) -> float:
        """Two-sided p value of McNemar's exact test."""
        return mcnemar(self.only_first, self.only_second)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "env_id": self.env_id,
            "common": self.common,
            "unpaired": self.unpaired,
            "first": rate(self.both + self.only_first, self.common),
            "second": rate(self.both + self.only_second, self.common),
            "both": self.both,
            "only_first": self.only_first,
            "only_second": self.only_second,
            "neither": self.neither,
            "p_value": self.p_value,
        }

    def row(self) -> dict[str, object]:
        """Return a table's row."""
        first, second = self.both + self.only_first, self.both + self.only_second
        return {
            "task": self.env_id,
            "seeds": self.common,
            "A": f"{100 * first / self.common:.1f} %" if self.common else "-",
            "B": f"{100 * second / self.common:.1f} %" if self.common else "-",
            "only A": self.only_first,
            "only B": self.only_second,
            "p": f"{self.p_value:.3g}",
            "verdict": self._verdict(first, second),
        }

    def _verdict(self, first: int, second: int) -> str:
        if self.p_value >= SIGNIFICANT:
            return "no difference shown"
        return "A is better" if first > second else "B is better"


@dataclass(frozen=True)
class Comparison:
    """What two evaluations say together."""

    names: tuple[str, str]
    tasks: Sequence[Pairs]
    # Where the configurations differ, in words.
    differences: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "first": self.names[0],
            "second": self.names[1],
            "differences": list(self.differences),
            "tasks": [pairs.to_json() for pairs in self.tasks],
            "total": self.total().to_json(),
        }

    def total(self) -> Pairs:
        """Return all tasks together."""
        sums = {
            name: sum(getattr(pairs, name) for pairs in self.tasks)
            for name in ("both", "only_first", "only_second", "neither", "unpaired")
        }
        return Pairs("all", **sums)

    def rows(self) -> list[dict[str, object]]:
        """Return the table's rows."""
        every = [self.total().row()] if len(self.tasks) > 1 else []
        return [*(pairs.row() for pairs in self.tasks), *every]


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> Comparison:
    """Pair the outcomes of two results files by task and seed; success is `success_once`.

    Raises
    ------
    DataError
        They have no seed in common.

    """
    ours, theirs = _outcomes(first), _outcomes(second)
    shared = [env_id for env_id in ours if env_id in theirs]
    tasks = [pairs for env_id in shared if (pairs := _pair(env_id, ours[env_id], theirs[env_id])).common]
    if not tasks:
        raise DataError(
            "the two evaluations have no task and seed in common",
            fix="evaluate both with the same --env, --episodes and --seed-start",
        )
    notes = differences(_comparable(first), _comparable(second))
    known, other = first["configuration"].get("versions", {}), second["configuration"].get("versions", {})
    notes += differences(known, other, "versions.")
    for task, again in ((t, u) for t in first["tasks"] for u in second["tasks"] if t["env_id"] == u["env_id"]):
        own = {name: task[name] for name in ("prompt", "horizon", "trained")}
        notes += differences(own, {name: again[name] for name in own}, f"{task['env_id']}.")
    return Comparison((str(first["policy"]), str(second["policy"])), tasks, notes)


def _outcomes(document: Mapping[str, Any]) -> dict[str, dict[int, bool]]:
    return {
        task["env_id"]: {
            int(outcome["seed"]): bool(outcome["success_once"])
            for outcome in task["outcomes"]
            if not outcome["crashed"]
        }
        for task in document["tasks"]
    }


def _pair(env_id: str, ours: Mapping[int, bool], theirs: Mapping[int, bool]) -> Pairs:
    common = sorted(ours.keys() & theirs.keys())
    counts = [(ours[seed], theirs[seed]) for seed in common]
    return Pairs(
        env_id,
        both=counts.count((True, True)),
        only_first=counts.count((True, False)),
        only_second=counts.count((False, True)),
        neither=counts.count((False, False)),
        unpaired=len(ours.keys() ^ theirs.keys()),
    )


def _comparable(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document["configuration"].items() if name not in _UNCOMPARED}
