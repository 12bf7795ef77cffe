"""A dataset as arrays that can be changed, written back by our own writers: statistics fit whatever it then holds."""

import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from mstool.contract import Array
from mstool.maniskill2lerobot.episode.shard import EpisodeMark, read_rows
from mstool.maniskill2lerobot.pictures.image_stats import ImageHistogram
from mstool.maniskill2lerobot.pictures.pngs import PngWriter, read_pngs, write_pngs
from mstool.maniskill2lerobot.pictures.video import VideoWriter
from mstool.maniskill2lerobot.rewrite.extract import extract
from mstool.maniskill2lerobot.rewrite.stored import open_stored
from mstool.maniskill2lerobot.writers.assemble import assemble
from mstool.maniskill2lerobot.writers.episodes import Episode


@dataclass(frozen=True)
class Taken:
    """One episode: state (T, S), actions (T, D), and per view uint8 (T, H, W, 3)."""

    state: Array
    action: Array
    views: dict[str, Array]
    source: Episode

    def __len__(self) -> int:
        return len(self.state)

    def with_view(self, view: str, change: Callable[[Array], Array]) -> "Taken":
        return replace(self, views=self.views | {view: change(self.views[view])})

    def at(self, frames: Sequence[int] | Array) -> "Taken":
        """The episode of these frames, in this order."""
        frames = np.asarray(frames)
        views = {view: film[frames] for view, film in self.views.items()}
        return replace(self, state=self.state[frames], action=self.action[frames], views=views)


type Change = Callable[[list[Taken], np.random.Generator], list[Taken]]


@dataclass(frozen=True)
class Mutation:
    """A change, the codes of the checks of which one must notice it, and why none can where none can."""

    name: str
    change: Change
    caught_by: tuple[str, ...]
    undecidable: str = ""
    # Views, layouts or dimensions that a dataset must have for it to mean something.
    needs: tuple[str, ...] = ()


def take(root: Path, work: Path) -> list[Taken]:
    """Read a dataset that mstool wrote with stored images; shards are kept below `work`."""
    shutil.rmtree(work, ignore_errors=True)
    found = []
    for episode in extract(open_stored(root), work, ["image"]):
        rows = read_rows(episode.shard)
        views = {
            camera.view: np.stack([_decoded(png) for png in read_pngs(episode.shard / f"{camera.view}.parquet")])
            for camera in episode.recipe.cameras
        }
        found.append(Taken(rows["state"], rows["action"], views, episode))
    return found


def put(taken: Sequence[Taken], original: Sequence[Taken], root: Path, work: Path, version: str, storage: str) -> Path:
    """Write episodes as a dataset at `root`, in their order; views that nobody changed are copied, not encoded."""
    shutil.rmtree(work, ignore_errors=True)
    kept = {id(film): (t.source, view) for t in original for view, film in t.views.items()}
    episodes = []
    for index, each in enumerate(taken):
        shard = work / f"episode_{index:06d}"
        shard.mkdir(parents=True)
        np.savez(shard / "rows.npz", state=each.state.astype(np.float32), action=each.action.astype(np.float32))
        histograms = {}
        for view, film in each.views.items():
            if id(film) in kept and storage == "image":
                source, name = kept[id(film)]
                write_pngs(shard / f"{view}.parquet", read_pngs(source.shard / f"{name}.parquet"))
                histograms[view] = source.mark.histograms[name]
            else:
                histograms[view] = _store(film, shard, view, storage, int(each.source.mark.controller["fps"]))
        mark: EpisodeMark = replace(each.source.mark, frames=len(each), histograms=histograms, psnr_db={})
        episodes.append(Episode(shard, mark, each.source.recipe))
    # Whoever copies an episode writes another number for it.
    numbers = [(e.recipe.env_id, e.mark.source_episode) for e in episodes]
    episodes = [
        replace(e, mark=replace(e.mark, source_episode=1000 + i, seed=1000 + i)) if numbers[i] in numbers[:i] else e
        for i, e in enumerate(episodes)
    ]
    assemble(episodes, root, work, {version: storage}, [], {}, overwrite=True)
    return root


def _decoded(png: bytes) -> Array:
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB"))


def _store(film: Array, shard: Path, view: str, storage: str, fps: int) -> list[list[int]]:
    histogram = ImageHistogram()
    sink = PngWriter(shard / f"{view}.parquet") if storage == "image" else VideoWriter(shard / f"{view}.mp4", fps)
    for image in film:
        picture = np.ascontiguousarray(image)
        sink.add(picture)
        histogram.add(picture)
    sink.close()
    return histogram.counts.tolist()
