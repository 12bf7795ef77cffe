"""Build every environment that ManiSkill registers, look at it, and convert a demo of random actions of it.

Each environment is built in a process of its own, with a time limit. For those that build, a demo of random actions is
recorded as ManiSkill records demos and converted with the layout `native` and every failed episode kept.

    python benchmarks/environments.py [--env PickCube-v1 ...] [--workers 2] [--seconds 300]

Writes `mstool/simulators/maniskill/environments.json`, which `mstool envs` reads, and
`benchmarks/results/environments.md`; with `--env` the rows of these alone are made anew. Files that are missing
are not fetched.
"""

import argparse
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mstool.cli.output import table
from mstool.contract import Storage, Version
from mstool.errors import MstoolError
from mstool.json_files import load_json
from mstool.layouts import LAYOUTS
from mstool.maniskill2lerobot.executors.base import Done, Events
from mstool.maniskill2lerobot.executors.job import ConvertJob, ConvertWorker
from mstool.maniskill2lerobot.plan import ConvertRequest, build, make_recipes
from mstool.processes import GRACE_SECONDS, exit_words
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill.build import build_env
from mstool.simulators.maniskill.environment import ManiSkillSimulator
from mstool.simulators.maniskill.environments import TABLE, assets
from mstool.simulators.maniskill.registry import env_ids
from mstool.simulators.maniskill.robots import control_mode, name_of, robots
from mstool.simulators.maniskill.views import own_cameras, views_of

HERE = Path(__file__).parent
COLUMNS = ("environment", "builds", "robot", "success", "layouts", "views", "random demo")
STEPS = 5
SIZE = (64, 64)
FETCH = "python -m mani_skill.utils.download_asset "


def examine(env_id: str) -> dict[str, Any]:
    """Build an environment and return its row of the table."""
    from mani_skill.utils.registration import REGISTERED_ENVS

    env_ids()
    spec = REGISTERED_ENVS[env_id]
    supported = [each if isinstance(each, str) else "+".join(each) for each in spec.cls.SUPPORTED_ROBOTS or ()]
    row: dict[str, Any] = {"env_id": env_id, "robots": supported, "max_steps": spec.max_episode_steps or 0}
    try:
        env = build_env(env_id, None, {}, rendered=True).unwrapped
    except MstoolError as error:
        needs = _needs(error.fix, spec.asset_download_ids or ())
        problem = error.message.replace(str(assets()), "~/.maniskill")
        return row | {"problem": problem, "fix": [] if needs else [error.fix], "needs": needs}
    env.reset(seed=0)
    agents = list(robots(env.agent).values())
    row |= {
        "robot": name_of(env.agent),
        "control_modes": [
            m for m in agents[0].supported_control_modes if all(m in a.supported_control_modes for a in agents)
        ],
        "cameras": {name: view.mount.name if view.mount is not None else "" for name, view in own_cameras(env).items()},
    }
    mode, views = control_mode(env.agent), tuple(views_of(env))
    env.close()
    return row | _looked_at(env_id, mode, views, row["control_modes"]) | {"random_demo": convert_random(env_id)}


def _needs(fix: str, declared: Any) -> dict[str, str]:
    """Return {folder below ManiSkill's assets: command that fetches it}, as far as it is known what is lacking."""
    from mani_skill.utils.assets.data import (
        DATA_GROUPS,
        DATA_SOURCES,
        expand_data_group_into_individual_data_source_ids,
    )

    if not fix.startswith(FETCH):
        return {}
    needs = {}
    for name in dict.fromkeys([*declared, *(part.removeprefix(FETCH) for part in fix.split(" && "))]):
        sources = expand_data_group_into_individual_data_source_ids(name) if name in DATA_GROUPS else [name]
        if not sources:
            continue
        source = DATA_SOURCES[min(sources)]
        folder = (Path(source.output_dir) / str(source.target_path)).relative_to(assets()).as_posix()
        needs.setdefault(folder, FETCH + name)
    return needs


def _looked_at(env_id: str, mode: str, views: tuple[str, ...], modes: list[str]) -> dict[str, Any]:
    """Step it once, and take a picture of every view; those of one colour are left out."""
    simulator = ManiSkillSimulator(SimulatorSpec(env_id, mode, views=views, image_size=SIZE))
    simulator.reset(0)
    images = simulator.images()
    simulator.step(np.zeros(simulator.action_size, np.float32))
    facts, tcp = simulator.robot_facts(), simulator.reading().tcp_pose
    layouts = []
    for name, layout in LAYOUTS.items():
        try:
            layout.check_robot(facts)
        except MstoolError:
            continue
        executable = not layout.control_modes or layout.control_modes[0] in modes
        if executable and (np.isfinite(tcp).all() or not layout.needs_tcp):
            layouts.append(name)
    success = simulator.judges
    simulator.close()
    seen = [view for view, image in images.items() if image.min() != image.max()]
    return {"success": success, "layouts": layouts, "views": seen}


def convert_random(env_id: str) -> str:
    """Record a demo of random actions and convert it; returns what became of it."""
    with tempfile.TemporaryDirectory() as scratch:
        record_random(env_id, Path(scratch) / "demos")
        request = ConvertRequest(
            layout="native",
            image_size=str(SIZE[0]),
            cameras="base",
            instruction="do as you like",
            demos=f"{scratch}/demos",
            keep_failures=True,
        )
        formats: dict[Version, Storage] = {"v3.0": "video"}
        try:
            (report,) = build(
                make_recipes([env_id], request, formats, per_task=False),
                request,
                Path(scratch) / "out",
                repo_id="local/random",
                formats=formats,
                executor=_here,
            )
        except MstoolError as error:
            return f"error: {error.message}"
        return f"{report.converted} of {report.asked}, {report.frames} frames"


def record_random(env_id: str, folder: Path) -> None:
    """Write `STEPS` random actions as a demo."""
    from mani_skill.utils.wrappers.record import RecordEpisode

    env: Any = build_env(env_id, None, {})
    env.action_space.seed(0)
    if len(robots(env.unwrapped.agent)) == 1:
        env = RecordEpisode(env, str(folder), save_video=False, trajectory_name="trajectory", record_reward=False)
        env.reset(seed=0)
        for _ in range(STEPS):
            env.step(env.action_space.sample())
        env.close()
        return
    # ManiSkill 3.0.1's recorder cannot: it repeats an action, which is a dictionary where there are several robots.
    actions = [env.action_space.sample() for _ in range(STEPS)]
    mode = control_mode(env.unwrapped.agent)
    env.close()
    folder.mkdir()
    with h5py.File(folder / "trajectory.h5", "w") as file:
        for key in actions[0]:
            file[f"traj_0/actions/{key}"] = np.stack([action[key] for action in actions])
    episode = {"episode_id": 0, "episode_seed": 0, "reset_kwargs": {"seed": 0}, "control_mode": mode}
    listing = {"env_info": {"env_id": env_id, "env_kwargs": {}}, "episodes": [episode]}
    (folder / "trajectory.json").write_text(json.dumps(listing))


def _here(jobs: Sequence[ConvertJob], _workers: int | None) -> Events:
    """Convert in this process: another one would load everything once more."""
    worker = ConvertWorker()
    for job in jobs:
        yield Done(job, worker.do(job))
    worker.close()


def serve(pipe: Connection, env_id: str) -> None:
    """Send the row of an environment: what its process does."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        try:
            pipe.send(examine(env_id))
        except Exception as error:  # noqa: BLE001 - whatever it was, it is what is to be said of the environment
            pipe.send({"env_id": env_id, "problem": f"{type(error).__name__}: {error}"})


def in_a_process(env_id: str, seconds: float) -> dict[str, Any]:
    """Examine an environment in a process of its own; one that ends badly is a row too."""
    started = time.monotonic()
    # All that is slow to load is loaded once, by a process that starts the others.
    context = get_context("forkserver")
    context.set_forkserver_preload(["mani_skill.envs", "mani_skill.utils.wrappers.record", "environments"])
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, env_id))
    process.start()
    theirs.close()
    row: dict[str, Any] = {"env_id": env_id, "problem": f"not ready after {seconds:.0f} s"}
    try:
        if ours.poll(seconds):
            row = ours.recv()
        else:
            process.kill()
        process.join(GRACE_SECONDS)
    except EOFError:
        process.join()
        row["problem"] = f"its process ended with {exit_words(process.exitcode)}"
    if process.is_alive():
        process.kill()
    print(f"{env_id} {time.monotonic() - started:.0f} s {row.get('problem') or row['random_demo']}", flush=True)
    return row


def shown(row: dict[str, Any]) -> dict[str, str]:
    """Return a row as people read it."""
    fix = [*row.get("needs", {}).values(), *row.get("fix", [])]
    return {
        "environment": row["env_id"],
        "builds": f"no: {' && '.join(fix) or row['problem']}" if row.get("problem") else "yes",
        "robot": row.get("robot", ""),
        "success": {True: "yes", False: "none", None: ""}[row.get("success")],
        "layouts": ", ".join(row.get("layouts", [])),
        "views": ", ".join(row.get("views", [])),
        "random demo": row.get("random_demo", ""),
    }


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", nargs="*")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=300)
    options = parser.parse_args()
    found = dict.fromkeys(options.env or env_ids(), None)
    with ThreadPoolExecutor(options.workers) as pool:
        rows = dict(zip(found, pool.map(lambda env_id: in_a_process(env_id, options.seconds), found), strict=True))
    if options.env:
        rows = {row["env_id"]: row for row in load_json(TABLE)["environments"]} | rows
    write([rows[env_id] for env_id in sorted(rows)])


def write(rows: Sequence[dict[str, Any]]) -> None:
    """Write both tables."""
    text = table([shown(row) for row in rows], COLUMNS)
    building = [row for row in rows if "problem" not in row]
    converted = sum("frames" in row["random_demo"] for row in building)
    about = (
        f"ManiSkill {version('mani_skill')} has {len(rows)} environments. {len(building)} build without any download; "
        f"a demo of {STEPS} random actions of {converted} of these converts with `--layout native --keep-failures`."
    )
    print(f"{text}\n{about}")
    lines = ",\n".join(json.dumps(row) for row in rows)
    TABLE.write_text(f'{{"mani_skill": "{version("mani_skill")}", "environments": [\n{lines}\n]}}\n')
    (HERE / "results" / "environments.md").write_text(f"{about}\n\n```\n{text}\n```\n")


if __name__ == "__main__":
    main()
