"""LIBERO from demos to a success rate in one run: generate, convert, stats, validate, finetune flow, eval.

    python benchmarks/libero_flow.py --minutes 8 --limit 580 --work /tmp/libero_flow --output runs/libero_flow
    python benchmarks/libero_flow.py --tasks libero_spatial/0 --episodes 1 --eval-episodes 1 --minutes 0.2
        --common "finetune: --device cpu --batch-size 4; eval: --device cpu --horizon 3" --output runs/tiny

One policy for all `--tasks`, trained on the scripted expert's demos, which begin where LIBERO's sampler places the
objects, and evaluated on LIBERO's own initial states from 0 on. Pictures are rendered with the 128 px that `flow`
sees. `--common` says more words of the commands; `--until STAGE` stops after a stage. The same command goes on where
`--limit` seconds or `--until` ended it: finished stages are kept in `--work`; generation, conversion and evaluation go
on with what is left of them; training is one stretch, of `--minutes` or of what `--limit` less `--reserve` leaves.
Results are written after every stage to `--output`, by default `benchmarks/results`, as `libero_flow.json` and `.md`;
what there is of an evaluation counts.
"""

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from flow_ten_tasks import LEAST_S, RESULTS, START_S, Bench, cells, episodes, losses, machine, rates

from mstool.atomic import replace_text
from mstool.cli.output import table
from mstool.simulators.benchmarks import benchmark_of

TARGET = "pi05_libero"
# Twice as many of the three tasks that 50 demos leave at 60 to 70 %.
DEMOS = "50,libero_spatial/1=100,libero_spatial/4=100,libero_spatial/6=100"


class LiberoBench(Bench):
    """The stages of one policy; each is kept in the work folder once it is done."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.work.mkdir(parents=True, exist_ok=True)
        names = options.tasks.split(",")
        self.tasks = [env_id for name in names for env_id in benchmark_of(name).suite(name)]
        self.demos, self.root = self.work / "demos", self.work / "data"
        self.checkpoint, self.outcomes = self.work / "run", self.work / "eval"
        self.kept = self.work / "stages.json"
        # A stage's seconds are those of every call that worked on it.
        self.stages: dict[str, Any] = json.loads(self.kept.read_text()) if self.kept.is_file() else {}
        self.rendered_on = benchmark_of(self.tasks[0]).render_backend()

    def stage(self, name: str, do: Callable[[], dict[str, Any]]) -> bool:
        """Do one stage, unless that was done; whether it is done."""
        before = self.stages.get(name, {})
        if before.get("done"):
            return True
        began = time.monotonic()
        document = do()
        seconds = [*before.get("seconds", []), round(time.monotonic() - began, 1)]
        self.stages[name] = {**document, "seconds": seconds, "done": not document.get("failed")}
        replace_text(self.kept, json.dumps(self.stages))
        self.save()
        return bool(self.stages[name]["done"])

    def save(self) -> None:
        """Write the results as they stand."""
        document = {
            "words": shlex.join(["python", "benchmarks/libero_flow.py", *sys.argv[1:]]),
            "machine": machine(),
            "rendered_on": self.rendered_on,
            "stages": self.stages,
            "tasks": rates(self.outcomes),
        }
        text = json.dumps(document, indent=1).replace(str(self.work), "WORK")
        self.options.output.mkdir(parents=True, exist_ok=True)
        replace_text(self.options.output / "libero_flow.json", text + "\n")
        replace_text(self.options.output / "libero_flow.md", as_page(json.loads(text)))

    def generate(self) -> dict[str, Any]:
        """Generate all tasks side by side: a task's last episodes alone would leave cores idle."""
        workers = max(1, -(-self.cores // len(self.tasks)))
        wanted = episodes(self.options.episodes, self.tasks)

        def one(env_id: str) -> dict[str, Any]:
            folder = self.demos / env_id  # where `convert` looks for a task's demos among several
            if any(folder.glob("*.hdf5")):
                return {"env_id": env_id}
            return {"env_id": env_id} | self.run(
                f"generate-{env_id.replace('/', '-')}", "demos", "generate", "-e", env_id, "-n", wanted[env_id],
                "--workers", workers, *self.common["generate"], "--output", folder,
            )  # fmt: skip

        with ThreadPoolExecutor(min(self.cores, len(self.tasks))) as pool:
            made = {document["env_id"]: document for document in pool.map(one, self.tasks)}
        before = {document["env_id"]: document for document in self.stages.get("generate", {}).get("tasks", [])}
        kept = ("env_id", "command", "seconds", "episodes", "attempts", "failed")
        tasks = [
            {key: (document if "command" in document else before.get(env_id, document)).get(key) for key in kept}
            for env_id, document in made.items()
        ]
        failed = [str(task["failed"]) for task in tasks if task["failed"]]
        return {"tasks": tasks, "failed": failed}

    def convert(self) -> dict[str, Any]:
        """Convert all of them into one dataset."""
        document = self.run(
            "convert", "convert", "-e", ",".join(self.tasks), "--demos", self.demos, "--layout", "libero",
            "--format", "both", "--image-size", self.options.image_size, "--workers", self.cores,
            *self.common["convert"], "--output", self.root,
        )  # fmt: skip
        return slim(document, "command", "converted", "frames", "dropped", "failed")

    def stats(self) -> dict[str, Any]:
        """Compute what normalises states and actions, with the target's horizon."""
        return slim(self.run("stats", "stats", self.root / "v2.1", "--config", TARGET), "command", "failed")

    def validate(self) -> dict[str, Any]:
        """Ask whether the target would understand the dataset."""
        document = self.run("validate", "validate", self.root / "v2.1", "--against", TARGET)
        return slim(document, "command", "valid", "counts", "coverage", "failed")

    def finetune(self) -> dict[str, Any]:
        """Train, for as long as the limit leaves for it."""
        seconds = min(60 * self.options.minutes, self.left - self.options.reserve - START_S)
        document = self.run(
            "finetune", "finetune", self.root / "v3.0", "--policy", "flow", "--minutes", round(max(seconds, 1) / 60, 3),
            "--num-workers", max(1, min(8, self.cores // 2)), *self.common["finetune"], "--overwrite",
            "--output", self.checkpoint, least=self.options.reserve + START_S + LEAST_S if self.options.reserve else 0,
        )  # fmt: skip
        return {
            **slim(document, "command", "steps", "last", "failed"),
            "losses": losses(self.checkpoint / "train_log.jsonl"),
        }

    def evaluate(self) -> dict[str, Any]:
        """Evaluate it on LIBERO's initial states."""
        document = self.run(
            "eval", "eval", "--policy", self.checkpoint, "--env", ",".join(self.tasks), "--episodes",
            self.options.eval_episodes, "--workers", max(1, self.cores - 1), *self.common["eval"],
            "--output", self.outcomes,
        )  # fmt: skip
        return slim(document, "command", "timing", "failed")


def slim(document: dict[str, Any], *wanted: str) -> dict[str, Any]:
    """Return some entries of a command's document."""
    return {key: document.get(key) for key in wanted}


def as_page(document: dict[str, Any]) -> str:
    """Return the page of results."""
    stages, tasks = document["stages"], document["tasks"]
    parts = [
        "# LIBERO from demos to a success rate",
        f"{document['machine']}; MuJoCo rendered on the {document['rendered_on']}.\n\n    {document['words']}",
    ]
    if tasks:
        total = {key: sum(task[key] for task in tasks) for key in ("episodes", "once", "at_end")}
        rows = [{"task": task["env_id"], **cells(task)} for task in [*tasks, {"env_id": "all", **total}]]
        parts.append(f"```\n{table(rows, list(rows[0]))}\n```")
    rows = [
        {
            "stage": name,
            "seconds": f"{sum(stage['seconds']):.0f}",
            "what came of it": said(name, stage) + ("" if stage["done"] else " (not finished)"),
        }
        for name, stage in stages.items()
    ]
    parts.append(f"```\n{table(rows, list(rows[0]))}\n```")
    commands = [stage["command"] for stage in stages.values() if stage.get("command")]
    parts.append("The commands after `generate`:\n\n" + "\n".join(f"    {command}" for command in commands))
    return "\n\n".join(parts) + "\n"


def said(name: str, stage: dict[str, Any]) -> str:
    """Say in a line what a stage gave."""
    seconds = sum(stage["seconds"])
    if name == "generate":
        kept, tried = (sum(task[key] or 0 for task in stage["tasks"]) for key in ("episodes", "attempts"))
        return f"{kept} demos of {tried} attempts"
    if name == "convert" and stage["frames"]:
        per_s = f"{stage['frames'] / seconds:.1f} frames/s"
        return f"{stage['converted']} episodes, {stage['frames']} frames, {per_s}, dropped {stage['dropped'] or 0}"
    if name == "validate" and stage["counts"]:
        return ", ".join(f"{count} {word}" for word, count in stage["counts"].items())
    if name == "finetune" and stage["last"]:
        last = stage["last"]
        speed = f"{last['samples_per_s']:.0f} samples/s"
        return f"{stage['steps']} steps, {last['epochs']:.0f} epochs, loss {last['loss']:.4f}, {speed}"
    if name == "eval" and stage["timing"]:
        timing = stage["timing"]
        return f"{timing['steps']} steps, {timing['steps_per_second']} steps/s with {timing['workers']} workers"
    return ""


def main() -> None:
    """Do the stages, as far as the limit reaches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="libero_spatial", help="suites and tasks, comma-separated")
    parser.add_argument("--episodes", default=DEMOS, help="demos per task: 50, or 50,libero_spatial/1=100,...")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--minutes", type=float, default=8, help="training")
    parser.add_argument("--eval-episodes", type=int, default=10, help="initial states per task")
    parser.add_argument("--common", default="", help="COMMAND: WORDS; COMMAND: WORDS")
    parser.add_argument("--until", help="the last stage of this call")
    parser.add_argument("--limit", type=float, default=560, help="seconds for everything")
    parser.add_argument("--reserve", type=float, default=0, help="seconds kept for the evaluation")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "mstool-libero-flow")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    bench = LiberoBench(options)
    stages = {
        "generate": bench.generate,
        "convert": bench.convert,
        "stats": bench.stats,
        "validate": bench.validate,
        "finetune": bench.finetune,
        "eval": bench.evaluate,
    }
    for name, do in stages.items():
        if not bench.stage(name, do) or name == options.until:
            break
    print((options.output / "libero_flow.md").read_text())


if __name__ == "__main__":
    main()
