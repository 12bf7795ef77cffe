"""The validation report that a push demands: there, made for this very content, and good."""

import shlex
from pathlib import Path

from mstool.dataset.files import VALIDATION_FILE
from mstool.dataset.info import Info
from mstool.dataset.record import read_record
from mstool.errors import DataError


def check_validation(root: Path, info: Info, content: str) -> str:
    """Return the target that the dataset with fingerprint `content` was found valid for: the one that fits it.

    Raises
    ------
    DataError
        The report is missing, damaged, made for other content or another target, or says that the dataset is invalid.

    """
    from mstool.validators.record import read_verdict
    from mstool.validators.targets import fitting_target

    fitting = fitting_target(info.raw, read_record(root))
    fix = shlex.join(["mstool", "validate", str(root), "--against", fitting.target])
    try:
        verdict = read_verdict(root)
    except FileNotFoundError as error:
        raise DataError(f"{root} was never validated (no {VALIDATION_FILE})", fix=fix) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{root / VALIDATION_FILE} cannot be read: {error}", fix=fix) from error
    if verdict.content_hash != content:
        raise DataError(f"{root} has changed since it was validated on {verdict.created}", fix=fix)
    if verdict.target != fitting.target:
        raise DataError(
            f"{root} was validated for {verdict.target or 'an unknown target'} and is pushed as a dataset for "
            f"{fitting.target}: {fitting.why}",
            fix=fix,
        )
    if not verdict.valid:
        raise DataError(
            f"{root} is not valid for {fitting.target}: validate says what to change, --force pushes it as it is",
            fix=fix,
        )
    return fitting.target
