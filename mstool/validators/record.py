"""Keep a verdict inside the dataset it was made for, where `mstool push` and `finetune` look for it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mstool.atomic import replace_text
from mstool.dataset.files import VALIDATION_FILE
from mstool.dataset.fingerprint import content_hash
from mstool.json_files import load_json
from mstool.validators.report import ValidationReport


@dataclass(frozen=True)
class KeptVerdict:
    """What was found the last time, for whom, when, and about which content (its fingerprint)."""

    valid: bool
    target: str
    created: str
    content_hash: str


def read_verdict(root: Path) -> KeptVerdict:
    """Read what `record` wrote into a dataset, or what anybody wrote there.

    Raises
    ------
    OSError
        It is not there, or cannot be read.
    ValueError
        It is damaged, or something else.

    """
    document = load_json(root / VALIDATION_FILE)
    if not isinstance(document, dict) or not isinstance(document.get("valid"), bool):
        raise ValueError("it is not a validation report")  # noqa: TRY004  # of JSON, as every other damage
    target, created, content = (str(document.get(name) or "") for name in ("target", "created", "content_hash"))
    return KeptVerdict(document["valid"], target, created or "an unknown day", content)


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
