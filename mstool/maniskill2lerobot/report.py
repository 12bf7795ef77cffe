"""What a conversion did, for people and for machines."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mstool.maniskill2lerobot.writers.episodes import Episode


@dataclass(frozen=True)
class ConvertReport:
    """Counts, names and times of one conversion. Times are wall-clock seconds."""

    root: Path
    repo_id: str
    env_ids: tuple[str, ...]
    # {format: how pictures are stored}.
    formats: dict[Any, Any]
    asked: int
    converted: int
    frames: int
    # {reason: count} of dropped episodes.
    dropped: dict[str, int]
    fps: int
    seconds: float
    size_bytes: int
    instructions: tuple[str, ...]
    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    cameras: tuple[str, ...]
    image_size: tuple[int, int]
    # Mean and lowest PSNR in dB per view, of decoded against rendered frames; empty without videos.
    psnr_db: dict[str, dict[str, float]]
    # Which demos are fewer than were asked for, and what could not be verified of the episodes.
    warnings: tuple[str, ...] = ()

    @property
    def ms_per_frame(self) -> float:
        """Wall-clock milliseconds per stored frame, everything included."""
        return 1e3 * self.seconds / max(self.frames, 1)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON data."""
        return {**asdict(self), "root": str(self.root), "ms_per_frame": self.ms_per_frame}

    def text(self) -> str:
        """Return the report for a person: where the dataset is, what is in it, how to open it."""
        dropped = ", ".join(f"{count} x {reason}" for reason, count in self.dropped.items()) or "none"
        quality = ", ".join(f"{view} {value['mean']:.1f} dB" for view, value in self.psnr_db.items())
        stored = ", ".join(f"{version} ({storage})" for version, storage in self.formats.items())
        root = self.root / "v3.0" if len(self.formats) > 1 else self.root
        where = f"{json.dumps(self.repo_id)}, root={json.dumps(str(root), ensure_ascii=False)}"  # as Python reads it
        lines = [
            f"dataset   {self.root}  ({self.size_bytes / 1e6:.1f} MB)  LeRobot {stored}",
            *(f"task      {instruction}" for instruction in self.instructions),
            f"episodes  {self.converted} of {self.asked} demos, dropped: {dropped}",
            f"frames    {self.frames} at {self.fps} fps, {self.ms_per_frame:.0f} ms each",
            f"state     {', '.join(self.state_names)}",
            f"action    {', '.join(self.action_names)}",
            f"cameras   {', '.join(self.cameras)} at {self.image_size[0]}x{self.image_size[1]}",
            *([f"quality   PSNR {quality}"] if quality else []),
            *(f"warning   {text}" for text in self.warnings),
            *([f"open      LeRobotDataset({where})"] if "v3.0" in self.formats else []),
        ]
        return "\n".join(lines)


def video_quality(episodes: Sequence[Episode]) -> dict[str, dict[str, float]]:
    """Return mean (weighted by frames) and lowest PSNR in dB per view, over all episodes that have videos."""
    views = sorted({view for episode in episodes for view in episode.mark.psnr_db})
    frames = sum(episode.mark.frames for episode in episodes)
    return {
        view: {
            "mean": sum(e.mark.psnr_db[view]["mean_psnr_db"] * e.mark.frames for e in episodes) / frames,
            "min": min(e.mark.psnr_db[view]["min_psnr_db"] for e in episodes),
        }
        for view in views
    }
