"""Finished episodes that are not what a command would make: refused, saying what changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.errors import UsageError

# Episodes named one by one before the rest is counted.
NAMED = 5


@dataclass(frozen=True)
class Mismatch:
    """One finished episode: what it was made from (`Recipe.made_from`) and what it would be made from now."""

    # `episode_id` in the demo file.
    episode: int
    # Empty for the marker of a version of mstool that did not note it.
    there: Mapping[str, Any]
    now: Mapping[str, Any]


def refusal(work: Path, mismatches: Sequence[Mismatch]) -> UsageError:
    """Return the error that names every difference between the shards in `work` and the present command."""
    lines = dict.fromkeys(line for mismatch in mismatches for line in _recipe_lines(mismatch))
    changed = {m.episode: _changed(m.there["demo"], m.now["demo"]) for m in mismatches if m.there}
    if episodes := [episode for episode, names in changed.items() if names]:
        what = ", ".join(dict.fromkeys(name for names in changed.values() for name in names))
        lines[f"demo content of {_named(episodes)}: {what}"] = None
    listed = "\n  ".join(lines)
    return UsageError(
        f"{work} holds {_count(len(mismatches))} finished by another conversion (another --output keeps them):"
        f"\n  {listed}",
        fix="run the same command with --fresh to start over, or choose another --output",
        change={"--fresh": True},
    )


def _recipe_lines(mismatch: Mismatch) -> list[str]:
    there, now = mismatch.there, mismatch.now
    if not there:
        return [f"tool_version: an older one there, {now['tool_version']} now"]
    return [
        f"{name.removesuffix('_name')}: {_shown(name, there.get(name))} there, {_shown(name, now.get(name))} now"
        for name in _changed(there, now)
        if name != "demo"
    ]


def _changed(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [name for name in dict.fromkeys([*there, *now]) if there.get(name) != now.get(name)]


def _shown(name: str, value: object) -> str:
    if isinstance(value, list):
        return ("x" if name == "image_size" else "+").join(map(str, value))
    return "the default" if value is None else str(value)


def _named(episodes: Sequence[int]) -> str:
    named = ", ".join(map(str, episodes[:NAMED]))
    more = f" and {len(episodes) - NAMED} more" if len(episodes) > NAMED else ""
    return f"episode{'s' if len(episodes) > 1 else ''} {named}{more}"


def _count(episodes: int) -> str:
    return "1 episode" if episodes == 1 else f"{episodes} episodes"
