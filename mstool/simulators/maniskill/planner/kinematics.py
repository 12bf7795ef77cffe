"""A robot's kinematics from its URDF: where a link is, and how the joints move it."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mstool.errors import DataError
from mstool.simulators.maniskill.planner.rotations import Array, Float64, matrix_from_rpy, quaternion_from_matrix

MOVING_TYPES = ("revolute", "prismatic")


@dataclass(frozen=True)
class Joint:
    """One joint of a URDF: how the child link sits in the parent link at joint position zero."""

    name: str
    type: str
    parent: str
    child: str
    # (3, 3) rotation and (3,) position (m) of the joint's frame in the parent link.
    rotation: Float64
    position: Float64
    # (3,) unit axis in the joint's frame.
    axis: Float64
    # rad or m.
    lower: float
    upper: float


def read_joints(urdf: Path) -> list[Joint]:
    """Every joint of a URDF file, in the file's order.

    Raises
    ------
    DataError
        The file is missing or not XML, or a joint has a type other than fixed, revolute or prismatic.

    """
    try:
        root = ET.parse(urdf).getroot()  # noqa: S314 -- a robot description that an installed package ships
    except (OSError, ET.ParseError) as error:
        raise DataError(f"cannot read the robot description {urdf}: {error}") from error
    return [_joint(element, urdf) for element in root.findall("./joint")]


def _joint(element: ET.Element, urdf: Path) -> Joint:
    name, type_ = element.get("name", ""), element.get("type", "")
    if type_ not in (*MOVING_TYPES, "fixed"):
        raise DataError(f"{urdf}: joint {name!r} is {type_!r}; the planner knows fixed, revolute and prismatic")
    roll, pitch, yaw = _numbers(element.find("origin"), "rpy", "0 0 0")
    axis = np.array(_numbers(element.find("axis"), "xyz", "1 0 0"))
    (lower,) = _numbers(element.find("limit"), "lower", "0")
    (upper,) = _numbers(element.find("limit"), "upper", "0")
    return Joint(
        name=name,
        type=type_,
        parent=_link(element, "parent"),
        child=_link(element, "child"),
        rotation=matrix_from_rpy(roll, pitch, yaw),
        position=np.array(_numbers(element.find("origin"), "xyz", "0 0 0")),
        axis=axis / np.linalg.norm(axis),
        lower=lower,
        upper=upper,
    )


def _numbers(element: ET.Element | None, attribute: str, default: str) -> list[float]:
    text = default if element is None else element.get(attribute, default)
    return [float(number) for number in text.split()]


def _link(joint: ET.Element, role: str) -> str:
    element = joint.find(role)
    return "" if element is None else element.get("link", "")


class Chain:
    """The joints between a robot's base and one of its links.

    Parameters
    ----------
    urdf
        Path of the robot's URDF file.
    joint_names
        The robot's active joints in the order of its joint positions (n names). Joints that are not between
        base and link belong here too: their columns of the Jacobian are zero.
    link
        The link whose pose and Jacobian are wanted.

    Attributes
    ----------
    limits : (n, 2) float64, lower and upper position of every active joint (rad or m)
    on_chain : positions in `joint_names` of the joints that move the link, from the base outwards

    Raises
    ------
    DataError
        The file cannot be read or lacks one of the names.

    """

    def __init__(self, urdf: str | Path, joint_names: Sequence[str], link: str) -> None:
        joints = read_joints(Path(urdf))
        by_name = {joint.name: joint for joint in joints}
        by_child = {joint.child: joint for joint in joints}
        missing = [name for name in joint_names if name not in by_name]
        if link not in by_child:
            missing.append(link)
        if missing:
            raise DataError(f"{urdf} has no joint or no moving link named {', '.join(map(repr, missing))}")
        self.joint_names = tuple(joint_names)
        self.limits = np.array([(by_name[name].lower, by_name[name].upper) for name in joint_names])

        chain = [by_child[link]]
        while chain[0].parent in by_child:
            chain.insert(0, by_child[chain[0].parent])
        self.on_chain = [self.joint_names.index(joint.name) for joint in chain if joint.name in joint_names]
        self._moving = []
        rotation: Float64 = np.eye(3)
        position: Float64 = np.zeros(3)
        for joint in chain:
            position = position + rotation @ joint.position
            rotation = rotation @ joint.rotation
            if joint.name in joint_names:
                self._moving.append((joint, rotation, position))
                rotation, position = np.eye(3), np.zeros(3)
        self._tip = rotation, position

    def pose(self, qpos: Array) -> Float64:
        """Pose of the link in the base frame.

        Parameters
        ----------
        qpos
            (n,) joint positions, rad or m.

        Returns
        -------
        (7,) float64: position (m), then quaternion w, x, y, z

        """
        rotation, position, _ = self._walk(qpos)
        return np.concatenate([position, quaternion_from_matrix(rotation)])

    def jacobian(self, qpos: Array) -> Float64:
        """Spatial Jacobian: joint velocities to the link's twist, taken at the base's origin.

        Column i is the twist of joint i: for a revolute joint with axis w through point p (both in the base
        frame) it is [p x w; w], for a prismatic one [w; 0] (Lynch and Park, Modern Robotics, section 5.1.1,
        with the linear part first).

        Parameters
        ----------
        qpos
            (n,) joint positions, rad or m.

        Returns
        -------
        (6, n) float64: linear velocity (m/s) of the point that is at the base's origin, angular velocity
        (rad/s)

        """
        return self._walk(qpos)[2]

    def _walk(self, qpos: Array) -> tuple[Float64, Float64, Float64]:
        jacobian = np.zeros((6, len(self.joint_names)))
        rotation: Float64 = np.eye(3)
        position: Float64 = np.zeros(3)
        for column, (joint, joint_rotation, joint_position) in zip(self.on_chain, self._moving, strict=True):
            value = float(qpos[column])
            position = position + rotation @ joint_position
            rotation = rotation @ joint_rotation
            axis = rotation @ joint.axis
            if joint.type == "revolute":
                jacobian[:3, column] = _cross(position, axis)
                jacobian[3:, column] = axis
                rotation = rotation @ _turn(joint.axis, value)
            else:
                jacobian[:3, column] = axis
                position = position + axis * value
        tip_rotation, tip_position = self._tip
        return rotation @ tip_rotation, position + rotation @ tip_position, jacobian


def _turn(axis: Float64, angle: float) -> Float64:
    """Rotation matrix of `angle` (rad) about the (3,) unit `axis`, by Rodrigues' formula."""
    x, y, z = axis
    along = np.outer(axis, axis)
    across = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    # In this order, an axis of zeros and a one gives the exact sine and cosine.
    turn: Float64 = along + np.cos(angle) * (np.eye(3) - along) + np.sin(angle) * across
    return turn


def _cross(a: Float64, b: Float64) -> list[float]:
    """Cross product of two (3,) vectors; `np.cross` spends ten times as long on its generality."""
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
