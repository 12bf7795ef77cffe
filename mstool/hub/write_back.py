"""Names and revisions of pushed datasets in the manifest: looked up, and written back beside its comments."""

import os
import re
from pathlib import Path
from typing import Any

import yaml

from mstool.atomic import replace_text
from mstool.errors import DataError, UsageError
from mstool.manifest import Task, forget, load_manifest


def find_entry(path: Path | None, *, env_id: str = "", repo_id: str = "") -> Task | None:
    """Return the entry of an environment, else the one that names `repo_id`; None when there is neither."""
    tasks = load_manifest(path)
    if env_id in tasks:
        return tasks[env_id]
    return next((task for task in tasks.values() if repo_id and task.repo_id == repo_id), None)


def check_writable(path: Path, env_id: str) -> None:
    """Refuse, before anything is pushed, a manifest that `write_back` could not write.

    Raises
    ------
    UsageError
        There is no such entry, or the file cannot be written.

    """
    if not path.is_file() or not os.access(path, os.W_OK):
        raise UsageError(f"{path} cannot be written", fix="--manifest FILE names one that can")
    if env_id not in load_manifest(path):
        raise UsageError(f"{path} has no entry for {env_id!r}", fix=f"add `{env_id}:` with its instruction to {path}")


def write_back(path: Path, env_id: str, values: dict[str, str]) -> None:
    """Set fields of one entry; every other line, comments included, stays as it is.

    Raises
    ------
    DataError
        The file is written in a way that cannot be changed line by line (an entry in braces).

    """
    text = path.read_text(encoding="utf-8")
    wanted = yaml.safe_load(text)
    entry = wanted["tasks"][env_id]
    entry.update(values)
    lines = text.splitlines(keepends=True)
    try:
        start, end, indent = _block(lines, env_id)
        for name, value in values.items():
            end = _set(lines, start, end, indent, name, value)
        changed = "".join(lines)
        same = yaml.safe_load(changed) == wanted
    except (LookupError, StopIteration, yaml.YAMLError):
        same = False
    if not same:
        raise DataError(
            f"{path}: the entry of {env_id} is not written one field per line", fix=f"set by hand: {_yaml(values)}"
        )
    replace_text(path, changed)
    forget()


def _block(lines: list[str], env_id: str) -> tuple[int, int, str]:
    """Return where an entry's fields begin and end, and their indentation."""
    tasks = next(i for i, line in enumerate(lines) if re.match(r"tasks:\s*(#.*)?$", line))
    head = next(
        i for i in range(tasks + 1, len(lines)) if re.match(rf"\s+['\"]?{re.escape(env_id)}['\"]?:\s*(#.*)?$", lines[i])
    )
    outer = len(lines[head]) - len(lines[head].lstrip())
    end = head + 1
    last = end
    indent = ""
    while end < len(lines):
        stripped = lines[end].strip()
        inner = len(lines[end]) - len(lines[end].lstrip())
        if stripped and not stripped.startswith("#"):
            if inner <= outer:
                break
            indent = indent or " " * inner
            last = end + 1
        end += 1
    if not indent:
        raise LookupError(env_id)
    return head + 1, last, indent


def _set(lines: list[str], start: int, end: int, indent: str, name: str, value: str) -> int:
    for i in range(start, end):
        match = re.match(rf"{indent}{name}:[^#]*?(?P<comment>\s+#.*)?$", lines[i].rstrip("\n"))
        if match:
            lines[i] = f"{indent}{name}: {_scalar(value)}{match['comment'] or ''}\n"
            return end
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    lines.insert(end, f"{indent}{name}: {_scalar(value)}\n")
    return end + 1


def _scalar(value: str) -> str:
    # A commit of digits only, or `1e10`, must stay a string.
    return value if yaml.safe_load(value) == value else f'"{value}"'


def _yaml(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in values.items())
