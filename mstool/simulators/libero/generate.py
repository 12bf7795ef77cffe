"""Demos of the scripted expert, in LIBERO's own kind of file."""

import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import h5py
import numpy as np

from mstool import __version__
from mstool.contract import Array, State
from mstool.errors import MstoolError, UsageError
from mstool.paths import writable_folder
from mstool.progress import Progress
from mstool.simulators.demos import Attempt, GenerateReport
from mstool.simulators.libero.demos import SEED, SUFFIX
from mstool.simulators.libero.expert import LiberoExpert, check_solvable
from mstool.simulators.libero.tasks import find_task

# Give up after this many failures in a row.
HOPELESS = 20


def generate_demos(env_id: str, *, episodes: int, seed: int, out_dir: Path, overwrite: bool = False) -> GenerateReport:
    """Solve consecutive seeds until there are enough successes; the same arguments give the same bytes.

    Raises
    ------
    UsageError
        No expert for the task, a number out of range, or the file is there and `overwrite` is False.
    MstoolError
        Too many seeds in a row failed.

    """
    check_solvable(env_id)
    path = out_dir / f"{find_task(env_id).name}{SUFFIX}"
    command = f"mstool demos generate --env {env_id} --episodes {max(episodes, 1)} --seed {max(seed, 0)}"
    if episodes < 1 or seed < 0:
        raise UsageError("--episodes must be 1 or more and --seed 0 or more", fix=command)
    writable_folder(out_dir, "--output", beside=True)
    if path.exists() and not overwrite:
        raise UsageError(f"{path} is there already", fix=f"{command} --output {out_dir} --overwrite")
    started = time.monotonic()
    out_dir.mkdir(parents=True, exist_ok=True)
    attempts: list[Attempt] = []
    kept = in_a_row = 0
    expert = LiberoExpert(env_id)
    try:
        with (
            tempfile.TemporaryDirectory(prefix=f".{out_dir.name}.", dir=out_dir.parent) as scratch,
            Progress(env_id, episodes, "episode") as progress,
        ):
            made = Path(scratch) / path.name
            with h5py.File(made, "w") as file:
                data = file.create_group("data")
                _describe(data, expert)
                while kept < episodes:
                    if in_a_row >= HOPELESS:
                        raise MstoolError(
                            f"{env_id}: gave up after {len(attempts)} seeds from {seed} with {kept} of {episodes} kept",
                            fix="start from another seed (--seed) or ask for fewer episodes (--episodes)",
                        )
                    attempts.append(expert.solve(seed + len(attempts)))
                    if not attempts[-1].success:
                        in_a_row += 1
                        continue
                    _write(data, kept, attempts[-1], expert.actions, expert.states)
                    kept, in_a_row = kept + 1, 0
                    progress.update()
                data.attrs["num_demos"] = kept
            made.replace(path)
    finally:
        expert.close()
    solved = [attempt for attempt in attempts if attempt.success]
    return GenerateReport(
        env_id=env_id,
        h5=path,
        json=path,
        seeds=tuple(attempt.seed for attempt in solved),
        steps=tuple(attempt.steps for attempt in solved),
        failures=dict(Counter(attempt.failure for attempt in attempts if not attempt.success)),
        seconds=time.monotonic() - started,
    )


def _describe(data: h5py.Group, expert: LiberoExpert) -> None:
    task = expert.simulator.task
    data.attrs["bddl_file_name"] = f"{task.suite}/{task.name}.bddl"
    data.attrs["problem_info"] = json.dumps({"language_instruction": task.sentence})
    data.attrs["mstool_version"] = __version__


def _write(data: h5py.Group, number: int, attempt: Attempt, actions: list[Array], states: list[State]) -> None:
    demo = data.create_group(f"demo_{number}")
    demo.attrs["num_samples"] = len(actions)
    demo.attrs[SEED] = attempt.seed
    demo["actions"] = np.stack(actions)
    demo["states"] = np.stack([state["mujoco"]["state"] for state in states])
    fixtures = demo.create_group("fixtures")
    for name, pose in states[0]["fixtures"].items():
        fixtures[name] = pose
