"""Read the observations that a ManiSkill demo file may hold: pictures and readings, as `RecordEpisode` saves them.

Pictures come in two shapes: `rgb`, uint8 (T+1, H, W, 3), and the older `Color`, float (T+1, H, W, 4) in [0, 1].
"""

from collections.abc import Iterator
from math import prod

import h5py
import numpy as np

from mstool.contract import Array
from mstool.errors import DataError
from mstool.simulators.hdf5 import SPARE_BYTES, UNREADABLE, member, numbers, read_success

_PICTURES = ("rgb", "Color")
_FOLDERS = ("sensor_data", "image")  # ManiSkill3, ManiSkill2
_CHUNK = 16


class Recording:
    """The observations of one episode of T actions, in an open file.

    Raises
    ------
    DataError
        The episode holds no pictures or no joint positions, or fewer of them than actions.

    """

    def __init__(self, file: h5py.File, name: str) -> None:
        self.name = name
        try:
            self._read(file, name)
        except UNREADABLE as error:
            raise DataError(f"{name} in {file.filename} cannot be read: {error}") from error

    def _read(self, file: h5py.File, name: str) -> None:
        group = member(file, name)
        observations = member(group, "obs") if isinstance(group, h5py.Group) else None
        if not isinstance(group, h5py.Group) or not isinstance(observations, h5py.Group):
            raise DataError(
                f"{name} in {file.filename} holds no observations",
                fix="leave out --observations recorded: the demo is then replayed and rendered",
            )
        # T+1 observations belong to T actions; the last one is dropped.
        self._pictures = _find_pictures(observations)
        if not self._pictures:
            raise DataError(
                f"{name} in {file.filename} holds no RGB images (obs/sensor_data/<camera>/rgb or Color)",
                fix="leave out --observations recorded: the demo is then replayed and rendered",
            )
        self.qpos = _readings(member(observations, "agent"), "qpos")
        if self.qpos is None:
            raise DataError(f"{name} in {file.filename} holds no joint positions (obs/agent/qpos)")
        extra = member(observations, "extra")
        self.tcp_pose = _readings(extra, "tcp_pose")
        self.goal = _readings(extra, "goal_pos")
        self.success = read_success(group)

    @property
    def cameras(self) -> dict[str, tuple[int, int]]:
        """Return {camera: (height, width)} in the file's order, which is alphabetical."""
        return {name: (data.shape[1], data.shape[2]) for name, data in self._pictures.items()}

    def check_length(self, steps: int) -> None:
        """Raise DataError unless there is an observation before every one of `steps` actions."""
        assert self.qpos is not None
        counts = {name: len(data) for name, data in self._pictures.items()} | {"qpos": len(self.qpos)}
        if self.tcp_pose is not None:
            counts["tcp_pose"] = len(self.tcp_pose)
        short = {name: count for name, count in counts.items() if count not in {steps, steps + 1}}
        if short:
            raise DataError(f"{self.name} has {steps} actions, but as many observations: {short}")

    def frames(self, camera: str) -> Iterator[Array]:
        """Yield every picture of a camera, uint8 (H, W, 3) RGB."""
        data = self._pictures[camera]
        size = prod(data.shape[1:]) * data.dtype.itemsize
        count = max(1, min(_CHUNK, SPARE_BYTES // max(size, 1)))
        for start in range(0, len(data), count):
            try:
                pictures = numbers([data], slice(start, start + count))[0]
            except UNREADABLE as error:
                raise DataError(f"{data.name} cannot be read: {error}") from error
            for picture in pictures:
                yield as_rgb(picture)


def as_rgb(picture: Array) -> Array:
    """Turn uint8 RGB(A) or float RGBA in [0, 1] into uint8 (H, W, 3)."""
    colours = picture[..., :3]
    if colours.dtype == np.uint8:
        return np.ascontiguousarray(colours)
    if colours.dtype.kind != "f" or not np.isfinite(colours).all() or colours.min() < 0 or colours.max() > 1 + 1e-3:
        raise DataError(f"images are {colours.dtype} from {colours.min()} to {colours.max()}, expected uint8 or 0 .. 1")
    return np.clip(np.rint(colours.astype(np.float32) * 255), 0, 255).astype(np.uint8)


def _find_pictures(observations: h5py.Group) -> dict[str, h5py.Dataset]:
    found: dict[str, h5py.Dataset] = {}
    for folder in _FOLDERS:
        cameras = member(observations, folder)
        if not isinstance(cameras, h5py.Group):
            continue
        for camera in cameras:
            parts = member(cameras, camera)
            for kind in _PICTURES:
                data = member(parts, kind) if isinstance(parts, h5py.Group) else None
                if isinstance(data, h5py.Dataset) and data.ndim == 4 and data.shape[-1] in {3, 4}:
                    found.setdefault(camera, data)
    return found


def _readings(group: h5py.Group | h5py.Dataset | None, name: str) -> Array | None:
    """Return (T+1, D) float32; of several robots side by side, sorted by ManiSkill's key."""
    if not isinstance(group, h5py.Group):
        return None
    items = [member(group, name)]
    if not isinstance(items[0], h5py.Dataset):
        robots = [member(group, key) for key in sorted(group)]
        items = [member(robot, name) for robot in robots if isinstance(robot, h5py.Group)]
    found = [np.asarray(part, np.float32) for part in numbers([i for i in items if isinstance(i, h5py.Dataset)])]
    return np.concatenate(found, axis=1) if found else None
