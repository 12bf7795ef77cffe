"""The results that lie in a folder: each configuration has a place of its own, and what was measured there stays.

    FOLDER/results.json, report.md, films/              the configuration that was evaluated first
    FOLDER/other-<fingerprint>/results.json, ...        each other one
    FOLDER/outcomes-<fingerprint>.jsonl                 every episode of all of them

A place holds all episodes of its configuration, whichever evaluation asked for them.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mstool.dataset.files import RESULTS_FILE
from mstool.errors import DataError
from mstool.evaluation.configuration import SEEDS, differences, fingerprint
from mstool.evaluation.markdown_report import REPORT
from mstool.evaluation.outcomes import Outcome, OutcomeLog
from mstool.evaluation.plan import EvalTask
from mstool.evaluation.policies.checkpoint import content_hash, in_run, results_folder
from mstool.evaluation.results import TaskResult, read_results
from mstool.progress import Notify

_OTHER = "other-"
# In the configuration of a diagnosis: what it looked at.
DIAGNOSIS = "diagnosis"


def find_place(folder: Path, common: Mapping[str, Any], tasks: Sequence[EvalTask], notify: Notify) -> Path:
    """Return where the results of a configuration go: `folder`, unless that holds another's.

    Parameters
    ----------
    folder
        Where the user wants them.
    common, tasks
        The configuration: what is the same for all tasks, and each one's sentence and horizon.
    notify
        Told where they go instead, and why.

    """
    places = _places(folder)
    unlike = {place: _differences(document, common, tasks) for place, document in places.items()}
    same = next((place for place, different in unlike.items() if not different), None)
    if same is None and not any((folder / name).exists() for name in (RESULTS_FILE, REPORT)):
        return folder
    place = same or folder / f"{_OTHER}{_fingerprint(common, tasks)}"
    if place != folder:
        why = "; ".join(unlike.get(folder, ["what mstool eval did not write"])[:3])
        notify(f"{folder} holds results of another configuration ({why}): these go to {place}")
    return place


def all_measured(
    place: Path, tasks: Sequence[TaskResult], logs: Mapping[str, OutcomeLog], *, fresh: bool
) -> list[TaskResult]:
    """Return `tasks` with all that was measured of them, and the other tasks whose results lie in `place`.

    Parameters
    ----------
    place
        What `find_place` returned.
    tasks
        What an evaluation found.
    logs
        {environment of `tasks`: its outcomes}.
    fresh
        What lies there of `tasks` is to be forgotten.

    """
    earlier = {task.env_id: task for task in map(TaskResult.from_json, _read(place).get("tasks", []))}
    found = dict(earlier)
    for task in tasks:
        known: dict[tuple[str, int], Outcome] = {}
        if not fresh:
            before = earlier[task.env_id].outcomes if task.env_id in earlier else []
            known = {outcome.key: outcome for outcome in before} | logs[task.env_id].read()
        known |= {outcome.key: outcome for outcome in task.outcomes}
        found[task.env_id] = replace(task, outcomes=sorted(known.values(), key=lambda outcome: outcome.seed))
    return list(found.values())


def timing_of(place: Path, timing: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an evaluation's timing, or of one that ran nothing the one that lies in `place`."""
    earlier: Mapping[str, Any] = _read(place).get("timing", {})
    return earlier if earlier and not timing["episodes"] else timing


def best_known(model: Path) -> dict[str, Any] | None:
    """Return the results that are published with a checkpoint, None where there are none of it.

    Of a checkpoint in a run those of its weights as they are, and of several configurations the one with most episodes,
    of equals the latest; no diagnosis. Any other checkpoint has those that lie in it.
    """
    if not in_run(model):
        return _read(model) or None
    content = content_hash(model)
    own = [
        (_episodes(document), (place / RESULTS_FILE).stat().st_mtime, document)
        for place, document in _places(results_folder(model)).items()
        if document.get("configuration", {}).get("policy", {}).get("content") == content
        and DIAGNOSIS not in document["configuration"]
    ]
    return max(own, key=lambda each: each[:2])[2] if own else None


def _places(folder: Path) -> dict[Path, dict[str, Any]]:
    """Return the places in a folder that hold results, its own first."""
    candidates = [folder, *sorted(folder.glob(f"{_OTHER}*"))]
    return {place: document for place in candidates if (document := _read(place))}


def _read(place: Path) -> dict[str, Any]:
    """Return the results in a folder, empty where there are none of ours."""
    try:
        return read_results(place) if (place / RESULTS_FILE).is_file() else {}
    except DataError:
        return {}


def _differences(document: Mapping[str, Any], common: Mapping[str, Any], tasks: Sequence[EvalTask]) -> list[str]:
    there = {name: value for name, value in document.get("configuration", {}).items() if name != SEEDS}
    found = differences(there, json.loads(json.dumps(common)))
    own = {task.env_id: {"prompt": task.prompt, "horizon": task.horizon} for task in tasks}
    for task in document.get("tasks", []):
        if mine := own.get(task["env_id"]):
            found += differences({name: task[name] for name in mine}, mine, f"{task['env_id']}.")
    return found


def _fingerprint(common: Mapping[str, Any], tasks: Sequence[EvalTask]) -> str:
    each = "".join(fingerprint(common, task) for task in tasks)
    return hashlib.blake2b(each.encode(), digest_size=6).hexdigest()


def _episodes(document: Mapping[str, Any]) -> int:
    return int(document["total"]["success_once"]["episodes"])
