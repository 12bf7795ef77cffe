"""The doctor on the machine that runs the tests."""

import json
import os
import subprocess
import sys

import pytest

from mstool.doctor.rendering import ask_module, rendering_line, vulkan_line
from mstool.doctor.versions import package_lines, python_line
from mstool.doctor.video import video_lines


def test_the_locked_environment_is_complete():
    assert {line.name: line.found for line in [python_line(), *package_lines()] if line.status != "ok"} == {}


def test_both_encoders_work():
    assert [line.status for line in video_lines()] == ["ok"] * 4


@pytest.mark.sim
def test_sapien_draws_a_picture():
    line = rendering_line(*ask_module("mstool.simulators.maniskill.probe", timeout=300))
    assert line.status == "ok", line.found
    assert "ms per 256x256 frame" in line.found


@pytest.mark.sim
def test_vulkan_names_its_driver():
    line = vulkan_line(*ask_module("mstool.doctor.vulkan", timeout=60))
    assert line.status == "ok", line.found


@pytest.mark.sim
def test_json_on_stdout_alone():
    code = (
        "import typer; from mstool.cli.doctor import doctor; a = typer.Typer(); a.command()(doctor); "
        "a(['--json', '--no-draw'])"
    )
    env = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300, env=env
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is True
