"""How long `mstool validate` takes on a 1,000-episode dataset, sampled, and how much memory.

The dataset is one real episode set repeated: `--source` is a small LeRobot v3.0 dataset, whose videos and rows are
repeated under new numbers until there are `--episodes`. Run: python benchmarks/validate.py --source data/PickCube-v1
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

RESULT = Path(__file__).parent / "results" / "validate.json"
_DATA = "data/chunk-000/file-000.parquet"
_EPISODES = "meta/episodes/chunk-000/file-000.parquet"


def repeat(source: Path, root: Path, episodes: int) -> None:
    """Write `source` again and again into one dataset; videos are linked, not copied."""
    info = json.loads((source / "meta/info.json").read_text())
    rows, listed = pq.read_table(source / _DATA), pq.read_table(source / _EPISODES)
    own, frames = listed.num_rows, rows.num_rows
    times = -(-episodes // own)
    shutil.copytree(source / "meta", root / "meta")
    log = [json.loads(line) for line in (source / "meta/mstool/episodes.jsonl").read_text().splitlines()]
    parts, lines, logged = [], [], []
    for k in range(times):
        part = rows
        for name, add in (("index", k * frames), ("episode_index", k * own)):
            column = pa.array(rows[name].to_numpy() + add)
            part = part.set_column(part.column_names.index(name), name, column)
        parts.append(part)
        for line, entry in zip(listed.to_pylist(), log, strict=True):
            line["episode_index"] += k * own
            line["dataset_from_index"] += k * frames
            line["dataset_to_index"] += k * frames
            for name in line:
                if name.startswith("videos/") and name.endswith("/file_index"):
                    line[name] = k
            lines.append(line)
            logged.append({**entry, "episode_index": line["episode_index"], "source_episode": line["episode_index"]})
        for video in (source / "videos").glob("*/chunk-000/file-000.mp4"):
            target = root / "videos" / video.parent.parent.name / "chunk-000" / f"file-{k:03d}.mp4"
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(video, target)
    (root / _DATA).parent.mkdir(parents=True)
    pq.write_table(pa.concat_tables(parts).cast(rows.schema), root / _DATA)
    pq.write_table(pa.Table.from_pylist(lines, schema=listed.schema), root / _EPISODES)
    (root / "meta/mstool/episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in logged))
    info |= {"total_episodes": times * own, "total_frames": times * frames, "splits": {"train": f"0:{times * own}"}}
    (root / "meta/info.json").write_text(json.dumps(info))
    subprocess.run([sys.executable, "-m", "mstool.cli", "stats", str(root)], check=True, capture_output=True)


def main() -> None:
    """Build, validate sampled and in full, write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--full", action="store_true", help="measure --full as well")
    arguments = parser.parse_args()
    source = arguments.source.resolve()
    # Beside the source: links do not reach across file systems.
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        root = Path(folder) / "repeated"
        repeat(source, root, arguments.episodes)
        info = json.loads((root / "meta/info.json").read_text())
        result = {"episodes": info["total_episodes"], "frames": info["total_frames"], "cores": os.cpu_count()}
        for name, options in (("sampled", []), *([("full", ["--full"])] if arguments.full else [])):
            result[name] = measure(root, options)
            print(name, result[name], flush=True)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


def measure(root: Path, options: list[str]) -> dict[str, object]:
    """Validate in a process of its own: wall-clock seconds, peak memory in MiB, and the verdict's counts."""
    started = time.monotonic()
    code = (
        "import json,sys;from pathlib import Path;from mstool.validators import validate;"
        "r=validate(Path(sys.argv[1]),'lerobot_pi05',full='--full' in sys.argv);"
        "print(json.dumps([r.counts,r.coverage,{c.code:round(c.seconds,2) for c in r.results if c.seconds>0.5}]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(root), *options], check=True, capture_output=True, text=True)
    counts, coverage, slow = json.loads(done.stdout)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "seconds": round(time.monotonic() - started, 1),
        "peak_mib": int(np.ceil(peak)),
        "counts": counts,
        "looked_at": coverage,
        "slow_checks_s": slow,
    }


if __name__ == "__main__":
    main()
