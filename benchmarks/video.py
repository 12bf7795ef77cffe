"""What a video keeps of the rendered frames: PSNR, bytes and time of both profiles, and of other settings of 4:2:0.

Renders the first 40 frames of a demo of each of six tasks (tests/data) in three sizes, encodes both views with each
setting one after another in one process, and decodes every frame as LeRobot's reader does with PyAV.

    python benchmarks/video.py
    python benchmarks/video.py --renders FOLDER    # keeps the renders there, or takes those that are there

Writes `benchmarks/results/video.md` and `.json`. `objects` are the pixels of saturated colour (red, green and blue lie
120 or more apart): cubes, spheres and goals; `edges` those of them beside pixels that are not.
"""

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mstool.cli.output import table
from mstool.layouts import get_layout
from mstool.maniskill2lerobot.episode.replay import replay
from mstool.maniskill2lerobot.pictures import video
from mstool.maniskill2lerobot.pictures.profiles import PROFILES, Profile
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill.demos.reader import DemoFile
from mstool.simulators.maniskill.environment import ManiSkillSimulator

HERE = Path(__file__).parent
DEMOS = HERE.parent / "tests" / "data" / "demos"
TASKS = ("PickCube-v1", "StackCube-v1", "PushCube-v1", "PullCube-v1", "PullCubeTool-v1", "PlaceSphere-v1")
SIZES = (128, 224, 256)
VIEWS = ("base", "wrist")
FRAMES = 40
SATURATED = 120
COLUMNS = ("profile", "px", "view", "dB", "worst", "red", "green", "blue", "objects", "edges", "bytes/frame")
TIMES = {"time": "seconds", "decoded": "decoding"}


class EnoughError(Exception):
    """There are as many frames as asked for."""


def render(task: str, size: int) -> dict[str, np.ndarray]:
    """Return {view: frames (N, H, W, 3)} of the beginning of the task's first demo."""
    seen: dict[str, list[np.ndarray]] = {view: [] for view in VIEWS}
    spec = SimulatorSpec(task, "pd_ee_delta_pose", views=VIEWS, image_size=(size, size))

    def keep(images: dict[str, np.ndarray]) -> None:
        for view, image in images.items():
            seen[view].append(image)
        if len(seen[VIEWS[0]]) == FRAMES:
            raise EnoughError

    demo, layout = DemoFile(DEMOS / task).read(0), get_layout("libero")
    with contextlib.suppress(EnoughError):
        replay(ManiSkillSimulator(spec), demo, layout, horizon=400, on_frame=keep)
    return {view: np.stack(images) for view, images in seen.items()}


def renders(folder: Path) -> Iterator[tuple[str, int, dict[str, np.ndarray]]]:
    """Yield (task, size, frames by view), kept in `folder`."""
    for size in SIZES:
        for task in TASKS:
            path = folder / f"{task}_{size}.npz"
            if not path.is_file():
                np.savez(path, **render(task, size))
            with np.load(path) as kept:
                yield task, size, dict(kept)


def settings() -> dict[str, Profile]:
    """Return both profiles, exact without what makes it plain, and portable at other qualities."""
    exact, portable = PROFILES["exact"], PROFILES["portable"]
    extra = {**exact.extra_options, "x264-params": portable.extra_options["x264-params"]}
    others = {"exact, veryfast": replace(exact, encoder={**exact.encoder, "crf": VERYFAST_CRF}, extra_options=extra)}
    others |= {f"portable, crf {crf}": replace(portable, encoder={**portable.encoder, "crf": crf}) for crf in CRFS}
    return {**PROFILES, **others}


CRFS = (4, 8, 12, 18)
# At which all that the preset does gives `exact`'s PSNR and bytes.
VERYFAST_CRF = 12


def measure(profile: Profile, frames: np.ndarray, path: Path) -> dict[str, Any]:
    """Encode, decode, and sum up the squared errors of every frame."""
    writer = video.VideoWriter(path, 20, profile)
    started = time.process_time()
    for frame in frames:
        writer.add(frame)
    writer.finish()
    seconds = time.process_time() - started
    started = time.process_time()
    shown = np.stack(list(video.decode(path)))
    decoding = time.process_time() - started
    squares = (frames.astype(np.float64) - shown) ** 2
    objects, edges = coloured(frames)
    return {
        "frames": len(frames),
        "channels": squares.mean(axis=(0, 1, 2)),
        "worst": squares.mean(axis=(1, 2, 3)).max(),
        "objects": (squares[objects].sum(), objects.sum() * 3),
        "edges": (squares[edges].sum(), edges.sum() * 3),
        "bytes": path.stat().st_size,
        "seconds": seconds,
        "decoding": decoding,
    }


def coloured(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels of saturated colour, and those of them at their border, bool (N, H, W)."""
    far = frames.max(axis=-1).astype(int) - frames.min(axis=-1) >= SATURATED
    inner = np.stack([cv2.erode(each.astype(np.uint8), np.ones((3, 3), np.uint8)) for each in far]).astype(bool)
    return far, far & ~inner


def db(square: float) -> float:
    """PSNR of a mean squared error."""
    return round(float(10 * np.log10(255**2 / square)), 2)


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the measurements of all tasks together: PSNR of the mean squared error over all frames."""
    channels = np.mean([each["channels"] for each in found], axis=0)
    pixels = {name: np.sum([each[name] for each in found], axis=0) for name in ("objects", "edges")}
    return {
        "dB": db(channels.mean()),
        "worst": db(max(each["worst"] for each in found)),
        **{name: db(value) for name, value in zip(("red", "green", "blue"), channels, strict=True)},
        **{name: db(square / count) if count else None for name, (square, count) in pixels.items()},
        "bytes/frame": sum(each["bytes"] for each in found) // sum(each["frames"] for each in found),
        **{name: sum(each[name] for each in found) for name in ("seconds", "decoding")},
    }


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renders", type=Path, help="folder of the rendered frames")
    with tempfile.TemporaryDirectory() as scratch:
        folder = parser.parse_args().renders or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        found: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
        for _, size, frames in renders(folder):
            for name, profile in settings().items():
                for view in VIEWS:
                    one = measure(profile, frames[view], Path(scratch) / "v.mp4")
                    found.setdefault((name, size, view), []).append(one)
    rows = [{"profile": name, "px": size, "view": view, **summary(each)} for (name, size, view), each in found.items()]
    exact = {(row["px"], row["view"]): dict(row) for row in rows if row["profile"] == "exact"}
    for row in rows:
        for column, name in TIMES.items():
            row[column] = round(row.pop(name) / exact[row["px"], row["view"]][name], 2)
    whole = {name: summary([m for key, each in found.items() if key[0] == name for m in each]) for name in settings()}
    for each in whole.values():
        each |= {column: round(each[name] / whole["exact"][name], 2) for column, name in TIMES.items()}
    text = table(rows, [*COLUMNS, *TIMES])
    about = (
        f"The first {FRAMES} frames of a demo of each of {', '.join(TASKS)}, rendered in full; every frame decoded as "
        "LeRobot's reader does with PyAV and compared. dB: PSNR of the mean squared error; worst: of the worst frame; "
        "time, decoded: processor time of conversion and encoding, and of decoding, of that of `exact` in the same run."
    )
    lines = [
        f"{name}: {each['dB']} dB, {each['bytes/frame']} bytes a frame, time {each['time']}, decoded {each['decoded']}"
        for name, each in whole.items()
    ]
    print(about, text, "All sizes and views:", *lines, sep="\n\n")
    (HERE / "results" / "video.json").write_text(
        json.dumps({"about": about, "rows": rows, "all": whole}, indent=1) + "\n"
    )
    (HERE / "results" / "video.md").write_text(
        f"{about}\n\n```\n{text}\n```\n\nAll sizes and views together:\n\n" + "\n".join(f"* {x}" for x in lines) + "\n"
    )


if __name__ == "__main__":
    main()
