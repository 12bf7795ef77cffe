"""Find a Python 3.12 that really runs and can make a virtual environment."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Iterator, Mapping

from mstool.driver.shell import capture

WANTED = (3, 12)

# Debian keeps ensurepip in a package of its own: without it `python -m venv` makes a venv without pip.
# A venv's own python is replaced by the one it came from, so that a rebuilt .venv never rests on the old one.
QUESTION = (
    "import sys, importlib.util as u;"
    "print(sys.version_info[0], sys.version_info[1], sys.implementation.name,"
    " int(all(u.find_spec(m) for m in ('venv', 'ensurepip', 'ssl'))));"
    "print(getattr(sys, '_base_executable', None) or sys.executable)"
)


@dataclass(frozen=True)
class Answer:
    """What one candidate said: `python` to use when `problem` is empty."""

    candidate: str
    python: str
    problem: str


def candidates(environ: Mapping[str, str], home: str) -> Iterator[str]:
    """Yield paths that may be a Python 3.12, the user's own choice (PATH) first; none of them is run."""
    for folder in filter(None, environ.get("PATH", "").split(os.pathsep)):
        paths = (Path(folder) / name for name in ("python3.12", "python3", "python"))
        yield from (str(path) for path in paths if path.is_file() and os.access(path, os.X_OK))
    yield sys.executable
    data = Path(environ.get("XDG_DATA_HOME") or Path(home) / ".local" / "share")
    pyenv = Path(environ.get("PYENV_ROOT") or Path(home) / ".pyenv")
    managed = Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")
    for root, pattern in (
        (pyenv, "versions/3.12*/bin/python"),
        (Path(home) / ".pyenv", "versions/3.12*/bin/python"),
        (managed, "cpython-3.12*/bin/python3.12"),
    ):
        yield from sorted(_glob(root, pattern), reverse=True)
    yield from (path for path in ("/usr/bin/python3.12", "/usr/local/bin/python3.12") if Path(path).exists())
    uv = shutil.which("uv", path=environ.get("PATH"))
    if uv:
        yield capture([uv, "python", "find", "--managed-python", "3.12"])[1].strip()


def _glob(root: Path, pattern: str) -> list[str]:
    try:
        return [str(path) for path in root.glob(pattern)]
    except OSError:  # another user's home
        return []


def ask(candidate: str) -> Answer:
    """Run one candidate: a pyenv shim may exist and fail, and a name may lie about the version."""
    code, out, err = capture([candidate, "-c", QUESTION], timeout=30)
    lines = out.strip().split("\n")
    if code != 0 or len(lines) != 2:
        reason = (err.strip().split("\n") or [""])[0]
        return Answer(candidate, "", f"does not run ({reason or f'exit status {code}'})")
    return judge(candidate, lines[0], lines[1])


def judge(candidate: str, facts: str, executable: str) -> Answer:
    """Decide from a candidate's own words: `facts` is "major minor implementation can-make-a-venv"."""
    major, minor, implementation, complete = facts.split()
    if (int(major), int(minor)) != WANTED:
        return Answer(candidate, "", f"is Python {major}.{minor}")
    if implementation != "cpython":
        return Answer(candidate, "", f"is {implementation}, not CPython")
    if complete != "1":
        return Answer(candidate, "", "lacks venv, ensurepip or ssl (Debian, Ubuntu: package python3.12-venv)")
    return Answer(candidate, executable, "")


def find_python(paths: Iterable[str], ask: Callable[[str], Answer] = ask) -> tuple[str, list[Answer]]:
    """Return the first Python 3.12 that works ("" when there is none) and what the others said."""
    refused: list[Answer] = []
    seen: set[str] = set()
    for path in paths:
        if not path or path in seen:
            continue
        seen.add(path)
        answer = ask(path)
        if answer.python:
            return answer.python, refused
        refused.append(answer)
    return "", refused


def how_to_install(system: Mapping[str, str], refused: Iterable[Answer]) -> str:
    """Say what to install to have a Python 3.12 on this kind of system (`system` is /etc/os-release)."""
    near = [f"  {a.candidate} {a.problem}" for a in refused if "is Python" not in a.problem]
    how = {
        "ubuntu": "Ubuntu 24.04: sudo apt-get install python3.12 python3.12-venv (others: no package)",
        "debian": "Debian has no package of Python 3.12",
        "fedora": "sudo dnf install python3.12",
        "arch": "Arch has no package of Python 3.12",
    }.get(system.get("ID", ""), "your distribution's package of Python 3.12, with its venv module")
    return "\n".join(
        [
            "mstool needs Python 3.12 (what it builds on is locked for that one), and none was found.",
            *(["Nearly:", *near] if near else []),
            "Install one, then run the same command again:",
            f"  {how}",
            "  uv:    python3 -m pip install uv && uv python install 3.12",
            "  pyenv: pyenv install 3.12",
        ]
    )
