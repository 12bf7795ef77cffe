"""What a person says of a dataset made elsewhere becomes its record: each claim is tested on the data first."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mstool.dataset.episode_log import write_episode_log
from mstool.dataset.episode_table import EpisodeRow, read_episodes
from mstool.dataset.files import RECORD_FILE, needed
from mstool.dataset.info import read_info
from mstool.dataset.record import Record, read_record, write_record
from mstool.errors import DataError, UsageError
from mstool.paths import quoted
from mstool.progress import Progress
from mstool.validators.check import CHECKS, Context
from mstool.validators.claimed_record import ALL, Claims, claimed_record
from mstool.validators.report import CheckResult
from mstool.validators.runner import all_checks, run_check
from mstool.validators.sampling import SampledView
from mstool.validators.targets import get_target

# Which checks decide a claim: one that fails contradicts it, and where all of them are skipped it stays untested.
DECIDES: dict[str, tuple[str, ...]] = {
    "dimensions": ("MS401", "MS802"),
    "state": ("MS404", "MS407", "MS408", "MS410", "MS411", "MS506"),
    "kind of action": ("MS507",),
    "range of actions": ("MS412",),
    "gripper": ("MS501",),
    "direction of positions": ("MS502",),
    "direction of rotations": ("MS504",),
    "size of a unit": ("MS503",),
    "axes": ("MS510",),
    "time of actions": ("MS505",),
    "rate": ("MS202",),
    "views": ("MS307", "MS310", "MS317"),
    "goal": ("MS508",),
}
# Claims that only who names an environment makes.
_OF_ENVIRONMENTS = {"rate", "goal"}
HOLDS, UNTESTED, AGAINST = "holds", "not tested", "contradicted"


@dataclass(frozen=True)
class ClaimsReport:
    """What was said, and what the data say to it."""

    root: Path
    layout: str
    control_mode: str
    episodes: int
    # {claim: `holds` or `not tested`, and why}.
    stated: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON data."""
        return {**asdict(self), "root": str(self.root)}

    def text(self) -> str:
        """Return the report for a person."""
        width = max(map(len, self.stated))
        lines = [
            f"dataset   {self.root}  (layout {self.layout}, {self.control_mode}; {self.episodes} episodes)",
            f"record    {RECORD_FILE}",
            *(f"{claim:<{width}}  {outcome}" for claim, outcome in self.stated.items()),
        ]
        return "\n".join(lines)


def describe_by_claims(root: Path, claims: Claims, *, overwrite: bool = False) -> ClaimsReport:
    """Give a dataset the record that `claims` make, after testing each on the data.

    A claim that the data cannot decide is believed, and the record says so.

    Raises
    ------
    UsageError
        It has a record and `overwrite` is False, or a claim cannot be of this dataset.
    DataError
        The data contradict a claim: every contradiction is named with what was measured.

    """
    info = read_info(root)
    before = read_record(root)
    if before.converted:
        raise UsageError(
            f"{root} was made by mstool, and its record says how: it is not replaced by what somebody says",
            fix=f"mstool describe {quoted(root)} --from ORIGINAL --overwrite",
        )
    if before and not overwrite:
        raise UsageError(f"{root} has a record", fix="add --overwrite to replace it", change={"--overwrite": True})
    with needed(root):
        rows = sorted(read_episodes(root, info.raw, info.videos, stats=False), key=lambda row: row.index)
    envs = _environments(root, claims, rows)
    longest: dict[str, int] = {}
    for row, env_id in zip(rows, envs, strict=True):
        longest[env_id or ""] = max(row.length, longest.get(env_id or "", 0))
    record = claimed_record(root, info, claims, longest)
    stated, against = tested(root, record)
    if against:
        raise DataError(
            f"the data of {root} contradict what is said of them:\n  " + "\n  ".join(against),
            fix="say what they are (mstool layouts prints what each layout means), or convert them to it first",
        )
    # The lines come first: a record without them would speak of episodes that nothing names.
    lines = [
        {"episode_index": row.index, **({"env_id": env_id} if env_id else {}), "frames": row.length}
        for row, env_id in zip(rows, envs, strict=True)
    ]
    write_episode_log(root, lines)
    write_record(root, replace(record, stated=stated))
    return ClaimsReport(root, record.layout, record.control_mode, len(rows), stated)


def _environments(root: Path, claims: Claims, rows: Sequence[EpisodeRow]) -> list[str | None]:
    """Return the environment of each episode; UsageError where some have one and others have none."""
    found = [claims.env_of(row.tasks[0]) for row in rows]
    sentences = dict.fromkeys(row.tasks[0] for row in rows)
    lacking = list(dict.fromkeys(row.tasks[0] for row, env_id in zip(rows, found, strict=True) if env_id is None))
    unknown = [sentence for sentence in claims.envs if sentence != ALL and sentence not in sentences]
    if unknown or (claims.envs and lacking):
        named = unknown or lacking
        raise UsageError(
            f"{root}: "
            + ("no episode has" if unknown else "which environment is of")
            + f" the sentence {named[0]!r}"
            + ("" if unknown else "?"),
            fix=" ".join(f"--env {shlex.quote(f'{text}=ENV')}" for text in sentences),
        )
    return found


def tested(root: Path, record: Record) -> tuple[dict[str, str], list[str]]:
    """Ask the data whether a record can be theirs.

    Returns
    -------
    {claim: outcome}, and what contradicts a claim, each in a line.

    """
    all_checks()
    context = Context(_Supposed(root, record), get_target("lerobot"))
    stated: dict[str, str] = {}
    against: list[str] = []
    with Progress("test claims", len(DECIDES), "claim") as progress:
        for claim, codes in DECIDES.items():
            progress.note = claim
            progress.update()
            if claim in _OF_ENVIRONMENTS and not record.env_ids:
                continue
            results = [run_check(CHECKS[code](), context) for code in codes]
            stated[claim] = _outcome(results)
            against += [
                f"{claim} ({result.code}): " + "; ".join(_said(result))
                for result in results
                if result.status == "failed"
            ]
    return stated, against


class _Supposed(SampledView):
    """The dataset as if it had this record."""

    def __init__(self, root: Path, record: Record) -> None:
        super().__init__(root, full=False)
        self.__dict__["record"] = self.__dict__["readable_record"] = record


def _outcome(results: Sequence[CheckResult]) -> str:
    if any(result.status == "failed" for result in results):
        return AGAINST
    told = [result for result in results if result.status in {"passed", "warned"}]
    if not told:
        reasons = dict.fromkeys(result.reason.strip().splitlines()[-1] for result in results if result.reason)
        return f"{UNTESTED}: {'; '.join(reasons)}"
    doubts = [
        text for result in told if result.status == "warned" for text in [issue.said for issue in result.issues[:3]]
    ]
    notes = doubts or [note.text for result in told for note in result.notes]
    return f"{HOLDS}{'' if not doubts else ', with doubts'}" + (f": {'; '.join(notes)}" if notes else "")


def _said(result: CheckResult) -> list[str]:
    return [issue.said for issue in result.issues[:3]]
