import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from hub_server.datasets import TASK, make_v21, make_v30
from hub_server.fixtures import dataset, hub_environment, pristine  # noqa: F401
from support.records import edited_record

from mstool.hub.card import CardFacts, is_ours, write_card
from mstool.hub.card_facts import drops, ranges
from mstool.hub.gate import read_info

GOLDEN = Path(__file__).parents[1] / "golden" / "hub_card.md"
FACTS = CardFacts("me/cube", "apache-2.0", "lerobot_pi05", has_sheet=True)


def card(root, facts=FACTS):
    return write_card(root, read_info(root), facts)


def test_the_whole_card(pristine):  # noqa: F811
    assert card(pristine) == GOLDEN.read_text()
    assert is_ours(card(pristine))


def test_the_head_is_what_hubs_read(pristine):  # noqa: F811
    head = yaml.safe_load(card(pristine).split("---\n")[1])
    assert head["license"] == "apache-2.0"
    assert head["task_categories"] == ["robotics"]
    assert {"LeRobot", "ManiSkill", "PickCube-v1"} <= set(head["tags"])
    assert head["configs"] == [{"config_name": "default", "data_files": "data/*/*.parquet"}]
    assert head["size_categories"] == ["n<1K"]


def test_statistics_are_those_of_the_dataset(pristine):  # noqa: F811
    stats = json.loads((pristine / "meta/stats.json").read_text())["action"]
    line = next(line for line in card(pristine).splitlines() if line.startswith("| dy |"))
    shown = [float(cell) for cell in line.split("|")[2:-1]]
    expected = [stats[key][1] for key in ("min", "q01", "mean", "std", "q99", "max")]
    assert shown == pytest.approx(expected, rel=1e-3)


def test_tables_survive_a_bar_in_a_cell(dataset):  # noqa: F811
    with edited_record(dataset) as record:
        record["conventions"]["odd"] = "a | b"
    for line in write_card(dataset, read_info(dataset), FACTS).splitlines():
        if line.startswith("| odd"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 3


def test_a_v21_card_speaks_of_openpi_and_reads_norm_stats(tmp_path):
    root = make_v21(tmp_path / "old")
    norm = {"mean": [0.0], "std": [1.0], "q01": [-1.0], "q99": [1.0]}
    (root / "norm_stats.json").write_text(json.dumps({"norm_stats": {"state": norm, "actions": norm}}))
    text = card(root)
    assert "LeRobotDataset(" not in text
    assert "`pi05_libero`" in text
    assert TASK in text
    assert "`observation.state`\n\n| dimension | q01 | mean | std | q99 |" in text


def test_a_dataset_made_elsewhere_has_a_card_without_provenance(dataset):  # noqa: F811
    info = read_info(dataset)
    del info["mstool"]
    (dataset / "meta/info.json").write_text(json.dumps(info))
    for name in ("meta/mstool", "meta/stats.json", "meta/tasks.parquet"):
        path = dataset / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    text = card(dataset, CardFacts("me/cube", "mit", "", has_sheet=False))
    assert "Conventions" not in text
    assert "ManiSkill" not in text
    assert "Statistics" not in text
    assert "![" not in text
    assert "license: mit" in text


def test_tasks_come_in_the_order_of_their_index(dataset):  # noqa: F811
    import pandas as pd

    names = ["z last", "a first"]
    pd.DataFrame({"task_index": [1, 0]}, index=pd.Index(names)).to_parquet(dataset / "meta/tasks.parquet")
    text = card(dataset)
    assert text.index("a first") < text.index("z last")


def test_the_same_dataset_gives_the_same_card(tmp_path, pristine):  # noqa: F811
    assert card(make_v30(tmp_path / "again")) == card(pristine)


def test_ranges_and_drops():
    assert ranges([3, 1, 2, 7, 9, 10, 9]) == "1-3, 7, 9-10"
    assert ranges([]) == ""
    assert drops({}) == "none"
    assert drops({"too long": 3, "not solved": 1}) == "3 x too long, 1 x not solved"
