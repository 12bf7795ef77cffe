"""`push` against a hub on loopback that stores real files, driven by the real client."""

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

from mstool.dataset.files import VALIDATION_FILE
from mstool.dataset.fingerprint import dataset_files, hash_file
from mstool.errors import DataError, MstoolError, UsageError
from mstool.hub import upload
from mstool.hub.errors import HubError
from mstool.hub.options import PushOptions
from mstool.hub.push import push

REPO = "me/cube"


def options(hub, dataset, **changes):  # noqa: F811
    return PushOptions(**{"dataset": dataset, "repo_id": REPO, "endpoint": hub.endpoint} | changes)


def refs(hub, repo=REPO):  # noqa: F811
    return hub.store.repo(repo)


def held(hub, revision="v3.0", repo=REPO):  # noqa: F811
    """What the server stores, read from its disk: {path: SHA-256}."""
    files = hub.store.files(repo, revision)
    return {path: hash_file(hub.store.content(entry)).sha256 for path, entry in files.items()}


def local(dataset):  # noqa: F811
    return {path: hash_file(dataset / path).sha256 for path in dataset_files(dataset)}


def assert_whole(hub, dataset, revision="v3.0"):  # noqa: F811
    there = held(hub, revision)
    assert {path: there.get(path) for path in local(dataset)} == local(dataset)
    assert "README.md" in there
    assert "meta/mstool/contact_sheet.jpg" in there


def failed(hub, dataset, **changes):  # noqa: F811
    with pytest.raises(MstoolError) as error:
        push(options(hub, dataset, **changes))
    assert "hf_test" not in error.value.message + error.value.fix
    return error.value


def test_everything_arrives_in_one_commit_and_the_tag_comes_last(hub, dataset):  # noqa: F811
    before = local(dataset)
    report = push(options(hub, dataset))
    assert_whole(hub, dataset)
    assert refs(hub)["tags"] == {"v3.0": report.revision}
    assert hub.asked("POST", "/commit/") == 1
    order = [path for method, path, _ in hub.log if method in {"POST", "PUT"}]
    assert "/tag/" in order[-1]
    tag_at = next(i for i, (_, path, _) in enumerate(hub.log) if "/tag/" in path)
    assert any("/tree/" in path for _, path, _ in hub.log[:tag_at]), "verified before it was tagged"
    assert report.verified == report.files == len(local(dataset)) + 2
    assert local(dataset) == before, "a push writes nothing into the dataset"


def test_pushing_again_sends_nothing(hub, dataset):  # noqa: F811
    first = push(options(hub, dataset))
    hub.log.clear()
    second = push(options(hub, dataset))
    assert (second.changes, second.upload_bytes, second.revision) == ((), 0, first.revision)
    assert hub.uploaded() == hub.asked("POST", "/commit/") == hub.asked("POST", "/tag/") == 0
    assert second.verified == first.files


def test_only_what_differs_is_sent_and_the_tag_moves(hub, dataset):  # noqa: F811
    first = push(options(hub, dataset))
    stats = dataset / "meta/stats.json"
    stats.write_text(stats.read_text() + " ")
    extra = dataset / "data/chunk-000/file-001.parquet"
    extra.write_bytes(b"PAR1" * 1000)
    validate(dataset)
    hub.log.clear()
    second = push(options(hub, dataset))
    changed = {(row["change"], row["path"]) for row in second.changes}
    assert changed == {
        ("change", "meta/stats.json"),
        ("change", VALIDATION_FILE),
        ("add", "data/chunk-000/file-001.parquet"),
    }
    assert hub.uploaded() == 4000
    assert refs(hub)["tags"] == {"v3.0": second.revision}
    assert second.revision != first.revision
    extra.unlink()
    validate(dataset)
    third = push(options(hub, dataset))
    assert ("delete", "data/chunk-000/file-001.parquet") in {(r["change"], r["path"]) for r in third.changes}
    assert set(held(hub)) == {*local(dataset), "README.md", "meta/mstool/contact_sheet.jpg", ".gitattributes"}


def test_other_peoples_files_in_the_repository_stay(hub, dataset):  # noqa: F811
    push(options(hub, dataset))
    hub.store.commit(REPO, "main", {"notes/paper.md": b"mine", "LICENSE": b"x"}, {}, [], "by hand")
    report = push(options(hub, dataset))
    assert report.changes == ()
    assert {"notes/paper.md", "LICENSE"} <= set(held(hub))


def test_large_files_go_in_parts_where_the_server_wants_that(hub, dataset):  # noqa: F811
    hub.part_size = 1000
    push(options(hub, dataset))
    assert hub.asked("PUT", "/lfs/part/") > 4
    assert_whole(hub, dataset)


def test_a_long_list_comes_in_pages(hub, dataset):  # noqa: F811
    hub.page = 2
    report = push(options(hub, dataset))
    assert hub.asked("GET", "/tree/") > 4
    assert push(options(hub, dataset)).changes == ()
    assert report.verified == report.files


def test_a_v21_dataset_gets_its_own_tag(hub, dataset_v21):  # noqa: F811
    report = push(options(hub, dataset_v21))
    assert report.tag == "v2.1"
    assert set(refs(hub)["tags"]) == {"v2.1"}


def test_another_branch_gets_no_tag_unless_asked(hub, dataset):  # noqa: F811
    main = push(options(hub, dataset))
    (dataset / "note.txt").write_text("x")
    validate(dataset)
    dev = push(options(hub, dataset, revision="dev"))
    assert not dev.tagged
    assert refs(hub)["branches"] == {"main": main.revision, "dev": dev.revision}
    assert refs(hub)["tags"] == {"v3.0": main.revision}
    assert push(options(hub, dataset, revision="dev", tag=True)).tagged
    assert refs(hub)["tags"] == {"v3.0": dev.revision}


def test_private_is_asked_for(hub, dataset):  # noqa: F811
    push(options(hub, dataset, private=True))
    assert refs(hub)["private"] is True


def test_private_does_not_pretend(hub, dataset):  # noqa: F811
    push(options(hub, dataset))
    (dataset / "secret.txt").write_text("x")
    validate(dataset)
    error = failed(hub, dataset, private=True)
    assert "public" in error.message
    assert "hf repos settings me/cube --type dataset --private" in error.fix
    assert "secret.txt" not in held(hub, "main")
    hub.store.save(REPO, refs(hub) | {"private": True})
    push(options(hub, dataset, private=True))
    assert "secret.txt" in held(hub)


def test_a_card_of_the_authors_own_goes_up_as_it_is(hub, dataset):  # noqa: F811
    (dataset / "README.md").write_text("---\nlicense: mit\n---\n# mine\n")
    push(options(hub, dataset))
    assert held(hub)["README.md"] == hash_file(dataset / "README.md").sha256
    hub.faults.clear()
    (dataset / "README.md").write_text("no head at all")
    error = failed(hub, dataset)
    assert "does not accept the card" in error.message


def test_dry_run_changes_nothing_and_needs_no_token(hub, dataset, monkeypatch, tmp_path):  # noqa: F811
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("mstool.hub.identity.token", lambda: None)
    report = push(options(hub, dataset), dry_run=True)
    assert {row["change"] for row in report.changes} == {"add"}
    assert report.upload_bytes == report.bytes == sum(row["bytes"] for row in report.changes)
    assert all(method == "GET" for method, _, _ in hub.log)
    assert list((hub.root / "repos").iterdir()) == []
    error = failed(hub, dataset)
    assert "there is no token here" in error.message
    assert "hf auth login" in error.fix


def test_dry_run_compares_with_what_is_there(hub, dataset):  # noqa: F811
    push(options(hub, dataset))
    (dataset / "meta/stats.json").write_text("{}")
    validate(dataset)
    hub.log.clear()
    report = push(options(hub, dataset), dry_run=True)
    # The card shows the statistics.
    assert {row["path"] for row in report.changes} == {"meta/stats.json", VALIDATION_FILE, "README.md"}
    assert all(method == "GET" for method, _, _ in hub.log)


def test_an_unvalidated_dataset_is_refused_before_anything_is_asked(hub, dataset):  # noqa: F811
    (dataset / VALIDATION_FILE).unlink()
    with pytest.raises(DataError, match="never validated"):
        push(options(hub, dataset))
    assert hub.log == []
    said = []
    assert push(options(hub, dataset, force=True), say=said.append).tagged
    assert any("--force" in line for line in said)


def test_many_files_go_through_the_large_folder_upload(hub, dataset, monkeypatch, hasty):  # noqa: F811
    monkeypatch.setattr(upload, "ONE_COMMIT", 3)
    report = push(options(hub, dataset))
    assert_whole(hub, dataset)
    assert report.tagged
    assert hub.asked("GET", "/commits/") == 1, "this is what tells the large-folder upload from ours"
    # It keeps its state in the folder it uploads; ours must stay as it was.
    assert not (dataset / ".cache").exists()
    (dataset / "meta/stats.json").unlink()
    for i in range(5):
        (dataset / f"data/chunk-000/file-{i + 1:03d}.parquet").write_bytes(b"PAR1" * (i + 1))
    validate(dataset)
    second = push(options(hub, dataset))
    assert_whole(hub, dataset)
    assert "meta/stats.json" not in held(hub)
    assert second.verified == second.files


def test_a_large_folder_upload_that_fails_leaves_the_old_version_loadable(hub, dataset, monkeypatch, hasty):  # noqa: F811
    first = push(options(hub, dataset))
    monkeypatch.setattr(upload, "ONE_COMMIT", 1)
    for i in range(3):
        (dataset / f"data/chunk-000/file-{i + 1:03d}.parquet").write_bytes(b"PAR1" * (i + 1))
    validate(dataset)
    hub.faults.append(Fault("status", "PUT", "/lfs/", times=-1, skip=1, status=503))
    error = failed(hub, dataset)
    assert "503" in error.message
    assert refs(hub)["tags"] == {"v3.0": first.revision}
    hub.faults.clear()
    push(options(hub, dataset))
    assert_whole(hub, dataset)


# Faults: nothing half-visible, the same command completes, hashes equal.


def test_a_connection_cut_in_the_middle_is_retried(hub, dataset, hasty):  # noqa: F811
    hub.faults.append(Fault("cut", "PUT", "/lfs/", times=2, after=100))
    push(options(hub, dataset))
    assert_whole(hub, dataset)
    assert hasty, "the client waited and tried again"


@pytest.mark.parametrize("jobs", [1, 4])
def test_a_connection_that_stays_cut(hub, dataset, hasty, jobs):  # noqa: F811
    hub.faults.append(Fault("cut", "PUT", "/lfs/", times=-1, skip=2, after=100))
    error = failed(hub, dataset, jobs=jobs)
    assert "broke" in error.message
    assert error.fix.startswith(f"mstool push {dataset} --repo-id {REPO}")
    assert set(hub.store.files(REPO, "main")) == {".gitattributes"}
    assert refs(hub)["tags"] == {}
    sent_before = {path for method, path, _ in hub.log if method == "PUT" and hub.store.lfs(path[-64:]).exists()}
    assert sent_before, "something arrived before the cut"
    hub.faults.clear()
    hub.log.clear()
    push(options(hub, dataset))
    assert_whole(hub, dataset)
    again = {path for method, path, _ in hub.log if method == "PUT"}
    assert not again & sent_before, "what had arrived is not sent again"


def test_a_commit_whose_answer_is_lost(hub, dataset):  # noqa: F811
    """The commit happened, the client does not know: the same command finds it and only tags."""
    original = hub.store.commit

    def lose(*args, **kwargs):
        original(*args, **kwargs)
        raise ConnectionResetError

    hub.store.create(REPO, private=False)
    hub.store.commit = lose
    error = failed(hub, dataset)
    assert "broke" in error.message
    assert refs(hub)["tags"] == {}
    hub.store.commit = original
    hub.log.clear()
    report = push(options(hub, dataset))
    assert hub.uploaded() == 0
    assert report.tagged
    assert_whole(hub, dataset)


def test_a_server_error_in_the_commit(hub, dataset):  # noqa: F811
    hub.faults.append(Fault("status", "POST", "/commit/", status=500))
    error = failed(hub, dataset)
    assert "fails (500" in error.message
    assert refs(hub)["tags"] == {}
    push(options(hub, dataset))
    assert_whole(hub, dataset)


def test_server_errors_that_pass_are_waited_for(hub, dataset, hasty):  # noqa: F811
    hub.faults.append(Fault("status", "PUT", "/lfs/", times=3, status=503))
    push(options(hub, dataset))
    assert_whole(hub, dataset)


def test_a_slow_server(hub, dataset):  # noqa: F811
    hub.faults.append(Fault("slow", "PUT|POST", ".*", times=3, delay=0.3))
    push(options(hub, dataset))
    assert_whole(hub, dataset)


def test_a_server_that_hangs_is_given_up(hub, dataset, monkeypatch):  # noqa: F811
    monkeypatch.setattr("mstool.hub.client.READ", 0.3)
    hub.faults.append(Fault("slow", "POST", "/repos/create", times=-1, delay=1.0))
    error = failed(hub, dataset)
    assert "broke" in error.message
    assert "goes on" in error.fix


def test_a_corrupted_upload_is_caught_by_a_server_that_checks(hub, dataset):  # noqa: F811
    hub.faults.append(Fault("corrupt", "PUT", "/lfs/", times=1))
    error = failed(hub, dataset)
    assert "hash" in error.message
    assert set(hub.store.files(REPO, "main")) == {".gitattributes"}
    push(options(hub, dataset))
    assert_whole(hub, dataset)


def test_a_corrupted_upload_is_caught_by_reading_back_where_the_server_checks_nothing(hub, dataset):  # noqa: F811
    hub.checks_uploads = False
    hub.faults.append(Fault("corrupt", "PUT", "/lfs/", times=1))
    error = failed(hub, dataset, read_back=True)
    assert "what comes back has another hash" in error.message
    assert refs(hub)["tags"] == {}


def test_reading_back_a_good_push(hub, dataset, hasty):  # noqa: F811
    hub.faults.append(Fault("cut", "GET", "/cdn/", times=1, after=50))
    report = push(options(hub, dataset, read_back=True))
    assert report.read_back == report.files
    assert report.tagged


def test_a_server_that_lists_other_content_than_was_sent(hub, dataset, monkeypatch):  # noqa: F811
    real = hub.store.files

    def altered(repo, revision):
        files = real(repo, revision)
        for entry in files.values():
            if entry["lfs"]:
                return files | {"meta/stats.json": {"size": 1, "oid": "0" * 40, "lfs": None}}
        return files

    monkeypatch.setattr(hub.store, "files", altered)
    error = failed(hub, dataset)
    assert "does not hold what was sent" in error.message
    assert "meta/stats.json: 1 bytes there" in error.message
    assert refs(hub)["tags"] == {}


def test_someone_else_commits_meanwhile(hub, dataset):  # noqa: F811
    push(options(hub, dataset))
    (dataset / "note.txt").write_text("x")
    validate(dataset)
    real = hub.store.commit

    def late(*args, **kwargs):
        hub.store.commit = real
        real(REPO, "main", {"theirs.md": b"x"}, {}, [], "theirs")
        return real(*args, **kwargs)

    hub.store.commit = late
    error = failed(hub, dataset)
    assert "changed" in error.message
    push(options(hub, dataset))
    assert_whole(hub, dataset)
    assert "theirs.md" in held(hub)


def test_a_read_only_mirror(hub, dataset):  # noqa: F811
    hub.lacks |= {"writes"}
    error = failed(hub, dataset)
    assert "can only be read: it is a mirror" in error.message
    assert "--endpoint https://huggingface.co" in error.fix


def test_a_read_only_mirror_that_answers_with_a_page(hub, dataset):  # noqa: F811
    hub.faults.append(Fault("html", "POST", "/repos/create", status=405, times=-1))
    assert "can only be read" in failed(hub, dataset).message


@pytest.mark.parametrize("path", ["whoami", "/repos/create", "/preupload/", "/commit/", "/tree/", "/refs"])
@pytest.mark.parametrize("status", [200, 403])
def test_a_proxy_that_answers_with_a_page(hub, dataset, path, status, hasty):  # noqa: F811
    hub.faults.append(Fault("html", ".*", path, times=-1, status=status))
    error = failed(hub, dataset)
    assert "a web page" in error.message
    assert f"NO_PROXY=127.0.0.1 mstool push {dataset}" in error.fix
    if path not in {"whoami", "/repos/create"}:
        assert refs(hub)["tags"] == {}


def test_a_wrong_token(hub, dataset, monkeypatch):  # noqa: F811
    monkeypatch.setenv("HF_TOKEN", "hf_wrong_geheim")
    error = failed(hub, dataset)
    assert "does not accept the token" in error.message
    assert "unset HF_TOKEN" in error.fix
    assert f"HF_ENDPOINT={hub.endpoint} hf auth login" in error.fix
    assert "geheim" not in error.message + error.fix


def test_a_token_that_may_only_read(hub, dataset, monkeypatch):  # noqa: F811
    monkeypatch.setenv("HF_TOKEN", "hf_read")
    error = failed(hub, dataset)
    assert "may only read" in error.message
    assert hub.asked("POST", "") == 0


def test_no_such_organisation(hub, dataset):  # noqa: F811
    error = failed(hub, dataset, repo_id="nobody/cube")
    assert "'nobody'" in error.message
    assert "--repo-id me/cube" in error.fix


def test_the_own_organisation(hub, dataset):  # noqa: F811
    push(options(hub, dataset, repo_id="lab/cube"))
    assert set(refs(hub, "lab/cube")["tags"]) == {"v3.0"}


def test_no_room_left(hub, dataset):  # noqa: F811
    hub.quota = 1000
    error = failed(hub, dataset, private=True)
    assert "no room left" in error.message
    assert "storage limit" in error.message
    assert "--private" not in error.fix
    assert refs(hub)["tags"] == {}


@pytest.mark.parametrize("status", [402, 413, 507])
def test_no_room_left_in_other_words(hub, dataset, status, hasty):  # noqa: F811
    hub.faults.append(Fault("status", "POST", "/batch", status=status, times=-1))
    assert "no room left" in failed(hub, dataset).message


def test_a_server_without_tags(hub, dataset):  # noqa: F811
    hub.lacks |= {"tags"}
    error = failed(hub, dataset)
    assert "keeps no tags" in error.message
    assert 'LeRobotDataset("me/cube", revision="main")' in error.message
    assert error.fix.endswith("--no-tag")
    report = push(options(hub, dataset, tag=False))
    assert not report.tagged
    assert_whole(hub, dataset, "main")


def test_a_server_without_refs(hub, dataset):  # noqa: F811
    hub.lacks |= {"refs"}
    assert "keeps no tags or refs" in failed(hub, dataset).message


def test_a_server_that_does_not_know_who_we_are(hub, dataset):  # noqa: F811
    hub.lacks |= {"whoami"}
    assert push(options(hub, dataset)).tagged


def test_too_many_requests(hub, dataset, hasty):  # noqa: F811
    hub.faults.append(Fault("status", "POST", "/repos/create", status=429, times=-1))
    error = failed(hub, dataset)
    assert "limits how often" in error.message
    assert "mstool push" in error.fix


def test_nobody_answers(hub, dataset, hasty):  # noqa: F811
    gone = hub.endpoint
    hub.__exit__()
    with pytest.raises(HubError, match="cannot be reached") as error:
        push(PushOptions(dataset=dataset, repo_id=REPO, endpoint=gone))
    assert "mstool push" in error.value.fix


def test_offline_mode_is_named(hub, dataset, monkeypatch):  # noqa: F811
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    error = failed(hub, dataset)
    assert "HF_HUB_OFFLINE" in error.message
    assert error.fix.startswith("HF_HUB_OFFLINE=0 mstool push")


def test_a_tag_that_cannot_be_made_after_the_old_one_went(hub, dataset):  # noqa: F811
    push(options(hub, dataset))
    (dataset / "note.txt").write_text("x")
    validate(dataset)
    hub.faults.append(Fault("status", "POST", "/tag/", status=500))
    assert "500" in failed(hub, dataset).message
    report = push(options(hub, dataset))
    assert refs(hub)["tags"] == {"v3.0": report.revision}


def test_a_bad_name_asks_nobody(hub, dataset):  # noqa: F811
    with pytest.raises(UsageError):
        push(options(hub, dataset, repo_id="no slash"))
    assert hub.log == []


def test_the_token_is_written_nowhere(hub, dataset, capfd, caplog, hasty):  # noqa: F811
    caplog.set_level("DEBUG")
    hub.faults.append(Fault("cut", "PUT", "/lfs/", times=1, after=10))
    report = push(options(hub, dataset), say=print)
    out = capfd.readouterr()
    assert "hf_test" not in out.out + out.err + caplog.text + json.dumps(report.to_json())
    for path in hub.root.rglob("*"):
        assert not path.is_file() or b"hf_test" not in path.read_bytes()


def test_a_push_that_is_killed(hub, dataset, tmp_path):  # noqa: F811
    """No clean-up, no exception handler: the next push finds nothing visible and goes on."""
    hub.faults.append(Fault("slow", "PUT", "/lfs/", times=-1, skip=2, delay=0.2))
    code = (
        "import sys; from pathlib import Path\n"
        "from mstool.hub.options import PushOptions; from mstool.hub.push import push\n"
        "push(PushOptions(dataset=Path(sys.argv[1]), repo_id='me/cube', endpoint=sys.argv[2], jobs=1))\n"
    )
    (tmp_path / "tmp").mkdir()
    environment = dict(os.environ) | {"TMPDIR": str(tmp_path / "tmp")}
    child = subprocess.Popen([sys.executable, "-c", code, str(dataset), hub.endpoint], env=environment)
    deadline = time.monotonic() + 60
    while hub.asked("PUT", "/lfs/") < 3 and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    child.kill()
    assert child.wait() < 0, "it was killed, it did not end by itself"
    stored = {path.name for path in (hub.root / "lfs").iterdir()}
    assert len(stored) >= 2
    assert set(hub.store.files(REPO, "main")) == {".gitattributes"}
    hub.faults.clear()
    hub.log.clear()
    push(options(hub, dataset))
    assert_whole(hub, dataset)
    assert not stored & {path[-64:] for method, path, _ in hub.log if method == "PUT"}
