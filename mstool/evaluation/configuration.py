"""Everything that decides an evaluation's outcomes, and its fingerprint."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mstool import __version__
from mstool.dataset.conventions import Conventions
from mstool.evaluation.plan import EvalTask
from mstool.evaluation.policy import Traits
from mstool.evaluation.scene import simulator_spec
from mstool.installation import installed
from mstool.simulators.benchmarks import benchmark_of

# Of which the outcomes depend whatever the benchmark.
_PACKAGES = ("numpy", "torch", "lerobot")
# In results: what of a configuration an evaluation may add to.
SEEDS = "seeds"


def configuration(
    envs: Sequence[str],
    conventions: Conventions | None,
    traits: Traits,
    *,
    views: tuple[str, ...],
    replan: int | None,
    ensemble: float | None,
    hold: int | None,
) -> dict[str, Any]:
    """Return as plain JSON data what is the same for all tasks."""
    benchmarks = {benchmark.name: benchmark for benchmark in map(benchmark_of, envs)}
    packages = [name for benchmark in benchmarks.values() for name in benchmark.packages]
    scene: dict[str, Any] = {}
    if conventions is not None:
        spec = simulator_spec(conventions, "", views)
        scene = {
            "dataset": conventions.dataset,
            "layout": conventions.record.layout,
            "control_mode": conventions.record.control_mode,
            "controller": dict(conventions.record.controller),
            "fps": conventions.fps,
            "robot_uids": spec.robot,
            "views": list(views),
            "image_size": list(spec.image_size),
            "goal": conventions.record.goal,
            "render_detail": spec.render_detail,
        }
    return {
        "policy": dict(traits.identity),
        "scene": scene,
        "replan": replan,
        "ensemble": ensemble,
        "hold": hold,
        "versions": {"mstool": __version__, **{name: installed(name) for name in (*packages, *_PACKAGES)}},
    }


def fingerprint(common: Mapping[str, Any], task: EvalTask) -> str:
    """Hash the configuration of one task, its seeds apart: equal fingerprints, comparable outcomes."""
    own = {"env_id": task.env_id, "prompt": task.prompt, "horizon": task.horizon}
    text = json.dumps({**common, "task": own}, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def spans(seeds: Iterable[int]) -> str:
    """Return seeds in words: `10000..10039, 20000`."""
    found: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if found and seed == found[-1][-1] + 1:
            found[-1][1:] = [seed]
        else:
            found.append([seed])
    return ", ".join("..".join(map(str, span)) for span in found)


def differences(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return in words where two configurations differ."""
    found = []
    for name in dict.fromkeys([*first, *second]):
        ours, theirs = first.get(name), second.get(name)
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            found += differences(ours, theirs, f"{prefix}{name}.")
        elif ours != theirs:
            found.append(f"{prefix}{name}: {_short(ours)} and {_short(theirs)}")
    return found


def _short(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
