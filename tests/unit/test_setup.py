"""The set-up's decisions, on text fixtures: nothing is installed, nothing leaves the machine."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from setup_steps import environment as environment_steps  # noqa: E402
from setup_steps import package_index, pythons  # noqa: E402
from setup_steps.environment import LOCKS, Environment  # noqa: E402

from mstool.driver import apt_sources  # noqa: E402
from mstool.driver import install as driver_install  # noqa: E402
from mstool.driver import lavapipe as driver  # noqa: E402
from mstool.driver.shell import SetupError, capture  # noqa: E402

MIRROR = "http://mirror.example/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEB822 = f"""\
Types: deb deb-src
# a comment inside a stanza
URIs: {MIRROR}
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {KEYRING}

Enabled: no
Types: deb
URIs: http://other.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
"""
ONE_LINE = f"""\
# deb http://old.example/debian bookworm main
deb [ signed-by={KEYRING} arch=amd64 ] {MIRROR} bookworm main contrib   # the mirror
deb-src {MIRROR} bookworm main
deb http://mirror.example/debian-security bookworm-security main
"""
DEBIAN_12 = {"ID": "debian", "VERSION_ID": "12"}


def test_one_line_sources():
    found = apt_sources.parse_one_line(ONE_LINE)
    assert [(s.uri, s.suites, s.components) for s in found] == [
        (MIRROR, ("bookworm",), ("main", "contrib")),
        ("http://mirror.example/debian-security", ("bookworm-security",), ("main",)),
    ]
    assert found[0].options == {"signed-by": KEYRING, "arch": "amd64"}


def test_deb822_sources_leave_out_disabled_stanzas_and_inline_keys():
    found = apt_sources.parse_deb822(DEB822)
    assert [s.suites for s in found] == [("bookworm", "bookworm-updates"), ("bookworm-security",)]
    assert [s.options for s in found] == [{"signed-by": KEYRING}, {}]


@pytest.mark.parametrize(
    ("sources", "line"),
    [
        (apt_sources.parse_deb822(DEB822), f"deb [signed-by={KEYRING}] {MIRROR} bookworm-backports main"),
        (
            apt_sources.parse_one_line(ONE_LINE),
            f"deb [signed-by={KEYRING} arch=amd64] {MIRROR} bookworm-backports main",
        ),
        (apt_sources.parse_one_line(f"deb {MIRROR} oldstable main"), f"deb {MIRROR} bookworm-backports main"),
        (apt_sources.parse_one_line(f"deb {MIRROR} trixie main"), ""),
        ([], ""),
    ],
)
def test_backports_come_from_the_mirror_of_the_release(sources, line):
    assert apt_sources.backports_line(sources, "bookworm") == line


def test_sources_of_both_formats_are_read(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(ONE_LINE)
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822)
    (tmp_path / "sources.list.d" / "off.list.disabled").write_text("deb http://off.example x main")
    assert len(apt_sources.read_sources(tmp_path)) == 4


def test_debian_12_needs_backports():
    plan = driver.plan_driver(DEBIAN_12, apt_sources.parse_deb822(DEB822))
    assert plan.automatic
    assert plan.source_line.endswith("bookworm-backports main")
    assert plan.commands[1][:6] == ("apt-get", "install", "-y", "--no-install-recommends", "-t", "bookworm-backports")


def test_debian_12_with_backports_adds_no_source():
    sources = apt_sources.parse_one_line(f"deb {MIRROR} bookworm-backports main")
    assert driver.plan_driver(DEBIAN_12, sources).source_line == ""


def test_debian_12_without_a_mirror_says_so():
    plan = driver.plan_driver(DEBIAN_12, [])
    assert not plan.automatic
    assert "bookworm-backports" in driver_install.by_hand(plan)


@pytest.mark.parametrize(
    ("os_release", "automatic", "command"),
    [
        ('ID=debian\nVERSION_ID="13"\n', True, "apt-get install -y --no-install-recommends mesa-vulkan-drivers"),
        ('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"', True, "apt-get install"),
        ("ID=linuxmint\nID_LIKE='ubuntu debian'\nVERSION_ID=22", True, "apt-get install"),
        ("ID=fedora\nVERSION_ID=41", False, "dnf install mesa-vulkan-drivers"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"', False, "dnf install mesa-vulkan-drivers"),
        ("ID=arch", False, "pacman -S vulkan-swrast"),
        ("ID=nixos", False, "Mesa >= 24.3"),
        ("", False, "Mesa >= 24.3"),
    ],
)
def test_plan_by_distribution(os_release, automatic, command):
    plan = driver.plan_driver(driver.parse_os_release(os_release), [])
    assert plan.automatic == automatic
    assert command in driver_install.by_hand(plan)


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("25.0.7-2~bpo12+1", True),
        ("24.3.0-1ubuntu1", True),
        ("1:24.2.8-1", False),
        ("22.3.6-1+deb12u2", False),
        ("(none)", False),
        ("", False),
    ],
)
def test_mesa_version(version, enough):
    assert (driver.mesa_version(version) >= driver.OLDEST_MESA) == enough


def test_candidate_version():
    policy = "mesa-vulkan-drivers:\n  Installed: (none)\n  Candidate: 25.0.7-2\n  Version table:\n"
    assert driver.candidate_version(policy) == "25.0.7-2"
    assert driver.candidate_version("") == ""


def test_a_crashing_driver_is_an_answer():
    assert "signal 11" in driver.read_render(-11, "", "").problem
    assert "libX11.so.6" in driver.read_render(1, "", "Traceback\nImportError: libX11.so.6: cannot open").problem
    good = json.dumps({"device": "cpu", "libraries": ["/a.so"], "problem": ""})
    assert driver.read_render(0, f"noise\n{good}\n", "") == driver.Render("cpu", ("/a.so",), "")


def test_libraries_there(tmp_path):
    there = tmp_path / "libvulkan_lvp.so"
    there.touch()
    assert driver.libraries_there([str(there)])
    assert not driver.libraries_there([str(there), str(tmp_path / "gone.so")])
    assert not driver.libraries_there([])
    assert not driver.libraries_there(None)


def _etc(tmp_path, os_release):
    (tmp_path / "apt" / "sources.list.d").mkdir(parents=True)
    (tmp_path / "apt" / "sources.list").write_text(ONE_LINE)
    (tmp_path / "os-release").write_text(os_release)
    return tmp_path


def test_without_rights_the_exact_commands_are_said(tmp_path, capsys):
    none = driver.Render("", (), 'Failed to find a supported physical device "cpu"')
    with pytest.raises(SetupError) as failure:
        driver_install.ensure_driver(
            "python",
            try_render=lambda _: none,
            rights=lambda: None,
            etc=_etc(tmp_path, 'ID=debian\nVERSION_ID="12"'),
        )
    said = str(failure.value)
    assert f"{MIRROR} bookworm-backports main' | sudo tee {driver.BACKPORTS_FILE}" in said
    assert "sudo apt-get install -y --no-install-recommends -t bookworm-backports mesa-vulkan-drivers" in said
    assert "mesa-vulkan-drivers libvulkan1 libx11-6" in capsys.readouterr().err


def test_other_package_managers_are_never_run(tmp_path):
    with pytest.raises(SetupError, match="sudo pacman -S vulkan-swrast"):
        driver_install.ensure_driver(
            "python",
            try_render=lambda _: driver.Render("", (), "none"),
            rights=list,
            etc=_etc(tmp_path, "ID=arch"),
        )


def test_a_driver_that_renders_is_left_alone(tmp_path):
    good = driver.Render("cuda", ("/lib/libGLX_nvidia.so.0",), "")
    assert driver_install.ensure_driver("python", try_render=lambda _: good, etc=tmp_path / "none") is good


def test_an_installation_that_does_not_help_is_an_error(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(driver_install, "install", lambda plan, prefix: ran.append(plan))
    with pytest.raises(SetupError, match="still does not render"):
        driver_install.ensure_driver(
            "python",
            try_render=lambda _: driver.Render("", (), "no"),
            rights=list,
            etc=_etc(tmp_path, 'ID=debian\nVERSION_ID="13"'),
        )
    assert len(ran) == 1


def test_a_failed_installation_takes_its_source_back(monkeypatch):
    ran = []

    def run(command, **_):
        ran.append(command)
        return 100 if "apt-get" in command else 0

    monkeypatch.setattr(driver_install, "run", run)
    monkeypatch.setattr(driver_install, "capture", lambda *_: (0, "  Candidate: 25.0.7", ""))
    plan = driver.plan_driver(DEBIAN_12, apt_sources.parse_deb822(DEB822))
    with pytest.raises(SetupError, match="apt could not install"):
        driver_install.install(plan, ["sudo", "-n"])
    assert ran[-1] == ["sudo", "-n", "rm", "-f", driver.BACKPORTS_FILE]


def test_an_old_mesa_is_not_installed(monkeypatch):
    monkeypatch.setattr(driver_install, "run", lambda *_, **__: 0)
    monkeypatch.setattr(driver_install, "capture", lambda *_: (0, "  Candidate: 23.2.1-1ubuntu3", ""))
    plan = driver.plan_driver({"ID": "ubuntu", "VERSION_ID": "22.04"}, [])
    with pytest.raises(SetupError, match=r"offers Mesa 23\.2\.1"):
        driver_install.install(plan, [])


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ("3 12 cpython 1", ""),
        ("3 11 cpython 1", "is Python 3.11"),
        ("3 12 pypy 1", "not CPython"),
        ("3 12 cpython 0", "python3.12-venv"),
    ],
)
def test_judging_a_python(facts, problem):
    answer = pythons.judge("python3.12", facts, "/opt/python3.12")
    assert problem in answer.problem
    assert answer.python == ("" if problem else "/opt/python3.12")


def _executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_a_shim_that_fails_is_passed_over(tmp_path):
    shim = _executable(tmp_path / "shims" / "python3.12", "#!/bin/sh\necho 'pyenv: not found' >&2\nexit 127\n")
    real = _executable(
        tmp_path / "pyenv" / "versions" / "3.12.9" / "bin" / "python",
        "#!/bin/sh\necho 3 12 cpython 1\necho /real/python3.12\n",
    )
    environ = {"PATH": str(tmp_path / "shims"), "PYENV_ROOT": str(tmp_path / "pyenv")}
    listed = [p for p in pythons.candidates(environ, str(tmp_path / "home")) if p.startswith(str(tmp_path))]
    assert listed == [shim, real]
    python, refused = pythons.find_python(listed)
    assert python == "/real/python3.12"
    assert refused == [pythons.Answer(shim, "", "does not run (pyenv: not found)")]


def test_no_python_says_what_to_install():
    refused = [
        pythons.Answer("/usr/bin/python3", "", "is Python 3.11"),
        pythons.judge("/usr/bin/python3.12", "3 12 cpython 0", ""),
    ]
    said = pythons.how_to_install({"ID": "ubuntu"}, refused)
    assert "apt-get install python3.12 python3.12-venv" in said
    assert "/usr/bin/python3.12 lacks venv" in said
    assert "3.11" not in said


def test_pip_settings_become_uv_settings():
    config = "\n".join(
        [
            ":env:.cert='/etc/ca.crt'",
            ":env:.index-url='https://mirror.example/simple'",
            "global.index-url='https://other.example/simple'",
            "global.extra-index-url='file:///gone/simple https://extra.example/simple'",
            "global.find-links='/wheels\\n/gone'",
            "install.timeout='60'",
            "global.trusted-host='mirror.example'",
            "not a setting",
        ]
    )
    env = package_index.uv_environment(
        package_index.parse_pip_config(config), {"UV_HTTP_TIMEOUT": "5"}, exists=lambda path: "gone" not in path
    )
    assert env == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "SSL_CERT_FILE": "/etc/ca.crt",
        "UV_INDEX": "https://extra.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels",
        "UV_INSECURE_HOST": "mirror.example",
    }


def test_no_pip_settings_leave_uv_alone():
    assert package_index.uv_environment(package_index.parse_pip_config(""), {}) == {}


@pytest.fixture
def checkout(tmp_path):
    for name in LOCKS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return Environment(tmp_path)


def test_a_stamp_holds_until_something_changes(checkout):
    assert checkout.read_stamp() == {}
    checkout.write_stamp(device="cpu")
    assert checkout.read_stamp()["device"] == "cpu"
    (checkout.root / "requirements.lock").write_text("changed")
    assert checkout.read_stamp() == {}


def test_a_stamp_without_its_interpreter_is_void(checkout):
    checkout.write_stamp()
    Path(checkout.python).unlink()
    assert checkout.read_stamp() == {}


def test_a_cut_off_installation_is_noticed(checkout):
    assert checkout.works()
    checkout.unfinished.touch()
    assert not checkout.works()


def test_the_set_up_starts_on_an_old_python_without_writing_anything():
    code, out, _ = capture([sys.executable, str(ROOT / "tools" / "setup.py"), "--help"])
    assert code == 0
    assert "--no-driver" in out


@pytest.mark.parametrize(("variable", "compiled"), [("1", list(environment_steps.HEAVY_IMPORTS)), ("", []), (None, [])])
def test_bytecode_is_made_once_where_python_may_not_keep_it(monkeypatch, checkout, variable, compiled):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    if variable is not None:
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", variable)
    imported = []

    def capture(command, *, env, timeout):
        assert "PYTHONDONTWRITEBYTECODE" not in env
        imported.append(command[-1].removeprefix("import "))
        return 0, "", ""

    monkeypatch.setattr(environment_steps, "capture", capture)
    checkout.keep_bytecode()
    assert imported == compiled
