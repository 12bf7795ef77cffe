"""A checkpoint that no dataset of ours describes, in the names of its own inputs.

It is served to clients of benchmarks that are not here (VLABench, a real arm): they know what its numbers mean, and
`mstool` need not. LeRobot's `observation.images.NAME` is openpi's `observation/NAME`, `observation.state` its
`observation/state`.
"""

from pathlib import Path
from typing import Any

from mstool.dataset.conventions import Conventions
from mstool.dataset.record import Record
from mstool.errors import DataError
from mstool.hub_files import read_json
from mstool.layouts.base import Layout
from mstool.layouts.native import NativeLayout
from mstool.paths import quoted

_STATE, _ACTION = "observation.state", "action"


def own_conventions(model: Path) -> Conventions:
    """Return what a checkpoint's `config.json` says of its inputs and actions, in layout `native`.

    Raises
    ------
    DataError
        It has no state, no action, no pictures, pictures of several sizes, or two of one name.

    """
    layout, config = NativeLayout(), read_json(model / "config.json")
    features: dict[str, Any] = {**(config.get("input_features") or {}), **(config.get("output_features") or {})}
    shapes = {name: [int(n) for n in each["shape"]] for name, each in features.items()}
    pictures = {name: shape for name, shape in shapes.items() if len(shape) == 3}
    views = {name: _view(layout, name) for name in pictures}
    sizes = {(height, width) for _, height, width in pictures.values()}
    wrong = [f"no {name}" for name in (_STATE, _ACTION) if name not in shapes]
    wrong += ["no pictures"] if not pictures else []
    wrong += [f"pictures of {len(sizes)} sizes"] if len(sizes) > 1 else []
    wrong += ["two pictures of one name"] if len(set(views.values())) < len(views) else []
    if wrong:
        raise DataError(
            f"{model} cannot be served under the names of its own inputs: {', '.join(wrong)}; the dataset that it was "
            "trained on says what they are",
            fix=f"mstool serve {quoted(model)} --dataset DATASET",
        )
    return Conventions(
        dataset="(none)",
        fps=0,
        features={
            **{name: {"dtype": "image", "shape": [*shape[1:], 3]} for name, shape in pictures.items()},
            **{name: {"dtype": "float32", "shape": shapes[name]} for name in (_STATE, _ACTION)},
        },
        record=Record(layout=layout.name, views=views, image_size=next(iter(sizes))),
        episodes=[],
    )


def _view(layout: Layout, column: str) -> str:
    """Return the view whose picture openpi's clients call as this column is called."""
    name = column.rpartition(".")[2]
    usual = {
        each: camera.view for camera in layout.cameras for each in (camera.openpi, camera.lerobot.rpartition(".")[2])
    }
    return usual.get(name) or name.removesuffix("_image")
