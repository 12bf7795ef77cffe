"""The results as a page: `report.md` with the table, the strips and the configuration."""

import json
from pathlib import Path
from urllib.parse import quote

from mstool.atomic import replace_text
from mstool.evaluation.results import Results, TaskResult
from mstool.markup import markdown_block, markdown_text
from mstool.paths import as_file_name
from mstool.simulators.benchmarks import benchmark_of

REPORT = "report.md"
FILMS = "films"
_WHAT = (
    "Success: the task was solved after some step within the horizon; the interval is Wilson's, 95 %. "
    "`at end`: it was still solved when the episode ended. `steps`: mean steps until it was solved."
)


def write_page(results: Results, folder: Path) -> Path:
    """Write `report.md` into the results' folder."""
    lines = [f"# {markdown_text(results.policy)} in {_benchmarks(results)}", "", _WHAT, "", *_table(results), ""]
    lines += [f"* {markdown_text(note)}" for note in results.notes]
    timing = results.timing
    if timing.get("episodes"):
        speed = f"{timing['seconds']:.0f} s with {timing['workers']} workers: {timing['steps_per_second']:.0f} steps/s"
        lines += ["", f"{timing['episodes']} episodes in {speed}. {timing['kept_episodes']} more were finished before."]
    for task in results.tasks:
        lines += _section(task, folder)
    lines += ["", "## Configuration", ""]
    lines += markdown_block(json.dumps(results.configuration, indent=1, default=str), "json")
    if results.diagnosis is not None:
        lines += [
            "",
            "## Diagnosis",
            "",
            *[f"* {markdown_text(finding)}" for finding in results.diagnosis.get("findings", [])],
        ]
    return replace_text(folder / REPORT, "\n".join(lines) + "\n")


def _benchmarks(results: Results) -> str:
    return " and ".join(dict.fromkeys(benchmark_of(task.env_id).name for task in results.tasks))


def _table(results: Results) -> list[str]:
    columns = results.columns()
    rows = [[markdown_text(str(row.get(name, ""))) for name in columns] for row in results.rows()]
    return [
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
        *("| " + " | ".join(cells) + " |" for cells in rows),
    ]


def _section(task: TaskResult, folder: Path) -> list[str]:
    lines = ["", f"## {markdown_text(task.env_id)}", "", f"> {markdown_text(task.prompt)}" if task.prompt else "", ""]
    for kind, word in (("success", "A success"), ("failure", "A failure")):
        for strip in sorted((folder / FILMS).glob(f"{as_file_name(task.env_id)}_{kind}_*.png"))[:1]:
            seed = strip.stem.rpartition("_")[2]
            lines += [
                f"{word}, seed {seed}:",
                "",
                f"![{markdown_text(task.env_id)}, {kind}]({FILMS}/{quote(strip.name)})",
                "",
            ]
    failed = [outcome.seed for outcome in task.ran if not outcome.success_once]
    if failures := task.failures():
        lines += [f"{markdown_text(failures)}", ""]
    if failed:
        lines.append(f"Failed seeds: {', '.join(map(str, failed))}")
    if task.crashed:
        lines.append(f"Without an outcome: {', '.join(str(o.seed) for o in task.outcomes if o.crashed)}")
    return lines
