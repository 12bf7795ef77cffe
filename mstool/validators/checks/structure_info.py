"""MS101 to MS104: what the dataset's description says."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from mstool.contract import INDEX_COLUMNS
from mstool.dataset.files import INFO_FILE, INFO_NAME, Unavailable, path_of
from mstool.dataset.info import CHUNKS_SIZE, READABLE
from mstool.dataset.view import channels, is_depth
from mstool.validators.check import Check, Context, register
from mstool.validators.report import Issue

_COUNTS = ("total_episodes", "total_frames", "total_tasks")
_V3_SIZES = ("chunks_size", "data_files_size_in_mb", "video_files_size_in_mb")
# What readers make numbers of is fine in both precisions; what `convert` writes comes first.
_INDEX_DTYPES = {"timestamp": ("float32", "float64")} | {n: ("int64",) for n in INDEX_COLUMNS if n != "timestamp"}
_DTYPES = {"video", "image", "string", "bool", "language"} | {
    f"{k}{n}" for k in ("int", "uint") for n in (8, 16, 32, 64)
}
_DTYPES |= {"float16", "float32", "float64"}


@register
class InfoReadable(Check):
    """MS101."""

    code, family = "MS101", "structure"
    title = f"{INFO_FILE} is there and is a JSON object"
    meaning = "every reader opens this file first: nothing can be trained on the dataset"
    fix = "download the dataset or convert the demos again; the folder given must hold meta/ and data/"

    def run(self, context: Context) -> Iterator[Issue]:
        """Read it."""
        try:
            _ = context.data.info
        except Unavailable as why:
            yield Issue(str(why), feature=INFO_FILE, fix=why.fix)


@register
class KnownVersion(Check):
    """MS102."""

    code, family = "MS102", "structure"
    title = "codebase_version is one that readers know"
    meaning = "LeRobot refuses other versions, or converts them when it is told to"
    fix = "convert the dataset with the LeRobot release that wrote it, or write it again"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare."""
        if context.data.version not in READABLE:
            yield Issue(
                "unknown dataset version",
                feature="codebase_version",
                observed=repr(context.data.info.get("codebase_version")),
                expected=" or ".join(READABLE),
            )


@register
class InfoFields(Check):
    """MS103."""

    code, family = "MS103", "structure"
    title = f"{INFO_NAME} has the fields readers need, with possible values"
    meaning = (
        "lerobot refuses to open the dataset (ManiSkill's own converter writes data_files_size_in_mb 0 for small ones)"
    )
    fix = f"write the field into {INFO_FILE}: positive sizes, the true counts, path patterns as LeRobot's"

    def run(self, context: Context) -> Iterator[Issue]:
        """Check counts, sizes, path patterns and splits."""
        info = context.data.info
        yield from self._positive(info, "fps", whole=False)
        for name in _COUNTS:
            yield from self._positive(info, name, whole=True)
        if context.data.version.startswith("v2"):
            # openpi's pin has no default for it: lerobot 0cf8648, common/datasets/lerobot_dataset.py, chunks_size.
            advice = f'"chunks_size": {CHUNKS_SIZE} in {INFO_FILE}, or as many episodes as a chunk folder has'
            for issue in self._positive(info, "chunks_size", whole=True):
                yield replace(issue, fix="" if "chunks_size" in info else advice)
        else:
            for name in _V3_SIZES:
                # lerobot 0.6.1 has a default for one that is missing, and refuses 0 (datasets/utils.py, DatasetInfo).
                if name in info:
                    yield from self._positive(info, name, whole=name == "chunks_size")
        patterns = ["data_path"]
        if any(feature["dtype"] == "video" for feature in context.data.features.values()):
            patterns.append("video_path")
        for name in patterns:
            if not isinstance(info.get(name), str):
                yield Issue("no path pattern", feature=name, observed=repr(info.get(name)), expected="text")
                continue
            try:
                path_of(name, info)
            except Unavailable as why:
                yield Issue(str(why), feature=name)
        yield from self._splits(info)

    @staticmethod
    def _positive(info: dict[str, Any], name: str, *, whole: bool) -> Iterator[Issue]:
        value = info.get(name)
        number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        fine = number and value is not None and 0 < value < math.inf
        if not fine:
            kind = "a whole number" if whole else "a number"
            yield Issue(f"{name} must be {kind} > 0", feature=name, observed=repr(value), expected="> 0")

    @staticmethod
    def _splits(info: dict[str, Any]) -> Iterator[Issue]:
        splits, total = info.get("splits"), info.get("total_episodes")
        if splits is None:
            return
        if not isinstance(splits, dict):
            yield Issue("splits is not a table", feature="splits", observed=repr(splits))
            return
        for name, part in splits.items():
            try:
                first, last = map(int, str(part).split(":"))
            except ValueError:
                yield Issue(
                    f"split {name} is not a range", feature="splits", observed=repr(part), expected="first:last"
                )
                continue
            if isinstance(total, int) and not 0 <= first <= last <= total:
                yield Issue(
                    f"split {name} leaves the episodes", feature="splits", observed=str(part), expected=f"0:{total}"
                )


@register
class FeatureTable(Check):
    """MS104."""

    code, family = "MS104", "structure"
    title = "the feature table is complete and well-formed"
    meaning = "readers build their columns from it: a wrong dtype, shape or missing index column stops them"
    fix = "give every feature dtype, shape (a list of positive numbers) and names; add the five index columns"
    IMAGE_AXES: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("height", "width", "channels"),
        ("height", "width", "channel"),
        ("height", "width", "rgb"),
        ("channels", "height", "width"),
        ("channel", "height", "width"),
    )

    def run(self, context: Context) -> Iterator[Issue]:
        """Check every entry."""
        table = context.data.info.get("features")
        if not isinstance(table, dict) or not table:
            yield Issue("no feature table", feature="features", observed=repr(table)[:60])
            return
        for name, feature in table.items():
            yield from self._entry(name, feature)
        for name, dtypes in _INDEX_DTYPES.items():
            dtype, feature = dtypes[0], table.get(name)
            if not isinstance(feature, dict):
                yield Issue("an index column is not declared", feature=name, expected=f"{dtype}, shape [1]")
            elif feature.get("dtype") not in dtypes or feature.get("shape") != [1]:
                observed = f"{feature.get('dtype')}, shape {feature.get('shape')}"
                yield Issue(
                    "an index column is declared otherwise",
                    feature=name,
                    observed=observed,
                    expected=f"{dtype}, shape [1]",
                )

    def _entry(self, name: str, feature: Any) -> Iterator[Issue]:
        if not isinstance(feature, dict):
            yield Issue("no description", feature=name, observed=repr(feature)[:60])
            return
        dtype, shape = feature.get("dtype"), feature.get("shape")
        if not isinstance(dtype, str) or dtype not in _DTYPES:
            yield Issue("unknown dtype", feature=name, observed=repr(dtype))
        if not isinstance(shape, list) or not all(isinstance(n, int) and n > 0 for n in shape):
            yield Issue("shape is not a list of positive numbers", feature=name, observed=repr(shape))
            return
        if isinstance(dtype, str) and dtype in {"image", "video"}:
            yield from self._image(name, shape, feature)

    def _image(self, name: str, shape: list[int], feature: dict[str, Any]) -> Iterator[Issue]:
        axes = feature.get("names")
        if len(shape) != 3:
            yield Issue("an image has three axes", feature=name, observed=str(shape))
            return
        if not isinstance(axes, list) or tuple(axes) not in self.IMAGE_AXES:
            # LeRobot reads the order of the axes from these names.
            yield Issue(
                "the axes of an image are not named",
                feature=name,
                observed=repr(axes),
                expected="height, width, channels",
            )
            return
        # One channel is depth, or grey: LeRobot opens it, and which policy takes it is `finetune`'s business. A video
        # that is not marked as depth is decoded to RGB whatever it holds.
        count, fine = channels(feature), {1, 3} if feature["dtype"] == "image" else {3}
        if count not in fine and not is_depth(feature):
            yield Issue("images are not RGB", feature=name, observed=f"{count} channels", expected="3")
