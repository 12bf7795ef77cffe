"""Which browsers play a dataset's videos, and whether they show what LeRobot's reader sees.

    python benchmarks/browsers.py data/PickCube-v1                 # a dataset that `mstool convert` wrote
    python benchmarks/browsers.py data/PickCube-v1 --keep FOLDER   # keeps the frames that the browsers drew

Exports the dataset in the portable video profile too, opens a page with a `<video>` of each view in every installed
browser, without a window, plays it to its end, goes to frame 10, and compares what the browser draws there with that
frame as LeRobot's reader decodes it. Firefox decodes H.264 with the system's libavcodec, where one is installed.
Writes `benchmarks/results/browsers.md` and `.json`.
"""

import argparse
import base64
import contextlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mstool.cli.output import table

RESULTS = Path(__file__).parent / "results"
FRAME = 10
SECONDS = 120
PROFILES = ("exact", "portable")
BROWSERS = {
    "chromium": ("--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir={profile}"),
    "firefox": ("--headless", "--no-remote", "--profile", "{profile}"),
}
COLUMNS = ("browser", "profile", "view", "plays", "frames", "size", "dB", "red", "green", "blue")
PAGE = """<!doctype html><meta charset="utf-8"><title>videos</title>
<video id="video" muted playsinline></video>
<script>
const video = document.getElementById("video");
const wait = name => new Promise(done => video.addEventListener(name, done, {once: true}));
async function show(path, time) {
  const failed = wait("error").then(() => { throw new Error(video.error.message || "error " + video.error.code); });
  video.src = URL.createObjectURL(await (await fetch(path)).blob());  // no browser goes to a frame without ranges
  const ended = wait("ended");
  await Promise.race([video.play(), failed]);
  await Promise.race([ended, failed]);
  const frames = video.getVideoPlaybackQuality().totalVideoFrames, seeked = wait("seeked");
  video.currentTime = time;
  await Promise.race([seeked, failed]);
  await new Promise(done => setTimeout(done, 300));
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  return {frames, picture: canvas.toDataURL("image/png").split(",")[1]};
}
(async () => {
  for (const each of VIDEOS) {
    const said = await show(each.path, each.time).catch(error => ({error: String(error.message || error)}));
    await fetch("/said", {method: "POST", body: JSON.stringify({...each, ...said})});
  }
  await fetch("/said", {method: "POST", body: JSON.stringify({end: true})});
})();
</script>"""


class Server(ThreadingHTTPServer):
    """Serves a folder on loopback; `answers` are what the page said, `told` is set when it has said everything."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.answers: list[dict[str, Any]] = []
        self.told = threading.Event()


class Handler(SimpleHTTPRequestHandler):
    """Files, and the page's answers."""

    server: Server

    def do_POST(self) -> None:
        """Keep what the page says."""
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        if said.get("end"):
            self.server.told.set()
        else:
            self.server.answers.append(said)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve a folder while the block runs."""
    server = Server(folder)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def watch(browser: str, folder: Path) -> list[dict[str, Any]]:
    """Open the page in a browser and return what it said of each video."""
    with serving(folder) as server, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = [option.format(profile=profile) for option in BROWSERS[browser]]
        address = f"http://127.0.0.1:{server.server_address[1]}/page.html"
        with subprocess.Popen(
            [browser, *options, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            server.told.wait(SECONDS)
            process.terminate()
        return server.answers


def prepare(dataset: Path, folder: Path) -> dict[tuple[str, str], np.ndarray]:
    """Write both profiles' videos and a page of them into `folder`; return frame `FRAME` as LeRobot has it."""
    from lerobot.datasets import LeRobotDataset

    seen, videos = {}, []
    for profile in PROFILES:
        root = folder / profile
        if profile == "exact":
            shutil.copytree(dataset, root)
        else:
            words = ["mstool", "export", str(dataset), "--video-profile", profile, "--output", str(root)]
            subprocess.run(words, check=True)
        reader = LeRobotDataset(f"local/{profile}", root=root, video_backend="pyav")
        row = reader[FRAME]
        for key in reader.meta.video_keys:
            path = next((root / "videos" / key).rglob("*.mp4")).relative_to(folder)
            seen[profile, key] = (row[key].numpy().transpose(1, 2, 0) * 255).round().astype(np.uint8)
            videos.append({"profile": profile, "view": key, "path": f"/{path}", "time": (FRAME + 0.5) / reader.fps})
    (folder / "page.html").write_text(PAGE.replace("VIDEOS", json.dumps(videos)), encoding="utf-8")
    return seen


def judge(browser: str, said: dict[str, Any], expected: np.ndarray, keep: Path | None) -> dict[str, object]:
    """Compare what a browser drew with LeRobot's frame: PSNR, and each colour's mean difference of 255."""
    row = {"browser": browser, "profile": said["profile"], "view": said["view"].rpartition(".")[2]}
    if "error" in said:
        return {**row, "plays": f"no: {said['error'][:60]}"}
    data = base64.b64decode(said["picture"])
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{browser}_{said['profile']}_{row['view']}.png").write_bytes(data)
    drawn = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    row |= {"plays": "to its end", "frames": said["frames"], "size": "x".join(map(str, drawn.shape[1::-1]))}
    if drawn.shape != expected.shape:
        return row
    off = drawn.astype(float) - expected
    colours = {name: round(float(off[..., k].mean()), 1) for k, name in enumerate(("red", "green", "blue"))}
    return {**row, "dB": round(float(10 * np.log10(255**2 / max((off**2).mean(), 1e-3))), 1), **colours}


def version(browser: str) -> str:
    """Return what a browser calls itself."""
    return subprocess.run([browser, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def main(argv: Sequence[str] | None = None) -> int:
    """Export, watch, write; 1 when a browser does not play the portable profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(argv)
    found = [browser for browser in BROWSERS if shutil.which(browser)]
    with tempfile.TemporaryDirectory() as folder:
        seen = prepare(options.dataset, Path(folder))
        rows = []
        for browser in found:
            answers = {(said["profile"], said["view"]): said for said in watch(browser, Path(folder))}
            for where, expected in seen.items():
                said = answers.get(where, {"profile": where[0], "view": where[1], "error": f"no answer in {SECONDS} s"})
                rows.append(judge(browser, said, expected, options.keep))
    versions = {browser: version(browser) for browser in found}
    text = (
        f"{', '.join(versions.values())}: a `<video>` of each view of converted demos, played to its end; then frame\n"
        f"{FRAME} drawn, and compared with LeRobot's reader (PyAV). Colours: mean difference, of 255.\n\n"
        f"```\n{table(rows, COLUMNS)}\n```\n"
    )
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "browsers.json").write_text(json.dumps({"versions": versions, "rows": rows}, indent=2) + "\n")
    (options.out / "browsers.md").write_text(text)
    bad = [row for row in rows if row["profile"] == "portable" and row["plays"] != "to its end"]
    return 1 if bad or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
