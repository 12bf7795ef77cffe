"""ManiSkill as a benchmark among others."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Unpack

from mstool.contract import ControllerFacts
from mstool.layouts import Layout
from mstool.manifest import Task, find_task
from mstool.seeds import check_number
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.demos import Attempt, GenerateReport, Rollout, Wanted
from mstool.simulators.environments import EnvironmentFacts
from mstool.simulators.maniskill.controller import ManiSkillController
from mstool.simulators.maniskill.demos import hub
from mstool.simulators.maniskill.demos.generate import correct_demos, generate_demos, record_demos
from mstool.simulators.maniskill.demos.reader import DemoFile
from mstool.simulators.maniskill.devices import render_backend
from mstool.simulators.maniskill.environment import ManiSkillSimulator
from mstool.simulators.maniskill.environments import assets, known_environments, outdated
from mstool.simulators.maniskill.registry import WORKER_IMPORTS, check_env_id, env_ids
from mstool.simulators.maniskill.solve import (
    check_solvable,
    make_planning_env,
    other_demos,
    solvable_envs,
    solve_episode,
)
from mstool.simulators.protocol import Protocol


class ManiSkillPlanner:
    """ManiSkill's own motion-planning solution of one environment."""

    def __init__(self, env_id: str) -> None:
        self._env_id = env_id
        self._env = make_planning_env(env_id)

    def solve(self, seed: int) -> Attempt:
        """Run the solution on one seed."""
        return solve_episode(self._env, self._env_id, seed)

    def close(self) -> None:
        """Free the environment."""
        self._env.close()


class ManiSkill:
    """Every environment that ManiSkill registers; see `mstool.simulators.base.Benchmark`."""

    name = "ManiSkill"
    solver = "ManiSkill's own motion planning"
    conventions: Mapping[str, str] = MappingProxyType(
        {
            "gripper_action": "+1 open, -1 close (finger target, see controller)",
            "quaternion": "wxyz",
            "rotation_action": "Euler XYZ in the base frame, times controller.rotation_rad: its sign is the "
            "simulator's own",
        }
    )
    packages: tuple[str, ...] = ("mani_skill", "sapien")
    # Far from those that demos are made of.
    first_seed = 10000
    first_demo_seed = 0
    render_details: tuple[str, ...] = ("full", "fast")
    protocols: Mapping[str, Protocol] = MappingProxyType({})
    worker_imports: tuple[str, ...] = WORKER_IMPORTS

    def claims(self, env_id: str) -> bool:  # noqa: ARG002
        """Any name that no other benchmark claims."""
        return True

    def env_ids(self) -> list[str]:
        """Ask ManiSkill's registry."""
        return env_ids()

    def environments(self) -> list[EnvironmentFacts]:
        """Read the table."""
        return known_environments()

    def outdated(self) -> str:
        """Compare the table's version with the installed one."""
        return outdated()

    def check_env_id(self, env_id: str) -> None:
        """Raise UsageError unless ManiSkill registers it."""
        check_env_id(env_id)

    def suite(self, env_id: str) -> list[str]:
        """Return the environment itself, unchecked."""
        return [env_id]

    def task(self, env_id: str) -> Task | None:
        """Look it up in the shipped manifest."""
        return find_task(env_id)

    def check_seed(self, env_id: str, seed: int) -> None:  # noqa: ARG002
        """Take any that numpy takes."""
        check_number(seed, "--seed-start")

    def check_layout(self, layout: Layout) -> None:
        """Take any."""

    def build(self, spec: SimulatorSpec) -> ManiSkillSimulator:
        """Build it on PhysX's CPU back end."""
        return ManiSkillSimulator(spec)

    def render_backend(self) -> str:
        """Ask SAPIEN."""
        return render_backend()

    def controller(self, facts: ControllerFacts) -> ManiSkillController:
        """Return ManiSkill's signs and scales."""
        return ManiSkillController(facts)

    def solvable(self) -> tuple[str, ...]:
        """Return the environments with a solution for one of our robots."""
        return solvable_envs()

    def check_solvable(self, env_id: str) -> None:
        """Ask for a solution of ManiSkill's for the environment's robot."""
        check_solvable(env_id)

    def planner(self, env_id: str) -> ManiSkillPlanner:
        """Return ManiSkill's solution, planning with our planner."""
        return ManiSkillPlanner(env_id)

    def generate(
        self,
        env_id: str,
        *,
        workers: int | None = None,
        robot: str | None = None,
        disturb: float = 0.0,
        **wanted: Unpack[Wanted],
    ) -> GenerateReport:
        """Write `trajectory.h5` and `trajectory.json` as ManiSkill does."""
        return generate_demos(env_id, workers=workers, robot=robot, disturb=disturb, **wanted)

    def record(
        self, spec: SimulatorSpec, rollouts: Iterator[Rollout], *, source: str, **wanted: Unpack[Wanted]
    ) -> GenerateReport:
        """Write the same two files, in the control mode of `spec`."""
        return record_demos(spec, rollouts, source=source, **wanted)

    def correct(
        self,
        spec: SimulatorSpec,
        rollouts: Iterator[Rollout],
        *,
        source: str,
        workers: int | None = None,
        **wanted: Unpack[Wanted],
    ) -> GenerateReport:
        """Write the planner's same two files."""
        return correct_demos(spec, rollouts, source=source, workers=workers, **wanted)

    def open_demos(self, path: Path, env_id: str = "") -> DemoFile:  # noqa: ARG002
        """Open a pair of `.h5` and `.json`."""
        return DemoFile(path)

    def official(self) -> str:
        """Name ManiSkill's own dataset repository and the hub that is asked for it."""
        return f"{hub.REPO} on {hub.endpoint()}"

    def reachable(self) -> bool:
        """Ask the hub for that repository."""
        return hub.reachable()

    def download(self, env_id: str, folder: Path) -> Path:
        """Bring the motion-planning demos of ManiSkill's own dataset repository."""
        return hub.download_demos(env_id, folder)

    def demo_folders(self, env_id: str) -> tuple[Path, ...]:
        """Return where `python -m mani_skill.utils.download_demo` puts them."""
        return (assets() / "demos" / env_id / "motionplanning",)

    def other_demos(self, env_id: str) -> str:
        """Have them generated, or take the official ones."""
        return other_demos(env_id)
