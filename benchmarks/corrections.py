"""What the planner's corrections of a policy are worth: DAgger's round beside as many minutes of the same demos.

    python benchmarks/corrections.py --task PullCube-v1 --checkpoint runs/pull --dataset data/pull --minutes 2
        --common 'convert: --hold-steps 20 --image-size 128; finetune: --batch-size 512 --lr 3e-4'
    python benchmarks/corrections.py --combine runs/corrections/results.json MORE/results.json

The policy plays unseen seeds and the planner goes on from what it met (`demos generate --policy --correct`); its demos
are converted as the dataset was (`--common`), merged with it, and the policy trains on for `--minutes`, from where it
was. The control trains on for as long with the dataset alone. All are evaluated on the same unseen seeds. `--prepare`
makes demos and datasets alone; the same command in the same `--work` goes on with them. `--combine` writes
`benchmarks/results/corrections.json` and `.md`, and keeps what the page says was found.
"""

import argparse
import json
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

from flow_ten_tasks import RESULTS, Bench, cells, machine, rates, write_page

from mstool.atomic import replace_text
from mstool.cli.output import table
from mstool.evaluation.policies.checkpoint import find_checkpoint

PAGE = "corrections.md"


class Corrections(Bench):
    """One policy, what corrections make of it, and what more of its demos does."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.found: dict[str, Any] = {"task": options.task, "prepared": {}, "policies": []}

    def save(self) -> None:
        """Write the results as they stand."""
        words = shlex.join(["python", "benchmarks/corrections.py", *sys.argv[1:]])
        text = json.dumps({"words": words, "machine": machine(), **self.found}, indent=1)
        options = self.options
        named = {options.checkpoint: "RUN", options.dataset: "DATA", options.before: "EVALUATION", self.work: "WORK"}
        for path, name in {**named, options.output: "OUTPUT"}.items():
            text = text.replace(str(path), name) if path else text
        replace_text(options.output / "results.json", text + "\n")

    def prepare(self) -> Path | None:
        """Make corrections, a dataset of them, and one of both; where it is, None where something failed."""
        options, workers = self.options, max(1, self.cores - 2)
        demos, data, both = self.work / "demos", self.work / "corrected", self.work / "both"
        stages = {
            "generate": (demos, ["demos", "generate", "--policy", options.checkpoint, "--correct", "--env",
                                 options.task, "--episodes", options.episodes, "--seed", options.seed, "--replan",
                                 options.replan, "--workers", workers, *self.common["generate"]]),
            "convert": (data, ["convert", "--env", options.task, "--demos", demos, "--workers", workers,
                               *self.common["convert"]]),
            "merge": (both, ["merge", options.dataset, data]),
        }  # fmt: skip
        for name, (folder, words) in stages.items():
            noted = self.work / f"{name}.json"
            if not noted.is_file():
                document = self.run(name, *words, "--output", folder)
                kept = ("command", "seconds", "episodes", "attempts", "failures", "converted", "frames", "failed")
                self.found["prepared"][name] = {key: document[key] for key in kept if key in document}
                self.save()
                if document.get("failed"):
                    return None
                noted.write_text(json.dumps(self.found["prepared"][name]))
            self.found["prepared"][name] = json.loads(noted.read_text())
        return both

    def gone_on(self, name: str, root: Path) -> None:
        """Train on from the policy, and evaluate."""
        options, run = self.options, self.work / "runs" / name
        trained = self.run(
            f"finetune-{name}", "finetune", root, "--init", find_checkpoint(str(options.checkpoint)), "--minutes",
            options.minutes, *self.common["finetune"], "--output", run,
        )  # fmt: skip
        self.found["policies"].append({"variant": name, "finetune": trained})
        self.save()
        if not trained.get("failed"):
            self.evaluated(name, run)

    def evaluated(self, name: str, policy: Path) -> None:
        """Evaluate on unseen seeds."""
        folder = self.work / "eval" / name
        document = self.run(
            f"eval-{name}", "eval", "--policy", policy, "--env", self.options.task, "--episodes",
            self.options.eval_episodes, "--replan", self.options.replan, "--workers",
            self.options.eval_workers or max(1, self.cores - 1), *self.common["eval"], "--output", folder,
        )  # fmt: skip
        self.found["policies"][-1] |= {"seconds": document.get("seconds"), "tasks": rates(folder)}
        self.save()


def as_table(runs: list[dict[str, Any]]) -> str:
    """Return the table: each policy before, corrected, and on alone."""
    rows = []
    for run in runs:
        for entry in run["policies"]:
            trained, last = entry.get("finetune", {}), entry.get("finetune", {}).get("last", {})
            rows += [
                {
                    "task": run["task"],
                    "variant": entry["variant"],
                    "steps": trained.get("steps", ""),
                    "epochs": f"{last['epochs']:.0f}" if "epochs" in last else "",
                    "loss": f"{last['loss']:.4f}" if "loss" in last else "",
                    **cells(task),
                }
                for task in entry.get("tasks", [])
            ]
    return table(rows, list(rows[0])) if rows else "nothing was evaluated"


def combine(paths: list[Path]) -> None:
    """Write the results of several runs as one document and one table."""
    runs = [json.loads(path.read_text()) for path in paths]
    lines = ["# The planner corrects what the policy meets", f"```\n{as_table(runs)}\n```"]
    lines += [
        f"{run['task']}: {made['generate']['episodes']} corrections from {made['generate']['attempts']} seeds in "
        f"{made['generate']['seconds']:.0f} s, {made['convert']['frames']} frames. {run['machine']}:\n\n"
        f"    {run['words']}"
        for run in runs
        if (made := run["prepared"])
    ]
    write_page(RESULTS / PAGE, lines)
    (RESULTS / "corrections.json").write_text(json.dumps(runs, indent=1) + "\n")
    print(lines[1])


def main() -> None:
    """Correct one policy, or combine the results of earlier runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="PullCube-v1")
    parser.add_argument("--checkpoint", type=Path, help="the policy")
    parser.add_argument("--dataset", type=Path, help="what it was trained on")
    parser.add_argument("--episodes", type=int, default=150, help="corrections")
    parser.add_argument("--seed", type=int, default=50000, help="of the first one")
    parser.add_argument("--minutes", type=float, default=2, help="of training on, of either kind")
    parser.add_argument("--replan", type=int, default=8)
    parser.add_argument("--eval-episodes", type=int, default=100)
    parser.add_argument("--eval-workers", type=int, help="default: the cores but one")
    parser.add_argument("--common", default="", help="COMMAND: WORDS; ... for generate, convert, finetune, eval")
    parser.add_argument("--before", type=Path, help="an evaluation of the policy that is there")
    parser.add_argument("--prepare", action="store_true", help="make demos and datasets alone")
    parser.add_argument("--no-control", action="store_true")
    parser.add_argument("--limit", type=float, default=7200, help="seconds for everything")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "mstool-corrections")
    parser.add_argument("--output", type=Path, default=Path("runs") / "corrections", help="results and logs")
    parser.add_argument("--combine", type=Path, nargs="+", metavar="RESULTS.json", help="write the table, run nothing")
    options = parser.parse_args()
    if options.combine:
        combine(options.combine)
        return
    options.work.mkdir(parents=True, exist_ok=True)
    bench = Corrections(options)
    both = bench.prepare()
    if both is None or options.prepare:
        return
    bench.found["policies"].append({"variant": "before"})
    if options.before:
        bench.found["policies"][-1]["tasks"] = rates(options.before)
    else:
        bench.evaluated("before", options.checkpoint)
    bench.gone_on("corrected", both)
    if not options.no_control:
        bench.gone_on("control", options.dataset)
    print(as_table([{"task": options.task, **bench.found}]))


if __name__ == "__main__":
    main()
