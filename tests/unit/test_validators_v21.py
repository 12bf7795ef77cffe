"""The v2.1 format and the openpi targets: a good dataset is clean, and what breaks it is caught."""

import io
import json
import shutil
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.proofs import some

from mstool.layouts import get_layout
from mstool.norm_stats.output import write_exact_stats
from mstool.validators import validate

GOLDEN = Path(__file__).parent.parent / "golden" / "validate_data"
FIRST = "data/chunk-000/episode_000000.parquet"
INDEX = ("timestamp", "frame_index", "episode_index", "index", "task_index")


def make_v21(source, root, storage):
    """Write a v3.0 dataset again as v2.1 with openpi's names, from the format's description alone."""
    info = json.loads((source / "meta/info.json").read_text())
    layout = get_layout(info["mstool"]["layout"])
    rows = pq.read_table(source / "data/chunk-000/file-000.parquet").to_pandas()
    columns = {"actions": ("action", slice(None))}
    columns |= {name: ("observation.state", part) for name, part in layout.openpi_state}
    names = {c: np.array(info["features"][old]["names"])[part].tolist() for c, (old, part) in columns.items()}
    cameras = {camera.openpi: camera.lerobot for camera in layout.cameras}
    lines, stats = [], []
    films = {new: _decode(source / f"videos/{old}/chunk-000/file-000.mp4") for new, old in cameras.items()}
    for episode, part in rows.groupby("episode_index"):
        values = {c: np.stack(part[old])[:, dims] for c, (old, dims) in columns.items()}
        arrays = {c: pa.array(v.tolist(), pa.list_(pa.float32(), v.shape[1])) for c, v in values.items()}
        types = {
            c: {"feature": {"dtype": "float32", "_type": "Value"}, "length": v.shape[1], "_type": "Sequence"}
            for c, v in values.items()
        }
        pictures = {camera: film[part.index[0] : part.index[-1] + 1] for camera, film in films.items()}
        for camera, film in pictures.items():
            if storage == "image":
                arrays[camera] = pa.array([{"bytes": _png(p), "path": None} for p in film], pa.struct(_IMAGE))
                types[camera] = {"_type": "Image"}
            else:
                _encode(root / f"videos/chunk-000/{camera}/episode_{episode:06d}.mp4", film)
        for name in INDEX:
            arrays[name] = pa.array(part[name].to_numpy())
        path = root / f"data/chunk-000/episode_{episode:06d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"huggingface": json.dumps({"info": {"features": types}})}
        pq.write_table(pa.table(arrays).replace_schema_metadata(metadata), path)
        lines.append({"episode_index": int(episode), "tasks": ["pick up the red cube"], "length": len(part)})
        each = {c: _stats(v) for c, v in values.items()}
        each |= {camera: _picture_stats(film) for camera, film in pictures.items()}
        stats.append({"episode_index": int(episode), "stats": each})
    meta = root / "meta"
    shutil.copytree(source / "meta/mstool", meta / "mstool")
    _jsonl(meta / "episodes.jsonl", lines)
    _jsonl(meta / "episodes_stats.jsonl", stats)
    _jsonl(meta / "tasks.jsonl", [{"task_index": 0, "task": "pick up the red cube"}])
    shape = next(iter(films.values()))[0].shape
    features = {
        camera: {"dtype": storage, "shape": list(shape), "names": ["height", "width", "channel"]} for camera in cameras
    }
    features |= {c: {"dtype": "float32", "shape": [len(names[c])], "names": names[c]} for c in columns}
    features |= {name: info["features"][name] for name in INDEX}
    info |= {
        "codebase_version": "v2.1",
        "features": features,
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    }
    (meta / "info.json").write_text(json.dumps(info))
    write_exact_stats(root)
    return root


_IMAGE = [("bytes", pa.binary()), ("path", pa.string())]


def _jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _read_jsonl(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def _stats(v):
    numbers = {"min": v.min(0), "max": v.max(0), "mean": v.mean(0, dtype=float), "std": v.std(0, dtype=float)}
    return {name: value.tolist() for name, value in numbers.items()} | {"count": [len(v)]}


def _picture_stats(film):
    pixels = np.stack(film).reshape(-1, 3) / 255
    numbers = {"min": pixels.min(0), "max": pixels.max(0), "mean": pixels.mean(0), "std": pixels.std(0)}
    return {name: value.reshape(3, 1, 1).tolist() for name, value in numbers.items()} | {"count": [len(film)]}


def _decode(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def _png(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _encode(path, film):
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20, options={"crf": "20", "preset": "veryfast"})
        stream.height, stream.width = film[0].shape[:2]
        stream.pix_fmt = "yuv444p"
        for picture in film:
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """{(layout, storage): a good v2.1 dataset}."""
    folder = tmp_path_factory.mktemp("v21")
    return {
        (layout, storage): make_v21(GOLDEN / layout, folder / f"{layout}_{storage}", storage)
        for layout, storage in (("libero", "image"), ("libero", "video"), ("droid", "video"))
    }


def broken(good, tmp_path, change, *, layout="libero", storage="video", select=()):
    root = tmp_path / "dataset"
    shutil.copytree(good[layout, storage], root)
    change(root)
    report = validate(root, f"pi05_{layout}", select=select)
    assert not report.codes("error"), [result.reason for result in report.with_status("error")]
    return report.codes("failed", "warned")


@pytest.mark.parametrize(
    ("layout", "storage", "target"),
    [
        ("libero", "image", "pi05_libero"),
        ("libero", "video", "pi05_libero"),
        ("libero", "video", "maniskill"),
        ("droid", "video", "pi05_droid"),
        ("droid", "video", "maniskill"),
    ],
)
def test_untouched_dataset_is_clean(good, layout, storage, target):
    report = validate(good[layout, storage], target)
    assert report.codes("failed", "warned", "error") == set(), report.headline()
    assert len(report.with_status("passed")) > 50


def _edit_info(root, change):
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))


def _edit_jsonl(name, change):
    def apply(root):
        rows = _read_jsonl(root / name)
        rows = change(rows) or rows
        _jsonl(root / name, rows)

    return apply


def _list_type(root):
    for path in (root / "data").rglob("*.parquet"):
        table = pq.read_table(path)
        metadata = table.schema.metadata[b"huggingface"].replace(b'"Sequence"', b'"List"')
        pq.write_table(table.replace_schema_metadata({b"huggingface": metadata}), path)


def _norm_stats(change):
    def apply(root):
        path = root / "norm_stats.json"
        document = json.loads(path.read_text())
        change(document["norm_stats"])
        path.write_text(json.dumps(document))

    return apply


def _swap_videos(root):
    folder = root / "videos/chunk-000/image"
    a, b, aside = (folder / name for name in ("episode_000000.mp4", "episode_000001.mp4", "aside.mp4"))
    a.rename(aside)
    b.rename(a)
    aside.rename(b)


def _second_png_damaged(root):
    path = root / FIRST
    table = pq.read_table(path)
    cells = table["wrist_image"].to_pylist()
    cells[-1]["bytes"] = cells[-1]["bytes"][:40]
    at = table.column_names.index("wrist_image")
    pq.write_table(table.set_column(at, "wrist_image", pa.array(cells, pa.struct(_IMAGE))), path)


MUTATIONS = [
    (_list_type, "image", {"MS109"}),
    (_second_png_damaged, "image", {"MS301", "MS311"}),
    (_edit_jsonl("meta/tasks.jsonl", lambda rows: rows[0].update(task_index=1)), "video", {"MS113", "MS114"}),
    (_edit_jsonl("meta/tasks.jsonl", lambda rows: rows * 2), "video", {"MS108", "MS113"}),
    (_edit_jsonl("meta/tasks.jsonl", lambda rows: rows[0].update(task="PickCube-v1")), "video", {"MS114", "MS704"}),
    (_edit_jsonl("meta/episodes.jsonl", lambda rows: rows[::-1]), "video", {"MS110"}),
    (
        _edit_jsonl("meta/episodes.jsonl", lambda rows: rows[0].update(length=7)),
        "video",
        {"MS110", "MS112", "MS302", "MS803"},
    ),
    (_edit_jsonl("meta/episodes_stats.jsonl", lambda rows: rows[0].update(stats={})), "video", {"MS606"}),
    (lambda root: (root / "meta/episodes_stats.jsonl").unlink(), "video", {"MS606"}),
    (lambda root: (root / "norm_stats.json").unlink(), "video", {"MS601"}),
    (_norm_stats(lambda s: s["actions"].pop("q99")), "video", {"MS601"}),
    (_norm_stats(lambda s: s["state"]["q01"].pop()), "video", {"MS602"}),
    (_norm_stats(lambda s: s["state"]["q01"].__setitem__(2, 9.0)), "video", {"MS603"}),
    (lambda root: _edit_info(root, lambda info: info.update(codebase_version="v3.0")), "video", None),
    (lambda root: (root / "data/chunk-000/episode_000002.parquet").unlink(), "video", {"MS105"}),
    (_swap_videos, "video", {"MS311"}),
]


@pytest.mark.parametrize(("change", "storage", "codes"), [mutation for mutation in MUTATIONS if mutation[2]])
def test_a_mutation_is_caught_by_the_check_meant_for_it(good, tmp_path, change, storage, codes):
    assert broken(good, tmp_path, change, storage=storage, select=sorted(codes))


# Whole in the suite: a mutation of each kind of file.
@pytest.mark.parametrize(
    ("change", "storage", "codes"),
    some(MUTATIONS, lambda mutation: mutation[2] in (None, {"MS109"}, {"MS602"}, {"MS311"}) or len(mutation[2]) > 2),
)
def test_a_mutation_is_caught_by_no_unrelated_check(good, tmp_path, change, storage, codes):
    found = broken(good, tmp_path, change, storage=storage)
    if codes is None:
        assert "MS701" in found
    else:
        assert found <= codes
        assert found & codes


def test_wrist_camera_missing(good, tmp_path):
    def drop(root):
        _edit_info(root, lambda info: info["features"].pop("wrist_image"))
        shutil.rmtree(root / "videos/chunk-000/wrist_image")

    assert broken(good, tmp_path, drop) == {"MS702", "MS703", "MS802"}


def test_joint_positions_where_velocities_are_expected(good, tmp_path):
    """pi05_droid executes velocities: absolute joint targets are something else."""

    def absolute(root):
        for path in (root / "data").rglob("*.parquet"):
            table = pq.read_table(path)
            joints = np.stack(table["joint_position"].to_pylist())
            actions = np.stack(table["actions"].to_pylist()).astype(np.float32)
            actions[:-1, :7] = joints[1:]
            actions[-1, :7] = joints[-1]
            at = table.column_names.index("actions")
            column = pa.array(actions.tolist(), table.schema.field("actions").type)
            pq.write_table(table.set_column(at, "actions", column), path)
        write_exact_stats(root)

    assert "MS507" in broken(good, tmp_path, absolute, layout="droid")


# The instruction of a private script, and what is wrong with the rest of it.
def test_dataset_of_a_private_script(tmp_path):
    """openpi's keys are right; qpos[:8] as state, ManiSkill's own actions, no wrist camera, an id for a prompt."""
    root = make_v21(GOLDEN / "joint", tmp_path / "PickCube", "video")
    _edit_info(root, lambda info: info.pop("mstool"))
    for column, word, width in (("state", "qpos", 8), ("actions", "motor", 7)):
        names = [f"{word}_{i}" for i in range(width)]
        _edit_info(root, lambda info, c=column, n=names: info["features"][c].update(names=n))
    shutil.rmtree(root / "meta/mstool")
    for path in (root / "videos/chunk-000/wrist_image").iterdir():
        _encode(path, [np.zeros_like(picture) for picture in _decode(path)])
    _edit_jsonl("meta/tasks.jsonl", lambda rows: rows[0].update(task="PickCube-v1"))(root)
    _edit_jsonl("meta/episodes.jsonl", lambda rows: [row.update(tasks=["PickCube-v1"]) for row in rows] and None)(root)
    report = validate(root, "pi05_libero")
    assert not report.codes("error")
    assert report.codes("failed", "warned") == {
        "MS304",  # wrist all black
        "MS501",  # gripper +1 opens
        "MS504",  # rotation turns negatively
        "MS506",  # joints where an end effector pose is expected
        "MS503",  # 0.1 rad per unit where 0.5 is expected
        "MS704",  # PickCube-v1 is no sentence
    }


def test_openpis_version_v20_is_read(tmp_path):
    """The layout of the official physical-intelligence/libero: openpi's LeRobot warns, and reads it."""
    root = tmp_path / "dataset"
    make_v21(GOLDEN / "libero", root, "image")
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps(info | {"codebase_version": "v2.0"}))
    (root / "meta/episodes_stats.jsonl").unlink()
    write_exact_stats(root)
    report = validate(root, "pi05_libero")
    assert report.codes("failed", "error") == set(), report.headline()
