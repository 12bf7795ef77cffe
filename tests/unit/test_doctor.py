"""What each line of the doctor says, from what it is told."""

import http.server
import json
import sys
import threading
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement
from typer.testing import CliRunner

from mstool import installation
from mstool.cli.doctor import doctor
from mstool.doctor import hub, line, machine, rendering, versions, video
from mstool.doctor import repair as repair_module
from mstool.doctor.repair import repair
from mstool.driver.lavapipe import Render
from mstool.driver.shell import SetupError as DriverError
from mstool.errors import SetupError
from mstool.simulators.maniskill.probe import device_name

LAVAPIPE = {"name": "llvmpipe (LLVM 15.0.6, 256 bits)", "driver": "llvmpipe Mesa 25.0.7-2 (LLVM 15.0.6)"}
SUMMARY = """\
GPU: NVIDIA H100
  Supported: 1
  Present:   0
  cudaId:    0
GPU: llvmpipe (LLVM 15.0.6, 256 bits)
  Supported: 1
  Present:   0
  cudaId:    -1
"""


@pytest.fixture
def cli():
    app = typer.Typer()
    app.command()(doctor)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    ("found", "status"), [("2.2.6", "ok"), ("2.3.0", "missing"), ("1.26.4", "missing"), ("", "missing")]
)
def test_package_versions(found, status):
    assert versions.package_line("numpy", found, Requirement("numpy>=2.2,<2.3")).status == status


def test_a_package_without_a_requirement_only_has_to_be_there():
    assert versions.package_line("torch", "2.11.0+cpu", None).status == "ok"


@pytest.mark.parametrize(
    ("plain", "headless", "problem", "status"),
    [
        ("", "4.13.0.92", "", "ok"),
        ("4.13.0.92", "4.13.0.92", "", "ok"),
        ("4.13.0.92", "4.13.0.92", "libGL.so.1: cannot open shared object file", "missing"),
        ("4.14.0", "4.13.0.92", "", "missing"),
        ("", "", "No module named 'cv2'", "missing"),
    ],
)
def test_opencv_conflict(plain, headless, problem, status):
    line = versions.opencv_line(plain, headless, problem)
    assert line.status == status
    assert bool(line.fix) == (status == "missing")
    assert problem in line.found


def with_versions(monkeypatch, **found):
    there = {name.replace("_", "-"): version for name, version in found.items()}
    for module in (installation, repair_module):
        monkeypatch.setattr(module, "installed", lambda name: there.get(name, ""))


def test_two_opencvs_are_refused_where_the_api_is_imported(monkeypatch):
    with_versions(monkeypatch, opencv_python="5.0.0", opencv_python_headless="4.13.0")
    with pytest.raises(SetupError, match="lies over opencv-python-headless") as error:
        installation.check_opencv()
    assert error.value.fix
    for one in ("opencv_python", "opencv_python_headless"):
        with_versions(monkeypatch, **{one: "4.13.0"})
        installation.check_opencv()
    with_versions(monkeypatch, opencv_python="4.13.0", opencv_python_headless="4.13.0")
    installation.check_opencv()


@pytest.fixture
def ran(wheel, monkeypatch):
    """What `doctor --fix` runs, which nothing is for real."""
    commands = []
    monkeypatch.setattr(repair_module, "run", lambda words: commands.append(" ".join(words)) or 0)
    monkeypatch.setattr(repair_module, "opencv_problem", lambda: "")
    monkeypatch.setattr(repair_module, "ensure_driver", lambda _python: Render("cpu", (), ""))
    return commands


def test_fix_takes_mplib_and_the_second_opencv_out(ran, monkeypatch):
    with_versions(monkeypatch, mplib="0.1.1", opencv_python="5.0.0", opencv_python_headless="4.13.0")
    said = []
    repair(said.append)
    pip = f"{installation._python()} -m pip"
    assert ran == [
        f"{pip} uninstall -y mplib",
        f"{pip} uninstall -y opencv-python",
        f"{pip} install --force-reinstall --no-deps opencv-python-headless==4.13.0",
    ]
    assert said == [*ran, "SAPIEN renders on the processor (lavapipe)"]


def test_fix_does_nothing_where_nothing_is_wrong(ran, monkeypatch):
    with_versions(monkeypatch, opencv_python_headless="4.13.0")
    repair(lambda _line: None)
    assert ran == []


def test_fix_ends_in_what_a_person_has_to_do(ran, monkeypatch):
    with_versions(monkeypatch, mplib="0.1.1", opencv_python_headless="4.13.0")
    monkeypatch.setattr(repair_module, "run", lambda _words: 1)
    with pytest.raises(SetupError, match="this failed") as error:
        repair(lambda _line: None)
    assert error.value.fix == f"{installation._python()} -m pip uninstall -y mplib"
    with_versions(monkeypatch, opencv_python_headless="4.13.0")

    def no_rights(_python):
        raise DriverError("This needs root. Run, then the same command again:\n  sudo apt-get install x")

    monkeypatch.setattr(repair_module, "ensure_driver", no_rights)
    with pytest.raises(SetupError, match="This needs root") as error:
        repair(lambda _line: None)
    assert error.value.fix == "sudo apt-get install x"


def test_fix_in_a_clone_is_the_set_up(ran, monkeypatch, tmp_path):
    (tmp_path / "Makefile").write_text("")
    monkeypatch.setattr(installation, "_source", lambda: str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    repair(lambda _line: None)
    assert ran == [f"make -C {tmp_path} setup ARGS=--force"]


def test_another_projects_mstool_is_a_clash():
    assert versions.clash_line("").status == "ok"
    line = versions.clash_line("0.0.3")
    assert line.status == "missing"
    assert "uninstall" in line.fix


@pytest.fixture
def wheel(monkeypatch):
    """An installation from a package index."""
    monkeypatch.setattr(installation, "_source", lambda: "")


def fixes():
    return [
        versions.package_line("numpy", "1.26", Requirement("numpy>=2.2,<2.3")).fix,
        versions.opencv_line("4.14", "4.13", "").fix,
        versions.clash_line("0.0.3").fix,
        video.encoder_line("libnosuch").fix,
        rendering.vulkan_line({}, "no driver").fix,
        rendering.rendering_line({}, "no device").fix,
    ]


def test_in_a_clones_environment_the_set_up_puts_things_right(monkeypatch, tmp_path):
    (tmp_path / "Makefile").write_text("")
    monkeypatch.setattr(installation, "_source", lambda: str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    assert all(f"make -C {tmp_path} setup" in fix for fix in fixes())


def test_without_a_clone_nothing_speaks_of_make(wheel, monkeypatch):
    assert not [fix for fix in fixes() if "make" in fix]
    assert fixes()[0] == f"{installation._python()} -m pip install --force-reinstall --no-deps 'numpy<2.3,>=2.2'"
    assert fixes()[2].startswith(f"{installation._python()} -m pip uninstall -y mstool && ")
    assert fixes()[-1] == fixes()[1] == "mstool doctor --fix"
    monkeypatch.setattr(installation.importlib.util, "find_spec", lambda _: None)
    assert fixes()[2] == (
        f"uv pip uninstall --python {installation._python()} mstool && "
        f"uv pip install --python {installation._python()} --reinstall --no-deps maniskill2lerobot"
    )


def test_ray_is_optional():
    assert versions.ray_line("").status == "ok"
    assert "optional" in versions.ray_line("").found


@pytest.mark.parametrize(
    ("devices", "problem", "status"),
    [
        ([LAVAPIPE], "", "ok"),
        ([{**LAVAPIPE, "driver": "llvmpipe Mesa 22.3.6 (LLVM 15.0.6)"}], "", "missing"),
        ([{"name": "NVIDIA H100", "driver": "NVIDIA 550.54"}], "", "ok"),
        ([], "", "missing"),
        ([], "libvulkan.so.1: cannot open shared object file", "missing"),
    ],
)
def test_vulkan(devices, problem, status):
    assert rendering.vulkan_line({"devices": devices, "problem": problem}, "").status == status


def test_rendering_line():
    drawn = {"backend": "cpu", "device": "llvmpipe", "ms_per_frame": 34.0, "problem": ""}
    assert rendering.rendering_line(drawn, "") == line.Line(
        "rendering", "ok", "llvmpipe (cpu): 34.0 ms per 256x256 frame"
    )
    missing = rendering.rendering_line({"problem": "no device to render on"}, "")
    assert (missing.status, missing.found) == ("missing", "no device to render on")
    assert missing.fix


def test_a_crash_is_a_line_and_not_a_crash():
    answer, problem = rendering.read_answer(-11, "", "")
    assert rendering.rendering_line(answer, problem).found == "the driver crashed (signal 11)"
    assert rendering.read_answer(1, "", "Traceback\n  File\nOSError: libX11.so.6\n")[1] == "OSError: libX11.so.6"
    assert rendering.read_answer(0, "", "")[1] == "exit status 0"
    assert rendering.read_answer(0, 'warning\n{"problem": ""}\n', "") == ({"problem": ""}, "")


def test_a_module_that_hangs_is_stopped(tmp_path, monkeypatch):
    (tmp_path / "hangs.py").write_text("import time; time.sleep(60)")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TimeoutError, match="no answer in 1 s"):
        rendering.ask_module("hangs", timeout=1)


def test_what_does_not_answer_in_time_is_not_missing(monkeypatch, cli):
    def hang(_module, timeout):
        raise TimeoutError(f"no answer in {timeout:.0f} s")

    monkeypatch.setattr(rendering, "ask_module", hang)
    lines = rendering.rendering_lines()
    assert [(line.name, line.status) for line in lines] == [("vulkan", "timed out"), ("rendering", "timed out")]
    monkeypatch.setattr("mstool.doctor.examine.examine", lambda *_, **__: lines)
    result = cli()
    assert result.exit_code == 0
    assert "timed out, so not known: vulkan, rendering" in result.stderr
    assert "Nothing else is missing." in result.stderr


@pytest.mark.parametrize(("backend", "name"), [("gpu", "NVIDIA H100"), ("cpu", "llvmpipe (LLVM 15.0.6, 256 bits)")])
def test_device_name(backend, name):
    assert device_name(SUMMARY, backend) == name
    assert device_name("", backend) == backend


def test_unknown_encoder_is_a_line():
    assert video.encoder_line("libnosuch").status == "missing"


def test_h264_encodes():
    assert video.encoder_line("libx264").status == "ok"


class _Refuses(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_error(405)

    def log_message(self, *_):
        pass


def test_an_http_error_is_an_answer():
    server = http.server.HTTPServer(("127.0.0.1", 0), _Refuses)
    threading.Thread(target=server.handle_request, daemon=True).start()
    try:
        assert hub.answers(f"http://127.0.0.1:{server.server_port}") == ""
    finally:
        server.server_close()


def test_nobody_there_is_a_warning():
    problem = hub.answers("http://127.0.0.1:1")
    assert problem
    assert hub.endpoint_line("http://127.0.0.1:1", problem).status == "warning"
    assert hub.answers("file:///etc/passwd") == "not an http(s) address"


def test_the_token_is_never_shown(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(hub, "answers", lambda _: "")
    lines = hub.hub_lines()
    assert lines[1].found == "there"
    assert "secret" not in str(lines)


def test_a_full_disk_is_a_warning():
    assert machine.disk_line(Path("/data"), 1 << 30).status == "warning"
    assert machine.disk_line(Path("/data"), 1 << 40).status == "ok"


def _lines(status):
    return lambda *_, **__: [line.Line("vulkan", status, "what", "make setup" if status != "ok" else "")]


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warning", 0), ("missing", 1)])
def test_exit_code_and_json(monkeypatch, cli, status, code):
    monkeypatch.setattr("mstool.doctor.examine.examine", _lines(status))
    result = cli("--json")
    assert result.exit_code == code
    answer = json.loads(result.stdout)
    assert answer["ok"] is (code == 0)
    assert answer["lines"][0]["status"] == status


def test_table_on_stdout_and_fixes_on_stderr(monkeypatch, cli):
    monkeypatch.setattr("mstool.doctor.examine.examine", _lines("missing"))
    result = cli()
    assert "vulkan  missing  what" in result.stdout
    assert "fix vulkan: make setup" in result.stderr
    assert "make setup" not in result.stdout
