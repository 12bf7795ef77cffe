"""What was written for openpi, and what to do with it."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.training.openpi.differences import DIFFERENCES
from mstool.training.openpi.recipe import OpenpiRecipe
from mstool.training.openpi.script import Choices


@dataclass(frozen=True)
class OpenpiReport:
    """A run that is ready to be started in openpi's environment."""

    recipe: OpenpiRecipe
    choices: Choices
    script: Path
    # Every registered config, the chosen one first.
    configs: tuple[str, ...]
    assets: tuple[Path, ...]
    notes: tuple[str, ...]

    @property
    def commands(self) -> tuple[str, ...]:
        """What to run next, in openpi's folder."""
        run = shlex.join(["uv", "run", str(self.script)])
        return (f"{run} list", f"{run} train", f"{run} serve --port 8000")

    @property
    def then(self) -> str:
        """What to run here once the server stands."""
        return shlex.join(["mstool", "eval", "--policy", "ws://localhost:8000", "--dataset", str(self.recipe.root)])

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "script": str(self.script),
            "config": self.configs[0],
            "configs": list(self.configs),
            "assets": [str(path) for path in self.assets],
            "dataset": str(self.recipe.root),
            "layout": self.recipe.layout,
            "horizon": self.recipe.horizon,
            "delta": list(self.recipe.delta),
            "discrete_state_input": self.choices.discrete_state_input,
            "commands": list(self.commands),
            "evaluate": self.then,
            "differences": [{"what": d.what, "pi0": d.pi0, "pi05": d.pi05} for d in DIFFERENCES],
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """Return lines for a person."""
        lines = [
            f"wrote {self.script}",
            *(f"wrote {path}" for path in self.assets),
            "",
            f"configs: {self.configs[0]} (chosen), {', '.join(self.configs[1:])}",
            "",
            "What differs between Pi0 and Pi0.5:",
            *_table(),
            "",
            "In openpi's folder (git clone, uv sync; its numpy is below 2, so not in this environment):",
            *(f"  {command}" for command in self.commands),
            "Then, here:",
            f"  {self.then}",
            *(f"note: {note}" for note in self.notes),
        ]
        return "\n".join(lines)


def _table() -> list[str]:
    cells = [("", "Pi0", "Pi0.5"), *((d.what, d.pi0, d.pi05) for d in DIFFERENCES)]
    widths = [max(len(row[column]) for row in cells) for column in range(2)]
    return [f"  {what.ljust(widths[0])}  {pi0.ljust(widths[1])}  {pi05}".rstrip() for what, pi0, pi05 in cells]
