"""The import direction, and that the command line starts fast."""

import ast
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "mstool"
# The packages that each package imports, exactly. The modules beside them are for all; `cli` imports anything.
IMPORTS = {
    "dataset": set(),
    "robots": set(),
    "doctor": {"driver"},
    "driver": set(),
    "layouts": {"dataset", "robots"},
    "norm_stats": {"dataset", "layouts"},
    "simulators": {"layouts", "robots"},
    "validators": {"dataset", "layouts", "norm_stats", "robots"},
    "maniskill2lerobot": {"dataset", "layouts", "norm_stats", "robots", "simulators"},
    "evaluation": {"dataset", "layouts", "simulators"},
    "training": {"dataset", "layouts", "norm_stats", "validators"},
    "improvement": {"dataset", "evaluation", "simulators", "training"},
    "hub": {"dataset", "validators"},
    "api": {
        *(
            "dataset",
            "evaluation",
            "hub",
            "improvement",
            "layouts",
            "maniskill2lerobot",
            "norm_stats",
            "simulators",
            "training",
        ),
        "validators",
    },
}
# Packages of many modules of one kind, whose `__init__` says what they have in common.
ONE_KIND = {"mstool", "cli", "checks", "targets", "layouts", "robots", "flow", "openpi", "planner", "show"}
# The libraries of each simulator's folder.
LIBRARIES = {"maniskill": {"mani_skill", "sapien"}, "libero": {"libero", "robosuite", "mujoco"}}
# The table of benchmarks, and the one way to convert that is for ManiSkill's own files.
KNOW_MANISKILL = {"simulators/benchmarks.py", "maniskill2lerobot/episode/recorded.py"}
PACKAGES = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def part(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else ""


def imported(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("mstool.")}


def test_import_direction():
    assert {*IMPORTS, "cli"} == PACKAGES
    for package, expected in IMPORTS.items():
        used = set().union(*(imported(path) for path in (PACKAGE / package).rglob("*.py"))) & PACKAGES
        assert used - {package} == expected, package


@pytest.mark.parametrize("package", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_a_package_lists_what_is_in_it(package):
    if package.parent.name in ONE_KIND:
        return
    text = ast.get_docstring(ast.parse(package.read_text())) or ""
    inside = {path.stem for path in package.parent.glob("*.py")} | {
        f.parent.name for f in package.parent.glob("*/__init__.py")
    }
    assert not {name for name in inside - {"__init__", "__main__"} if not re.search(rf"\b{name}\b", text)}


def test_modules_beside_the_packages_import_none():
    for path in PACKAGE.glob("*.py"):
        # What Python programs call, for whoever reads its types.
        allowed = {"api"} if path.name == "__init__.py" else set()
        assert not imported(path) & PACKAGES - allowed, path


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_simulator_is_known_in_its_own_folder_alone(path):
    names = imports(path)
    for simulator, libraries in LIBRARIES.items():
        if path.is_relative_to(PACKAGE / "simulators" / simulator):
            continue
        assert not {name.split(".")[0] for name in names} & libraries, path
        if path.relative_to(PACKAGE).as_posix() not in KNOW_MANISKILL:
            assert not any(name.startswith(f"mstool.simulators.{simulator}") for name in names), path


def test_command_line_imports_nothing_heavy():
    code = "import sys, mstool.cli.app; print([m for m in ('torch', 'numpy', 'pyarrow', 'h5py') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_help_is_fast():
    # Processor time, the best of three: the machine may be busy, the imports are the same.
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "mstool.cli", "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 1.0
