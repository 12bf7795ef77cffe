"""A dataset that does not validate is not trained on; the last thing to be looked at, as it may take minutes."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from mstool.dataset.info import read_info
from mstool.dataset.record import read_record
from mstool.errors import DataError
from mstool.paths import quoted
from mstool.progress import Notify
from mstool.training.options import FinetuneOptions
from mstool.validators.record import KeptVerdict, read_verdict, record
from mstool.validators.targets import TARGETS, fitting_target

_SHOWN = 6


@dataclass(frozen=True)
class Verdict:
    """Whether the dataset validates for a target."""

    target: str
    valid: bool
    # In one line: what was found.
    summary: str
    # Fingerprint of the content that the verdict is about.
    content_hash: str


def choose_target(root: Path, wanted: str = "") -> str:
    """Return the validation target `wanted`, or where that is "" the one that fits the dataset."""
    if wanted:
        return wanted
    return fitting_target(read_info(root).raw, read_record(root)).target


def check(options: FinetuneOptions, target: str, fingerprint: str, notify: Notify = lambda _line: None) -> Verdict:
    """Return the verdict kept in the dataset if it is about this content and target, else validate.

    Parameters
    ----------
    options
        Names the dataset, and says whether an invalid one is trained on (`--force`).
    target
        Who must be able to read it.
    fingerprint
        Of the dataset's content (`mstool.dataset.fingerprint`).
    notify
        Told before validation begins.

    Raises
    ------
    DataError
        The dataset is not valid and `--force` was not given.

    """
    root = options.dataset
    kept = _kept(root, fingerprint)
    fits = choose_target(root)
    # A target that asks for more comes first: `mstool push` takes that verdict too.
    targets = [fits, target] if target in TARGETS[fits].includes else [target]
    if kept and kept.valid and kept.target in targets:
        return Verdict(kept.target, True, f"validated on {kept.created}", fingerprint)
    from mstool.validators import validate

    for one in targets[-1:] if kept and kept.target == fits else targets:
        notify(f"validating {root} against {one}")
        report = validate(root, one)
        if not kept and one == targets[0]:
            # A verdict about this content for another target is `mstool push`'s: it stays.
            with contextlib.suppress(OSError):
                record(report, root)
        verdict = Verdict(one, report.valid, report.headline(), fingerprint)
        if verdict.valid:
            return verdict
    if options.force:
        return verdict
    results = list(report.with_status("failed", "error"))
    failed = [
        f"{result.code} {result.title}: {result.issues[0].said if result.issues else result.reason[-200:]}"
        for result in results
    ]
    more = f"\n  and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    raise DataError(
        f"{root} is {report.headline()} (--force trains anyway)\n  " + "\n  ".join(failed[:_SHOWN]) + more,
        fix=_fix({result.fix for result in results}, root, target),
    )


def _fix(fixes: set[str], root: Path, target: str) -> str:
    """Return the one command that mends everything, where there is one, else that which says what to change."""
    there = quoted(root)
    if len(fixes) == 1 and (only := next(iter(fixes))).startswith("mstool "):
        return only.replace("DATASET", there)
    return f"mstool validate {there} --against {target}"


def _kept(root: Path, fingerprint: str) -> KeptVerdict | None:
    try:
        verdict = read_verdict(root)
    except (OSError, ValueError):
        return None
    return verdict if verdict.content_hash == fingerprint else None
