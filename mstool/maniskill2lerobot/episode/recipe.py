"""A recipe: everything that decides what an episode's shard holds, and nothing else."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mstool import __version__
from mstool.contract import Array, Goal, Observations, RenderDetail, RobotFacts, Storage, VideoProfile
from mstool.layouts import DEFAULT_LAYOUT, Camera, Layout, get_layout
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.demos import Demo


@dataclass(frozen=True)
class Recipe:
    """How demos of one environment become episodes."""

    env_id: str
    # The sentence stored with every frame.
    instruction: str
    # The most steps an episode may take; longer ones are dropped.
    horizon: int
    layout_name: str = DEFAULT_LAYOUT
    # The controller that executes the stored actions; empty until the demo's own is known.
    control_mode: str = "pd_ee_delta_pose"
    # The views that are rendered, the layout's own in its order.
    views: tuple[str, ...] = ("base", "wrist")
    # (height, width) in pixels.
    image_size: tuple[int, int] = (256, 256)
    # `visible` draws the goal marker, `hidden` leaves it out, `state` leaves it out and stores its position.
    goal: Goal = "visible"
    # How pictures are kept in a shard: H.264, PNG, or both for two formats from one replay.
    storages: tuple[Storage, ...] = ("video",)
    # How its videos are encoded.
    video_profile: VideoProfile = "exact"
    # `replayed` executes the demo and renders it, `recorded` takes the pictures and readings that the demo file holds,
    # `states` renders the states that it holds.
    observations: Observations = "replayed"
    # `fast` draws robot and floor with a fraction of their triangles.
    render_detail: RenderDetail = "full"
    # Whether episodes that do not solve their task are kept, and marked.
    keep_failures: bool = False
    # Steps after a demo's end in which the robot stays where it is.
    hold_steps: int = 0
    # Whether steps that ask for nothing, a person's pauses, are executed and kept.
    keep_noops: bool = False
    # What the robot's numbers are called, once an episode told; only `native` depends on it.
    names: RobotFacts | None = None

    def __post_init__(self) -> None:
        """Check what the fields must agree on.

        Raises
        ------
        UsageError
            The layout is unknown or cannot be executed in the control mode.

        """
        if self.control_mode:
            self.layout.check_control_mode(self.control_mode)

    @property
    def layout(self) -> Layout:
        """The layout itself, with the robot's names where they are known."""
        layout = get_layout(self.layout_name)
        return layout.bound(self.names) if self.names else layout

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """The layout's cameras that are rendered."""
        return self.layout.cameras_of(self.views)

    def of(self, demo: Demo) -> Demo:
        """Return what of a demo is executed."""
        return demo if self.keep_noops else demo.without_idle()

    def simulator_spec(self, demo: Demo) -> SimulatorSpec:
        """Return the environment in which `demo` is replayed."""
        return SimulatorSpec(
            env_id=self.env_id,
            control_mode=self.control_mode,
            views=tuple(camera.view for camera in self.cameras),
            image_size=self.image_size,
            goal_visible=self.goal == "visible",
            render_detail=self.render_detail,
            env_kwargs=demo.env_kwargs,
            env_kwargs_in=demo.listed_in,
        )

    def made_from(self, demo: Demo) -> dict[str, Any]:
        """Return everything that decides a shard's content, as plain JSON data: equal data, equal shards.

        The tool's version, the recipe's fields, and under `demo` the demo's own, arrays as their SHA-256.
        """
        of_demo: dict[str, Any] = {
            "env_id": demo.env_id,
            "seed": demo.seed,
            "control_mode": demo.control_mode,
            "reset_options": demo.reset_options,
            "env_kwargs": demo.env_kwargs,
            "actions": hashlib.sha256(np.ascontiguousarray(demo.actions).tobytes()).hexdigest(),
            "first_state": _hash_states(demo.first_state or {}),
        }
        if self.observations == "recorded":
            of_demo["observations"] = demo.observations
        if self.observations == "states":
            of_demo["states"] = demo.states
        # The robot is the environment's default, or the one in the demo's `env_kwargs`; markers have always said so.
        made_from = {"tool_version": __version__, **asdict(self), "robot": None, "demo": of_demo}
        usual = {"keep_failures": False, "hold_steps": 0, "keep_noops": False, "video_profile": "exact"}
        for name, value in usual.items():
            if made_from[name] == value:
                # As markers have always been, which did not name it.
                del made_from[name]
        data: dict[str, Any] = json.loads(_canonical(made_from))
        return data

    def fingerprint(self, demo: Demo) -> str:
        """Hash of `made_from`: 64 hexadecimal digits."""
        return hashlib.sha256(_canonical(self.made_from(demo))).hexdigest()


def _hash_states(states: Mapping[str, Mapping[str, Array]]) -> str:
    digest = hashlib.sha256()
    for kind, bodies in sorted(states.items()):
        for name, state in sorted(bodies.items()):
            digest.update(_canonical([kind, name]) + np.ascontiguousarray(state).tobytes())
    return digest.hexdigest()


def _canonical(data: Any) -> bytes:
    return json.dumps(data, sort_keys=True, default=str).encode()
