"""The bundled policy on six tasks, from demos to success rates: convert, finetune, eval, as a user would.

    python benchmarks/flow_six_tasks.py [--episodes 200] [--steps 12000] [--until 1500]
    python benchmarks/flow_six_tasks.py --tasks PickCube-v1,StackCube-v1,PlaceSphere-v1 --tasks ...   # one per GPU

One dataset with language and one policy for all six tasks, or one for each `--tasks`: converted one after the other by
all workers, so that the first trains early, then side by side and each on a GPU of its own; unseen seeds. Demos are
generated when `data/demos` has none. Every stage is skipped when its result is in `--work`; a training that still runs
`--until` so many seconds after the start stops with a checkpoint, which is what is evaluated. Writes
`benchmarks/results/flow_six_tasks.json` and `.md`, beside Pi0's rates.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mstool.cli.output import table
from mstool.evaluation.plan import SUITES

RESULTS = Path(__file__).parent / "results"
REFERENCE = RESULTS / "evaluation_reference.json"
TASKS = SUITES["seed6"]
CONVERTING = threading.Lock()


class Group:
    """The tasks that one policy learns, and what was done for it so far."""

    def __init__(self, number: int, tasks: str, options: argparse.Namespace) -> None:
        self.number, self.tasks, self.options = number, tasks, options
        self.work: Path = options.work / f"group{number}"
        self.work.mkdir(parents=True, exist_ok=True)
        self.path = self.work / "document.json"
        self.done: dict[str, Any] = json.loads(self.path.read_text()) if self.path.exists() else {}

    def stage(self, name: str, *words: object, until: float | None = None) -> None:
        """Run one command, unless that was done, and keep its JSON document, its line and its seconds."""
        if name in self.done:
            return
        own = [str(word) for word in words]
        print(f"{time.monotonic() - STARTED:4.0f} s  mstool {shlex.join(own)}", flush=True)
        started = time.monotonic()
        with (self.work / f"{name}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "mstool.cli", *own, "--json"], stdout=subprocess.PIPE, stderr=log, text=True,
                env={**os.environ, **({} if name == "convert" else {"CUDA_VISIBLE_DEVICES": self.gpu()})},
            )  # fmt: skip
            try:
                out, _ = process.communicate(timeout=until and max(1.0, until - (started - STARTED)))
                failed = process.returncode != 0
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)  # as by Ctrl-C: a checkpoint, then the end
                process.communicate()
                out, failed = "{}", False
        if failed:
            raise SystemExit(f"mstool {shlex.join(own)} failed:\n{(self.work / f'{name}.log').read_text()[-2000:]}")
        line = shlex.join(["mstool", *own])
        document = {"command": line, "seconds": time.monotonic() - started, **json.loads(out)}
        self.done[name] = json.loads(json.dumps(document).replace(str(self.options.work), "WORK"))
        self.path.write_text(json.dumps(self.done, indent=1))

    def gpu(self) -> str:
        """Return the number of the GPU that this group trains on."""
        import torch

        return str(self.number % max(1, torch.cuda.device_count()))

    def run(self) -> None:
        """Do what is missing."""
        options, data = self.options, self.work / "data"
        run = self.work / options.head
        which = [*(["--episodes", options.episodes] if options.episodes != "all" else []),
                 *(["--demos", options.demos] if options.demos else [])]  # fmt: skip
        with CONVERTING:
            self.stage("convert", "convert", "--env", self.tasks, *which, "--workers", options.workers,
                       "--image-size", options.image_size, "--output", data)  # fmt: skip
        steps = options.steps[self.number % len(options.steps)]
        self.stage("finetune", "finetune", data, "--policy", "flow", "--head", options.head, "--steps", steps,
                   "--batch-size", options.batch_size, "--lr", options.lr, "--num-workers", options.loaders,
                   "--cache-frames", "memory", "--output", run, *(["--force"] if options.force else []),
                   until=options.until)  # fmt: skip
        last = (run / "train_log.jsonl").read_text().splitlines()[-1]
        self.done["finetune"]["last"] = json.loads(last)
        workers = max(1, options.workers // len(options.tasks))
        for replan in options.replan:
            self.stage(f"eval {replan}", "eval", "--policy", run, "--episodes", options.eval_episodes,
                       "--workers", workers, "--replan", replan, "--output", self.work / f"eval{replan}")  # fmt: skip


def main() -> None:
    """Do what is missing, then write the table."""
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", action="append", help="tasks of one policy, comma-separated; default: all six")
    parser.add_argument("--episodes", default="200", help="demos per task, or all that are there")
    parser.add_argument("--steps", type=int, nargs="*", default=[12_000], help="one number, or one per policy")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--lr", type=float, default=6e-4)
    parser.add_argument("--head", default="flow")
    parser.add_argument("--until", type=float, help="stop training so many seconds after the start")
    parser.add_argument("--loaders", type=int, default=min(6, cores))
    parser.add_argument("--workers", type=int, default=max(1, cores - 1))
    parser.add_argument("--eval-episodes", type=int, default=50)
    parser.add_argument("--replan", type=int, nargs="*", default=[16])
    parser.add_argument("--image-size", default="256")
    parser.add_argument("--force", action="store_true", help="train although a dataset does not validate")
    parser.add_argument("--demos", help="passed to convert; default: data/demos, else generated")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "mstool-flow-six-tasks")
    options = parser.parse_args()
    options.tasks = options.tasks or [",".join(TASKS)]
    groups = [Group(number, tasks, options) for number, tasks in enumerate(options.tasks)]
    with ThreadPoolExecutor(len(groups)) as pool:
        for future in [pool.submit(group.run) for group in groups]:
            future.result()
    write([group.done for group in groups], options.replan)


def write(groups: list[dict[str, Any]], replans: list[int]) -> None:
    """Write the table beside the reference."""
    pi0 = json.loads(REFERENCE.read_text())["pi0"]["success"]
    rows = []
    for env in TASKS:
        row = {"task": env, "Pi0": f"{100 * pi0[env]:.1f} %"}
        for replan in replans:
            found = [task for done in groups for task in done[f"eval {replan}"]["tasks"] if task["env_id"] == env]
            if not found:
                continue
            once, end = found[0]["success_once"], found[0]["success_at_end"]
            row[f"replan {replan}"] = f"{once['successes']}/{once['episodes']} = {100 * once['rate']:.0f} %"
            row[f"95 % ({replan})"] = f"{100 * once['low']:.0f}-{100 * once['high']:.0f} %"
            row[f"at end ({replan})"] = f"{100 * end['rate']:.0f} %"
        if len(row) > len(("task", "Pi0")):
            rows.append(row)
    lines = [
        "# The bundled policy on six tasks",
        f"```\n{table(rows, list(rows[0]))}\n```",
        "Pi0's rates are another team's, on the same tasks, 40 episodes each.",
    ]
    for done in groups:
        convert, finetune, last = done["convert"], done["finetune"], done["finetune"]["last"]
        story = (
            f"{convert['converted']} episodes, {convert['frames']} frames, converted in {convert['seconds']:.0f} s; "
            f"trained {last['steps']} steps ({last['epochs']:.1f} epochs) in {finetune['seconds']:.0f} s, "
            f"loss {last['loss']:.4f}."
        )
        lines += [story, *[f"    {part['command']}" for part in done.values()]]
        for replan in replans:
            timing = done[f"eval {replan}"]["timing"]
            many = "worker" if timing["workers"] == 1 else "workers"
            rate = f"{timing['steps_per_second'] or 0:.0f} steps/s with {timing['workers']} {many}"
            lines.append(f"Evaluation, replan {replan}: {rate}.")
    print(lines[1])
    (RESULTS / "flow_six_tasks.md").write_text("\n\n".join(lines) + "\n")
    slim = [{n: {k: v for k, v in part.items() if k != "configuration"} for n, part in done.items()} for done in groups]
    (RESULTS / "flow_six_tasks.json").write_text(json.dumps(slim, indent=1) + "\n")


STARTED = time.monotonic()
if __name__ == "__main__":
    main()
