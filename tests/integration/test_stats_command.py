"""`mstool stats` as a user runs it: output streams, exit codes, and datasets LeRobot itself wrote and reads."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from support.converted import copied
from support.synthetic import write_dataset

from mstool.cli.main import main
from mstool.dataset.fingerprint import content_hash
from mstool.norm_stats.output import write_exact_stats

FRAMES = 400


@pytest.fixture
def mstool(monkeypatch, capsys):
    """Run a command line; gives the exit code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mstool", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
        return (int(caught.value.code or 0), *capsys.readouterr())

    return run


def make(root: Path, *, bad: bool = False) -> Path:
    rng = np.random.default_rng(0)
    action = rng.normal(size=(FRAMES, 7)).astype(np.float32)
    action[:, 6] = np.where(np.arange(FRAMES) % 2, 1, -1)
    if bad:
        action[7, 1] = np.nan
    state = rng.uniform(-0.5, 0.5, size=(FRAMES, 8)).astype(np.float32)
    return write_dataset(root, {"observation.state": state, "action": action}, [150, 250])


def test_writes_and_says_where(tmp_path, mstool):
    root = make(tmp_path / "d")
    code, out, err = mstool("stats", root, "--output", tmp_path / "assets/pi05_libero", "--asset-id", "me/d")
    assert code == 0
    assert out.splitlines()[0].split()[:4] == ["key", "dim", "name", "unit"]
    assert len(out.splitlines()) == 2 + 15
    path = tmp_path / "assets/pi05_libero/me/d/norm_stats.json"
    assert f"wrote {path}" in err
    assert "meta/stats.json" not in err
    document = json.loads(path.read_text())
    assert set(document["norm_stats"]) == {"state", "actions"}
    assert document["mstool"]["datasets"] == ["d"]
    assert not (root / "norm_stats.json").exists()
    assert f"wrote {root / 'meta/stats.json'}" in mstool("stats", root)[2]


def test_json_is_one_document_on_stdout(tmp_path, mstool):
    code, out, _ = mstool("stats", make(tmp_path / "d"), "--json", "--dry-run", "--horizon", 4, "--delta", "6,-1")
    document = json.loads(out)
    assert code == 0
    assert (document["horizon"], document["delta"], document["written"]) == (4, "6,-1", [])
    assert document["actions"]["count"] == FRAMES * 4
    assert list((tmp_path / "d/meta").iterdir()) == [tmp_path / "d/meta/info.json"]


def test_bad_data_is_reported_and_not_written(tmp_path, mstool):
    root = make(tmp_path / "d", bad=True)
    code, out, err = mstool("stats", root, "--json")
    assert code == 1
    assert not json.loads(out)["ok"]
    assert "NS101" in err
    assert "nothing was written" in err
    assert not (root / "norm_stats.json").exists()


def test_check(tmp_path, mstool):
    root = make(tmp_path / "d")
    assert mstool("stats", root)[0] == 0
    before = {path: path.read_bytes() for path in root.rglob("*.json")}
    code, out, _ = mstool("stats", root, "--check", root / "norm_stats.json")
    assert (code, "OFF" in out) == (0, False)
    # LeRobot's own file, and the other window: only the horizon differs.
    assert mstool("stats", root, "--check", root / "meta/stats.json")[0] == 0
    code, out, err = mstool("stats", root, "--check", root / "norm_stats.json", "--delta", "6,-1", "--json")
    assert code == 1
    assert {(d["key"], d["fine"]) for d in json.loads(out)["check"] if d["dim"] == 0} == {
        ("state", True),
        ("actions", False),
    }
    assert "was computed with delta none, this is delta 6,-1" in err
    assert f"fix: mstool stats {root} --delta 6,-1" in err
    assert {path: path.read_bytes() for path in root.rglob("*.json")} == before


def test_plot(tmp_path, mstool):
    assert mstool("stats", make(tmp_path / "d"), "--dry-run", "--plot", tmp_path / "s.png")[0] == 0
    assert (tmp_path / "s.png").stat().st_size > 10_000


@pytest.mark.parametrize("words", [("--delta", "6"), ("--delta", "6,-1", "--json"), ("--config", "pi05_droid")])
def test_what_is_known_to_be_wrong_is_written_on_demand_alone(pickcube, tmp_path, mstool, words):
    root = copied(pickcube / "v3.0", tmp_path / "pick")
    before = content_hash(root)
    code, out, err = mstool("stats", root, *words)
    assert code == 2
    assert ("delta applied twice" if "--delta" in words else "expects the layout droid") in err
    assert "nothing was written (--force writes it)" in err
    assert f"fix: mstool stats {root}" in err
    assert out, "the report is shown all the same"
    assert content_hash(root) == before
    assert mstool("stats", root, *words, "--dry-run")[0] == 0
    assert content_hash(root) == before
    assert mstool("stats", root, *words, "--force")[0] == 0
    assert content_hash(root) != before


def test_pooled_statistics_leave_the_datasets_alone(pickcube, tmp_path, mstool):
    roots = [copied(pickcube / "v3.0", tmp_path / name) for name in ("a", "b")]
    before = [content_hash(root) for root in roots]
    assert mstool("stats", *roots, "--output", tmp_path / "pooled", "--asset-id", "both")[0] == 0
    assert (tmp_path / "pooled/both/norm_stats.json").is_file()
    assert [content_hash(root) for root in roots] == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nowhere"], 2, "nowhere does not exist"),
        (["{root}", "--config", "pi05_libro"], 2, "fix: mstool stats {root} --config pi05_libero"),
        (["{root}", "--check", "no.json"], 2, "no.json: no such file"),
        (["{root}", "--check", __file__], 1, ".py is no JSON file of statistics: "),
        (["{root}", "--check", __file__], 1, "fix: mstool stats {root}\n"),
        (["{root}", "--plot", "x.doc"], 2, "--plot"),
        (["{root}", "{root}"], 2, "given twice: {root}\nfix: mstool stats {root}\n"),
        (["{root}/meta/info.json"], 2, "info.json is a part of the dataset"),
        (["/dev/null"], 2, "/dev/null is a file; a dataset is a folder"),
        (["{root}/meta"], 2, "fix: mstool stats {root}\n"),
        (["{root}/.."], 2, "is not a dataset, it holds 1: d"),
        (["{root}", "--horizon", "x"], 2, "--horizon"),
        ([], 2, "missing argument"),
    ],
)
def test_usage(tmp_path, mstool, words, code, said):
    root = make(tmp_path / "d")
    got, out, err = mstool("stats", *(word.format(root=root) for word in words))
    assert got == code
    assert said.format(root=root) in err
    assert out == ""
    assert not (root / "norm_stats.json").exists()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> tuple[Path, dict[str, np.ndarray]]:
    """A dataset written by LeRobot's own writer, with small images."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    root = tmp_path_factory.mktemp("lerobot") / "d"
    features = {
        "observation.state": {"dtype": "float32", "shape": (8,), "names": [f"s{i}" for i in range(8)]},
        "action": {"dtype": "float32", "shape": (7,), "names": [f"a{i}" for i in range(7)]},
        "observation.images.image": {"dtype": "image", "shape": (8, 8, 3), "names": ["height", "width", "channels"]},
    }
    dataset = LeRobotDataset.create("a/b", fps=20, root=root, features=features, use_videos=False)
    rng = np.random.default_rng(0)
    lengths = [1, 12, 30]
    data = {
        "observation.state": rng.normal(size=(sum(lengths), 8)).astype(np.float32),
        "action": rng.normal(size=(sum(lengths), 7)).astype(np.float32),
    }
    at = 0
    for length in lengths:
        for _ in range(length):
            image = rng.integers(0, 256, size=(8, 8, 3), dtype=np.uint8)
            dataset.add_frame(
                {name: values[at] for name, values in data.items()} | {"observation.images.image": image, "task": "t"}
            )
            at += 1
        dataset.save_episode()
    dataset.finalize()
    return root, data


def test_lerobot_reads_the_exact_statistics(recorded):
    from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata

    root, data = recorded
    before = LeRobotDatasetMetadata("a/b", root=root).stats
    write_exact_stats(root)
    after = LeRobotDatasetMetadata("a/b", root=root).stats
    assert set(after) == set(before)
    for name, entry in before.items():
        # As LeRobot wrote them: the same statistics in the same shapes.
        assert {key: np.shape(value) for key, value in after[name].items()} == {
            key: np.shape(value) for key, value in entry.items()
        }
    for key, value in before["observation.images.image"].items():
        np.testing.assert_array_equal(after["observation.images.image"][key], value)
    for name, values in data.items():
        wide = values.astype(np.float64)
        for key, q in (("q01", 0.01), ("q10", 0.1), ("q50", 0.5), ("q90", 0.9), ("q99", 0.99)):
            np.testing.assert_array_equal(after[name][key], np.quantile(wide, [q], axis=0)[0])
        np.testing.assert_allclose(after[name]["mean"], before[name]["mean"], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(after[name]["std"], wide.std(axis=0), rtol=1e-12)
        np.testing.assert_array_equal(after[name]["count"], before[name]["count"])
    # What is replaced was wrong: the mean of the episodes' quantiles, weighted by their lengths.
    assert np.abs(before["action"]["q99"] - after["action"]["q99"]).max() > 0.1


def test_window_is_what_lerobot_hands_out(recorded):
    """LeRobot's reader, asked for windows as openpi asks, gives the population whose quantiles are written."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    root, _ = recorded
    horizon = 10
    windows = {"action": [t / 20 for t in range(horizon)]}
    dataset = LeRobotDataset("a/b", root=root, delta_timestamps=windows, video_backend="pyav")
    population = np.concatenate([np.asarray(dataset[i]["action"]) for i in range(len(dataset))]).astype(np.float64)
    result = write_exact_stats(root)
    assert result.horizon == horizon
    assert result.actions.stats.count == len(population) == 43 * horizon
    np.testing.assert_array_equal(result.actions.stats.q01, np.quantile(population, [0.01], axis=0)[0])
    np.testing.assert_array_equal(result.actions.stats.q99, np.quantile(population, [0.99], axis=0)[0])
