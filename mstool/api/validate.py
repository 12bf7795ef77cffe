"""Whether a model would understand a dataset."""

from pathlib import Path

from mstool.api.arguments import PathLike, Words, path_or_none, words
from mstool.dataset.locate import locate
from mstool.errors import UsageError
from mstool.paths import writable_file
from mstool.progress import notify
from mstool.validators.check import ReplayDataset
from mstool.validators.record import record
from mstool.validators.report import ValidationReport
from mstool.validators.runner import validate as run_checks

# How the name of a page ends: a file of another kind is not replaced by one.
_PAGES = (".html", ".htm")


def validate(
    dataset: PathLike,
    *,
    against: str | None = None,
    norm_stats: PathLike | None = None,
    strict: bool = False,
    html: PathLike | None = None,
    select: Words | None = None,
    ignore: Words | None = None,
    replay: bool = False,
    open_it: bool = False,
    full: bool = False,
    keep: bool = True,
) -> ValidationReport:
    """Check a dataset's files, numbers, images and their meaning against what a model expects.

    Parameters
    ----------
    dataset
        The folder of any LeRobot dataset.
    against
        Who is to read it: "pi05_libero", "pi05_droid", "lerobot_pi05", "lerobot_smolvla", "lerobot" or "maniskill"; by
        default what fits its format and layout.
    norm_stats
        openpi's norm_stats.json, by default the dataset's own.
    strict
        Warnings make it invalid too.
    html
        A page to write, with images and plots.
    select, ignore
        Codes of checks, or their beginnings: "MS3,MS501".
    replay
        Execute the stored actions in the simulator.
    open_it
        Let LeRobot's own reader read some frames.
    full
        Look at every episode and file, not at a sample.
    keep
        Keep the verdict in the dataset, where `push` and `finetune` look for it; one of some checks is never kept.

    Returns
    -------
    The report; `valid` is the verdict, which is not raised.

    Raises
    ------
    UsageError
        There is no such dataset, target or code, or `html` is no page's name.

    """
    root = locate(Path(dataset))
    page = path_or_none(html)
    if page is not None:
        if page.suffix.lower() not in _PAGES:
            raise UsageError(
                f"--html {page}: the name ends in none of {', '.join(_PAGES)}",
                fix="--html report.html",
                change={"--html": "report.html"},
            )
        writable_file(page, "--html")
    replayer, why = _replay(wanted=replay)
    chosen, left_out = ([code.upper() for code in words(codes)] for codes in (select, ignore))
    report = run_checks(
        root,
        against,
        norm_stats=path_or_none(norm_stats),
        strict=strict,
        select=chosen,
        ignore=left_out,
        full=full,
        replay=replayer,
        no_replay=why,
        open_it=open_it,
    )
    if page is not None:
        from mstool.validators.html import write_html

        write_html(report, page)
        notify()(f"wrote {page}")
    # A verdict on some of the checks is none on the dataset.
    if keep and not (chosen or left_out):
        _keep(report, root)
    return report


def _keep(report: ValidationReport, root: Path) -> None:
    try:
        record(report, root)
    except OSError as error:
        why = error.strerror or error
        notify()(f"the verdict is not kept in the dataset: {why}; mstool push asks for --force")


def _replay(*, wanted: bool) -> tuple[ReplayDataset | None, str]:
    if not wanted:
        return None, "not asked for (--replay)"
    try:
        from mstool.evaluation.replay_dataset import replay_dataset
    except ImportError as error:
        return None, f"there is no simulator here ({error})"
    return replay_dataset, ""
