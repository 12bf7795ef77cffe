"""An observation as openpi's clients send it, and back: the keys of LIBERO and of DROID.

A layout's openpi names give the keys (read in openpi's `examples/libero/main.py` and `examples/droid/main.py`):

=============================  ======================================================================
layout                         keys
=============================  ======================================================================
libero, joint, tcp, native     observation/image, observation/wrist_image, observation/state, prompt
droid                          observation/exterior_image_1_left, observation/exterior_image_2_left,
                               observation/wrist_image_left, observation/joint_position,
                               observation/gripper_position, prompt
=============================  ======================================================================

Pictures are sent as the simulator draws them, uint8 (H, W, 3). openpi's example clients resize them to 224x224 with
padding first, to save bandwidth; its configs do the same on arrival with the same function (`transforms.ResizeImages`),
so a model sees the same picture either way. `fit` turns such a picture back for a policy that was trained on another
size. openpi's DROID client sends one exterior view; a server needs as many views as its policy was trained on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from mstool.contract import Array
from mstool.dataset.conventions import Conventions
from mstool.errors import DataError
from mstool.evaluation.policy import Observation
from mstool.evaluation.scene import dataset_views, layout_of

PROMPT = "prompt"
# The key of what openpi's protocol has no place for. In a server's metadata: which policy it serves; `run_openpi.py`
# says so too. In an observation: environment, seed and step, on which a policy's noise depends; sent only to a server
# whose metadata has READS_EPISODE there.
OURS = "mstool"
READS_EPISODE = "reads_episode"
_PREFIX = "observation/"
_GOAL = f"{_PREFIX}goal"


@dataclass(frozen=True)
class ObservationKeys:
    """Which key of a message holds what."""

    # View name: key.
    images: Mapping[str, str]
    # Key: the dimensions of the state it holds.
    state: Mapping[str, slice]
    # Width S of the state, and (height, width) of the pictures, as in the dataset.
    state_dims: int
    image_size: tuple[int, int]
    # Key of the goal marker's position, where the dataset stores it; openpi has no such thing and ignores it.
    goal: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every key that a message must have."""
        return (*self.images.values(), *self.state, *([self.goal] if self.goal else []), PROMPT)


def observation_keys(conventions: Conventions) -> ObservationKeys:
    """Return the keys of observations in a dataset's layout."""
    layout = layout_of(conventions)
    views = dataset_views(conventions)
    state = {_PREFIX + name: part for name, part in layout.openpi_state}
    height, width = conventions.record.image_size
    return ObservationKeys(
        images={camera.view: _PREFIX + camera.openpi for camera in layout.cameras_of(views)},
        state=state,
        state_dims=vector_dims(conventions, "observation.state", *(name for name, _ in layout.openpi_state)),
        image_size=(int(height), int(width)),
        goal=_GOAL if conventions.record.goal == "state" else "",
    )


def vector_dims(conventions: Conventions, v3: str, *v21: str) -> int:
    """Return the width of a vector: that of its column in v3.0, or of its columns in v2.1 together."""
    table = conventions.features
    return int(sum(table[name]["shape"][0] for name in ([v3] if v3 in table else v21)))


def to_message(observation: Observation, keys: ObservationKeys, *, ours: bool = False) -> dict[str, Any]:
    """Write an observation as openpi's clients do; for `mstool serve` (`ours`) with the episode it is from."""
    message: dict[str, Any] = {key: np.ascontiguousarray(observation.images[v]) for v, key in keys.images.items()}
    message |= {key: np.asarray(observation.state[part], np.float32) for key, part in keys.state.items()}
    if keys.goal and observation.goal is not None:
        message[keys.goal] = np.asarray(observation.goal, np.float32)
    message[PROMPT] = observation.prompt
    if ours:
        message[OURS] = {"env_id": observation.env_id, "seed": observation.seed, "step": observation.step}
    return message


def from_message(message: object, keys: ObservationKeys, env_id: str, seed: int, step: int) -> Observation:
    """Read what a client sent; environment, seed and step are taken from it where it says them.

    Raises
    ------
    DataError
        Keys are missing, or something is not of the shape or type that the policy was trained on.

    """
    if not isinstance(message, dict):
        raise DataError(f"an observation is a dict, this is a {type(message).__name__}")
    missing = [name for name in keys.names if name not in message]
    if missing:
        raise DataError(
            f"the observation lacks {', '.join(missing)}; it has {', '.join(sorted(map(str, message))) or 'nothing'}"
        )
    prompt = message[PROMPT]
    state = np.concatenate([np.atleast_1d(_numbers(message, key)) for key in keys.state])
    if state.shape != (keys.state_dims,):
        raise DataError(
            f"{' + '.join(keys.state)} is of shape {state.shape}, the policy's state is ({keys.state_dims},)"
        )
    said = message.get(OURS)
    episode: dict[str, Any] = {"env_id": env_id, "seed": seed, "step": step} | (said if isinstance(said, dict) else {})
    return Observation(
        images={view: _picture(message[key], key, keys.image_size) for view, key in keys.images.items()},
        state=state,
        prompt=prompt.decode() if isinstance(prompt, bytes) else str(prompt),
        env_id=str(episode["env_id"]),
        seed=int(episode["seed"]),
        step=int(episode["step"]),
        goal=_numbers(message, keys.goal) if keys.goal else None,
    )


def fit(picture: Array, size: tuple[int, int]) -> Array:
    """Bring a picture, uint8 (h, w, 3), to (height, width), without the black bars that a resize with padding added."""
    if picture.shape[:2] == size:
        return picture
    height, width = picture.shape[:2]
    ratio = max(size[0] / height, size[1] / width)
    inner_height, inner_width = max(1, int(size[0] / ratio)), max(1, int(size[1] / ratio))
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    inner = picture[top : top + inner_height, left : left + inner_width]
    return np.asarray(Image.fromarray(inner).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _picture(value: object, key: str, size: tuple[int, int]) -> Array:
    picture = np.asarray(value)
    if picture.ndim == 3 and picture.shape[0] == 3 and picture.shape[2] != 3:
        picture = np.moveaxis(picture, 0, 2)
    if np.issubdtype(picture.dtype, np.floating):  # openpi takes 0..1 as well
        picture = (255 * np.clip(picture, 0, 1)).astype(np.uint8)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or 0 in picture.shape:
        raise DataError(f"{key} is {picture.dtype} {picture.shape}, an image is uint8 (H, W, 3)")
    return fit(picture, size)


def _numbers(message: Mapping[str, Any], key: str) -> Array:
    try:
        numbers = np.asarray(message[key], np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"{key} is not made of numbers: {error}") from error
    if not np.isfinite(numbers).all():
        raise DataError(f"{key} holds a number that is not finite")
    return numbers
