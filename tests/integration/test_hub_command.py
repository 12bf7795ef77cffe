"""`mstool push` and `mstool pull` as commands: data on stdout, words on stderr, exit codes, the manifest."""

import json

import pytest
import typer
from hub_server.datasets import validate
from hub_server.fixtures import dataset, hub, hub_environment, pristine  # noqa: F401
from typer.testing import CliRunner

from mstool.cli.pull import pull
from mstool.cli.push import push
from mstool.dataset.fingerprint import content_hash
from mstool.errors import MstoolError

app = typer.Typer()
app.command()(push)
app.command()(pull)

MANIFEST = """\
tasks:
  # cubes
  PickCube-v1:
    instruction: pick up the red cube   # as trained
    horizon: 150
"""


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(MANIFEST)
    return path


def run(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        assert isinstance(result.exception, MstoolError), result.exception
        result.exit_code = result.exception.exit_code
    assert "hf_test" not in result.stdout + result.stderr
    return result


def test_json_alone_is_on_stdout(hub, dataset, tmp_path):  # noqa: F811
    pushed = run("push", dataset, "--repo-id", "me/cube", "--endpoint", hub.endpoint, "--json")
    assert pushed.exit_code == 0
    report = json.loads(pushed.stdout)
    assert report["tagged"] is True
    assert report["revision"] == hub.store.repo("me/cube")["tags"]["v3.0"]
    assert "there already" in pushed.stderr
    pulled = run("pull", "me/cube", "--endpoint", hub.endpoint, "--output", tmp_path / "got", "--no-open", "--json")
    assert json.loads(pulled.stdout)["verified"] == report["files"]
    assert content_hash(tmp_path / "got") == content_hash(dataset)


def test_tables_and_the_folder_are_the_data(hub, dataset, tmp_path):  # noqa: F811
    planned = run("push", dataset, "--repo-id", "me/cube", "--endpoint", hub.endpoint, "--dry-run")
    assert planned.stdout.splitlines()[0].split() == ["change", "bytes", "path"]
    assert any(line.split()[0] == "add" and line.endswith("meta/info.json") for line in planned.stdout.splitlines())
    assert "would send" in planned.stderr
    assert not (hub.root / "repos/me__cube.json").exists()
    pushed = run("push", dataset, "--repo-id", "me/cube", "--endpoint", hub.endpoint)
    assert "tag v3.0" in pushed.stderr
    planned = run("pull", "me/cube", "--endpoint", hub.endpoint, "--output", tmp_path / "got", "--dry-run")
    assert "meta/info.json" in planned.stdout
    assert not (tmp_path / "got").exists()
    pulled = run("pull", "me/cube", "--endpoint", hub.endpoint, "--output", tmp_path / "got", "--no-open")
    assert pulled.stdout.strip() == str(tmp_path / "got")


def test_the_environment_names_the_server(hub, dataset, monkeypatch):  # noqa: F811
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint + "/")
    result = run("push", dataset, "--repo-id", "me/cube")
    assert result.exit_code == 0
    assert "(from HF_ENDPOINT)" in result.stderr


def test_the_manifest_names_repository_and_server_and_gets_the_revision(hub, dataset, manifest, tmp_path):  # noqa: F811
    words = ["push", dataset, "--manifest", manifest, "--write-revision"]
    result = run(*words, "--repo-id", "me/cube", "--endpoint", hub.endpoint)
    assert result.exit_code == 0
    first = hub.store.repo("me/cube")["tags"]["v3.0"]
    added = f"    repo_id: me/cube\n    endpoint: {hub.endpoint}\n    revision: {first}\n"
    quoted = added.replace(first, f'"{first}"')
    assert manifest.read_text() in {MANIFEST + added, MANIFEST + quoted}
    (dataset / "norm_stats.json").write_text("{}")
    validate(dataset)
    result = run(*words)
    assert "(from the manifest)" in result.stderr
    second = hub.store.repo("me/cube")["tags"]["v3.0"]
    assert second != first
    assert second in manifest.read_text()
    assert first not in manifest.read_text()
    # An entry with a revision pins what is pulled; `--revision` goes before it.
    pulled = run("pull", "PickCube-v1", "--manifest", manifest, "--output", tmp_path / "got", "--no-open", "--json")
    assert json.loads(pulled.stdout)["revision"] == second
    words = ["pull", "me/cube", "--manifest", manifest, "--output", tmp_path / "old", "--revision", first]
    assert json.loads(run(*words, "--no-open", "--json").stdout)["revision"] == first


def test_a_dry_run_writes_no_revision(hub, dataset, manifest):  # noqa: F811
    words = ["push", dataset, "--manifest", manifest, "--write-revision", "--repo-id", "me/cube", "--dry-run"]
    assert run(*words, "--endpoint", hub.endpoint).exit_code == 0
    assert manifest.read_text() == MANIFEST


def test_the_manifests_server_is_not_used_for_another_name(hub, dataset, manifest, monkeypatch):  # noqa: F811
    """A token must not go to a server that was named for something else."""
    manifest.write_text(MANIFEST + "    repo_id: me/cube\n    endpoint: http://127.0.0.1:9\n")
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    assert run("push", dataset, "--manifest", manifest, "--repo-id", "lab/cube").exit_code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["push", "DATASET"], 2),
        (["push", "DATASET", "--repo-id", "noslash"], 2),
        (["push", "DATASET", "--repo-id", "me/x", "--endpoint", "nowhere"], 2),
        (["push", "DATASET", "--repo-id", "me/x", "--write-revision"], 2),
        (["push", "DATASET", "--repo-id", "me/x", "--jobs", "0"], 2),
        (["push", "missing", "--repo-id", "me/x"], 2),
        (["push", "DATASET", "--repo-id", "nobody/x", "--endpoint", "HUB"], 1),
        (["pull", "PickCube-v1", "--endpoint", "HUB"], 2),
        (["pull", "noslash", "--endpoint", "HUB"], 2),
        (["pull", "me/missing", "--endpoint", "HUB"], 1),
    ],
)
def test_exit_codes_and_a_fix(hub, dataset, words, code, monkeypatch, tmp_path):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    words = [{"DATASET": str(dataset), "HUB": hub.endpoint}.get(word, word) for word in words]
    result = run(*words)
    assert result.exit_code == code
    assert result.stdout == ""
    if isinstance(result.exception, MstoolError):
        assert result.exception.fix


@pytest.mark.parametrize(
    ("command", "example"),
    [("push", "mstool push data/PickCube-v1 --repo-id me/pickcube --dry-run"), ("pull", "mstool pull me/pickcube")],
)
def test_help_has_examples(command, example):
    shown = " ".join(run(command, "--help").stdout.split())
    assert "Examples:" in shown
    assert example in shown
