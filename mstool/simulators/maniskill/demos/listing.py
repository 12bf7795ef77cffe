"""The `.json` beside a demo file: how its environment was made, and what every episode began from."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mstool.errors import DataError
from mstool.json_files import load_json

# What numpy, and so ManiSkill, takes as a seed.
LARGEST_SEED = 2**32 - 1


def read_listing(path: Path) -> dict[str, Any]:
    """Return what the file holds: `env_info` and `episodes`, both checked for what every demo must say.

    Raises
    ------
    DataError
        It is missing, is not JSON, or does not name its environment and its episodes.

    """
    if not path.is_file():
        raise DataError(f"{path} is missing: ManiSkill keeps an episode's seed and control mode there")
    try:
        listing = load_json(path)
    except ValueError as error:
        what = "is empty" if not path.stat().st_size else f"is not valid JSON: {error}"
        raise DataError(f"{path} {what}") from error
    if not isinstance(listing, dict):
        raise DataError(f"{path} holds a {type(listing).__name__}, expected an object with env_info and episodes")
    env_info = listing.get("env_info")
    if not isinstance(env_info, dict) or not env_info.get("env_id"):
        raise DataError(f"{path} does not name its environment (env_info.env_id)")
    _object(env_info, "env_kwargs", f"{path}: env_info")
    _check_episodes(listing.get("episodes"), path)
    return listing


def seed_of(episode: Mapping[str, Any]) -> int:
    """Return the seed that an episode was reset with.

    Raises
    ------
    DataError
        There is none, or none that an environment takes.

    """
    where = f"episode {episode['episode_id']}"
    seed = _object(episode, "reset_kwargs", where).get("seed", episode.get("episode_seed"))
    if seed is None:
        raise DataError(f"{where} has no seed")
    # One seed per parallel environment, of which demos have one.
    single = seed[0] if isinstance(seed, list) and seed else seed
    if isinstance(single, bool) or not isinstance(single, int) or not 0 <= single <= LARGEST_SEED:
        raise DataError(f"{where} has the seed {seed!r}, expected a whole number from 0 to {LARGEST_SEED}")
    return single


def reset_options_of(episode: Mapping[str, Any]) -> dict[str, Any]:
    """Return the further options that an episode was reset with."""
    where = f"episode {episode['episode_id']}"
    return _object(_object(episode, "reset_kwargs", where), "options", f"{where}: reset_kwargs")


def _check_episodes(episodes: Any, path: Path) -> None:
    if not isinstance(episodes, list) or not episodes:
        raise DataError(f"{path} lists no episodes")
    for i, episode in enumerate(episodes):
        if not isinstance(episode, dict) or "episode_id" not in episode:
            raise DataError(f"{path}: episode {i} has no episode_id")
        if not re.fullmatch(r"\d{1,18}", str(episode["episode_id"]), re.ASCII):
            raise DataError(f"{path}: episode {i} has the episode_id {episode['episode_id']!r:.40}, expected a number")
    twice = [id_ for id_, count in Counter(str(episode["episode_id"]) for episode in episodes).items() if count > 1]
    if twice:
        raise DataError(f"{path} lists an episode more than once: {', '.join(twice[:10])}")


def _object(parent: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    """Return an entry that must be an object; an empty one where it is missing or null."""
    value = parent.get(name)
    if value is not None and not isinstance(value, dict):
        raise DataError(f"{where}.{name} is {value!r}, expected an object")
    return value or {}
