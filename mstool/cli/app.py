"""The commands, and the one place that turns errors into messages and exit codes."""

import os
import shlex
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, cast

import typer

from mstool import __version__
from mstool.cli import demos
from mstool.cli.build import build
from mstool.cli.convert import convert
from mstool.cli.describe import describe
from mstool.cli.doctor import doctor
from mstool.cli.envs import envs
from mstool.cli.eval import evaluate
from mstool.cli.export import export
from mstool.cli.finetune import finetune
from mstool.cli.improve import improve
from mstool.cli.layouts import layouts
from mstool.cli.merge import merge
from mstool.cli.output import print_error
from mstool.cli.own_words import fix_of
from mstool.cli.pull import pull
from mstool.cli.push import push
from mstool.cli.serve import serve
from mstool.cli.show import show
from mstool.cli.stats import stats
from mstool.cli.validate import validate
from mstool.cli.vocabulary import renamed
from mstool.errors import MstoolError, SaidElsewhereError, UsageError
from mstool.paths import explain

app = typer.Typer(
    name="mstool",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": renamed()},
    help="ManiSkill3 demos to LeRobot datasets that Pi0.5 understands the first time.",
)

# What Typer raises for every word it does not understand; it exports only the subclass.
_USAGE_ERROR = cast("type[typer.BadParameter]", typer.BadParameter.__bases__[0])

# What Typer returns after Ctrl-C; our exit codes are 0, 1 and 2.
_CTRL_C = 130

# What an interrupted command leaves. Those that keep more, and say how much, raise an error of their own.
_KEEP = {
    **dict.fromkeys(
        ("convert", "build", "merge", "export", "describe", "stats", "validate", "finetune", "improve"),
        "nothing was changed",
    ),
    "eval": "episodes that had ended are kept",
    "pull": "what had arrived is kept",
    "push": "what the hub had received it keeps",
}


def _version(show: bool) -> None:
    if show:
        print(f"mstool {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


app.command()(convert)
app.command()(build)
app.command()(merge)
app.command()(export)
app.command()(describe)
app.add_typer(demos.app, name="demos")
app.command()(envs)
app.command()(layouts)
app.command()(stats)
app.command()(validate)
app.command()(show)
app.command(context_settings={"token_normalize_func": renamed(workers="num-workers")})(finetune)
app.command()(improve)
app.command()(serve)
app.command()(push)
app.command()(pull)
app.command("eval")(evaluate)
app.command()(doctor)


def _fail(error: MstoolError, fix: str = "") -> NoReturn:
    print_error(error, fix, as_json="--json" in sys.argv[1:])
    with suppress(OSError):
        _flush()
    sys.exit(error.exit_code)


def _flush() -> None:
    """Write what stdout still holds; whoever read it may have enough, as `head`."""
    try:
        sys.stdout.flush()
    except OSError as error:  # Python would try once more at its end, and say so
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise


def _interrupted() -> NoReturn:
    """Say what an interrupted command leaves, and the same command: it goes on with that, or begins again."""
    # A second Ctrl-C, as `timeout` sends one, would end these words.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    # After one that an `exec` heard, as where a dataclass is made, Python ends with 130 unless another `exec` ends.
    exec("")  # noqa: S102
    kept = next((kept for command, kept in _KEEP.items() if command in sys.argv[1:2]), "")
    again = shlex.join(["mstool", *(word for word in sys.argv[1:] if word != "--fresh")])
    _fail(MstoolError(f"interrupted{f'; {kept}' if kept else ''}", fix=again))


def _fail_usage(error: typer.BadParameter) -> NoReturn:
    """Say what Typer does not understand as every other error is said."""
    words: list[str] = []
    context = error.ctx
    while context is not None and context.parent is not None:
        words.insert(0, str(context.info_name))
        context = context.parent
    message = error.format_message()
    if not message:
        sys.exit(2)  # a command without words: Typer has printed its help
    said = message[0].lower() + message[1:].rstrip(".")
    shown = UsageError(said, fix=" ".join(["mstool", *words, "--help"]))
    # An option whose value cannot be does without; one that is needed, or an argument, is read about.
    param = error.param if type(error) is typer.BadParameter else None
    option = next((name for name in param.opts if name.startswith("--")), "") if param is not None else ""
    if param is not None and option and not param.required:
        shown.change = {option: None}
    _fail(shown, fix_of(shown, sys.argv[1:], typer.main.get_command(app)))


def _open_streams() -> None:
    """Send what would go to a closed stream (`2>&-`) nowhere; without, the next file that is opened takes its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  # as long as the process lives
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


def run() -> NoReturn:
    """Run the command line, and answer the Ctrl-C that waited for it: exit code 0 fine, 1 failed, 2 usage."""
    _open_streams()
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        code = app(standalone_mode=False)
        _flush()
    except SaidElsewhereError as error:
        sys.exit(error.exit_code)
    except MstoolError as error:
        _fail(error, fix_of(error, sys.argv[1:], typer.main.get_command(app)))
    except _USAGE_ERROR as error:
        _fail_usage(error)
    except (KeyboardInterrupt, typer.Abort):
        _interrupted()
    except Exception as error:
        problem = explain(error, sys.argv[1:])
        if problem is None:
            raise
        _fail(problem)
    if code == _CTRL_C:
        _interrupted()
    sys.exit(code if isinstance(code, int) else 0)
