"""How an axis follows its own commands, in one episode.

An arm in free space follows its controller closely: of ten ManiSkill tasks, the axis that follows best is explained by
0.98 and more by the commands of a step and the one before, and reaches 0.36 to 0.42 of each. Contacts hold other axes
back; they never make one follow another axis' command, or an earlier one.
"""

import numpy as np

from mstool.contract import Array
from mstool.validators.axes import axes_of
from mstool.validators.meanings import Meaning
from mstool.validators.report import Severity
from mstool.validators.tracks import Track

# Steps of an axis that tell something, and their root mean square as a multiple of where it starts to.
FEW, _LARGE = 20, 2.0
# An axis that is explained so much by a command follows it.
FOLLOWS = 0.9


def severity(meaning: Meaning) -> Severity:
    """Return how much a contradiction counts."""
    return "error" if meaning.source == "record" else "warning"


def moves(meaning: Meaning, track: Track, axis: int) -> bool:
    """Say whether an axis moves enough in an episode to tell anything."""
    still = axes_of(meaning)[axis].still
    return len(track.moved) > FEW and float(np.sqrt(np.mean(track.moved[:, axis] ** 2))) > _LARGE * still


def inputs(track: Track, axis: int, lag: int = 0) -> Array:
    """Return the commands of a step and of the one before, `lag` frames earlier, (n, 2)."""
    at = np.arange(1, len(track.moved)) - lag
    inside = np.clip(at, 0, len(track.commanded) - 1)
    before = np.clip(at - 1, 0, len(track.commanded) - 1)
    return np.stack([track.commanded[inside, axis], track.commanded[before, axis]], axis=1)
