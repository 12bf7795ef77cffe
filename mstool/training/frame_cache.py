"""Every frame decoded once: a dataset that trains without waiting for the video decoder.

LeRobot decodes two video frames for every sample (10 ms and more on one core), so a small policy waits for its data.
Here all frames are decoded once, episode by episode, those of large datasets in several processes, reduced to the
policy's size, and kept in one file per camera, which the operating system holds in memory and all loaders share.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import default_collate
from torch.utils.data._utils.collate import default_collate_fn_map

from mstool.atomic import replace_text
from mstool.contract import Array
from mstool.errors import DataError, MstoolError
from mstool.folders import in_turn
from mstool.json_files import load_json
from mstool.paths import quoted
from mstool.processes import deaf_to_ctrl_c, end_with_parent, killed_by_ctrl_c
from mstool.progress import Progress, notify

COMPLETE = "complete.json"
# Fewer pictures are decoded before another process has imported what it decodes with.
PICTURES_PER_PROCESS = 4000


@dataclass(frozen=True)
class _Clip:
    """One camera's frames of one episode, and where in the cache they belong."""

    dataset: Path
    video: Path
    timestamps: tuple[float, ...]
    first_row: int
    cache: Path
    shape: tuple[int, int, int, int]


class FrameRow:
    """One frame of a batch that was gathered as a whole; the loader puts such a batch together without copying."""

    __slots__ = ("batch", "position")

    def __init__(self, batch: dict[str, Any], position: int) -> None:
        self.batch, self.position = batch, position

    def item(self) -> dict[str, Any]:
        """Return the frame's own values."""
        return {name: values[self.position] for name, values in self.batch.items()}


def collate_rows(rows: Sequence[FrameRow], *, collate_fn_map: object = None) -> dict[str, Any]:  # noqa: ARG001
    """Return the batch of which `rows` are all frames, in order: torch's way to collate a type of one's own."""
    batch = rows[0].batch
    whole = len(rows) == len(batch["index"]) and all(
        row.batch is batch and row.position == i for i, row in enumerate(rows)
    )
    return batch if whole else default_collate([row.item() for row in rows])


default_collate_fn_map[FrameRow] = collate_rows


class CachedDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """A LeRobotDataset whose frames are in a cache; gives the items that LeRobot's own gives, reduced in size.

    Everything that is not an item (`meta`, `episodes`, `num_frames`, ...) is the original dataset's.
    """

    def __init__(self, dataset: Any, caches: Mapping[str, Path], size: tuple[int, int]) -> None:
        self.meta, self.episodes = dataset.meta, dataset.episodes
        self.num_frames, self.num_episodes = dataset.num_frames, dataset.num_episodes
        self.absolute_to_relative_idx = dataset.absolute_to_relative_idx
        self.delta_indices: Mapping[str, Sequence[int]] = dataset.reader.delta_indices or {}
        self.size = size
        self.cameras = tuple(caches)
        # False where the pictures of a batch come from elsewhere (`device_pictures.py`).
        self.gives_pictures = True
        self._caches = dict(caches)
        self._frames: dict[str, Array] = {}
        table = dataset.hf_dataset.with_format("numpy")
        self._columns = {name: torch.from_numpy(_stacked(table[:][name])) for name in table.column_names}
        rows = self._columns["episode_index"].numpy()
        # The first and last row of every row's episode, in this (perhaps filtered) dataset.
        starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
        lengths = np.diff(np.r_[starts, len(rows)])
        self._first = np.repeat(starts, lengths)
        self._last = np.repeat(starts + lengths - 1, lengths)
        self._tasks = [str(name) for name in dataset.meta.tasks.index]

    def __len__(self) -> int:
        """Return the number of frames."""
        return int(self.num_frames)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one frame, as LeRobotDataset does with `return_uint8`."""
        return self.__getitems__([index])[0].item()

    def __getitems__(self, indices: Sequence[int]) -> list[FrameRow]:
        """Return a batch's frames; torch's loader asks for all of them at once."""
        rows = np.asarray(indices)
        batch: dict[str, Any] = {name: column[rows] for name, column in self._columns.items()}
        for key, deltas in self.delta_indices.items():
            at = rows[:, None] + np.asarray(deltas)
            inside = at.clip(self._first[rows][:, None], self._last[rows][:, None])
            batch[key] = self._columns[key][inside]
            batch[f"{key}_is_pad"] = torch.from_numpy(at != inside)
        for camera in self.cameras if self.gives_pictures else ():
            batch[camera] = torch.from_numpy(self.pictures(camera)[rows])
        batch["task"] = [self._tasks[index] for index in batch["task_index"].tolist()]
        return [FrameRow(batch, position) for position in range(len(rows))]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open files behind: a loader process opens its own."""
        return {**self.__dict__, "_frames": {}}

    def column(self, name: str) -> torch.Tensor:
        """Return a column's values of every frame."""
        return self._columns[name]

    def pictures(self, camera: str) -> Array:
        """Return a camera's frames, uint8 (N, 3, h, w), as they lie on the disk."""
        if camera not in self._frames:
            shape = (len(self), 3, *self.size)
            self._frames[camera] = np.memmap(self._caches[camera], np.uint8, mode="r", shape=shape)
        return self._frames[camera]


def cached(dataset: Any, folder: Path, size: tuple[int, int] | None, *, processes: int) -> CachedDataset:
    """Decode all frames of a LeRobotDataset into `folder`, or take what a finished run left there.

    Parameters
    ----------
    dataset
        A LeRobotDataset with videos, without image transforms and without past frames.
    folder
        Where the cache lies; `size` decides what it takes: 3 * height * width bytes per frame and camera.
    size
        (height, width) to reduce the frames to by averaging areas; None keeps them as they are.
    processes
        How many processes decode at most; few pictures are decoded in this one.

    Raises
    ------
    MstoolError
        The dataset's pictures cannot be cached, or the disk cannot hold them.

    """
    cameras = list(dataset.meta.camera_keys)
    if set(cameras) != set(dataset.meta.video_keys):
        raise MstoolError("frames stored as images cannot be cached", fix="add --cache-frames off")
    if set(cameras) & set(dataset.reader.delta_indices or {}):
        raise MstoolError("the policy wants past frames, which the cache does not give", fix="add --cache-frames off")
    height, width = size or tuple(dataset.meta.features[cameras[0]]["shape"][:2])
    shape = (int(dataset.num_frames), 3, int(height), int(width))
    caches = {camera: folder / f"{camera}.u8" for camera in cameras}
    root = str(Path(dataset.root).resolve())
    wanted = {"shape": shape, "cameras": cameras, "episodes": dataset.episodes, "root": root}
    done = folder / COMPLETE
    folder.mkdir(parents=True, exist_ok=True)
    with in_turn(folder / "lock", lambda: notify()(f"waiting: another run decodes the frames into {folder}")):
        if not done.is_file() or load_json(done) != json.loads(json.dumps(wanted)):
            done.unlink(missing_ok=True)
            # Beside those that are there, which another run may be reading.
            fresh = {camera: path.with_name(f".{path.name}") for camera, path in caches.items()}
            _fill(dataset, fresh, shape, processes)
            for camera, path in fresh.items():
                path.replace(caches[camera])
            replace_text(done, json.dumps(wanted))
    return CachedDataset(dataset, caches, (int(height), int(width)))


def holds_all(folder: Path, root: Path) -> bool:
    """Tell whether a finished run left every frame of the dataset at `root` in `folder`."""
    done = folder / COMPLETE
    left = load_json(done) if done.is_file() else {}
    return left.get("root") == str(root.resolve()) and left.get("episodes") is None


def _fill(dataset: Any, caches: Mapping[str, Path], shape: tuple[int, int, int, int], processes: int) -> None:
    bytes_needed = len(caches) * int(np.prod(shape))
    folder = next(iter(caches.values())).parent
    free = shutil.disk_usage(folder).free
    if free < bytes_needed:
        raise MstoolError(
            f"the decoded frames take {bytes_needed / 1e9:.1f} GB and {folder} has {free / 1e9:.1f} GB free",
            fix="add --cache-frames off, or --output on a larger disk",
        )
    for path in caches.values():
        with path.open("wb") as file:
            file.truncate(int(np.prod(shape)))
    clips = list(_clips(dataset, caches, shape))
    processes = min(processes, len(caches) * shape[0] // PICTURES_PER_PROCESS)
    with Progress("decode", len(clips), "clip") as progress:
        if processes <= 1:
            for clip in clips:
                _decode(clip)
                progress.update()
            return
        with (
            ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=prepare_decoder) as pool,
            killed_by_ctrl_c(),
        ):
            with deaf_to_ctrl_c():
                decoded = pool.map(_decode, clips, chunksize=4)
            for _ in decoded:
                progress.update()


def _clips(dataset: Any, caches: Mapping[str, Path], shape: tuple[int, int, int, int]) -> Iterator[_Clip]:
    row = 0
    for episode in dataset.episodes if dataset.episodes is not None else range(dataset.num_episodes):
        entry = dataset.meta.episodes[int(episode)]
        length = int(entry["dataset_to_index"] - entry["dataset_from_index"])
        for camera, cache in caches.items():
            start = float(entry[f"videos/{camera}/from_timestamp"])
            timestamps = tuple(start + i / dataset.meta.fps for i in range(length))
            video = Path(dataset.root) / dataset.meta.get_video_file_path(int(episode), camera)
            yield _Clip(Path(dataset.root), video, timestamps, row, cache, shape)
        row += length


def prepare_decoder() -> None:
    """Begin a process that decodes."""
    end_with_parent()
    # A function of ours: to pickle one of OpenCV's, Python looks through all modules, and transformers loads itself.
    cv2.setNumThreads(1)


def _decode(clip: _Clip) -> None:
    """Decode one clip: the frames that LeRobot would give, found by their timestamps, each reduced at once."""
    from mstool.dataset.media import open_video

    cache = np.memmap(clip.cache, np.uint8, mode="r+", shape=clip.shape)
    height, width = clip.shape[2:]
    with open_video(clip.video) as container:
        stream = container.streams.video[0]
        # A frame is the one whose time is within half a frame of what is asked for.
        half = 0.5 / float(stream.average_rate)
        container.seek(max(int((clip.timestamps[0] - half) / float(stream.time_base)), 0), stream=stream)
        frames = container.decode(stream)
        for row, timestamp in enumerate(clip.timestamps, clip.first_row):
            frame = next((f for f in frames if abs(f.time - timestamp) < half), None)
            if frame is None:
                raise DataError(
                    f"{clip.video.name} has no frame at {timestamp:.3f} s",
                    fix=f"mstool validate {quoted(clip.dataset)}",
                )
            picture = frame.to_ndarray(format="rgb24")
            if picture.shape[:2] != (height, width):
                picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
            cache[row] = picture.transpose(2, 0, 1)
    cache.flush()


def _stacked(values: Any) -> Array:
    array = np.asarray(values)
    return np.stack(list(array)) if array.dtype == object else array
