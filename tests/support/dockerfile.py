"""The project's Dockerfile read as instructions, and its steps taken without a container engine."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# uv's cache is used where the steps are taken without an engine, and the machine's own packages are left alone.
LEFT_OUT = {"UV_NO_CACHE"}


def instructions(text: str) -> list[tuple[str, str]]:
    """Return (instruction, its words) of a Dockerfile, lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


def ignored(name: str, text: str) -> bool:
    """Whether `.dockerignore` keeps a path of the clone out of the image: the last pattern that fits decides."""
    kept = True
    for line in (line.strip() for line in text.splitlines()):
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!")
            # `**/` anywhere, which `match` does by itself; everything else from the context's root.
            pattern = pattern.removeprefix("**/") if pattern.startswith("**/") else f"/{pattern}"
            inner = Path("/", name)
            if any(part.match(pattern) for part in (inner, *inner.parents)):
                kept = line.startswith("!")
    return not kept


def run_steps(source: Path, folder: Path, environment: dict[str, str]) -> Iterator[tuple[str, int, str]]:
    """Take the steps in `folder`, which stands for the image's root; yield each RUN, its exit code, what it printed.

    Parameters
    ----------
    source
        The build context, a copy of the clone.
    folder
        An empty folder, made where it is missing: `/opt` and `/data` are in it.
    environment
        Variables that the image has beside its own.

    """
    here, variables = folder, dict(environment)
    here.mkdir(parents=True, exist_ok=True)

    def inside(words: str) -> str:
        return re.sub(r"(?<![\w.])/(opt|data)\b", lambda found: f"{folder}/{found[1]}", words)

    for word, rest in instructions((source / "Dockerfile").read_text(encoding="utf-8")):
        if "apt-get" in rest:
            continue
        if word == "WORKDIR":
            here = Path(inside(rest))
            here.mkdir(parents=True, exist_ok=True)
        elif word == "ENV":
            for pair in rest.split():
                name, _, value = pair.partition("=")
                if name not in LEFT_OUT:
                    variables[name] = inside(value).replace("$PATH", variables.get("PATH", os.defpath))
        elif word == "COPY":
            *names, _ = rest.split()
            _copy(source, names, here)
        elif word == "RUN":
            done = subprocess.run(
                ["sh", "-ec", inside(rest)], cwd=here, env=variables, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
            )  # fmt: skip
            yield rest, done.returncode, done.stdout
            if done.returncode:
                return


def _copy(source: Path, names: list[str], target: Path) -> None:
    """Copy files by name, or with `.` all that `.dockerignore` lets through."""
    patterns = (source / ".dockerignore").read_text(encoding="utf-8")
    if names == ["."]:
        for path in source.rglob("*"):
            name = str(path.relative_to(source))
            if path.is_file() and not ignored(name, patterns):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target / name)
    else:
        for name in names:
            assert not ignored(name, patterns), name
            shutil.copy2(source / name, target)
