"""A second simulator, whole: a Panda without physics whose first joint must point somewhere.

Nothing of it is ManiSkill's: its gripper closes at +1, a joint turns by 0.04 rad per 1.0, a demo file is JSON.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from mstool.contract import Array, ControllerFacts, RobotFacts, RobotReading
from mstool.errors import DataError, UsageError
from mstool.layouts.command import Command
from mstool.layouts.controller import Controller
from mstool.robots import PANDA
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.demos import Attempt, Demo, GenerateReport
from mstool.simulators.environments import EnvironmentFacts
from mstool.simulators.film import SinglePictures

ENV = "toy/point"
MODE = "pd_joint_delta_pos"
STEP_RAD = 0.04
NEAR_RAD = 0.01


class ToyController(Controller):
    def command(self, actions, kind):
        assert kind == "joint_delta"
        actions = np.clip(np.array(actions, np.float64), -1, 1)
        return Command(self.units, -actions[:, 7:], joints=actions[:, :7])

    def actions(self, command):
        return np.concatenate([command.joints, -command.gripper], axis=1).astype(np.float32)


class ToySimulator:
    judges = begun_at_seed = True
    robot = "toy_panda"
    fps = 20
    action_size = 8

    def __init__(self, spec: SimulatorSpec) -> None:
        if spec.control_mode != MODE:
            raise UsageError(f"{spec.env_id} has no control mode {spec.control_mode!r}", fix=f"--control-mode {MODE}")
        self.spec = spec
        self.rendered_on = "cpu" if spec.views else ""
        self._qpos = np.zeros(9)
        self._target = 0.0

    def robot_facts(self):
        names = tuple(f"j{i}" for i in range(7))
        units = PANDA.qpos_units
        return RobotFacts((*names, "left", "right"), units, (*names, "grip"), (*["0.04 rad"] * 7, "-1 open"))

    def controller_facts(self):
        return ControllerFacts(self.fps, joint_rad=STEP_RAD, finger_closed_m=0.0, finger_open_m=0.04)

    def camera_facts(self):
        return {}

    def reset(self, seed, options=None, state=None):
        random = np.random.default_rng(seed)
        self._target = random.uniform(0.3, 0.6) * random.choice([-1, 1])
        self._qpos = np.array([0, 0.4, 0, -2.2, 0, 2.6, 0.8, 0.04, 0.04])
        self._qpos[:7] += random.normal(0, 0.02, 7)

    def step(self, action: Array) -> bool:
        action = np.clip(np.asarray(action, np.float64), -1, 1)
        self._qpos[:7] += STEP_RAD * action[:7]
        self._qpos[7:] = 0.02 * (1 - action[7])
        return self.solved()

    def execute(self, action: Array) -> None:
        self.step(action)

    def solved(self) -> bool:
        return self.distance < NEAR_RAD

    @property
    def distance(self) -> float:
        return abs(self._target - self._qpos[0])

    def towards(self) -> Array:
        way = np.clip((self._target - self._qpos[0]) / STEP_RAD, -1, 1)
        return np.array([way, *[0.0] * 6, -1.0], np.float32)

    def converted(self, actions: Array, control_mode: str) -> Iterator[Array]:
        if control_mode != MODE:
            raise UsageError(f"no way from {control_mode!r}")
        return iter(actions)

    def staying(self, action: Array) -> Array:
        return action

    def reading(self):
        return RobotReading(self._qpos.astype(np.float32), np.full(7, np.nan, np.float32))

    def goal_position(self):
        return None

    def images(self):
        height, width = self.spec.image_size
        angle = np.linspace(-1, 1, width)
        bars = [self._qpos[0], self._target, self._qpos[0] + self._qpos[7]]
        shade = np.stack([255 * np.exp(-(((angle - bar) / 0.2) ** 2)) for bar in bars], axis=-1)
        rows = np.linspace(0.4, 1, height)[:, None, None]
        return {view: (rows * shade).astype(np.uint8) for view in self.spec.views}

    def start_pictures(self):
        self._taken = self.images()

    def finish_pictures(self):
        return self._taken

    def film(self, sink):
        return SinglePictures(self, sink)

    def close(self):
        pass


class ToyPlanner:
    def solve(self, seed: int) -> Attempt:
        actions = self.plan(seed)
        return Attempt(seed, success=True, steps=len(actions))

    def plan(self, seed: int) -> list[list[float]]:
        simulator, actions = ToySimulator(SimulatorSpec(ENV, MODE)), []
        simulator.reset(seed)
        while simulator.distance >= NEAR_RAD:
            actions.append(simulator.towards().tolist())
            simulator.step(actions[-1])
        return actions

    def close(self) -> None:
        pass


class ToyDemos:
    env_id, control_mode, unlisted = ENV, MODE, ()

    def __init__(self, path: Path) -> None:
        self.path = self.json = path / "demos.json" if path.is_dir() else path
        try:
            self._episodes = json.loads(self.path.read_text())
        except (OSError, ValueError) as error:
            raise DataError(f"{path} holds no toy demos: {error}") from error
        self.env_kwargs: dict[str, object] = {}

    def __len__(self) -> int:
        return len(self._episodes)

    def problems(self, *, limit: int | None = None) -> dict[int, str]:
        return {}

    def read(self, position: int) -> Demo:
        episode = self._episodes[position]
        return Demo(ENV, position, episode["seed"], MODE, np.float32(episode["actions"]), listed_in=str(self.json))

    def read_many(self, positions: Sequence[int]) -> list[Demo]:
        return [self.read(position) for position in positions]

    def check_replayable(self) -> None:
        pass


class Toy:
    name = "Toy"
    solver = "a toy's planner"
    first_seed = 0
    first_demo_seed = 0
    render_details: tuple[str, ...] = ("full",)
    packages = ()
    protocols = conventions = MappingProxyType({})
    worker_imports = ()

    def claims(self, env_id: str) -> bool:
        return env_id.startswith("toy/")

    def env_ids(self) -> list[str]:
        return [ENV]

    def environments(self) -> list[EnvironmentFacts]:
        return [EnvironmentFacts(ENV, robot="toy_panda", control_modes=(MODE,), success=True, planner=True)]

    def outdated(self) -> str:
        return ""

    def check_env_id(self, env_id: str) -> None:
        if env_id != ENV:
            raise UsageError(f"there is no toy environment {env_id!r}", fix=f"--env {ENV}")

    def suite(self, env_id: str) -> list[str]:
        return [env_id]

    def task(self, env_id: str) -> None:
        return None

    def check_seed(self, env_id: str, seed: int) -> None:
        pass

    def check_layout(self, layout) -> None:
        pass

    def build(self, spec: SimulatorSpec) -> ToySimulator:
        return ToySimulator(spec)

    def render_backend(self) -> str:
        return "cpu"

    def controller(self, facts: ControllerFacts) -> ToyController:
        return ToyController(facts)

    def solvable(self) -> tuple[str, ...]:
        return (ENV,)

    def check_solvable(self, env_id: str) -> None:
        pass

    def planner(self, env_id: str) -> ToyPlanner:
        return ToyPlanner()

    def generate(self, env_id, *, episodes, seed, out_dir, overwrite=False, workers=None, robot=None, disturb=0.0):
        made = [{"seed": seed + i, "actions": ToyPlanner().plan(seed + i)} for i in range(episodes)]
        out_dir.mkdir(parents=True)
        path = out_dir / "demos.json"
        path.write_text(json.dumps(made))
        steps = tuple(len(episode["actions"]) for episode in made)
        return GenerateReport(ENV, path, path, tuple(episode["seed"] for episode in made), steps, {}, 0.0)

    def open_demos(self, path: Path, env_id: str = "") -> ToyDemos:
        return ToyDemos(path)

    def official(self) -> str:
        return "nowhere"

    def reachable(self) -> bool:
        return False

    def download(self, env_id: str, folder: Path) -> Path:
        raise DataError("there are no official toy demos")

    def demo_folders(self, env_id: str) -> tuple[Path, ...]:
        return ()

    def other_demos(self, env_id: str) -> str:
        return f"mstool convert --env {env_id} --demos generate"
