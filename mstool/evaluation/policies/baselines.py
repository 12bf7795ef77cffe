"""The bounds that a trained policy is seen between: random actions, and a dataset's own."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mstool.contract import Array
from mstool.dataset.conventions import Conventions, load_conventions
from mstool.dataset.files import Unavailable
from mstool.dataset.training_stats import dataset_stats
from mstool.dataset.vectors import actions_of
from mstool.dataset.view import DatasetView
from mstool.errors import DataError, UsageError
from mstool.evaluation.policy import Observation, Traits
from mstool.evaluation.scene import controller_of, layout_of
from mstool.paths import quoted

# Actions that a random policy draws at a time.
_CHUNK = 8
# Control modes whose actions are fractions of the controller's range: -1 to 1.
_NORMALISED = ("pd_ee_delta_pose", "pd_ee_delta_pos", "pd_joint_delta_pos")


class RandomPolicy:
    """The lower bound: every dimension uniform, a function of seed and step.

    With a dataset, between the smallest and the largest action it holds; without, over the whole range of the
    controller, which only the delta control modes have.

    Raises
    ------
    UsageError
        The control mode has no range and there is no dataset.

    """

    name = "random"

    def __init__(self, conventions: Conventions, dataset: Path | None = None) -> None:
        self._layout, self._mode = layout_of(conventions), conventions.record.control_mode
        self._conventions = conventions
        self._width = _action_width(conventions)
        self._range: tuple[Array, Array] | None = None
        if dataset is not None:
            stats = dataset_stats(dataset).action
            self._range = stats["min"], stats["max"]
        elif self._mode not in _NORMALISED:
            raise UsageError(
                f"--policy random: actions of {self._mode} have no range of their own",
                fix="add --dataset DATASET: its smallest and largest actions",
            )
        bounds = [values.tolist() for values in self._range] if self._range else "controller"
        self.traits = Traits(sees=False, identity={"kind": "random", "range": bounds})

    def reset(self, slot: int, env_id: str, seed: int) -> None:
        """Keep nothing."""

    def act(self, slots: Sequence[int], observations: Sequence[Observation]) -> list[Array]:  # noqa: ARG002
        """Draw a chunk (8, D) for each."""
        return [self._draw(seen) for seen in observations]

    def close(self) -> None:
        """Hold nothing."""

    def _draw(self, seen: Observation) -> Array:
        random = np.random.default_rng([seen.seed, seen.step])
        if self._range is not None:
            low, high = self._range
            return random.uniform(low, high, (_CHUNK, len(low))).astype(np.float32)
        drawn = random.uniform(-1, 1, (_CHUNK, self._width)).astype(np.float32)
        return self._layout.encode_action(drawn, controller_of(self._conventions, seen.env_id), self._mode)


class ReplayPolicy:
    """The stored actions of a dataset, each episode from its recorded seed.

    Raises
    ------
    UsageError, DataError
        There is no such dataset, or its actions mean something else than `conventions` says.

    """

    def __init__(self, root: Path, conventions: Conventions) -> None:
        own = load_conventions(root)
        own.need_seeds()
        for what, stored, wanted in own.record.differences(
            conventions.record, ("layout", "control_mode", "controller")
        ):
            raise DataError(
                f"{root} stores actions of another kind: {what} is {stored}, not {wanted}",
                fix=f"mstool eval --policy {quoted(f'replay:{root}')}",
            )
        self._actions = _stored_actions(root, own)
        self._slots: dict[int, Array] = {}
        self.name = f"replay:{own.dataset}"
        digest = hashlib.blake2b(digest_size=12)
        for (env_id, seed), actions in self._actions.items():
            digest.update(f"{env_id} {seed}".encode() + actions.tobytes())
        self.traits = Traits(sees=False, ends_episodes=True, identity={"kind": "replay", "content": digest.hexdigest()})

    def reset(self, slot: int, env_id: str, seed: int) -> None:
        """Look the slot's episode up."""
        if (env_id, seed) not in self._actions:
            raise UsageError(f"{self.name} has no episode of {env_id} with seed {seed}")
        self._slots[slot] = self._actions[env_id, seed]

    def act(self, slots: Sequence[int], observations: Sequence[Observation]) -> list[Array]:
        """Return all actions that are left; none when the episode is over."""
        return [self._slots[slot][seen.step :] for slot, seen in zip(slots, observations, strict=True)]

    def close(self) -> None:
        """Forget the actions."""
        self._slots.clear()


def _stored_actions(root: Path, conventions: Conventions) -> dict[tuple[str, int], Array]:
    """Return {(environment, seed): actions (T, D) float32}."""
    data = DatasetView(root)
    episodes = {int(line["episode_index"]): line for line in conventions.episodes}
    try:
        return {
            (str(line["env_id"]), int(line["seed"])): actions_of(data, rows).astype(np.float32)
            for rows in data.rows()
            if (line := episodes.get(rows.episode)) is not None
        }
    except Unavailable as error:
        raise DataError(f"{root}: {error}", fix=f"mstool validate {quoted(root)}") from error


def _action_width(conventions: Conventions) -> int:
    for name in ("action", "actions"):
        if name in conventions.features:
            return int(conventions.features[name]["shape"][0])
    raise DataError(f"{conventions.dataset} has no column for the actions")
