"""Kill a conversion at random moments, run it again each time, and compare the bytes with an uninterrupted run's.

    python benchmarks/interruptions.py [--moments 20] [--seed N] [--spawn] [--out FOLDER]

A moment is drawn as a stage (start, 1 to 4 episodes finished, assembly) and a delay after it, so that all stages get
their share. SIGKILL hits the parent and all its workers at once, or (`--spawn` only) the parent alone, whose workers
are then still at their episodes when the next run begins. A run that ends before its moment is compared too, and a new
one begun.

By default each run is forked from a process that has everything imported already, and so are its workers: a cycle is
conversion, not imports. `--spawn` runs the command itself, `mstool convert`, with the workers it spawns: the imports
then take most of the time. Writes `interruptions.json` and `.md` (with `--spawn` `interruptions_spawn`) into FOLDER.
"""

import argparse
import fcntl
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mstool import processes
from mstool.cli.output import table
from mstool.dataset.fingerprint import content_hash
from mstool.dataset.target import work_folder
from mstool.maniskill2lerobot.batches import Batch, Part
from mstool.maniskill2lerobot.convert import convert
from mstool.maniskill2lerobot.demos import open_demos
from mstool.maniskill2lerobot.options import make_recipe
from mstool.simulators.maniskill.registry import env_ids

HERE = Path(__file__).parent
ENV = "PushCube-v1"
DEMOS = HERE.parent / "tests" / "data" / "demos" / ENV
SIZE, WORKERS = "32", 2
POLL_SECONDS = 0.002
ASSEMBLY, IN_PLACE = 5, 6
PHASES = (
    "no episode finished",
    *(f"{n} of 4 episodes finished" for n in range(1, 5)),
    "assembling",
    "dataset in place",
)


def run_forked(root: Path) -> int:
    """Convert in a process forked from this one, which leads its own group; returns its id."""
    pid = os.fork()
    if pid:
        os.setpgid(pid, pid)
        return pid
    code = 1
    try:
        os.setpgid(0, 0)
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        # What the executor spawns otherwise: the same function, in a process that has the imports already.
        processes.multiprocessing.get_context = lambda _: multiprocessing.context.ForkContext()
        source = open_demos(ENV, str(DEMOS), episodes=None, seed=0, notify=lambda _: None)
        batch = Batch(source, make_recipe(ENV, image_size=SIZE, cameras="base"))
        convert([Part([batch], root, "local/cut")], formats={"v3.0": "video"}, workers=WORKERS)
        code = 0
    except BaseException:  # noqa: BLE001 - a forked process must not go on as its parent
        traceback.print_exc()
    os._exit(code)


def run_spawned(root: Path) -> int:
    """Run the command in its own process group; returns its id."""
    words = ["convert", "--env", ENV, "--demos", str(DEMOS), "--output", str(root), "--image-size", SIZE]
    words += ["--cameras", "base", "--workers", str(WORKERS)]
    run = subprocess.Popen(
        [sys.executable, "-m", "mstool.cli", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        process_group=0,
    )  # fmt: skip
    return run.pid


def ended(pid: int) -> int | None:
    """Return the exit code of a process that ended, None while it runs."""
    done, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def wait_for_lock(work: Path) -> None:
    """Wait until killed processes are gone: a forked worker holds what its parent held."""
    if work.exists():
        with (work / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)


def progress(root: Path) -> int:
    """Tell how far a conversion has come, by what is on disk: an index into `PHASES`."""
    work = work_folder(root)
    if root.exists():
        return IN_PLACE
    if (work / "dataset").exists():
        return ASSEMBLY
    return len(list(work.glob("*/episode_*/episode.json")))


class Trial:
    """Runs at one target until it stands complete, killed on the way as often as asked."""

    def __init__(self, folder: Path, start: Callable[[Path], int]) -> None:
        self.root = folder / "data"
        self._start = start
        self._pid = 0
        self.datasets = 0

    def whole(self) -> tuple[str, float]:
        """Convert without interruption: the dataset's hash, and seconds."""
        started = time.monotonic()
        self._pid = self._start(self.root)
        while (code := ended(self._pid)) is None:
            time.sleep(POLL_SECONDS)
        if code:
            raise RuntimeError(f"the conversion failed with exit code {code}")
        return self.take(), time.monotonic() - started

    def stop(self) -> None:
        """End what still runs, when the benchmark itself is interrupted."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)

    def take(self) -> str:
        """Return the dataset's hash and make way for the next."""
        found = content_hash(self.root)
        shutil.rmtree(self.root)
        shutil.rmtree(work_folder(self.root), ignore_errors=True)
        self.datasets += 1
        return found

    def cut(self, stage: int, delay: float, *, alone: bool) -> tuple[str, str | None]:
        """Run, kill `delay` seconds after `stage` is reached: the phase ("": it had ended), the hash when complete."""
        pid = self._pid = self._start(self.root)
        end = None
        while end is None or time.monotonic() < end:
            if end is None and progress(self.root) >= stage:
                end = time.monotonic() + delay
            if (code := ended(pid)) is not None:
                if code:
                    raise RuntimeError(f"a run after a kill failed with exit code {code}")
                return "", self.take()
            time.sleep(POLL_SECONDS)
        (os.kill if alone else os.killpg)(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if not alone:
            wait_for_lock(work_folder(self.root))
        reached = PHASES[progress(self.root)]
        # Killed between the dataset's renaming and the end: it is complete.
        return reached, self.take() if self.root.exists() else None


def measure(moments: int, seed: int, *, spawn: bool) -> dict[str, object]:
    """Kill `moments` times; raises AssertionError, which names the seed, where bytes differ."""
    draw = random.Random(seed)
    phases: Counter[str] = Counter()
    started = time.monotonic()
    if not spawn:
        env_ids()  # imports all of it; a renderer that was open before the fork would not work after it
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        trial = Trial(Path(folder), run_spawned if spawn else run_forked)
        try:
            expected, seconds = trial.whole()
            kills = alone_kills = 0
            while kills < moments:
                alone = spawn and draw.random() < 1 / 3
                stage = draw.randrange(ASSEMBLY + 1)
                delay = draw.uniform(0, seconds / (40 if stage == ASSEMBLY else 4))
                reached, found = trial.cut(stage, delay, alone=alone)
                if reached:
                    kills += 1
                    alone_kills += alone
                    phases[reached] += 1
                    print(f"{kills} of {moments}: {reached}", file=sys.stderr, flush=True)
                assert found in {None, expected}, f"seed {seed}: other bytes after {kills} kills ({dict(phases)})"
            found, _ = trial.whole()
            assert found == expected, f"seed {seed}: other bytes at the end ({dict(phases)})"
        except BaseException:
            trial.stop()
            raise
    return {
        "seed": seed,
        "mode": "spawned commands" if spawn else "forked runs",
        "uninterrupted_seconds": round(seconds, 2),
        "kills": kills,
        "of_them_parent_alone": alone_kills,
        "datasets_compared": trial.datasets,
        "seconds": round(time.monotonic() - started, 1),
        "killed_while": {name: phases[name] for name in PHASES if phases[name]},
        "content_hash": expected,
    }


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--spawn", action="store_true")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    result = measure(options.moments, options.seed, spawn=options.spawn)
    rows = [{"killed with": name, "times": count} for name, count in result["killed_while"].items()]
    shown = table(rows, ["killed with", "times"])
    facts = [
        f"{result['kills']} kills of {result['mode']}, {result['of_them_parent_alone']} of them of the parent alone",
        f"moments drawn from seed {result['seed']}",
        f"{ENV}, 4 episodes, one {SIZE}x{SIZE} view, {WORKERS} workers",
        f"{result['uninterrupted_seconds']} s when left alone, {result['seconds']} s all in all",
        f"{result['datasets_compared']} datasets came of it, each with the content hash {result['content_hash'][:16]}",
    ]
    print(shown, *facts, sep="\n")
    options.out.mkdir(parents=True, exist_ok=True)
    name = "interruptions_spawn" if options.spawn else "interruptions"
    (options.out / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    listed = "\n".join(f"* {fact}" for fact in facts)
    (options.out / f"{name}.md").write_text(f"# Killed at random moments\n\n```\n{shown}\n```\n\n{listed}\n")


if __name__ == "__main__":
    main()
