"""`mstool push`: a dataset, or a trained policy, to a hub or a mirror."""

from pathlib import Path

import typer

from mstool.cli.output import out, print_json, say, table

EXAMPLES = """

Examples:

    mstool push data/PickCube-v1 --repo-id me/pickcube

    mstool push data/PickCube-v1 --repo-id me/pickcube --dry-run

    mstool push data/PickCube-v1 --repo-id lab/pickcube --endpoint https://hub.lab.example --private --json

    mstool push data/PickCube-v1 --manifest datasets_manifest.yaml --write-revision

    mstool push runs/pick --repo-id me/pick
"""


def push(
    dataset: Path = typer.Argument(
        ..., help="Folder of a LeRobot v3.0 or v2.1 dataset; or of a run of finetune, for its last checkpoint."
    ),
    repo_id: str | None = typer.Option(None, help="Its name there, OWNER/NAME.", show_default="the manifest's"),
    endpoint: str | None = typer.Option(
        None, help="The hub's address.", show_default="the manifest's, HF_ENDPOINT, or https://huggingface.co"
    ),
    private: bool = typer.Option(False, "--private", help="Make a new repository private."),
    revision: str = typer.Option("main", help="The branch that gets the commit."),
    tag: bool | None = typer.Option(
        None, "--tag/--no-tag", help="Move the version tag by which LeRobot finds the dataset.", show_default="on main"
    ),
    license_: str | None = typer.Option(
        None,
        "--license",
        help="The card's license, as hubs abbreviate it.",
        show_default="apache-2.0 for a dataset of convert, else none",
    ),
    manifest: Path | None = typer.Option(
        None, help="The manifest that names repo_id and endpoint.", show_default="the shipped one"
    ),
    write_revision: bool = typer.Option(
        False, "--write-revision", help="Write repo_id, endpoint and the pushed commit into --manifest's entry."
    ),
    force: bool = typer.Option(False, "--force", help="Push what was not validated, or is not valid."),
    read_back: bool = typer.Option(
        False, "--read-back", help="Download every file again and hash it; slow, for servers that check nothing."
    ),
    jobs: int = typer.Option(4, "--jobs", "-j", min=1, help="Uploads at a time."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show files, sizes and what would change; push nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Push a validated dataset with a card, resume, verify every file, and tag it last so that LeRobot finds it.

    A trained policy becomes a model repository: bfloat16 weights, what its numbers mean, and a card.
    The token comes from HF_TOKEN or `hf auth login`.
    """
    from mstool.api.hub import push as run

    report = run(
        dataset,
        repo_id=repo_id,
        endpoint=endpoint,
        private=private,
        revision=revision,
        tag=tag,
        license_=license_,
        manifest=manifest,
        write_revision=write_revision,
        force=force,
        read_back=read_back,
        jobs=jobs,
        dry_run=dry_run,
    )
    if as_json:
        print_json(report.to_json())
        return
    if report.changes:
        out(table(report.changes, ["change", "bytes", "path"]))
    did = "would send" if report.dry_run else "sent"
    say(f"{did} {report.upload_bytes} of {report.bytes} bytes in {report.files} files to {report.endpoint}")
    if not report.dry_run:
        tagged = f", tag {report.tag}" if report.tagged else ", no tag"
        say(f"{report.verified} files verified at {report.repo_id} {report.branch} {report.revision}{tagged}")


push.__doc__ = (push.__doc__ or "") + EXAMPLES
