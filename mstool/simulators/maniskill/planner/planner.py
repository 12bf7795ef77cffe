"""`Planner`: what ManiSkill's solvers call `mplib.Planner`."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mstool.errors import MstoolError
from mstool.simulators.maniskill.planner.kinematics import Chain
from mstool.simulators.maniskill.planner.retime import retime
from mstool.simulators.maniskill.planner.rotations import Array, Float64, pose_in_frame
from mstool.simulators.maniskill.planner.screw import screw_path

Plan = dict[str, str | float | Float64]


class Planner:
    """Plans screw motions of one link of a robot, with the interface of mplib 0.1.1's `Planner`.

    Parameters
    ----------
    urdf
        Path of the robot's URDF file.
    move_group
        The link to move.
    srdf
        Accepted for mplib's sake; it lists collisions to ignore, and collisions are not checked.
    user_link_names
        Accepted for mplib's sake.
    user_joint_names
        The robot's active joints in the order of its joint positions (n names).
    joint_vel_limits, joint_acc_limits
        (m,) largest magnitudes for the m joints that move the link, rad/s and rad/s^2; 1 if not given.
        ManiSkill's solvers set the attributes of the same names afterwards.

    Attributes
    ----------
    joint_limits : (n, 2) lower and upper joint positions, rad or m
    move_group_joint_indices : positions of the m joints that move the link among the n

    Raises
    ------
    DataError
        The URDF cannot be read or lacks a name.

    """

    def __init__(
        self,
        urdf: str,
        move_group: str,
        *,
        srdf: str = "",  # noqa: ARG002 -- mplib's signature
        user_link_names: Sequence[str] = (),  # noqa: ARG002 -- mplib's signature
        user_joint_names: Sequence[str] = (),
        joint_vel_limits: npt.ArrayLike | None = None,
        joint_acc_limits: npt.ArrayLike | None = None,
    ) -> None:
        self._chain = Chain(urdf, user_joint_names, move_group)
        self.joint_limits = self._chain.limits
        self.move_group_joint_indices = self._chain.on_chain
        ones: Float64 = np.ones(len(self.move_group_joint_indices))
        self.joint_vel_limits = ones if joint_vel_limits is None else np.asarray(joint_vel_limits)
        self.joint_acc_limits = ones if joint_acc_limits is None else np.asarray(joint_acc_limits)
        self._base_pose: Float64 = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
        self._qpos: Float64 = np.zeros(len(self._chain.joint_names))

    def set_base_pose(self, pose: npt.ArrayLike) -> None:
        """Say where the robot's base is: (7,) position (m) and quaternion w, x, y, z in the world."""
        self._base_pose = np.asarray(pose, dtype=np.float64)

    def plan_screw(
        self,
        target_pose: Array,
        qpos: Array,
        *,
        qpos_step: float = 0.1,
        time_step: float = 0.1,
        use_point_cloud: bool = False,
        wrt_world: bool = True,
    ) -> Plan:
        """Plan the screw motion that carries the link from where `qpos` has it to a pose.

        Parameters
        ----------
        target_pose
            (7,) position (m) and quaternion w, x, y, z.
        qpos
            (n,) or (m,) joint positions at the start, rad or m.
        qpos_step
            Norm of one step of the joint path, rad.
        time_step
            Control period, s.
        use_point_cloud
            Must be False: obstacles are not supported.
        wrt_world
            Whether the pose is given in the world (else in the robot's base frame).

        Returns
        -------
        `{"status": "Success", "time", "position", "velocity", "acceleration", "duration"}` (see
        `Trajectory`), or `{"status": "screw plan failed"}` when there is no such motion (see `screw_path`).

        Raises
        ------
        MstoolError
            A point cloud is asked for, `qpos` has another length, or no timing keeps the limits.

        """
        if use_point_cloud:
            raise MstoolError("this planner knows no obstacles: plan_screw(use_point_cloud=True) is not supported")
        start: Array = self._full_qpos(qpos)
        self._qpos = start.astype(np.float64)
        target: Array = pose_in_frame(target_pose, self._base_pose) if wrt_world else target_pose
        path = screw_path(self._chain, start, target, step=qpos_step)
        if path is None:
            return {"status": "screw plan failed"}
        timed = retime(path, self.joint_vel_limits, self.joint_acc_limits, time_step=time_step)
        return {
            "status": "Success",
            "time": timed.time,
            "position": timed.position,
            "velocity": timed.velocity,
            "acceleration": timed.acceleration,
            "duration": timed.duration,
        }

    def _full_qpos(self, qpos: Array) -> Array:
        """Put joints that do not move the link where they last were.

        mplib takes a `qpos` of m entries for the moving joints alone and writes it into its own float64 copy,
        even when m == n. So a robot without a gripper is planned for in float64, one with a gripper in
        float32.
        """
        if len(qpos) == len(self.move_group_joint_indices):
            padded = self._qpos.copy()
            padded[: len(qpos)] = qpos
            return padded
        if len(qpos) != len(self._qpos):
            raise MstoolError(
                f"qpos has {len(qpos)} entries; the robot has {len(self._qpos)} joints, "
                f"{len(self.move_group_joint_indices)} of which move the link"
            )
        return qpos.copy()
