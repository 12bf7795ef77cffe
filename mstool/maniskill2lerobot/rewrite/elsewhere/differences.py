"""What keeps datasets made elsewhere from being one, each with what can be done about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mstool.dataset.column_names import flat_names
from mstool.dataset.view import is_depth
from mstool.maniskill2lerobot.rewrite.elsewhere.source import Source


@dataclass(frozen=True)
class Difference:
    """One of them."""

    text: str
    # The column that can be dropped, "" where nothing helps.
    column: str


def differences(sources: Sequence[Source]) -> list[Difference]:
    """Compare every dataset with the first; empty when they fit."""
    return [found for other in sources[1:] for found in _between(sources[0], other)]


def _between(first: Source, other: Source) -> Iterator[Difference]:
    pair = f"{first.root.name} and {other.root.name}"
    if first.info.fps != other.info.fps:
        yield Difference(f"{pair}: {first.info.fps:g} and {other.info.fps:g} fps", "")
    if first.robot_type != other.robot_type:
        yield Difference(f"{pair}: robot {first.robot_type or 'not named'} and {other.robot_type or 'not named'}", "")
    ours, theirs = first.features, other.features
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        if name not in ours or name not in theirs:
            without = other if name in ours else first
            yield Difference(f"{pair}: {without.root.name} has no column {name}", name)
            continue
        left, right = _form(ours[name]), _form(theirs[name])
        said = [f"{what} {left[what]} and {right[what]}" for what in left if left[what] != right[what]]
        if said:
            yield Difference(f"{pair}: column {name} is {'; '.join(said)}", name)


def _form(feature: dict[str, Any]) -> dict[str, Any]:
    picture = feature["dtype"] in {"image", "video"}
    names = ["channels" if name == "channel" else name for name in flat_names(feature.get("names"))]
    return {
        "dtype": feature["dtype"],
        "shape": list(feature["shape"]),
        "names": names or None,
        **({"depth": is_depth(feature)} if picture else {}),
    }
