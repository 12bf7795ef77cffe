"""From outcomes to results: what is the same of all those of one evaluation, whichever of its episodes they are of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.dataset.conventions import Conventions
from mstool.evaluation.configuration import SEEDS, spans
from mstool.evaluation.published import published_notes
from mstool.evaluation.results import Results, TaskResult
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.protocol import Protocol, suite_name


@dataclass(frozen=True)
class Summary:
    """What an evaluation knows beside its outcomes."""

    policy: str
    # The configuration without seeds.
    common: Mapping[str, Any]
    conventions: Conventions | None
    # Views that the policy sees.
    views: Sequence[str]
    # Whether its actions are a dataset's own.
    stored: bool
    protocol: Protocol | None
    # Where there were fewer episodes than were asked for, in words.
    fewer: Sequence[str]
    diagnosis: Mapping[str, Any] | None

    def of(self, tasks: Sequence[TaskResult], timing: Mapping[str, Any], folder: Path) -> Results:
        """Return the results of `tasks`, which lie in `folder`."""
        envs = [task.env_id for task in tasks]
        suites = list(dict.fromkeys(suite for env_id in envs if (suite := suite_name(env_id))))
        seeds = {task.env_id: spans(outcome.seed for outcome in task.outcomes) for task in tasks}
        # What others report is of their own horizons and chunks.
        protocol = self.protocol
        if protocol is not None and not protocol.kept_to(
            {t.env_id: t.horizon for t in tasks}, self.common.get("replan")
        ):
            protocol = None
        return Results(
            policy=self.policy,
            configuration={**self.common, SEEDS: seeds},
            tasks=tasks,
            timing=timing,
            suites={suite: len(benchmark_of(suite).suite(suite)) for suite in suites},
            published=protocol.published if protocol is not None else None,
            notes=[*self.fewer, *self._notes(envs), *published_notes(protocol, suites)],
            diagnosis=self.diagnosis,
            folder=folder.absolute(),
        )

    def _notes(self, envs: Sequence[str]) -> list[str]:
        if self.conventions is None or not self.conventions.episodes:
            return []
        new = [env_id for env_id in envs if env_id not in self.conventions.env_ids]
        notes = [f"not trained on: {', '.join(new)}"] if new else []
        observed = self.conventions.record.observations
        if self.views and observed == "recorded":
            notes.append("the training images were taken from demo files: the cameras here may stand elsewhere")
        if self.stored and observed == "states":
            notes.append(
                "the dataset was made from recorded states: its actions were never executed, and may solve nothing"
            )
        return notes
