"""What a run is to convert: demos of one environment, several of which make a dataset."""

from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mstool.errors import DataError
from mstool.maniskill2lerobot.demos import DemoSource, instead
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.episode.shard import shard_path
from mstool.maniskill2lerobot.executors.job import ConvertJob
from mstool.paths import as_file_name
from mstool.simulators.demos import Demos

# Damaged demos named one by one before the rest is counted.
_NAMED = 10


@dataclass(frozen=True)
class Batch:
    """Demos of one environment and what to make of them."""

    source: DemoSource
    recipe: Recipe
    # How many demos from the start of the file; None for all.
    episodes: int | None = None

    @property
    def positions(self) -> list[int]:
        """Which demos are wanted, in demo order."""
        return list(range(len(self.source.demos)))[: self.episodes]

    def jobs(self, work: Path, *, without: Container[int] = ()) -> list[ConvertJob]:
        """Return what is to be done, in demo order, with shards in the work folder."""
        shards, path = work / as_file_name(self.recipe.env_id), self.source.demos.path
        return [
            ConvertJob(path, position, self.recipe, shard_path(shards, position), self._steps(position))
            for position in self.positions
            if position not in without
        ]

    def _steps(self, position: int) -> int:
        """Return how many steps of a demo are executed; its conversion to another control mode may take more."""
        demo = self.recipe.of(self.source.demos.read(position))
        return min(len(demo.actions), self.recipe.horizon) + self.recipe.hold_steps

    @property
    def too_few(self) -> str:
        """Say how many demos there are where these are fewer than were asked for, else ""."""
        if self.episodes is None or len(self.positions) >= self.episodes:
            return ""
        return (
            f"{self.source.demos.path} holds {len(self.positions)} episodes, fewer than the {self.episodes} asked for"
        )

    def invalid(self, *, skip: bool) -> dict[int, str]:
        """Look for damaged demos: {position: what is wrong}, to be left out.

        Raises
        ------
        DataError
            There are some, or some that the `.json` does not list, and `skip` is False; or there are no others.

        """
        demos = self.source.demos
        if demos.unlisted and not skip:
            raise DataError(
                f"{demos.path} holds {len(demos.unlisted)} trajectories that {demos.json.name} does not list, so that "
                f"nothing says their seed:{_listed(demos.unlisted)}",
                fix="repair the file, or add --skip-invalid to leave them out",
                change={"--skip-invalid": True},
            )
        problems = demos.problems(limit=len(self.positions))
        executable = len(problems) < len(self.positions)
        if self.recipe.observations == "states":
            problems = {p: why for p in self.positions if (why := problems.get(p) or _lacking(demos, p))}
        every = len(problems) == len(self.positions)
        if problems and (every or not skip):
            where = f"{demos.path} and its .json" if demos.json != demos.path else f"{demos.path}"
            said = (
                f"{len(problems)} of {len(self.positions)} demos cannot be used, in {where}:"
                f"{_listed(problems.values())}"
            )
            if every and not executable:
                raise DataError(said, **instead(self.recipe.env_id))
            raise DataError(
                said,
                fix="leave out --from-states: the demos are then executed again"
                if every
                else "repair the file, or add --skip-invalid to drop them",
                change={"--from-states": None} if every else {"--skip-invalid": True},
            )
        return problems


def _lacking(demos: Demos, position: int) -> str:
    """Say what of an episode's states is not as it must be; empty when all is well."""
    try:
        demos.recorded_states(position)
    except DataError as error:
        return error.message
    return ""


def _listed(problems: Collection[str]) -> str:
    lines = [*islice(problems, _NAMED), *([f"and {len(problems) - _NAMED} more"] if len(problems) > _NAMED else [])]
    return "".join(f"\n  {line}" for line in lines)


@dataclass(frozen=True)
class Part:
    """One dataset of a run."""

    # In the order in which episodes are stored; all recipes share layout, cameras and storages.
    batches: Sequence[Batch]
    # Folder of the dataset.
    root: Path
    # Its name on a hub, for the report.
    repo_id: str
