"""A report as one HTML page that needs nothing else: pictures and plots are inside it."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mstool.atomic import replace_text
from mstool.contract import Array
from mstool.errors import DataError
from mstool.markup import html_text as _e
from mstool.validators.report import CheckResult, Curve, Issue, Picture, ValidationReport
from mstool.validators.svg import plot

# Pictures are shown at about this size, whatever was stored.
_SHOWN_PX = 200
_EVIDENCE_SHOWN = 5
_STYLE = """
:root{--ok:#1a7f37;--bad:#c62828;--warn:#b26a00;--skip:#667}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;margin:0;color:#1c2430;background:#f4f6f8}
header{background:#fff;border-bottom:1px solid #d8dee4;padding:24px 32px}main{max-width:1100px;margin:0 auto;
padding:24px 32px}
header>div{max-width:1100px;margin:0 auto}h1{font-size:22px;margin:0 0 4px}h2{font-size:17px;margin:28px 0 10px}
.verdict{display:inline-block;padding:2px 12px;border-radius:14px;color:#fff;font-weight:600}
.valid{background:var(--ok)}.invalid{background:var(--bad)}.counts span{margin-right:18px}.counts b{font-size:18px}
dl.facts{display:flex;flex-wrap:wrap;gap:4px 28px;margin:12px 0 0}dl.facts div{display:flex;gap:6px}dt{color:#667}
dd{margin:0}
article{background:#fff;border:1px solid #d8dee4;border-left:5px solid var(--skip);border-radius:6px;
padding:12px 18px;margin:0 0 14px}
article.failed,article.error{border-left-color:var(--bad)}article.warned{border-left-color:var(--warn)}
article.passed{border-left-color:var(--ok)}article h3{margin:0 0 6px;font-size:15px}code{background:#eef1f4;
padding:1px 5px;border-radius:4px}
ul{margin:6px 0;padding-left:20px}.why{color:#445;margin:6px 0 0}.fix{margin:4px 0 0}.why b,.fix b{font-weight:600}
.evidence{display:flex;flex-wrap:wrap;gap:12px;margin:10px 0 0}
figure{margin:0;max-width:380px}figure:has(img){max-width:200px}
figcaption{font-size:12px;
color:#556;max-width:380px}
img{image-rendering:pixelated;border:1px solid #ccd}table{border-collapse:collapse;width:100%;background:#fff;
font-size:14px}
td,th{padding:5px 10px;border-bottom:1px solid #e4e8ec;text-align:left;vertical-align:top}th{color:#667;
font-weight:500}
.s-passed{color:var(--ok)}.s-failed,.s-error{color:var(--bad);font-weight:600}.s-warned{color:var(--warn);
font-weight:600}
.s-skipped{color:var(--skip)}pre{white-space:pre-wrap;font-size:12px}summary{cursor:pointer}
"""


def write_html(report: ValidationReport, path: Path) -> None:
    """Write the page.

    Raises
    ------
    DataError
        The file cannot be written.

    """
    try:
        replace_text(path, "".join(_page(report)))
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror}",
            fix="give --html a file in a folder you can write to",
            change={"--html": "report.html"},
        ) from error


def _page(report: ValidationReport) -> Iterator[str]:
    verdict = ("valid", "valid") if report.valid else ("invalid", "not valid")
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{_e(report.root)} for {_e(report.target)}</title>"
    yield f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style><header><div>"
    yield f"<h1>{_e(report.root)} <span class='verdict {verdict[0]}'>{verdict[1]} for {_e(report.target)}</span></h1>"
    yield "<p class=counts>"
    for status, number in report.counts.items():
        if number:
            yield f"<span class=s-{status}><b>{number}</b> {status}</span>"
    yield "</p><dl class=facts>"
    for name, value in report.facts.items():
        yield f"<div><dt>{_e(name)}</dt><dd>{_e(str(value))}</dd></div>"
    yield f"<div><dt>looked at</dt><dd>{_e(report.coverage)}</dd></div></dl></div></header><main>"
    for heading, results in (
        ("Problems", report.with_status("failed", "error")),
        ("Warnings", report.with_status("warned")),
    ):
        if results:
            yield f"<h2>{heading}</h2>"
            for result in results:
                yield from _problem(result)
    yield from _measured(report)
    yield from _table(report)
    yield "</main></html>"


def _problem(result: CheckResult) -> Iterator[str]:
    yield f"<article class={result.status} id={result.code}><h3><code>{result.code}</code> {_e(result.title)}</h3>"
    if result.status == "error":
        yield f"<p>The check itself failed: please report this.</p><pre>{_e(result.reason)}</pre></article>"
        return
    yield "<ul>"
    for issue in result.issues:
        yield f"<li>{_issue(issue)}</li>"
    if result.found > len(result.issues):
        yield f"<li>and {result.found - len(result.issues)} more</li>"
    yield "</ul>"
    for note in result.notes:
        yield f"<p class=why>measured: {_e(note.text)}</p>"
    yield f"<p class=why><b>Why it matters</b> {_e(result.meaning)}</p><p class=fix><b>Fix</b> {_e(result.fix)}</p>"
    evidence = [e for issue in result.issues for e in issue.evidence]
    evidence += [e for note in result.notes for e in note.evidence]
    yield from _evidence(evidence)
    yield "</article>"


def _issue(issue: Issue) -> str:
    place = f"<code>{_e(issue.place)}</code> " if issue.place else ""
    seen = f"; found <b>{_e(issue.observed)}</b>" if issue.observed else ""
    wanted = f", expected <b>{_e(issue.expected)}</b>" if issue.expected else ""
    return f"{place}{_e(issue.message)}{seen}{wanted}"


def _measured(report: ValidationReport) -> Iterator[str]:
    notes = [(r, note) for r in report.with_status("passed") for note in r.notes]
    if notes:
        yield "<h2>Measured</h2><article class=passed>"
        for result, note in notes:
            yield f"<p><code>{result.code}</code> {_e(note.text)}</p>"
        yield from _evidence([e for _, note in notes for e in note.evidence])
        yield "</article>"


def _evidence(evidence: list[Picture | Curve]) -> Iterator[str]:
    if not evidence:
        return
    yield "<div class=evidence>"
    shown: set[str] = set()
    for item in evidence:
        if item.caption in shown or len(shown) >= _EVIDENCE_SHOWN:
            continue
        shown.add(item.caption)
        inside = picture_tag(item.pixels) if isinstance(item, Picture) else plot(item)
        yield f"<figure>{inside}<figcaption>{_e(item.caption)}</figcaption></figure>"
    yield "</div>"


def picture_tag(pixels: Array) -> str:
    """Return an <img> with the picture (H, W, 3) uint8 inside, enlarged or reduced to a size that can be looked at."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    if max(image.size) > _SHOWN_PX:
        image.thumbnail((_SHOWN_PX, _SHOWN_PX))
    scale = max(1, round(_SHOWN_PX / max(image.size)))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f"<img alt='' width={image.width * scale} height={image.height * scale} src='data:image/png;base64,{data}'>"


def _table(report: ValidationReport) -> Iterator[str]:
    yield "<h2>Every check</h2><table><tr><th>code<th>family<th>check<th>result</tr>"
    for result in report.results:
        why = f" ({_e(result.reason)})" if result.status == "skipped" else ""
        title = _e(result.title)
        if result.status in {"failed", "warned", "error"}:
            title = f"<a href='#{result.code}'>{title}</a>"
        yield f"<tr><td><code>{result.code}</code><td>{_e(result.family)}<td>{title}"
        yield f"<td class=s-{result.status}>{result.status}{why}</tr>"
    yield "</table>"
