"""Keep a verdict inside the dataset it was made for, where `mstool push` looks for it."""

import json
from datetime import UTC, datetime
from pathlib import Path

from mstool.atomic import replace_text
from mstool.dataset.files import VALIDATION_FILE
from mstool.dataset.fingerprint import content_hash
from mstool.validators.report import ValidationReport


def record(report: ValidationReport, root: Path) -> Path:
    """Write `meta/mstool/validation.json`: the verdict and the fingerprint of the content that it was made for.

    Reads every file of the dataset once. The file appears whole or not at all.

    Raises
    ------
    OSError
        The dataset cannot be written to.

    """
    verdict = {
        "valid": report.valid,
        "target": report.target,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "content_hash": content_hash(root),
        "summary": {**report.counts, "strict": report.strict, "coverage": report.coverage},
    }
    return replace_text(root / VALIDATION_FILE, json.dumps(verdict, indent=2) + "\n")
