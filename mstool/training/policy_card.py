"""A policy's card: what it was trained on and for how long, what its numbers mean, how often it solves its tasks."""

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mstool.dataset.conventions import Conventions, load_conventions
from mstool.dataset.files import CONVENTIONS_FILE
from mstool.markup import front_matter, markdown_code, markdown_text
from mstool.training.checkpoint_sidecar import CONFIG_FILE, read_part
from mstool.training.expected import UNDERTRAINED, is_undertrained
from mstool.training.held_out_demos import in_words


def policy_card(
    model: Path, run: Mapping[str, Any], name: str, license_: str | None, results: Mapping[str, Any] | None
) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    model
        A checkpoint's `pretrained_model`.
    run
        What is kept of its training, empty where nothing is.
    name, license_
        Of the repository or folder, and its license where there is one.
    results
        An evaluation's, where there was one.

    """
    conventions = load_conventions(model) if (model / CONVENTIONS_FILE).is_file() else None
    record = conventions.record if conventions else None
    config = read_part(model, CONFIG_FILE)
    envs = list(record.env_ids) if record else []
    head = {
        **({"license": license_} if license_ else {}),
        "library_name": "lerobot",
        "pipeline_tag": "robotics",
        "tags": ["LeRobot", "mstool", *(["ManiSkill", *envs] if envs else [])],
    }
    kind = markdown_code(str(run.get("policy") or config.get("type", "unknown")))
    made = ", ".join(markdown_code(env_id) for env_id in envs)
    lines = [
        front_matter(head),
        f"# {markdown_text(name.rpartition('/')[2])}",
        f"A {kind} policy (LeRobot) trained" + (f" on ManiSkill3's {made}" if made else "") + " with mstool; bfloat16.",
    ]
    if run:
        lines.append("## Training\n\n" + _training(run, conventions, config))
    if record:
        rows = [
            (markdown_text(name.replace("_", " ")), markdown_text(text)) for name, text in record.conventions.items()
        ]
        height, width = record.image_size
        rows += [("control mode", markdown_code(record.control_mode)), ("goal", markdown_text(record.goal))]
        rows += [("cameras", markdown_text(", ".join(record.views.values()) + f" at {height} x {width} pixels"))]
        lines.append(f"## Conventions of layout {markdown_code(record.layout)}\n\n" + _table(("what", "how"), rows))
    if results is not None:
        lines.append("## Evaluation\n\n" + _evaluation(results))
    lines.append(
        "## How to use it\n\n"
        f"```bash\nmstool eval --policy {shlex.quote(name)}\n"
        f"mstool finetune DATASET --policy {run.get('policy', 'flow')} --init {shlex.quote(name)}\n```"
    )
    return "\n\n".join(lines) + "\n"


def _training(run: Mapping[str, Any], conventions: Conventions | None, config: Mapping[str, Any]) -> str:
    trained, improved = run.get("trained", {}), run.get("improved", {})
    length = [f"{trained['steps']} steps, {trained['epochs']:g} epochs"] if trained else []
    length += [f"{run['minutes']:g} minutes"] if "minutes" in run else []
    loss = trained.get("loss")
    rows = [("dataset", f"{markdown_code(str(run.get('dataset')))}, content {str(run.get('dataset_hash'))[:12]}")]
    judged = trained.get("held_out", {})
    if conventions:
        rows += [("demos", _demos(conventions, improved.get("episodes", 0), judged.get("episodes", 0)))]
    rows += [("start", markdown_text(str(run.get("start"))))]
    rows += [("length before it was improved" if improved else "length", ", ".join(length))] if length else []
    rows += [("last loss" + (" before that" if improved else ""), f"{loss:.4g}")] if loss is not None else []
    if judged:
        rows += [("not trained on", in_words(judged))]
    rows += [("improved", f"on {improved['episodes']} episodes of its own")] if improved else []
    rows += [("tool", f"mstool {markdown_text(str(run.get('mstool')))}")]
    table = _table(("what", "how"), rows)
    seen = (-math.inf if loss is None else loss), trained.get("epochs", math.inf)
    short = not improved and is_undertrained(config, *seen)
    return f"{table}\n\n{UNDERTRAINED.capitalize()}." if short else table


def _demos(conventions: Conventions, own: int, held_out: float) -> str:
    """Say how many demos of each task there were, and what was done to them; the last `own` episodes are no demos."""
    demos = conventions.episodes[: len(conventions.episodes) - own]
    named = [str(line.get("env_id")) for line in demos]
    counts = ", ".join(f"{named.count(name)} of {markdown_code(name)}" for name in dict.fromkeys(named))
    held = max(conventions.record.hold_steps.values(), default=0)
    disturbed = sum(bool(line.get("disturbed")) for line in demos)
    more = [f"{held_out:.0f} of them not trained on"] if held_out else []
    more += [f"holding still for {held} steps"] if held else []
    more += [f"{disturbed} begun off their way"] if disturbed else []
    return "; ".join([counts, *more])


def _evaluation(document: Mapping[str, Any]) -> str:
    how = document["configuration"]
    seeds = how.get("seeds", {})
    rows = []
    for task in document["tasks"]:
        once, end = task["success_once"], task["success_at_end"]
        if once["episodes"]:
            share = f"{once['successes']} of {once['episodes']} = {100 * once['rate']:.0f} %"
            interval = f"{100 * once['low']:.0f} to {100 * once['high']:.0f} %"
            name, held = markdown_code(task["env_id"]), f"{100 * end['rate']:.0f} %"
            rows.append((name, share, interval, held, str(task["horizon"]), str(seeds.get(task["env_id"], ""))))
    replan = "all" if how.get("replan") is None else how["replan"]
    words = (
        "Closed loop on seeds that were not trained on (`mstool eval`), Wilson's 95 % intervals; of the evaluations of "
        f"this checkpoint the one with most episodes. Actions executed of a chunk: {replan}. mstool "
        f"{markdown_text(str(how['versions']['mstool']))}."
    )
    heads = ("task", "solved once", "95 %", "at the end", "horizon, steps", "seeds")
    return words + "\n\n" + _table(heads, rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
