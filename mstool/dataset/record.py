"""The record: what a dataset's numbers mean and how it was made, kept in a file of its own.

LeRobot passes over files that it does not know, but warns about entries of `meta/info.json` that it does not know, and
drops them when it rewrites that file. Up to version 0.1.1 the record was such an entry; it is still read there.
"""

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from mstool.atomic import replace_text
from mstool.contract import ControllerFacts, Goal, Observations, RenderDetail, VideoProfile
from mstool.dataset.files import INFO_FILE, RECORD_FILE, read_object

_INFO_ENTRY = "mstool"


@dataclass(frozen=True)
class Record:
    """Everything that a reader, or an evaluation that must invert it, needs to know of a dataset.

    Entries that a file lacks have the values below; a record that says nothing at all is false.
    """

    # The mstool that wrote it.
    version: str = ""
    # A name of `mstool.layouts`, and its conventions in words.
    layout: str = ""
    conventions: Mapping[str, str] = field(default_factory=dict)
    # {column: a unit per dimension}.
    units: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # ManiSkill's controller that executes the actions, and what one unit of each does (`ControllerFacts`).
    control_mode: str = ""
    controller: Mapping[str, float] = field(default_factory=dict)
    # {environment: its own}, where a dataset has environments of several benchmarks.
    controllers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    # ManiSkill's own conventions in words, for whoever replays the demos.
    maniskill: Mapping[str, str] = field(default_factory=dict)
    # {another benchmark: the same of it}.
    benchmarks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # ManiSkill's name of the (first) robot, {environment: robot}, and a robot to be built in place of the environment's
    # own: read and kept to, while no command asks for one.
    robot: str = ""
    robots: Mapping[str, str] = field(default_factory=dict)
    robot_uids: str | None = None
    observations: Observations = "replayed"
    env_ids: Sequence[str] = ()
    goal: Goal = "visible"
    # Datasets made before it could be chosen are full.
    render_detail: RenderDetail = "full"
    # How its videos were encoded; empty where there are none, and before it could be chosen: they were exact.
    video_profile: VideoProfile | Literal[""] = ""
    # {camera column: view}.
    views: Mapping[str, str] = field(default_factory=dict)
    # (height, width), pixels.
    image_size: Sequence[int] = ()
    # {environment: {view: where its camera is}} (`CameraFacts`); an environment that is missing does not say.
    cameras: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    # {environment: frames of the longest episode that was kept}.
    horizon: Mapping[str, int] = field(default_factory=dict)
    # {environment: steps in which the robot stays after a demo's end}, the most of any episode, where there are some.
    hold_steps: Mapping[str, int] = field(default_factory=dict)
    # {environment: whether its demos never move the gripper}.
    gripper_constant: Mapping[str, bool] = field(default_factory=dict)
    # Where the demos come from: env_id, origin, env_kwargs, ... of each source.
    demos: Sequence[Mapping[str, Any]] = ()
    # {reason: demos that were not kept}.
    dropped: Mapping[str, int] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    # {view: lowest PSNR of any frame to what was rendered, dB}.
    psnr_db: Mapping[str, float] = field(default_factory=dict)
    # {what a person said of the dataset: what the data say to it}, where a person did.
    stated: Mapping[str, str] = field(default_factory=dict)
    # The LeRobot version that `mstool export` read.
    exported_from: str = ""

    def __bool__(self) -> bool:
        """Whether there is a record."""
        return self != Record()

    @property
    def converted(self) -> bool:
        """Whether mstool made the dataset, and knows more of it than what a person said."""
        return bool(self) and not self.stated

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Record":
        """Read what `to_json` gave; an entry of another kind than it must be counts as missing."""
        return cls(**{name: data[name] for name, fits in _FITS.items() if name in data and fits(data[name])})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data, in the order of the fields."""
        entries = asdict(self)
        rare = ("benchmarks", "controllers", "exported_from", "stated", "hold_steps", "video_profile")
        return {name: value for name, value in entries.items() if value or name not in rare}

    def differences(self, other: "Record", names: Iterable[str]) -> list[tuple[str, object, object]]:
        """Return (name, own value, other's value) of each of the entries `names` in which two records differ."""
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in names]
        return [(name, ours, theirs) for name, ours, theirs in pairs if ours != theirs]

    def controller_of(self, env_id: str) -> Mapping[str, float]:
        """Return what one unit of each action does in an environment."""
        return self.controllers.get(env_id, self.controller)

    def facts(self, env_id: str = "") -> ControllerFacts:
        """Return the same, typed."""
        return ControllerFacts(**self.controller_of(env_id))  # type: ignore[arg-type]  # fps is a whole number there

    def env_kwargs(self, env_id: str) -> Mapping[str, Any]:
        """Return the arguments with which the environment's demos were recorded."""
        return next((demo.get("env_kwargs") or {} for demo in self.demos if demo.get("env_id", env_id) == env_id), {})


def read_record(root: Path) -> Record:
    """Return the record of the dataset at `root`; a false one where it was made elsewhere, or rewritten by LeRobot.

    Raises
    ------
    DataError
        The record, or the file that may hold it, is not a JSON object.

    """
    fix = shlex.join(["mstool", "describe", str(root), "--from", "ORIGINAL", "--overwrite"])
    own, info = root / RECORD_FILE, root / INFO_FILE
    if own.is_file():
        return Record.from_json(read_object(own, fix=fix))
    entry = read_object(info, fix=fix).get(_INFO_ENTRY) if info.is_file() else None
    return Record.from_json(entry if isinstance(entry, dict) else {})


def lack_of_record(root: Path) -> str:
    """Say why a dataset has a record that is false: its file is not there, or says nothing."""
    return f"{RECORD_FILE} says nothing" if (root / RECORD_FILE).is_file() else f"no {RECORD_FILE}"


def write_record(root: Path, record: Record) -> None:
    """Write the record of the dataset at `root`."""
    replace_text(root / RECORD_FILE, json.dumps(record.to_json(), indent=2))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _list_of(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(fits(each) for each in value)


def _table_of(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, dict) and all(fits(each) for each in value.values())


_WORDS = {"goal": Goal, "observations": Observations, "render_detail": RenderDetail}
_FITS: dict[str, Callable[[object], bool]] = {
    **{each.name: _is_text for each in fields(Record) if each.type in {"str", str}},
    **{name: get_args(words).__contains__ for name, words in _WORDS.items()},
    "video_profile": ("", *get_args(VideoProfile)).__contains__,
    "robot_uids": lambda value: value is None or isinstance(value, str),
    **dict.fromkeys(("env_ids", "warnings"), _list_of(_is_text)),
    **dict.fromkeys(("conventions", "maniskill", "robots", "views", "stated"), _table_of(_is_text)),
    **dict.fromkeys(("horizon", "hold_steps", "dropped"), _table_of(lambda value: isinstance(value, int))),
    **dict.fromkeys(("controller", "psnr_db"), _table_of(_is_number)),
    "benchmarks": _table_of(_table_of(_is_text)),
    "controllers": _table_of(_table_of(_is_number)),
    "cameras": _table_of(_table_of(lambda value: isinstance(value, dict))),
    "gripper_constant": _table_of(lambda value: isinstance(value, bool)),
    "units": _table_of(_list_of(_is_text)),
    "image_size": lambda value: isinstance(value, list) and len(value) == 2 and all(isinstance(n, int) for n in value),
    "demos": _list_of(lambda value: isinstance(value, dict)),
}
