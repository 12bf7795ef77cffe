"""What a simulator and a benchmark are for conversion and evaluation, whichever libraries are behind them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack
from typing import Protocol as Interface

from mstool.contract import Array, CameraFacts, ControllerFacts, RenderDetail, RobotFacts, RobotReading, State
from mstool.layouts import Layout
from mstool.layouts.controller import Controller
from mstool.manifest import Task
from mstool.simulators.demos import Attempt, Demos, GenerateReport, Rollout, Wanted
from mstool.simulators.environments import EnvironmentFacts
from mstool.simulators.film import Film, FrameSink
from mstool.simulators.protocol import Protocol


@dataclass(frozen=True)
class SimulatorSpec:
    """Everything that decides what an episode looks like and how its actions are executed."""

    env_id: str
    # Name of the controller that executes the stored actions; "" takes the robot's first.
    control_mode: str
    # None takes the environment's own default robot.
    robot: str | None = None
    # View names, `base` and `wrist`; empty for physics only.
    views: tuple[str, ...] = ()
    # (height, width) in pixels, the same for every view.
    image_size: tuple[int, int] = (256, 256)
    # Whether hidden goal markers are drawn.
    goal_visible: bool = True
    # `fast` draws robot and floor with simplified meshes; physics is the same.
    render_detail: RenderDetail = "full"
    # Further arguments of the environment, as a demo's record has them.
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    # The file that records them, for an error to name; the same environment, whichever it is.
    env_kwargs_in: str = field(default="", compare=False)


class Simulator(Interface):
    """One environment: an episode is a function of its seed (or first state) and its actions alone."""

    @property
    def spec(self) -> SimulatorSpec:
        """What it was built from."""

    @property
    def judges(self) -> bool:
        """Whether the environment says when its task is solved; known once it was asked."""

    @property
    def begun_at_seed(self) -> bool:
        """Whether the episode began where its seed begins."""

    @property
    def cut_off(self) -> int:
        """How many actions of the last `restored` the controller cannot take whole: they were cut off at its range."""

    @property
    def robot(self) -> str:
        """The simulator's name of the robot."""

    @property
    def rendered_on(self) -> str:
        """`gpu` or `cpu`; empty when there is nothing to render."""

    @property
    def fps(self) -> int:
        """Control frequency in Hz: how many actions are executed per simulated second."""

    @property
    def action_size(self) -> int:
        """Width A of the action that the control mode takes."""

    def robot_facts(self) -> RobotFacts:
        """Return what the robot's joints and its action's dimensions are called."""

    def controller_facts(self) -> ControllerFacts:
        """Return what one unit of each action dimension does."""

    def camera_facts(self) -> dict[str, CameraFacts]:
        """Return where each view's camera is, once the episode was reset."""

    def reset(self, seed: int, options: Mapping[str, Any] | None = None, state: State | None = None) -> None:
        """Start the episode of `seed`, in a demo's first `state` where the seed gives another one."""

    def step(self, action: Array) -> bool:
        """Execute one action, shape (A,), for one control period; True when the task counts as solved afterwards."""

    def execute(self, action: Array) -> None:
        """Execute one action as `step` does; whether the task is solved need not be found out."""

    def solved(self) -> bool:
        """Tell whether the task counts as solved as the scene stands, after `execute`."""

    def converted(self, actions: Array, control_mode: str) -> Iterator[Array]:
        """Yield a demo's actions (T, A') of another control mode as actions (A,) of this one.

        Each must have been executed before the next one is asked for: it depends on where the robot is.

        Raises
        ------
        UsageError
            There is no way from one mode to the other; raised before the first one is asked for.

        """

    def staying(self, action: Array) -> Array:
        """Return the action (A,) of this mode that stays after `action` (A,): the same target, or no motion.

        Raises UsageError where it is not known which action that is.
        """

    def restored(self, states: Sequence[State], actions: Array, control_mode: str) -> Iterator[Array]:
        """Put the scene in each of a demo's states (T) and yield the action (A,) of this mode that leads where its did.

        Nothing is executed. Raises as `converted`.
        """

    def reading(self) -> RobotReading:
        """Read the robot as it stands now."""

    def goal_position(self) -> Array | None:
        """Return where the task's goal marker stands, (3,) m in the world; None for a task without one."""

    def images(self) -> dict[str, Array]:
        """Take one image per view: uint8 (H, W, 3) RGB, upright, not mirrored."""

    def start_pictures(self) -> None:
        """Begin to take images of the scene as it stands now: `step` may run meanwhile."""

    def finish_pictures(self) -> dict[str, Array]:
        """Wait for the images that `start_pictures` began; they show the scene as it stood then."""

    def film(self, sink: FrameSink) -> Film:
        """Begin to take images of an episode that was just reset, which `sink` is given frame by frame."""

    def close(self) -> None:
        """Free what it holds."""


class Planner(Interface):
    """A scripted expert of one environment: the upper bound of what demos of it can teach."""

    def solve(self, seed: int) -> Attempt:
        """Try one seed."""

    def close(self) -> None:
        """Free what it holds."""


class Benchmark(Interface):
    """A family of environments: what they are called, how they are built, where demos of them come from."""

    # As sentences name it, and what solves its tasks.
    name: str
    solver: str
    # Its conventions in words, for a dataset's record.
    conventions: Mapping[str, str]
    # The distributions whose versions decide what an episode looks like.
    packages: tuple[str, ...]
    # The seed of the first episode that evaluation plays.
    first_seed: int
    # That of the first demo that is generated.
    first_demo_seed: int
    # How detailed it can draw: what `--render-detail` takes.
    render_details: tuple[str, ...]
    # {name: how others evaluate in it}; the first is taken where a user says nothing.
    protocols: Mapping[str, Protocol]
    # Modules that its workers import, and that may be imported before they are forked: see `start_worker`.
    worker_imports: tuple[str, ...]

    def claims(self, env_id: str) -> bool:
        """Tell by its form whether a name is meant for this benchmark; loads nothing."""

    def env_ids(self) -> list[str]:
        """Return every environment there is, sorted."""

    def environments(self) -> list[EnvironmentFacts]:
        """Return what is known of each of them without building it, sorted by name; loads no simulator."""

    def outdated(self) -> str:
        """Say why that may not hold for what is installed; empty when it does."""

    def check_env_id(self, env_id: str) -> None:
        """Raise UsageError, with the name that was meant, unless there is such an environment."""

    def suite(self, env_id: str) -> list[str]:
        """Return the environments that a name stands for, itself or a suite's; UsageError where there are none."""

    def task(self, env_id: str) -> Task | None:
        """Return the sentence and horizon of an environment; None where nothing says them."""

    def check_seed(self, env_id: str, seed: int) -> None:
        """Raise UsageError where evaluation cannot begin at a seed."""

    def check_layout(self, layout: Layout) -> None:
        """Raise UsageError where no environment can be driven in a layout."""

    def build(self, spec: SimulatorSpec) -> Simulator:
        """Build an environment; MstoolError, with the cause, where it cannot be built."""

    def render_backend(self) -> str:
        """Return `gpu` or `cpu`; SetupError where this machine cannot render."""

    def controller(self, facts: ControllerFacts) -> Controller:
        """Return the sense in which its controllers take actions."""

    def solvable(self) -> tuple[str, ...]:
        """Return the environments that there is a planner for, sorted."""

    def check_solvable(self, env_id: str) -> None:
        """Raise UsageError where there is no planner for an environment."""

    def planner(self, env_id: str) -> Planner:
        """Return the planner of an environment; UsageError where there is none."""

    def generate(
        self,
        env_id: str,
        *,
        workers: int | None = None,
        robot: str | None = None,
        disturb: float = 0.0,
        **wanted: Unpack[Wanted],
    ) -> GenerateReport:
        """Write demos of consecutive seeds, all that the planner solves; the same bytes for any number of workers.

        On the share `disturb` of the seeds the planner is disturbed, and the demo begins where it recovers.
        """

    def record(
        self, spec: SimulatorSpec, rollouts: Iterator[Rollout], *, source: str, **wanted: Unpack[Wanted]
    ) -> GenerateReport:
        """Write demos of the successful ones of `rollouts`, which begin at its `seed` and are in the order of seeds.

        `source` says in words who acted. Nothing is asked of `rollouts` before it is clear that there is a place for
        the files, and nothing more once there are enough.
        """

    def correct(
        self,
        spec: SimulatorSpec,
        rollouts: Iterator[Rollout],
        *,
        source: str,
        workers: int | None = None,
        **wanted: Unpack[Wanted],
    ) -> GenerateReport:
        """Write demos in which the planner goes on from where each of `rollouts` came to; UsageError where none can.

        Each begins before one of the rollout's actions, drawn by its seed among those before which nothing is held: a
        planner that began with something in the hand would let go of it. The rest is as for `record`; the same bytes
        for any number of workers. DAgger, arXiv 1011.0686: the policy meets the states, the expert labels them.
        """

    def open_demos(self, path: Path, env_id: str = "") -> Demos:
        """Open a file of demos, or the one in a folder, of `env_id` where there are several; DataError for no such."""

    def official(self) -> str:
        """Say where the official demos are."""

    def reachable(self) -> bool:
        """Tell quickly whether that answers."""

    def download(self, env_id: str, folder: Path) -> Path:
        """Bring the official demos into `folder`, once, and return their file."""

    def demo_folders(self, env_id: str) -> tuple[Path, ...]:
        """Return where the benchmark's own tools keep demos on this machine."""

    def other_demos(self, env_id: str) -> str:
        """Return the command that converts demos of the environment where those at hand are of no use."""
