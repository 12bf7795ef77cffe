"""Commands that mstool tells someone to run work for folders whose names need quotes."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from support.edited import GOLDEN, truncate

from mstool.api.datasets import export
from mstool.dataset.training import read_facts
from mstool.errors import DataError, UsageError
from mstool.norm_stats.output import write_exact_stats
from mstool.validators import validate

SOURCES = sorted((Path(__file__).parents[2] / "mstool").rglob("*.py"))
# A path as it is in an f-string that holds a command: `mstool stats {root}` instead of {quoted(root)}.
BARE = re.compile(
    r"mstool [a-z]+ [^\"]*\{([a-z_.]+\.)?(root|path|dataset|output|model|data|repo_id)\}",
)
# A name on a hub is OWNER/NAME, checked before.
HUB = re.compile(r"mstool (pull|push) \{facts\.repo_id\}")
# A name made from a path, inside the quotes that quoted() puts around it.
QUOTED = re.compile(r"\{quoted\(f'[^']*'\)\}")


def test_no_command_names_a_folder_without_quotes():
    bare = [
        f"{path.name}: {line.strip()}"
        for path in SOURCES
        for line in path.read_text(encoding="utf-8").splitlines()
        if BARE.search(QUOTED.sub("", line)) and not HUB.search(line)
    ]
    assert not bare


def test_the_fix_can_be_pasted(tmp_path):
    run = tmp_path / "my run" / "checkpoints" / "000001" / "pretrained_model"
    run.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (run / name).write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        export(tmp_path / "my run", output=tmp_path / "my policy", storage="image")
    assert f"'{tmp_path / 'my run'}' --output '{tmp_path / 'my policy'}'" in (raised.value.fix or "")


def test_the_fix_of_damaged_statistics_can_be_pasted_wherever_it_is_said(mstool, tmp_path):
    root = Path(shutil.copytree(GOLDEN / "libero", tmp_path / "my cube"))
    truncate(root / "meta/stats.json")
    fixes = set()
    for read in (write_exact_stats, read_facts):
        with pytest.raises(DataError, match=r"meta/stats\.json") as raised:
            read(root)
        fixes.add(raised.value.fix)
    fixes |= {result.fix for result in validate(root, "lerobot_pi05").with_status("failed")}
    assert len(fixes) == 1
    aside, again = fixes.pop().split(" && ")
    subprocess.run(shlex.split(aside), check=True)
    assert (root / "meta/stats.json.damaged").is_file()
    assert mstool(*shlex.split(again)[1:]) == 0
    assert validate(root, "lerobot_pi05").valid


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["--drop", "timestamp", "--drop=action"], ["--drop", "action"]),
        (["--rename", "index=i", "--rename", "action=actions"], ["--rename", "action=actions"]),
    ],
)
def test_a_column_that_stays_is_left_out_of_the_command(mstool, tmp_path, capsys, words, left):
    common = ["export", str(GOLDEN / "libero"), "--output", str(tmp_path / "out")]
    assert mstool(*common, *words) == 2
    assert capsys.readouterr().err.endswith(f"\nfix: {shlex.join(['mstool', *common, *left])}\n")
