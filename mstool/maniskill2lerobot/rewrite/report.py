"""What `merge` and `export` tell."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mstool.contract import Version
from mstool.markup import one_line


@dataclass(frozen=True)
class RebuildReport:
    """What was written from which datasets."""

    root: Path
    sources: tuple[Path, ...]
    # How pictures are stored.
    formats: Mapping[Version, str]
    episodes: int
    frames: int
    instructions: tuple[str, ...]
    size_bytes: int
    seconds: float
    # What a reader of the result should know.
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON data."""
        return {**asdict(self), "root": str(self.root), "sources": [str(source) for source in self.sources]}

    def text(self) -> str:
        """Return the report for a person."""
        stored = ", ".join(f"{version} ({storage})" for version, storage in self.formats.items())
        lines = [
            f"dataset   {self.root}  ({self.size_bytes / 1e6:.1f} MB)  LeRobot {stored}",
            f"from      {', '.join(str(source) for source in self.sources)}",
            *(f"task {i}    {one_line(instruction)}" for i, instruction in enumerate(self.instructions)),
            f"episodes  {self.episodes}, {self.frames} frames, in {self.seconds:.1f} s",
            *(f"note      {note}" for note in self.notes),
        ]
        return "\n".join(lines)
