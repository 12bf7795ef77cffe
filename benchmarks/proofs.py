"""Run the tests that are marked as proofs: many cases of one kind, of which the suite keeps a few.

    python benchmarks/proofs.py [--processes 2] [--out FOLDER] [pytest's words ...]

Among them are every demo that the planner repeats, every layout's actions executed on three tasks, every mutation of a
dataset against all checks, kills at random moments, and the notebook. Writes `proofs.md` into FOLDER: how many of each
file passed, and the seconds that they took.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

from mstool.cli.output import table

ROOT = Path(__file__).parent.parent


def run(processes: int, words: list[str]) -> ET.Element:
    """Run them; returns the tree that pytest writes of the outcomes."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "proofs.xml"
        side_by_side = ["-n", str(processes), "--dist", "loadfile", "--no-loadscope-reorder"]
        line = [sys.executable, "-m", "pytest", "-m", "proof", *side_by_side, f"--junitxml={found}", *words]
        subprocess.run(line, cwd=ROOT, check=False)
        return ET.parse(found).getroot()


def rows(tree: ET.Element) -> tuple[list[dict[str, object]], int]:
    """Count by file; returns the rows, and how many failed."""
    passed: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for case in tree.iter("testcase"):
        name = str(case.get("classname")).replace(".", "/") + ".py"
        if case.find("skipped") is not None:
            continue
        bad = case.find("failure") is not None or case.find("error") is not None
        (failed if bad else passed)[name] += 1
        seconds[name] += float(case.get("time") or 0)  # type: ignore[assignment]
    names = sorted(passed | failed)
    found = [
        {"file": name, "passed": passed[name], "failed": failed[name], "seconds": round(seconds[name])}
        for name in names
    ]
    return found, failed.total()


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    options, words = parser.parse_known_args()
    found, failed = rows(run(options.processes, words))
    shown = table(found, ["file", "passed", "failed", "seconds"])
    print(shown)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "proofs.md").write_text(f"# Proofs that the suite keeps a few cases of\n\n```\n{shown}\n```\n")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
