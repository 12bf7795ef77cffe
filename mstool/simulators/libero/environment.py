"""One LIBERO task as conversion and evaluation need it: step, read the robot, take pictures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mstool.contract import Array, CameraFacts, ControllerFacts, RobotFacts, RobotReading, State
from mstool.errors import DataError, UsageError
from mstool.robots import PANDA
from mstool.seeds import check_number
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.film import Film, FrameSink, SinglePictures
from mstool.simulators.libero.gl import render_backend, render_device
from mstool.simulators.libero.library import load_libero
from mstool.simulators.libero.moment import Moment
from mstool.simulators.libero.placements import Placements
from mstool.simulators.libero.substeps import computed_once
from mstool.simulators.libero.tasks import IDLE, SETTLING_STEPS, find_task

# What layouts call a controller of end effector steps; LIBERO's is robosuite's OSC_POSE.
CONTROL_MODE = "pd_ee_delta_pose"
FPS = 20
CAMERAS = {"base": "agentview", "wrist": "robot0_eye_in_hand"}
# What is read of robosuite's observations: the others are not computed.
OBSERVED = ("robot0_joint_pos", "robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos")
# Seeds from here on are placements of LIBERO's own sampler; those below are its initial states, by number.
SAMPLED = 1000
# openpi's seed, from which fixtures are placed: no initial state holds where they stand.
FIXTURES_SEED = 7


class LiberoSimulator:
    """A LIBERO task, its model built anew at every reset, as LIBERO does it.

    Raises
    ------
    UsageError
        There is no such task, control mode, robot or view.
    SetupError
        As `load_libero`.

    """

    # The bddl's goal says when the task is solved.
    judges = True
    robot = "Panda"
    fps = FPS
    action_size = 7
    # Recorded actions are taken as they are.
    cut_off = 0

    def __init__(self, spec: SimulatorSpec) -> None:
        self.task = find_task(spec.env_id)
        _check(spec)
        load_libero()
        from libero.libero.envs.env_wrapper import ControlEnv

        self.spec = spec
        self.begun_at_seed = True
        self._pictures: dict[str, Array] = {}
        self._observed: Mapping[str, Array] = {}
        self._solved = False
        # Cameras are drawn when they are asked for: at every step they would take ten times as long as the physics.
        self.env = ControlEnv(
            bddl_file_name=str(self.task.bddl),
            use_camera_obs=False,
            has_offscreen_renderer=bool(spec.views),
            render_gpu_device_id=render_device(),
            control_freq=FPS,
            ignore_done=True,
        )
        for name in self.env.env.observation_names - set(OBSERVED):
            self.env.env.modify_observable(name, "enabled", modifier=False)
        self._placements = Placements(self.env)
        self._moment = Moment(self.env) if spec.views else None

    def reset(self, seed: int, options: Mapping[str, Any] | None = None, state: State | None = None) -> None:  # noqa: ARG002
        """Start the episode of `seed`: LIBERO's initial state of that number, or from 1000 on one of its sampler.

        Both come to rest first, as in LIBERO's evaluations. A demo's first `state` begins at once.
        """
        if state is None:
            check_seed(self.spec.env_id, seed)
        with self._placements.drawn(*((FIXTURES_SEED, seed) if seed < SAMPLED else (seed, 0))):
            self._observed = self.env.reset()
        self.begun_at_seed = state is None
        if state is not None:
            self.put(state)
            return
        if seed < SAMPLED:
            self._observed = self.env.set_init_state(self.task.initial_states()[seed])
        for _ in range(SETTLING_STEPS):
            self.execute(np.array(IDLE))

    def step(self, action: Array) -> bool:
        """Execute one action, shape (7,), for one control period; True when the goal holds afterwards."""
        self.execute(action)
        return self.solved()

    def execute(self, action: Array) -> None:
        """Execute one action, shape (7,), for one control period."""
        with computed_once(self.env.sim):
            self._observed, _, self._solved, _ = self.env.step(np.asarray(action, np.float64))

    def solved(self) -> bool:
        """Tell whether the goal held after the last action."""
        return bool(self._solved)

    def converted(self, actions: Array, control_mode: str) -> Iterator[Array]:
        """Yield the actions (T, 7) as they are: LIBERO's demos have one control mode."""
        _check_mode(control_mode, self.spec.env_id)
        return iter(actions)

    def staying(self, action: Array) -> Array:
        """Return the action (7,) that asks for no motion and holds the gripper as `action` does."""
        return np.concatenate([np.zeros(6, action.dtype), action[6:]])

    def restored(self, states: Sequence[State], actions: Array, control_mode: str) -> Iterator[Array]:
        """Put the scene in each of a demo's states (T) and yield the action (7,) that was executed there."""
        _check_mode(control_mode, self.spec.env_id)

        def each() -> Iterator[Array]:
            for step, action in enumerate(actions):
                self.put(states[step])
                yield action

        return each()

    def state(self) -> State:
        """Return MuJoCo's state (S,) and the pose (7,), m and quaternion wxyz, of every fixture."""
        model = self.env.sim.model
        bodies = {name: model.body_name2id(body.root_body) for name, body in self.env.env.fixtures_dict.items()}
        return {
            "mujoco": {"state": self.env.get_sim_state()},
            "fixtures": {
                name: np.concatenate([model.body_pos[body], model.body_quat[body]]) for name, body in bodies.items()
            },
        }

    def put(self, state: State) -> None:
        """Put the scene in a state."""
        model, fixtures = self.env.sim.model, self.env.env.fixtures_dict
        flat = state.get("mujoco", {}).get("state", np.zeros(0))
        if flat.shape != (size := self.env.get_sim_state().shape):
            raise DataError(
                f"a state of {self.spec.env_id} has {size[0]} numbers, the demo's {flat.size}: it is of another task",
                fix="convert the demos of this task's own file",
            )
        for name, pose in state.get("fixtures", {}).items():
            if name in fixtures and pose.shape == (7,):
                body = model.body_name2id(fixtures[name].root_body)
                model.body_pos[body], model.body_quat[body] = pose[:3], pose[3:]
        self._observed = self.env.set_init_state(flat)

    def reading(self) -> RobotReading:
        """Read the robot as LIBERO observes it: joints and fingers, gripper site's position, hand's quaternion."""
        seen = self._observed
        fingers = seen["robot0_gripper_qpos"] * [1.0, -1.0]  # robosuite's right finger moves to the negative side
        quat = np.roll(seen["robot0_eef_quat"], 1)  # xyzw
        return RobotReading(
            np.concatenate([seen["robot0_joint_pos"], fingers]), np.concatenate([seen["robot0_eef_pos"], quat])
        )

    def goal_position(self) -> Array | None:
        """Return None: no task has a goal marker."""
        return None

    def images(self) -> dict[str, Array]:
        """Take one picture per view, turned by 180 degrees as all of LIBERO's policies see them."""
        assert self._moment is not None
        return {
            view: self._moment.draw(CAMERAS[view], self.spec.image_size)[::-1, ::-1].copy() for view in self.spec.views
        }

    def start_pictures(self) -> None:
        """Take pictures of the scene as it stands now: MuJoCo renders on the calling thread."""
        self._pictures = self.images()

    def finish_pictures(self) -> dict[str, Array]:
        """Return the pictures that `start_pictures` took."""
        return self._pictures

    def film(self, sink: FrameSink) -> Film:
        """Take the episode's pictures from here on, one frame after the other."""
        return SinglePictures(self, sink)

    @property
    def rendered_on(self) -> str:
        """`gpu` or `cpu`; empty when there is nothing to render."""
        return render_backend() if self.spec.views else ""

    def robot_facts(self) -> RobotFacts:
        """Return the Panda's joints, and OSC_POSE's dimensions."""
        actions = ("dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper")
        units = (*["0.05 m"] * 3, *["0.5 rad"] * 3, "-1 open, +1 close")
        return RobotFacts((*PANDA.joints, *PANDA.fingers), PANDA.qpos_units, actions, units)

    def controller_facts(self) -> ControllerFacts:
        """Ask the controller for its scale."""
        scale = np.asarray(self.env.robots[0].controller.output_max)
        return ControllerFacts(
            FPS, position_m=float(scale[0]), rotation_rad=float(scale[3]), finger_open_m=PANDA.finger_open_m
        )

    def camera_facts(self) -> dict[str, CameraFacts]:
        """Return nothing: a turned picture is a mirrored one, which no camera's pose describes."""
        return {}

    def close(self) -> None:
        """Free model and renderer."""
        self.env.close()


def check_seed(env_id: str, seed: int, *, option: str = "--seed-start") -> None:
    """Raise UsageError unless a seed is of an initial state, or the sampler's; `option` gave the first one."""
    check_number(seed, option)
    count = len(find_task(env_id).initial_states())
    if count <= seed < SAMPLED:
        fewer = "fewer --episodes, or " if option == "--seed-start" else ""
        raise UsageError(
            f"{env_id} has {count} initial states, 0 to {count - 1}; {seed} is none of them",
            fix=f"{fewer}a lower {option}; from {SAMPLED} on, LIBERO's sampler places the objects",
            change={option: SAMPLED},
        )


def _check(spec: SimulatorSpec) -> None:
    _check_mode(spec.control_mode, spec.env_id)
    if spec.robot not in {None, LiberoSimulator.robot}:
        raise UsageError(
            f"{spec.env_id} has a Panda, not {spec.robot!r}", fix="take a policy that was trained on a Panda"
        )
    if unknown := [view for view in spec.views if view not in CAMERAS]:
        raise UsageError(
            f"{spec.env_id} has no view {', '.join(unknown)}",
            fix="--cameras base,wrist",
            change={"--cameras": "base,wrist"},
        )
    if spec.render_detail != "full":
        raise UsageError(
            "LIBERO's meshes are drawn as they are", fix="leave --render-detail out", change={"--render-detail": None}
        )
    if spec.env_kwargs:
        raise UsageError(f"{spec.env_id} takes no arguments, {spec.env_kwargs_in or 'the demos'} give some")


def _check_mode(control_mode: str, env_id: str) -> None:
    if control_mode != CONTROL_MODE:
        raise UsageError(
            f"{env_id} has one controller, OSC_POSE ({CONTROL_MODE}), not {control_mode!r}",
            fix="use layout libero: mstool convert --layout libero, or a policy that was trained on it",
        )
