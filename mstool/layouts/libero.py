"""`libero`: what pi05_libero expects, end effector state and delta actions in LIBERO's sense and units."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from mstool.contract import Array, RobotTrack
from mstool.layouts.base import REACH, Camera, PhysicalLayout, VectorMeaning, tcp_or_fail
from mstool.layouts.command import Command, Units
from mstool.layouts.facts import ActionFacts, Gripper, TwoFingers
from mstool.layouts.openpi import LIBERO_DATA
from mstool.layouts.rotations import continuous_axis_angle, quat_to_axis_angle

# robosuite's OSC_POSE controller as LIBERO configures it: output_max 0.05 m and 0.5 rad at an input of 1.0.
METRES_PER_UNIT = 0.05
RADIANS_PER_UNIT = 0.5
GRIPPER_DOWN = (np.pi, 0.0, 0.0)


class LiberoLayout(PhysicalLayout):
    """State: eef position, axis-angle, two fingers. Action: delta position, delta rotation, gripper."""

    name = "libero"
    summary = "eef pose + two fingers; eef deltas in LIBERO's units; what pi05_libero reads"
    owner = "LIBERO"
    state = VectorMeaning(
        ("x", "y", "z", "axis_angle_x", "axis_angle_y", "axis_angle_z", "finger_left", "finger_right"),
        ("m", "m", "m", "rad", "rad", "rad", "m", "m"),
    )
    state_kind = "eef_axis_angle"
    fingers = TwoFingers(6, signs=(1, -1))
    needs_tcp = True
    control_modes = ("pd_ee_delta_pose",)
    cameras = (
        Camera("base", "image", "observation.images.image"),
        Camera("wrist", "wrist_image", "observation.images.image2"),
    )
    image_size = (256, 256)
    conventions: ClassVar[dict[str, str]] = {
        "state_frame": "world; tool centre point between the fingers",
        "rotation": "axis-angle, continuous within an episode, first frame on the branch closest to (pi, 0, 0)",
        "fingers": "left positive, right negative, as robosuite reports them",
        "action_position": "the step's target, base frame, 1.0 = 0.05 m away",
        "action_rotation": "the step's target, axis-angle about the base frame's axes, 1.0 = 0.5 rad away, positive "
        "turns positively",
        "action_reach": REACH,
        "gripper_action": "-1 open, +1 close",
    }
    openpi = LIBERO_DATA
    _action = VectorMeaning(
        ("dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"),
        ("0.05 m", "0.05 m", "0.05 m", "0.5 rad", "0.5 rad", "0.5 rad", "-1 open, +1 close"),
    )
    _facts = ActionFacts(
        "ee_delta",
        Gripper(6, open=-1.0, closed=1.0),
        position_m=METRES_PER_UNIT,
        rotation_rad=RADIANS_PER_UNIT,
    )

    def action(self, control_mode: str) -> VectorMeaning:
        """Return the seven names and units."""
        self.check_control_mode(control_mode)
        return self._action

    def action_facts(self, control_mode: str, controller: Mapping[str, float] | None = None) -> ActionFacts:  # noqa: ARG002
        """Return LIBERO's units, whatever the simulator's are."""
        self.check_control_mode(control_mode)
        return self._facts

    def encode_state(self, track: RobotTrack) -> Array:
        """Return (T, 8): position m, axis-angle rad, fingers (+, -) m."""
        pose = tcp_or_fail(track, self.name)
        turn = continuous_axis_angle(quat_to_axis_angle(pose[:, 3:]), np.array(GRIPPER_DOWN))
        fingers = track.qpos[:, -2:] * [1.0, -1.0]
        return np.concatenate([pose[:, :3], turn, fingers], axis=1).astype(np.float32)

    def store(self, command: Command, control_mode: str) -> Array:  # noqa: ARG002
        """Return way, rotation vector and gripper in LIBERO's units; -1 opens."""
        assert command.position is not None
        assert command.turn is not None
        way = command.position * (command.units.position_m / METRES_PER_UNIT)
        return np.concatenate([way, command.turn / RADIANS_PER_UNIT, -command.gripper], axis=1).astype(np.float32)

    def command(self, actions: Array, units: Units, control_mode: str) -> Command:  # noqa: ARG002
        """Invert `store`."""
        return Command(
            units,
            -actions[:, 6:],
            position=actions[:, :3] * (METRES_PER_UNIT / units.position_m),
            turn=actions[:, 3:6] * RADIANS_PER_UNIT,
        )
