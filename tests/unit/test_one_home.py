"""Only `mstool/dataset/` knows LeRobot's files: the rest names them by its constants and reads them through it.

What a run's folder holds is named in one module too.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from mstool.dataset import files
from mstool.training import run_folder

ROOT = Path(__file__).parents[2]
HOME = ROOT / "mstool" / "dataset"
NAMES = ("info.json", "episodes.jsonl", "tasks.jsonl", "tasks.parquet", "meta/episodes", "meta/stats.json")
# A script that is copied into openpi's folder, where mstool is not installed.
EXCEPTIONS = {ROOT / "mstool" / "training" / "openpi" / "template.py"}
MODULES = sorted(path for part in ("mstool", "plugins") for path in (ROOT / part).rglob("*.py"))


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if HOME not in path.parents and path not in EXCEPTIONS],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_other_module_names_them(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    named = [f"{number}: {line.strip()}" for number, line in enumerate(lines, 1) if any(name in line for name in NAMES)]
    assert not named, f"take the names from mstool.dataset.files: {named}"


def test_the_exceptions_need_to_be_ones():
    for path in EXCEPTIONS:
        assert any(name in path.read_text(encoding="utf-8") for name in NAMES)


def test_each_name_is_said_once():
    paths = [value for name, value in vars(files).items() if name.isupper() and isinstance(value, str)]
    assert len(paths) == len(set(paths))
    assert all(any(name in path for path in paths) for name in NAMES)


def test_naming_them_imports_nothing_heavy():
    code = (
        "import sys, mstool.dataset.files; "
        "print([m for m in ('numpy', 'pyarrow', 'av', 'PIL', 'torch') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["training", "improvement"])
def test_what_a_run_s_folder_holds_is_named_in_one_place(package):
    names = run_folder._OWN - {"wandb", run_folder.EVALUATIONS, run_folder.CHECKPOINTS}
    home = Path(run_folder.__file__)
    for path in (path for path in MODULES if path.parent.name == package and path != home):
        texts = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert not texts & names, path
