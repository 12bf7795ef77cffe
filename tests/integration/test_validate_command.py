"""`mstool validate` and `mstool show` as commands: exit codes, JSON, the page, the drawn files, a replay."""

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import av
import pytest
import typer
from PIL import Image
from support.records import edited_record
from typer.testing import CliRunner

from mstool.cli.show import show
from mstool.cli.validate import validate
from mstool.errors import MstoolError
from mstool.validators.show.run import show as draw

GOLDEN = Path(__file__).parent.parent / "golden" / "validate_data"
app = typer.Typer(pretty_exceptions_enable=False)
app.command()(validate)
app.command()(show)


def run(*words):
    """Return exit code, stdout and stderr, errors turned into codes as the main program does."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    code = result.exit_code
    if isinstance(result.exception, MstoolError):
        code = result.exception.exit_code
    elif result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return code, result.stdout, result.stderr


@pytest.fixture
def bad(tmp_path):
    root = tmp_path / "bad"
    shutil.copytree(GOLDEN / "libero", root)
    info = json.loads((root / "meta/info.json").read_text())
    info["fps"] = 30
    (root / "meta/info.json").write_text(json.dumps(info))
    return root


def test_valid_dataset_exits_0_and_shows_its_checks_when_asked():
    words = ("validate", GOLDEN / "libero", "--against", "maniskill", "--select", "MS1,MS2")
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    assert "MS101" not in out
    assert "valid for maniskill" in out
    _, out, err = run(*words, "--verbose")
    assert "MS101" in out
    assert "skipped\n  MS109: LeRobot v3.0 is read with datasets >= 4" in out
    assert err == ""


@pytest.mark.parametrize(("layout", "target"), [("libero", "lerobot_pi05"), ("droid", "lerobot_pi05")])
def test_without_a_target_the_fitting_one_is_chosen_and_said(layout, target):
    code, out, _ = run("validate", GOLDEN / layout, "--select", "MS1", "--no-record")
    assert code == 0
    assert out.startswith(f"against {target}: it is LeRobot v3.0 (--against names another)\n")


@pytest.mark.parametrize("what", ["empty", "file", "parent", "inside"])
def test_what_is_no_dataset_is_one_error(tmp_path, what):
    shutil.copytree(GOLDEN / "libero", tmp_path / "both/v3.0")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    paths = {"parent": tmp_path / "both", "inside": tmp_path / "both/v3.0/meta"}
    code, out, err = run("validate", paths.get(what, tmp_path / what), "--against", "maniskill")
    assert code == 2
    assert out == err == ""


def test_invalid_dataset_exits_1_and_names_the_fix(bad):
    code, out, err = run("validate", bad, "--against", "maniskill", "--select", "MS2")
    assert code == 1
    assert "FAILED MS202" in out
    assert "fix: write the control frequency of the recording" in out
    assert "INVALID" in out
    assert err == ""


@pytest.mark.parametrize(
    "words",
    [
        ("validate",),
        ("validate", GOLDEN / "libero", "--against", "pi06"),
        ("validate", GOLDEN / "nothing", "--against", "maniskill"),
        ("validate", GOLDEN / "libero", "--against", "maniskill", "--select", "MS9999"),
        ("validate", GOLDEN / "libero", "--against", "maniskill", "--norm-stats", "nothing.json"),
        ("validate", GOLDEN / "libero", "--against", "maniskill", "--html", "/proc/all.html"),
        ("validate", GOLDEN / "libero", "--bogus"),
        ("show", GOLDEN / "nothing"),
        ("show", GOLDEN / "libero", "--episode", "99"),
        ("show", GOLDEN / "libero", "--rerun"),
    ],
)
def test_wrong_usage_exits_2(words):
    assert run(*words)[0] == 2


def test_an_episode_as_a_rerun_recording(tmp_path, capfd):
    pytest.importorskip("rerun")
    code, out, _ = run("show", GOLDEN / "libero", "--rerun", "--output", tmp_path)
    assert code == 0
    assert out.splitlines()[-1] == str(tmp_path / "episode.rrd")
    assert (tmp_path / "episode.rrd").read_bytes()[:4] == b"RRF2"
    assert "WARN" not in capfd.readouterr().err  # what Rerun's library says of names
    assert not list(tmp_path.glob(".*"))


def test_json_is_one_document_on_stdout(bad):
    code, out, _ = run("validate", bad, "--against", "maniskill", "--select", "MS2", "--json")
    report = json.loads(out)
    assert code == 1
    assert report["valid"] is False
    assert {check["code"] for check in report["checks"] if check["status"] == "failed"} == {
        "MS201", "MS202", "MS204", "MS205",
    }  # fmt: skip


def test_list_describes_every_check():
    code, out, _ = run("validate", "--list", "--json")
    assert code == 0
    assert len(json.loads(out)) > 60
    assert "MS501  meaning: the gripper's command" in run("validate", "--list")[1]


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.outside = []
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in {"src", "href"} and not (value or "").startswith(("data:", "#")):
                self.outside.append(value)


def test_page_holds_everything_it_shows(bad, tmp_path):
    page = tmp_path / "report.html"
    with edited_record(bad) as record:
        record["views"] = {"observation.images.image": "wrist", "observation.images.image2": "base"}
    info = json.loads((bad / "meta/info.json").read_text())
    info["fps"] = 20
    (bad / "meta/info.json").write_text(json.dumps(info))
    assert run("validate", bad, "--against", "maniskill", "--html", page)[0] == 1
    seen = Page()
    seen.feed(page.read_text())
    assert seen.outside == []
    assert "img" in seen.tags
    assert "svg" in seen.tags
    assert "this wrist view stands still" in page.read_text()
    assert page.stat().st_size < 3_000_000


def test_page_shows_names_as_text(tmp_path):
    """What a dataset calls itself must not become part of the page."""
    root = tmp_path / "dataset"
    shutil.copytree(GOLDEN / "libero", root)
    info = json.loads((root / "meta/info.json").read_text())
    info["robot_type"] = "<script>alert(1)</script>"
    (root / "meta/info.json").write_text(json.dumps(info))
    page = tmp_path / "report.html"
    run("validate", root, "--against", "maniskill", "--select", "MS1", "--html", page)
    assert "<script>" not in page.read_text()
    assert "&lt;script&gt;" in page.read_text()


@pytest.mark.parametrize("layout", ["libero", "droid"])
def test_show_draws_an_episode(tmp_path, layout):
    out = tmp_path / "shown"
    code, printed, _ = run("show", GOLDEN / layout, "--episode", 2, "--output", out, "--json")
    shown = json.loads(printed)
    assert code == 0
    assert shown["episodes"] == 4
    assert shown["frames"] == 284
    assert shown["dimensions"][0]["unit"] == {"libero": "m", "droid": "rad"}[layout]
    assert all(isinstance(shown["dimensions"][0][key], float) for key in ("min", "mean", "max"))
    assert all(camera["height"] == camera["width"] for camera in shown["cameras"].values())
    assert sorted(path.name for path in out.iterdir()) == ["actions.png", "episode.mp4", "sheet.png", "state.png"]
    for name in ("sheet.png", "state.png", "actions.png"):
        with Image.open(out / name) as picture:
            assert min(picture.size) > 200
    with av.open(str(out / "episode.mp4")) as film:
        stream = film.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(stream)]
    assert len(frames) == 50
    assert stream.average_rate == 20
    # The line under the cameras moves.
    assert (frames[0][256:] != frames[-1][256:]).any()


def test_show_prints_a_table_and_writes_nothing_unasked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, printed, _ = run("show", GOLDEN / "tcp")
    assert code == 0
    assert "4 x pick up the red cube and move it to the green sphere" in printed
    assert "finger" in printed
    assert list(tmp_path.iterdir()) == []


def test_show_of_a_damaged_dataset_is_an_error_with_a_fix(tmp_path):
    root = tmp_path / "dataset"
    shutil.copytree(GOLDEN / "libero", root)
    (root / "data/chunk-000/file-000.parquet").write_bytes(b"PAR1")
    assert run("show", root)[0] == 1
    shutil.rmtree(root / "data")
    with pytest.raises(MstoolError) as told:
        draw(root, output=None)
    assert told.value.message == f"{root}: no data/chunk-*/file-*.parquet"


@pytest.mark.parametrize("broken", [0, 3])
def test_show_writes_all_or_nothing(tmp_path, monkeypatch, broken):
    """A damaged video, and a film that fails after the pictures."""
    root, out = tmp_path / "dataset", tmp_path / "a" / "shown"
    shutil.copytree(GOLDEN / "libero", root)
    if broken == 0:
        for video in root.rglob("*.mp4"):
            video.write_bytes(video.read_bytes()[:500])
    else:

        def fails(_data, _row, path):
            path.write_bytes(b"half")
            raise MstoolError("fails")

        monkeypatch.setattr("mstool.validators.show.filmstrip.write_film", fails)
    assert run("show", root, "--output", out)[0] == 1
    assert not (tmp_path / "a").exists()


@pytest.mark.sim
def test_replay_solves_the_recorded_episodes(tmp_path):
    """Physics only: the stored actions, decoded through the layout, from the recorded seeds."""
    code, out, _ = run("validate", GOLDEN / "tcp", "--against", "maniskill", "--select", "MS901", "--replay", "--json")
    assert code == 0
    assert "of 4 episodes succeed" in json.loads(out)["checks"][0]["notes"][0]


@pytest.mark.sim
def test_replay_of_flipped_grippers_fails(tmp_path):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = tmp_path / "dataset"
    shutil.copytree(GOLDEN / "libero", root)
    path = root / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    actions = np.stack(table["action"].to_pylist()).astype(np.float32)
    actions[:, 6] *= -1
    column = pa.array(actions.tolist(), table.schema.field("action").type)
    pq.write_table(table.set_column(table.column_names.index("action"), "action", column), path)
    code, out, _ = run("validate", root, "--against", "maniskill", "--select", "MS901", "--replay", "--json")
    assert code == 1
    assert json.loads(out)["checks"][0]["issues"][0]["observed"].startswith("0%")
