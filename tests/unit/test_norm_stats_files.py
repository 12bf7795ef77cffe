"""The files that are written, compared and drawn."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.synthetic import write_dataset

from mstool.atomic import replace_json
from mstool.dataset.fingerprint import content_hash
from mstool.errors import DataError, UsageError
from mstool.norm_stats.check import compare, differing_settings
from mstool.norm_stats.compute import compute
from mstool.norm_stats.configs import CONFIGS, default_config, find_config, format_mask, parse_mask
from mstool.norm_stats.deviation import TOLERANCE
from mstool.norm_stats.output import norm_stats_path, write, write_exact_stats
from mstool.norm_stats.plot import check_plot, plot

FRAMES = 300
IMAGE = {"mean": [[[0.5]], [[0.4]], [[0.3]]], "count": [7]}


def make(root: Path, version: str = "v3.0", **extra) -> Path:
    rng = np.random.default_rng(0)
    data = {
        "observation.state": rng.normal(size=(FRAMES, 8)).astype(np.float32),
        "action": rng.normal(size=(FRAMES, 7)).astype(np.float32),
        "pose": rng.normal(size=(FRAMES, 2, 3)),
        "next.done": np.arange(FRAMES) % 100 == 99,
        **extra,
    }
    return write_dataset(root, data, [100] * 3, version=version)


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def test_openpi_file(tmp_path):
    root = make(tmp_path / "d")
    result = write_exact_stats(root)
    document = read(root / "norm_stats.json")
    assert set(document["norm_stats"]) == {"state", "actions"}
    assert set(document["norm_stats"]["state"]) == {"mean", "std", "q01", "q99"}
    # Python's JSON floats round-trip: the file holds the very numbers.
    assert document["norm_stats"]["actions"]["q01"] == result.actions.stats.q01.tolist()
    assert document["mstool"]["horizon"] == 10
    assert "datasets" not in document["mstool"]
    assert str(tmp_path) not in json.dumps(document)
    assert result.written == (root / "norm_stats.json", root / "meta/stats.json")


def test_lerobot_file(tmp_path):
    root = make(tmp_path / "d")
    old = {"observation.images.image": IMAGE, "action": {"mean": [0.0], "q01": [9.0], "odd": [1]}}
    (root / "meta/stats.json").write_text(json.dumps(old))
    write_exact_stats(root)
    document = read(root / "meta/stats.json")
    assert document["observation.images.image"] == IMAGE
    expected = {"pose": (2, 3), "action": (7,), "next.done": (1,), "timestamp": (1,), "index": (1,), "task_index": (1,)}
    for name, shape in expected.items():
        entry = document[name]
        assert set(entry) == {"min", "max", "mean", "std", "q01", "q10", "q50", "q90", "q99", "count"}
        assert entry["count"] == [FRAMES]
        assert np.shape(entry["q99"]) == shape
    assert document["index"]["q01"] == [np.quantile(np.arange(FRAMES), [0.01])[0]]
    assert document["next.done"]["mean"] == [pytest.approx(0.01)]


def test_v21_leaves_episode_statistics_alone(tmp_path):
    root = make(tmp_path / "d", "v2.1")
    path = root / "meta/episodes_stats.jsonl"
    path.write_text('{"episode_index": 0, "stats": {}}\n')
    result = write_exact_stats(root)
    assert result.written == (root / "norm_stats.json",)
    assert path.read_text() == '{"episode_index": 0, "stats": {}}\n'
    assert not (root / "meta/stats.json").exists()


def test_both_versions_give_openpi_the_same_numbers(tmp_path):
    files = [write_exact_stats(make(tmp_path / v, v)).written[0] for v in ("v2.1", "v3.0")]
    assert read(files[0])["norm_stats"] == read(files[1])["norm_stats"]


def test_damaged_stats_file_is_not_replaced(tmp_path):
    root = make(tmp_path / "d")
    (root / "meta/stats.json").write_text("{")
    with pytest.raises(DataError, match=r"stats\.json"):
        write_exact_stats(root)
    assert (root / "meta/stats.json").read_text() == "{"
    assert not (root / "norm_stats.json").exists()


def test_where_norm_stats_go(tmp_path):
    one, two = (tmp_path / "one",), (tmp_path / "one", tmp_path / "two")
    assert norm_stats_path(one, None, None) == tmp_path / "one/norm_stats.json"
    assert norm_stats_path(one, None, "x") == tmp_path / "one/x/norm_stats.json"
    assert norm_stats_path(one, Path("assets/c"), "me/x") == Path("assets/c/me/x/norm_stats.json")
    assert norm_stats_path(two, Path("a"), None) == Path("a/one/norm_stats.json")
    (tmp_path / "file").write_text("")
    for roots, out, asset_id in [
        (two, None, "x"),
        (one, tmp_path / "file", "x"),
        (one, Path("a"), "../x"),
        (one, Path("a"), "/x"),
    ]:
        with pytest.raises(UsageError):
            norm_stats_path(roots, out, asset_id)


def test_replacing_is_all_or_nothing(tmp_path, monkeypatch):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text("old a")
    second.write_text("old b")
    with pytest.raises(ValueError, match="JSON"):
        replace_json({first: {"x": 1}, second: {"x": float("nan")}})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device", str(second))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left"):
        replace_json({first: {"x": 1}, second: {"x": 2}})
    assert (first.read_text(), second.read_text()) == ("old a", "old b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"]


def test_replacing_keeps_the_mode(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    path.chmod(0o664)
    replace_json({path: {}, tmp_path / "new.json": {}})
    assert path.stat().st_mode & 0o777 == 0o664
    assert (tmp_path / "new.json").stat().st_mode & 0o777 == 0o644


def test_check_of_own_file_is_exact(tmp_path):
    root = make(tmp_path / "d")
    result = write_exact_stats(root)
    for path in result.written:
        deviations = compare(path, result)
        assert deviations
        assert all(deviation.off == 0 and deviation.fine for deviation in deviations)
    assert len(compare(result.written[0], result)) == 15
    assert differing_settings(result.written[0], result) == []
    assert differing_settings(result.written[0], compute([root], horizon=3)) == [
        f"{result.written[0]} was computed with horizon 10, this is horizon 3"
    ]


def test_check_measures_in_the_normalised_range(tmp_path):
    root = make(tmp_path / "d")
    result = write_exact_stats(root)
    document = read(root / "norm_stats.json")
    gap = result.actions.stats.q99[3] - result.actions.stats.q01[3] + 1e-6
    document["norm_stats"]["actions"]["q99"][3] += 0.25 * gap
    document["norm_stats"]["state"]["q01"] += [0.0] * 24
    (tmp_path / "f.json").write_text(json.dumps(document))
    off = [deviation for deviation in compare(tmp_path / "f.json", result) if not deviation.fine]
    # A quarter of q01..q99 is half a unit where that range is -1..1.
    assert [(d.key, d.dim, d.worst) for d in off] == [("actions", 3, "q99")]
    assert off[0].off == pytest.approx(0.5)
    assert TOLERANCE < 0.5


def test_check_of_nan_and_of_old_files(tmp_path):
    root = make(tmp_path / "d")
    result = write_exact_stats(root)
    document = read(root / "norm_stats.json")
    document["norm_stats"]["state"]["q01"][0] = float("nan")
    del document["norm_stats"]["actions"]["q01"], document["norm_stats"]["actions"]["q99"]
    (tmp_path / "f.json").write_text(json.dumps(document))
    deviations = compare(tmp_path / "f.json", result)
    assert [(d.key, d.dim) for d in deviations if not d.fine] == [("state", 0)]
    assert set(deviations[-1].each) == {"mean", "std"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (None, UsageError),
        ("{", DataError),
        ("[]", DataError),
        ("{}", DataError),
        ('{"norm_stats": {"state": {"mean": [1, 2]}}}', DataError),
        ('{"norm_stats": {"state": {"mean": "x"}}}', DataError),
        ('{"norm_stats": {"state": {"mean": [{}, {}, {}, {}, {}, {}, {}, {}]}}}', DataError),
    ],
)
def test_check_of_other_files(tmp_path, text, error):
    path = tmp_path / "f.json"
    if text is not None:
        path.write_text(text)
    result = compute([make(tmp_path / "d")])
    with pytest.raises(error) as caught:
        compare(path, result)
    assert caught.value.fix


def test_plot(tmp_path):
    data = {"observation.state": np.ones((9, 1), dtype=np.float32), "action": np.arange(9, dtype=np.float32)[:, None]}
    result = compute([write_dataset(tmp_path / "d", data, [9])], features=False)
    for path in (tmp_path / "stats.png", tmp_path / "new/stats.png"):
        check_plot(path)
        plot(result, path)
        assert path.read_bytes().startswith(b"\x89PNG")
    for path in (tmp_path / "stats.txt", tmp_path / "stats.png/stats.png"):
        with pytest.raises(UsageError):
            check_plot(path)


def test_a_plot_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    def full(_, path, **__):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    data = {"observation.state": np.ones((9, 1), dtype=np.float32), "action": np.ones((9, 1), dtype=np.float32)}
    result = compute([write_dataset(tmp_path / "d", data, [9])], features=False)
    out = tmp_path / "out"
    out.mkdir()
    (out / "stats.png").write_bytes(b"old")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    with pytest.raises(DataError, match="No space left"):
        plot(result, out / "stats.png")
    assert [(path.name, path.read_bytes()) for path in out.iterdir()] == [("stats.png", b"old")]


def test_statistics_that_go_elsewhere_leave_the_datasets_alone(tmp_path):
    roots = [make(tmp_path / "a"), make(tmp_path / "b", "v2.1"), make(tmp_path / "c")]
    before = [content_hash(root) for root in roots]
    result = write(compute(roots), output=tmp_path / "assets", asset_id="me/both")
    assert result.written == (tmp_path / "assets/me/both/norm_stats.json",)
    assert read(result.written[0])["mstool"]["frames"] == 3 * FRAMES
    assert [content_hash(root) for root in roots] == before


@pytest.mark.parametrize(
    ("text", "mask"), [("6,-1", (True,) * 6 + (False,)), ("-2,1", (False, False, True)), ("none", ())]
)
def test_masks(text, mask):
    assert parse_mask(text) == mask
    assert parse_mask(format_mask(mask)) == mask


def test_configs():
    # As in openpi's src/openpi/training/config.py.
    expected = {
        "pi05_libero": (10, "none", True),
        "pi0_libero": (50, "6,-1", False),
        "pi0_fast_libero": (10, "6,-1", True),
        "pi05_droid": (15, "none", True),
        "pi05_droid_finetune": (16, "none", True),
        "pi0_droid": (10, "none", False),
        "pi0_fast_droid": (10, "none", True),
    }
    for name, facts in expected.items():
        config = find_config(name)
        assert (config.horizon, format_mask(config.delta), config.quantiles) == facts
    with pytest.raises(UsageError, match="there are: pi05_libero") as caught:
        find_config("pi05_liberoo")
    assert "pi05_libero" in caught.value.fix


def test_default_configs():
    assert default_config("droid", (), 8) is CONFIGS["pi05_droid_finetune"]
    assert default_config("tcp", (), 8) is CONFIGS["pi05_libero"]
    assert default_config("", ("joint_position",), 8) is CONFIGS["pi05_droid_finetune"]
    assert default_config("", ("action",), 14) is CONFIGS["lerobot"]
    assert default_config("", ("action",), 7) is CONFIGS["pi05_libero"]


def test_importing_brings_no_heavy_library():
    script = (
        "import sys, mstool.norm_stats.output, mstool.norm_stats.plot, mstool.norm_stats.report;"
        "heavy = {'torch', 'jax', 'lerobot', 'mani_skill', 'sapien', 'datasets', 'pandas', 'matplotlib'};"
        "bad = heavy & set(sys.modules);"
        "sys.exit(' '.join(bad) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
