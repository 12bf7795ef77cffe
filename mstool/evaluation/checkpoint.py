"""Where a LeRobot checkpoint is, and what identifies it."""

import hashlib
import re
from pathlib import Path

from mstool.errors import DataError, UsageError

MODEL_FOLDER = "pretrained_model"
CONFIG = "config.json"
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
# What of a hub's repository is needed.
_PATTERNS = ["*.json", "*.safetensors", "*.model"]
_READ_BYTES = 1 << 24


def find_checkpoint(spec: str) -> Path:
    """Return the `pretrained_model` folder that `spec` means.

    Parameters
    ----------
    spec
        That folder itself, a checkpoint that holds it, a run's folder (its last checkpoint), or `owner/name` on the
        hub.

    Raises
    ------
    UsageError
        There is nothing of the kind.
    DataError
        The folder holds something else.

    """
    path = Path(spec).expanduser()
    if not path.exists():
        if _REPO.fullmatch(spec) and not spec.startswith(("runs/", "data/", "./", "../")):
            return _from_hub(spec)
        near = sorted(str(run) for run in Path("runs").glob("*") if run.is_dir())
        raise UsageError(
            f"--policy {spec}: no such folder, and it is none of ws://host:port, replay:DATASET, planner, random",
            fix=f"mstool eval --policy {near[-1]}" if near else "mstool finetune DATASET  (it makes runs/NAME)",
        )
    for folder in (path, path / MODEL_FOLDER, path / "checkpoints" / "last" / MODEL_FOLDER, *_deeper(path)):
        if (folder / CONFIG).is_file():
            return folder.resolve()
    raise DataError(
        f"{path} holds no LeRobot checkpoint: no {CONFIG} in it, in {MODEL_FOLDER}/ or in "
        f"checkpoints/last/{MODEL_FOLDER}/",
        fix="an openpi checkpoint is served by openpi's scripts/serve_policy.py: mstool eval --policy ws://localhost:8000",
    )


def results_folder(model: Path) -> Path:
    """Return where a checkpoint's results belong: `runs/NAME/eval/STEP` inside a run, else `eval/NAME`."""
    if model.name == MODEL_FOLDER and model.parent.parent.name == "checkpoints":
        return model.parent.parent.parent / "eval" / model.parent.name
    return Path("eval") / (model.parent.name if model.name == MODEL_FOLDER else model.name)


def content_hash(model: Path) -> str:
    """Return a hash of the checkpoint's weights and of its own JSON files."""
    digest = hashlib.blake2b(digest_size=12)
    for path in sorted([*model.glob("*.safetensors"), *model.glob("*.json")]):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            while part := file.read(_READ_BYTES):
                digest.update(part)
    return digest.hexdigest()


def _deeper(path: Path) -> list[Path]:
    """Return the newest checkpoint of a run that has no link `last`, and runs one folder below."""
    steps = sorted(path.glob(f"checkpoints/[0-9]*/{MODEL_FOLDER}"), key=lambda folder: int(folder.parent.name))
    below = sorted(path.glob(f"*/checkpoints/last/{MODEL_FOLDER}"))
    return [*steps[-1:], *(below if len(below) == 1 else [])]


def _from_hub(repo: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(repo, allow_patterns=_PATTERNS))
    except RepositoryNotFoundError as error:
        raise UsageError(
            f"--policy {repo}: no such folder, and no such model on the hub",
            fix="hf auth login  (where the repository is private)",
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise DataError(
            f"--policy {repo}: no such folder, and the hub does not answer ({str(error).splitlines()[0]})",
            fix=f"hf download {repo}",
        ) from error
