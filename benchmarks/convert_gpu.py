"""Conversion on a GPU: many frames rendered at a time against one after the other, and what each part of it can do.

    python benchmarks/convert_gpu.py [--episodes 300] [--workers 8 14] [--only full,fast] [--limit 240]

Every measurement is a process of its own, as a command would be. `demos` are generated first, with one worker and with
all cores. Then `convert`: the whole run, and what of it was start (until every worker has a frame; before it, until the
parent hands out the work, and until one worker has a frame), steady and end.
`floors`: the renderer alone, physics with inverse kinematics alone, the encoders alone. `pixels`: pictures of many
frames at a time against single ones of the same moments, before they are encoded. `bytes`: the same dataset with other
numbers of workers and of copies. Results are written after each to `benchmarks/results/convert_gpu.json` and `.md`;
what `--limit` seconds leave no time for is named there. Exit code 1 where pictures were not made on a GPU, more than
a ten-thousandth of a picture's pixels differ by more than 2/255 (an edge through a pixel's middle), more than 6 %
differ at all, or bytes differ.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mstool.cli.output import table
from mstool.simulators.capacity import free_gpu_bytes
from mstool.simulators.film import SinglePictures
from mstool.simulators.maniskill.filming import COPIES, COPIES_VARIABLE

HERE = Path(__file__).parent
MOST_DIFFERENCE, MOST_EDGES, MOST_PIXELS = 2, 1e-4, 0.06
PIXEL_STEPS = 20
# How long a floor is measured, s.
FLOOR_SECONDS = 3.0
COLUMNS = {
    "demos": ("workers", "demos", "seconds", "demos/s"),
    "convert": (
        *("detail", "pictures", "workers", "copies", "frames", "seconds", "frames/s"),
        *("parent s", "first s", "start s", "steady s", "end s", "steady frames/s", "busy cores", "GPU MiB"),
        "rendered on",
    ),
    "floors": ("what", "detail", "copies", "frames/s", "processor ms/frame", "made s", "made again s"),
    "pixels": ("environment", "pictures", "frames", "largest difference", "differing %", "beyond 2 %", "fine"),
    "bytes": ("workers", "copies", "sha256", "same"),
}


# What a process of its own measures, given a cell; each returns rows.


def convert_cell(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Convert once, as a command would."""
    from mstool.maniskill2lerobot.batches import Batch, Part
    from mstool.maniskill2lerobot.convert import convert
    from mstool.maniskill2lerobot.demos import open_demos
    from mstool.maniskill2lerobot.executors.base import Done, UnderWay
    from mstool.maniskill2lerobot.executors.local import run_local
    from mstool.maniskill2lerobot.options import make_recipe

    trace: list[tuple[float, int, int, int]] = []
    rendered_on: set[str] = set()
    said: list[str] = []

    def timed(jobs: Any, count: Any) -> Any:
        frames: dict[Any, int] = {}
        done = 0
        trace.append((time.time(), 0, 0, 0))
        for event in run_local(jobs, count):
            if isinstance(event, UnderWay):
                frames[event.job] = event.frames
            elif isinstance(event, Done):
                done += 1
                frames[event.job] = event.mark.frames if event.mark else 0
                rendered_on.add(event.mark.rendered_on if event.mark else "")
            trace.append((time.time(), len(frames), done, sum(frames.values())))
            yield event

    env_id, episodes, workers = cell["env"], cell["episodes"], cell["workers"]
    source = open_demos(env_id, cell["demos"], episodes=episodes, seed=0, notify=said.append)
    recipe = make_recipe(env_id, render_detail=cell["detail"])
    part = Part([Batch(source, recipe, episodes)], Path(cell["root"]), "local/convert_gpu")
    usage = [(time.time(), processor_seconds())]
    watch = threading.Thread(target=_watch, args=(usage,), daemon=True)
    watch.start()
    (report,) = convert([part], formats={"v3.0": "video"}, workers=workers, executor=timed, notify=said.append)
    # The parent hands out the work; a worker has a frame; every worker has; there is a job for every worker no longer.
    handed, some = trace[0], trace[1]
    first = next(moment for moment in trace if moment[1] >= min(workers, episodes))
    last = next(moment for moment in trace if moment[2] > episodes - workers)
    steady = max(last[0] - first[0], 1e-9)
    during = [each for each in usage if first[0] <= each[0] <= last[0]]
    cores = (during[-1][1] - during[0][1]) / (during[-1][0] - during[0][0]) if len(during) > 1 else float("nan")
    return [
        {
            "frames": report.frames,
            "parent s": round(handed[0] - cell["began"], 1),
            "first s": round(some[0] - cell["began"], 1),
            "start s": round(first[0] - cell["began"], 1),
            "steady s": round(steady, 1),
            "last s": last[0] - cell["began"],
            "steady frames/s": round((last[3] - first[3]) / steady),
            "busy cores": round(cores, 1),
            "rendered on": "+".join(sorted(rendered_on)),
            "said": said,
        }
    ]


def _watch(usage: list[tuple[float, float]]) -> None:
    while True:
        time.sleep(0.5)
        usage.append((time.time(), processor_seconds()))


def processor_seconds() -> float:
    """Return the processor time that this machine, or the container, has used so far."""
    group = Path("/sys/fs/cgroup/cpu.stat")
    if group.exists():
        return int(group.read_text().split("usage_usec ")[1].split()[0]) / 1e6
    fields = list(map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]))
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def demos_cell(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Generate demos once."""
    from mstool.simulators.maniskill.demos.generate import generate_demos

    generate_demos(cell["env"], episodes=cell["episodes"], seed=0, out_dir=cell["root"], workers=cell["workers"])
    return [{"workers": cell["workers"], "demos": cell["episodes"]}]


def renderer_cell(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Render one moment again and again."""
    from mstool.simulators.base import SimulatorSpec
    from mstool.simulators.maniskill.environment import ManiSkillSimulator

    simulator = ManiSkillSimulator(
        SimulatorSpec(cell["env"], "pd_joint_delta_pos", views=("base", "wrist"), render_detail=cell["detail"])
    )
    row: dict[str, Any] = {"what": "renderer", "detail": cell["detail"], "copies": cell["copies"]}
    for name in ("made s", "made again s"):
        simulator.reset(0)
        began = time.perf_counter()
        film = simulator.film(lambda _: None)
        for _ in range(max(1, cell["copies"])):
            film.take()
        film.finish()
        row[name] = round(time.perf_counter() - began, 3)
    frames, began, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < FLOOR_SECONDS:
        for _ in range(64):
            film.take()
        frames += 64
    film.finish()
    row["frames/s"] = round(frames / (time.perf_counter() - began))
    row["processor ms/frame"] = round(1e3 * (time.process_time() - used) / frames, 2)
    return [row]


def physics_cell(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Execute demos without pictures, resets included."""
    from mstool.layouts import DEFAULT_LAYOUT, get_layout
    from mstool.maniskill2lerobot.episode.replay import replay
    from mstool.simulators.base import SimulatorSpec
    from mstool.simulators.maniskill.demos.reader import DemoFile
    from mstool.simulators.maniskill.environment import ManiSkillSimulator

    demos = DemoFile(Path(cell["demos"]))
    simulator = ManiSkillSimulator(SimulatorSpec(cell["env"], "pd_ee_delta_pose"))
    layout = get_layout(DEFAULT_LAYOUT)
    replay(simulator, demos.read(0), layout, horizon=1000)
    frames, number, began, used = 0, 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < FLOOR_SECONDS:
        frames += len(replay(simulator, demos.read(number % cell["episodes"]), layout, horizon=1000).actions)
        number += 1
    return [_floor("physics, inverse kinematics", frames, began, used)]


def encoders_cell(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Encode and count one episode's pictures again and again."""
    from mstool.maniskill2lerobot.pictures.video import VideoWriter
    from mstool.maniskill2lerobot.pictures.view_writer import ViewWriter
    from mstool.simulators.base import SimulatorSpec
    from mstool.simulators.maniskill.demos.reader import DemoFile
    from mstool.simulators.maniskill.environment import ManiSkillSimulator

    demo = DemoFile(Path(cell["demos"])).read(0)
    simulator = ManiSkillSimulator(SimulatorSpec(cell["env"], demo.control_mode, views=("base", "wrist")))
    simulator.reset(demo.seed, demo.reset_options, demo.first_state)
    pictures = []
    for action in demo.actions[:64]:
        pictures.append(simulator.images())
        simulator.step(action)
    frames, began, used = 0, time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        while time.perf_counter() - began < FLOOR_SECONDS:
            writers = {
                view: ViewWriter([VideoWriter(Path(scratch) / f"{view}.mp4", simulator.fps)]) for view in pictures[0]
            }
            for each in pictures:
                for view, image in each.items():
                    writers[view].add(image)
            for writer in writers.values():
                writer.close()
            for writer in writers.values():
                writer.result()
            frames += len(pictures)
    return [_floor("two encoders, their statistics", frames, began, used)]


def _floor(what: str, frames: int, began: float, used: float) -> dict[str, Any]:
    return {
        "what": what,
        "frames/s": round(frames / (time.perf_counter() - began)),
        "processor ms/frame": round(1e3 * (time.process_time() - used) / frames, 2),
    }


def pixels_cell(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Film three short episodes both ways, the third like the first; keep the worst frame of each view as a picture.

    An episode is played once for each way: while a group renders copies, the original scene is left alone.
    """
    import cv2

    from mstool.simulators.base import SimulatorSpec
    from mstool.simulators.benchmarks import benchmark_of
    from mstool.simulators.maniskill.environment import ManiSkillSimulator

    rows = []
    facts = {each.env_id: each for each in benchmark_of("PickCube-v1").environments()}
    for env_id in cell["envs"]:
        known = facts[env_id]
        views = tuple(view for view in ("base", "wrist") if view in known.views)
        for goal_visible in (True, False):
            simulator = ManiSkillSimulator(
                SimulatorSpec(
                    env_id,
                    known.control_modes[0],
                    views=views,
                    render_detail=cell["detail"],
                    goal_visible=goal_visible,
                )
            )
            gaps: dict[str, list[Any]] = {view: [] for view in views}
            for episode, seed in enumerate((0, 1, 0)):
                one_by_one, single = filmed(simulator, seed, SinglePictures)
                one_by_one, several = filmed(simulator, seed, None)
                assert len(several) == len(single)
                for view in views:
                    for frame, (one, other) in enumerate(zip(several, single, strict=True)):
                        gap = np.abs(one[view].astype(np.int16) - other[view]).max(axis=-1)
                        gaps[view].append(
                            (int(gap.max()), float((gap > 0).mean()), float((gap > MOST_DIFFERENCE).mean()))
                        )
                        if gaps[view][-1] == max(gaps[view]) and gap.max() > MOST_DIFFERENCE:
                            grey = np.repeat(np.clip(4 * gap, 0, 255).astype(np.uint8)[..., None], 3, axis=-1)
                            name = f"{env_id}-{view}-{episode}-{frame}.png"
                            for old in Path(cell["worst"]).glob(f"{env_id}-{view}-*.png"):
                                old.unlink()
                            picture = np.hstack([one[view], other[view], grey])[..., ::-1]
                            cv2.imwrite(str(Path(cell["worst"]) / name), picture)
            every = [each for found in gaps.values() for each in found]
            largest, differing, beyond = (max(each[k] for each in every) for k in range(3))
            rows.append(
                {
                    "environment": env_id + ("" if goal_visible else ", goal hidden"),
                    "pictures": "one by one: " + one_by_one if one_by_one else "batched",
                    "frames": 3 * PIXEL_STEPS,
                    "largest difference": largest,
                    "differing %": round(100 * differing, 2),
                    "beyond 2 %": round(100 * beyond, 3),
                    "fine": beyond <= MOST_EDGES and differing <= MOST_PIXELS,
                    "by frame": gaps,
                }
            )
            print(json.dumps({**rows[-1], "by frame": ""}), file=sys.stderr, flush=True)
            simulator.close()
            if not getattr(simulator._env, "_hidden_objects", None):
                break
    return rows


def filmed(simulator: Any, seed: int, film_of: Any) -> tuple[str, list[dict[str, Any]]]:
    """Play a short episode: why its pictures are taken one by one, and the pictures of each moment."""
    simulator.reset(seed)
    found: list[dict[str, Any]] = []
    film = film_of(simulator, found.append) if film_of else simulator.film(found.append)
    rng = np.random.default_rng(seed)
    for _ in range(PIXEL_STEPS):
        film.take()
        simulator.step(rng.uniform(-1, 1, simulator.action_size).astype(np.float32))
    film.finish()
    return film.one_by_one, found


CELLS: dict[str, Callable[[dict[str, Any]], list[dict[str, Any]]]] = {
    "convert": convert_cell,
    "demos": demos_cell,
    "renderer": renderer_cell,
    "physics": physics_cell,
    "encoders": encoders_cell,
    "pixels": pixels_cell,
}


# What the parent does.


class Bench:
    """Runs cells while there is time, and keeps what they found."""

    def __init__(self, options: argparse.Namespace, work: Path) -> None:
        self.options, self.work = options, work
        self.until = time.monotonic() + options.limit
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in COLUMNS}
        self.left_out: list[str] = []

    def run(self, kind: str, cell: dict[str, Any], copies: int = COPIES) -> list[dict[str, Any]]:
        """Measure in a process of its own; its rows, with `seconds` from start to end, none when there was no time."""
        name = f"{kind} {json.dumps({k: v for k, v in cell.items() if k not in {'demos', 'root'}})} copies {copies}"
        left = self.until - time.monotonic()
        if left < 5:
            self.left_out.append(name)
            return []
        found = self.work / "rows.json"
        found.unlink(missing_ok=True)
        free = sum(free_gpu_bytes())
        least = [free]
        cell = {"env": self.options.env, **cell, "copies": copies, "began": time.time()}
        words = [sys.executable, "-W", "ignore", __file__, "--cell", kind, json.dumps(cell), str(found)]
        environment = {**os.environ, COPIES_VARIABLE: str(copies)}
        over = threading.Event()
        sampler = threading.Thread(target=_sample, args=(least, over), daemon=True)
        if free and kind == "convert":
            sampler.start()
        began = time.monotonic()
        process = subprocess.Popen(words, env=environment, stdout=sys.stderr, start_new_session=True)
        try:
            process.wait(left)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
        seconds = time.monotonic() - began
        over.set()
        print(f"{seconds:6.1f} s  {name}", file=sys.stderr, flush=True)
        if not found.exists():
            self.left_out.append(f"{name}: exit code {process.returncode}")
            return []
        rows: list[dict[str, Any]] = json.loads(found.read_text())
        for row in rows:
            row["seconds"] = round(seconds, 1)
            if free and kind == "convert":
                row["GPU MiB"] = (free - least[0]) // 2**20
        return rows

    def keep(self, part: str, rows: list[dict[str, Any]]) -> None:
        """Note rows, print and write all so far."""
        if not rows:
            return
        self.rows[part] += rows
        print(table(rows, COLUMNS[part]), flush=True)
        self.write()

    def write(self) -> None:
        """Write `convert_gpu.json` and `.md`."""
        options = self.options
        about = (
            f"{options.env}, {options.episodes} demos, two 256x256 views, {gpu()}, {len(os.sched_getaffinity(0))} cores"
        )
        options.out.mkdir(parents=True, exist_ok=True)
        document = {"about": about, **self.rows, "left out": self.left_out}
        (options.out / "convert_gpu.json").write_text(json.dumps(document, indent=1) + "\n")
        parts = [f"## {part}\n\n```\n{table(rows, COLUMNS[part])}\n```" for part, rows in self.rows.items() if rows]
        left = "\n\nLeft out: " + "; ".join(self.left_out) if self.left_out else ""
        (options.out / "convert_gpu.md").write_text(
            f"# Conversion on a GPU\n\n{about}\n\n" + "\n\n".join(parts) + left + "\n"
        )

    def demos(self) -> Path:
        """Generate the demos that are converted, with all cores, and some with one."""
        options = self.options
        if options.demos:
            return Path(options.demos)
        cores = len(os.sched_getaffinity(0))
        for workers, episodes in ((1, options.demos_alone), (cores, options.episodes)):
            if episodes:
                root = self.work / f"demos{workers}x{episodes}"
                rows = self.run("demos", {"episodes": episodes, "workers": workers, "root": str(root)})
                self.keep("demos", [{**row, "demos/s": round(row["demos"] / row["seconds"], 2)} for row in rows])
        return root

    def convert(self, demos: Path) -> None:
        """Convert, each detail with each number of workers and of copies."""
        options = self.options
        for detail in options.only.split(","):
            for workers in options.workers:
                for copies in options.ways:
                    self.keep("convert", self.converted(demos, detail, workers, copies, options.episodes))

    def converted(
        self,
        demos: Path,
        detail: str,
        workers: int,
        copies: int,
        episodes: int,
        root: str = "data",
    ) -> list[dict[str, Any]]:
        """Convert once."""
        folder = self.work / root
        subprocess.run(["rm", "-rf", folder, self.work / f".{root}.work"], check=True)
        cell = {"demos": str(demos), "root": str(folder), "detail": detail, "workers": workers, "episodes": episodes}
        rows = self.run("convert", cell, copies)
        for row in rows:
            row |= {"detail": detail, "pictures": "batched" if copies else "single", "workers": workers}
            row |= {"copies": copies, "frames/s": round(row["frames"] / row["seconds"])}
            row["end s"] = round(row["seconds"] - row["last s"], 1)
        return rows

    def floors(self, demos: Path) -> None:
        """Measure what each part can do alone."""
        for detail in self.options.only.split(","):
            for copies in self.options.copies:
                self.keep("floors", self.run("renderer", {"detail": detail}, copies))
        for kind in ("physics", "encoders"):
            self.keep("floors", self.run(kind, {"demos": str(demos), "episodes": self.options.episodes}))

    def bytes(self, demos: Path) -> None:
        """Convert a few demos several ways and compare every byte."""
        expected = ""
        cores = len(os.sched_getaffinity(0))
        ways = ((2, COPIES), (3, 2 * COPIES), (max(3, cores - 2), COPIES))
        for workers, copies in ways[: self.options.bytes_ways]:
            episodes = min(2 * cores, self.options.episodes)
            detail = self.options.only.split(",")[-1]
            if self.converted(demos, detail, workers, copies, episodes, root="same"):
                found = tree_sum(self.work / "same")
                expected = expected or found
                row = {
                    "workers": workers,
                    "copies": copies,
                    "sha256": found[:16],
                    "same": found == expected,
                }
                self.keep("bytes", [row])

    def wrong(self) -> Iterator[str]:
        """Say what must not be."""
        for row in self.rows["convert"]:
            if row["rendered on"] != "gpu":
                yield f"rendered on {row['rendered on']}"
        for row in self.rows["pixels"]:
            if not row["fine"]:
                yield f"pixels of {row['environment']}"
        for row in self.rows["bytes"]:
            if not row["same"]:
                yield f"bytes with {row['workers']} workers, {row['copies']} copies"


def _sample(least: list[int], over: threading.Event) -> None:
    """Keep the least free memory of all GPUs, bytes."""
    while not over.wait(1.0):
        least[0] = min(least[0], sum(free_gpu_bytes()))


def tree_sum(root: Path) -> str:
    """Return the SHA-256 of every file's name and content below a folder."""
    total = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file():
            total.update(f"{path.relative_to(root)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def gpu() -> str:
    """Name the GPUs, or say that there is none."""
    try:
        words = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        names = subprocess.run(words, capture_output=True, text=True, check=True, timeout=20).stdout.split("\n")
    except (OSError, subprocess.SubprocessError):
        return "no GPU"
    return " + ".join(name.strip() for name in names if name.strip())


def main() -> int:
    """Run, print, write."""
    if sys.argv[1:2] == ["--cell"]:
        kind, cell, found = sys.argv[2:]
        rows = CELLS[kind](json.loads(cell))
        Path(found).write_text(json.dumps(rows))
        if kind != "convert":  # whose end is a part of what is measured
            os._exit(0)
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="PickCube-v1")
    parser.add_argument("--episodes", type=int, default=300)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 8, 14])
    parser.add_argument("--only", default="full,fast", help="Which details.")
    parser.add_argument("--ways", type=int, nargs="+", default=[0, COPIES], help="copies with which to convert")
    parser.add_argument("--copies", type=int, nargs="*", default=[0, 4, 8, 16, 32], help="Of the renderer alone.")
    parser.add_argument("--parts", default="demos,pixels,convert,floors,bytes", help="Which, and in which order.")
    parser.add_argument("--pixel-envs", help="Names with commas, or `all`. Default: the manifest's tasks.")
    parser.add_argument("--bytes-ways", type=int, default=3)
    parser.add_argument("--demos", help="A ManiSkill demo folder. Default: generate them.")
    parser.add_argument(
        "--demos-alone", type=int, default=0, help="How many to generate with one worker, for its speed."
    )
    parser.add_argument("--limit", type=float, default=3600.0, help="Seconds.")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(options, Path(scratch))
        demos = bench.demos()
        for part in options.parts.split(","):
            if part == "pixels":
                cell = {"envs": pixel_envs(options.pixel_envs), "detail": options.only.split(",")[0]}
                bench.keep("pixels", bench.run("pixels", {**cell, "worst": str(options.out)}))
            elif part != "demos":
                {"convert": bench.convert, "floors": bench.floors, "bytes": bench.bytes}[part](demos)
        bench.write()
        wrong = list(bench.wrong())
        print("; ".join([*wrong, *(f"left out: {each}" for each in bench.left_out)]) or "all is as it should be")
        return int(bool(wrong))


def pixel_envs(asked: str | None) -> list[str]:
    """Return the environments whose pictures are compared."""
    from mstool.manifest import all_tasks
    from mstool.simulators.benchmarks import benchmark_of

    if asked and asked != "all":
        return asked.split(",")
    found = benchmark_of("PickCube-v1").environments()
    known = [each.env_id for each in found if each.builds and each.views]
    return known if asked else [each for each in all_tasks() if each in known]


if __name__ == "__main__":
    sys.exit(main())
