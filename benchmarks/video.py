"""What a video keeps of the rendered frames: PSNR and size of encoder settings on one PickCube episode.

Renders one demo of tests/data at 256 px, encodes both views with each setting, decodes every frame again.

    python benchmarks/video.py

Writes `benchmarks/results/video.md` and `.json`. `red cube` is the mean error (0..255) of the red cube's pixels.
"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np

from mstool.cli.output import table
from mstool.layouts import get_layout
from mstool.maniskill2lerobot.episode.replay import replay
from mstool.maniskill2lerobot.pictures import video
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill.demos.reader import DemoFile
from mstool.simulators.maniskill.environment import ManiSkillSimulator

HERE = Path(__file__).parent
DEMOS = HERE.parent / "tests" / "data" / "demos" / "PickCube-v1"
SETTINGS = {
    "mstool": {},
    "yuv420p crf 18": {"PIX_FMT": "yuv420p", "crf": "18"},
    "yuv420p crf 8": {"PIX_FMT": "yuv420p", "crf": "8"},
    "yuv444p crf 18": {"crf": "18"},
    "yuv444p crf 14, x264's own ipratio": {"crf": "14", "x264-params": "cpu-independent=1"},
}
COLUMNS = ("setting", "view", "mean dB", "min dB", "red cube", "bytes/frame", "ms/frame")


def measure(name: str, change: dict[str, str], view: str, frames: np.ndarray, path: Path) -> dict[str, object]:
    """Encode, decode, compare every frame."""
    options = dict(change)
    video.PIX_FMT = options.pop("PIX_FMT", PIX_FMT)
    video.OPTIONS.clear()
    video.OPTIONS.update(OPTIONS | options)
    writer = video.VideoWriter(path, 20)
    started = time.monotonic()
    for frame in frames:
        writer.add(frame)
    seconds = time.monotonic() - started
    writer.close()
    shown = np.stack(list(video.decode(path)))
    psnr = [video.psnr_db(a, b) for a, b in zip(frames, shown, strict=True)]
    red = (frames[..., 0].astype(int) - frames[..., 1:].max(-1)) > 120
    return {
        "setting": name,
        "view": view,
        "mean dB": round(float(np.mean(psnr)), 2),
        "min dB": round(min(psnr), 2),
        "red cube": round(float(np.abs(frames[red].astype(int) - shown[red]).mean()), 1),
        "bytes/frame": path.stat().st_size // len(frames),
        "ms/frame": round(1e3 * seconds / len(frames), 2),
    }


PIX_FMT, OPTIONS = video.PIX_FMT, dict(video.OPTIONS)


def main() -> None:
    """Run, print, write."""
    seen: dict[str, list[np.ndarray]] = {"base": [], "wrist": []}
    simulator = ManiSkillSimulator(SimulatorSpec("PickCube-v1", "pd_ee_delta_pose", views=tuple(seen)))

    def keep(images: dict[str, np.ndarray]) -> None:
        for view, image in images.items():
            seen[view].append(image)

    replay(simulator, DemoFile(DEMOS).read(0), get_layout("libero"), horizon=200, on_frame=keep)
    with tempfile.TemporaryDirectory() as scratch:
        rows = [
            measure(name, change, view, np.stack(frames), Path(scratch) / "v.mp4")
            for name, change in SETTINGS.items()
            for view, frames in seen.items()
        ]
    text = table(rows, COLUMNS)
    about = f"PickCube-v1, first demo of tests/data, {len(seen['base'])} frames, 256x256, every frame compared."
    print(about, text, sep="\n\n")
    (HERE / "results" / "video.json").write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
    (HERE / "results" / "video.md").write_text(f"{about}\n\n```\n{text}\n```\n")


if __name__ == "__main__":
    main()
