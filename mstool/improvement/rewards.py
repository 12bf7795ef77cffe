"""What an episode is worth: sparse rewards, in terms of the success after each action alone.

An action that solves the task for the first time in its episode earns 1, and every action after which the task counts
as solved earns 1 - gamma. Staying solved for ever is thus worth another 1, and every return lies in [0, 2].

Episodes do not end at success: they go on for some steps, so that staying is learnt. One that ends solved (a demo,
or an episode that stayed solved) counts as solved for ever; one that ran out of time unsolved counts as never solved.
"""

import numpy as np

from mstool.contract import Array

# What follows an episode that ended solved, and one that did not.
SOLVED_FOR_EVER, NEVER_SOLVED = 1.0, 0.0


def rewards(solved: Array, gamma: float) -> Array:
    """Return the reward of each action (T,), float64, from whether the task was solved after it (T,)."""
    earned = np.where(solved, 1 - gamma, 0.0)
    if solved.any():
        earned[int(np.argmax(solved))] += 1
    return earned


def returns(earned: Array, gamma: float, end: float) -> Array:
    """Return the discounted sum of rewards (T,) from each action on, `end` being the value after the last one."""
    found = np.empty(len(earned) + 1)
    found[-1] = end
    for step in reversed(range(len(earned))):
        found[step] = earned[step] + gamma * found[step + 1]
    return found[:-1]
