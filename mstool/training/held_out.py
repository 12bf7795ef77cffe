"""Evaluation during training (`--eval-freq`): every checkpoint on held-out seeds, and the best one marked."""

import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.json_files import load_json_lines
from mstool.training.run_folder import BEST, CHECKPOINTS, EVAL_LOG, EVALUATIONS

# Far from the seeds of demos and of `mstool eval`: a checkpoint that was chosen by these has not seen the others.
SEED_START = 1_000_000
# Of each task, where nobody says how many.
EPISODES = 20


@dataclass(frozen=True)
class HeldOut:
    """Evaluates the checkpoints of one run, in a process of its own: it shares neither threads nor memory with it."""

    output: Path
    # Per task.
    episodes: int

    def judge(self, step: int, model: Path) -> None:
        """Evaluate a checkpoint, note how often it solved its tasks, and mark it if none was better."""
        words = ["eval", "--policy", str(model), "--episodes", str(self.episodes), "--seed-start", str(SEED_START)]
        words += ["--output", str(self.output / EVALUATIONS / f"{step:06d}-held-out"), "--json"]
        line = [sys.executable, "-m", "mstool.cli", *words]
        done = subprocess.run(line, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no reason was given"]
            logging.warning("step %d was not evaluated: %s", step, lines[-1])
            return
        total = json.loads(done.stdout)["total"]
        once, end = total["success_once"], total["success_at_end"]
        result = {"step": step, "episodes": once["episodes"], "once": once["rate"], "at_end": end["rate"]}
        with (self.output / EVAL_LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        logging.info("step %d: %.0f %% of %d episodes solved", step, 100 * once["rate"], once["episodes"])
        if best(self.output) == result:
            _mark(self.output / CHECKPOINTS / BEST, model.parent.name)


def best(output: Path) -> dict[str, Any] | None:
    """Return the best line of a run's evaluations, of equals the latest; None where there are none."""
    path = output / EVAL_LOG
    if not path.is_file():
        return None
    lines = load_json_lines(path)
    found: dict[str, Any] | None = max(
        lines, key=lambda line: (line["once"], line["at_end"], line["step"]), default=None
    )
    return found


def _mark(link: Path, step: str) -> None:
    aside = link.with_name(f".{BEST}.{os.getpid()}")
    aside.symlink_to(step)
    aside.replace(link)
