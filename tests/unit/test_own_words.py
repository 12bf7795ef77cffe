"""A command that an error tells is the user's own, with what is at fault changed and nothing lost."""

import shlex
import signal

import pytest
import typer
from support.converted import command

from mstool.cli.app import app
from mstool.cli.main import main
from mstool.cli.own_words import fix_of
from mstool.errors import UsageError, WrongWordError

APP = typer.main.get_command(app)


def told(error, line):
    return fix_of(error, line.split(), APP)


@pytest.mark.parametrize("given", ["-e {}", "--env={}", "--env StackCube-v1,{}", "--env={},StackCube-v1"])
def test_one_wrong_name_of_several_is_replaced_where_it_is(given):
    error = WrongWordError("", given="libero_spatia/2", instead="libero_spatial/2")
    line = f"convert {given} --demos generate"
    assert told(error, line.format("libero_spatia/2")) == f"mstool {line.format('libero_spatial/2')}"


@pytest.mark.parametrize(
    ("line", "change", "fix"),
    [
        (
            "demos generate -e PickCube-v1 -n 0 --workers 2 --json",
            {"--episodes": 1},
            "mstool demos generate -e PickCube-v1 --workers 2 --json --episodes 1",
        ),
        ("show data -e9 --output shown", {"--episode": 1}, "mstool show data --output shown --episode 1"),
        ("show data --episode=9", {"--episode": 1}, "mstool show data --episode 1"),
        ("push data --dry-run --no-tag", {"--tag": None}, "mstool push data --dry-run"),
        ("convert -e A -o out --fresh", {"--overwrite": True}, "mstool convert -e A -o out --fresh --overwrite"),
        ("validate --against pi05_libero", {"DATASET": "DATASET"}, "mstool validate --against pi05_libero DATASET"),
        ("demos generate -e PickCube-v1 -n 9 --overwrite", {}, "mstool demos generate -e PickCube-v1 -n 9 --overwrite"),
        ("export d --drop a --drop=b --rename c=d", {"--drop": ["b"], "--rename": []}, "mstool export d --drop b"),
        # A command that has no such option gets what was said.
        ("stats data", {"--demos": "generate"}, "say it so"),
    ],
)
def test_other_options_leave_all_other_words(line, change, fix):
    assert told(UsageError("no", fix="say it so", change=change), line) == fix


def test_another_word_stands_where_the_wrong_one_did():
    error = WrongWordError("no", given="runs/pic", instead="runs/pick", fix="mstool serve runs/pick")
    assert told(error, "eval --policy runs/pic --json -n 3") == "mstool eval --policy runs/pick --json -n 3"
    assert told(error, "eval") == "mstool serve runs/pick"


def test_a_command_made_of_options_still_only_tries_and_shows_the_same():
    fix = "mstool improve runs/pick --replan 8; or mstool finetune DATASET"
    kept = "mstool improve --json --dry-run runs/pick --replan 8; or mstool finetune DATASET"
    assert told(UsageError("no", fix=fix), "improve runs/pick --replan 80 --dry-run --json") == kept
    assert told(UsageError("no", fix=fix), "eval --policy runs/pick --json") == fix
    assert told(UsageError("no", fix="mstool stats --help"), "stats --json") == "mstool stats --help"


@pytest.mark.parametrize(
    ("line", "change", "said"),
    [
        ("stats A B A --horizon 4", {"A": None}, "stats A B --horizon 4"),
        ("stats A B ./A --output ./A", {"./A": None}, "stats A B --output ./A"),
        ("merge A ./B/../A/ B -o ./B/../A/", {"B/../A": None}, "merge A B -o ./B/../A/"),
        ("merge A A -o A", {"A": None, "ANOTHER": "ANOTHER"}, "merge A -o A ANOTHER"),
        ("build M --env A", {"--env": "B", "--all": None}, "build M --env B"),
    ],
)
def test_an_argument_that_is_too_many_is_taken_away_and_no_options_value(line, change, said):
    assert told(UsageError("no", change=change), line) == f"mstool {said}"


def test_what_is_pasted_after_a_dry_run_is_one(tmp_path):
    said = command("improve", tmp_path / "runs" / "pick", "--gamma", 2, "--dry-run", "--json", code=2).stderr
    assert said.endswith(f"fix: mstool improve {tmp_path / 'runs' / 'pick'} --dry-run --json\n")
    said = command("demos", "generate", "-e", "PickCube-v1", "--disturb", 0.5, "-n", 0, code=2).stderr
    assert "fix: mstool demos generate -e PickCube-v1 --disturb 0.5 --episodes 1\n" in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("convert -e A -o out --fresh", "; nothing was changed\nfix: mstool convert -e A -o out"),
        ("merge a b -o out", "; nothing was changed\nfix: mstool merge a b -o out"),
        ("eval --policy 'a b'", "; episodes that had ended are kept\nfix: mstool eval --policy 'a b'"),
        ("finetune a", "; nothing was changed\nfix: mstool finetune a"),
        ("show data", "\nfix: mstool show data"),
    ],
)
def test_ctrl_c_says_what_is_kept_and_the_command_that_goes_on(monkeypatch, capsys, line, said):
    def interrupted(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr("mstool.cli.app.app", interrupted)
    monkeypatch.setattr("sys.argv", ["mstool", *shlex.split(line)])
    with pytest.raises(SystemExit) as left:
        main()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    assert left.value.code == 1
    assert capsys.readouterr().err == f"error: interrupted{said}\n"
