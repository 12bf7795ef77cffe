"""A checkpoint as others get it: bfloat16 weights, what they mean, a card; nothing of the machine that trained it."""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mstool.dataset.conventions import load_conventions
from mstool.dataset.files import CONVENTIONS_FILE
from mstool.errors import DataError
from mstool.json_files import load_json
from mstool.markup import front_matter, markdown_code, markdown_text
from mstool.training.checkpoint_sidecar import RUN_FILE, read_run

CARD = "README.md"
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


def _card(model: Path, run: Mapping[str, Any], repo_id: str, license_: str | None, results: Path | None) -> str:
    record = load_conventions(model).record if (model / CONVENTIONS_FILE).is_file() else None
    envs = list(record.env_ids) if record else []
    head = {
        **({"license": license_} if license_ else {}),
        "library_name": "lerobot",
        "pipeline_tag": "robotics",
        "tags": ["LeRobot", "mstool", *(["ManiSkill", *envs] if envs else [])],
    }
    kind = markdown_code(str(run.get("policy") or load_json(model / "config.json").get("type", "unknown")))
    made = ", ".join(markdown_code(env_id) for env_id in envs)
    lines = [
        front_matter(head),
        f"# {markdown_text(repo_id.rpartition('/')[2])}",
        f"A {kind} policy (LeRobot) trained" + (f" on ManiSkill3's {made}" if made else "") + " with mstool; bfloat16.",
    ]
    if run:
        rows = [("dataset", f"{markdown_code(str(run.get('dataset')))}, content {str(run.get('dataset_hash'))[:12]}")]
        rows += [("start", markdown_text(str(run.get("start"))))]
        rows += [("tool", f"mstool {markdown_text(str(run.get('mstool')))}")]
        rows += [("training", f"{run['minutes']:g} minutes")] if "minutes" in run else []
        lines.append("## Training\n\n" + _table(("what", "how"), rows))
    if record:
        rows = [
            (markdown_text(name.replace("_", " ")), markdown_text(text)) for name, text in record.conventions.items()
        ]
        rows += [("control mode", markdown_code(record.control_mode)), ("goal", markdown_text(record.goal))]
        rows += [("cameras", markdown_text(", ".join(record.views.values()) + f" at {list(record.image_size)} pixels"))]
        lines.append(f"## Conventions of layout {markdown_code(record.layout)}\n\n" + _table(("what", "how"), rows))
    if results is not None:
        lines.append("## Evaluation\n\n" + _evaluation(load_json(results)))
    lines.append(
        "## How to use it\n\n"
        f"```bash\nmstool eval --policy {repo_id}\nmstool finetune DATASET --policy {run.get('policy', 'flow')} "
        f"--init {repo_id}\n```"
    )
    return "\n\n".join(lines) + "\n"


def _evaluation(document: Mapping[str, Any]) -> str:
    rows = []
    for task in document["tasks"]:
        once, end = task["success_once"], task["success_at_end"]
        share = f"{once['successes']} of {once['episodes']} = {100 * once['rate']:.0f} %"
        interval = f"{100 * once['low']:.0f} to {100 * once['high']:.0f} %"
        rows.append((markdown_code(task["env_id"]), share, interval, f"{100 * end['rate']:.0f} %"))
    words = "Closed loop in ManiSkill on seeds that were not trained on (`mstool eval`), Wilson's 95 % intervals."
    return words + "\n\n" + _table(("task", "solved once", "95 %", "at the end"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
