"""`pull` from a hub on loopback: verified, resumed, opened, there whole or not at all."""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time

import pytest
from hub_server import Fault
from hub_server.datasets import validate
from hub_server.fixtures import (  # noqa: F401
    dataset,
    dataset_v21,
    hasty,
    hub,
    hub_environment,
    pristine,
    pristine_v21,
)

from mstool.dataset.fingerprint import content_hash, dataset_files
from mstool.errors import DataError, MstoolError, UsageError
from mstool.hub.options import PullOptions, PushOptions
from mstool.hub.pull import pull
from mstool.hub.push import push
from mstool.hub.tags import version_read

REPO = "me/cube"
FRAMES = 148


@pytest.fixture
def full(hub, dataset):  # noqa: F811
    """A server that holds the dataset, its log empty."""
    push(PushOptions(dataset=dataset, repo_id=REPO, endpoint=hub.endpoint))
    hub.log.clear()
    return hub


def options(hub, root, **changes):  # noqa: F811
    return PullOptions(**{"repo_id": REPO, "root": root, "endpoint": hub.endpoint, "open_it": False} | changes)


def failed(hub, root, **changes):  # noqa: F811
    with pytest.raises(MstoolError) as error:
        pull(options(hub, root, **changes))
    assert not root.exists(), "nothing half-visible"
    assert "hf_test" not in error.value.message + error.value.fix
    return error.value


def test_what_was_pushed_comes_back_and_opens(full, dataset, tmp_path):  # noqa: F811
    root = tmp_path / "deep/got"
    report = pull(options(full, root, open_it=True))
    assert content_hash(root) == content_hash(dataset)
    assert report.opened == {"reader": "lerobot", "episodes": 2, "frames": FRAMES}
    assert report.asked_revision == "v3.0"
    assert report.revision == full.store.repo(REPO)["tags"]["v3.0"]
    assert report.verified == report.files == len(dataset_files(root))
    assert report.download_bytes == report.bytes
    assert sorted(path.name for path in root.parent.iterdir()) == ["got"]
    assert not list(root.rglob(".*"))


def test_what_was_pulled_can_be_pushed_again_and_sends_nothing(full, tmp_path):
    root = tmp_path / "got"
    pull(options(full, root))
    report = push(PushOptions(dataset=root, repo_id=REPO, endpoint=full.endpoint))
    assert report.changes == ()


def test_pulling_again_fetches_nothing(full, tmp_path):
    pull(options(full, tmp_path / "got"))
    full.log.clear()
    report = pull(options(full, tmp_path / "got", open_it=True))
    assert (report.changes, report.download_bytes, report.verified) == ((), 0, report.files)
    assert report.opened["frames"] == FRAMES
    assert full.asked("GET", "/resolve/") == 0


def test_a_new_version_fetches_only_what_differs(full, dataset, tmp_path):  # noqa: F811
    root = tmp_path / "got"
    pull(options(full, root))
    (dataset / "meta/stats.json").write_text("{}")
    (dataset / "norm_stats.json").write_text("{}")
    validate(dataset)
    push(PushOptions(dataset=dataset, repo_id=REPO, endpoint=full.endpoint))
    with pytest.raises(UsageError, match="another version") as error:
        pull(options(full, root))
    assert error.value.fix.endswith("--overwrite --no-open")
    (root / "extra.txt").write_text("x")
    with pytest.raises(UsageError, match=r"holds extra\.txt, no part of a dataset"):
        pull(options(full, root, overwrite=True))
    (root / "extra.txt").rename(root / "data/chunk-000/file-001.parquet")
    full.log.clear()
    report = pull(options(full, root, overwrite=True))
    fetched = {path.split("/", 6)[6] for _, path, _ in full.log if "/resolve/" in path}
    assert fetched == {"meta/stats.json", "norm_stats.json", "meta/mstool/validation.json", "README.md"}
    assert ("delete", "data/chunk-000/file-001.parquet") in {(row["change"], row["path"]) for row in report.changes}
    assert content_hash(root) == content_hash(dataset)
    assert not (root / "data/chunk-000/file-001.parquet").exists()


def test_an_older_revision_by_branch_tag_or_commit(full, dataset, tmp_path):  # noqa: F811
    old = full.store.repo(REPO)["tags"]["v3.0"]
    before = content_hash(dataset)
    (dataset / "meta/stats.json").write_text("{}")
    validate(dataset)
    push(PushOptions(dataset=dataset, repo_id=REPO, endpoint=full.endpoint, revision="dev"))
    for i, revision in enumerate([old, "main", "v3.0", None]):
        pull(options(full, tmp_path / f"old{i}", revision=revision))
        assert content_hash(tmp_path / f"old{i}") == before
    pull(options(full, tmp_path / "new", revision="dev"))
    assert content_hash(tmp_path / "new") == content_hash(dataset)


def test_v21_is_checked_by_its_metadata(hub, dataset_v21, tmp_path):  # noqa: F811
    source = dataset_v21
    push(PushOptions(dataset=source, repo_id=REPO, endpoint=hub.endpoint))
    report = pull(options(hub, tmp_path / "got", open_it=True))
    assert report.opened == {"reader": "metadata", "episodes": 2, "frames": FRAMES}
    assert report.asked_revision == "v2.1"
    next((source / "data").rglob("episode_000001.parquet")).unlink()
    (source / "meta/episodes.jsonl").write_text("")
    validate(source)
    push(PushOptions(dataset=source, repo_id="me/bad", endpoint=hub.endpoint, force=True))
    error = failed(hub, tmp_path / "bad", repo_id="me/bad", open_it=True)
    assert "episode_000001.parquet: missing" in error.message
    assert "0 episodes, info.json says 2" in error.message


def test_of_two_versions_the_newer_is_pulled(hub, dataset, dataset_v21, tmp_path):  # noqa: F811
    push(PushOptions(dataset=dataset_v21, repo_id=REPO, endpoint=hub.endpoint))
    push(PushOptions(dataset=dataset, repo_id=REPO, endpoint=hub.endpoint))
    report = pull(options(hub, tmp_path / "got"))
    assert report.asked_revision == "v3.0"
    assert content_hash(tmp_path / "got") == content_hash(dataset)
    assert pull(options(hub, tmp_path / "got21", revision="v2.1")).files > 0
    assert content_hash(tmp_path / "got21") == content_hash(dataset_v21)


def left_behind(hub, dataset):  # noqa: F811
    """Push other statistics to the branch, and leave the tag where it was."""
    (dataset / "meta/stats.json").write_text("{}")
    validate(dataset)
    push(PushOptions(dataset=dataset, repo_id=REPO, endpoint=hub.endpoint, tag=False, force=True))
    refs = hub.store.repo(REPO)
    return refs["tags"]["v3.0"], refs["branches"]["main"]


@pytest.mark.parametrize("asked", [None, "v3.0", "main"])
def test_a_tag_that_was_left_behind(full, dataset, tmp_path, asked):  # noqa: F811
    tag, head = left_behind(full, dataset)
    said = []
    report = pull(options(full, tmp_path / "got", revision=asked), say=said.append)
    assert report.revision == (head if asked == "main" else tag)
    assert report.stale_tag == {
        "tag": "v3.0",
        "tag_commit": tag,
        "branch": "main",
        "branch_commit": head,
        "files": ["meta/stats.json"],
    }
    warning, fix = (line for line in said if line.startswith(("warning: ", "fix: ")))
    assert f"LeRobot reads v3.0 (commit {tag[:12]})" in warning
    assert f"main (commit {head[:12]}), and 1 files of the dataset differ, first meta/stats.json" in warning
    assert warning.endswith("the branch is pulled" if asked == "main" else "the tag is pulled")
    move = f"mstool push {tmp_path / 'got'} --repo-id {REPO}"
    if asked == "main":
        assert fix.startswith(f"fix: {move}  # moves the tag")
        # The fix ends it.
        validate(tmp_path / "got")
        push(PushOptions(dataset=tmp_path / "got", repo_id=REPO, endpoint=full.endpoint, force=True))
        said.clear()
        assert pull(options(full, tmp_path / "again"), say=said.append).stale_tag is None
        assert not [line for line in said if line.startswith("warning: ")]
    else:
        assert "--revision main" in fix
        assert move in fix


def test_a_tag_is_not_left_behind_by_a_card_or_by_another_branch(full, dataset, tmp_path):  # noqa: F811
    full.store.commit(REPO, "main", {"README.md": b"# mine\n"}, {}, [], "a card")
    refs = full.store.repo(REPO)
    assert refs["tags"]["v3.0"] != refs["branches"]["main"]
    assert pull(options(full, tmp_path / "card")).stale_tag is None
    (dataset / "meta/stats.json").write_text("{}")
    validate(dataset)
    push(PushOptions(dataset=dataset, repo_id=REPO, endpoint=full.endpoint, revision="dev"))
    for revision in (None, "dev"):
        assert pull(options(full, tmp_path / f"{revision}", revision=revision)).stale_tag is None


@pytest.mark.parametrize(
    ("names", "ours", "lerobots"),
    [
        (["v3.0", "v2.1"], "v3.0", "v3.0"),
        (["v3.0", "v3.1", "v4.0"], "v3.0", "v3.0"),
        (["v3.0.2", "v3.0.1", "v2.1"], "v3.0.2", "v3.0.2"),
        (["v2.0", "v2.1"], "v2.1", None),
        (["v3.1"], "v3.1", None),
        ([], None, None),
    ],
    ids=str,
)
def test_the_version_that_lerobot_reads(monkeypatch, names, ours, lerobots):
    """LeRobot's own choice, where it makes one."""
    from lerobot.datasets import utils
    from packaging.version import parse

    monkeypatch.setattr(utils, "get_repo_versions", lambda *_, **__: [parse(name) for name in names])
    theirs = None
    with contextlib.suppress(Exception):  # it refuses
        theirs = utils.get_safe_version(REPO, "v3.0")
    assert theirs == lerobots
    assert version_read(["main", *names]) == ours


def test_what_lerobot_cannot_open_does_not_appear(hub, dataset, tmp_path):  # noqa: F811
    path = next((dataset / "data").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-20])
    validate(dataset)
    push(PushOptions(dataset=dataset, repo_id=REPO, endpoint=hub.endpoint))
    error = failed(hub, tmp_path / "got", open_it=True)
    assert isinstance(error, DataError)
    assert "LeRobot cannot open it" in error.message
    assert error.fix.startswith("mstool validate")


def test_a_repository_that_is_no_dataset(hub, tmp_path):  # noqa: F811
    hub.store.create("me/notes", private=False)
    error = failed(hub, tmp_path / "got", repo_id="me/notes")
    assert "is not a LeRobot dataset" in error.message
    assert error.fix == f"HF_ENDPOINT={hub.endpoint} hf download me/notes --repo-type dataset"


def test_a_revision_without_a_dataset_is_told_with_one_that_has_it(full, tmp_path):
    repo = full.store.repo(REPO)
    full.store.save(REPO, repo | {"branches": repo["branches"] | {"notes": ""}})
    full.store.commit(REPO, "notes", {"README.md": b"# mine\n"}, {}, [], "no data")
    error = failed(full, tmp_path / "got", revision="notes")
    assert "but at v3.0" in error.message
    assert "--revision v3.0" in error.fix
    full.store.save(REPO, full.store.repo(REPO) | {"tags": {}})
    assert "--revision main" in failed(full, tmp_path / "got", revision="notes").fix


def test_dry_run_writes_nothing(full, tmp_path):
    report = pull(options(full, tmp_path / "got"), dry_run=True)
    assert {row["change"] for row in report.changes} == {"add"}
    assert report.download_bytes == report.bytes > 0
    assert not (tmp_path / "got").exists()
    assert not (tmp_path / ".got.pull").exists()
    assert full.asked("GET", "/resolve/") == 0


# Faults.


def test_a_cut_in_the_middle_goes_on_with_a_range(full, dataset, tmp_path, hasty):  # noqa: F811
    full.faults.append(Fault("cut", "GET", "/cdn/", times=3, after=500))
    pull(options(full, tmp_path / "got", jobs=1))
    assert content_hash(tmp_path / "got") == content_hash(dataset)
    assert hasty


def cut_short(full, dataset, root, after):  # noqa: F811
    """Pull with the video's connection cut for good after so many bytes; returns the part that is kept."""
    video = next((dataset / "videos").rglob("*.mp4"))
    entry = full.store.files(REPO, "main")[video.relative_to(dataset).as_posix()]
    full.faults.append(Fault("cut", "GET", f"/cdn/{entry['lfs']}", times=1, after=after))
    full.faults.append(Fault("cut", "GET", f"/cdn/{entry['lfs']}", times=-1))
    error = failed(full, root, jobs=1)
    assert "what came is kept" in error.message
    full.faults.clear()
    (part,) = (root.parent / f".{root.name}.pull/.parts").glob(f"{entry['lfs']}.*")
    assert part.read_bytes() == video.read_bytes()[:after]
    return part


def test_an_interrupted_pull_goes_on_within_a_file(full, dataset, tmp_path, hasty):  # noqa: F811
    cut_short(full, dataset, tmp_path / "got", 600)
    before = full.asked("GET", "/resolve/")
    full.log.clear()
    report = pull(options(full, tmp_path / "got", jobs=1))
    assert content_hash(tmp_path / "got") == content_hash(dataset)
    assert report.verified == report.files
    assert full.asked("GET", "/resolve/") < report.files, "finished files are not fetched again"
    assert before > 1


def test_only_the_rest_is_asked_for(full, dataset, tmp_path, hasty):  # noqa: F811
    """A mark in the kept bytes: were the file fetched from its start, nobody would see it."""
    part = cut_short(full, dataset, tmp_path / "got", 600)
    part.write_bytes(bytes([part.read_bytes()[0] ^ 1]) + part.read_bytes()[1:])
    full.log.clear()
    pull(options(full, tmp_path / "got", jobs=1))
    # Once from byte 600, whose hash is wrong because of the mark, and once whole.
    assert full.asked("GET", f"/cdn/{part.name[:64]}") == 2
    assert content_hash(tmp_path / "got") == content_hash(dataset)


def test_a_pull_that_is_killed(full, dataset, tmp_path):  # noqa: F811
    full.faults.append(Fault("slow", "GET", "/resolve/", times=-1, skip=4, delay=0.2))
    code = (
        "import sys; from pathlib import Path\n"
        "from mstool.hub.options import PullOptions; from mstool.hub.pull import pull\n"
        "pull(PullOptions(repo_id='me/cube', root=Path(sys.argv[1]), endpoint=sys.argv[2], jobs=1, open_it=False))\n"
    )
    (tmp_path / "tmp").mkdir()
    environment = dict(os.environ) | {"TMPDIR": str(tmp_path / "tmp")}
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "got"), full.endpoint], env=environment)
    deadline = time.monotonic() + 60
    while full.asked("GET", "/resolve/") < 5 and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    child.kill()
    assert child.wait() < 0, "it was killed, it did not end by itself"
    assert not (tmp_path / "got").exists()
    kept = dataset_files(tmp_path / ".got.pull")
    assert len(kept) >= 3
    full.faults.clear()
    full.log.clear()
    pull(options(full, tmp_path / "got"))
    assert content_hash(tmp_path / "got") == content_hash(dataset)
    assert not any(path.endswith(name) for _, path, _ in full.log for name in kept if "/resolve/" in path)


def test_a_line_that_breaks_all_the_time_but_brings_something(full, dataset, tmp_path, hasty):  # noqa: F811
    full.faults.append(Fault("cut", "GET", "/cdn/", times=12, after=150))
    pull(options(full, tmp_path / "got", jobs=1))
    assert content_hash(tmp_path / "got") == content_hash(dataset)
    assert len(hasty) == 12


def test_a_server_without_ranges(full, dataset, tmp_path, hasty, monkeypatch):  # noqa: F811
    part = cut_short(full, dataset, tmp_path / "got", 600)
    monkeypatch.setattr("hub_server.handler.RANGE", r"never")
    full.log.clear()
    pull(options(full, tmp_path / "got", jobs=1))
    assert full.asked("GET", f"/cdn/{part.name[:64]}") == 1, "what came is right the first time"
    assert content_hash(tmp_path / "got") == content_hash(dataset)


def test_a_file_of_another_size_than_announced(full, tmp_path):
    entry = full.store.files(REPO, "main")["meta/info.json"]
    content = full.store.content(entry)
    for data in (content.read_bytes() + b"x", content.read_bytes()[:-1]):
        content.write_bytes(data)
        assert "in another size" in failed(full, tmp_path / "got").message


def test_a_damaged_download_is_fetched_again_then_refused(full, dataset, tmp_path):  # noqa: F811
    full.faults.append(Fault("corrupt", "GET", "/cdn/|/resolve/.*json$", times=1))
    pull(options(full, tmp_path / "once"))
    assert content_hash(tmp_path / "once") == content_hash(dataset)
    full.faults.append(Fault("corrupt", "GET", "/cdn/|/resolve/.*json$", times=-1))
    error = failed(full, tmp_path / "always")
    assert "arrives damaged" in error.message
    assert error.fix.startswith("mstool pull me/cube")


@pytest.mark.parametrize("path", ["/refs", "/revision/", "/tree/", "/resolve/"])
def test_a_proxy_that_answers_with_a_page(full, tmp_path, path, hasty):  # noqa: F811
    full.faults.append(Fault("html", "GET", path, times=-1, status=200))
    error = failed(full, tmp_path / "got")
    assert "page" in error.message
    assert "mstool pull me/cube" in error.fix


def test_a_server_without_refs_gives_main_and_says_so(full, dataset, tmp_path):  # noqa: F811
    full.lacks |= {"refs"}
    said = []
    report = pull(options(full, tmp_path / "got"), say=said.append)
    assert report.asked_revision == "main"
    assert "keeps no refs" in said[0]
    assert content_hash(tmp_path / "got") == content_hash(dataset)


def test_a_missing_dataset_revision_or_right(full, tmp_path, monkeypatch):
    assert "has no dataset me/other" in failed(full, tmp_path / "got", repo_id="me/other").message
    error = failed(full, tmp_path / "got", revision="v9.9")
    assert "with a revision v9.9" in error.message
    assert "--revision" not in error.fix
    full.store.save(REPO, full.store.repo(REPO) | {"private": True})
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr("mstool.hub.client.token", lambda: None)
    monkeypatch.setattr("mstool.hub.download.token", lambda: None)
    error = failed(full, tmp_path / "got")
    assert "or it is private" in error.message
    assert "hf auth login" in error.fix


def test_a_private_dataset_comes_with_the_token(full, dataset, tmp_path):  # noqa: F811
    full.store.save(REPO, full.store.repo(REPO) | {"private": True})
    pull(options(full, tmp_path / "got"))
    assert content_hash(tmp_path / "got") == content_hash(dataset)


def test_a_folder_that_is_taken_stays_as_it_is(full, tmp_path):
    root = tmp_path / "got"
    root.mkdir()
    (root / "thesis.tex").write_text("x")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="not a dataset"):
            pull(options(full, root, overwrite=overwrite))
    assert [path.name for path in root.iterdir()] == ["thesis.tex"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        pull(options(full, tmp_path / "file"))


def test_a_failed_update_leaves_the_old_version(full, dataset, tmp_path, hasty):  # noqa: F811
    root = tmp_path / "got"
    pull(options(full, root))
    before = content_hash(root)
    (dataset / "meta/stats.json").write_text("{}")
    validate(dataset)
    push(PushOptions(dataset=dataset, repo_id=REPO, endpoint=full.endpoint))
    full.faults.append(Fault("status", "GET", "/resolve/", times=-1, status=500))
    with pytest.raises(MstoolError, match="500"):
        pull(options(full, root, overwrite=True))
    assert content_hash(root) == before
    full.faults.clear()
    pull(options(full, root, overwrite=True))
    assert content_hash(root) == content_hash(dataset)


def test_two_pulls_into_one_place(full, tmp_path):
    staging = tmp_path / ".got.pull"
    staging.mkdir()
    with (staging / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another pull"):
            pull(options(full, tmp_path / "got"))
    pull(options(full, tmp_path / "got"))


def test_lerobot_loads_it_by_name_into_an_empty_cache(full, dataset, tmp_path):  # noqa: F811
    """As a user would: nothing of mstool, LeRobot's own reader, its own downloads.

    Without the tag it does not load: a push that stopped before its last step is nothing to LeRobot.
    """
    push(PushOptions(dataset=dataset, repo_id="me/untagged", endpoint=full.endpoint, tag=False))
    code = (
        "from lerobot.datasets.lerobot_dataset import LeRobotDataset\n"
        "d = LeRobotDataset('me/cube', video_backend='pyav')\n"
        "print(d.num_episodes, len(d), tuple(d[11]['observation.images.image'].shape), d.root)\n"
        "try:\n    LeRobotDataset('me/untagged')\n"
        "except RuntimeError as error:\n    print('refused', 'must be tagged' in str(error))\n"
    )
    home = tmp_path / "home"
    environment = dict(os.environ) | {
        "HF_ENDPOINT": full.endpoint,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(home),
        "HF_LEROBOT_HOME": str(home / "lerobot"),
    }
    done = subprocess.run([sys.executable, "-c", code], check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"2 {FRAMES} (3, 128, 128) ")
    assert str(home) in lines[0]
    assert lines[1] == "refused True"


def test_the_report_is_json(full, tmp_path):
    report = pull(options(full, tmp_path / "got"))
    assert json.loads(json.dumps(report.to_json()))["revision"] == report.revision
