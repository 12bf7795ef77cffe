"""MS701 to MS708: what the consumer's code asks of the dataset."""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from mstool.dataset.files import STATS_FILE, Unavailable, read_stats
from mstool.dataset.vectors import state_columns
from mstool.dataset.view import pixels
from mstool.layouts.recognise import recognise
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.video_views import is_wrist
from mstool.validators.meanings import RESTORE
from mstool.validators.report import Issue, Note

# What people forget to replace, and what names a task but tells a model nothing.
_PLACEHOLDERS = {
    "",
    "task",
    "todo",
    "test",
    "dummy",
    "none",
    "null",
    "n/a",
    "default",
    "instruction",
    "prompt",
    "do something",
    "unknown",
}
_ENV_ID = re.compile(r"^[A-Z][A-Za-z0-9]*-v\d+$|^[A-Z][a-z0-9]+([A-Z][a-z0-9]*)+(-v\d+)?$|^[a-z0-9]+(_[a-z0-9]+)+$")
# PaliGemma's SentencePiece: fewer than one token per three characters of plain English; a number has one per digit.
_CHARACTERS_PER_TOKEN = 3.0


def exported(context: Context) -> str:
    """Return the command that writes our dataset in the version and under the names that the target reads.

    Empty where there is none: the dataset was made elsewhere, or the target reads another layout.
    """
    data, target = context.data, context.target
    named = recognise(data.features)
    layout = data.record.layout or (named.layout.name if named else "")
    wanted, *_ = target.versions.value
    several = len({version.split(".")[0] for version in target.versions.value}) > 1
    if not layout or several or target.layout.value not in {"", layout} or data.version not in {"v2.1", "v3.0"}:
        return ""
    if data.version != wanted:
        restore = "" if data.record else f"{RESTORE}, then "
        return f"{restore}mstool export DATASET --format {wanted} --output DATASET-{wanted}"
    if data.version == "v3.0" and "actions" in data.features:  # LeRobot's conversion from v2.1 keeps openpi's names
        return "mstool export ORIGINAL --format v3.0 --output DATASET-v3.0, from the v2.1 dataset that it was made of"
    return ""


def _sizes(sizes: Iterable[tuple[int, ...]]) -> str:
    return ", ".join(f"{height}x{width}" for height, width in sorted(sizes))


def _as_lerobot_cameras(columns: Sequence[str]) -> str:
    words = [word for name in columns for word in ("--rename", f"{name}=observation.images.{name}")]
    return f"mstool export DATASET {shlex.join(words)} --output DATASET-renamed"


@register
class VersionRead(Check):
    """MS701."""

    code, family = "MS701", "contract"
    title = "the consumer reads this LeRobot version"
    meaning = "openpi pins a LeRobot that reads v2.1 only; LeRobot since 0.4 reads v3.0 only"
    fix = "convert the demos in the format that is read: mstool convert --format v2.1 (openpi), v3.0 (LeRobot) or both"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare."""
        versions = context.target.versions
        if context.data.version not in versions.value:
            yield Issue(
                f"{context.target.name} does not read this version ({versions.source})",
                feature="codebase_version",
                observed=context.data.version,
                expected=" or ".join(versions.value),
                fix=exported(context),
            )


@register
class KeysThere(Check):
    """MS702."""

    code, family = "MS702", "contract"
    title = "every column that the consumer reads is there under its name"
    meaning = "a KeyError after the weights are loaded, or no actions at all"
    fix = (
        "name the columns as expected: mstool export DATASET --rename OLD=NEW --output DATASET-renamed; mstool convert "
        "writes openpi's names with --format v2.1 and LeRobot's with v3.0"
    )

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare names."""
        data, target = context.data, context.target
        for what, expected in (("state", target.state), ("actions", target.actions)):
            if not any(all(name in data.features for name in names) for names in expected.value):
                wanted = " or ".join("+".join(names) for names in expected.value)
                yield Issue(
                    f"no column for the {what} ({expected.source})",
                    feature=wanted.split(" or ", maxsplit=1)[0],
                    observed=", ".join(sorted(set(data.features) - set(data.cameras))),
                    expected=wanted,
                    fix=exported(context),
                )
        for name in target.cameras.value:
            if name not in data.cameras:
                yield Issue(
                    f"no camera of this name ({target.cameras.source})",
                    feature=name,
                    observed=", ".join(data.cameras) or "no camera",
                    expected=name,
                )


@register
class Cameras(Check):
    """MS703."""

    code, family = "MS703", "contract"
    title = "there are as many cameras as the consumer needs"
    meaning = "missing views are filled with zeros or fail; without any the policy cannot see objects"
    fix = "convert the demos with the cameras: mstool convert --cameras base,wrist (pi05_droid: base,base2,wrist)"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Count them."""
        found = context.data.cameras
        least = context.target.min_cameras
        if len(found) < least.value:
            yield Issue(
                f"too few cameras ({least.source})",
                feature=", ".join(found) or "no camera",
                observed=str(len(found)),
                expected=f"at least {least.value}",
            )
        wrist = [camera for camera in found if is_wrist(context, camera)]
        yield Note(f"{len(found)} cameras, on the hand: {', '.join(wrist) or 'none that says so'}")
        trained = context.target.trained_image_size
        sizes = set(map(pixels, found.values()))
        if trained.value is not None and sizes - {trained.value}:
            yield Note(
                f"images of {_sizes(sizes)} pixels, and {_sizes({trained.value})} in the dataset that "
                f"{context.target.name} was trained on ({trained.source}): {context.target.image_size.source}",
                told=True,
            )
        if context.target.stats.value == STATS_FILE and any(not name.startswith("observation.image") for name in found):
            odd = [name for name in found if not name.startswith("observation.image")]
            yield Issue(
                "LeRobot's policies read observation.images.* only",
                feature=odd[0],
                observed=", ".join(odd),
                expected="observation.images.NAME",
                fix=exported(context) or _as_lerobot_cameras(odd),
            )


@register
class Prompt(Check):
    """MS704."""

    code, family = "MS704", "contract"
    title = "every task is a sentence a person would say"
    meaning = "an environment id or a placeholder says nothing to a language model: it learns to ignore the prompt"
    fix = (
        'write a sentence: mstool convert --instruction "pick up the red cube", or LeRobot\'s lerobot-edit-dataset '
        "--operation.type modify_tasks"
    )

    def run(self, context: Context) -> Iterator[Issue]:
        """Look for empty, placeholder and id-like texts."""
        if not context.target.needs_prompt:
            raise Skip("the target reads no prompt")
        for index, task in context.data.tasks:
            text = task.strip()
            if text.lower() in _PLACEHOLDERS:
                yield Issue("the task is empty or a placeholder", feature="task", observed=f"task {index}: {task!r}")
            elif _ENV_ID.match(text) or len(text.split()) < 2:
                yield Issue(
                    "the task is a name, not a sentence",
                    feature="task",
                    observed=f"task {index}: {task!r}",
                    expected="a sentence such as: pick up the red cube",
                )


@register
class Quantiles(Check):
    """MS705."""

    code, family = "MS705", "contract"
    title = f"{STATS_FILE} holds what state and actions are normalised by"
    meaning = (
        "LeRobot's pi05 normalises by q01 and q99, others by mean and std: without them it stops with a ValueError"
    )
    fix = "mstool stats DATASET"

    def run(self, context: Context) -> Iterator[Issue]:
        """Look for them."""
        if context.target.stats.value != STATS_FILE:
            raise Skip(f"{context.target.name} does not read {STATS_FILE}")
        if context.data.version.startswith("v2"):
            raise Skip(f"{STATS_FILE} is written with v3.0, which the target reads (MS701)")
        try:
            stored = read_stats(context.data.root)
        except Unavailable as why:
            yield Issue(f"{why} ({context.target.stats.source})", feature=STATS_FILE, fix=why.fix)
            return
        for column in ("observation.state", "action"):
            if column not in context.data.features:
                continue  # MS702
            entry = stored.get(column)
            for name in context.target.stats_names.value:
                if not isinstance(entry, dict) or entry.get(name) is None:
                    yield Issue(
                        f"{column} has no {name} ({context.target.stats.source})", feature=column, expected=name
                    )


@register
class Tokens(Check):
    """MS706."""

    code, family = "MS706", "contract"
    title = "prompt and state fit into the model's tokens"
    meaning = "what does not fit is cut off: the end of the prompt, and with it `Action:`"
    fix = "shorten the instruction"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Estimate the number of tokens: `Task: ..., State: 256 bins a dimension;` from above."""
        data, target = context.data, context.target
        width = 0
        if target.state_in_prompt.value:
            width = sum(int(np.prod(data.features[column]["shape"])) for column in state_columns(data))
        # A bin number has up to three digits, a token each, and a space.
        state = 4 * width + 12
        for index, task in data.tasks:
            # Characters other than plain letters may take a token each, or several.
            plain = sum(c.isascii() for c in task)
            tokens = state + int(np.ceil(plain / _CHARACTERS_PER_TOKEN)) + 3 * (len(task) - plain)
            yield Note(f"task {index}: at most about {tokens} of {target.max_tokens.value} tokens")
            if tokens > target.max_tokens.value:
                yield Issue(
                    f"the prompt is too long ({target.max_tokens.source})",
                    feature="task",
                    observed=f"task {index}: about {tokens} tokens",
                    expected=f"at most {target.max_tokens.value}",
                )


@register
class LayoutFits(Check):
    """MS707."""

    code, family = "MS707", "contract"
    title = "the declared layout is the one the target was trained on"
    meaning = "the pretrained weights know other numbers in these places"
    fix = "convert the demos with the target's layout: mstool convert --layout libero (pi05_droid: droid)"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare layout and control mode."""
        target, record = context.target, context.data.record
        if not target.layout.value:
            raise Skip(f"{target.name} takes any layout")
        named = recognise(context.data.features)
        if record.layout:
            where, layout, mode = "record", record.layout, record.control_mode
        elif named:
            where, layout, mode = "names", named.layout.name, named.control_mode
        else:
            raise Skip("neither a record nor the names of the dimensions declare a layout")
        if layout != target.layout.value:
            yield Issue(
                f"{target.name} wants another layout ({target.layout.source})",
                feature=f"{where}.layout",
                observed=layout,
                expected=target.layout.value,
            )
        elif mode != target.control_mode:
            yield Issue(
                f"{target.name} wants another control mode ({target.layout.source})",
                feature=f"{where}.control_mode",
                observed=mode,
                expected=target.control_mode,
            )
