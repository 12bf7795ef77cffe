import shlex
from pathlib import Path

import pytest
import typer
from hub_server.fixtures import hub_environment  # noqa: F401
from typer.testing import CliRunner

from mstool.cli.pull import pull
from mstool.cli.push import push
from mstool.dataset.names import check_repo_id
from mstool.errors import UsageError
from mstool.hub.options import PullOptions, PushOptions, check_revision


@pytest.mark.parametrize("repo_id", ["me/a", "lab-1/pick.cube_2", "a/b"])
def test_good_names(repo_id):
    check_repo_id(repo_id)


@pytest.mark.parametrize(
    "repo_id",
    [
        "a",
        "a/b/c",
        "",
        "/a",
        "a/",
        "me/a b",
        "me/a--b",
        "me/a..b",
        "me/-a",
        "-me/a",
        "me/a.",
        "me/" + "x" * 97,
        "mé/a",
        "../a",
    ],
)
def test_bad_names_and_a_proposal_that_is_good(repo_id):
    with pytest.raises(UsageError) as error:
        check_repo_id(repo_id)
    proposal = error.value.fix.rpartition(" ")[2]
    check_repo_id(proposal)


@pytest.mark.parametrize("revision", ["", "a b", "../x", "a..b", "-x y", "a?b"])
def test_bad_revisions(revision):
    with pytest.raises(UsageError):
        check_revision(revision)


PUSHES = [
    {},
    {"endpoint": "https://m.example", "private": True, "revision": "dev", "tag": True, "license": "mit"},
    {"tag": False, "force": True, "read_back": True},
]
PULLS = [{}, {"endpoint": "https://m.example", "revision": "v3.0", "overwrite": True, "open_it": False}]


def parsed(command, options, monkeypatch):
    """What the command line says of its own `command()`, read back by Typer."""
    seen = []

    def remember(got, **_):
        seen.append(got)
        raise typer.Exit(3)

    monkeypatch.setattr(f"mstool.api.hub.{command.__name__}_dataset", remember)
    app = typer.Typer()
    app.command()(command)
    words = shlex.split(options.command())
    assert words[:2] == ["mstool", command.__name__]
    result = CliRunner().invoke(app, words[2:])
    assert result.exit_code == 3, result.output
    return seen[0]


@pytest.mark.parametrize("changes", PUSHES)
def test_a_push_command_says_what_its_options_are(dataset_with_space, changes, monkeypatch):
    options = PushOptions(dataset=dataset_with_space, repo_id="me/x", **changes)
    assert parsed(push, options, monkeypatch) == options


@pytest.mark.parametrize("changes", PULLS)
def test_a_pull_command_says_what_its_options_are(changes, monkeypatch):
    options = PullOptions(repo_id="me/x", root=Path("my data/x"), **changes)
    assert parsed(pull, options, monkeypatch) == options


@pytest.fixture
def dataset_with_space(tmp_path):
    root = tmp_path / "my data"
    (root / "meta").mkdir(parents=True)
    (root / "meta/info.json").write_text('{"codebase_version": "v3.0", "features": {}}')
    return root
