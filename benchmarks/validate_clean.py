"""What `mstool validate` says of good datasets: every task of the manifest in four layouts and both formats.

    python benchmarks/validate_clean.py --work FOLDER [--processes 15] [--episodes 5]

Prints a line for each dataset: VALID or INVALID, and what failed or warned.
"""

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from mstool.manifest import all_tasks

LAYOUTS = {"libero": "128", "droid": "64", "joint": "64", "tcp": "96"}


def told(env_id: str, layout: str, seed: int, work: Path, episodes: int) -> list[str]:
    """Generate, convert and validate one task in one layout; a line for each format."""
    out = work / f"{env_id}-{layout}"
    line = [sys.executable, "-m", "mstool.cli", "convert", "-e", env_id, "--demos", "generate", "-n", str(episodes)]
    line += ["--seed", str(seed), "--layout", layout, "--format", "both", "--image-size", LAYOUTS[layout]]
    line += ["--render-detail", "fast", "--workers", "1", "--overwrite", "--output", str(out)]
    subprocess.run(line, check=True, capture_output=True)
    lines = []
    for version in ("v3.0", "v2.1"):
        validate = [sys.executable, "-m", "mstool.cli", "validate", str(out / version), "--json"]
        report = json.loads(subprocess.run(validate, check=False, capture_output=True, text=True).stdout)
        checks = [c for c in report["checks"] if c["status"] in {"failed", "error", "warned"}]
        found = "; ".join(f"{c['code']} {c['status']}: {c['issues'][0]['message']}" for c in checks if c["issues"])
        lines.append(f"{'VALID' if report['valid'] else 'INVALID':8}{env_id} {layout} {version} {found}".rstrip())
    return lines


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--episodes", type=int, default=5)
    arguments = parser.parse_args()
    jobs = [(env_id, layout, 500 + i) for (i, env_id), layout in product(enumerate(all_tasks()), LAYOUTS)]
    with ThreadPoolExecutor(arguments.processes) as pool:
        for lines in pool.map(lambda job: told(*job, arguments.work, arguments.episodes), jobs):
            print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
