"""The bundled policy from demos to success rates, in variants side by side: generate, convert, finetune, eval.

    python benchmarks/flow_ten_tasks.py --tasks PickCube-v1 --tasks StackCube-v1 --episodes 300 --minutes 3 --limit 560
        --variant "plain" --variant "hold=convert: --hold-steps 20" --output runs/ten
    python benchmarks/flow_ten_tasks.py --combine benchmarks/results/flow_ten_tasks.json runs/ten/results.json

One policy for each `--tasks` (one task, or several by comma) and each `--variant NAME=COMMAND: WORDS; COMMAND: WORDS`,
with more words for `generate`, `convert`, `finetune` and `eval`, where `|` divides the words of several evaluations
(`eval: --replan 8 | --replan 16`); `--common` says words for all variants. Demos and
datasets with the same words are made once, by all cores, in the order given; meanwhile up to `--side-by-side` policies
train on the GPUs, each for `--minutes` or for what `--limit` seconds leave, and are evaluated on unseen seeds. Results
are written after every stage, and what there is of a training or an evaluation when the limit comes counts. The same
command in the same `--work` goes on where it stopped, but a training that the limit left fewer minutes stays at these,
and the table says so; `--minutes 0` makes demos and datasets alone. `--combine` writes
`benchmarks/results/flow_ten_tasks.json` and `.md`, beside Pi0's rates, and keeps what the page says was found.
"""

import argparse
import hashlib
import json
import os
import queue
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

from mstool.atomic import replace_text
from mstool.cli.output import table
from mstool.evaluation.phases import counted, in_words
from mstool.evaluation.statistics import wilson
from mstool.manifest import all_tasks
from mstool.training import resume

RESULTS = Path(__file__).parent / "results"
REFERENCE = RESULTS / "evaluation_reference.json"
PAGE, FOUND = "flow_ten_tasks.md", "## What was found"
PROTOCOLS = (
    "Unseen seeds, success once with Wilson's interval, and at the end, 20 steps later. Pi0: fine-tuned by another "
    "team on about 200 demos, 40 episodes for each of six tasks, without a wrist camera on PickCube."
)
COMMANDS = ("generate", "convert", "finetune", "eval")
# From the command to the first step, and the shortest training that is worth it, s.
START_S, LEAST_S = 60, 20
GRACE_S = 20


def parse_variant(text: str) -> tuple[str, dict[str, list[str]]]:
    """Read `NAME=COMMAND: WORDS; COMMAND: WORDS`: the name, and {command: words}."""
    name, _, rest = text.partition("=")
    words: dict[str, list[str]] = {command: [] for command in COMMANDS}
    for part in filter(None, (part.strip() for part in rest.split(";"))):
        command, _, line = part.partition(":")
        if command.strip() not in words:
            raise SystemExit(f"--variant {text!r}: {command!r} is none of {', '.join(COMMANDS)}")
        words[command.strip()] += shlex.split(line)
    return name.strip(), words


class Bench:
    """What all policies share: words, work folder, the clock, and the results as far as they are."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.started = time.monotonic()
        self.work: Path = options.work
        self.cores = len(os.sched_getaffinity(0))
        _, self.common = parse_variant(f"all={options.common}")
        self.policies: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        # What was made already: demos and datasets, by the words that made them.
        self.shared: dict[str, tuple[Path, dict[str, Any]]] = {}
        # A GPU for each policy that trains, in turn.
        self.gpus: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        there = gpus()
        for number in range(getattr(options, "side_by_side", 1)):
            self.gpus.put(there[number % len(there)] if len(there) > 1 else None)

    @property
    def left(self) -> float:
        """Seconds until the limit."""
        return float(self.options.limit - (time.monotonic() - self.started))

    def save(self) -> None:
        """Write the results as they stand."""
        with self.lock:
            document = {
                "words": shlex.join(["python", "benchmarks/flow_ten_tasks.py", *sys.argv[1:]]),
                "machine": machine(),
                "seconds": round(time.monotonic() - self.started),
                "policies": self.policies,
            }
            text = json.dumps(document, indent=1).replace(str(self.work), "WORK")
            replace_text(self.options.output / "results.json", text + "\n")

    def run(
        self, log: str, *words: object, least: float = 0.0, keep: float = 0.0, gpu: str | None = None
    ) -> dict[str, Any]:
        """Run a command until `keep` seconds before the limit; its JSON document, line and seconds, or what failed."""
        line = [str(word) for word in words]
        document: dict[str, Any] = {"command": shlex.join(["mstool", *line])}
        env = {**os.environ, **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})}
        if self.left < least:
            return {**document, "failed": f"{self.left:.0f} s are left"}
        print(f"{time.monotonic() - self.started:4.0f} s  {document['command']}", flush=True)
        began = time.monotonic()
        folder = self.options.output / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{log}.log").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "mstool.cli", *line, "--json"], stdout=subprocess.PIPE, stderr=err, text=True,
                env=env,
            )  # fmt: skip
            try:
                out, _ = process.communicate(timeout=max(1.0, self.left - keep))
            except subprocess.TimeoutExpired:
                out = stop(process)
        document["seconds"] = round(time.monotonic() - began, 1)
        text = (folder / f"{log}.log").read_text(errors="replace")
        (folder / f"{log}.log").write_text(text[-6000:])
        if process.returncode:
            said = text[-1500:] or out[-1500:] or f"exit code {process.returncode}"
            print(f"{document['command']} ended with {process.returncode}:\n{said}", flush=True)
            return {**document, "failed": said}
        return {**document, **json.loads(out)}

    def prepared(self, tasks: str, words: dict[str, list[str]]) -> tuple[Path | None, dict[str, Any]]:
        """Make the demos and the dataset of a policy, unless that was done; its folder, None where it failed."""
        options, made = self.options, words["generate"]
        key = digest(options.episodes, *made)
        wanted = episodes(options.episodes, tasks.split(","))
        demos, done = self.work / f"demos-{key}", []
        if options.demos and not made:
            demos = options.demos
        for env_id in tasks.split(","):
            there = self.shared.get(f"{demos}/{env_id}")
            if there is None and not any((demos / env_id).rglob("*.h5")):
                document = self.run(
                    f"generate-{key}-{env_id}", "demos", "generate", "-e", env_id, "-n", wanted[env_id],
                    "--workers", self.cores, *made, "--output", demos / env_id,
                )  # fmt: skip
                slim = {name: document.get(name) for name in ("command", "seconds", "episodes", "attempts", "failed")}
                there = self.shared[f"{demos}/{env_id}"] = (demos, slim)
            done += [there[1]] if there else []
        if failed := [document["failed"] for document in done if document.get("failed")]:
            return None, {"generate": done, "failed": failed}
        name = f"{tasks.replace(',', '+')}-{digest(str(demos), *words['convert'])}"
        root = self.work / "data" / name
        noted = self.work / f"convert-{name}.json"
        if name not in self.shared and noted.is_file():  # by an earlier run
            self.shared[name] = root, json.loads(noted.read_text())
        if name not in self.shared:
            document = self.run(
                f"convert-{name}", "convert", "-e", tasks, "--demos", demos, "--workers", max(1, self.cores - 2),
                *words["convert"], "--output", root,
            )  # fmt: skip
            kept = ("command", "seconds", "converted", "frames", "dropped", "failed")
            self.shared[name] = root, {entry: document.get(entry) for entry in kept}
            if not document.get("failed"):
                noted.write_text(json.dumps(self.shared[name][1]))
        root, document = self.shared[name]
        return None if document.get("failed") else root, {"generate": done, "convert": document}

    def policy(self, entry: dict[str, Any], root: Path, words: dict[str, list[str]]) -> None:
        """Train and evaluate one policy, on a GPU that fewest others use."""
        gpu = self.gpus.get()
        try:
            self.trained_and_evaluated(entry, root, words, gpu)
        finally:
            self.gpus.put(gpu)

    def trained_and_evaluated(
        self, entry: dict[str, Any], root: Path, words: dict[str, list[str]], gpu: str | None
    ) -> None:
        """Train one policy, or take what an earlier run trained, and evaluate it."""
        options, key = self.options, digest(root.name, self.options.minutes, *words["finetune"])
        name = f"{entry['tasks'].replace(',', '+')}-{entry['variant']}-{key}"
        output = self.work / "runs" / name
        entry["finetune"] = document = self.trained(name, output, root, words["finetune"], gpu)
        self.save()
        if not (output / "checkpoints" / "last").is_dir():
            return
        document["losses"] = losses(output / "train_log.jsonl")
        workers = options.eval_workers or max(1, (self.cores - 1) // options.side_by_side)
        entry["evals"], entry["tasks_done"] = [], []
        for number, own in enumerate(alternatives(words["eval"])):
            folder = self.work / "eval" / f"{name}-{number}"
            document = self.run(
                f"eval-{name}-{number}", "eval", "--policy", output, "--episodes", options.eval_episodes,
                "--workers", workers, *own, "--output", folder, gpu=gpu,
            )  # fmt: skip
            entry["evals"].append({key: document.get(key) for key in ("command", "seconds", "failed", "timing")})
            entry["tasks_done"] += [{**task, "eval": shlex.join(own)} for task in rates(folder)]
            self.save()

    def trained(self, name: str, output: Path, root: Path, words: list[str], gpu: str | None) -> dict[str, Any]:
        """Train until the minutes are over or the reserve begins; what an earlier run finished is not done again.

        One that the limit left fewer minutes is finished with these: its learning rate fell with them, and `--resume`
        cannot give it more. The results say how many it had of how many.
        """
        options, noted = self.options, self.work / f"finetune-{name}.json"
        if noted.is_file():
            return dict(json.loads(noted.read_text()))
        seconds = min(60 * options.minutes, self.left - options.reserve - START_S)
        loaders = max(1, min(4, self.cores // (2 * options.side_by_side)))
        begun = (output / "checkpoints" / "last").is_dir()  # by an earlier run, which its limit ended
        minutes = trained_minutes(output) if begun else round(max(seconds, 1) / 60, 3)
        document = self.run(
            f"finetune-{name}", "finetune", root, "--num-workers", loaders, *words, "--output", output,
            *(["--resume"] if begun else ["--minutes", minutes]),
            least=options.reserve + START_S + LEAST_S, keep=options.reserve, gpu=gpu,
        )  # fmt: skip
        document |= {"minutes": minutes, "minutes_asked": options.minutes}
        if not document.get("failed"):
            noted.write_text(json.dumps(document))
        elif lines := log_lines(output / "train_log.jsonl"):
            document |= {"steps": lines[-1]["steps"], "last": lines[-1]}
        return document


def write_page(page: Path, lines: list[str]) -> None:
    """Write a page's paragraphs, and keep what it says was found."""
    _, _, found = page.read_text().partition(FOUND) if page.is_file() else ("", "", "")
    page.write_text("\n\n".join([*lines, *([f"{FOUND}{found.rstrip()}"] if found else [])]) + "\n")


def main() -> None:
    """Make every policy, or combine the results of earlier runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--tasks", action="append", help="task(s) of one policy, comma-separated; default: ten policies"
    )
    parser.add_argument("--variant", action="append", help="NAME=COMMAND: WORDS; COMMAND: WORDS; default: plain")
    parser.add_argument("--common", default="", help="COMMAND: WORDS; COMMAND: WORDS, for every variant")
    parser.add_argument("--episodes", default="300", help="demos per task: 300, or 300,PlaceSphere-v1=400,...")
    parser.add_argument("--minutes", type=float, default=5, help="training per policy; 0: demos and datasets alone")
    parser.add_argument("--eval-episodes", type=int, default=100)
    parser.add_argument("--eval-workers", type=int, help="default: the cores, shared by those side by side")
    parser.add_argument("--side-by-side", type=int, default=2, help="policies on the GPUs at once")
    parser.add_argument("--limit", type=float, default=560, help="seconds for everything")
    parser.add_argument("--reserve", type=float, default=75, help="seconds kept for an evaluation")
    parser.add_argument("--demos", type=Path, help="demos that are there: a folder with one for each task")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "mstool-flow-ten-tasks")
    parser.add_argument("--output", type=Path, default=Path("runs") / "flow_ten_tasks", help="results and logs")
    parser.add_argument("--combine", type=Path, nargs="+", metavar="RESULTS.json", help="write the table, run nothing")
    options = parser.parse_args()
    if options.combine:
        combine(options.combine)
        return
    bench = Bench(options)
    variants = [parse_variant(text) for text in options.variant or ["plain"]]
    with ThreadPoolExecutor(options.side_by_side) as pool:
        running = []
        for tasks in options.tasks or all_tasks():
            for name, own in variants:
                words = {command: [*bench.common[command], *own[command]] for command in COMMANDS}
                root, stages = bench.prepared(tasks, words)
                entry = {"tasks": tasks, "variant": name, **stages}
                bench.policies.append(entry)
                bench.save()
                if root is not None and options.minutes:
                    running.append(pool.submit(bench.policy, entry, root, words))
        for future in running:
            future.result()
    bench.save()
    print(as_table(bench.policies))


def alternatives(words: list[str]) -> list[list[str]]:
    """Return the words of each evaluation of a policy, which `|` divides."""
    return [shlex.split(part) for part in shlex.join(words).replace("'|'", "|").split("|")]


def stop(process: "subprocess.Popen[str]") -> str:
    """End a command as Ctrl-C does, and with force where it takes too long; what it printed."""
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=GRACE_S)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def rates(folder: Path) -> list[dict[str, Any]]:
    """Count how the episodes of an evaluation ended, be it finished or not, per task."""
    lines = [line for path in sorted(folder.glob("outcomes-*.jsonl")) for line in path.read_text().splitlines()]
    outcomes = [json.loads(line) for line in lines if line.endswith("}")]
    found = []
    for env_id in dict.fromkeys(outcome["env_id"] for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome["env_id"] == env_id]
        once, end = sum(o["success_once"] for o in own), sum(o["success_at_end"] for o in own)
        failed = sorted(o["seed"] for o in own if not o["success_once"])
        phases = counted([o.get("phase", "") for o in own])
        counts = {"env_id": env_id, "episodes": len(own), "once": once, "at_end": end}
        found.append({**counts, "failed_seeds": failed, "failed_in": phases})
    return found


def losses(path: Path) -> list[tuple[int, float]]:
    """Return about ten (step, loss) of a training, its last one too."""
    lines = log_lines(path)
    every = max(1, len(lines) // 10)
    return [(line["steps"], round(line["loss"], 5)) for line in [*lines[:-1:every], *lines[-1:]]]


def trained_minutes(output: Path) -> float | None:
    """Return for how many minutes a training was begun, as its checkpoint says."""
    return (resume.newest(output).run if resume.newest(output) else {}).get("minutes")


def shortened(trained: dict[str, Any]) -> str:
    """Say how many minutes a training had; of how many, where the limit left it fewer."""
    had, asked = trained.get("minutes"), trained.get("minutes_asked")
    if had is None or asked is None:
        return ""
    return f"{had:g}" if had >= asked else f"{had:.1f} of {asked:g}"


def log_lines(path: Path) -> list[dict[str, Any]]:
    """Return what a training logged, none where it logged nothing."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def episodes(text: str, tasks: list[str]) -> dict[str, int]:
    """Read `300,PlaceSphere-v1=400`: how many demos of each task."""
    parts = text.split(",")
    common = next((int(part) for part in parts if "=" not in part), 300)
    own = dict(part.split("=") for part in parts if "=" in part)
    return {env_id: int(own.get(env_id, common)) for env_id in tasks}


def gpus() -> list[str]:
    """Return the GPUs that CUDA shows here, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    shown = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return shown or [str(number) for number in range(torch.cuda.device_count())]


def digest(*words: object) -> str:
    """Return a short name for words."""
    return hashlib.sha256(shlex.join(map(str, words)).encode()).hexdigest()[:8]


def machine() -> str:
    """Say what this runs on."""
    import torch

    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return f"{', '.join(gpus) or 'no GPU'}, {len(os.sched_getaffinity(0))} cores"


def as_table(policies: list[dict[str, Any]]) -> str:
    """Return the table: one row per task and policy."""
    rows = []
    for entry in policies:
        trained = entry.get("finetune", {})
        last = trained.get("last", {})
        rows += [
            {
                "task": task["env_id"],
                "variant": f"{entry['variant']} {task['eval']}".strip(),
                "demos": f"{entry['convert']['converted']}" + ("" if "," not in entry["tasks"] else " of all"),
                "minutes": shortened(trained),
                "steps": trained.get("steps", ""),
                "epochs": f"{last['epochs']:.0f}" if "epochs" in last else "",
                "loss": f"{last['loss']:.4f}" if "loss" in last else "",
                **cells(task),
            }
            for task in entry.get("tasks_done", [])
        ]
    pi0 = json.loads(REFERENCE.read_text())["pi0"]["success"]
    rows = [{**row, "Pi0": f"{100 * pi0[row['task']]:.1f} %" if row["task"] in pi0 else ""} for row in rows]
    columns = [name for name in (rows[0] if rows else ()) if name != "minutes" or any(row[name] for row in rows)]
    return table(rows, columns) if rows else "no policy was evaluated"


def cells(task: dict[str, Any]) -> dict[str, str]:
    """Return the cells of a table that say how much of a task was solved."""
    count = task["episodes"]
    low, high = wilson(task["once"], count)
    return {
        "once": f"{task['once']}/{count} = {100 * task['once'] / count:.0f} %",
        "95 %": f"{100 * low:.0f}-{100 * high:.0f} %",
        "at end": f"{100 * task['at_end'] / count:.0f} %",
    }


def failures(policies: list[dict[str, Any]]) -> list[str]:
    """Say in which phases each policy failed, where that was looked at."""
    return [
        f"{task['env_id']}, {entry['variant']} {task['eval']}".strip() + f": {in_words(phases, task['episodes'])}."
        for entry in policies
        for task in entry.get("tasks_done", [])
        if (phases := task.get("failed_in"))
    ]


def combine(paths: list[Path]) -> None:
    """Write the results of several runs as one document and one table; a document may be such a one of several."""
    documents = [json.loads(path.read_text()) for path in paths]
    runs = [run for document in documents for run in (document if isinstance(document, list) else [document])]
    policies = [entry for run in runs for entry in run["policies"]]
    lines = ["# The bundled policy on ten tasks", f"```\n{as_table(policies)}\n```", PROTOCOLS]
    lines += failures(policies)
    lines += [f"{run['machine']}, {run['seconds']} s:\n\n    {run['words']}" for run in runs]
    write_page(RESULTS / PAGE, lines)
    (RESULTS / "flow_ten_tasks.json").write_text(json.dumps(runs, indent=1) + "\n")
    print(lines[1])


if __name__ == "__main__":
    main()
