"""`mstool pull`: a dataset from a hub or a mirror."""

from pathlib import Path

import typer

from mstool.cli.output import out, print_json, say, table

EXAMPLES = """

Examples:

    mstool pull me/pickcube

    mstool pull me/pickcube --output data/pickcube --revision v3.0 --endpoint https://hub.lab.example

    mstool pull me/pickcube --dry-run --json

    mstool pull PickCube-v1 --manifest datasets_manifest.yaml
"""


def pull(
    name: str = typer.Argument(..., metavar="REPO", help="OWNER/NAME, or an environment that the manifest places."),
    endpoint: str | None = typer.Option(
        None, help="The hub's address.", show_default="the manifest's, HF_ENDPOINT, or https://huggingface.co"
    ),
    revision: str | None = typer.Option(
        None, help="Branch, tag or commit.", show_default="the manifest's, else the newest version tag"
    ),
    output: Path | None = typer.Option(None, "--output", "-o", help="Folder of the dataset.", show_default="data/NAME"),
    manifest: Path | None = typer.Option(
        None, help="The manifest that names repo_id, endpoint and revision.", show_default="the shipped one"
    ),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace another dataset, or version, that is there."),
    open_it: bool = typer.Option(True, "--open/--no-open", help="Open the result with LeRobot's reader."),
    jobs: int = typer.Option(4, "--jobs", "-j", min=1, help="Downloads at a time."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show files, sizes and what would change; write nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Pull a dataset, resume within files, verify every file, open it with LeRobot; it appears whole or not at all."""
    from mstool.api.hub import pull as run

    report = run(
        name,
        endpoint=endpoint,
        revision=revision,
        output=output,
        manifest=manifest,
        overwrite=overwrite,
        open_it=open_it,
        jobs=jobs,
        dry_run=dry_run,
    )
    if as_json:
        print_json(report.to_json())
        return
    if dry_run:
        out(table(report.changes, ["change", "bytes", "path"]))
        say(f"would fetch {report.download_bytes} of {report.bytes} bytes in {report.files} files")
        return
    opened = report.opened or {}
    if opened:
        say(f"opened ({opened['reader']}): {opened['episodes']} episodes, {opened['frames']} frames")
    say(f"{report.verified} files verified, {report.repo_id} {report.asked_revision} {report.revision}")
    out(report.root)


pull.__doc__ = (pull.__doc__ or "") + EXAMPLES
