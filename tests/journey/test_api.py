"""`import mstool` on what the commands wrote: typed results, errors with a fix, progress to nobody or to a listener."""

import json

import pytest
from hub_server.server import HubServer
from support.converted import copied

import mstool
from mstool.dataset.fingerprint import content_hash


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with HubServer(tmp_path / "server") as server:
        yield server.endpoint


@pytest.fixture
def pick(made, tmp_path):
    root = copied(made("pick") / "v3.0", tmp_path / "pick")
    (root / "meta/mstool/validation.json").unlink(missing_ok=True)
    return root


def test_statistics_are_those_that_convert_wrote(pick, tmp_path, capfd):
    before = content_hash(pick)
    with mstool.progress_to(None):
        stats = mstool.compute_stats(str(pick), output=tmp_path / "assets", asset_id="pick")
        checked = mstool.compute_stats([pick], check=pick / "norm_stats.json").check
    (written,) = stats.written
    assert stats.ok
    numbers, theirs = (json.loads(path.read_text())["norm_stats"] for path in (written, pick / "norm_stats.json"))
    assert numbers == theirs
    assert len(stats.state.names) == len(stats.state.stats.q99) == 8
    assert checked is not None
    assert (checked.off, checked.differing) == ((), ())
    assert content_hash(pick) == before
    assert capfd.readouterr() == ("", "")
    with pytest.raises(mstool.UsageError) as error:
        mstool.compute_stats(pick, config="pi05_librero")
    assert "pi05_libero" in error.value.fix


def test_a_verdict_is_a_value_and_is_kept_where_push_looks(pick, tmp_path, hub, capfd):
    told = []
    with mstool.progress_to(told.append):
        with pytest.raises(mstool.DataError) as refused:
            mstool.push(pick, repo_id="me/pick", endpoint=hub)
        assert refused.value.fix == f"mstool validate {pick} --against lerobot_pi05"
        report = mstool.validate(pick, html=tmp_path / "report.html")
        pushed = mstool.push(pick, repo_id="me/pick", endpoint=hub)
        pulled = mstool.pull("me/pick", endpoint=hub, output=tmp_path / "got")
        with pytest.raises(mstool.MstoolError) as missing:
            mstool.pull("me/pcik", endpoint=hub, output=tmp_path / "other")
    assert report.valid
    assert not report.codes("failed", "warned")
    assert (tmp_path / "report.html").is_file()
    assert pushed.revision == pulled.revision
    assert content_hash(tmp_path / "got") == content_hash(pick)
    assert missing.value.fix
    steps = [each for each in told if isinstance(each, mstool.Step)]
    assert steps
    assert all(isinstance(each, str) for each in told if each not in steps)
    assert capfd.readouterr() == ("", "")


def test_an_evaluation_counts_and_compares(pick, tmp_path, capfd):
    told = []
    with mstool.progress_to(told.append):
        results = mstool.evaluate(f"replay:{pick}", episodes=1, workers=1, output=tmp_path / "replay")
    (task,) = results.tasks
    assert [outcome.success_once for outcome in task.ran] == [True]
    assert results.folder == tmp_path / "replay"
    same = mstool.compare(tmp_path / "replay", tmp_path / "replay")
    assert same is not None
    assert [each for each in told if isinstance(each, mstool.Step)]
    assert capfd.readouterr().out == ""
    with pytest.raises(mstool.MstoolError) as error:
        mstool.evaluate(tmp_path / "no_run", episodes=1)
    assert error.value.fix
