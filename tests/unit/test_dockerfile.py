"""The Dockerfile against the set-up that it stands for; `benchmarks/install.py --ways docker` takes its steps."""

import re
import subprocess

from support.dockerfile import ROOT, ignored, instructions, run_steps

from mstool.driver.lavapipe import APT_PACKAGES

DOCKERFILE = instructions((ROOT / "Dockerfile").read_text(encoding="utf-8"))
IGNORE = (ROOT / ".dockerignore").read_text(encoding="utf-8")


def words(instruction):
    return [rest for word, rest in DOCKERFILE if word == instruction]


def test_it_installs_the_driver_that_the_set_up_installs():
    (apt,) = [rest for rest in words("RUN") if "apt-get" in rest]
    assert set(APT_PACKAGES) <= set(apt.split())
    assert words("FROM") == ["python:3.12-slim-trixie"]


def test_a_gpu_renders_and_trains_through_the_hosts_driver():
    (given,) = [rest for rest in words("ENV") if "NVIDIA" in rest]
    assert {"compute", "graphics", "utility"} <= set(re.search(r"CAPABILITIES=(\S+)", given)[1].split(","))


def test_it_ends_in_a_doctor_that_is_content():
    assert words("RUN")[-1] == "mstool doctor"
    assert words("ENTRYPOINT") == ['["mstool"]']


def test_the_image_holds_the_package_and_nothing_of_the_users():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    taken = {name for name in tracked if not ignored(name, IGNORE)}
    assert {name for name in tracked if name.startswith("mstool/")} < taken
    assert {name.split("/")[0] for name in taken} == {
        *("mstool", "plugins", "tools", "pyproject.toml", "requirements.lock", "README.md", "LICENSE"),
        "datasets_manifest.yaml",
    }
    for name in ("data/pick/meta/info.json", ".venv/bin/python", "runs/a", ".git/HEAD", "mstool/cli/__pycache__/a.pyc"):
        assert ignored(name, IGNORE), name


def test_steps_are_taken_in_their_folder_and_end_at_a_failure(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("a")
    (source / "b.txt").write_text("b")
    (source / ".dockerignore").write_text("*\n!a.txt\n")
    (source / "Dockerfile").write_text(
        "FROM x\n# c\nRUN apt-get update\nRUN ls\nENV UV_NO_CACHE=1 P=/opt/bin:$PATH\nWORKDIR /opt/it\nCOPY . .\n"
        'RUN ls \\\n  && echo "$P$UV_NO_CACHE"\nRUN false\nRUN echo never\n'
    )
    environment = {"PATH": "/usr/bin:/bin"}
    steps = list(run_steps(source, tmp_path / "image", environment))
    printed = f"a.txt\n{tmp_path}/image/opt/bin:/usr/bin:/bin\n"
    assert steps == [("ls", 0, ""), ('ls && echo "$P$UV_NO_CACHE"', 0, printed), ("false", 1, "")]
