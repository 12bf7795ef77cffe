"""A LeRobot checkpoint of any policy type, with the processors that were saved beside it."""

import contextlib
import copy
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.dataset.column_names import GOAL_COLUMN
from mstool.dataset.conventions import Conventions
from mstool.evaluation.checkpoint_features import check_fit
from mstool.evaluation.policies.checkpoint import content_hash, find_checkpoint
from mstool.evaluation.policies.lerobot_checkpoint import load_checkpoint
from mstool.evaluation.policy import Observation, Traits
from mstool.paths import checkpoint_name
from mstool.progress import Notify
from mstool.torch_device import choose_device

# Policies whose `predict_action_chunk` needs what `select_action` has gathered, beside those with `n_obs_steps` > 1.
_STATEFUL = {"tdmpc", "gaussian_actor", "lingbot_va"}
# These take noise among their **kwargs.
_NOISE_IN_KWARGS = {"pi0", "pi05"}


class LerobotPolicy:
    """Predicts chunks for all waiting episodes in one batch.

    A batch always has as many rows as there are slots, filled up with copies, and an episode's noise depends on its
    seed and step alone: what a policy answers does not depend on which other episodes happen to wait with it. That
    holds for policies that take their noise as an argument (flow, pi0, pi05, smolvla, diffusion) and for those that
    need none (act); others draw it from a generator that is seeded with the first row's seed and step.

    A policy with a history of observations (`n_obs_steps` > 1) keeps one of its own per slot, is asked at every step,
    one slot at a time, and replans as its configuration says.

    Raises
    ------
    UsageError
        There is no checkpoint, or no such kind of device.
    DataError
        The checkpoint cannot be loaded, or was trained on something else than `conventions` says.
    SetupError
        The policy type needs a package that is not installed.

    """

    def __init__(
        self,
        spec: str,
        conventions: Conventions,
        *,
        device: str = "auto",
        slots: int = 1,
        notify: Notify = print,
    ) -> None:
        import torch

        self._torch = torch
        self._folder = find_checkpoint(spec)
        self._views = dict(conventions.record.views)
        self._slots = slots
        self.device = choose_device(device)
        loaded = load_checkpoint(self._folder, self.device)
        self.config, self.policy = loaded.config, loaded.policy
        self._before, self._after, self._steering = loaded.before, loaded.after, loaded.steering
        self.name = f"{self.config.type} {checkpoint_name(self._folder)}"
        for note in check_fit(self.config, conventions, self._renames()):
            notify(note)
        stateful = (getattr(self.config, "n_obs_steps", None) or 1) > 1 or self.config.type in _STATEFUL
        self._noise_shape = None if stateful else _noise_shape(self.policy, self.config)
        self._own: dict[int, Any] = {}
        self.traits = Traits(
            replan=1 if stateful else getattr(self.config, "n_action_steps", None),
            stateful=stateful,
            identity={
                "kind": "lerobot",
                "type": self.config.type,
                "content": content_hash(self._folder),
                "device": self.device.split(":")[0],
                "noise": "per episode" if self._noise_shape or stateful else "per batch",
            },
        )

    def reset(self, slot: int, env_id: str, seed: int) -> None:  # noqa: ARG002
        """Give the slot a policy with an empty history; a policy without one needs nothing."""
        if self.traits.stateful:
            # A shallow copy shares the weights; `reset` gives it queues of its own.
            self._own[slot] = copy.copy(self.policy)
            self._own[slot].reset()

    def act(self, slots: Sequence[int], observations: Sequence[Observation]) -> list[Array]:
        """Predict, per observation, a chunk (H, D); of a policy with a history, one action (1, D)."""
        with self._torch.inference_mode(), self._precision():
            if self.traits.stateful:
                return [self._select(slot, seen) for slot, seen in zip(slots, observations, strict=True)]
            rows = [*observations, *[observations[0]] * (self._slots - len(observations))]
            batch = self.observe(rows)
            with self._seeded(rows[0]):
                return self.actions(self.predict(batch, self._noise(rows, batch))[: len(observations)])

    def close(self) -> None:
        """Free the weights."""
        self._own.clear()
        self.policy = None

    def _select(self, slot: int, seen: Observation) -> Array:
        with self._seeded(seen):
            action = self._after(self._own[slot].select_action(self._before(self._batch([seen]))))
        result: Array = action.float().cpu().numpy()
        return result

    def observe(self, rows: Sequence[Observation]) -> dict[str, Any]:
        """Return the normalised batch that the policy takes."""
        return self.normalised(self._batch(rows))

    def normalised(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return a batch of the dataset's columns as the policy takes it, on its device; actions too, if it has any."""
        result: dict[str, Any] = self._before(batch)
        return result

    def predict(self, batch: dict[str, Any], noise: Any) -> Any:
        """Return normalised chunks (B, H, D) of a normalised batch and its noise, None for a policy that takes none."""
        return self.policy.predict_action_chunk(batch, **({} if noise is None else {"noise": noise}))

    def _noise(self, rows: Sequence[Observation], batch: dict[str, Any]) -> Any:
        """Return the noise to act with: drawn, or chosen where that was learnt; None for a policy that takes none."""
        if self._noise_shape is None:
            return None
        if self._steering is not None:
            return self._steering.noise(self.policy, batch, self._noise_shape[0])
        return self.noise(rows)

    def actions(self, chunks: Any) -> list[Array]:
        """Return normalised chunks (B, H, D) in the dataset's units, one (H, D) each."""
        return list(self._after(chunks).float().cpu().numpy())

    def _batch(self, rows: Sequence[Observation]) -> dict[str, Any]:
        """Return LeRobot's observation batch: images (B, 3, H, W) in [0, 1], state (B, S), sentences."""
        torch = self._torch
        batch: dict[str, Any] = {"task": [row.prompt for row in rows]}
        for column, view in self._views.items():
            pixels = torch.from_numpy(np.stack([row.images[view] for row in rows])).to(self.device)
            batch[column] = pixels.permute(0, 3, 1, 2).float() / 255
        batch["observation.state"] = torch.from_numpy(np.stack([row.state for row in rows])).to(self.device)
        goals = [row.goal for row in rows if row.goal is not None]
        if len(goals) == len(rows):
            batch[GOAL_COLUMN] = torch.from_numpy(np.stack(goals)).to(self.device)
        return batch

    def noise(self, rows: Sequence[Observation]) -> Any:
        """Draw each row's noise (B, H, D), which its seed and step alone decide."""
        torch = self._torch
        drawn = [
            torch.randn(self._noise_shape, generator=torch.Generator().manual_seed(noise_seed(row))) for row in rows
        ]
        return torch.stack(drawn).to(self.device)

    @contextlib.contextmanager
    def _seeded(self, row: Observation) -> Iterator[None]:
        devices = [self._torch.device(self.device)] if self.device.startswith("cuda") else []
        with self._torch.random.fork_rng(devices=devices):
            self._torch.manual_seed(noise_seed(row))
            yield

    def _precision(self) -> Any:
        if getattr(self.config, "use_amp", False) and self.device.startswith("cuda"):
            return self._torch.autocast(device_type="cuda")
        return contextlib.nullcontext()

    def _renames(self) -> dict[str, str]:
        for step in self._before.steps:
            renames = getattr(step, "rename_map", None)
            if renames:
                return dict(renames)
        return {}


def noise_seed(row: Observation) -> int:
    """Return the generator's seed for one episode's step."""
    return int(np.random.SeedSequence([row.seed, row.step]).generate_state(1, np.uint64)[0] >> 1)


def _noise_shape(policy: Any, config: Any) -> tuple[int, int] | None:
    """Return the shape (steps, dimensions) of one episode's noise, None where the policy takes none."""
    takes = "noise" in inspect.signature(policy.predict_action_chunk).parameters
    if not takes and config.type not in _NOISE_IN_KWARGS:
        return None
    steps = getattr(config, "chunk_size", None) or getattr(config, "horizon", None)
    width = getattr(config, "max_action_dim", None) or config.action_feature.shape[0]
    return (int(steps), int(width)) if steps else None
