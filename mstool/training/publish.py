"""A checkpoint as others get it: bfloat16 weights, what they mean, a card; nothing of the machine that trained it."""

import json
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.dataset.conventions import Conventions, load_conventions
from mstool.dataset.files import CONVENTIONS_FILE
from mstool.errors import DataError, UsageError
from mstool.json_files import load_json
from mstool.markup import front_matter, markdown_code, markdown_text
from mstool.paths import quoted, writable_folder
from mstool.training.checkpoint_sidecar import RUN_FILE, read_run

CARD = "README.md"
_CONFIG = "config.json"
_READABLE = 0o644
_WEIGHTS = ("model.safetensors", "adapter_model.safetensors")
# LeRobot's config of the training, which names folders of this machine, and the run's, of which the command does.
_TRAIN_CONFIG = "train_config.json"
# The flow policy is evaluated with the average of its weights; the others are for going on with the training.
_AVERAGE, _TRAINED = "average.", "model."


def publishable(model: Path, folder: Path, *, repo_id: str, license_: str | None, results: Path | None) -> None:
    """Write what a model repository holds.

    Parameters
    ----------
    model
        A checkpoint's `pretrained_model`.
    folder
        An empty folder.
    repo_id, license_
        The repository's name, and its license where there is one.
    results
        The file of an evaluation, where there was one.

    Raises
    ------
    DataError
        The checkpoint holds no weights, or they cannot be read.

    """
    weights = [model / name for name in _WEIGHTS if (model / name).is_file()]
    if not weights:
        raise DataError(f"{model} holds no weights ({' or '.join(_WEIGHTS)})", fix="mstool finetune DATASET")
    for path in weights:
        _as_bfloat16(path, folder / path.name)
    run = {name: value for name, value in read_run(model).items() if name != "command"}
    for path in sorted(model.iterdir()):
        if path.is_file() and path not in weights and path.name not in {_TRAIN_CONFIG, CARD}:
            shutil.copyfile(path, folder / path.name)
    if run:
        (folder / RUN_FILE).write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    (folder / CARD).write_text(_card(model, run, repo_id, license_, results), encoding="utf-8")


@dataclass(frozen=True)
class PolicyReport:
    """A checkpoint that was written as others get it."""

    root: Path
    size_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {"root": str(self.root), "size_bytes": self.size_bytes}

    def text(self) -> str:
        """Return lines for a person."""
        where = quoted(self.root)
        return (
            f"wrote {where}: {self.size_bytes / 1e6:.0f} MB, bfloat16\n"
            f"use it    mstool eval --policy {where}\npublish   mstool push {where} --repo-id OWNER/NAME"
        )


def export_policy(model: Path, output: Path, *, results: Path | None, overwrite: bool) -> PolicyReport:
    """Write a checkpoint into a folder as others get it; it appears whole or not at all.

    Parameters
    ----------
    model
        A checkpoint's `pretrained_model`.
    output
        The folder.
    results
        The file of an evaluation, where there was one.
    overwrite
        Replace the policy that is there.

    Raises
    ------
    UsageError
        The folder is taken, is read, or cannot be written.
    DataError
        The checkpoint holds no weights, or they cannot be read.

    """
    writable_folder(output, "--output", beside=True)
    if model.resolve().is_relative_to(output.resolve()):
        raise UsageError(f"--output {output} holds the policy that is read", fix="choose another --output")
    if output.exists():
        if not overwrite:
            raise UsageError(f"{output} exists", fix="add --overwrite to replace it, or choose another --output")
        if any(output.iterdir()) and not (output / _CONFIG).is_file():
            raise UsageError(
                f"{output} is not a policy, so --overwrite does not touch it", fix="choose another --output"
            )
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as work:
        built, old = Path(work) / "new", Path(work) / "old"
        built.mkdir()
        publishable(model, built, repo_id=str(output), license_=None, results=results)
        if output.exists():
            output.rename(old)
        built.rename(output)
    return PolicyReport(output, sum(path.stat().st_size for path in output.iterdir()))


def _as_bfloat16(source: Path, target: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    try:
        tensors = load_file(source)
    except Exception as error:  # the library has its own, without a common class
        raise DataError(f"{source} cannot be read: {error}", fix="use another checkpoint of the run") from error
    if any(name.startswith(_AVERAGE) for name in tensors):
        tensors = {name: value for name, value in tensors.items() if not name.startswith(_TRAINED)}
    smaller = {n: v.to(torch.bfloat16) if v.is_floating_point() else v for n, v in tensors.items()}
    save_file(smaller, target, metadata={"format": "pt"})
    target.chmod(_READABLE)  # safetensors lets nobody else read it


def _card(model: Path, run: Mapping[str, Any], repo_id: str, license_: str | None, results: Path | None) -> str:
    conventions = load_conventions(model) if (model / CONVENTIONS_FILE).is_file() else None
    record = conventions.record if conventions else None
    envs = list(record.env_ids) if record else []
    head = {
        **({"license": license_} if license_ else {}),
        "library_name": "lerobot",
        "pipeline_tag": "robotics",
        "tags": ["LeRobot", "mstool", *(["ManiSkill", *envs] if envs else [])],
    }
    kind = markdown_code(str(run.get("policy") or load_json(model / _CONFIG).get("type", "unknown")))
    made = ", ".join(markdown_code(env_id) for env_id in envs)
    lines = [
        front_matter(head),
        f"# {markdown_text(repo_id.rpartition('/')[2])}",
        f"A {kind} policy (LeRobot) trained" + (f" on ManiSkill3's {made}" if made else "") + " with mstool; bfloat16.",
    ]
    if run:
        rows = [("dataset", f"{markdown_code(str(run.get('dataset')))}, content {str(run.get('dataset_hash'))[:12]}")]
        rows += [("demos", _demos(conventions))] if conventions else []
        rows += [("start", markdown_text(str(run.get("start"))))]
        rows += [("tool", f"mstool {markdown_text(str(run.get('mstool')))}")]
        rows += [("training", f"{run['minutes']:g} minutes")] if "minutes" in run else []
        lines.append("## Training\n\n" + _table(("what", "how"), rows))
    if record:
        rows = [
            (markdown_text(name.replace("_", " ")), markdown_text(text)) for name, text in record.conventions.items()
        ]
        height, width = record.image_size
        rows += [("control mode", markdown_code(record.control_mode)), ("goal", markdown_text(record.goal))]
        rows += [("cameras", markdown_text(", ".join(record.views.values()) + f" at {height} x {width} pixels"))]
        lines.append(f"## Conventions of layout {markdown_code(record.layout)}\n\n" + _table(("what", "how"), rows))
    if results is not None:
        lines.append("## Evaluation\n\n" + _evaluation(load_json(results)))
    lines.append(
        "## How to use it\n\n"
        f"```bash\nmstool eval --policy {shlex.quote(repo_id)}\n"
        f"mstool finetune DATASET --policy {run.get('policy', 'flow')} --init {shlex.quote(repo_id)}\n```"
    )
    return "\n\n".join(lines) + "\n"


def _demos(conventions: Conventions) -> str:
    """Say how many demos of each task there were, and what was done to them."""
    named = [str(line.get("env_id")) for line in conventions.episodes]
    counts = ", ".join(f"{named.count(name)} of {markdown_code(name)}" for name in dict.fromkeys(named))
    held = max(conventions.record.hold_steps.values(), default=0)
    disturbed = sum(bool(line.get("disturbed")) for line in conventions.episodes)
    more = [f"holding still for {held} steps"] if held else []
    more += [f"{disturbed} begun off their way"] if disturbed else []
    return "; ".join([counts, *more])


def _evaluation(document: Mapping[str, Any]) -> str:
    rows = []
    for task in document["tasks"]:
        once, end = task["success_once"], task["success_at_end"]
        share = f"{once['successes']} of {once['episodes']} = {100 * once['rate']:.0f} %"
        interval = f"{100 * once['low']:.0f} to {100 * once['high']:.0f} %"
        rows.append(
            (markdown_code(task["env_id"]), share, interval, f"{100 * end['rate']:.0f} %", str(task.get("horizon", "")))
        )
    words = "Closed loop in ManiSkill on seeds that were not trained on (`mstool eval`), Wilson's 95 % intervals."
    return words + "\n\n" + _table(("task", "solved once", "95 %", "at the end", "horizon, steps"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
