"""The wheel and the source distribution hold what an installation needs; nothing is downloaded to build them."""

import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import mstool

ROOT = Path(__file__).parents[2]


def build(kind: str, source: Path, folder: Path) -> Path:
    words = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    done = subprocess.run(words, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Built from the unpacked source distribution, as pip builds it."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    return zipfile.ZipFile(build("wheel", source, tmp_path_factory.mktemp("wheel")))


def package_files() -> set[str]:
    listed = subprocess.run(["git", "ls-files", "mstool"], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(listed.stdout.split()) | {"mstool/datasets_manifest.yaml"}


def test_the_wheel_holds_the_whole_package(wheel):
    held = {name for name in wheel.namelist() if name.startswith("mstool/")}
    assert held == package_files()
    assert wheel.read("mstool/datasets_manifest.yaml") == (ROOT / "datasets_manifest.yaml").read_bytes()


def test_its_metadata(wheel):
    (info,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    metadata = message_from_bytes(wheel.read(f"{info}/METADATA"))
    assert (metadata["Name"], metadata["Version"]) == ("maniskill2lerobot", mstool.__version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert f"{info}/licenses/LICENSE" in wheel.namelist()
    assert "mstool = mstool.cli.main:main" in wheel.read(f"{info}/entry_points.txt").decode()


def test_both_opencvs_are_asked_for_in_one_version(wheel):
    """LeRobot brings the one and SAPIEN the other into the same folder."""
    (info,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    asked = message_from_bytes(wheel.read(f"{info}/METADATA")).get_all("Requires-Dist")
    versions = {line.split("==")[1] for line in asked if line.startswith("opencv-python")}
    assert len([line for line in asked if line.startswith("opencv-python")]) == 2
    assert len(versions) == 1
