"""Datasets to and from a Hugging Face hub or a mirror."""

import tempfile
from pathlib import Path

from mstool.api.arguments import PathLike, path_or_none
from mstool.dataset.record import read_record
from mstool.errors import UsageError
from mstool.evaluation.kept import best_known
from mstool.evaluation.policies.checkpoint import model_or_dataset
from mstool.hub.options import PullOptions, PushOptions
from mstool.hub.pull import PullReport
from mstool.hub.pull import pull as pull_dataset
from mstool.hub.push import PushReport, push_model
from mstool.hub.push import push as push_dataset
from mstool.hub.write_back import check_writable, find_entry, write_back
from mstool.paths import quoted
from mstool.progress import notify


def push(
    dataset: PathLike,
    *,
    repo_id: str | None = None,
    endpoint: str | None = None,
    private: bool = False,
    revision: str = "main",
    tag: bool | None = None,
    license_: str | None = None,
    manifest: PathLike | None = None,
    write_revision: bool = False,
    force: bool = False,
    read_back: bool = False,
    jobs: int = 4,
    dry_run: bool = False,
) -> PushReport:
    """Push a validated dataset with a card, resume, verify every file, and tag it last so that LeRobot finds it.

    A trained policy becomes a model repository: bfloat16 weights, what its numbers mean, and a card. The token
    comes from HF_TOKEN or `hf auth login`.

    Parameters
    ----------
    dataset
        The folder of a LeRobot v3.0 or v2.1 dataset; or of a run of `finetune`, for its last checkpoint.
    repo_id
        Its name there, OWNER/NAME; by default the manifest's.
    endpoint
        The hub's address; by default the manifest's, HF_ENDPOINT, or huggingface.co.
    private
        Make a new repository private.
    revision
        The branch that gets the commit.
    tag
        Move the version tag by which LeRobot finds the dataset; by default on "main" alone.
    license_
        The card's license, as hubs abbreviate it.
    manifest
        The manifest that names repo_id and endpoint, by default the shipped one.
    write_revision
        Write repo_id, endpoint and the pushed commit into the manifest's entry.
    force
        Push what was not validated, or is not valid.
    read_back
        Download every file again and hash it.
    jobs
        Uploads at a time.
    dry_run
        Ask the server what it has, and change nothing there.

    Raises
    ------
    UsageError
        There is no such dataset, a name or an address cannot be, or the manifest cannot be written.
    DataError
        The dataset is not validated, or cannot be read.
    HubError
        The server, or the way to it, refused or failed.

    """
    root, listed = Path(dataset), path_or_none(manifest)
    model = model_or_dataset(root)
    if model is not None:
        if not repo_id or listed or write_revision or tag:
            raise UsageError(
                f"{root} is a trained policy: it needs a name, and the manifest and version tags are datasets'",
                fix=f"mstool push {quoted(root)} --repo-id OWNER/NAME",
                change={
                    "--repo-id": repo_id or "OWNER/NAME",
                    "--manifest": None,
                    "--write-revision": None,
                    "--tag": None,
                },
            )
        policy = PushOptions(
            dataset=root,
            repo_id=repo_id,
            endpoint=endpoint,
            private=private,
            revision=revision,
            license=license_,
            read_back=read_back,
            jobs=jobs,
        )
        return _push_model(policy, model, dry_run=dry_run)
    env_id = str((read_record(root).env_ids or [""])[0])
    entry = find_entry(listed, env_id=env_id, repo_id=repo_id or "")
    name = repo_id or (entry.repo_id if entry else "")
    if not name:
        raise UsageError(
            f"no name for {root} on a hub",
            fix=f"mstool push {quoted(root)} --repo-id OWNER/NAME",
            change={"--repo-id": "OWNER/NAME"},
        )
    # The manifest's server is meant for the manifest's name only.
    server = entry.endpoint if entry and entry.repo_id == name else ""
    if write_revision:
        if listed is None:
            raise UsageError(
                "--write-revision needs a manifest to write to",
                fix="add --manifest datasets_manifest.yaml",
                change={"--manifest": "datasets_manifest.yaml"},
            )
        check_writable(listed, entry.env_id if entry else env_id)
    options = PushOptions(
        dataset=root,
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
    report = push_dataset(options, dry_run=dry_run, endpoint=server, say=notify())
    if write_revision and entry and listed and not dry_run:
        # Only a server that was named: the default of this machine is not a fact about the dataset.
        named = {"endpoint": report.endpoint} if endpoint or server else {}
        write_back(listed, entry.env_id, {"repo_id": name, **named, "revision": report.revision})
        notify()(f"{listed}: {entry.env_id} is at {report.revision}")
    return report


def _push_model(options: PushOptions, model: Path, *, dry_run: bool) -> PushReport:
    """Write what the repository is to hold into a folder of its own, and push that."""
    from mstool.training.publish import publishable

    with tempfile.TemporaryDirectory(prefix="mstool-model-") as folder:
        publishable(
            model,
            Path(folder),
            repo_id=options.repo_id,
            license_=options.license,
            results=best_known(model),
        )
        return push_model(options, Path(folder), dry_run=dry_run, say=notify())


def pull(
    name: str,
    *,
    endpoint: str | None = None,
    revision: str | None = None,
    output: PathLike | None = None,
    manifest: PathLike | None = None,
    overwrite: bool = False,
    open_it: bool = True,
    jobs: int = 4,
    dry_run: bool = False,
) -> PullReport:
    """Pull a dataset, resume within files, verify every file, open it with LeRobot; it appears whole or not at all.

    Parameters
    ----------
    name
        OWNER/NAME, or an environment that the manifest places.
    endpoint
        The hub's address; by default the manifest's, HF_ENDPOINT, or huggingface.co.
    revision
        Branch, tag or commit; by default the manifest's, else the newest version tag.
    output
        The dataset's folder, by default data/NAME.
    manifest
        The manifest that names repo_id, endpoint and revision, by default the shipped one.
    overwrite
        Replace another dataset, or version, that is there.
    open_it
        Open the result with LeRobot's reader.
    jobs
        Downloads at a time.
    dry_run
        Ask the server what it has, and write nothing.

    Raises
    ------
    UsageError
        A name or an address cannot be, or the folder is taken.
    DataError
        What came is not a dataset that LeRobot opens.
    HubError
        The server, or the way to it, refused or failed.

    """
    entry = find_entry(path_or_none(manifest), env_id=name, repo_id=name)
    if entry and not entry.repo_id:
        raise UsageError(f"the manifest does not say where {name} is", fix="mstool pull OWNER/NAME")
    repo_id = entry.repo_id if entry else name
    options = PullOptions(
        repo_id=repo_id,
        root=path_or_none(output) or Path("data") / repo_id.rpartition("/")[2],
        endpoint=endpoint,
        revision=revision or (entry.revision if entry else "") or None,
        overwrite=overwrite,
        open_it=open_it,
        jobs=jobs,
    )
    return pull_dataset(options, dry_run=dry_run, endpoint=entry.endpoint if entry else "", say=notify())
