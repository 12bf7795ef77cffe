"""The bundled policy on six tasks, from demos to success rates: convert, finetune, eval, as a user would.

    python benchmarks/flow_six_tasks.py [--episodes 200] [--steps 12000] [--minutes 10] [--gpus 2] [--only convert]

One multi-task dataset with language, one policy, unseen seeds. Demos are generated when `data/demos` has none. Every
stage is skipped when its result is in `--work`; a training that reaches `--minutes` stops with a checkpoint, which is
what is evaluated. Writes `benchmarks/results/flow_six_tasks.json` and `.md`, beside Pi0's rates. Needs a GPU: on an
H100 with 16 cores conversion made 305 frames/s with 15 workers (two 256 px views).
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mstool.cli.output import table
from mstool.evaluation.plan import SUITES

RESULTS = Path(__file__).parent / "results"
REFERENCE = RESULTS / "evaluation_reference.json"
TASKS = SUITES["seed6"]


def mstool(*words: object, log: Path, minutes: float | None = None, gpus: int = 1) -> dict[str, Any]:
    """Run one command; its JSON document and its seconds. Past `minutes` it is told to stop, as by Ctrl-C."""
    own = [str(word) for word in words]
    launch = ["-m", "accelerate.commands.launch", "--num_processes", str(gpus)] if gpus > 1 else []
    command = [sys.executable, *launch, "-m", "mstool.cli", *own, "--json"]
    line = shlex.join(["accelerate", "launch", *launch[2:], "-m", "mstool.cli", *own] if launch else ["mstool", *own])
    print(f"$ {line}", flush=True)
    started = time.monotonic()
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)
        try:
            out, _ = process.communicate(timeout=None if minutes is None else 60 * minutes)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
            out, _ = process.communicate()
            out = out if process.returncode == 0 else "{}"
        else:
            if process.returncode:
                raise SystemExit(f"{shlex.join(command)} failed:\n{log.read_text()[-2000:]}")
    document = json.loads(out[out.index("{") :])
    return {"command": line, "seconds": time.monotonic() - started, **document}


def last_numbers(run: Path) -> dict[str, Any]:
    """Return the last logged line of a training."""
    lines = (run / "train_log.jsonl").read_text().splitlines()
    return dict(json.loads(lines[-1]))


def main() -> None:
    """Do what is missing, then write the table."""
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", default="200", help="demos per task, or all that are there")
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--head", default="flow")
    parser.add_argument("--gpus", type=int, default=1, help="processes that train, one per GPU")
    parser.add_argument("--only", choices=("convert", "finetune"), help="stop after this")
    parser.add_argument("--minutes", type=float, help="stop the training after so long")
    parser.add_argument("--loaders", type=int, default=min(6, cores))
    parser.add_argument("--workers", type=int, default=max(1, cores - 1))
    parser.add_argument("--eval-episodes", type=int, default=50)
    parser.add_argument("--replan", type=int, nargs="*", default=[16, 8])
    parser.add_argument("--image-size", default="256")
    parser.add_argument("--demos", help="passed to convert; default: data/demos, else generated")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "mstool-flow-six-tasks")
    options = parser.parse_args()
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    path = work / "document.json"
    document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"cores": cores}

    def stage(name: str, *words: object, **how: Any) -> None:
        if name not in document:
            document[name] = mstool(*words, log=work / f"{name}.log", **how)
            path.write_text(json.dumps(document, indent=1))

    data, run = work / "six", work / f"{options.head}"
    which = [*(["--episodes", options.episodes] if options.episodes != "all" else []),
             *(["--demos", options.demos] if options.demos else [])]  # fmt: skip
    stage("convert", "convert", "--env", ",".join(TASKS), *which, "--workers", options.workers,
          "--image-size", options.image_size, "--root", data)  # fmt: skip
    if options.only == "convert":
        return
    stage("finetune", "finetune", data, "--policy", "flow", "--head", options.head, "--steps", options.steps,
          "--batch-size", options.batch_size, "--lr", options.lr, "--workers", options.loaders, "--cache-frames",
          "memory", "--output", run, minutes=options.minutes, gpus=options.gpus)  # fmt: skip
    document["finetune"] |= {"last": last_numbers(run), "gpus": options.gpus}
    if options.only == "finetune":
        return
    for replan in options.replan:
        stage(f"eval {replan}", "eval", "--policy", run, "--suite", "seed6", "--episodes", options.eval_episodes,
              "--workers", options.workers, "--replan", replan, "--output", work / f"eval{replan}")  # fmt: skip
    write(document, options.replan)


def write(document: dict[str, Any], replans: list[int]) -> None:
    """Write the table beside the reference."""
    pi0 = json.loads(REFERENCE.read_text())["pi0"]["success"]
    rows = []
    for env in TASKS:
        row = {"task": env, "Pi0": f"{100 * pi0[env]:.1f} %"}
        for replan in replans:
            task = next(task for task in document[f"eval {replan}"]["tasks"] if task["env_id"] == env)
            once, end = task["success_once"], task["success_at_end"]
            row[f"replan {replan}"] = f"{once['successes']}/{once['episodes']} = {100 * once['rate']:.0f} %"
            row[f"95 % ({replan})"] = f"{100 * once['low']:.0f}-{100 * once['high']:.0f} %"
            row[f"at end ({replan})"] = f"{100 * end['rate']:.0f} %"
        rows.append(row)
    convert, last = document["convert"], document["finetune"]["last"]
    timings = {n: document[f"eval {n}"]["timing"] for n in replans}
    story = (
        f"{convert['converted']} episodes, {convert['frames']} frames, converted in {convert['seconds']:.0f} s. "
        f"Trained {last['steps']} steps ({last['epochs']:.1f} epochs) on {document['finetune']['gpus']} GPU(s) in "
        f"{document['finetune']['seconds']:.0f} s, loss {last['loss']:.4f}. "
        "Pi0's rates are another team's, on the same tasks, 40 episodes each."
    )
    lines = [
        "# The bundled policy on six tasks",
        f"```\n{table(rows, list(rows[0]))}\n```",
        story,
        *[f"    {part['command']}" for part in document.values() if isinstance(part, dict)],
        *[
            f"Evaluation, replan {n}: {timing['steps_per_second'] or 0:.0f} steps/s with {timing['workers']} workers."
            for n, timing in timings.items()
        ],
    ]
    print(lines[1])
    (RESULTS / "flow_six_tasks.md").write_text("\n\n".join(lines) + "\n")
    slim = {name: {k: v for k, v in part.items() if k != "configuration"} if isinstance(part, dict) else part
            for name, part in document.items()}  # fmt: skip
    (RESULTS / "flow_six_tasks.json").write_text(json.dumps(slim, indent=1) + "\n")


if __name__ == "__main__":
    main()
