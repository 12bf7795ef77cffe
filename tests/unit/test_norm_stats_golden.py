"""One small dataset, its file and its report, against files that numpy made from windows built one by one.

`norm_stats.json` was written by a brute-force script that shares no code with the package; the report by hand from it.
"""

import json
from pathlib import Path

import numpy as np
from support.synthetic import write_dataset

from mstool.cli.output import table
from mstool.norm_stats.compute import StatsResult, compute
from mstool.norm_stats.output import write
from mstool.norm_stats.report import headline, problem_lines, rows

GOLDEN = Path(__file__).parents[1] / "golden"
LENGTHS = [1, 4, 9, 2]


def result(root: Path) -> StatsResult:
    frame = np.arange(sum(LENGTHS))
    state = np.stack([frame % 5 / 8, frame % 3 / 4 - 0.25, np.full(16, 0.5), frame**2 % 7 / 16], axis=1)
    actions = np.stack([frame % 4 / 8, frame % 7 / 16, frame % 2 / 4, np.where(frame % 8 < 3, -1, 1)], axis=1)
    write_dataset(
        root,
        {"state": state.astype(np.float32), "actions": actions.astype(np.float32)},
        LENGTHS,
        version="v2.1",
        names={"state": ["x", "y", "z", "finger"], "actions": ["dx", "dy", "dz", "gripper"]},
        units={"state": ["m"] * 4},
        layout="libero",
    )
    return compute([root], horizon=3, delta="3,-1")


def test_norm_stats_file(tmp_path):
    root = tmp_path / "golden"
    written = write(result(root), output=tmp_path / "assets", asset_id="me/golden", force=True).written
    got = json.loads(written[0].read_text())
    expected = json.loads((GOLDEN / "stats_norm_stats.json").read_text())
    for key, statistics in expected["norm_stats"].items():
        for name in ("q01", "q99"):
            assert got["norm_stats"][key][name] == statistics[name]
        for name in ("mean", "std"):
            np.testing.assert_allclose(got["norm_stats"][key][name], statistics[name], rtol=1e-14, atol=1e-15)
    assert got["mstool"] == expected["mstool"]


def test_report(tmp_path):
    found = result(tmp_path / "golden")
    lines = rows(found)
    text = "\n".join([headline(found), table(lines, list(lines[0])), *problem_lines(found.problems), ""])
    assert text.replace(str(tmp_path) + "/", "") == (GOLDEN / "stats_report.txt").read_text()
