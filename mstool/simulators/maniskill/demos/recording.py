"""Read the observations that a ManiSkill demo file may hold: pictures and readings, as `RecordEpisode` saves them.

Pictures come in two shapes: `rgb`, uint8 (T+1, H, W, 3), and the older `Color`, float (T+1, H, W, 4) in [0, 1].
"""

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from mstool.contract import Array
from mstool.errors import DataError

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
        group = file[name]
        observations = group.get("obs")
        if not isinstance(observations, h5py.Group):
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
        self.qpos = _numbers(observations.get("agent"), "qpos")
        if self.qpos is None:
            raise DataError(f"{name} in {file.filename} holds no joint positions (obs/agent/qpos)")
        extra = observations.get("extra")
        self.tcp_pose = _numbers(extra, "tcp_pose")
        self.goal = _numbers(extra, "goal_pos")
        success = group.get("success")
        self.success: bool | None = bool(success[-1]) if isinstance(success, h5py.Dataset) and len(success) else None

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
        for start in range(0, len(data), _CHUNK):
            for picture in data[start : start + _CHUNK]:
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
        cameras = observations.get(folder)
        for camera in cameras if isinstance(cameras, h5py.Group) else ():
            for kind in _PICTURES:
                data = cameras[camera].get(kind) if isinstance(cameras[camera], h5py.Group) else None
                if isinstance(data, h5py.Dataset) and data.ndim == 4 and data.shape[-1] in {3, 4}:
                    found.setdefault(camera, data)
    return found


def _numbers(group: Any, name: str) -> Array | None:
    """Return (T+1, D) float32; of several robots side by side, sorted by ManiSkill's key."""
    if not isinstance(group, h5py.Group):
        return None
    if isinstance(group.get(name), h5py.Dataset):
        return np.asarray(group[name], np.float32)
    parts = [_numbers(group[key], name) for key in sorted(group) if isinstance(group[key], h5py.Group)]
    found = [part for part in parts if part is not None]
    return np.concatenate(found, axis=1) if found else None
