"""`mstool push`: a dataset, or a trained policy, to a hub or a mirror."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from mstool.hub.options import PushOptions
    from mstool.hub.push import PushReport

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
    from mstool.dataset.locate import is_dataset
    from mstool.dataset.record import read_record
    from mstool.errors import UsageError
    from mstool.evaluation.policies.checkpoint import checkpoint_in
    from mstool.hub.options import PushOptions
    from mstool.hub.push import push as run
    from mstool.hub.write_back import check_writable, find_entry, write_back

    model = None if is_dataset(dataset) else checkpoint_in(dataset)
    if model is not None:
        if not repo_id or manifest or write_revision or tag:
            raise UsageError(
                f"{dataset} is a trained policy: it needs a name, and the manifest and version tags are datasets'",
                fix=f"mstool push {dataset} --repo-id OWNER/NAME",
            )
        policy = PushOptions(
            dataset=dataset,
            repo_id=repo_id,
            endpoint=endpoint,
            private=private,
            revision=revision,
            license=license_,
            read_back=read_back,
            jobs=jobs,
        )
        _print(_push_model(policy, model, dry_run=dry_run), as_json=as_json)
        return
    env_ids = read_record(dataset).env_ids or [""]
    entry = find_entry(manifest, env_id=str(env_ids[0]), repo_id=repo_id or "")
    name = repo_id or (entry.repo_id if entry else "")
    if not name:
        raise UsageError(f"no name for {dataset} on a hub", fix=f"mstool push {dataset} --repo-id OWNER/NAME")
    # The manifest's server is meant for the manifest's name only.
    server = entry.endpoint if entry and entry.repo_id == name else ""
    if write_revision:
        if manifest is None:
            raise UsageError(
                "--write-revision needs a manifest to write to", fix="add --manifest datasets_manifest.yaml"
            )
        check_writable(manifest, entry.env_id if entry else str(env_ids[0]))
    options = PushOptions(
        dataset=dataset,
        repo_id=name,
        endpoint=endpoint,
        private=private,
        revision=revision,
        tag=tag,
        license=license_,
        force=force,
        read_back=read_back,
        jobs=jobs,
    )
    report = run(options, dry_run=dry_run, endpoint=server, say=say)
    if write_revision and entry and manifest and not dry_run:
        # Only a server that was named: the default of this machine is not a fact about the dataset.
        named = {"endpoint": report.endpoint} if endpoint or server else {}
        write_back(manifest, entry.env_id, {"repo_id": name, **named, "revision": report.revision})
        say(f"{manifest}: {entry.env_id} is at {report.revision}")
    _print(report, as_json=as_json)


def _push_model(options: "PushOptions", model: Path, *, dry_run: bool) -> "PushReport":
    """Write what the repository is to hold into a folder of its own, and push that."""
    import tempfile

    from mstool.evaluation.policies.checkpoint import results_folder
    from mstool.evaluation.results import RESULTS_FILE
    from mstool.hub.push import push_model
    from mstool.training.publish import publishable

    results = results_folder(model) / RESULTS_FILE
    with tempfile.TemporaryDirectory(prefix="mstool-model-") as folder:
        publishable(
            model,
            Path(folder),
            repo_id=options.repo_id,
            license_=options.license,
            results=results if results.is_file() else None,
        )
        return push_model(options, Path(folder), dry_run=dry_run, say=say)


def _print(report: "PushReport", *, as_json: bool) -> None:
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
