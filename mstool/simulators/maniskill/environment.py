"""One ManiSkill environment as conversion and evaluation need it: step, read the robot, take pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mstool.contract import Array, CameraFacts, ControllerFacts, RobotFacts, RobotReading, State
from mstool.errors import DataError, UsageError
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.film import Film, FrameSink
from mstool.simulators.maniskill import filming
from mstool.simulators.maniskill.action_conversion import check_width, conversion
from mstool.simulators.maniskill.build import arguments_of, build_env
from mstool.simulators.maniskill.cameras import camera_facts, finish_pictures, mount_cameras, start_pictures
from mstool.simulators.maniskill.devices import render_backend
from mstool.simulators.maniskill.hand_pose import ask_once
from mstool.simulators.maniskill.holding import staying
from mstool.simulators.maniskill.joint_targets import JOINT_POSITIONS, joint_positions
from mstool.simulators.maniskill.no_gradients import each_without_gradients, without_gradients
from mstool.simulators.maniskill.registry import check_env_id
from mstool.simulators.maniskill.render_detail import apply_detail
from mstool.simulators.maniskill.robots import (
    action_size,
    as_maniskill_action,
    controller_facts,
    is_holding,
    name_of,
    read_robot,
    robot_facts,
)
from mstool.simulators.maniskill.states import begin_in, command, is_at, put, state_of
from mstool.simulators.maniskill.verdict import Verdict


class ManiSkillSimulator:
    """A ManiSkill environment on PhysX's CPU back end, rebuilt at every reset.

    A scene that already ran an episode keeps solver state that `reset` does not clear: the same seed and actions
    then end up to 4 cm elsewhere (measured on StackCube). `reset` therefore rebuilds the scene (0.05 s), which makes an
    episode a function of its seed and actions alone.

    Raises
    ------
    UsageError
        There is no such environment.
    MstoolError
        As `build_env`.

    """

    def __init__(self, spec: SimulatorSpec) -> None:
        check_env_id(spec.env_id)
        self.spec = spec
        self._env = build_env(
            spec.env_id,
            spec.control_mode or None,
            arguments_of(spec),
            said_in=spec.env_kwargs_in,
            rendered=bool(spec.views),
            max_episode_steps=10**9,  # horizons are ours: ManiSkill's 50 is shorter than most demos
        ).unwrapped
        self._verdict = Verdict(self._env)
        self._cameras: dict[str, Any] = {}
        # How the episode began, and the environment that executes demos of another control mode.
        self._begun: tuple[int, Mapping[str, Any] | None, State | None] = (0, None, None)
        self._other: ManiSkillSimulator | None = None
        # Whether the environment says when its task is solved; known once it was asked.
        self.judges = True
        # Whether the episode began where its seed begins.
        self.begun_at_seed = True
        # How many actions of the last `restored` were cut off.
        self.cut_off = 0

    @without_gradients
    def reset(self, seed: int, options: Mapping[str, Any] | None = None, state: State | None = None) -> None:
        """Start the episode of `seed`.

        `state` (a demo's first environment state) replaces what the seed gives, unless the two differ by rounding only:
        then whoever starts from the seed, as evaluation does, starts where this episode did, to the bit.
        """
        self._begun = seed, options, state
        self._env.reset(seed=seed, options={**(options or {}), "reconfigure": True})
        ask_once(self._env.agent)
        self._verdict = Verdict(self._env)
        self.begun_at_seed = state is None or is_at(self._env, state)
        if state is not None and not self.begun_at_seed:
            begin_in(self._env, state)
        for marker in self._env._hidden_objects:
            marker.show_visual() if self.spec.goal_visible else marker.hide_visual()
        if self.spec.views:
            apply_detail(self._env, self.spec.render_detail)
        self._cameras = mount_cameras(self._env, self.spec.views, self.spec.image_size)

    def step(self, action: Array) -> bool:
        """Execute one action, shape (A,), for one control period; True when the task counts as solved afterwards."""
        self.execute(action)
        return self.solved()

    @without_gradients
    def execute(self, action: Array) -> None:
        """Execute one action, shape (A,), for one control period."""
        self._verdict.step(as_maniskill_action(self._env.agent, np.asarray(action, np.float32)))

    @without_gradients
    def solved(self) -> bool:
        """Tell whether the task counts as solved as the scene stands, after a step."""
        info = self._verdict.info()
        self.judges = "success" in info
        return bool(info["success"]) if self.judges else False

    def converted(self, actions: Array, control_mode: str) -> Iterator[Array]:
        """Yield a demo's actions (T, A') of another control mode as actions (A,) of this one, as ManiSkill does.

        Raises
        ------
        UsageError
            There is no way from one mode to the other.
        DataError
            The robot has no such control mode, or the actions are not as wide as it takes them.

        """
        if control_mode in {self.spec.control_mode, JOINT_POSITIONS}:
            convert = conversion(control_mode, self.spec.control_mode)
            return each_without_gradients(convert(self._env.agent, actions))
        convert = conversion(JOINT_POSITIONS, self.spec.control_mode)
        actions = self._in(control_mode).joint_positions(actions)
        return each_without_gradients(convert(self._env.agent, actions))

    @without_gradients
    def staying(self, action: Array) -> Array:
        """Return the action (A,) of this mode that stays after `action` (A,): the same target, or no motion.

        Raises
        ------
        UsageError
            It is not known which action that is.

        """
        return staying(self._env.agent, action)

    def restored(self, states: Sequence[State], actions: Array, control_mode: str) -> Iterator[Array]:
        """Put the scene in each of a demo's states (T) and yield the action (A,) of this mode that leads where its did.

        Nothing is executed. Raises as `converted`.
        """
        convert = conversion(
            control_mode if control_mode == self.spec.control_mode else JOINT_POSITIONS, self.spec.control_mode
        )
        if control_mode not in {self.spec.control_mode, JOINT_POSITIONS}:
            actions = self._in(control_mode).joint_positions(actions, states)
        self.cut_off = 0
        return each_without_gradients(
            convert(self._env.agent, actions, place=lambda step: put(self._env, states[step]), cut=self._count_cut)
        )

    def _count_cut(self) -> None:
        self.cut_off += 1

    @without_gradients
    def joint_positions(self, actions: Array, states: Sequence[State] | None = None) -> Array:
        """Return actions (T, A) of this control mode as actions (T, A') of `pd_joint_pos`.

        They are executed one after the other; or, where there are `states`, each is commanded in its own.
        """
        check_width(actions, self.action_size, self.spec.control_mode)
        if states is None:
            return joint_positions(self._env.agent, actions, self.execute)
        env = self._env
        return joint_positions(
            env.agent, actions, lambda action: command(env, action), place=lambda step: put(env, states[step])
        )

    def _in(self, control_mode: str) -> "ManiSkillSimulator":
        """Return the same environment in another control mode, without pictures, begun as this one was."""
        if self._other is None or self._other.spec.control_mode != control_mode:
            self._close_other()
            try:
                self._other = ManiSkillSimulator(replace(self.spec, control_mode=control_mode, views=()))
            except UsageError as error:
                raise DataError(
                    f"the demos' own control mode: {error.message}",
                    fix=f"correct control_mode in {self.spec.env_kwargs_in or 'their .json'}",
                ) from error
        self._other.reset(*self._begun)
        return self._other

    def _close_other(self) -> None:
        if self._other is not None:
            self._other.close()
            self._other = None

    def images(self) -> dict[str, Array]:
        """Take one picture per view: uint8 (H, W, 3) RGB, upright, not mirrored."""
        self.start_pictures()
        return self.finish_pictures()

    def start_pictures(self) -> None:
        """Begin to take pictures of the scene as it stands now: `step` may run while they are being rendered."""
        start_pictures(self._env, self._cameras)

    def finish_pictures(self) -> dict[str, Array]:
        """Wait for the pictures that `start_pictures` began; they show the scene as it stood then."""
        return finish_pictures(self._cameras)

    def film(self, sink: FrameSink) -> Film:
        """Take the episode's pictures from here on, many frames at a time where a GPU renders."""
        return filming.film(self, self._env, self._cameras, sink)

    def reading(self) -> RobotReading:
        """Read the robot as it stands now: qpos (J,) rad and m, tcp pose (7,) in the world: m and quaternion wxyz."""
        return read_robot(self._env.agent)

    def state(self) -> State:
        """Return the scene as it stands, as `reset` takes it."""
        return state_of(self._env)

    def holding(self) -> bool:
        """Tell whether the robot has something between its fingers."""
        return is_holding(self._env)

    def goal_position(self) -> Array | None:
        """Return where the task's goal marker stands, (3,) m in the world; None for a task without one."""
        goal = getattr(self._env, "goal_site", None)
        return None if goal is None else goal.pose.p[0].numpy().copy()

    @property
    def robot(self) -> str:
        """ManiSkill's name of the robot (`panda`, `panda_wristcam`, ...)."""
        return name_of(self._env.agent)

    @property
    def rendered_on(self) -> str:
        """`gpu` or `cpu`; empty when there is nothing to render."""
        return render_backend() if self.spec.views else ""

    @property
    def fps(self) -> int:
        """Control frequency in Hz: how many actions the simulator executes per simulated second."""
        return int(self._env.control_freq)

    @property
    def action_size(self) -> int:
        """Width A of the action that the control mode takes."""
        return action_size(self._env.agent)

    def controller_facts(self) -> ControllerFacts:
        """Ask the controller what one unit of each action dimension does, instead of trusting a table."""
        return controller_facts(self._env.agent, self.fps)

    def camera_facts(self) -> dict[str, CameraFacts]:
        """Ask the cameras where they are."""
        return camera_facts(self._env, self._cameras)

    def robot_facts(self) -> RobotFacts:
        """Ask the robot what its joints and its action's dimensions are called."""
        return robot_facts(self._env.agent)

    def close(self) -> None:
        """Free the scene and its cameras."""
        self._cameras = {}
        self._env.close()
        self._close_other()
