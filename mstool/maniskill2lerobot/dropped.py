"""What is said of demos that did not lead to success."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from mstool.errors import DataError, MstoolError
from mstool.maniskill2lerobot.batches import Batch
from mstool.maniskill2lerobot.episode.source import NOT_HELD, NOT_SUCCESSFUL, TIMEOUT
from mstool.simulators.benchmarks import benchmark_of


def nothing_kept(batches: Sequence[Batch], dropped: Mapping[str, int]) -> MstoolError:
    """Return the error of a conversion whose demos were all dropped, `dropped` being {reason: count}."""
    reasons = ", ".join(
        f"{count} x {_too_long(batches) if reason == TIMEOUT else reason}" for reason, count in dropped.items()
    )
    env_id = batches[0].recipe.env_id
    others = benchmark_of(env_id).other_demos(env_id)
    advice = from_states(batches, dropped)
    change: dict[str, object] | None = {"--from-states": True, "--hold-steps": None} if advice else None
    if 2 * dropped.get(TIMEOUT, 0) >= _asked(batches):
        horizon = _long_enough(batches)
        change, advice = {"--horizon": horizon}, f"--horizon {horizon}"
    elif 2 * dropped.get(NOT_HELD, 0) >= _asked(batches):
        change, advice = {"--hold-steps": None}, "leave --hold-steps out, or give fewer"
    return MstoolError(
        f"none of the {_asked(batches)} demos led to success: {reasons}",
        fix=f"{advice}; or convert other demos: {others}" if advice else others,
        change=change,
    )


def from_states(batches: Sequence[Batch], dropped: Mapping[str, int]) -> str:
    """Say what helps where most demos do not succeed when executed again, but hold the states they went through."""
    most = 2 * dropped.get(NOT_SUCCESSFUL, 0) > _asked(batches)
    if not most or not all(map(_hold_states, batches)):
        return ""
    return "add --from-states, which renders the states that they hold and executes nothing"


def _too_long(batches: Sequence[Batch]) -> str:
    horizons = {batch.recipe.horizon for batch in batches}
    return "longer than --horizon" + (f" {horizons.pop()}" if len(horizons) == 1 else "")


def _long_enough(batches: Sequence[Batch]) -> int:
    """Return a horizon, in steps, for every demo that can be read; in another control mode it may take more steps."""
    found = 0
    for batch in batches:
        for position in batch.positions:
            with suppress(DataError):
                demo = batch.recipe.of(batch.source.demos.read(position))
                steps = len(demo.actions)
                same = batch.recipe.control_mode in {"", demo.control_mode} and steps > batch.recipe.horizon
                found = max(found, steps if same else 2 * max(steps, batch.recipe.horizon))
    return found


def _asked(batches: Sequence[Batch]) -> int:
    return sum(len(batch.positions) for batch in batches)


def _hold_states(batch: Batch) -> bool:
    """Tell by the first demo that can be read; only of demos that were executed."""
    if batch.recipe.observations != "replayed":
        return False
    for position in batch.positions:
        with suppress(DataError):
            return bool(batch.source.demos.read(position).states)
    return False
