"""Exact statistics against openpi's and LeRobot's way: time, memory, and how far q01 and q99 are off.

    .venv/bin/python benchmarks/stats.py [--out benchmarks/results] [--frames 1000000]

One run makes its own data (no images), limits itself to two cores, and measures each way in a process of its own, the
small ones three times (the fastest counts). Nothing is decoded by any of them, so openpi's time is that of its
statistics alone; its real script decodes every image on top.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SMALL, EPISODE = 10_000, 125
# openpi's pi05_libero: batch_size=256, the last incomplete batch is dropped.
BATCH = 256
BINS = 5000
CORES = 2
REPEAT = 3


def recording(frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Reach, grasp, carry: 8 state and 7 action dimensions; the workspace differs from episode to episode.

    Returns state (N, 8), action (N, 7), both float32, and the episodes' lengths.
    """
    rng = np.random.default_rng(seed)
    episodes = frames // EPISODE
    t = np.linspace(0, 1, EPISODE)[None, :, None]
    start, goal = rng.normal(size=(2, episodes, 1, 6)) * [0.2, 0.2, 0.1, 0.3, 0.3, 0.5]
    bend = rng.normal(size=(episodes, 1, 6)) * 0.05 * np.sin(np.pi * t)
    pose = start + (goal - start) * (10 * t**3 - 15 * t**4 + 6 * t**5) + bend
    pose += rng.normal(size=pose.shape) * 1e-4
    closed = (t > rng.uniform(0.3, 0.6, size=(episodes, 1, 1))).astype(float)
    finger = 0.04 - 0.02 * closed + rng.normal(size=closed.shape) * 1e-4
    state = np.concatenate([pose, finger, -finger], axis=2)
    step = np.diff(pose, axis=1, append=pose[:, -1:])
    action = np.concatenate([np.clip(step / 0.02, -1, 1), 2 * closed - 1], axis=2)
    return state.reshape(-1, 8).astype(np.float32), action.reshape(-1, 7).astype(np.float32), [EPISODE] * episodes


class RunningHistogram:
    """openpi's quantiles, from their description: a histogram that is re-binned when the range grows.

    The first batch fixes 5,000 bins from its least to its greatest value; when a later batch exceeds that range, new
    bins are laid and each old bin's count moves to the new bin its left edge falls in; a quantile is the left edge of
    its bin.
    """

    def __init__(self) -> None:
        self.count = 0
        self.low = self.high = np.zeros(0)
        self.counts: list[np.ndarray] = []
        self.edges: list[np.ndarray] = []

    def update(self, batch: np.ndarray) -> None:
        """Take a batch, shape (..., D)."""
        rows = batch.reshape(-1, batch.shape[-1])
        low, high = rows.min(axis=0), rows.max(axis=0)
        if self.count == 0:
            self.low, self.high = low, high
            self.edges = [np.linspace(a - 1e-10, b + 1e-10, BINS + 1) for a, b in zip(low, high, strict=True)]
            self.counts = [np.zeros(BINS) for _ in low]
        elif (low < self.low).any() or (high > self.high).any():
            self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
            for dim, (a, b) in enumerate(zip(self.low, self.high, strict=True)):
                edges = np.linspace(a, b, BINS + 1)
                self.counts[dim] = np.histogram(self.edges[dim][:-1], bins=edges, weights=self.counts[dim])[0]
                self.edges[dim] = edges
        self.count += len(rows)
        for dim in range(rows.shape[1]):
            self.counts[dim] += np.histogram(rows[:, dim], bins=self.edges[dim])[0]

    def quantile(self, q: float) -> np.ndarray:
        """Give the quantile of each dimension, shape (D,)."""
        at = [np.searchsorted(np.cumsum(counts), q * self.count) for counts in self.counts]
        return np.array([edges[i] for edges, i in zip(self.edges, at, strict=True)])


def reference(horizon: int, mask: str) -> dict[str, list[float]]:
    """`numpy.quantile` over the small recording's windows, all built at once: what every way is measured against."""
    from mstool.norm_stats.configs import parse_mask

    state, action, lengths = recording(SMALL)
    ends = np.repeat(np.cumsum(lengths) - 1, lengths)
    windows = action[np.minimum(np.arange(SMALL)[:, None] + np.arange(horizon), ends[:, None])]
    for dim, on in enumerate(parse_mask(mask)):
        if on:
            windows[:, :, dim] -= state[:, None, dim]
    low, high = np.quantile(windows.reshape(-1, 7).astype(np.float64), [0.01, 0.99], axis=0)
    frames_low, frames_high = np.quantile(action.astype(np.float64), [0.01, 0.99], axis=0)
    found = {"q01": low, "q99": high, "frames_q01": frames_low, "frames_q99": frames_high}
    return {name: values.tolist() for name, values in found.items()}


def openpi_way(root: Path, horizon: int, mask: np.ndarray) -> dict[str, list[float]]:
    """Frames in order, in batches, windows built one by one as a data loader does."""
    import pyarrow.parquet as pq

    table = pq.read_table(root / "data", columns=["observation.state", "action", "episode_index"])
    state, action = (np.stack(table[name].to_numpy()) for name in ("observation.state", "action"))
    episode = table["episode_index"].to_numpy()
    last = np.searchsorted(episode, episode, side="right") - 1
    running = RunningHistogram()
    for batch in range(len(state) // BATCH):
        frames = range(batch * BATCH, (batch + 1) * BATCH)
        windows = [action[np.minimum(np.arange(t, t + horizon), last[t])] for t in frames]
        for t, window in zip(frames, windows, strict=True):
            window[:, : len(mask)] -= np.where(mask, state[t, : len(mask)], 0)
        running.update(np.stack(windows))
    return {"q01": running.quantile(0.01).tolist(), "q99": running.quantile(0.99).tolist()}


def exact_way(root: Path, horizon: int, mask: str) -> dict[str, list[float]]:
    """`mstool stats`, reading included, LeRobot's features included."""
    from mstool.norm_stats.compute import compute

    result = compute([root], config="pi05_libero", horizon=horizon, delta=mask)
    frames = result.features[0]["action"]
    return {
        "q01": result.actions.stats.q01.tolist(),
        "q99": result.actions.stats.q99.tolist(),
        "frames_q01": frames.q01.tolist(),
        "frames_q99": frames.q99.tolist(),
    }


def streamed_way(root: Path, horizon: int, mask: str) -> dict[str, list[float]]:
    """`mstool stats` as it treats a dataset larger than it keeps in memory: read again for every pass."""
    from mstool.dataset import columns

    columns.KEEP_BYTES = 0
    return exact_way(root, horizon, mask)


def lerobot_way(root: Path) -> dict[str, list[float]]:
    """LeRobot's `augment_dataset_quantile_stats`: a histogram per episode, then the mean of the episodes' quantiles."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset
    from lerobot.scripts.augment_dataset_quantile_stats import compute_quantile_stats_for_dataset

    dataset = LeRobotDataset("benchmark/stats", root=root, video_backend="pyav")
    started = time.perf_counter()
    stats = compute_quantile_stats_for_dataset(dataset)["action"]
    return {"q01": stats["q01"].tolist(), "q99": stats["q99"].tolist(), "seconds": time.perf_counter() - started}


def record_with_lerobot(root: Path, frames: int) -> None:
    """Write a dataset with LeRobot's own writer; its `meta/stats.json` is what LeRobot aggregates while recording."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    state, action, lengths = recording(frames)
    features = {
        "observation.state": {"dtype": "float32", "shape": (8,), "names": None},
        "action": {"dtype": "float32", "shape": (7,), "names": None},
    }
    dataset = LeRobotDataset.create("benchmark/stats", fps=20, root=root, features=features, use_videos=False)
    at = 0
    for length in lengths:
        for row in range(at, at + length):
            dataset.add_frame({"observation.state": state[row], "action": action[row], "task": "reach"})
        dataset.save_episode()
        at += length
    dataset.finalize()


def child(job: str, root: Path, horizon: int, mask: str, repeat: int) -> None:
    """Do one job and print its result, time and peak memory: run in a process of its own."""
    # What a command line waits for before any work, the same for each way: not part of the comparison.
    import mstool.norm_stats.compute  # noqa: F401

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    from mstool.norm_stats.configs import parse_mask

    jobs = {
        "exact": lambda: exact_way(root, horizon, mask),
        "streamed": lambda: streamed_way(root, horizon, mask),
        "openpi": lambda: openpi_way(root, horizon, np.array(parse_mask(mask), dtype=bool)),
        "lerobot": lambda: lerobot_way(root),
        "record": lambda: record_with_lerobot(root, SMALL) or {},
    }
    seconds = float("inf")
    for _ in range(repeat):
        started = time.perf_counter()
        found = jobs[job]()
        seconds = min(seconds, found.pop("seconds", time.perf_counter() - started))
    # Not ru_maxrss: that starts at the size of the process this one was started from.
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print("RESULT " + json.dumps({"seconds": seconds, "peak_mib": peak, **found}))


def run(job: str, root: Path, horizon: int = 10, mask: str = "none", repeat: int = 1) -> dict:
    """Start `child` and read what it prints."""
    words = [sys.executable, __file__, "--job", job, "--root", str(root), "--horizon", str(horizon), "--mask", mask]
    words += ["--repeat", str(repeat)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise SystemExit(done.stderr)
    return json.loads(lines[-1].removeprefix("RESULT "))


def error(found: dict, exact: dict, prefix: str = "") -> dict[str, object]:
    """How far q01 and q99 are off per dimension, where the exact q01..q99 is -1..1, and the worst of them."""
    low, high = (np.array(exact[prefix + name]) for name in ("q01", "q99"))
    gap = high - low + 1e-6
    errors = {name: (np.array(found[name]) - exact[prefix + name]) / gap * 2 for name in ("q01", "q99")}
    worst = max(float(np.abs(values).max()) for values in errors.values())
    return {"worst_error": worst, "errors": {name: values.tolist() for name, values in errors.items()}}


def main() -> None:
    """Run everything and write `stats.json` and `stats.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--frames", type=int, default=1_000_000)
    for hidden in ("--job", "--mask"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    for hidden in ("--horizon", "--repeat"):
        parser.add_argument(hidden, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        child(options.job, options.root, options.horizon, options.mask, options.repeat)
        return

    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from support.synthetic import write_dataset

    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        run("record", small)
        recorded = json.loads((small / "meta/stats.json").read_text())["action"]
        state, action, lengths = recording(options.frames)
        write_dataset(large, {"observation.state": state, "action": action}, lengths)
        del state, action
        rows = []
        plain = run("exact", small, 10, "none", REPEAT)
        delta = run("exact", small, 10, "6,-1", REPEAT)
        for mask, exact in (("none", plain), ("6,-1", delta)):
            true = reference(10, mask)
            rows.append({"way": "mstool stats", "delta": mask, **_cost(exact), **error(exact, true)})
            openpi = run("openpi", small, 10, mask, REPEAT)
            rows.append({"way": "openpi, statistics only", "delta": mask, **_cost(openpi), **error(openpi, true)})
        lerobot = run("lerobot", small, repeat=REPEAT)
        way = "LeRobot augment_dataset_quantile_stats"
        rows.append({"way": way, "delta": "per frame", **_cost(lerobot), **error(lerobot, true, "frames_")})
        rows.append({"way": "LeRobot, as recorded", "delta": "per frame", **error(recorded, true, "frames_")})
        big = run("exact", large, 50, "6,-1")
        streamed = run("streamed", large, 50, "6,-1")
    long = f"{options.frames:,} frames, H = 50, delta"
    targets = [
        {"target": "10,000 frames, H = 10: < 1 s", **_cost(plain), "met": plain["seconds"] < 1},
        {"target": "10,000 frames, H = 10, delta: < 1 s", **_cost(delta), "met": delta["seconds"] < 1},
        {"target": f"{long}: < 60 s and < 2 GiB", **_cost(big), "met": _long_met(big)},
        {"target": f"{long}, read again for every pass", **_cost(streamed), "met": _long_met(streamed)},
    ]
    result = {"machine": _machine(), "comparison": rows, "targets": targets}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "stats.json").write_text(json.dumps(result, indent=2) + "\n")
    text = report(result)
    (options.out / "stats.md").write_text(text)
    print(text)
    if not all(target["met"] for target in targets):
        raise SystemExit("a target was missed")


def _long_met(found: dict) -> bool:
    return found["seconds"] < 60 and found["peak_mib"] < 2048


def _cost(found: dict) -> dict[str, float]:
    return {"seconds": round(found["seconds"], 3), "peak_mib": round(found["peak_mib"])}


def _machine() -> dict[str, str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {
        "cpu": cpu,
        "cores used": str(CORES),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "load average": f"{os.getloadavg()[0]:.1f}",
    }


def report(result: dict) -> str:
    """Lay the result out as a page."""
    machine = result["machine"]
    lines = [
        "# `mstool stats`: time and error",
        "",
        f"Written by `benchmarks/stats.py`: {', '.join(f'{key} {value}' for key, value in machine.items())}.",
        "",
        f"{SMALL:,} frames, {SMALL // EPISODE} episodes, 7 action dimensions, H = 10, no images. Error: the worst of",
        "q01 and q99 over all dimensions against `numpy.quantile` of the built windows, where the exact q01..q99 is",
        "the range -1..1. Times include reading parquet, not starting Python. The load average says how much other",
        "programs shared the cores.",
        "",
        "| way | delta | seconds | peak MiB | worst error |",
        "|---|---|---|---|---|",
    ]
    for row in result["comparison"]:
        cost = f"{row['seconds']:.2f} | {row['peak_mib']}" if "seconds" in row else "- | -"
        lines.append(f"| {row['way']} | {row['delta']} | {cost} | {row['worst_error']:.4g} |")
    lines += ["", "| target | seconds | peak MiB | met |", "|---|---|---|---|"]
    for target in result["targets"]:
        met = "yes" if target["met"] else "no"
        lines.append(f"| {target['target']} | {target['seconds']:.2f} | {target['peak_mib']} | {met} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
