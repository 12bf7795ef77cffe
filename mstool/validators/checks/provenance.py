"""MS801 to MS805 and MS901: what the dataset says of itself, and whether the simulator agrees."""

import math
from collections.abc import Iterator, Mapping

from mstool.contract import ControllerFacts
from mstool.dataset.files import EPISODE_LOG_FILE, HISTOGRAMS_FILE, RECORD_FILE, Unavailable
from mstool.dataset.histograms import read_histograms
from mstool.dataset.record import Record
from mstool.dataset.vectors import actions_of, names_of
from mstool.dataset.view import DatasetView
from mstool.errors import DataError, MstoolError, SetupError
from mstool.layouts import LAYOUTS
from mstool.layouts.recognise import recognise
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.meanings import RESTORE
from mstool.validators.report import Issue, Note

_REPLAYED_LEAST = 0.9
# A replay takes seconds an episode: this many are enough to see a wrong convention.
_REPLAYED = 20
# What of the conventions says a sign: other texts may change from version to version.
_SIGN = "gripper_action"


def _readable(context: Context) -> Record:
    """Return the record, a false one where there is none; skip where it cannot be read."""
    _ = context.data.info  # where older versions kept it: damage there is another check's
    try:
        return context.data.readable_record
    except Unavailable as why:
        raise Skip("the record cannot be read (MS801)") from why


def _record(context: Context) -> Record:
    record = _readable(context)
    if not record:
        lost = f"{_lost(context)} (MS804)" if _made_here(context) else "the dataset was not made by mstool"
        raise Skip(f"{lost}: nothing declares its meaning")
    return record


def _lost(context: Context) -> str:
    """Say what became of a record that says nothing."""
    return "the record says nothing" if (context.data.root / RECORD_FILE).is_file() else "the record is missing"


@register
class Declared(Check):
    """MS801."""

    code, family = "MS801", "provenance"
    title = "the recorded conventions are complete and known"
    meaning = "evaluation inverts the layout by them: without, actions are executed as something else"
    fix = f"{RESTORE} --overwrite, or convert the demos again; do not edit meta/mstool/record.json"

    def run(self, context: Context) -> Iterator[Issue]:
        """Check layout, control mode and controller."""
        _ = context.data.info
        try:
            _ = context.data.readable_record
        except Unavailable as why:
            yield Issue(str(why), feature=RECORD_FILE)
            return
        record = _record(context)
        layout = LAYOUTS.get(record.layout)
        if layout is None:
            yield Issue(
                "unknown layout",
                feature="record.layout",
                observed=repr(record.layout),
                expected=", ".join(LAYOUTS),
            )
        elif not layout.allows(record.control_mode):
            yield Issue(
                "a control mode that the layout does not have",
                feature="record.control_mode",
                observed=repr(record.control_mode),
                expected=", ".join(layout.control_modes),
            )
        elif not _same_sense(record.conventions, layout.conventions):
            yield Issue(
                "the conventions are not the layout's: written by another version, or edited",
                "warning",
                feature="record.conventions",
            )
        known, facts = set(ControllerFacts.__dataclass_fields__), record.controller
        if not facts or not set(facts) <= known:
            yield Issue(
                "the controller's facts cannot be read",
                feature="record.controller",
                observed=repr(facts)[:60],
                expected=", ".join(sorted(known)),
            )


def _width(data: DatasetView, column: str) -> int:
    return math.prod(data.features[column]["shape"])


def _same_sense(stored: Mapping[str, str], declared: Mapping[str, str]) -> bool:
    # What else a layout says of itself is words: a version may find better ones, or more.
    return stored.get(_SIGN) == declared.get(_SIGN)


@register
class AgreesWithFeatures(Check):
    """MS802."""

    code, family = "MS802", "provenance"
    title = "the recorded conventions agree with the columns"
    meaning = "units or views of columns that are not there: one of the two was edited"
    fix = f"{RESTORE} --overwrite, or convert the demos again"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare units, views and picture size."""
        data, record = context.data, _record(context)
        for column, each in record.units.items():
            if column in data.features and len(each) != (len(names_of(data, column)) or _width(data, column)):
                yield Issue(
                    "there is not one unit per dimension",
                    feature=column,
                    observed=str(len(each)),
                    expected=str(len(names_of(data, column)) or _width(data, column)),
                )
        if record.views and len(record.views) != len(data.cameras):
            yield Issue(
                "views are recorded of other cameras",
                feature="record.views",
                observed=", ".join(record.views),
                expected=", ".join(data.cameras),
            )
        size = record.image_size
        for camera, feature in data.cameras.items():
            if size and feature["shape"][:2] != size:
                yield Issue(
                    "images have another size than recorded",
                    feature=camera,
                    observed=str(feature["shape"][:2]),
                    expected=str(size),
                )


@register
class EpisodeLog(Check):
    """MS803."""

    code, family = "MS803", "provenance"
    title = "the record of where episodes come from agrees with them"
    meaning = "an episode cannot be replayed, or is replayed from another's seed"
    fix = f"{RESTORE} --overwrite, which finds each episode by its numbers; or convert the demos again"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare line by line."""
        _record(context)
        episodes = context.data.episodes
        try:
            log = context.data.episode_log
        except Unavailable as why:
            yield Issue(str(why), feature=EPISODE_LOG_FILE)
            return
        if len(log) != len(episodes):
            yield Issue(
                "another number of episodes",
                feature=EPISODE_LOG_FILE,
                observed=str(len(log)),
                expected=str(len(episodes)),
            )
        known = set(context.data.record.env_ids)
        for env_id in sorted({str(line.get("env_id")) for line in log} - known if known else ()):
            yield Issue(
                f"episodes are of {env_id}, of which {RECORD_FILE} says nothing",
                feature=EPISODE_LOG_FILE,
                observed=env_id,
                expected=", ".join(sorted(known)),
            )
        seen: dict[object, int] = {}
        # By number: the order of the episode table is another check's.
        for line, row in zip(log, sorted(episodes, key=lambda row: row.index), strict=False):
            for name, wanted in (("episode_index", row.index), ("frames", row.length)):
                if line.get(name) != wanted:
                    yield Issue(
                        f"{name} is not the dataset's",
                        feature=EPISODE_LOG_FILE,
                        episode=row.index,
                        observed=repr(line.get(name)),
                        expected=str(wanted),
                    )
            # Of one seed there may be demos that begin at its start, and others that begin on the way.
            on_the_way = line.get("frames") if line.get("disturbed") else None
            source = (line.get("env_id"), line.get("source_episode"), line.get("seed"), on_the_way)
            if source in seen and line.get("seed") is not None:
                yield Issue(
                    f"the same demo as episode {seen[source]}",
                    "warning",
                    feature=EPISODE_LOG_FILE,
                    episode=row.index,
                    observed=str(source[:3]),
                )
            seen[source] = row.index


def _made_here(context: Context) -> str:
    """Return what shows that `mstool convert` made a dataset, whatever became of its record; "" where nothing does."""
    data = context.data
    if named := recognise(data.features):
        return f"the names of the dimensions are those that mstool convert writes in layout {named.layout.name}"
    ours = (EPISODE_LOG_FILE, RECORD_FILE)
    return next((f"{name} is mstool's" for name in ours if (data.root / name).is_file()), "")


@register
class RecordKept(Check):
    """MS804."""

    code, family = "MS804", "provenance"
    title = "a dataset that mstool made still has its record"
    meaning = (
        "LeRobot's edits and conversions leave the record behind: signs and units can only be guessed then, and "
        "evaluation does not know how to execute the actions"
    )
    fix = RESTORE

    def run(self, context: Context) -> Iterator[Issue]:
        """Look for traces of `mstool convert` where there is no record."""
        if _readable(context):
            return
        made = _made_here(context)
        if not made:
            raise Skip("the dataset was not made by mstool")
        yield Issue(f"{_lost(context)}, though {made}", "warning", feature=RECORD_FILE)


@register
class Histograms(Check):
    """MS805."""

    code, family = "MS805", "provenance"
    title = "the histograms of the images are this dataset's"
    meaning = "export and merge take the images' statistics from them, and stop; without them they decode the images"
    fix = f"rm DATASET/{HISTOGRAMS_FILE}"

    def run(self, context: Context) -> Iterator[Issue]:
        """Read them as export and merge do."""
        record = _record(context)
        try:
            kept = read_histograms(context.data.root, list(record.views.values()), len(context.data.episodes))
        except DataError as error:
            yield Issue(error.message, "warning", feature=HISTOGRAMS_FILE)
            return
        if kept is None:
            raise Skip(f"there is no {HISTOGRAMS_FILE}")


@register
class Replayed(Check):
    """MS901."""

    code, family = "MS901", "replay"
    title = "the stored actions solve the task in ManiSkill"
    meaning = "actions that do not even solve the task they were recorded in cannot teach it"
    fix = "convert the demos again with the layout's control mode; compare controller in meta/mstool/record.json"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Execute them, if a simulator was given."""
        if context.replay is None:
            raise Skip(context.no_replay)
        if not context.data.record:
            raise Skip("the dataset records no environment, control mode and seeds")
        if context.data.record.observations == "states":
            raise Skip("the dataset was made from recorded states, its actions were never executed")
        data = context.data
        begun = [line for line in data.episode_log if line.get("disturbed") is not True]
        if data.episode_log and not begun:
            raise Skip("no episode begins at its seed: each begins where a disturbance or a policy had come to")
        lines = begun if data.full else begun[:_REPLAYED]
        wanted = {int(line["episode_index"]): line for line in lines if "seed" in line and "env_id" in line}
        actions = {rows.episode: actions_of(data, rows) for rows in data.rows() if rows.episode in wanted}
        chosen = [episode for episode in wanted if episode in actions]
        try:
            outcome = context.replay(data.record, [wanted[e] for e in chosen], [actions[e] for e in chosen])
        except SetupError as error:
            raise Skip(f"{error.message} (fix: {error.fix})") from error
        except MstoolError as error:
            yield Issue(error.message, feature=RECORD_FILE, fix=error.fix)
            return
        if not outcome:
            raise Skip("no episode could be replayed")
        rate = sum(outcome.values()) / len(outcome)
        yield Note(f"{sum(outcome.values())} of {len(outcome)} episodes succeed")
        if rate < _REPLAYED_LEAST:
            failed = [episode for episode, success in outcome.items() if not success]
            yield Issue(
                "too few episodes succeed",
                episode=failed[0],
                feature="action",
                observed=f"{rate:.0%}, failed: {', '.join(map(str, failed[:10]))}",
                expected=f"at least {_REPLAYED_LEAST:.0%}",
            )
