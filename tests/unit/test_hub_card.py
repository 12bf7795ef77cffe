import json
import re
from pathlib import Path

import pytest
import yaml
from hub_server.datasets import TASK, make_v30
from hub_server.fixtures import (  # noqa: F401
    dataset,
    dataset_v21,
    hub_environment,
    pristine,
    pristine_v21,
)
from support.records import edited_record

from mstool.dataset.info import read_info
from mstool.errors import DataError
from mstool.hub.card import CardFacts, is_ours, write_card
from mstool.hub.card_facts import drops, ranges

GOLDEN = Path(__file__).parents[1] / "golden" / "hub_card.md"
MASKS = {
    r"mstool \d+\.\d+\.\d+": "mstool VERSION",
    r"[0-9a-f]{64}": "HASH",
    r"(?<=\| )-?\d+(\.\d+)?(e-?\d+)?(?= \|)|\d+\.\d+(?= dB)": "N",
}
FACTS = CardFacts("me/cube", None, "lerobot_pi05", has_sheet=True)


def card(root, facts=FACTS):
    return write_card(root, read_info(root), facts)


def test_the_whole_card(pristine):  # noqa: F811
    """Everything but measured numbers, hashes and the version, which differ between machines or change often."""
    text = card(pristine)
    for pattern, name in MASKS.items():
        text = re.sub(pattern, name, text)
    assert text == GOLDEN.read_text()
    assert is_ours(text)


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


def test_a_v21_card_speaks_of_openpi_and_reads_norm_stats(dataset_v21):  # noqa: F811
    text = card(dataset_v21)
    assert "LeRobotDataset(" not in text
    assert "a copy of its `pi05_libero` config" in text
    assert "`state`\n\n| dimension | q01 | mean | std | q99 |" in text


def test_openpi_has_no_config_for_other_layouts(dataset_v21):  # noqa: F811
    with edited_record(dataset_v21) as record:
        record["layout"] = "tcp"
    assert "write a config of your own" in card(dataset_v21)


def test_a_dataset_made_elsewhere_has_a_card_without_provenance(tmp_path):
    root = make_v30(tmp_path / "elsewhere")
    for name in ("meta/stats.json", "meta/tasks.parquet"):
        (root / name).unlink()
    text = card(root, CardFacts("me/cube", "mit", "", has_sheet=False))
    for word in ("Conventions", "ManiSkill", "Statistics", "![", TASK):
        assert word not in text
    assert "license: mit" in text
    unsaid = card(root, CardFacts("me/cube", None, "", has_sheet=False))
    assert "license" not in unsaid.lower()


def test_a_merge_names_each_environment_once_and_every_source(dataset):  # noqa: F811
    with edited_record(dataset) as record:
        push = {"env_id": "PushCube-v1", "origin": "generate", "env_kwargs": {"robot_uids": "fetch"}}
        record["demos"] += [*record["demos"], {**record["demos"][0], "origin": "hub"}, push]
        record["exported_from"], record["warnings"] = "v2.1", ["3 episodes are in both"]
    text = card(dataset)
    assert "| PickCube-v1 demos | files of the converting machine, ManiSkill's own, from a hub |" in text
    assert "| PushCube-v1 demos | generated |" in text
    assert '| PushCube-v1 simulator | `{"robot_uids": "fetch"}` |' in text
    assert "| rewritten | from LeRobot v2.1 (`mstool export`) |" in text
    assert "| note | 3 episodes are in both |" in text


def test_a_record_with_malformed_entries_is_used_as_far_as_it_goes(dataset):  # noqa: F811
    with edited_record(dataset) as record:
        record |= {"demos": ["x", {"env_id": 3}], "dropped": [], "psnr_db": None, "env_ids": "PickCube-v1"}
        record |= {"units": {"action": 7}, "views": 5, "conventions": [1], "warnings": "none"}
    assert "## Features" in card(dataset)


@pytest.mark.parametrize("name", ["meta/stats.json", "meta/mstool/episodes.jsonl", "meta/tasks.parquet"])
def test_a_damaged_file_is_named(dataset, name):  # noqa: F811
    (dataset / name).write_text("{")
    with pytest.raises(DataError, match=name) as error:
        card(dataset)
    assert error.value.fix == f"mstool validate {dataset}"


def test_tasks_come_in_the_order_of_their_index(dataset):  # noqa: F811
    import pandas as pd

    names = ["z last", "a first"]
    pd.DataFrame({"task_index": [1, 0]}, index=pd.Index(names)).to_parquet(dataset / "meta/tasks.parquet")
    text = card(dataset)
    assert text.index("a first") < text.index("z last")


def test_the_same_dataset_gives_the_same_card(dataset, pristine):  # noqa: F811
    assert card(dataset) == card(pristine)


def test_ranges_and_drops():
    assert ranges([3, 1, 2, 7, 9, 10, 9]) == "1-3, 7, 9-10"
    assert ranges([]) == ""
    assert drops({}) == "none"
    assert drops({"too long": 3, "not solved": 1}) == "3 x too long, 1 x not solved"
