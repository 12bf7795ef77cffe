"""From action chunks to the actions that are executed: replanning and temporal ensembling."""

from dataclasses import dataclass, field

import numpy as np

from mstool.contract import Array

# ACT's m (Zhao et al. 2023, arXiv:2304.13705, section IV.A and the released code's k = 0.01).
ENSEMBLE_RATE = 0.01


def ensemble(predictions: Array, rate: float = ENSEMBLE_RATE) -> Array:
    """Average predictions (n, D) of one action, oldest first, with ACT's weights w_i = exp(-rate * i), i = 0 oldest."""
    weights = np.exp(-rate * np.arange(len(predictions)))
    mean: Array = (weights[:, None] * predictions.astype(np.float64)).sum(axis=0) / weights.sum()
    return mean.astype(np.float32)


@dataclass
class ChunkBuffer:
    """One episode's chunks: hands out the next actions to execute."""

    # How many actions are executed before the policy is asked again; None: the whole chunk.
    replan: int | None
    # ACT's m for temporal ensembling, None for none.
    ensemble_rate: float | None = None
    # Chunks that still reach into the future: (step of the first action, actions (H, D)), oldest first.
    _chunks: list[tuple[int, Array]] = field(default_factory=list)

    def add(self, step: int, chunk: Array) -> Array:
        """Take the chunk predicted at `step`; return the actions (k, D) to execute from there."""
        count = len(chunk) if self.replan is None else min(self.replan, len(chunk))
        if self.ensemble_rate is None:
            return chunk[:count]
        self._chunks = [(first, old) for first, old in self._chunks if first + len(old) > step]
        self._chunks.append((step, chunk))
        return np.stack([self._at(step + ahead) for ahead in range(count)]) if count else chunk[:0]

    def _at(self, step: int) -> Array:
        covering = [chunk[step - first] for first, chunk in self._chunks if first <= step < first + len(chunk)]
        return ensemble(np.stack(covering), self.ensemble_rate or 0.0)
