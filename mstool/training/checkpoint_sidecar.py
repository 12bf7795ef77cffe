"""What is kept beside every checkpoint's weights, so that evaluation and `--resume` need nothing else."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.atomic import replace_texts
from mstool.dataset.conventions import Conventions, save_conventions
from mstool.dataset.files import NORM_STATS_FILE, read_object
from mstool.dataset.training import ACTION, STATE, Facts

CONFIG_FILE = "config.json"
RUN_FILE = "mstool_run.json"
OPENPI_STATS_FILE = "openpi_norm_stats.json"


@dataclass(frozen=True)
class CheckpointSidecar:
    """The files beside a checkpoint."""

    # Which run: policy, dataset and the fingerprint of its content, its verdict, versions, the command.
    run: dict[str, Any]
    # LeRobot's statistics of state and action, as the normaliser used them: {"norm_stats": {column: {q01: ...}}}.
    stats: dict[str, Any]
    # None for a dataset that does not say what its numbers mean.
    conventions: Conventions | None
    # The dataset's own file of statistics for openpi.
    openpi_stats: Path | None

    def write(self, folder: Path, **more: Any) -> None:
        """Write into a checkpoint's `pretrained_model`, with `more` of the run."""
        if self.conventions is not None:
            save_conventions(self.conventions, folder)
        documents = {folder / NORM_STATS_FILE: {"norm_stats": self.stats}, folder / RUN_FILE: {**self.run, **more}}
        replace_texts({path: json.dumps(document, indent=1) + "\n" for path, document in documents.items()})
        if self.openpi_stats is not None:
            shutil.copyfile(self.openpi_stats, folder / OPENPI_STATS_FILE)


def collect(facts: Facts, conventions: Conventions | None, run: dict[str, Any]) -> CheckpointSidecar:
    """Gather what goes beside the checkpoints, once, before training."""
    own = facts.root / NORM_STATS_FILE
    return CheckpointSidecar(
        run=run,
        stats={key: facts.stats[key] for key in (STATE, ACTION) if key in facts.stats},
        conventions=conventions,
        openpi_stats=own if own.is_file() else None,
    )


def read_run(folder: Path) -> dict[str, Any]:
    """Return the run that a checkpoint's `pretrained_model` belongs to, empty where it is not of ours.

    Raises
    ------
    DataError
        The file is there and cannot be read.

    """
    return read_part(folder, RUN_FILE) if (folder / RUN_FILE).exists() else {}


def read_part(model: Path, name: str) -> dict[str, Any]:
    """Read one of the JSON files of a checkpoint's `pretrained_model`.

    Raises
    ------
    DataError
        It is not there, or damaged.

    """
    return read_object(model / name, fix="use another checkpoint of the run, or fetch this one again")
