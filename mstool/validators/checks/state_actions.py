"""MS401 to MS404: dimensions, finite numbers, names, units."""

import re
from collections.abc import Iterator

import numpy as np

from mstool.contract import Array
from mstool.dataset.files import INFO_NAME
from mstool.dataset.vectors import action_columns, actions_of, dimension, names_of, state_columns, state_of
from mstool.layouts import LAYOUTS
from mstool.layouts.recognise import recognise
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.meanings import SETTLE
from mstool.validators.report import Issue

# Larger than any arm's workspace in metres, or any turn in radians.
_METRES, _RADIANS = 3.0, 2 * np.pi + 0.3


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
