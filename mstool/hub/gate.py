"""The validation report that a push demands: there, made for this very content, and good."""

import json
import shlex
from pathlib import Path
from typing import Any

from mstool.dataset.locate import INFO_FILE, locate
from mstool.dataset.record import read_record
from mstool.errors import DataError
from mstool.fingerprint import VALIDATION_FILE

type Info = dict[str, Any]


def read_info(root: Path) -> Info:
    """Read `meta/info.json`.

    Raises
    ------
    UsageError
        `root` is not the folder of a dataset.
    DataError
        The file is damaged.

    """
    path = locate(root) / INFO_FILE
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}", fix=f"mstool validate {shlex.quote(str(root))}") from error
    if not isinstance(info, dict) or not isinstance(info.get("features"), dict) or "codebase_version" not in info:
        raise DataError(
            f"{path} is not LeRobot's: no codebase_version or no features",
            fix=f"mstool validate {shlex.quote(str(root))}",
        )
    return info


def check_validation(root: Path, info: Info, content: str) -> str:
    """Return the target that the dataset with fingerprint `content` was found valid for.

    Raises
    ------
    DataError
        The report is missing, damaged, made for other content, or says that the dataset is invalid.

    """
    path = root / VALIDATION_FILE
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{root} was never validated (no {VALIDATION_FILE})", fix=_validate(root, info)) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}", fix=_validate(root, info)) from error
    if not isinstance(report, dict) or not isinstance(report.get("valid"), bool):
        raise DataError(f"{path} is no validation report", fix=_validate(root, info))
    target = str(report.get("target") or "")
    if report.get("content_hash") != content:
        raise DataError(
            f"{root} has changed since it was validated on {report.get('created', 'an unknown day')}",
            fix=_validate(root, info, target),
        )
    if not report["valid"]:
        raise DataError(
            f"{root} is not valid for {target or 'its target'}, see {path}",
            fix=f"{_validate(root, info, target)} says what to change (or push with --force)",
        )
    return target


def _validate(root: Path, info: Info, target: str = "") -> str:
    layout = str(read_record(root).get("layout", ""))
    openpi = "pi05_droid" if layout == "droid" else "pi05_libero"
    own = openpi if str(info["codebase_version"]).startswith("v2") else "lerobot_pi05"
    return shlex.join(["mstool", "validate", str(root), "--against", target or own])
