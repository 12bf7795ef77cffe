"""Collect the summary and write the files."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.atomic import written_aside
from mstool.dataset.episode_table import EpisodeRow
from mstool.dataset.files import Unavailable
from mstool.dataset.locate import locate
from mstool.dataset.target import refuse_in_dataset
from mstool.errors import DataError, UsageError
from mstool.installation import require
from mstool.paths import quoted, writable_folder
from mstool.progress import Notify
from mstool.validators.sampling import SampledView
from mstool.validators.show.summary import summary


@dataclass(frozen=True)
class Shown:
    """What was written, and the summary of the dataset."""

    summary: dict[str, Any]
    episode: int
    files: tuple[Path, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**self.summary, "shown_episode": self.episode, "files": [str(path) for path in self.files]}


def show(
    root: Path,
    *,
    episode: int = 0,
    output: Path | None,
    rerun: bool = False,
    notify: Notify = lambda _: None,
) -> Shown:
    """Summarise a dataset, and draw one of its episodes into `output`.

    Parameters
    ----------
    root
        The dataset's folder.
    episode
        Which episode to draw.
    output
        Where to write `sheet.png`, `state.png`, `actions.png` and `episode.mp4`; None writes nothing.
    rerun
        Write `episode.rrd` too, for the Rerun viewer.
    notify
        Told what is being written.

    Raises
    ------
    UsageError
        The dataset or the episode does not exist, or nothing can be written into `output`, or that is a dataset.
    DataError
        It is damaged.
    SetupError
        `rerun` is asked for and rerun-sdk is not installed.

    """
    locate(root)
    if output is not None:
        writable_folder(output, "--output")
        refuse_in_dataset(output, "--output", "shown")
    if rerun and output is None:
        raise UsageError(
            "--rerun writes a file",
            fix=f"mstool show {quoted(root)} --output shown --rerun",
            change={"--output": "shown"},
        )
    if rerun:
        require("--rerun", ["rerun"])
    data = SampledView(root)
    try:
        facts = summary(data)
        row = _episode(data, episode)
        files = _write(data, row, output, rerun, notify) if output is not None else ()
    except Unavailable as why:
        said = str(why).removeprefix(f"{root}: ")
        raise DataError(f"{root}: {said}", fix=f"mstool validate {quoted(root)} --against maniskill") from why
    return Shown(facts, row.index, files)


def _episode(data: SampledView, episode: int) -> EpisodeRow:
    for row in data.episodes:
        if row.index == episode:
            return row
    raise UsageError(
        f"{data.root} has no episode {episode}: they are 0 to {len(data.episodes) - 1}",
        fix=f"mstool show {quoted(data.root)} --episode {len(data.episodes) - 1}",
        change={"--episode": len(data.episodes) - 1},
    )


def _write(data: SampledView, row: EpisodeRow, output: Path, rerun: bool, notify: Notify) -> tuple[Path, ...]:
    from mstool.validators.show.draw import draw_curves, draw_sheet
    from mstool.validators.show.filmstrip import write_film

    parts: dict[str, Callable[[Path], None]] = {
        "sheet.png": lambda path: draw_sheet(data, row, path),
        "state.png": lambda path: draw_curves(data, row, "state", path),
        "actions.png": lambda path: draw_curves(data, row, "actions", path),
        "episode.mp4": lambda path: write_film(data, row, path),
    }
    if rerun:
        from mstool.validators.show.rerun_file import write_rerun

        parts["episode.rrd"] = lambda path: write_rerun(data, row, path)
    with ExitStack() as together:
        for name, write in parts.items():
            notify(f"writing {output / name}")
            write(together.enter_context(written_aside(output / name)))
    return tuple(output / name for name in parts)
