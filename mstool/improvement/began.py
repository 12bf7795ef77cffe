"""What a run began with, which it goes on with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mstool.errors import UsageError
from mstool.evaluation.plan import EvalTask
from mstool.improvement.options import ImproveOptions
from mstool.improvement.schedule import Schedule

# What a run that goes on cannot change, beside its tasks, their horizons and its seeds; and what it can.
_FIXED = ("method", "replan", "batch_size", "lr", "alpha", "gamma", "seed", "updates", "critic_episodes")
_FREE = ("minutes", "episodes", "demo_updates")


def asked(options: ImproveOptions, tasks: Sequence[EvalTask], first_seed: int) -> dict[str, Any]:
    """Return plain data: what a run is asked for, for its checkpoints."""
    return {
        **{name: getattr(options, name) for name in (*_FIXED, *_FREE)},
        "dataset": str(options.dataset.resolve()) if options.dataset else None,
        "env": [task.env_id for task in tasks],
        "horizon": [task.horizon for task in tasks],
        "seed_start": first_seed,
    }


def taken_over(options: ImproveOptions, began: Mapping[str, Any]) -> ImproveOptions:
    """Return the options of a run that goes on: those that were not given are as it began."""
    names = [name for name in (*_FIXED, *_FREE, "seed_start") if not options.says(name)]
    taken = {name: began[name] for name in names if name in began}
    if not options.envs:
        taken["envs"] = tuple(began["env"])
    horizons = set(began.get("horizon", ()))
    if options.horizon is None and len(horizons) == 1:
        taken["horizon"] = horizons.pop()
    if options.dataset is None and began.get("dataset"):
        taken["dataset"] = Path(began["dataset"])
    return replace(options, **taken)


def check_unchanged(options: ImproveOptions, began: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse what a run that goes on cannot change; the same value again is not a change.

    Raises
    ------
    UsageError
        It began with something else.

    """
    names = (*_FIXED, "seed_start", "env", *(["horizon"] if began["env"] == now["env"] else []))
    changed = [name for name in names if name in began and began[name] != now[name]]
    if changed:
        words = ["--" + name.replace("_", "-") for name in changed]
        before = ", ".join(f"{name} {_word(began[name])}" for name in changed)
        raise UsageError(
            f"--resume goes on as the run began: {', '.join(words)} cannot change (it was {before})",
            fix=options.command(**dict.fromkeys(changed)),
            change=dict.fromkeys(words),
        )


def check_left(options: ImproveOptions, state: Mapping[str, Any]) -> None:
    """Refuse a run that is over.

    Parameters
    ----------
    options
        They say how long, and how many episodes.
    state
        What its last checkpoint keeps.

    Raises
    ------
    UsageError
        Nothing is left of its minutes, or of its episodes.

    """
    schedule, episodes = Schedule(options, state["seconds"], state["encoded"]), len(state["lines"])
    if schedule.time_over and any(point["phase"] == "online" for point in state["points"]):
        had = f"for {state['seconds'] / 60:.1f} of {options.seconds / 60:g} minutes"
        more = {"minutes": 2 * math.ceil(max(options.seconds, state["seconds"]) / 60)}
    elif schedule.enough(episodes):
        had, more = f"from {episodes} of {options.episodes} episodes", {"episodes": 2 * episodes}
    else:
        return
    raise UsageError(
        f"the run has learnt {had}: nothing is left",
        fix=options.command(**more),
        change={f"--{name}": value for name, value in more.items()},
    )


def _word(value: object) -> str:
    return ",".join(dict.fromkeys(map(str, value))) if isinstance(value, list) else str(value)
