"""Reading datasets of both versions, and what is said about broken ones."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.synthetic import write_dataset

from mstool.api.stats import compute_stats
from mstool.dataset import columns as columns_module
from mstool.dataset.columns import ColumnReader
from mstool.dataset.description import open_dataset
from mstool.errors import DataError, UsageError
from mstool.norm_stats.compute import compute
from mstool.norm_stats.output import write, write_exact_stats

LENGTHS = [3, 1, 7, 4]


def make(root: Path, version: str = "v3.0", **options) -> Path:
    rng = np.random.default_rng(0)
    frames = sum(LENGTHS)
    data = {
        "observation.state": rng.normal(size=(frames, 8)).astype(np.float32),
        "action": rng.normal(size=(frames, 7)).astype(np.float32),
    }
    return write_dataset(root, data, LENGTHS, version=version, **options)


def edit_info(root: Path, **changes) -> None:
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_description(tmp_path, version):
    names = {"action": ["dx", "dy", "dz", "rx", "ry", "rz", "gripper"]}
    units = {"observation.state": ["m"] * 3 + ["rad"] * 3 + ["m"] * 2}
    dataset = open_dataset(make(tmp_path / "d", version, names=names, layout="libero", units=units))
    assert (dataset.version, dataset.episodes, dataset.frames, dataset.layout) == (version, 4, 15, "libero")
    assert dataset.features["action"].names[-1] == "gripper"
    assert dataset.features["action"].units == ("",) * 7
    assert dataset.features["observation.state"].units[3] == "rad"
    assert dataset.features["timestamp"].width == 32
    assert dataset.features["index"].width == 64


def test_names_by_group(tmp_path):
    root = make(tmp_path / "d")
    info = json.loads((root / "meta/info.json").read_text())
    info["features"]["action"]["names"] = {"motors": list("abcdefg")}
    info["features"]["observation.state"]["names"] = ["too", "few"]
    edit_info(root, **info)
    dataset = open_dataset(root)
    assert dataset.features["action"].names == tuple("abcdefg")
    assert dataset.features["observation.state"].names == tuple("01234567")


@pytest.mark.parametrize("keep_bytes", [0, 10**9])
@pytest.mark.parametrize("rows", [2, 5, 6, 1000])
@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_blocks_hold_whole_episodes(tmp_path, monkeypatch, version, rows, keep_bytes):
    monkeypatch.setattr(columns_module, "ROWS", rows)
    dataset = open_dataset(make(tmp_path / "d", version))
    monkeypatch.setattr(columns_module, "KEEP_BYTES", keep_bytes)
    reader = ColumnReader(dataset, ["action", "index"])
    table = pq.read_table(dataset.root / "data") if version == "v2.1" else pq.read_table(dataset.files[0])
    expected = np.stack(table["action"].to_numpy())
    for _ in range(2):
        blocks = list(reader.blocks())
        assert np.concatenate([block.lengths for block in blocks]).tolist() == LENGTHS
        np.testing.assert_array_equal(np.concatenate([block.columns["index"][0] for block in blocks]), np.arange(15))
        np.testing.assert_array_equal(np.concatenate([block.columns["action"] for block in blocks], axis=1).T, expected)
    if rows <= 5:
        assert len(blocks) > 1


def test_matrix_feature_keeps_its_order(tmp_path):
    values = np.arange(4 * 6, dtype=np.float32).reshape(4, 2, 3)
    root = write_dataset(tmp_path / "d", {"m": values}, [4])
    [block] = ColumnReader(open_dataset(root), ["m"]).blocks()
    np.testing.assert_array_equal(block.columns["m"], values.reshape(4, 6).T)


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_both_versions_give_the_same(tmp_path, version):
    other = compute([make(tmp_path / "other", "v3.0")])
    result = compute([make(tmp_path / "d", version)])
    np.testing.assert_array_equal(result.actions.stats.q99, other.actions.stats.q99)
    np.testing.assert_array_equal(result.state.stats.mean, other.state.stats.mean)


def test_reading_again_gives_the_same_as_keeping(tmp_path, monkeypatch):
    root = make(tmp_path / "d")
    kept = compute([root], config="pi0_libero")
    monkeypatch.setattr(columns_module, "KEEP_BYTES", 0)
    monkeypatch.setattr(columns_module, "ROWS", 3)
    again = compute([root], config="pi0_libero")
    for name in ("q01", "q10", "q50", "q90", "q99"):
        np.testing.assert_array_equal(kept.actions.stats.quantiles[name], again.actions.stats.quantiles[name])
        np.testing.assert_array_equal(
            kept.features[0]["index"].quantiles[name], again.features[0]["index"].quantiles[name]
        )


def test_pooled_is_the_union(tmp_path):
    rng = np.random.default_rng(4)
    parts = [rng.normal(size=(n, 15)).astype(np.float32) * n for n in (9, 14)]
    roots = [
        write_dataset(
            tmp_path / str(i), {"state": part[:, :8], "actions": part[:, 8:]}, [4, len(part) - 4], version=version
        )
        for i, (part, version) in enumerate(zip(parts, ("v2.1", "v3.0"), strict=True))
    ]
    both = np.concatenate(parts)
    whole = write_dataset(tmp_path / "both", {"state": both[:, :8], "actions": both[:, 8:]}, [4, 5, 4, 10])
    pooled, expected = compute(roots), compute([whole])
    np.testing.assert_array_equal(pooled.actions.stats.q01, expected.actions.stats.q01)
    np.testing.assert_array_equal(pooled.state.stats.q99, expected.state.stats.q99)
    assert pooled.actions.stats.count == 23 * 10


def test_droid_state_is_joints_then_gripper(tmp_path):
    rng = np.random.default_rng(4)
    data = {
        "joint_position": rng.normal(size=(20, 7)).astype(np.float32),
        "gripper_position": rng.random(size=(20, 1)).astype(np.float32),
        "actions": rng.normal(size=(20, 8)).astype(np.float32),
    }
    result = compute([write_dataset(tmp_path / "d", data, [20], version="v2.1")])
    assert (result.config.name, result.horizon) == ("pi05_droid_finetune", 16)
    assert result.state.names[-2:] == ("joint_position.6", "gripper_position")
    state = np.concatenate([data["joint_position"], data["gripper_position"]], axis=1).astype(np.float64)
    np.testing.assert_array_equal(result.state.stats.q01, np.quantile(state, [0.01], axis=0)[0])


def test_float64_columns_are_windowed_as_float32(tmp_path):
    # torch.tensor of a list of floats is float32: that is what openpi subtracts.
    data = {"state": np.full((5, 8), 0.1), "actions": np.full((5, 7), 0.3)}
    result = compute([write_dataset(tmp_path / "d", data, [5])], delta="6,-1")
    assert result.actions.stats.quantiles["q50"][0] == float(np.float32(0.3) - np.float32(0.1))


# What is broken, how, and a part of what must be said.
def _bad_json(root):
    (root / "meta/info.json").write_text("{")


def _json_list(root):
    (root / "meta/info.json").write_text("[]")


def _version(root):
    edit_info(root, codebase_version="v1.6")


def _no_fps(root):
    info = json.loads((root / "meta/info.json").read_text())
    del info["fps"]
    (root / "meta/info.json").write_text(json.dumps(info))


def _features_list(root):
    edit_info(root, features=[1])


def _empty(root):
    edit_info(root, total_episodes=0, total_frames=0)


def _no_footer(root):
    path = next((root / "data").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-20])


def _zero_bytes(root):
    next((root / "data").rglob("*.parquet")).write_bytes(b"")


def _no_data(root):
    for path in (root / "data").rglob("*.parquet"):
        path.unlink()


def _rewrite(root, change):
    path = max((root / "data").rglob("*.parquet"))
    pq.write_table(change(pq.read_table(path)), path)


def _no_column(root):
    _rewrite(root, lambda table: table.drop_columns(["action"]))


def _no_episode_index(root):
    _rewrite(root, lambda table: table.drop_columns(["episode_index"]))


def _set(table, name, values):
    return table.set_column(table.column_names.index(name), name, values)


def _other_shape(root):
    _rewrite(root, lambda table: _set(table, "action", pa.array([[1.0] * 6] * table.num_rows, pa.list_(pa.float32()))))


def _ragged(root):
    _rewrite(
        root,
        lambda table: _set(
            table, "action", pa.array([[1.0] * (6 + i % 2) for i in range(table.num_rows)], pa.list_(pa.float32()))
        ),
    )


def _scalar(root):
    _rewrite(root, lambda table: _set(table, "action", pa.array([1.0] * table.num_rows)))


def _text(root):
    _rewrite(root, lambda table: _set(table, "action", pa.array([["a"] * 7] * table.num_rows)))


def _nulls(root):
    _rewrite(root, lambda table: _set(table, "action", pa.array([None] * table.num_rows, pa.list_(pa.float32()))))


def _fewer_frames(root):
    edit_info(root, total_frames=14)


def _fewer_rows(root):
    _rewrite(root, lambda table: table.slice(0, table.num_rows - 1))


def _other_keys(root):
    info = json.loads((root / "meta/info.json").read_text())
    info["features"]["act"] = info["features"].pop("action")
    edit_info(root, **info)
    (root / "meta/info.json").write_text(json.dumps(info))


BROKEN = [
    (_bad_json, "info.json"),
    (_json_list, "not a JSON object"),
    (_version, "'v1.6' is none of v2.1, v3.0"),
    (_no_fps, "fps"),
    (_features_list, "info.json"),
    (_empty, "empty"),
    (_no_footer, "unreadable parquet"),
    (_zero_bytes, "unreadable parquet"),
    (_no_data, "data"),
    (_no_column, "no column action"),
    (_no_episode_index, "no column episode_index"),
    (_other_shape, "column action has lengths 6"),
    (_ragged, "column action has lengths"),
    (_scalar, "column action has 1 double"),
    (_text, "column action has 7 string"),
    (_nulls, "empty cells"),
    (_fewer_frames, "says 4 and 14"),
    (_fewer_rows, "14 frames"),
    (_other_keys, "no column action or actions"),
]


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize(("break_it", "said"), BROKEN, ids=[case[0].__name__ for case in BROKEN])
def test_broken_datasets(tmp_path, version, break_it, said):
    root = make(tmp_path / "d", version)
    (root / "norm_stats.json").write_text("old")
    (root / "meta/stats.json").write_text('{"old": {}}')
    break_it(root)
    before = contents(root)
    with pytest.raises(DataError) as caught:
        write_exact_stats(root)
    assert said in caught.value.message
    assert caught.value.fix
    assert str(root) in caught.value.message
    assert contents(root) == before


def test_data_path_of_another_version(tmp_path):
    root = make(tmp_path / "d", "v2.1")
    edit_info(root, data_path="data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet")
    with pytest.raises(DataError, match=r"does not fit"):
        open_dataset(root)


def test_missing_episode_file(tmp_path):
    root = make(tmp_path / "d", "v2.1")
    (root / "data/chunk-000/episode_000002.parquet").unlink()
    with pytest.raises(
        DataError, match=r"1 of 4 episode files are missing, first data/chunk-000/episode_000002\.parquet"
    ):
        open_dataset(root)


def test_no_such_folder(tmp_path):
    with pytest.raises(UsageError, match="does not exist") as caught:
        compute([tmp_path / "nowhere"])
    assert caught.value.fix.endswith(f" --output {tmp_path / 'nowhere'}")


def test_a_file_is_no_dataset(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        compute([tmp_path / "f"])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("feature", ["observation.state", "action"])
def test_nan_is_an_error_and_writes_nothing(tmp_path, feature, bad):
    frames = sum(LENGTHS)
    data = {
        name: np.zeros((frames, dims), dtype=np.float32) for name, dims in (("observation.state", 8), ("action", 7))
    }
    data[feature][5, 2] = bad
    root = write_dataset(tmp_path / "d", data, LENGTHS)
    before = contents(root)
    result = compute([root])
    assert not result.ok
    problem = next(p for p in result.problems if p.code == "NS101")
    assert problem.dim == 2
    # Frame 5 is the second of the third episode.
    assert f"{feature} of episode 2, frame 1" in problem.message
    with pytest.raises(DataError, match="nothing was written"):
        write(result, output=None, asset_id=None)
    with pytest.raises(DataError, match="nothing was written"):
        write_exact_stats(root)
    assert contents(root) == before


def test_nan_elsewhere_leaves_only_that_feature_alone(tmp_path):
    frames = sum(LENGTHS)
    data = {
        "observation.state": np.zeros((frames, 8), dtype=np.float32),
        "action": np.zeros((frames, 7), dtype=np.float32),
        "reward": np.full(frames, np.nan, dtype=np.float32),
    }
    root = write_dataset(tmp_path / "d", data, LENGTHS)
    (root / "meta/stats.json").write_text('{"reward": {"mean": [7.0]}}')
    result = write_exact_stats(root)
    assert [(p.code, p.severity, p.key) for p in result.problems if p.code == "NS101"] == [
        ("NS101", "warning", "reward")
    ]
    written = json.loads((root / "meta/stats.json").read_text())
    assert written["reward"] == {"mean": [7.0]}
    assert written["action"]["count"] == [frames]


def test_pooling_refuses_what_differs(tmp_path):
    rng = np.random.default_rng(0)
    seven, eight = (
        write_dataset(
            tmp_path / str(n),
            {
                "state": rng.normal(size=(5, 8)).astype(np.float32),
                "actions": rng.normal(size=(5, n)).astype(np.float32),
            },
            [5],
            layout="libero" if n == 7 else "",
        )
        for n in (7, 8)
    )
    with pytest.raises(DataError, match="of 7 dimensions"):
        compute([seven, eight])
    with pytest.raises(UsageError, match="twice"):
        compute_stats([seven, eight, seven / ".." / "7"])
    tcp = write_dataset(
        tmp_path / "tcp",
        {"state": np.zeros((5, 8), dtype=np.float32), "actions": np.zeros((5, 7), dtype=np.float32)},
        [5],
        layout="tcp",
    )
    with pytest.raises(DataError, match="layout libero"):
        compute([seven, tcp])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"horizon": 0}, "--horizon 0"),
        ({"horizon": 100_000}, "--horizon"),
        ({"delta": "six"}, "--delta 'six' is not a mask"),
        ({"delta": "0"}, "not a mask"),
        ({"delta": "8"}, "the delta mask 8 has 8 dimensions, state has 8 and actions 7"),
        ({"config": "pi5_libero"}, "unknown config 'pi5_libero'"),
        ({"config": "pi0_aloha_sim"}, "not supported"),
        ({"config": "pi05_full_droid_finetune"}, "RLDS"),
    ],
)
def test_usage_errors(tmp_path, options, said):
    root = make(tmp_path / "d")
    with pytest.raises(UsageError) as caught:
        compute([root], **options)
    assert said in caught.value.message
    assert caught.value.fix
