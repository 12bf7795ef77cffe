"""What an episode is worth: sparse rewards, in terms of the success after each action alone.

An action after which the task counts as solved earns 1 - gamma. Being solved for ever is thus worth 1, and every return
lies in [0, 1]: gamma to the power of the steps until then. The first time earns nothing more: what is seen tells if
the task is solved, not whether it was before; a critic would take leaving the goal for a chance to earn that again.

Episodes do not end at success: they go on for some steps, so that staying is learnt. One that ends solved (a demo,
or an episode that stayed solved) counts as solved for ever; one that ended unsolved counts as never solved: it is the
end for an evaluation too, so nothing is expected beyond it.
"""

import numpy as np

from mstool.contract import Array

# What follows an episode that ended solved, and one that did not.
SOLVED_FOR_EVER, NEVER_SOLVED = 1.0, 0.0


def rewards(solved: Array, gamma: float) -> Array:
    """Return the reward of each action (T,), float64, from whether the task was solved after it (T,)."""
    return np.where(solved, 1 - gamma, 0.0)


def returns(earned: Array, gamma: float, end: float) -> Array:
    """Return the discounted sum of rewards (T,) from each action on, `end` being the value after the last one."""
    found = np.empty(len(earned) + 1)
    found[-1] = end
    for step in reversed(range(len(earned))):
        found[step] = earned[step] + gamma * found[step + 1]
    return found[:-1]
