"""Datasets come from strangers: whatever is in their files, every command ends soon, with one error and no traceback.

Each case is a small good dataset with one file replaced, and the commands that read that file. They run in children of
one process that has all imports behind it, with little memory and time: `tests/support/hostile_worker.py`.
"""

import io
import json
import os
import shutil
import struct
import subprocess
import sys
import threading
import zipfile
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

GOLDEN = Path(__file__).parents[1] / "golden" / "validate_data" / "libero"
WORKER = Path(__file__).parents[1] / "support" / "hostile_worker.py"
# What a command may take beyond its imports.
MOST_MIB, MOST_SECONDS = 700, 20
DEEP = "[" * 100_000 + "]" * 100_000
INFO, STATS, LOG = "meta/info.json", "meta/stats.json", "meta/mstool/episodes.jsonl"


class Worker:
    """Runs command lines."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *words: object) -> dict:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(word) for word in words]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="module")
def worker():
    started = Worker()
    yield started
    started.close()


@pytest.fixture
def hostile(tmp_path) -> Path:
    """A good dataset, to be changed."""
    return Path(shutil.copytree(GOLDEN, tmp_path / "data"))


def words_of(command: str, root: Path) -> list[object]:
    out = root.parent / "out"
    return {
        "validate": ["validate", root],
        "show": ["show", root, "--output", out],
        "stats": ["stats", root, "--output", out],
        "export": ["export", root, "--format", "v2.1", "--output", out],
        "merge": ["merge", root, GOLDEN, "--output", out],
        "push": ["push", root, "--repo-id", "me/cube", "--dry-run", "--force", "--endpoint", "http://127.0.0.1:9"],
        "describe": ["describe", root, "--from", GOLDEN, "--overwrite"],
        "finetune": ["finetune", root, "--dry-run", "--policy", "act", "--output", out],
    }[command]


def refused(worker, root: Path, command: str, *named: str) -> str:
    """Check that a command says in one error what is wrong, and return what it said."""
    done = worker.run(*words_of(command, root))
    said = done["out"] + done["err"]
    assert "Traceback" not in said, said
    assert done["code"] in {1, 2}, said
    assert done["peak_mib"] < MOST_MIB, done
    assert done["seconds"] < MOST_SECONDS, done
    assert all(name in said for name in named), said
    if command != "validate":
        assert done["err"].count("error: ") == 1, said
    return said


def edited(root: Path, name: str, **changes: object) -> None:
    path = root / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (INFO, DEEP),
        (INFO, '{"features": ' + DEEP + "}"),
        (INFO, "[]"),
        (INFO, '{"codebase_version": "v3.0", "fps": 20, "features": [], "total_episodes": 4, "total_frames": 284}'),
        (STATS, DEEP),
        (LOG, DEEP),
        (LOG, "[1]\n" * 4),
    ],
    ids=["info_deep", "features_deep", "info_list", "features_list", "stats_deep", "log_deep", "log_of_lists"],
)
def test_json(worker, hostile, name, text):
    (hostile / name).write_text(text)
    readers = {INFO: ("validate", "export"), STATS: ("validate", "push"), LOG: ("export", "push")}
    for command in readers[name]:
        refused(worker, hostile, command, Path(name).name)


def test_every_command_on_a_deep_description(worker, hostile):
    (hostile / INFO).write_text(DEEP)
    for command in ("show", "stats", "merge", "push", "describe", "finetune"):
        refused(worker, hostile, command, "info.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"fps": float("inf")},
        {"fps": -1},
        {"fps": 10**400},
        {"total_episodes": 10**15, "codebase_version": "v2.1"},
        {"total_frames": 10**30},
        {"robot_type": "\ud800"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_numbers_and_words(worker, hostile, changes):
    edited(hostile, INFO, **changes)
    for command in ("validate", "stats"):
        refused(worker, hostile, command)


@pytest.mark.parametrize("shape", [[10**12], [-1], [1 << 20, 1 << 20], "7", [[7]], [7.0]], ids=str)
def test_shapes(worker, hostile, shape):
    features = json.loads((hostile / INFO).read_text())["features"]
    features["action"]["shape"] = shape
    edited(hostile, INFO, features=features)
    for command in ("show", "stats", "export"):
        refused(worker, hostile, command, "action")


@pytest.mark.parametrize("entry", [[], "x", {"mean": "x"}, {"mean": [[1], 2]}], ids=str)
def test_statistics(worker, hostile, entry):
    edited(hostile, STATS, action=entry)
    refused(worker, hostile, "validate", "action")
    refused(worker, hostile, "push")


TEMPLATES = ["../{chunk_index}", "/etc/passwd", "{chunk_index.__class__}", "{chunk_index[0]}", "{x}", "{chunk_index!r}",
             "{chunk_index:099999999999d}", "{", "a\0b"]  # fmt: skip


@pytest.mark.parametrize("pattern", TEMPLATES)
def test_path_patterns(worker, hostile, pattern):
    edited(hostile, INFO, data_path=pattern, video_path=pattern)
    refused(worker, hostile, "validate", "info.json" if pattern[0] == "{" else "")
    refused(worker, hostile, "export")


@pytest.mark.parametrize("what", ["playlist", "concat", "sdp"])
def test_a_video_opens_no_other_file_and_no_address(worker, hostile, canary, what):
    path, address = canary
    text = {
        "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}/a.ts\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{path}'\nfile '{address}/b.mp4'\n",
        "sdp": "v=0\nc=IN IP4 127.0.0.1\nm=video 9999 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    }[what]
    for video in hostile.rglob("*.mp4"):
        video.write_text(text)
    for command in ("validate", "show", "export"):
        refused(worker, hostile, command)


@pytest.fixture
def canary(tmp_path):
    """A file, which must not be opened, and an address, which must not be asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = tmp_path / "canary.mp4"
    shutil.copy(next(GOLDEN.rglob("*.mp4")), path)
    os.utime(path, (1, 1))
    yield path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    assert not asked
    # Read at any time after its modification, a file has another time of access (relatime).
    assert path.stat().st_atime == 1


def png_of(width: int, height: int) -> bytes:
    """Return the beginning of a PNG that announces this size."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"IDAT" + zlib.compress(bytes(1000))
    parts = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (head, body))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture(scope="module")
def images(worker, tmp_path_factory):
    """The same dataset in v2.1 with its images in parquet."""
    root = tmp_path_factory.mktemp("images") / "v21"
    done = worker.run("export", GOLDEN, "--format", "v2.1", "--storage", "image", "--output", root)
    assert done["code"] == 0, done
    return root


@pytest.mark.parametrize(
    "cell",
    [{"bytes": png_of(30_000, 30_000)}, {"bytes": b"%!PS-Adobe-3.0 EPSF-3.0\n"}, {"path": "../../canary.png"}],
    ids=["900_megapixels", "postscript", "path_outside"],
)
def test_images(worker, images, tmp_path, cell):
    root = shutil.copytree(images, tmp_path / "data")
    for path in root.rglob("episode_*.parquet"):
        table = pq.read_table(path)
        for camera in (name for name in table.column_names if pa.types.is_struct(table.schema.field(name).type)):
            kind = table.schema.field(camera).type
            rows = pa.array([{"bytes": None, "path": None} | cell] * len(table), kind)
            table = table.set_column(table.column_names.index(camera), table.schema.field(camera), rows)
        pq.write_table(table, path)
    for command in ("validate", "show", "stats") if "path" in cell else ("validate", "show", "export_v3"):
        words = words_of(command, root) if command != "export_v3" else None
        if command == "stats":
            continue  # it reads no image
        if words is None:
            done = worker.run("export", root, "--format", "v3.0", "--storage", "video", "--output", tmp_path / "out3")
            assert "Traceback" not in done["err"] + done["out"], done
            assert done["code"] == 1, done
            assert done["peak_mib"] < MOST_MIB
        else:
            refused(worker, root, command)


@pytest.mark.parametrize("name", ["data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet"])
def test_parquet_that_unpacks_to_gigabytes(worker, hostile, name):
    path = hostile / name
    column = pa.array(np.zeros(40_000_000, np.int64))
    names = ("episode_index", "length", "action")
    pq.write_table(pa.table(dict.fromkeys(names, column)), path, compression="zstd")
    assert path.stat().st_size < 1_000_000
    for command in ("validate", "show", "stats", "export") if name.startswith("data") else ("validate", "show"):
        refused(worker, hostile, command)


def test_a_side_file_that_announces_a_tebibyte(worker, hostile):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<i8", "fortran_order": False, "shape": (4, 3, 10**10)})
    with zipfile.ZipFile(hostile / "meta/mstool/image_histograms.npz", "w") as file:
        for view in ("base", "wrist"):
            file.writestr(f"{view}.npy", head.getvalue())
    refused(worker, hostile, "export", "image_histograms.npz")


def test_links_are_read_and_not_pushed(worker, hostile, tmp_path):
    (hostile / "videos").rename(tmp_path / "elsewhere")
    (hostile / "videos").symlink_to(tmp_path / "elsewhere")
    done = worker.run("show", hostile, "--output", tmp_path / "out")
    assert done["code"] == 0, done
    refused(worker, hostile, "push", "elsewhere")
