"""Conversion against its floor and against the other ways to the same dataset, on the same demos in one run.

PickCube demos of tests/data become base and wrist view at 256 px, state and actions, in turns by

    floor       execute the converted actions and take the pictures (step + two views), nothing else
    mstool      mstool convert, one worker; also --render-detail fast, and two workers of each
    lerobot     the same frames through LeRobot's `add_frame` and `save_episode`; also with its streaming encoder
    wristcam    as `lerobot`, on the robot `panda_wristcam`, from which a script without mstool gets its wrist view
    maniskill   `replay_trajectory -o rgb --save-traj` on `panda_wristcam`, then ManiSkill's `convert_to_lerobot`

Every one runs in a process of its own, `--rounds` times in turns; the fastest round counts. `ms/frame` is wall clock
without imports and without the first scene and picture (which compile shaders); for several workers, who convert each
demo four times, from the moment when each has finished its first episode to the complete dataset; for ManiSkill's
scripts the difference of a run over all demos and one over a single demo. `cpu ms` is processor time of the same span,
which a busy machine changes less. `with start` is the whole process, everything included. `RSS` is the peak of the
largest process, which for mstool is a worker.

    python benchmarks/convert.py [--rounds 2] [--only floor mstool]

Writes `benchmarks/results/convert.md` and `.json`. Half an hour on two cores.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from convert_variants import EPISODES, REPEATS, VARIANTS

from mstool.cli.output import table

HERE = Path(__file__).parent
COLUMNS = (
    "variant",
    "ms/frame",
    "cpu ms",
    "frames/s",
    "x floor",
    "with start",
    "RSS MiB",
    "bytes/frame",
    "lerobot opens it",
)
TARGETS = (
    # What, numerator, denominator, bound, whether the ratio must be at most it (else at least).
    ("mstool, one worker, of the floor", "mstool", "floor", 1.10, True),
    ("LeRobot's writer on panda_wristcam, of mstool", "wristcam", "mstool", 2.5, False),
    ("LeRobot's writer on panda_wristcam, of mstool fast", "wristcam", "mstool fast", 5.0, False),
    ("LeRobot's writer on the same pictures, of mstool", "lerobot", "mstool", 2.5, False),
    ("LeRobot's writer on the same pictures, of mstool fast", "lerobot", "mstool fast", 5.0, False),
    ("one worker, of two", "mstool", "mstool 2 workers", 1.5, False),
    ("one worker, of two, fast", "mstool fast", "mstool fast 2 workers", 1.5, False),
)


def measure(name: str, scratch: Path) -> dict[str, float]:
    """Run one variant in its own process; returns its measurements."""
    started = time.monotonic()
    out = scratch / "result.json"
    out.unlink(missing_ok=True)
    command = [sys.executable, str(HERE / "convert_variants.py"), name, str(scratch), str(out)]
    with (scratch / "log").open("w") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        raise SystemExit(f"{name} failed:\n{(scratch / 'log').read_text()[-4000:]}")
    return json.loads(out.read_text()) | {"wall": time.monotonic() - started}


def row(name: str, rounds: list[dict[str, float]]) -> dict[str, object]:
    """Return a variant's fastest round as the table shows it."""
    best = min(rounds, key=lambda each: each["seconds"] / each["timed_frames"])
    ms = 1e3 * best["seconds"] / best["timed_frames"]
    return {
        "variant": name,
        "ms/frame": round(ms, 1),
        "cpu ms": round(1e3 * best["cpu"] / best["timed_frames"], 1) if "cpu" in best else "",
        "frames/s": round(1e3 / ms, 1),
        "with start": round(1e3 * best["wall"] / best["frames"], 1),
        "RSS MiB": round(best["rss"] / 2**20),
        "bytes/frame": round(best["bytes"] / best["frames"]) if best["bytes"] else "",
        "lerobot opens it": best["opens"],
        "rounds ms/frame": [round(1e3 * each["seconds"] / each["timed_frames"], 1) for each in rounds],
    }


def verdicts(rows: list[dict[str, object]]) -> list[str]:
    """Say of every target its ratio, and whether it is met."""
    ms = {str(each["variant"]): float(str(each["ms/frame"])) for each in rows}
    lines = []
    for what, above, below, bound, most in TARGETS:
        if above not in ms or below not in ms:
            continue
        ratio = ms[above] / ms[below]
        met = ratio <= bound if most else ratio >= bound
        said = "met" if met else "MISSED"
        lines.append(f"{what}: {ratio:.2f} (target {'<=' if most else '>='} {bound}): {said}")
    worst = max((int(str(each["RSS MiB"])) for each in rows if str(each["variant"]).startswith("mstool")), default=0)
    lines.append(f"peak RSS of a worker: {worst} MiB (target < 1638): {'met' if worst < 1638 else 'MISSED'}")
    return lines


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS))
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in options.only}
    loads = []
    for _ in range(options.rounds):
        for name in options.only:
            with tempfile.TemporaryDirectory() as scratch:
                rounds[name].append(measure(name, Path(scratch)))
            loads.append(os.getloadavg()[0])
            print(name, row(name, rounds[name]), flush=True)
    rows = [row(name, each) for name, each in rounds.items()]
    floor = next((float(str(each["ms/frame"])) for each in rows if each["variant"] == "floor"), None)
    for each in rows:
        each["x floor"] = round(float(str(each["ms/frame"])) / floor, 2) if floor else ""
    about = (
        f"PickCube-v1, {EPISODES} demos of tests/data (two workers: each {REPEATS} times), base and wrist view at "
        f"256x256, SAPIEN on the CPU or GPU that `mstool doctor` names, {os.cpu_count()} cores; load average "
        f"{min(loads):.1f} to {max(loads):.1f} while it ran (our own processes make up to 3). "
        f"Fastest of {options.rounds} rounds in turns."
    )
    lines = verdicts(rows)
    text = table(rows, COLUMNS)
    print(about, text, "\n".join(lines), sep="\n\n")
    if set(options.only) == set(VARIANTS):
        result = {"about": about, "rows": rows, "targets": lines}
        (options.out / "convert.json").write_text(json.dumps(result, indent=1) + "\n")
        notes = "\n".join(f"* {line}" for line in lines)
        (options.out / "convert.md").write_text(f"{about}\n\n```\n{text}\n```\n\n{notes}\n")


if __name__ == "__main__":
    main()
