"""The Franka Panda, as ManiSkill's `panda` and `panda_wristcam` are; other tools call it Franka."""

import math

from mstool.robots.base import HandCamera, Link, Robot

_RIGHT = math.pi / 2
_SOLUTIONS = "mani_skill.examples.motionplanning.panda.solutions"
_FINGER_OPEN_M = 0.04
# ManiSkill 3.0.1, `mani_skill/agents/robots/panda/panda.py`, `_controller_configs`: arm_pd_ee_delta_pose (pos_upper
# 0.1, and rot_lower -0.1 by which `PDEEPoseController` multiplies), arm_pd_joint_delta_pos (upper 0.1) and
# gripper_pd_joint_pos.
# A test compares them with what the simulated controller says.
_FINGERS = {"finger_closed_m": -0.01, "finger_open_m": _FINGER_OPEN_M}

PANDA = Robot(
    name="Panda",
    described="a Panda, seven arm joints and two fingers",
    words=("panda", "franka"),
    joints=tuple(f"joint_{i}" for i in range(1, 8)),
    # Denavit-Hartenberg parameters and joint limits: Franka Emika, "Franka Control Interface Documentation", Robot and
    # interface specifications. The hand is turned against the flange; the tool centre point is 0.1034 m beyond it.
    lower=(-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973),
    upper=(2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973),
    fingers=("finger_left", "finger_right"),
    finger_open_m=_FINGER_OPEN_M,
    links=(
        Link(0.0, 0.333, 0.0),
        Link(0.0, 0.0, -_RIGHT),
        Link(0.0, 0.316, _RIGHT),
        Link(0.0825, 0.0, _RIGHT),
        Link(-0.0825, 0.384, -_RIGHT),
        Link(0.0, 0.0, _RIGHT),
        Link(0.088, 0.0, _RIGHT),
    ),
    tool_turn=-math.pi / 4,
    hand_m=0.107,
    tool_beyond_hand_m=0.1034,
    # `panda_wristcam` carries its camera here (panda_v3.urdf: realsense_joint then camera_link_joint, below
    # panda_hand). The same pose on the plain Panda's hand gives the same view without the camera's 15 MB mesh; the
    # dynamics stay.
    hand_camera=HandCamera(
        link="panda_hand",
        position=(0.0464982, -0.0200011, 0.0360011),
        quaternion=(0.0, 0.70710678, 0.0, 0.70710678),
        fov=math.pi / 2,
    ),
    controllers={
        "pd_ee_delta_pose": {"position_m": 0.1, "rotation_rad": -0.1, **_FINGERS},
        "pd_joint_delta_pos": {"joint_rad": 0.1, **_FINGERS},
        "pd_joint_pos": _FINGERS,
    },
    # Measured on ManiSkill 3.0.1, steady motion in free space, for end effector and joint deltas alike: both start each
    # step from where the arm is.
    gain=0.39,
    # LIBERO's OSC_POSE, critically damped at kp = 150 1/s^2: in steady motion 1 / (2 / (sqrt(kp) T) + 1/2) = 0.27 of a
    # step of T = 0.05 s; 0.24 was measured over an episode that starts and stops.
    gains_elsewhere={0.05: 0.25},
    # DrawSVG's is left out: its environment needs a package that reads SVG files.
    solutions={
        "DrawTriangle-v1": f"{_SOLUTIONS}.draw_triangle",
        "LiftPegUpright-v1": f"{_SOLUTIONS}.lift_peg_upright",
        "PegInsertionSide-v1": f"{_SOLUTIONS}.peg_insertion_side",
        "PickCube-v1": f"{_SOLUTIONS}.pick_cube",
        "PlaceSphere-v1": f"{_SOLUTIONS}.place_sphere",
        "PlugCharger-v1": f"{_SOLUTIONS}.plug_charger",
        "PullCube-v1": f"{_SOLUTIONS}.pull_cube",
        "PullCubeTool-v1": f"{_SOLUTIONS}.pull_cube_tool",
        "PushCube-v1": f"{_SOLUTIONS}.push_cube",
        "StackCube-v1": f"{_SOLUTIONS}.stack_cube",
        "StackPyramid-v1": f"{_SOLUTIONS}.stack_pyramid",
    },
    solved_as=("panda", "panda_wristcam", "panda_stick"),
    # Seen in these ten tasks, each at most 0.05 m away.
    start_m=(0.0, 0.0, 0.17),
)
