"""Push and pull of 2 GB against a hub on loopback: throughput and peak memory, next to huggingface_hub alone.

    .venv/bin/python benchmarks/hub.py [--out benchmarks/results] [--megabytes 2000] [--work FOLDER]

The hub (`tests/hub_server`, plain Python) runs in a process of its own and hashes what it gets; so on loopback both
ends and the hashing share the processor, and the numbers are a lower bound for what a link could be filled with. Each
step runs in a new process, whose peak resident memory is reported. Only 127.0.0.1 is spoken to. Data are deleted.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MB = 1_000_000
FILE_MB = 200  # LeRobot's limit for a video file
REPEAT = 3
LIBRARY = "huggingface_hub alone"

type Row = dict[str, Any]

PUSH = """
from pathlib import Path
from mstool.hub.options import PushOptions
from mstool.hub.push import push
report = push(PushOptions(dataset=Path(ds), repo_id="me/bench", endpoint=url), say=lambda _: None)
result = {"bytes": report.upload_bytes, "verified": report.verified}
"""
PULL = """
from pathlib import Path
from mstool.hub.options import PullOptions
from mstool.hub.pull import pull
report = pull(PullOptions(repo_id="me/bench", root=Path(out), endpoint=url, open_it=False))
result = {"bytes": report.download_bytes, "verified": report.verified}
"""
LIBRARY_PUSH = """
from huggingface_hub import HfApi
api = HfApi(endpoint=url)
api.create_repo("me/library", repo_type="dataset")
api.upload_folder(repo_id="me/library", folder_path=ds, repo_type="dataset")
result = {"verified": 0}
"""
LIBRARY_PULL = """
from huggingface_hub import snapshot_download
snapshot_download("me/library", repo_type="dataset", local_dir=out, endpoint=url)
result = {"verified": 0}
"""
FRAME = """
import json, resource, sys, time
ds, out, url = sys.argv[1:4]
import huggingface_hub, huggingface_hub.file_download, pyarrow.parquet
# Not ru_maxrss: that of a child begins with its parent's.
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
base = peak()
start = time.perf_counter()
{body}
seconds = time.perf_counter() - start
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps(result | {{"seconds": seconds, "peak_mib": peak(), "imports_mib": base,
    "cpu_s": usage.ru_utime + usage.ru_stime}}))
"""


def make(root: Path, megabytes: int) -> int:
    """Write a valid v3.0 skeleton with incompressible data; returns its bytes."""
    sys.path.insert(0, str(ROOT / "tests"))
    from hub_server.datasets import validate

    (root / "meta").mkdir(parents=True)
    (root / "data/chunk-000").mkdir(parents=True)
    info = {"codebase_version": "v3.0", "fps": 20, "total_episodes": 0, "total_frames": 0, "features": {}}
    (root / "meta/info.json").write_text(json.dumps(info))
    for number, size in enumerate([FILE_MB] * (megabytes // FILE_MB)):
        with (root / f"data/chunk-000/file-{number:03d}.parquet").open("wb") as file:
            for _ in range(size):
                file.write(os.urandom(MB))
    validate(root)
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


class Bench:
    """A hub in a process of its own, and the steps that talk to it."""

    def __init__(self, work: Path) -> None:
        self.work, self.dataset = work, work / "dataset"
        # Nothing of the machine's own settings: no proxy, no other server, no token but the test's.
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and "proxy" not in k.lower()}
        self.environment |= {"HF_TOKEN": "hf_test", "HF_HOME": str(work / "home"), "HF_HUB_DISABLE_XET": "1"}
        self.environment |= {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        self.server = subprocess.Popen(
            [sys.executable, "-m", "hub_server", str(work / "server")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        self.url = self.server.stdout.readline().strip()

    def start(self, body: str, out: Path | None = None) -> subprocess.Popen[str]:
        """Begin a step."""
        words = [sys.executable, "-c", FRAME.format(body=body), str(self.dataset), str(out), self.url]
        return subprocess.Popen(words, env=self.environment, stdout=subprocess.PIPE, text=True)

    def step(self, name: str, body: str, out: Path | None = None) -> Row:
        """Run a step to its end; returns what it measured."""
        process = self.start(body, out)
        text, _ = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{name} failed")
        row = {"step": name} | json.loads(text.splitlines()[-1])
        print(row, file=sys.stderr, flush=True)
        return row

    def kill_halfway(self, body: str, grown: Path, total: int, out: Path | None = None) -> int:
        """Kill the step once half of the bytes are at `grown`; returns how many are."""
        process = self.start(body, out)
        while process.poll() is None and size_of(grown) < total / 2:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        return size_of(grown)

    def stop(self) -> None:
        """End the hub."""
        self.server.stdin.close()
        self.server.wait()


def size_of(folder: Path) -> int:
    """Return the bytes below a folder that others write to."""
    total = 0
    for path in folder.rglob("*") if folder.exists() else ():
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # renamed meanwhile
            continue
    return total


def fresh(work: Path) -> Bench:
    """Start a hub that holds nothing."""
    for name in ("server", "got", "lib"):
        shutil.rmtree(work / name, ignore_errors=True)
    return Bench(work)


def once(work: Path, total: int) -> list[Row]:
    """Measure each whole transfer once, ours and the library's."""
    bench = fresh(work)
    try:
        rows = [bench.step("push", PUSH), bench.step("pull", PULL, work / "got")]
    finally:
        bench.stop()
    bench = fresh(work)
    try:
        rows.append(bench.step(f"{LIBRARY}: upload_folder", LIBRARY_PUSH) | {"bytes": total})
        rows.append(bench.step(f"{LIBRARY}: snapshot_download", LIBRARY_PULL, work / "lib") | {"bytes": total})
    finally:
        bench.stop()
    return rows


def resumed(work: Path, total: int) -> list[Row]:
    """Measure what comes after a kill, and after success."""
    bench = fresh(work)
    try:
        kept = bench.kill_halfway(PUSH, work / "server/lfs", total)
        rows = [bench.step("push, after kill -9 halfway", PUSH) | {"bytes": total - kept}]
        rows.append(bench.step("push again, nothing differs", PUSH))
        kept = bench.kill_halfway(PULL, work / ".got.pull", total, work / "got")
        rows.append(bench.step("pull, after kill -9 halfway", PULL, work / "got") | {"bytes": total - kept})
        rows.append(bench.step("pull again, nothing differs", PULL, work / "got"))
    finally:
        bench.stop()
    return rows


def run(work: Path, megabytes: int) -> tuple[int, list[Row]]:
    """Return the dataset's bytes and one row per step, the fastest of each."""
    total = make(work / "dataset", megabytes)
    rounds = [once(work, total) for _ in range(REPEAT)]
    fastest = [min(rows, key=lambda row: row["seconds"]) for rows in zip(*rounds, strict=True)]
    return total, fastest + resumed(work, total)


def markdown(result: dict[str, object]) -> str:
    """Lay the result out."""
    made = (
        f"{result['bytes'] / 1e9:.2f} GB in files of {FILE_MB} MB, {result['cores']} cores ({result['cpu']}), load "
        f"average {result['load']} before, huggingface_hub {result['huggingface_hub']}, Xet off"
    )
    lines = [
        "# `mstool push` and `mstool pull`: throughput and memory on loopback",
        "",
        f"Written by `benchmarks/hub.py`: {made}.",
        "",
        "The hub is a Python process on the same cores and hashes every upload; each step is a new process. Whole",
        f"transfers were measured {REPEAT} times, ours and the library's in turn; the fastest counts, since other",
        "programs share the machine. `moved` is what crossed the loopback, `MB/s` the dataset's bytes a second of the",
        "step. A push hashes the dataset, uploads, and compares with the server's list; a pull hashes every file that",
        "arrives; the library alone compares nothing. `memory` is peak resident, of which importing the library and",
        "pyarrow takes `imports`.",
        "",
        "| step | s | MB/s | moved GB | CPU s | memory MiB | imports MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        rate = result["bytes"] / MB / row["seconds"]
        lines.append(
            f"| {row['step']} | {row['seconds']:.1f} | {rate:.0f} | {row['bytes'] / 1e9:.2f} | {row['cpu_s']:.1f} "
            f"| {row['peak_mib']:.0f} | {row['imports_mib']:.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, write, delete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--work", type=Path, default=None, help="where the gigabytes lie meanwhile")
    options = parser.parse_args()
    import huggingface_hub

    load = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory(prefix="mstool-bench-hub-", dir=options.work) as folder:
        total, rows = run(Path(folder), options.megabytes)
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    result = {"bytes": total, "cores": os.cpu_count(), "cpu": cpu, "load": load, "rows": rows}
    result |= {"huggingface_hub": huggingface_hub.__version__, "python": platform.python_version()}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "hub.json").write_text(json.dumps(result, indent=2) + "\n")
    (options.out / "hub.md").write_text(markdown(result))
    print(markdown(result))


if __name__ == "__main__":
    main()
