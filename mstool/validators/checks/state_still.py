"""MS405 and MS406: what never moves, and how often nothing does."""

from collections.abc import Iterator, Sequence

import numpy as np

from mstool.contract import Array
from mstool.dataset.record import Record
from mstool.dataset.vectors import dimension, state_columns, state_of
from mstool.layouts.recognise import recognise
from mstool.manifest import load_manifest
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.state_actions import both
from mstool.validators.report import Issue, Note
from mstool.validators.sampling import SampledView
from mstool.validators.tracks import always_resting

_IDLE_SHARE = 0.5
# What helps where fingers rest throughout, as they do in corrections of a task that only pushes.
MORE_DEMOS = "merge it with demos in which the fingers open: mstool merge DATASET DEMOS --output BOTH"


@register
class Constant(Check):
    """MS405."""

    code, family = "MS405", "state and actions"
    title = "no dimension is constant"
    meaning = (
        "its q99 - q01 is 0: any other value at run time is blown up by 1e6; zeros in place of a state mean "
        "that it is missing"
    )
    fix = "fill the dimension, or leave it out where the dataset is made"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Compare least and greatest value over the sampled episodes."""
        data = context.data
        at_rest = always_resting(context)
        known = bool(data.record or recognise(data.features) or context.target.layout.value)
        for columns, values in both(context):
            for dim in np.flatnonzero(np.ptp(values, axis=0) == 0):
                column, index, name = dimension(data, columns, int(dim))
                state = columns == state_columns(data)
                if not state and name == "gripper" and gripper_is_constant(data.record):
                    yield Note("the gripper's command is constant: the task asks for no grasp")
                    continue
                if state and int(dim) in at_rest:
                    yield Issue(
                        f"{name} never changes, and is told to rest there",
                        "warning",
                        feature=column,
                        dimension=index,
                        observed=f"always {values[0, dim] + 0.0:.6g}",
                        fix=MORE_DEMOS,
                    )
                    continue
                yield Issue(
                    f"{name} never changes",
                    # A part of the arm is not where a layout has it; what else may be zero for good is not known.
                    "error" if state and known and values[0, dim] == 0 else "warning",
                    feature=column,
                    dimension=index,
                    observed=f"always {values[0, dim] + 0.0:.6g}",
                )
        if not known:
            yield from self._noise(data)

    @staticmethod
    def _noise(data: SampledView) -> Iterator[Issue]:
        """Tell of joints that stand still but for their sensor's noise, in data of which no record says what moves."""
        columns = state_columns(data)
        for dim in noise_only([state_of(data, rows) for rows in data.sample]):
            column, index, name = dimension(data, columns, dim)
            yield Issue(
                f"{name} stands still but for noise, which normalisation blows up to the whole range",
                "warning",
                feature=column,
                dimension=index,
                fix="leave the dimension out where the dataset is made, or write the joint's resting value",
            )


def noise_only(episodes: Sequence[Array]) -> list[int]:
    """Return the dimensions (of (T, D) each) that move a hundredth of what the others do, and at random.

    At random: the mean squared difference of neighbours is more than the variance about an episode's mean. It is twice
    that for white noise, and next to nothing for a motion (von Neumann's ratio).
    """
    long = [values.astype(np.float64) for values in episodes if len(values) > 2]
    if not long:
        return []
    reach = np.ptp(np.concatenate(long), axis=0)
    steps = np.sum([np.square(np.diff(values, axis=0)).sum(axis=0) for values in long], axis=0)
    spread = np.sum([np.square(values - values.mean(axis=0)).sum(axis=0) for values in long], axis=0)
    usual = np.median(reach[reach > 0]) if (reach > 0).any() else 0.0
    return [int(dim) for dim in np.flatnonzero((reach > 0) & (reach < 0.01 * usual) & (steps > spread))]


def gripper_is_constant(record: Record) -> bool:
    """Whether every task of a dataset is solved without the gripper, by its record or by the manifest."""
    told, tasks = record.gripper_constant, load_manifest()
    return bool(record.env_ids) and all(
        told.get(env_id, env_id in tasks and tasks[env_id].gripper_constant) for env_id in record.env_ids
    )


@register
class Idle(Check):
    """MS406."""

    code, family = "MS406", "state and actions"
    title = "the robot moves in most frames"
    meaning = "a policy trained on idle frames learns to stand still (openpi filters them out of DROID)"
    fix = "drop the idle frames at the beginning and end of episodes"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Count frames in which the state stays as it is."""
        data = context.data
        idle = total = 0
        for rows in data.sample:
            state = state_of(data, rows)
            if len(state) > 1:
                step = np.abs(np.diff(state, axis=0)).max(axis=1)
                idle, total = idle + int((step < 1e-4).sum()), total + len(step)
        if not total:
            raise Skip("no episode has two frames")
        share = idle / total
        yield Note(f"{share:.0%} of frames are idle")
        if share > _IDLE_SHARE:
            yield Issue(
                "most frames are idle",
                "warning",
                feature="+".join(state_columns(data)),
                observed=f"{share:.0%}",
                expected=f"below {_IDLE_SHARE:.0%}",
            )
