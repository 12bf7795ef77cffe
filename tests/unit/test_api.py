"""`import mstool`: the commands as functions, with the same options and the same defaults."""

import inspect
import pkgutil
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_overloads, get_type_hints

import pytest
from typer.models import ParameterInfo

import mstool
from mstool import progress
from mstool.cli import build, convert, demos, describe, export, merge, pull, push, show, stats, validate
from mstool.cli import eval as cli_eval
from mstool.cli import finetune as cli_finetune
from mstool.cli import improve as cli_improve
from mstool.progress import Progress

# Of a command that has a function: what only prints, and what has a function of its own.
PRINTS = {"as_json"}
CLI_ONLY = {"validate": {"verbose", "list_checks"}, "evaluate": {"compare"}}
# Told by a function call, not by words.
CALLBACKS = {"finetune": {"on_plan", "on_step"}, "improve": {"on_plan"}}
COMMANDS = {
    "generate": demos.generate,
    "convert": convert.convert,
    "build": build.build,
    "merge": merge.merge,
    "export": export.export,
    "describe": describe.describe,
    "show": show.show,
    "compute_stats": stats.stats,
    "validate": validate.validate,
    "finetune": cli_finetune.finetune,
    "improve": cli_improve.improve,
    "evaluate": cli_eval.evaluate,
    "push": push.push,
    "pull": pull.pull,
}
# What a command may leave out and a function may not.
NEEDED = {"validate": {"dataset"}, "evaluate": {"policy"}}


def test_every_function_of_a_command_is_in_the_table():
    functions = {name for name in mstool.__all__ if inspect.isfunction(getattr(mstool, name))}
    assert functions == {*COMMANDS, "compare", "progress_to"}


def test_no_package_has_the_name_of_a_function():
    """Importing it would put the package in the function's place."""
    packages = {module.name for module in pkgutil.iter_modules(mstool.__path__)}
    assert not packages & set(mstool.__all__)


def default(parameter):
    value = parameter.default
    value = value.default if isinstance(value, ParameterInfo) else value
    return inspect.Parameter.empty if value is ... else value


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_its_function_have_the_same_options_and_defaults(name):
    command = inspect.signature(COMMANDS[name]).parameters
    function = inspect.signature(getattr(mstool, name)).parameters
    assert set(command) - PRINTS - CLI_ONLY.get(name, set()) == set(function) - CALLBACKS.get(name, set())
    for option in set(command) & set(function):
        needed = option in NEEDED.get(name, set())
        expected = inspect.Parameter.empty if needed else default(command[option])
        got = function[option].default
        if expected is not got:
            assert (type(expected), expected) == (type(got), got), option


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_is_documented(name):
    function = getattr(mstool, name)
    text = inspect.getdoc(function)
    if name == "build":
        text += inspect.getdoc(mstool.convert)
    said = {word.strip() for line in text.splitlines() if not line.startswith(" ") for word in line.split(",")}
    assert set(inspect.signature(function).parameters) <= said
    assert get_type_hints(function)


def test_what_finetune_returns_has_a_type_for_every_way():
    from mstool.api.finetune import FinetuneChoices, finetune

    each = [inspect.signature(one).parameters for one in get_overloads(finetune)]
    assert len(each) == 4
    named = {"dataset", "engine", "dry_run"}
    assert all(set(parameters) == {*named, "choices"} for parameters in each)
    function = inspect.signature(finetune).parameters
    assert set(get_type_hints(FinetuneChoices)) == set(function) - named


def test_results_are_frozen():
    for name in (*COMMANDS, "compare"):
        hints = get_type_hints(getattr(mstool, name))["return"]
        found = [hints] if inspect.isclass(hints) and is_dataclass(hints) else list(hints.__args__)
        for result in found:
            assert is_dataclass(result), name
            assert fields(result)
            assert result.__dataclass_params__.frozen, result


def test_nothing_is_imported_before_it_is_asked_for():
    code = (
        "import sys, mstool; before = set(sys.modules); mstool.MstoolError;"
        "print([m for m in sys.modules if m.startswith(('mstool.api', 'numpy', 'torch', 'typer'))]);"
        "mstool.progress_to; dir(mstool); mstool.convert; print('numpy' in sys.modules, 'torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == ["[]", "True False"]


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'conver'"):
        mstool.conver  # noqa: B018


def test_names_are_listed_once():
    assert set(mstool._HOMES) == set(mstool.__all__) <= set(dir(mstool))


def test_mypy_sees_the_types(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import mstool\n"
        "reveal_type(mstool.convert)\nreveal_type(mstool.validate('x').valid)\n"
        "reveal_type(mstool.finetune('x').checkpoint)\nreveal_type(mstool.finetune('x', dry_run=True).steps)\n"
        "mstool.validate('x', strickt=True)\n"
    )
    root = Path(mstool.__file__).parents[1]
    command = [sys.executable, "-m", "mypy", "--config-file", str(root / "pyproject.toml"), str(program)]
    out = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False).stdout
    assert 'Unexpected keyword argument "strickt"' in out
    assert 'Revealed type is "bool"' in out
    assert 'Revealed type is "pathlib.Path"' in out
    assert 'Revealed type is "int"' in out
    assert "ConvertReport" in out
    assert out.count("error:") == 1


def test_progress_is_told_or_nobody_is(capsys):
    told = []
    with mstool.progress_to(told.append):
        with Progress("convert", 4, "frame") as bar:
            bar.update(3)
            bar.note = "1 of 2 episodes"
            bar.update()
        progress.notify()("a line")
        progress.print_line("another")
    assert told == [
        mstool.Step("convert", 0, 4, "frame"),
        mstool.Step("convert", 3, 4, "frame"),
        mstool.Step("convert", 4, 4, "frame", "1 of 2 episodes"),
        "a line",
        "another",
    ]
    with mstool.progress_to(None):
        with Progress("convert", 4, "frame") as bar:
            bar.update()
        progress.notify()("a line")
        assert progress.listening()
    assert not progress.listening()
    assert capsys.readouterr() == ("", "")
    progress.notify()("a line")
    assert capsys.readouterr().err == "a line\n"


def test_errors_have_a_fix(tmp_path):
    with pytest.raises(mstool.UsageError) as error:
        mstool.validate(tmp_path / "nothing")
    assert error.value.fix.startswith("mstool convert")
    with pytest.raises(mstool.UsageError, match="exclude each other"):
        mstool.convert("PickCube-v1", every=True)
