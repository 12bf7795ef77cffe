"""Every path that the command line takes, given wrongly in every way: an exit code, a message, never a traceback."""

import inspect
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DEMOS
from typer.main import get_command

from mstool.cli.app import app

# Per command: words that make it work, and its paths. What a path is: a folder or a file that is read, or is written.
PICK = ("-e", "PickCube-v1", "-n", "1", "--image-size", "32", "--workers", "1")
DEMO_FILES = ("--demos", str(DEMOS / "PickCube-v1"))
CASES = {
    "convert": ((*PICK, *DEMO_FILES), {"--demos": "read", "--output": "folder"}),
    "build": (("{manifest}", *PICK[:6], *DEMO_FILES), {"manifest": "read", "--demos": "read", "--output": "folder"}),
    "merge": (("{data}", "{push}"), {"datasets": "read", "--output": "folder"}),
    "export": (("{data}", "--format", "v2.1"), {"dataset": "read", "--output": "folder"}),
    "describe": (("{data}", "--from", "{push}"), {"dataset": "read", "--from": "read", "--claims": "read"}),
    "stats": (("{data}",), {"datasets": "read", "--output": "folder", "--check": "read", "--plot": "file"}),
    "validate": (("{data}", "--no-record"), {"dataset": "read", "--norm-stats": "read", "--html": "file"}),
    "show": (("{data}",), {"dataset": "read", "--output": "folder"}),
    "finetune": (
        ("{data}", "--policy", "act", "--dry-run"),
        {"dataset": "read", "--output": "folder", "--init": "read", "--tokenizer": "read"},
    ),
    "improve": (
        ("{flow}", "--dataset", "{data}", "--dry-run"),
        {"checkpoint": "read", "--dataset": "read", "--output": "folder"},
    ),
    "serve": (("{data}", "--device", "cpu", "--port", "0"), {"checkpoint": "read", "--dataset": "read"}),
    "push": (
        ("{data}", "--repo-id", "me/x", "--endpoint", "http://127.0.0.1:9", "--dry-run"),
        {"dataset": "read", "--manifest": "read"},
    ),
    "pull": (("me/x", "--endpoint", "http://127.0.0.1:9"), {"--output": "folder", "--manifest": "read"}),
    "eval": (
        (
            "--policy",
            "random",
            "-e",
            "PickCube-v1",
            "--dataset",
            "{data}",
            "-n",
            "1",
            "--horizon",
            "1",
            "--workers",
            "1",
        ),
        {"--policy": "read", "--dataset": "read", "--output": "folder", "--video": "folder", "--compare": "read"},
    ),
    "demos generate": (
        ("--policy", "random", *PICK[:4]),
        {"--policy": "read", "--dataset": "read", "--output": "folder"},
    ),
}
READ = ("missing", "empty file", "empty folder", "unicode and blanks", "unreadable", "below a file")
WRITTEN = ("a file", "below a file", "read-only", "too long a name")
MATRIX = [
    (command, option, kind, fault)
    for command, (_, paths) in CASES.items()
    for option, kind in paths.items()
    for fault in (READ if kind == "read" else WRITTEN)
]


def commands(command, name=()):
    """Every command of the app with its words."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(name), command
        return
    for word, each in inner.items():
        yield from commands(each, (*name, word))


def test_every_path_of_every_command_is_in_the_matrix():
    for name, command in commands(get_command(app)):
        hints = inspect.signature(inspect.unwrap(command.callback)).parameters
        for param in command.params:
            if param.name in hints and "Path" in str(hints[param.name].annotation):
                word = next((opt for opt in param.opts if opt.startswith("--")), param.name)
                assert word in CASES[name][1], f"{name} {word}"


@pytest.fixture(scope="module")
def known(made, tmp_path_factory):
    """What the words of CASES stand for."""
    manifest = tmp_path_factory.mktemp("cli") / "manifest.yaml"
    manifest.write_text("tasks:\n  PickCube-v1:\n    instruction: pick it up\n    horizon: 150\n")
    return {
        "{data}": made("pick") / "v3.0",
        "{push}": made("push") / "v3.0",
        "{flow}": made("flow"),
        "{manifest}": manifest,
    }


def faulty(fault: str, kind: str, folder: Path) -> Path:
    """A path with a fault, below `folder`."""
    path = folder / "given"
    if fault == "missing":
        return path
    if fault in {"empty file", "a file"}:
        if kind == "file":
            path.mkdir()
        else:
            path.touch()
        return path
    if fault == "empty folder":
        path.mkdir()
        return path
    if fault == "unicode and blanks":
        return folder / "späte würfel 立方体" / "no such"
    if fault == "below a file":
        path.touch()
        return path / "inside"
    if fault == "too long a name":
        return folder / ("x" * 300)
    if fault == "read-only":
        return Path("/proc/self/fdinfo/given")
    assert fault == "unreadable"
    path.mkdir()
    path.chmod(stat.S_IWUSR)
    return path


@pytest.mark.parametrize(("command", "option", "kind", "fault"), MATRIX)
def test_a_faulty_path_is_an_error_with_words(
    command, option, kind, fault, known, tmp_path, mstool, capfd, monkeypatch
):
    if fault == "unreadable" and os.geteuid() == 0:
        pytest.skip("nothing is unreadable for root; test_as_another_user tries it")
    if fault == "read-only" and not Path("/proc/self/fdinfo").is_dir():
        pytest.skip("no /proc")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code = mstool(*words(command, option, faulty(fault, kind, tmp_path), known))
    said = capfd.readouterr()
    assert code in {1, 2}, said.out
    assert "error: " in said.err or "INVALID" in said.out, said.err
    assert "Traceback" not in said.err
    assert not [path for path in tmp_path.rglob("*") if path.name != "given"], "something was written"


def words(command, option, path, known):
    """The command's words with `path` in the place of what makes it work."""
    given = [known.get(word, word) for word in CASES[command][0]]
    if not option.startswith("--"):
        given[0] = path
    elif option in given:
        given[given.index(option) + 1] = path
    elif option == "--compare":
        given = [option, path, path]
    else:
        given += [option, path]
    return [*command.split(), *given]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_as_another_user(known, tmp_path):
    """Folders that may not be read or written, for a user who is not root."""
    tmp_path.chmod(0o755)
    for each in (tmp_path, *list(tmp_path.parents)[:-2]):
        if not each.stat().st_mode & stat.S_IXOTH:
            pytest.skip(f"{each} cannot be entered by another user")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for command, option in (("show", "dataset"), ("stats", "datasets"), ("validate", "dataset"), ("stats", "--output")):
        line = [sys.executable, "-m", "mstool.cli", *map(str, words(command, option, closed, known))]
        done = subprocess.run(line, capture_output=True, text=True, user=65534, cwd="/", check=False)
        assert done.returncode in {1, 2}, done
        assert "Traceback" not in done.stderr, done.stderr
