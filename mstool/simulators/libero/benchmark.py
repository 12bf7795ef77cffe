"""LIBERO as a benchmark among others."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Unpack

from mstool.contract import ControllerFacts
from mstool.errors import DataError, SetupError, UsageError
from mstool.hub_files import another_hub, briefly, hub_refusal
from mstool.layouts import Layout
from mstool.manifest import Task
from mstool.paths import quoted
from mstool.simulators.base import Simulator, SimulatorSpec
from mstool.simulators.demos import Demos, GenerateReport, Rollout, Wanted
from mstool.simulators.environments import EnvironmentFacts
from mstool.simulators.libero.controller import LiberoController
from mstool.simulators.libero.demos import SUFFIX, LiberoDemos
from mstool.simulators.libero.environment import CAMERAS, CONTROL_MODE, SAMPLED, LiberoSimulator, check_seed
from mstool.simulators.libero.expert import LiberoExpert, check_solvable, solvable
from mstool.simulators.libero.generate import generate_demos, record_demos
from mstool.simulators.libero.gl import render_backend
from mstool.simulators.libero.tasks import HORIZONS, PROTOCOLS, all_tasks, find_task, suite_of
from mstool.simulators.protocol import Protocol

# Layouts in which an action of OSC_POSE has a meaning.
LAYOUTS = ("libero", "native")


class Libero:
    """LIBERO's five suites; see `mstool.simulators.base.Benchmark`."""

    name = "LIBERO"
    solver = "a scripted expert"
    conventions: Mapping[str, str] = MappingProxyType(
        {
            "controller": "robosuite's OSC_POSE; the gripper's command counts by its sign, and moves it step by step",
            "images": "turned by 180 degrees, as all of its policies see them: upright, and mirrored",
            "observation": "sampled 2 ms into the control step that led there, as robosuite does",
        }
    )
    packages: tuple[str, ...] = ("hf-libero", "robosuite", "mujoco")
    # LIBERO's initial states, in its order.
    first_seed = 0
    # Those are for evaluation: demos begin where its sampler places the objects, as the official ones do.
    first_demo_seed = SAMPLED
    render_details: tuple[str, ...] = ("full",)
    protocols: Mapping[str, Protocol] = PROTOCOLS
    # MuJoCo opens a device when it is imported.
    worker_imports: tuple[str, ...] = ()

    def claims(self, env_id: str) -> bool:
        """Any name that begins as its suites do."""
        return env_id.startswith("libero")

    def env_ids(self) -> list[str]:
        """Return every task; none without the extra."""
        try:
            return sorted(all_tasks())
        except SetupError:
            return []

    def environments(self) -> list[EnvironmentFacts]:
        """Return what is known of every task; none without the extra."""
        names = self.env_ids()
        return [
            EnvironmentFacts(
                env_id=env_id,
                robot=LiberoSimulator.robot,
                robots=(LiberoSimulator.robot,),
                control_modes=(CONTROL_MODE,),
                success=True,
                max_steps=HORIZONS[env_id.partition("/")[0]],
                views=tuple(CAMERAS),
                layouts=LAYOUTS,
                demos=("teleop",),
                planner=env_id in self.solvable(),
            )
            for env_id in names
        ]

    def outdated(self) -> str:
        """Return nothing: the installed files themselves are read."""
        return ""

    def check_env_id(self, env_id: str) -> None:
        """Raise UsageError unless it is one task; SetupError without the extra."""
        find_task(env_id)

    def suite(self, env_id: str) -> list[str]:
        """Return a suite's tasks, or the one."""
        return suite_of(env_id)

    def task(self, env_id: str) -> Task | None:
        """Return its sentence, and openpi's horizon of its suite."""
        return find_task(env_id).described()

    def check_seed(self, env_id: str, seed: int) -> None:
        """Raise UsageError for a number that no initial state has."""
        check_seed(env_id, seed)

    def check_layout(self, layout: Layout) -> None:
        """Raise UsageError for a layout of ManiSkill's own numbers."""
        if layout.name not in LAYOUTS:
            raise UsageError(
                f"layout {layout.name!r} has no meaning in LIBERO, whose actions are end effector steps of its own",
                fix="use --layout libero, or a policy that was trained on a dataset in it",
            )

    def build(self, spec: SimulatorSpec) -> Simulator:
        """Build it on MuJoCo."""
        return LiberoSimulator(spec)

    def render_backend(self) -> str:
        """Ask for EGL, OSMesa and GPUs."""
        return render_backend()

    def controller(self, facts: ControllerFacts) -> LiberoController:
        """Return OSC_POSE's signs and scales."""
        return LiberoController(facts)

    def solvable(self) -> tuple[str, ...]:
        """Return the tasks of one object that is picked up and put down."""
        return solvable(self.env_ids())

    def check_solvable(self, env_id: str) -> None:
        """Ask for a suite that the expert is made for."""
        check_solvable(env_id)

    def planner(self, env_id: str) -> LiberoExpert:
        """Return the scripted expert."""
        return LiberoExpert(env_id)

    def generate(
        self,
        env_id: str,
        *,
        workers: int | None = None,
        robot: str | None = None,
        disturb: float = 0.0,
        **wanted: Unpack[Wanted],
    ) -> GenerateReport:
        """Write one of LIBERO's kind of file."""
        if disturb or robot:
            raise UsageError(
                "LIBERO's expert cannot be disturbed, nor move another robot",
                fix=f"mstool demos generate --env {env_id}",
                change={"--disturb": None, "--robot": None},
            )
        return generate_demos(env_id, workers=workers, **wanted)

    def record(
        self, spec: SimulatorSpec, rollouts: Iterator[Rollout], *, source: str, **wanted: Unpack[Wanted]
    ) -> GenerateReport:
        """Write one of LIBERO's kind of file."""
        return record_demos(spec, rollouts, source=source, **wanted)

    def correct(
        self,
        spec: SimulatorSpec,
        rollouts: Iterator[Rollout],  # noqa: ARG002
        *,
        source: str,
        workers: int | None = None,  # noqa: ARG002
        **wanted: Unpack[Wanted],  # noqa: ARG002
    ) -> GenerateReport:
        """Refuse: the expert begins at seeds alone."""
        raise UsageError(
            "LIBERO's expert cannot go on from where a policy came to",
            fix=f"mstool demos generate --env {spec.env_id} --policy {quoted(source)}",
            change={"--correct": None},
        )

    def open_demos(self, path: Path, env_id: str = "") -> Demos:
        """Open one of LIBERO's hdf5 files, or that of `env_id` in a folder of them."""
        return LiberoDemos(path, env_id)

    def official(self) -> str:
        """Name LIBERO's dataset repository."""
        return "yifengzhu-hf/LIBERO-datasets"

    def reachable(self) -> bool:
        """Return False: 2 to 10 GB a suite are fetched only where a user asks for it."""
        return False

    def download(self, env_id: str, folder: Path) -> Path:
        """Bring the official demos of one task."""
        from huggingface_hub import hf_hub_download

        task = find_task(env_id)
        refusal = hub_refusal()
        try:
            with briefly(refusal):
                return Path(
                    hf_hub_download(
                        self.official(),
                        f"{task.suite}/{task.name}{SUFFIX}",
                        repo_type="dataset",
                        local_dir=folder / "hub",
                    )
                )
        except Exception as error:
            why = refusal or f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            again = f"{another_hub()}mstool convert --env {env_id} --demos hub"
            said = f"{self.official()} gave no demos of {env_id}: {why}"
            if env_id in self.solvable():
                raise DataError(
                    f"{said}; {another_hub()}names another hub, --demos FOLDER LIBERO's own files",
                    fix=f"mstool convert --env {env_id} --demos generate",
                    change={"--demos": "generate"},
                ) from error
            raise DataError(said, fix=f"{again}  # or --demos FOLDER of LIBERO's own files") from error

    def demo_folders(self, env_id: str) -> tuple[Path, ...]:  # noqa: ARG002
        """Return none: LIBERO keeps them where its user says."""
        return ()

    def other_demos(self, env_id: str) -> str:
        """Have them generated, or take the official ones."""
        word = "generate" if env_id in self.solvable() else "hub"
        return f"mstool convert --env {env_id} --demos {word}"
