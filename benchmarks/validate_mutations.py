"""Which faults of content `mstool validate` notices: every mutation of `tests/support/mutations`, on four datasets.

    python benchmarks/validate_mutations.py --work FOLDER [--only WORD ...] [--base NAME ...] [--demos FOLDER]

The datasets are converted from generated demos, or those of a folder, and kept below `--work`. Every mutation is
written back by our own writers,
so files, counts and statistics fit: only the content is wrong. A run over all writes
`benchmarks/results/validate_mutations.md`; broken off, it goes on where it stopped.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.mutations import EVERY  # noqa: E402
from support.mutations.episodes import Mutation, Taken, put, take  # noqa: E402

from mstool.validators import validate  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "validate_mutations.md"
# (words of `convert`, format and storage in which mutations are written, target)
BASES = {
    "pick": (("-e", "PickCube-v1", "-n", "6", "--image-size", "96"), ("v3.0", "image"), "lerobot_pi05"),
    "droid": (
        ("-e", "PickCube-v1", "-n", "6", "--layout", "droid", "--image-size", "64x96"),
        ("v3.0", "image"),
        "lerobot_pi05",
    ),
    "multi": (
        ("-e", "PickCube-v1,StackCube-v1,PushCube-v1", "-n", "4", "--image-size", "96"),
        ("v2.1", "image"),
        "pi05_libero",
    ),
    # No threshold was set on it.
    "held": (
        ("-e", "StackCube-v1", "-n", "6", "--seed", "4000", "--layout", "tcp", "--image-size", "112"),
        ("v3.0", "image"),
        "lerobot_pi05",
    ),
}
CONTENT = ("MS2", "MS3", "MS4", "MS5")


def base(name: str, work: Path, demos: str) -> Path:
    """Convert, once."""
    out = work / name
    if not out.is_dir():
        words, (version, _), _ = BASES[name]
        line = [sys.executable, "-m", "mstool.cli", "convert", *words, "--demos", demos]
        line += ["--render-detail", "fast", "--storage", "image", "--format", version, "--output", str(out)]
        subprocess.run(line, check=True)
    return out


def fits(mutation: Mutation, taken: list[Taken]) -> bool:
    """Whether a mutation means something for a dataset."""
    eef = taken[0].action.shape[1] == 7
    return all({"eef": eef, "joints": not eef}.get(need, need in taken[0].views) for need in mutation.needs)


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--demos", default="generate")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--base", nargs="*", default=list(BASES))
    parser.add_argument("--keep", type=Path, help="JSON of all outcomes, gone on with where it exists")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    kept = arguments.keep or arguments.work / "outcomes.json"
    found = json.loads(kept.read_text()) if kept.is_file() else {}
    for name in arguments.base:
        _, (version, storage), target = BASES[name]
        taken = take(base(name, arguments.work, arguments.demos), arguments.work / f".{name}-shards")
        chosen = [
            m for m in EVERY if fits(m, taken) and (not arguments.only or any(w in m.name for w in arguments.only))
        ]
        clean = None
        for mutation in [Mutation("untouched", lambda taken, _: taken, ()), *chosen]:
            key = f"{name}: {mutation.name}"
            if key in found and not arguments.only:
                clean = found[f"{name}: untouched"]
                continue
            began = time.monotonic()
            changed = mutation.change(taken, np.random.default_rng(0))
            root = put(changed, taken, arguments.work / "mutated", arguments.work / ".mutated", version, storage)
            written = time.monotonic()
            report = validate(root, target, select=CONTENT)
            found[key] = {
                "failed": sorted(report.codes("failed", "error")),
                "warned": sorted(report.codes("warned")),
                "seconds": round(time.monotonic() - written, 1),
            }
            clean = clean or found[key]
            kept.write_text(json.dumps(found, indent=1))
            verdict = judge(mutation, found[key], clean)
            print(f"{verdict:12} {key}: {found[key]} ({written - began:.1f} s written)", flush=True)
    if not arguments.only:
        RESULT.write_text(table(found))


def judge(mutation: Mutation, outcome: dict, clean: dict) -> str:
    """Say how a mutation fared: what the untouched dataset is told as well does not count."""
    failed = set(outcome["failed"]) - set(clean["failed"])
    warned = set(outcome["warned"]) - set(clean["warned"])
    if failed & set(mutation.caught_by):
        return "caught"
    if failed:
        return "by another"
    if warned & set(mutation.caught_by):
        return "warned"
    if warned:
        return "by another, warned"
    return "undecidable" if mutation.undecidable else "missed"


def table(found: dict) -> str:
    """Return the page."""
    by_name = {mutation.name: mutation for mutation in EVERY}
    counts: dict[str, Counter] = {name: Counter() for name in BASES}
    lines = []
    for mutation in EVERY:
        cells = []
        for name in BASES:
            outcome = found.get(f"{name}: {mutation.name}")
            if outcome is None:
                cells.append("")
                continue
            verdict = judge(by_name[mutation.name], outcome, found[f"{name}: untouched"])
            counts[name][verdict] += 1
            codes = " ".join([*outcome["failed"], *(f"({code})" for code in outcome["warned"])])
            cells.append(f"{verdict}{': ' + codes if codes else ''}")
        lines.append(f"| {mutation.name} | {' | '.join(cells)} | {mutation.undecidable} |")
    verdicts = ("caught", "by another", "warned", "by another, warned", "undecidable", "missed")
    head = [
        "# What `mstool validate` notices",
        "",
        f"{len(EVERY)} mutations of good datasets, written back by our own writers so that files, counts and",
        "statistics fit: only the content is wrong. `pick`: 6 episodes of PickCube in `libero`; `droid`: 6 of them",
        "in `droid`; `multi`: 4 of each of three tasks, v2.1; `held`: 6 of StackCube in `tcp`, on which no threshold",
        "was set. PNG throughout; only checks of content ran (MS2 to MS5).",
        "`caught`: a check that is meant for it fails; `by another`: one that is not; `warned`: told without failing;",
        "codes in brackets warn; an empty cell was not run.",
        "Reproduce: `python benchmarks/validate_mutations.py --work FOLDER`",
        "",
        f"| | {' | '.join(verdicts)} | of |",
        f"|---|{'---|' * (len(verdicts) + 1)}",
        *(
            f"| {name} | {' | '.join(str(count[v]) for v in verdicts)} | {sum(count.values())} |"
            for name, count in counts.items()
        ),
        "",
        f"| mutation | {' | '.join(BASES)} | why not |",
        f"|---|{'---|' * (len(BASES) + 1)}",
    ]
    return "\n".join([*head, *lines, ""])


if __name__ == "__main__":
    main()
