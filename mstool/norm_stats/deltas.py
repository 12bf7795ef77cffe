"""Is the delta transform on where actions are targets, and off where they are differences already? (NS108, NS109)."""

from collections.abc import Iterator

from mstool.norm_stats.configs import Mask, TrainingConfig, format_mask
from mstool.norm_stats.problems import WARNING, WRONG, Problem, StatsVector
from mstool.norm_stats.relation import Relation


def delta_problems(
    relation: Relation, delta: Mask, actions: StatsVector, config: TrainingConfig, command: str
) -> Iterator[Problem]:
    """Compare the mask in use with how actions relate to the state.

    Parameters
    ----------
    relation
        Per paired dimension, whether the action follows the state.
    delta
        The mask in use; () for none.
    actions
        The actions; those that grip are absolute whatever the arm does.
    config
        The training config: its own mask is what its training does, right or wrong.
    command
        The user's command line without --delta, for the fix.

    """
    names = actions.names
    dims = [dim for dim in range(len(relation.absolute)) if dim not in actions.gripper]
    masked = [dim for dim in dims if dim < len(delta) and delta[dim]]
    twice = [dim for dim in masked if relation.relative[dim]]
    missing = [dim for dim in dims if dim not in masked and relation.absolute[dim]]
    # One stray dimension is a coincidence; most of them are a convention.
    if masked and len(twice) > len(masked) / 2:
        listed = ", ".join(names[dim] for dim in twice)
        own = delta == config.delta
        note = f" ({config.name}'s public checkpoint was trained this way; keep it only to continue from that one)"
        message = f"delta applied twice: {listed} do not follow the state, so they are differences already"
        yield Problem(
            "NS108",
            WARNING if own else WRONG,
            "actions",
            None,
            listed,
            message + (note if own else ""),
            f"{command} --delta none",
        )
    if config.differences and missing and len(missing) > len(dims) / 2:
        listed = ", ".join(names[dim] for dim in missing)
        message = f"delta missing: {listed} follow the state: absolute targets, where the config expects differences"
        mask = format_mask(tuple(dim in dims for dim in range(len(names))))
        fix = f"{command} --delta {mask}   # and the same DeltaActions in the training config"
        yield Problem("NS109", WARNING, "actions", None, listed, message, fix)
