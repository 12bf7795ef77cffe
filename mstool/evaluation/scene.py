"""An environment in a dataset's own terms: built as conversion built it, its state encoded and its actions decoded."""

import numpy as np

from mstool.contract import Array, RobotReading, RobotTrack
from mstool.dataset.conventions import Conventions
from mstool.errors import DataError, UsageError
from mstool.evaluation.phases import phase_of_failure, stands_still
from mstool.installation import repair_command
from mstool.layouts import Layout, get_layout
from mstool.layouts.controller import Controller
from mstool.simulators.base import Simulator, SimulatorSpec
from mstool.simulators.benchmarks import benchmark_of, build_simulator

# Relative difference of two controllers' units that float32 explains.
SAME = 1e-6


def simulator_spec(conventions: Conventions, env_id: str, views: tuple[str, ...] | None = None) -> SimulatorSpec:
    """Return the environment in which a dataset's episodes were replayed.

    Parameters
    ----------
    conventions
        What the dataset recorded of itself.
    env_id
        The task; it need not be one of the dataset's.
    views
        The views to render, the dataset's by default; empty for physics only.

    """
    record = conventions.record
    height, width = record.image_size
    if is_foreign(conventions, env_id):
        return SimulatorSpec(
            env_id=env_id,
            control_mode=record.control_mode,
            views=dataset_views(conventions) if views is None else views,
            image_size=(height, width),
        )
    return SimulatorSpec(
        env_id=env_id,
        control_mode=record.control_mode,
        robot=record.robot_uids,
        views=dataset_views(conventions) if views is None else views,
        image_size=(height, width),
        goal_visible=record.goal == "visible",
        env_kwargs=record.env_kwargs(env_id),
        env_kwargs_in=f"the record of {conventions.dataset}",
        render_detail=record.render_detail,
    )


def is_foreign(conventions: Conventions, env_id: str) -> bool:
    """Tell whether a task is of another benchmark than all of a dataset's."""
    known = {benchmark_of(each).name for each in conventions.record.env_ids}
    return bool(env_id and known) and benchmark_of(env_id).name not in known


def dataset_views(conventions: Conventions) -> tuple[str, ...]:
    """Return the names of a dataset's views, in its own order."""
    return tuple(conventions.record.views.values())


def controller_of(conventions: Conventions, env_id: str) -> Controller:
    """Return a task's controller, whose units are those that the dataset was made with."""
    return benchmark_of(env_id).controller(conventions.record.facts(recorded(conventions, env_id)))


def recorded(conventions: Conventions, env_id: str) -> str:
    """Return the task whose robot and controller a dataset tells: `env_id`, or its first of the same benchmark."""
    known, name = conventions.record.env_ids, benchmark_of(env_id).name
    return env_id if env_id in known else next((each for each in known if benchmark_of(each).name == name), env_id)


def layout_of(conventions: Conventions) -> Layout:
    """Return the dataset's layout."""
    return get_layout(conventions.record.layout)


class Scene:
    """Runs episodes of one task; speaks the dataset's layout.

    Raises
    ------
    DataError
        The simulator is not the one of the dataset: another robot, control frequency or controller.
    MstoolError
        As `build_simulator`.

    """

    def __init__(self, conventions: Conventions, env_id: str, views: tuple[str, ...] | None = None) -> None:
        self.conventions = conventions
        self.env_id = env_id
        _check_layout(conventions, env_id)
        self.simulator = build_simulator(simulator_spec(conventions, env_id, views))
        self._controller = controller_of(conventions, env_id)
        if is_foreign(conventions, env_id):
            self._controller = benchmark_of(env_id).controller(self.simulator.controller_facts())
        self._mode = conventions.record.control_mode
        self._stores_goal = conventions.record.goal == "state"
        _check_same(self.simulator, conventions, env_id)
        self._layout = layout_of(conventions).bound(self.simulator.robot_facts())
        self._track: list[RobotReading] = []
        self._acted: list[Array] = []
        self._executed: list[Array] = []
        self._solved: list[bool] = []

    def reset(self, seed: int) -> None:
        """Start the episode of `seed`, where the dataset's began that has it as its number."""
        self.simulator.reset(seed, state=self.conventions.first_state(self.env_id, seed))
        self._track = [self.simulator.reading()]
        self._acted, self._executed, self._solved = [], [], []

    def step(self, action: Array) -> bool:
        """Execute one action (D,) of the layout; True when the task counts as solved afterwards."""
        executed = self._layout.decode_action(action[None], self._controller, self._mode)[0]
        solved = self.simulator.step(executed)
        self._acted.append(action)
        self._executed.append(executed)
        self._solved.append(solved)
        self._track.append(self.simulator.reading())
        return solved

    def state(self) -> Array:
        """Return the state (S,), float32, as conversion stored it: the whole episode so far decides its branch."""
        return self.states()[-1]

    def states(self) -> Array:
        """Return the states since the reset, (steps + 1, S) float32."""
        track = RobotTrack(
            qpos=np.stack([reading.qpos for reading in self._track]),
            tcp_pose=np.stack([reading.tcp_pose for reading in self._track]),
        )
        return self._layout.encode_state(track)

    def executed(self) -> Array:
        """Return the simulator's own actions since the reset, (steps, A) float32."""
        return np.stack(self._executed) if self._executed else np.zeros((0, self.simulator.action_size), np.float32)

    def failed_in(self) -> str:
        """Return the phase in which an episode that ends here failed (`phases.PHASES`); "" where it did not."""
        if not self._solved or self._solved[-1]:
            return ""
        acted, solved = np.stack(self._acted), any(self._solved)
        if self.conventions.record.gripper_constant.get(self.env_id) and not solved:
            return ""  # nothing is grasped there
        return phase_of_failure(self.states(), acted, self._layout, self._mode, solved_once=solved)

    def stands_still(self) -> bool:
        """Tell whether the robot has rested for two seconds."""
        return stands_still(np.stack([reading.qpos for reading in self._track]), 2 * self.simulator.fps)

    def solved(self) -> Array:
        """Return whether the task counted as solved after each action since the reset, (steps,) bool."""
        return np.array(self._solved, bool)

    def images(self) -> dict[str, Array]:
        """Take one picture per view: uint8 (H, W, 3) RGB; nothing when the scene was made without views."""
        return self.simulator.images() if self.simulator.spec.views else {}

    def goal(self) -> Array | None:
        """Return the goal marker's position (3,) float32, m, where the dataset stores it; None where it does not.

        Raises
        ------
        UsageError
            The dataset stores it and this environment has none.

        """
        if not self._stores_goal:
            return None
        goal = self.simulator.goal_position()
        if goal is None:
            raise UsageError(
                f"the dataset stores a goal's position (--goal state), and {self.env_id} has no goal marker",
                fix="choose an environment with one: mstool eval --env PickCube-v1",
            )
        return goal.astype(np.float32)

    def close(self) -> None:
        """Free the simulator."""
        self.simulator.close()


def _check_layout(conventions: Conventions, env_id: str) -> None:
    layout, benchmark = layout_of(conventions), benchmark_of(env_id)
    try:
        benchmark.check_layout(layout)
    except UsageError as error:
        made = f"mstool convert --env {env_id} --layout libero"
        raise UsageError(error.message, fix=f"take a policy that was trained on such a dataset: {made}") from error
    if is_foreign(conventions, env_id) and not layout.physical:
        raise UsageError(
            f"layout {layout.name!r} has the numbers of another benchmark's controllers, which {benchmark.name} "
            f"({env_id}) does not have",
            fix="take a policy that was trained on a dataset in layout libero or droid",
        )


def _check_same(simulator: Simulator, conventions: Conventions, env_id: str) -> None:
    record, told = conventions.record, recorded(conventions, env_id)
    wrong = []
    robot = record.robots.get(told, record.robot)
    foreign = is_foreign(conventions, env_id)
    if simulator.robot != robot and not foreign:
        wrong.append(f"the robot is {simulator.robot!r}, it was {robot!r}")
    if simulator.fps != conventions.fps:
        wrong.append(f"the control frequency is {simulator.fps} Hz, it was {conventions.fps}")
    now = simulator.controller_facts().as_dict()
    wrong += [
        f"one unit of the controller's {name} is {now[name]}, it was {before}"
        for name, before in record.controller_of(told).items()
        if not foreign and not np.isclose(now[name], before, rtol=SAME, atol=0)
    ]
    if wrong:
        said = f"{env_id} here is not what {conventions.dataset} was made in: {'; '.join(wrong)}"
        if env_id not in conventions.env_ids:
            raise UsageError(f"{said}; mstool envs lists robots", fix=f"--env {next(iter(conventions.env_ids), 'ENV')}")
        raise DataError(
            f"{said}. Mend this {benchmark_of(env_id).name}, or convert and train again",
            fix=repair_command(),
        )
