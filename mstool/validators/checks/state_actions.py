"""MS401 to MS406: dimensions, finite numbers, names, units, constants, idle frames."""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from mstool.contract import Array
from mstool.dataset.files import INFO_NAME
from mstool.dataset.record import Record
from mstool.dataset.vectors import action_columns, actions_of, dimension, names_of, state_columns, state_of
from mstool.layouts import LAYOUTS
from mstool.layouts.recognise import recognise
from mstool.manifest import load_manifest
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.meanings import SETTLE
from mstool.validators.report import Curve, Issue, Note
from mstool.validators.sampling import SampledView
from mstool.validators.tracks import always_resting

# Larger than any arm's workspace in metres, or any turn in radians.
_METRES, _RADIANS = 3.0, 2 * np.pi + 0.3
_IDLE_SHARE = 0.5
# What helps where fingers rest throughout, as they do in corrections of a task that only pushes.
MORE_DEMOS = "merge it with demos in which the fingers open: mstool merge DATASET DEMOS --output BOTH"


def both(context: Context) -> list[tuple[tuple[str, ...], Array]]:
    """Return the sampled episodes' state and actions, (N, S) and (N, D), each with its columns."""
    data = context.data
    return [
        (state_columns(data), np.concatenate([state_of(data, rows) for rows in data.sample])),
        (action_columns(data), np.concatenate([actions_of(data, rows) for rows in data.sample])),
    ]


@register
class Dimensions(Check):
    """MS401."""

    code, family = "MS401", "state and actions"
    title = "state and actions have the number of dimensions that the target reads"
    meaning = "the model pads or cuts the vector: every dimension after the missing one means something else"
    fix = "convert the demos with the target's layout: mstool convert --layout libero (8 and 7), or droid (8 and 8)"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare declared widths with the target's, or the declared layout's."""
        data, target = context.data, context.target
        layout = LAYOUTS.get(data.record.layout)
        mode = data.record.control_mode
        for columns, wanted, what in (
            (state_columns(data), target.state_dims.value or (len(layout.state) or None if layout else None), "state"),
            (
                action_columns(data),
                target.action_dims.value
                or (len(layout.action(mode)) if layout and mode in layout.control_modes else None),
                "actions",
            ),
        ):
            width = sum(int(np.prod(data.features[column]["shape"])) for column in columns)
            if wanted is not None and width != wanted:
                yield Issue(
                    f"the {what} has another number of dimensions",
                    feature="+".join(columns),
                    observed=str(width),
                    expected=str(wanted),
                )
            if width > target.max_dims.value:
                yield Issue(
                    f"the {what} is wider than the model ({target.max_dims.source})",
                    feature="+".join(columns),
                    observed=str(width),
                    expected=f"at most {target.max_dims.value}",
                )
            for column in columns:
                if not str(data.features[column]["dtype"]).startswith("float"):
                    yield Issue(
                        f"the {what} is not floating point",
                        feature=column,
                        observed=str(data.features[column]["dtype"]),
                        expected="float32",
                    )


@register
class Finite(Check):
    """MS402."""

    code, family = "MS402", "state and actions"
    title = "every number is finite"
    meaning = "one NaN in a batch makes the loss NaN, and the weights with it"
    fix = "drop those episodes, or write the missing values"

    def run(self, context: Context) -> Iterator[Issue]:
        """Look at every numeric column of every episode."""
        for rows in context.data.rows():
            for name, values in rows.columns.items():
                if values.dtype.kind != "f":
                    continue
                bad = np.argwhere(~np.isfinite(values))
                if bad.size:
                    frame, dim = map(int, bad[0])
                    yield Issue(
                        "a value is not finite"
                        if len(bad) == 1
                        else f"{len(bad)} values are not finite, first this one",
                        feature=name,
                        episode=rows.episode,
                        frame=frame,
                        dimension=dim,
                        observed=str(values[frame, dim]),
                    )


@register
class Names(Check):
    """MS403."""

    code, family = "MS403", "state and actions"
    title = "every dimension has a name, and the names are those of the layout"
    meaning = "nobody can tell later what a dimension was; LeRobot uses names to choose joints for relative actions"
    fix = f"write one name per dimension into {INFO_NAME}'s features"

    def run(self, context: Context) -> Iterator[Issue]:
        """Count names, and compare with the declared layout's."""
        data = context.data
        layout = LAYOUTS.get(data.record.layout)
        mode = data.record.control_mode
        for columns, what in ((state_columns(data), "state"), (action_columns(data), "actions")):
            found = [name for column in columns for name in names_of(data, column)]
            width = sum(int(np.prod(data.features[column]["shape"])) for column in columns)
            if len(found) != width:
                yield Issue(
                    "there is not one name per dimension",
                    "warning",
                    feature="+".join(columns),
                    observed=f"{len(found)} names",
                    expected=f"{width}",
                )
                continue
            if len(set(found)) < len(found):
                yield Issue("a name is used twice", "warning", feature="+".join(columns), observed=", ".join(found))
            if layout is None or not len(layout.state) or mode not in layout.control_modes:
                continue
            wanted = list((layout.state if what == "state" else layout.action(mode)).names)
            if found != wanted:
                yield Issue(
                    f"the names are not those of layout {layout.name}",
                    # Whoever described a dataset of his own calls them by other words.
                    "warning" if data.record.stated else "error",
                    feature="+".join(columns),
                    observed=", ".join(found),
                    expected=", ".join(wanted),
                )


@register
class DeclaredUnits(Check):
    """MS404."""

    code, family = "MS404", "state and actions"
    title = "lengths are metres and angles radians"
    meaning = "degrees or millimetres are 57 or 1000 times too large for what the model and the controller know"
    fix = "write the column in the declared unit where the dataset is made: numpy.deg2rad, or / 1000"
    LENGTH = re.compile(r"finger|position|pos($|[_.])|(^|[_.])(x|y|z)($|[_.])")
    ANGLE = re.compile(r"roll|pitch|yaw|rot|axis.?angle|joint|qpos")

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare magnitudes with what an arm can do, by the units of the record or of the layout."""
        data = context.data
        unknown = []
        for columns, values in both(context):
            state = columns == state_columns(data)
            declared = self._units(context, columns, state)
            size = np.nanquantile(np.abs(np.where(np.isfinite(values), values, np.nan)), 0.98, axis=0)
            for dim, large in enumerate(size):
                column, index, name = dimension(data, columns, dim)
                unit = declared[dim] if dim < len(declared) else ""
                limit, what = self._limit(unit, name, state)
                if large > limit and not unit:
                    unknown.append(f"{column}[{index}] ({name}) reaches {large:.4g}")
                elif large > limit:
                    yield Issue(
                        f"{name} is too large for {what}",
                        feature=column,
                        dimension=index,
                        observed=f"98 % of values reach {large:.4g}",
                        expected=f"below {limit:.3g}",
                    )

        if unknown:
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            raise Skip(
                f"nothing declares the units; {unknown[0]}{more}: degrees, millimetres or a range of its own, which "
                f"models that normalise take as well; {SETTLE}"
            )

    @staticmethod
    def _units(context: Context, columns: tuple[str, ...], state: bool) -> list[str]:
        """Return the declared unit of each dimension: the record's, else those of the layout; empty where none is."""
        data, target = context.data, context.target
        recorded = data.record.units
        if all(isinstance(recorded.get(column), list) for column in columns):
            return [str(unit) for column in columns for unit in recorded[column]]
        named = recognise(data.features)
        layout, mode = (named.layout, named.control_mode) if named else (None, target.control_mode)
        layout = layout or LAYOUTS.get(target.layout.value)
        if layout is None:
            return []
        return list((layout.state if state else layout.action(mode)).units)

    def _limit(self, unit: str, name: str, state: bool) -> tuple[float, str]:
        if unit and unit not in {"m", "rad"}:
            # Actions in multiples of a unit: a controller clips at 1, a rotation reached by norm a little above.
            return 10.0, f"a command in units of {unit}"
        if unit == "m" or (state and self.LENGTH.search(name.lower()) and not self.ANGLE.search(name.lower())):
            return _METRES, "metres"
        if unit == "rad" or self.ANGLE.search(name.lower()):
            return _RADIANS, "radians"
        return 10.0, "metres, radians or a normalised command"


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


def jump_curve(values: Array, names: list[str], episode: int, title: str) -> Curve:
    """Plot some dimensions of one episode."""
    time = np.arange(len(values))
    return Curve(
        f"{title}, episode {episode}",
        "frame",
        "value",
        tuple((name, time, values[:, i]) for i, name in enumerate(names)),
    )
