"""Words to the user, commands, and the one error of the set-up."""

from __future__ import annotations

import subprocess
import sys


class SetupError(Exception):
    """The set-up cannot go on; the message says what to do, the exit code is 1."""


def say(text: str = "") -> None:
    """Print a line on stderr, at once: the commands' own output follows it."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def run(command: list[str], *, env: dict[str, str] | None = None, brief: bool = False) -> int:
    """Run a command with no stdin, show what it prints on stderr, return its exit status.

    `brief` leaves out uv's line per package, of which a first install prints about 170, unless a person
    watches (a terminal gets uv's own progress bars).
    """
    if brief and not sys.stderr.isatty():
        with subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stdout or ():
                if not line.startswith((" + ", " - ", " ~ ")):
                    say("  " + line.rstrip())
        return process.returncode
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode


def capture(command: list[str], *, env: dict[str, str] | None = None, timeout: float = 60) -> tuple[int, str, str]:
    """Run a command quietly: exit status, stdout, stderr; 127 when it cannot run, 124 when it is too slow."""
    try:
        done = subprocess.run(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except OSError as error:
        return 127, "", str(error)
    except subprocess.TimeoutExpired:
        return 124, "", f"no answer in {timeout:.0f} s"
    return done.returncode, done.stdout, done.stderr
