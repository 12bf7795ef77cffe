"""From a joint path to joint positions at every control step, as fast as the limits allow."""

import logging
import warnings
from dataclasses import dataclass

import numpy as np

from mstool.errors import MstoolError
from mstool.simulators.maniskill.planner.rotations import Array, Float64

with warnings.catch_warnings():
    # Its docstrings hold backslashes that CPython 3.12 warns about.
    warnings.simplefilter("ignore", SyntaxWarning)
    import toppra
    from toppra.algorithm import TOPPRA
    from toppra.constraint import JointAccelerationConstraint, JointVelocityConstraint

# toppra reports every path it retimes.
logging.getLogger("toppra").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Trajectory:
    """A path with times: k samples of m joints."""

    # (k,) s, from 0 to `duration`.
    time: Float64
    # (k, m) rad.
    position: Float64
    # (k, m) rad/s.
    velocity: Float64
    # (k, m) rad/s^2.
    acceleration: Float64
    # s.
    duration: float


def retime(path: Array, velocity_limits: Array, acceleration_limits: Array, *, time_step: float) -> Trajectory:
    """Time-optimal parametrization of a joint path, from rest to rest.

    Source: TOPP-RA (Pham and Pham, 2018) as the package `toppra` has it, on a cubic spline through the path's
    points. The samples are evenly spaced from start to end; there are floor(duration / time_step) of them, so
    they lie a little further apart than one time step, and a path shorter than a step has none. Both are
    mplib 0.1.1's.

    Parameters
    ----------
    path
        (p, m) joint positions (rad), p >= 2.
    velocity_limits, acceleration_limits
        (m,) largest magnitudes, rad/s and rad/s^2.
    time_step
        Control period, s.

    Raises
    ------
    MstoolError
        No parametrization keeps the limits.

    """
    spline = toppra.SplineInterpolator(np.linspace(0, 1, len(path)), path)
    limits = [JointVelocityConstraint(velocity_limits), JointAccelerationConstraint(acceleration_limits)]
    timed = TOPPRA(limits, spline, parametrizer="ParametrizeConstAccel").compute_trajectory()
    if timed is None:
        raise MstoolError("the joint path cannot be followed within the velocity and acceleration limits")
    duration = float(timed.duration)
    time = np.linspace(0, duration, int(duration / time_step), dtype=np.float64)
    return Trajectory(time, timed(time), timed(time, 1), timed(time, 2), duration)
