"""One ManiSkill environment as conversion and evaluation need it: step, read the robot, take pictures."""

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mstool.contract import ControllerFacts, RobotReading
from mstool.errors import MstoolError, SetupError, UsageError
from mstool.simulation.cameras import mount_cameras, take_pictures
from mstool.simulation.devices import render_backend
from mstool.simulation.registry import check_env_id

type State = Mapping[str, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class SimulatorSpec:
    """Everything that decides what an episode looks like and how its actions are executed."""

    env_id: str
    # ManiSkill's name of the controller that executes the stored actions.
    control_mode: str
    # None takes the environment's own default robot.
    robot: str | None = None
    # View names, see `mstool.simulation.cameras`; empty for physics only.
    views: tuple[str, ...] = ()
    # (height, width) in pixels, the same for every view.
    image_size: tuple[int, int] = (256, 256)
    # Whether ManiSkill's hidden goal markers are drawn.
    goal_visible: bool = True
    # Further arguments of the environment, as a demo's `.json` records them.
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)


class Simulator:
    """A ManiSkill environment on PhysX's CPU back end, rebuilt at every reset.

    A scene that already ran an episode keeps solver state that `reset` does not clear: the same seed and actions
    then end up to 4 cm elsewhere (measured on StackCube). `reset` therefore rebuilds the scene (0.2 s), which makes an
    episode a function of its seed and actions alone.

    Raises
    ------
    UsageError
        Unknown environment, robot or control mode.
    SetupError
        No device to render on.

    """

    def __init__(self, spec: SimulatorSpec) -> None:
        check_env_id(spec.env_id)
        self.spec = spec
        self._env = _make(spec)
        self._cameras: dict[str, Any] = {}

    def reset(self, seed: int, options: Mapping[str, Any] | None = None, state: State | None = None) -> None:
        """Start the episode of `seed`; `state` (a demo's first environment state) replaces what the seed gives."""
        self._env.reset(seed=seed, options={**(options or {}), "reconfigure": True})
        if state is not None and not self._is_at(state):
            self._env.set_state_dict(_as_batched(state))
        for marker in self._env._hidden_objects:
            marker.show_visual() if self.spec.goal_visible else marker.hide_visual()
        self._cameras = mount_cameras(self._env, self.spec.views, self.spec.image_size)

    def step(self, action: np.ndarray) -> bool:
        """Execute one action, shape (A,), for one control period; True when the task counts as solved afterwards."""
        info = self._env.step(np.asarray(action, np.float32))[4]
        return bool(info["success"]) if "success" in info else False

    def images(self) -> dict[str, np.ndarray]:
        """Take one picture per view: uint8 (H, W, 3) RGB, upright, not mirrored."""
        return take_pictures(self._env, self._cameras)

    def reading(self) -> RobotReading:
        """Read the robot as it stands now: qpos (J,) rad and m, tcp pose (7,) in the world: m and quaternion wxyz."""
        qpos = self._env.agent.robot.get_qpos()[0].numpy().copy()
        tcp = getattr(self._env.agent, "tcp", None)
        if tcp is None:
            return RobotReading(qpos=qpos, tcp_pose=np.full(7, np.nan, np.float32))
        return RobotReading(qpos=qpos, tcp_pose=tcp.pose.raw_pose[0].numpy().copy())

    def goal_position(self) -> np.ndarray | None:
        """Return where the task's goal marker stands, (3,) m in the world; None for a task without one."""
        goal = getattr(self._env, "goal_site", None)
        return None if goal is None else goal.pose.p[0].numpy().copy()

    @property
    def robot(self) -> str:
        """ManiSkill's name of the robot (`panda`, `panda_wristcam`, ...)."""
        return str(self._env.agent.uid)

    @property
    def fps(self) -> int:
        """Control frequency in Hz: how many actions the simulator executes per simulated second."""
        return int(self._env.control_freq)

    @property
    def action_size(self) -> int:
        """Width A of the action that the control mode takes."""
        return int(self._env.action_space.shape[-1])

    @property
    def agent(self) -> Any:
        """ManiSkill's agent, for the conversion of actions between control modes."""
        return self._env.agent

    def controller_facts(self) -> ControllerFacts:
        """Ask the controller what one unit of each action dimension does, instead of trusting a table."""
        return _controller_facts(self._env.agent, self.fps)

    def close(self) -> None:
        """Free the scene and its cameras."""
        self._cameras = {}
        self._env.close()

    def _is_at(self, state: State) -> bool:
        now = self._env.get_state_dict()
        for kind, bodies in state.items():
            for name, value in bodies.items():
                if name not in now.get(kind, {}):
                    raise MstoolError(
                        f"{self.spec.env_id}: the demo's state holds {name!r}, which this environment does not have "
                        f"(it has {', '.join(sorted(now.get(kind, {})))})"
                    )
                if not np.array_equal(now[kind][name][0].numpy(), value):
                    return False
        return True


def _make(spec: SimulatorSpec) -> Any:
    # ManiSkill warns about its own tasks' missing initial poses at every reset.
    logging.getLogger("mani_skill").setLevel(logging.ERROR)
    import gymnasium
    import mani_skill.envs  # noqa: F401 - registers the environments

    kwargs = {**spec.env_kwargs, **({"robot_uids": spec.robot} if spec.robot else {})}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            env = gymnasium.make(
                spec.env_id,
                obs_mode="none",
                reward_mode="none",
                control_mode=spec.control_mode,
                sim_backend="physx_cpu",
                render_backend=render_backend() if spec.views else "none",
                max_episode_steps=10**9,  # horizons are ours: ManiSkill's 50 is shorter than most demos
                **kwargs,
            ).unwrapped
    except (AssertionError, KeyError) as error:
        raise UsageError(f"{spec.env_id} with control mode {spec.control_mode!r}: {error}") from error
    except RuntimeError as error:
        if "device" not in str(error).lower():
            raise
        raise SetupError(f"SAPIEN found no device to render on: {error}", fix="make setup") from error
    return env


def _as_batched(state: State) -> dict[str, dict[str, Any]]:
    import torch

    return {
        kind: {name: torch.from_numpy(np.asarray(value, np.float32)[None]) for name, value in bodies.items()}
        for kind, bodies in state.items()
    }


def _controller_facts(agent: Any, fps: int) -> ControllerFacts:
    import torch

    facts: dict[str, float] = {}
    parts = getattr(agent.controller, "controllers", {})
    arm, gripper = parts.get("arm"), parts.get("gripper")
    if arm is not None and hasattr(arm, "_clip_and_scale_action") and getattr(arm, "_normalize_action", False):
        width = arm.single_action_space.shape[0]
        unit = torch.eye(width, device=agent.device)
        scaled = arm._clip_and_scale_action(unit).cpu().numpy().diagonal()
        if "ee" in agent.control_mode:
            facts["position_m"] = float(scaled[0])
            facts["rotation_rad"] = float(scaled[3]) if width > 3 else 0.0
        else:
            facts["joint_rad"] = float(scaled[0])
    if gripper is not None:
        facts["finger_closed_m"] = float(np.ravel(gripper.config.lower)[0])
        facts["finger_open_m"] = float(np.ravel(gripper.config.upper)[0])
    return ControllerFacts(fps=fps, **facts)
