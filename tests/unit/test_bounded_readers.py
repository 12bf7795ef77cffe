"""What a stranger may have written is opened within bounds: each kind of file in one place, and nowhere else."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# {a way to open a file: the modules that may, by the end of their path}.
OPENERS = {
    "pq.ParquetFile": {"dataset/parquet_files.py"},
    "pq.read_metadata": {"dataset/parquet_files.py"},
    "pq.read_schema": set(),
    "pq.read_table": set(),
    "pq.ParquetDataset": set(),
    "pd.read_parquet": set(),
    "ds.dataset": set(),
    "av.open": {"dataset/media.py"},
    "cv2.imread": set(),
    "cv2.VideoCapture": set(),
    "Image.open": {"dataset/media.py"},
    "h5py.File": {"simulators/hdf5.py"},
    "json.load": set(),
    "json.loads": {"json_files.py"},
    "pickle.load": set(),
    # Initial states, of the installed package; what a run kept of itself, as weights only.
    "torch.load": {"libero/tasks.py", "improvement/saving.py"},
    "yaml.load": set(),
    # Compared with the headers first; episodes of a conversion's own work folder; a cache in the user's own folder.
    "np.load": {"dataset/histograms.py", "episode/shard.py", "maniskill/mesh_cache.py"},
}
LONG = {"pyarrow.parquet": "pq", "pandas": "pd", "pyarrow.dataset": "ds", "numpy": "np"}
# Text that is in memory already, of this very program: its own description, a child's answer, a line of its log, an
# attempt's listing that its own workers wrote.
IN_MEMORY = {
    "evaluation/kept.py",
    "maniskill/demos/team.py",
    "episode/recipe.py",
    "doctor/rendering.py",
    "training/logs.py",
    "training/frame_cache.py",
    "training/held_out.py",
    "driver/lavapipe.py",
    "installation.py",
}
MODULES = sorted(path for part in ("mstool", "plugins") for path in (ROOT / part).rglob("*.py"))


def opened(tree: ast.AST) -> set[str]:
    """Return which of the ways a module takes; to write is none of them."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            for long, short in LONG.items():
                name = name.replace(f"{long}.", f"{short}.")
            can_write = name in {"av.open", "h5py.File"}
            writes = can_write and len(node.args) > 1 and ast.unparse(node.args[1]) == "'w'"
            found |= {name} & OPENERS.keys() if not writes else set()
        elif isinstance(node, ast.ImportFrom):
            module = LONG.get(node.module or "", node.module)
            found |= {f"{module}.{alias.name}" for alias in node.names} & OPENERS.keys()
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_other_module_opens_them(path):
    here = path.as_posix()
    allowed = {way for way, homes in OPENERS.items() if any(here.endswith(home) for home in homes)}
    if any(here.endswith(home) for home in IN_MEMORY):
        allowed.add("json.loads")
    assert not opened(ast.parse(path.read_text(encoding="utf-8"))) - allowed


def test_every_exception_is_one():
    for way, homes in {**OPENERS, "json.loads": OPENERS["json.loads"] | IN_MEMORY}.items():
        for home in homes:
            (path,) = (path for path in MODULES if path.as_posix().endswith(f"/{home}"))
            assert way in opened(ast.parse(path.read_text(encoding="utf-8"))), home


@pytest.mark.parametrize(
    ("code", "way"),
    [
        ("import pyarrow.parquet as pq\npq.read_table(path)", "pq.read_table"),
        ("import pyarrow.parquet\npyarrow.parquet.ParquetFile(path)", "pq.ParquetFile"),
        ("from pandas import read_parquet", "pd.read_parquet"),
        ("av.open(str(path))", "av.open"),
        ("json.loads(path.read_text())", "json.loads"),
        ("av.open(str(path), 'w')", ""),
    ],
)
def test_ways_are_recognised(code, way):
    assert opened(ast.parse(code)) == ({way} if way else set())
