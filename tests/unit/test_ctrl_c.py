"""Ctrl-C ends what runs, also where a library made an error of its own of it; nothing is recorded then."""

import shutil
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from mstool.api.validate import validate
from mstool.ctrl_c import ctrl_c_heard
from mstool.dataset.files import VALIDATION_FILE
from mstool.simulators.maniskill import solve
from mstool.validators.check import CHECKS
from mstool.validators.checks import load_checks

GOLDEN = Path(__file__).parent.parent / "golden" / "validate_data" / "libero"


def swallowed(*_, **__):
    """As nanobind does while it converts an argument."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise TypeError("compute_inverse_kinematics(): incompatible function arguments") from None


def forgotten(*_, **__):
    """As a library does that takes anything for a failure."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        return -1


def failed(*_, **__):
    raise TypeError("a bug")


@pytest.mark.parametrize("ending", [swallowed, forgotten])
def test_it_ends_the_block_and_the_handler_is_as_it_was(ending):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), ctrl_c_heard():
        ending()
    assert signal.getsignal(signal.SIGINT) is before


def test_other_errors_pass():
    with pytest.raises(TypeError, match="a bug"), ctrl_c_heard():
        failed()


def test_in_another_thread_nothing_is_done():
    done = []

    def work():
        with ctrl_c_heard():
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


def generator(ending):
    def run(*_):
        yield from ending() or ()

    return run


@pytest.mark.parametrize(("ending", "kept"), [(swallowed, False), (failed, True)])
def test_validate_records_no_verdict_that_was_interrupted(tmp_path, monkeypatch, ending, kept):
    load_checks()
    data = tmp_path / "data"
    shutil.copytree(GOLDEN, data, ignore=shutil.ignore_patterns("validation.json"))
    monkeypatch.setattr(CHECKS["MS901"], "run", generator(ending))
    if kept:
        assert not validate(data).valid
    else:
        with pytest.raises(KeyboardInterrupt):
            validate(data)
    assert (data / VALIDATION_FILE).exists() == kept


@pytest.mark.parametrize("ending", [swallowed, forgotten])
def test_an_interrupted_seed_is_no_failed_attempt(monkeypatch, ending):
    env = SimpleNamespace(unwrapped=SimpleNamespace(agent=SimpleNamespace(uid="panda"), elapsed_steps=[0]))
    monkeypatch.setattr(solve, "load_solution", lambda *_: ending)
    monkeypatch.setattr(solve, "name_of", lambda _: "panda")
    monkeypatch.setattr("mstool.simulators.maniskill.planner.detour.detours", nullcontext)
    with pytest.raises(KeyboardInterrupt):
        solve.solve_episode(env, "PickCube-v1", 0)


# While Typer is imported; while a dataclass is made, for which Python runs a string.
WHILE_IMPORTED = """
class Press:
    def find_spec(self, name, *_):
        if name == "typer":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Press())
"""
WHILE_MADE = """
import mstool.cli.app
mstool.cli.app.app = lambda **_: exec("signal.raise_signal(signal.SIGINT)", globals())
"""


@pytest.mark.parametrize("pressed", [WHILE_IMPORTED, WHILE_MADE])
def test_a_command_that_starts_ends_as_any_other(pressed):
    code = f"import signal, sys\n{pressed}\nfrom mstool.cli.main import main\nmain()"
    words = [sys.executable, "-c", code, "stats", "a b"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: interrupted; nothing was changed\nfix: mstool stats 'a b'\n"
