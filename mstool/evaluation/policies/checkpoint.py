"""Where a LeRobot checkpoint is, what it was trained on, and what identifies it."""

import hashlib
import re
from contextlib import nullcontext
from pathlib import Path

from mstool.dataset.conventions import Conventions, load_conventions
from mstool.dataset.files import CONVENTIONS_FILE, RESULTS_FILE
from mstool.dataset.locate import datasets_below, is_dataset, locate
from mstool.errors import DataError, SetupError, UsageError, WrongWordError
from mstool.hub_files import find_files, hub_refusal, offline
from mstool.json_files import load_json
from mstool.nearest import folder_beside, nearest
from mstool.paths import quoted

MODEL_FOLDER = "pretrained_model"
CONFIG = "config.json"
_TRAIN = "mstool finetune DATASET"
# Commands that go on with a checkpoint.
EVAL, SERVE, GENERATE = "mstool eval --policy", "mstool serve", "mstool demos generate --policy"
# What a dataset given beside a checkpoint must share with what it was trained on.
_SHARED = ("layout", "control_mode", "controller", "image_size", "goal", "views")
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
# What of a hub's repository is needed.
_PATTERNS = ["*.json", "*.safetensors", "*.model"]
_READ_BYTES = 1 << 24


def find_checkpoint(spec: str, command: str = EVAL) -> Path:
    """Return the `pretrained_model` folder that `spec` means.

    Parameters
    ----------
    spec
        That folder itself, a checkpoint that holds it, a run's folder (its last checkpoint), or `owner/name` on the
        hub.
    command
        The command line that `spec` belongs to the end of, for the fix.

    Raises
    ------
    UsageError
        There is nothing of the kind, or the folder holds something else.
    SetupError
        The hub cannot be asked.

    """
    path = Path(spec).expanduser()
    if not path.exists():
        if _REPO.fullmatch(spec) and not spec.startswith(("runs/", "data/", "./", "../")):
            return _from_hub(spec)
        raise _no_such(spec, command)
    folder = checkpoint_in(path)
    if folder is not None:
        return folder.resolve()
    # Training reads v3.0 alone.
    inside = sorted(datasets_below(path), key=lambda folder: folder.name != "v3.0")
    data = path if is_dataset(path) else next(iter(inside), None)
    if data is not None:
        replayed = f"; eval's --policy replay:{data} executes its own actions" if command == EVAL else ""
        raise UsageError(
            f"{path} is a dataset, not a checkpoint: finetune trains one{replayed}",
            fix=f"mstool finetune {quoted(data)}",
        )
    places = f"in it, in {MODEL_FOLDER}/ or in checkpoints/last/{MODEL_FOLDER}/"
    said = f"{path} is not a LeRobot checkpoint: no {CONFIG} {places}"
    if command == EVAL:
        said += " (one of openpi's is served by its scripts/serve_policy.py: --policy ws://HOST:PORT)"
    runs = _runs()
    if not runs:
        raise UsageError(said, fix=_TRAIN)
    raise WrongWordError(said, given=spec, instead=str(runs[-1]), fix=f"{command} {quoted(runs[-1])}")


def checkpoint_conventions(model: Path, dataset: Path | None, command: str = EVAL) -> Conventions:
    """Return what a checkpoint was trained on: what lies beside it, else what the user's dataset says.

    Parameters
    ----------
    model
        Its `pretrained_model` folder.
    dataset
        The dataset that the user says it was trained on, None for none.
    command
        As in `find_checkpoint`.

    Raises
    ------
    UsageError
        Neither says.
    DataError
        They contradict each other.

    """
    given = None if dataset is None else load_conventions(dataset)
    if not (model / CONVENTIONS_FILE).is_file():
        if given is None:
            raise UsageError(
                f"{model} has no {CONVENTIONS_FILE}: it does not say what it was trained on",
                fix=f"{command} {quoted(model)} --dataset {quoted(_trained_on(model))}",
                change={"--dataset": _trained_on(model)},
            )
        return given
    own = load_conventions(model)
    other = [] if given is None else own.record.differences(given.record, _SHARED)
    if given is not None and other:
        what = "; ".join(f"{name} is {theirs}, not {ours}" for name, ours, theirs in other)
        raise DataError(
            f"{given.dataset} is of another kind than {own.dataset}, which {model} was trained on: {what}",
            fix="leave --dataset out, or give the dataset that it was trained on",
        )
    return own


def in_run(model: Path) -> bool:
    """Tell whether a checkpoint is `NAME/checkpoints/STEP/pretrained_model`."""
    return model.name == MODEL_FOLDER and model.resolve().parent.parent.name == "checkpoints"


def results_folder(model: Path) -> Path:
    """Return where a checkpoint's results belong: `runs/NAME/eval/STEP` inside a run, else `eval/NAME`."""
    if in_run(model):
        step = model.resolve().parent  # a run's `checkpoints/last` is a link to a step
        return step.parent.parent / "eval" / step.name
    return Path("eval") / (model.parent.name if model.name == MODEL_FOLDER else model.name)


def content_hash(model: Path) -> str:
    """Return a hash of the checkpoint's weights and of its own JSON files, results apart."""
    digest = hashlib.blake2b(digest_size=12)
    files = [*model.glob("*.safetensors"), *model.glob("*.json")]
    for path in sorted(file for file in files if file.name != RESULTS_FILE):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            while part := file.read(_READ_BYTES):
                digest.update(part)
    return digest.hexdigest()


def checkpoint_in(path: Path) -> Path | None:
    """Return the folder of a checkpoint's files in what a user gives."""
    usual = (path, path / MODEL_FOLDER, path / "checkpoints" / "last" / MODEL_FOLDER)
    # A run that has no link `last`, and runs one folder below.
    steps = sorted(path.glob(f"checkpoints/[0-9]*/{MODEL_FOLDER}"), key=lambda folder: int(folder.parent.name))
    below = sorted(path.glob(f"*/checkpoints/last/{MODEL_FOLDER}"))
    candidates = (*usual, *steps[-1:], *(below if len(below) == 1 else []))
    return next((folder for folder in candidates if (folder / CONFIG).is_file()), None)


def model_or_dataset(path: Path) -> Path | None:
    """Return the checkpoint of a folder that may be a policy's or a dataset's; None of a dataset.

    Raises
    ------
    UsageError
        It is neither; where another path is meant, the error names it.

    """
    model = None if is_dataset(path) else checkpoint_in(path)
    if model is not None:
        return model
    try:
        locate(path)
    except WrongWordError:
        raise
    except UsageError as error:
        said = f"{path} {'is' if path.exists() else 'does not exist:'} neither a dataset nor a trained policy"
        if instead := folder_beside(path, checkpoint_in):
            raise WrongWordError(f"{said}; did you mean {instead}?", given=path, instead=instead) from error
        trained = path.parent.name == "runs"
        raise UsageError(
            said, fix=f"mstool finetune DATASET --output {quoted(path)}" if trained else error.fix
        ) from error
    return None


def _runs() -> list[Path]:
    """Return the runs that finetune has left in this folder, the newest last."""
    folders = (run for run in Path("runs").glob("*") if run.is_dir() and checkpoint_in(run))
    return sorted(folders, key=lambda run: run.stat().st_mtime)


def _no_such(spec: str, command: str) -> UsageError:
    """Name the run that was meant, else the newest there is."""
    runs = _runs()
    words = {str(run): str(run) for run in runs} | {run.name: str(run) for run in runs}
    others = ""
    if command in {EVAL, GENERATE}:
        named = ("planner", "random") if command == EVAL else ("random",)
        words |= {name: name for name in named}
        others = f", nor is it {', '.join(('ws://HOST:PORT', 'replay:DATASET', *named[:-1]))} or {named[-1]}"
    near = nearest(spec, words)
    chosen = words[near] if near else str(runs[-1]) if runs else ""
    said = f"{spec}: no such folder{others}"
    if not chosen:
        return UsageError(said, fix=_TRAIN)
    return WrongWordError(said, given=spec, instead=chosen, fix=f"{command} {quoted(chosen)}")


def _trained_on(model: Path) -> str:
    """Return the dataset that LeRobot's training noted, where it is still there."""
    try:
        config = load_json(model / "train_config.json")
        root = Path(config["dataset"]["root"])
    except (OSError, ValueError, KeyError, TypeError):
        return "DATASET"
    return str(root) if is_dataset(root) else "DATASET"


def _from_hub(repo: str) -> Path:
    """Fetch a checkpoint; where the hub cannot be asked, take what was fetched before."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    files = find_files(repo, [CONFIG])
    if files.missing:
        raise SetupError(f"{repo}: no such folder, and as a name on a hub: {files.missing}", fix=files.download)
    try:
        with offline() if hub_refusal() else nullcontext():
            return Path(snapshot_download(repo, allow_patterns=_PATTERNS))
    except (HfHubHTTPError, OSError) as error:
        raise SetupError(f"{repo}: {str(error).splitlines()[0]}", fix=f"hf download {repo}") from error
