"""The ways of `benchmarks/convert.py`, each run as `python convert_variants.py NAME SCRATCH RESULT.json`."""

import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

DEMOS = Path(__file__).parent.parent / "tests" / "data" / "demos" / "PickCube-v1"
ENV = "PickCube-v1"
VIEWS = ("base", "wrist")
EPISODES = 4
REPEATS = 4
TASK = "pick up the red cube and move it to the green sphere"
FEATURES = {
    **{
        f"observation.images.{name}": {
            "dtype": "video",
            "shape": (256, 256, 3),
            "names": ["height", "width", "channels"],
        }
        for name in ("image", "image2")
    },
    "observation.state": {"dtype": "float32", "shape": (8,), "names": [f"s{k}" for k in range(8)]},
    "action": {"dtype": "float32", "shape": (7,), "names": [f"a{k}" for k in range(7)]},
}


def converted() -> list[tuple[Any, np.ndarray]]:
    """Every demo with its actions in `pd_ee_delta_pose`, from a replay without pictures."""
    from mstool.layouts import get_layout
    from mstool.maniskill2lerobot.episode.replay import replay
    from mstool.simulators.base import SimulatorSpec
    from mstool.simulators.maniskill.demos.reader import DemoFile
    from mstool.simulators.maniskill.environment import ManiSkillSimulator

    simulator = ManiSkillSimulator(SimulatorSpec(ENV, "pd_ee_delta_pose"))
    demos = [DemoFile(DEMOS).read(k) for k in range(EPISODES)]
    pairs = [(demo, replay(simulator, demo, get_layout("joint"), horizon=200).actions) for demo in demos]
    simulator.close()
    return pairs


class Clock:
    """Wall-clock and processor seconds, of this process and of those that it started and that have ended."""

    def __init__(self) -> None:
        self._start = self._now()
        self._spent = [0.0, 0.0]

    def pause(self) -> None:
        """Leave out what follows, until `go_on`."""
        self._spent = [
            spent + now - start for spent, now, start in zip(self._spent, self._now(), self._start, strict=True)
        ]

    def go_on(self) -> None:
        """Count again."""
        self._start = self._now()

    def stop(self, frames: int) -> dict[str, Any]:
        """Return the measurements of a variant that made `frames`."""
        self.pause()
        seconds, cpu = self._spent
        return {"seconds": seconds, "cpu": cpu, "timed_frames": frames, "frames": frames}

    @staticmethod
    def _now() -> tuple[float, float]:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return time.perf_counter(), sum(each.ru_utime + each.ru_stime for each in used)


def repeated(folder: Path, times: int) -> Path:
    """Write a demo file that holds every demo `times` times: enough episodes to keep several workers busy."""
    meta = next(DEMOS.rglob("trajectory.json"))
    data = json.loads(meta.read_text())
    folder.mkdir()
    episodes: list[dict[str, Any]] = []
    with h5py.File(meta.with_suffix(".h5")) as source, h5py.File(folder / "trajectory.h5", "w") as target:
        for episode in data["episodes"] * times:
            source.copy(f"traj_{episode['episode_id']}", target, name=f"traj_{len(episodes)}")
            episodes.append(episode | {"episode_id": len(episodes)})
    (folder / "trajectory.json").write_text(json.dumps(data | {"episodes": episodes}))
    return folder


def simulator(robot: str | None = None) -> Any:
    """Make a simulator with both views that has taken its first picture."""
    from mstool.simulators.base import SimulatorSpec
    from mstool.simulators.maniskill.environment import ManiSkillSimulator

    made = ManiSkillSimulator(SimulatorSpec(ENV, "pd_ee_delta_pose", robot, views=VIEWS))
    made.reset(0)
    made.images()
    return made


def floor(_: Path) -> dict[str, Any]:
    """Step and take pictures; resets are not counted."""
    pairs, sim = converted(), simulator()
    clock, frames = Clock(), 0
    for demo, actions in pairs:
        clock.pause()
        sim.reset(demo.seed, demo.reset_options, demo.first_state)
        clock.go_on()
        for action in actions:
            sim.images()
            sim.step(action)
        frames += len(actions)
    return clock.stop(frames) | {"bytes": 0, "opens": "", "rss": rss()}


def with_lerobot(scratch: Path, robot: str | None, **writer: Any) -> dict[str, Any]:
    """Execute the converted actions and give every frame to LeRobot's own writer."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    pairs, sim = converted(), simulator(robot)
    root = scratch / "dataset"
    clock = Clock()
    dataset = LeRobotDataset.create("local/bench", fps=20, features=FEATURES, root=root, **writer)
    frames = 0
    for demo, actions in pairs:
        # `panda_wristcam` does not take the state that the demo's `panda` left: the seed gives nearly the same.
        sim.reset(demo.seed, demo.reset_options, demo.first_state if robot is None else None)
        for action in actions:
            images, reading = sim.images(), sim.reading()
            state = np.r_[reading.tcp_pose[:3], reading.tcp_pose[4:], reading.qpos[-2:]].astype(np.float32)
            dataset.add_frame(
                {
                    "observation.images.image": images["base"],
                    "observation.images.image2": images["wrist"],
                    "observation.state": state,
                    "action": action,
                    "task": TASK,
                }
            )
            sim.step(action)
        dataset.save_episode()
        frames += len(actions)
    dataset.finalize()
    return clock.stop(frames) | about_dataset(root)


def with_mstool(scratch: Path, workers: int, detail: str) -> dict[str, Any]:
    """`mstool convert`: one worker in this process, warmed by an episode of its own, or several processes.

    Several get every demo `REPEATS` times and are timed from when each of them has finished its first episode to the
    complete dataset: in the end, when no episode is left, one of them waits for the other.
    """
    from mstool.maniskill2lerobot.batches import Batch, Part
    from mstool.maniskill2lerobot.convert import convert
    from mstool.maniskill2lerobot.demos import open_demos
    from mstool.maniskill2lerobot.executors.base import Done
    from mstool.maniskill2lerobot.executors.job import ConvertJob, ConvertWorker
    from mstool.maniskill2lerobot.executors.local import run_local
    from mstool.maniskill2lerobot.options import make_recipe

    finished: list[tuple[float, int]] = []

    def timed(jobs: Any, count: int | None) -> Iterator[Any]:
        for done in run_local(jobs, count) if workers > 1 else (Done(job, worker.do(job)) for job in jobs):
            finished.append((time.perf_counter(), done.mark.frames))
            yield done

    demos = DEMOS if workers == 1 else repeated(scratch / "demos", REPEATS)
    episodes = EPISODES if workers == 1 else EPISODES * REPEATS
    source = open_demos(ENV, str(demos), episodes=episodes, seed=0, notify=print)
    recipe = make_recipe(ENV, render_detail=detail)
    root = scratch / "dataset"
    if workers == 1:
        worker = ConvertWorker()
        worker.do(ConvertJob(source.demos.path, 0, recipe, scratch / "warm"))
    clock = Clock()
    (report,) = convert(
        [Part([Batch(source, recipe, episodes)], root, "local/bench")],
        formats={"v3.0": "video"},
        workers=workers,
        executor=timed,
    )
    if workers == 1:
        return clock.stop(report.frames) | about_dataset(root)
    return {
        "seconds": time.perf_counter() - finished[workers - 1][0],
        "timed_frames": sum(frames for _, frames in finished[workers:]),
        "frames": report.frames,
        **about_dataset(root),
    }


def with_maniskill(scratch: Path) -> dict[str, Any]:
    """ManiSkill's two scripts; what a run over one demo takes is their start."""
    seconds, cpu, frames = {}, {}, {}
    for count in (1, EPISODES):
        folder = scratch / f"m{count}"
        shutil.copytree(next(DEMOS.glob("*")), folder)
        meta = json.loads((folder / "trajectory.json").read_text())
        meta["env_info"]["env_kwargs"] |= {
            "robot_uids": "panda_wristcam",
            "sensor_configs": {"width": 256, "height": 256},
            "render_backend": _backend(),
        }
        (folder / "trajectory.json").write_text(json.dumps(meta))
        clock = Clock()
        replay = ("-m", "mani_skill.trajectory.replay_trajectory", "--traj-path", folder / "trajectory.h5")
        wanted = ("-o", "rgb", "--save-traj", "-c", "pd_ee_delta_pose", "--count", count, "--allow-failure")
        _python(*replay, *wanted, "-b", "physx_cpu")
        made = next(folder.glob("trajectory.rgb.*.h5"))
        convert = ("-m", "mani_skill.trajectory.convert_to_lerobot", "--traj-path", made)
        _python(*convert, "--output-dir", folder / "dataset", "--image-size", 256, "--fps", 20, "--task-name", TASK)
        frames[count] = json.loads((folder / "dataset" / "meta" / "info.json").read_text())["total_frames"]
        spent = clock.stop(frames[count])
        seconds[count], cpu[count] = spent["seconds"], spent["cpu"]
    return {
        "seconds": seconds[EPISODES] - seconds[1],
        "cpu": cpu[EPISODES] - cpu[1],
        "timed_frames": frames[EPISODES] - frames[1],
        "frames": frames[EPISODES],
        **about_dataset(folder / "dataset"),
    }


def about_dataset(root: Path) -> dict[str, Any]:
    """Return the peak memory so far, a dataset's bytes, and whether LeRobot gives a frame of it (else its error)."""
    peak = rss()
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    try:
        LeRobotDataset("local/bench", root=root, video_backend="pyav")[0]
        opens = "yes"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        opens = f"no: {str(error).splitlines()[0][:60]}" if str(error) else f"no: {type(error).__name__}"
    return {"bytes": size, "opens": opens, "rss": peak}


def rss() -> int:
    """Return the peak memory of our largest process in bytes: this one, or one that has ended."""
    return 1024 * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _backend() -> str:
    from mstool.simulators.maniskill.devices import render_backend

    return render_backend()


def _python(*words: object) -> None:
    subprocess.run([sys.executable, *map(str, words)], check=True)


VARIANTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "floor": floor,
    "mstool": lambda scratch: with_mstool(scratch, 1, "full"),
    "mstool fast": lambda scratch: with_mstool(scratch, 1, "fast"),
    "mstool 2 workers": lambda scratch: with_mstool(scratch, 2, "full"),
    "mstool fast 2 workers": lambda scratch: with_mstool(scratch, 2, "fast"),
    "lerobot": lambda scratch: with_lerobot(scratch, None),
    "lerobot streaming": lambda scratch: with_lerobot(scratch, None, streaming_encoding=True),
    "wristcam": lambda scratch: with_lerobot(scratch, "panda_wristcam"),
    "wristcam streaming": lambda scratch: with_lerobot(scratch, "panda_wristcam", streaming_encoding=True),
    "maniskill": with_maniskill,
}


if __name__ == "__main__":
    name, scratch, out = sys.argv[1:]
    result = VARIANTS[name](Path(scratch))
    Path(out).write_text(json.dumps(result))
