"""Where nothing can be written, every command says so before any work, whoever runs it."""

import errno
import os
import shlex
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from conftest import DEMOS

from mstool.errors import UsageError
from mstool.paths import explain, writable_file, writable_folder

# Nobody creates a file in it, not even root.
NOWHERE = Path("/proc/mstool/out")
# Commands that write, with what they read; `{data}` is a converted dataset.
COMMANDS = {
    "convert": ("convert", "--env", "PickCube-v1", "--demos", str(DEMOS / "PickCube-v1"), "--output", "{out}"),
    "build": ("build", "datasets_manifest.yaml", "--env", "PickCube-v1", "--demos", str(DEMOS), "--output", "{out}"),
    "generate": ("demos", "generate", "--env", "PickCube-v1", "--output", "{out}"),
    "merge": ("merge", "{data}/v3.0", "{data}/v2.1", "--output", "{out}"),
    "export": ("export", "{data}/v3.0", "--format", "v2.1", "--output", "{out}"),
    "show": ("show", "{data}/v3.0", "--output", "{out}"),
    "stats": ("stats", "{data}/v3.0", "--output", "{out}"),
    "plot": ("stats", "{data}/v3.0", "--dry-run", "--plot", "{out}.png"),
    "html": ("validate", "{data}/v3.0", "--no-record", "--html", "{out}.html"),
    "eval": ("eval", "--policy", "replay:{data}/v3.0", "--output", "{out}"),
    "video": ("eval", "--policy", "replay:{data}/v3.0", "--output", "{tmp}/results", "--video", "{out}"),
    "finetune": ("finetune", "{data}/v3.0", "--output", "{out}"),
    "pull": ("pull", "me/data", "--endpoint", "http://127.0.0.1:9", "--output", "{out}"),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("kind", ["system folder", "below a file", "file for folder", "name too long"])
def test_nothing_can_be_written(mstool, pickcube, tmp_path, capsys, name, kind):
    file = tmp_path / "notes"
    file.write_text("mine")
    out = {
        "system folder": NOWHERE,
        "below a file": file / "out",
        "file for folder": file,
        "name too long": tmp_path / ("x" * 300),
    }[kind]
    words = [word.format(out=out, data=pickcube, tmp=tmp_path) for word in COMMANDS[name]]
    if kind == "file for folder" and words[-1] != str(out):
        pytest.skip("it takes a file")
    assert mstool(*words) == 2
    err = capsys.readouterr().err
    assert "cannot be written" in err
    assert "Traceback" not in err
    assert "\nfix: " in err
    assert file.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes"]


@pytest.mark.parametrize(
    ("name", "given", "right"), [("html", "thesis.tex", "report.html"), ("plot", "thesis.tex", "stats.png")]
)
def test_a_file_of_another_kind_is_not_replaced(mstool, pickcube, tmp_path, capsys, monkeypatch, name, given, right):
    file = tmp_path / given
    file.write_text("mine")
    words = [*(word.format(data=pickcube, out="") for word in COMMANDS[name][:-1]), str(file)]
    monkeypatch.setattr("sys.argv", ["mstool", *words])
    assert mstool(*words) == 2
    assert capsys.readouterr().err.endswith(f"\nfix: {shlex.join(['mstool', *words[:-1], right])}\n")
    assert file.read_text() == "mine"


@pytest.mark.parametrize("name", ["eval", "generate", "video", "show"])
@pytest.mark.parametrize("below", ["", "mine"])
def test_nothing_is_written_into_a_dataset(mstool, pickcube, tmp_path, capsys, monkeypatch, name, below):
    data = tmp_path / "a b"
    (data / "meta").mkdir(parents=True)
    (data / "meta" / "info.json").write_text("{}")
    words = [word.format(out=data / below, data=pickcube, tmp=tmp_path) for word in COMMANDS[name]]
    monkeypatch.setattr("sys.argv", ["mstool", *words])
    assert mstool(*words) == 2
    said, fix = capsys.readouterr().err.rsplit("\nfix: ", 1)
    assert "a LeRobot dataset" in said or f"lies in the LeRobot dataset {data}" in said
    again = shlex.split(fix)
    assert again[-1].startswith(f"{data}-")
    assert again[-2] == words[-2]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a b", "info.json", "meta"]


# Root writes wherever it likes, unless it gives that up.
AS_A_USER = [] if os.getuid() else ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]
ASKS = """
from pathlib import Path
from mstool.errors import UsageError
from mstool.paths import writable_folder

try:
    writable_folder(Path("data"), "--output")
except UsageError as error:
    print(error.message, error.fix, error.change and error.change["--output"], sep="|")
"""


def test_a_folder_that_may_not_be_written(tmp_path):
    if AS_A_USER and not shutil.which(AS_A_USER[0]):
        pytest.skip("root may write anywhere")
    (tmp_path / "locked").mkdir(mode=0o555)
    (tmp_path / "home").mkdir()

    def said():
        words = [*AS_A_USER, sys.executable, "-c", ASKS]
        home = {**os.environ, "HOME": str(tmp_path / "home")}
        done = subprocess.run(words, cwd=tmp_path / "locked", env=home, capture_output=True, text=True, check=True)
        return done.stdout.strip().split("|")

    elsewhere = tmp_path / "home" / "data"
    message = "--output data cannot be written to: permission denied"
    assert said() == [message, f"--output {elsewhere}", str(elsewhere)]
    elsewhere.mkdir()
    assert said()[1] == f"--output {elsewhere}-2"
    elsewhere.rmdir()
    (tmp_path / "locked").chmod(0o755)
    (tmp_path / "locked" / "data").write_text("a file in the folder's place, with no room beside it")
    (tmp_path / "locked").chmod(0o555)
    assert said()[1] == f"--output {elsewhere}"
    (tmp_path / "home").chmod(0o555)
    assert said()[1:] == ["choose another --output", "None"]


@pytest.mark.parametrize(("name", "out"), [*product(["convert", "export", "merge"], [".", ".."]), ("convert", "/")])
@pytest.mark.parametrize("other", ["dataset", "dataset-2"])
def test_a_folder_that_one_stands_in_is_no_target(mstool, pickcube, tmp_path, capsys, monkeypatch, name, out, other):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    if other == "dataset-2":
        (tmp_path / "empty" / "dataset").mkdir()
    words = [word.format(out=out, data=pickcube) for word in COMMANDS[name]]
    assert mstool(*words) == 2
    err = capsys.readouterr().err
    assert f"--output {out} is the folder that this command runs in, or holds it" in err
    assert err.endswith(f"\nfix: {shlex.join(['mstool', *words[:-1], other])}\n")


@pytest.mark.parametrize("out", [".", ".."])
def test_a_dataset_that_one_stands_in_is_no_target(mstool, pickcube, tmp_path, capsys, monkeypatch, out):
    root = Path(shutil.copytree(pickcube / "v3.0", tmp_path / "push"))
    monkeypatch.chdir(root)
    for words in (
        ["export", ".", "--format", "v2.1", "--output", out],
        ["merge", ".", f"{pickcube}/v2.1", "--output", out],
        ["convert", "--env", "PickCube-v1", "--demos", f"{DEMOS}", "--overwrite", "--output", out],
    ):
        assert mstool(*words) == 2
        assert capsys.readouterr().err.endswith(f"\nfix: {shlex.join(['mstool', *words[:-1]])} {root}-2\n")
    assert mstool("merge", ".", f"{pickcube}/v2.1", "--output", "../both") == 1
    other = shlex.join(["mstool", "export", f"{pickcube}/v2.1", "--format", "v3.0", "--storage", "video", "--output"])
    assert f"\nfix: {other} " in capsys.readouterr().err
    assert mstool("merge", f"{pickcube}/v2.1", ".", "--output", "../both") == 1
    assert f"fix: mstool export . --format v2.1 --storage image --output {root}-v2.1-image" in capsys.readouterr().err


def test_nothing_is_created(tmp_path):
    writable_folder(tmp_path / "a b" / "ü", "--output")
    writable_file(tmp_path / "a b" / "ü.json", "--output")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_may_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    writable_file(tmp_path / "file", "--output")
    writable_folder(tmp_path, "--output")
    with pytest.raises(UsageError, match="is a folder, not a file"):
        writable_file(tmp_path, "--output")


def test_a_link_to_nothing(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for check in (writable_file, writable_folder):
        with pytest.raises(UsageError, match="is a link to nothing"):
            check(tmp_path / "link", "--output")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.EROFS, "it is on a read-only file system"),
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "permission denied"),
        (errno.ENAMETOOLONG, "the name is too long"),
    ],
)
def test_what_the_operating_system_refuses_later(mstool, capsys, monkeypatch, tmp_path, code, said):
    def refuse(*_):
        raise OSError(code, os.strerror(code), str(tmp_path / "x"))

    monkeypatch.setattr("mstool.manifest.load_manifest", refuse)
    assert mstool("demos", "list") == 1
    err = capsys.readouterr().err
    assert f"error: {tmp_path / 'x'}: {said}" in err
    assert "\nfix: " in err


def test_a_mistake_of_ours_keeps_its_traceback(tmp_path):
    error = FileNotFoundError(errno.ENOENT, "", str(tmp_path / "data" / "meta" / "ours.json"))
    assert explain(error, ["show", "/elsewhere"]) is None
    assert "there is no such file" in explain(error, ["show", str(tmp_path / "data")]).message
    assert "there is no such file" in explain(error, ["show", f"--output={tmp_path}/data"]).message
    assert explain(ConnectionRefusedError(errno.ECONNREFUSED, "refused"), []) is None


def test_a_way_back_from_a_folder_that_is_not_there(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(UsageError, match=r"there is no folder .*nowhere"):
        writable_folder(tmp_path / "nowhere" / ".." / "mine", "--output")
    writable_folder(tmp_path / "mine" / ".." / "new", "--output")
