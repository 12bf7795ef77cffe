"""Whether a checkpoint was trained on what its conventions say: the same views, sizes and dimensions."""

from collections.abc import Mapping
from typing import Any

from mstool.dataset.conventions import Conventions
from mstool.errors import DataError

# These mask the views that their base model knows and a dataset lacks, and resize pictures themselves.
_FLEXIBLE = {"pi0", "pi05", "pi0_fast", "smolvla"}
_EMPTY = "empty_camera"


def check_fit(config: Any, conventions: Conventions, renames: Mapping[str, str]) -> list[str]:
    """Compare a policy's features with those of its dataset.

    Parameters
    ----------
    config
        LeRobot's policy configuration.
    conventions
        What the dataset recorded.
    renames
        {dataset's column: name in the policy}, as the saved preprocessor renames.

    Returns
    -------
    What a person should know although it is not an error.

    Raises
    ------
    DataError
        A view that the policy looks at is not in the dataset, or a size or dimension differs; all are listed.

    """
    ours = {renames.get(name, name): (name, feature) for name, feature in conventions.features.items()}
    flexible = config.type in _FLEXIBLE
    wrong: list[str] = []
    notes: list[str] = []
    for name, feature in {**config.input_features, **config.output_features}.items():
        if _EMPTY in name:
            continue
        if name not in ours:
            absent = f"{name} is not a column of {conventions.dataset}"
            (notes if flexible and _is_picture(feature) else wrong).append(absent)
            continue
        column, known = ours[name]
        shape, expected = tuple(feature.shape), _shape(known)
        if shape != expected and not (flexible and _is_picture(feature)):
            wrong.append(f"{name} has shape {shape} in the policy, {expected} in {conventions.dataset} ({column})")
    if wrong:
        raise DataError(
            f"the {config.type} checkpoint does not fit the conventions beside it: {'; '.join(wrong)}",
            fix="train it with mstool finetune, which writes both together, or copy the right mstool_conventions.json",
        )
    return [f"note: {note}: the policy runs without it" for note in notes]


def _is_picture(feature: Any) -> bool:
    return len(feature.shape) == 3


def _shape(feature: Mapping[str, Any]) -> tuple[int, ...]:
    """Return a column's shape as LeRobot's policies state it: pictures channels first."""
    shape = tuple(int(n) for n in feature["shape"])
    if feature["dtype"] in {"image", "video"} and len(shape) == 3 and shape[2] == 3:
        return shape[2], shape[0], shape[1]
    return shape
