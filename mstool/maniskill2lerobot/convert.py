"""`convert`: demos of one environment to one LeRobot dataset on disk."""

import errno
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mstool import __version__
from mstool.errors import DataError, MstoolError
from mstool.maniskill2lerobot.demos.source import DemoSource
from mstool.maniskill2lerobot.episodes import Episode
from mstool.maniskill2lerobot.lerobot_v3 import write_v3
from mstool.maniskill2lerobot.provenance import conventions, write_episode_log
from mstool.maniskill2lerobot.recipe import Recipe
from mstool.maniskill2lerobot.shard import EpisodeMark, convert_episode, shard_path
from mstool.maniskill2lerobot.target import check_target, put_in_place, work_folder
from mstool.norm_stats.output import write_exact_stats
from mstool.simulation.environment import Simulator

type Notify = Callable[[str], None]


@dataclass(frozen=True)
class ConvertReport:
    """What a conversion did. Times are wall-clock seconds."""

    root: Path
    repo_id: str
    env_id: str
    asked: int
    converted: int
    frames: int
    # {reason: count} of dropped episodes.
    dropped: dict[str, int]
    fps: int
    seconds: float
    size_bytes: int
    instruction: str
    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    cameras: tuple[str, ...]
    image_size: tuple[int, int]
    # Lowest and mean PSNR in dB per view.
    psnr_db: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON data."""
        return {**self.__dict__, "root": str(self.root), "ms_per_frame": self.ms_per_frame}

    def text(self) -> str:
        """Return the report for a person: where the dataset is, what is in it, how to open it."""
        lost = ", ".join(f"{count} x {reason}" for reason, count in self.dropped.items()) or "none"
        quality = ", ".join(f"{view} {value['mean']:.1f} dB" for view, value in self.psnr_db.items())
        lines = [
            f"dataset   {self.root}  ({self.size_bytes / 1e6:.1f} MB)",
            f"task      {self.instruction}",
            f"episodes  {self.converted} of {self.asked} demos, dropped: {lost}",
            f"frames    {self.frames} at {self.fps} fps, {self.ms_per_frame:.0f} ms each",
            f"state     {', '.join(self.state_names)}",
            f"action    {', '.join(self.action_names)}",
            f"cameras   {', '.join(self.cameras)} at {self.image_size[0]}x{self.image_size[1]}",
            *([f"quality   PSNR {quality}"] if quality else []),
            f'open      LeRobotDataset("{self.repo_id}", root="{self.root}")',
        ]
        return "\n".join(lines)

    @property
    def ms_per_frame(self) -> float:
        """Wall-clock milliseconds per stored frame, everything included."""
        return 1e3 * self.seconds / max(self.frames, 1)


def convert(
    source: DemoSource,
    recipe: Recipe,
    root: Path,
    *,
    repo_id: str,
    episodes: int | None = None,
    overwrite: bool = False,
    skip_invalid: bool = False,
    notify: Notify = lambda _: None,
) -> ConvertReport:
    """Convert the first `episodes` demos (all by default) into a LeRobot v3.0 dataset at `root`.

    Episodes are kept in a work folder beside `root` until the dataset stands complete, so that an interrupted run
    goes on where it stopped. `root` appears complete or not at all.

    Raises
    ------
    UsageError
        `root` exists and `overwrite` is False, or the demos cannot be executed in the recipe's control mode.
    DataError
        Demos are damaged (all of them are listed), unless `skip_invalid` drops them.
    MstoolError
        No demo led to success, or the disk is full.

    """
    started = time.monotonic()
    check_target(root, overwrite=overwrite)
    positions = list(range(len(source.demos)))[:episodes]
    if episodes is not None and len(positions) < episodes:
        notify(f"{source.demos.path} holds {len(positions)} episodes, fewer than the {episodes} asked for")
    invalid = _invalid(source, len(positions), skip_invalid=skip_invalid)
    work = work_folder(root)
    try:
        marks = _replay_all(source, recipe, [p for p in positions if p not in invalid], work)
        kept = [Episode(shard_path(work, position), mark, recipe) for position, mark in marks if not mark.dropped]
        dropped = Counter(mark.dropped for _, mark in marks if mark.dropped) + Counter({"invalid demo": len(invalid)})
        if not kept:
            reasons = ", ".join(f"{count} x {reason}" for reason, count in dropped.items())
            shutil.rmtree(work)
            raise MstoolError(
                f"none of the {len(positions)} demos led to success: {reasons}",
                fix=f"mstool convert --env {recipe.env_id} --demos generate",
            )
        _assemble(kept, root, work, source, dict(dropped), overwrite=overwrite)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise MstoolError(
            f"the disk that holds {root.parent} is full; finished episodes are kept in {work}",
            fix="free space and run the same command again: it goes on where it stopped",
        ) from error
    return ConvertReport(
        root=root,
        repo_id=repo_id,
        env_id=recipe.env_id,
        asked=len(positions),
        converted=len(kept),
        frames=sum(episode.mark.frames for episode in kept),
        dropped=dict(dropped),
        fps=int(kept[0].mark.controller["fps"]),
        seconds=time.monotonic() - started,
        size_bytes=sum(path.stat().st_size for path in root.rglob("*") if path.is_file()),
        instruction=recipe.instruction,
        state_names=recipe.layout.state.names,
        action_names=recipe.layout.action(recipe.control_mode).names,
        cameras=tuple(camera.lerobot for camera in recipe.cameras),
        image_size=recipe.image_size,
        psnr_db=_quality(kept),
    )


def _invalid(source: DemoSource, limit: int, *, skip_invalid: bool) -> dict[int, str]:
    problems = source.demos.problems(limit=limit)
    if problems and not skip_invalid:
        listed = "\n  ".join(list(problems.values())[:10])
        more = f"\n  and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise DataError(
            f"{len(problems)} of {limit} demos cannot be used:\n  {listed}{more}",
            fix="repair the file, or add --skip-invalid",
        )
    return problems


def _replay_all(
    source: DemoSource, recipe: Recipe, positions: Sequence[int], work: Path
) -> list[tuple[int, EpisodeMark]]:
    marks = []
    first = source.demos.read(positions[0]) if positions else None
    if first is None:
        return []
    simulator = Simulator(recipe.simulator_spec(first))
    try:
        with tqdm(total=len(positions), unit="episode", disable=None, desc=recipe.env_id) as bar:
            frames = 0
            for position in positions:
                demo = source.demos.read(position)
                mark = convert_episode(simulator, recipe, demo, shard_path(work, position))
                marks.append((position, mark))
                frames += mark.frames
                rate = frames / max(bar.format_dict["elapsed"], 1e-9)
                bar.set_postfix_str(f"{rate:.1f} frames/s, {sum(bool(m.dropped) for _, m in marks)} dropped")
                bar.update()
    finally:
        simulator.close()
    return marks


def _assemble(
    kept: Sequence[Episode], root: Path, work: Path, source: DemoSource, dropped: dict[str, int], *, overwrite: bool
) -> None:
    fps = int(kept[0].mark.controller["fps"])
    built = work / "dataset"
    shutil.rmtree(built, ignore_errors=True)
    built.mkdir()
    described = conventions(kept, source, dropped, __version__)
    write_v3(kept, built, storage=kept[0].recipe.storages[0], fps=fps, conventions=described)
    write_episode_log(kept, built)
    write_exact_stats(built)
    put_in_place(built, root, overwrite=overwrite)
    shutil.rmtree(work)


def _quality(kept: Sequence[Episode]) -> dict[str, dict[str, float]]:
    views = {view for episode in kept for view in episode.mark.psnr_db}
    return {
        view: {
            "mean": sum(e.mark.psnr_db[view]["mean_psnr_db"] * e.mark.frames for e in kept)
            / sum(e.mark.frames for e in kept),
            "min": min(e.mark.psnr_db[view]["min_psnr_db"] for e in kept),
        }
        for view in sorted(views)
    }
