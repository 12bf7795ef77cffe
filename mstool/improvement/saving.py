"""Checkpoints of a run: a policy like any other, and beside it all that decides how the run goes on.

    OUTPUT/checkpoints/<number>/pretrained_model/    what `eval` and `serve` take
    OUTPUT/checkpoints/<number>/training_state/      networks, optimizers, random numbers, the curve
    OUTPUT/checkpoints/last, best                    links
    OUTPUT/replay/<first>-<stop>.pt                  rows of the own episodes, encoded

The number is own episodes plus updates: it grows with either.

A folder is renamed into place when it is complete, and the links after it: whenever a run is killed, `last` is whole.
All but `last`, `best` and the one before are removed.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from mstool.errors import DataError
from mstool.improvement.method import Method
from mstool.improvement.policy_files import PolicyFiles
from mstool.improvement.replay import Replay
from mstool.training.run_folder import BEST, CHECKPOINTS, LAST, MODEL, REPLAY, STATE

_STATE_FILE = "improve.pt"
# Of what a state holds: another one cannot be gone on from. Since 2 rounds say who played.
_FORMAT = 2


@dataclass(frozen=True)
class Saver:
    """Writes the checkpoints of one run."""

    output: Path
    policy: PolicyFiles

    def save(
        self, method: Method, player: str, own: Replay, state: dict[str, Any], episodes: list[dict[str, Any]]
    ) -> Path:
        """Write a checkpoint, named after own episodes plus updates, and make it the last one.

        Parameters
        ----------
        method, player, own
            What has learnt, whose weights the policy has, and what was learnt from.
        state
            What else decides how the run goes on; plain data.
        episodes
            Lines for the conventions: seeds that were learnt from are no seeds for an evaluation.

        """
        folder = self.output / CHECKPOINTS
        name = f"{len(episodes) + state['updates']:06d}"
        target, aside = folder / name, folder / f".{name}.{os.getpid()}"
        before = (folder / LAST).resolve()
        if target.exists() and before == target.resolve():
            return target / MODEL  # nothing happened since
        self._save_replay(own)
        shutil.rmtree(aside, ignore_errors=True)
        try:
            (aside / STATE).mkdir(parents=True)
            whole = {"format": _FORMAT, "method": method.state(), "added": own.added, **state}
            torch.save(whole, aside / STATE / _STATE_FILE)
            self.policy.write(method, player, aside / MODEL, episodes)
        except BaseException:  # a full disk
            shutil.rmtree(aside, ignore_errors=True)
            raise
        shutil.rmtree(target, ignore_errors=True)  # of a run that was killed before it linked it
        aside.rename(target)
        link(folder / LAST, target.name)
        self._tidy(folder, keep={target, before})
        for _, stop, path in replay_files(self.output):
            if stop <= own.added - own.capacity:
                path.unlink()  # all of its rows have made way
        return target / MODEL

    def _save_replay(self, own: Replay) -> None:
        """Write the rows that no file holds yet."""
        folder = self.output / REPLAY
        folder.mkdir(parents=True, exist_ok=True)
        done = max((stop for _, stop, _ in replay_files(self.output)), default=0)
        if own.added > done:
            aside = folder / ".new.pt"
            torch.save(own.since(done), aside)
            aside.rename(folder / f"{done:09d}-{own.added:09d}.pt")

    @staticmethod
    def _tidy(folder: Path, keep: set[Path]) -> None:
        kept = {path.resolve() for path in (*keep, folder / BEST)}
        for path in folder.iterdir():
            if not path.is_symlink() and path.is_dir() and path.resolve() not in kept:
                shutil.rmtree(path)


def link(path: Path, name: str) -> None:
    """Make `path` a link to `name`, in the place of the one that is there."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    aside.symlink_to(name)
    aside.replace(path)


def replay_files(output: Path) -> list[tuple[int, int, Path]]:
    """Return the files of own rows in order: first row, the one after the last, path."""
    found = []
    for path in sorted((output / REPLAY).glob("[0-9]*.pt")):
        first, stop = map(int, path.stem.split("-"))
        found.append((first, stop, path))
    return found


def read_state(output: Path) -> dict[str, Any]:
    """Return what the last checkpoint keeps: the method's state, `added` rows, and what `Saver.save` was given.

    Raises
    ------
    DataError
        It cannot be read, or another version wrote it.

    """
    kept = output / CHECKPOINTS / LAST / STATE / _STATE_FILE
    try:
        state: dict[str, Any] = torch.load(kept, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, UnpicklingError) as error:
        raise _lost(f"{kept} is damaged") from error
    if state.get("format") != _FORMAT:
        raise _lost(f"{output} was begun by another version of mstool")
    return state


def _lost(said: str) -> DataError:
    change = {"--resume": None, "--output": "runs/ANOTHER"}
    return DataError(f"{said}: the run cannot go on", fix="begin another run", change=change)


def load_rows(output: Path, own: Replay, added: int) -> None:
    """Add own rows as they were when `added` were; those written after them are removed: the run makes them again."""
    for first, stop, path in replay_files(output):
        if stop > added:
            path.unlink()
        else:
            own.added = first  # not 0 where older ones made way
            own.extend(torch.load(path, weights_only=True))


def resumable(output: Path) -> bool:
    """Tell whether there is a checkpoint to go on from."""
    return (output / CHECKPOINTS / LAST / STATE / _STATE_FILE).is_file()
