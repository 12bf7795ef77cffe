"""MS115: what the description says of how videos were encoded, which LeRobot's editing tools encode with again."""

from collections.abc import Iterator
from typing import Any

from mstool.dataset.files import INFO_FILE, INFO_NAME
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.report import Issue

# lerobot 0.6.1, configs/video.py, VideoEncoderConfig; bool is an int to Python, and no number to LeRobot.
_KINDS: dict[str, tuple[type, ...]] = {
    "video.g": (int,),
    "video.crf": (float, int),
    "video.fast_decode": (int,),
    "video.preset": (int, str),
    "video.extra_options": (dict,),
}


@register
class EncoderSettings(Check):
    """MS115."""

    code, family = "MS115", "structure"
    title = f"{INFO_NAME}'s video settings are of the kinds that LeRobot's tools take"
    meaning = "lerobot-edit-dataset refuses to delete episodes or to split: it encodes with these settings again"
    fix = f"write numbers without quotation marks into {INFO_FILE}'s features"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare kinds."""
        data = context.data
        if data.version != "v3.0":
            raise Skip("only LeRobot v3.0 is edited with these settings")
        videos = {name: feature for name, feature in data.features.items() if feature["dtype"] == "video"}
        if not videos:
            raise Skip("there are no videos")
        for camera, feature in videos.items():
            for name, kinds in _KINDS.items():
                value = feature["info"].get(name)
                if value is not None and not _is(value, kinds):
                    yield Issue(
                        f"{name} is not {_WORDS[kinds[0]]}",
                        "warning",
                        feature=camera,
                        observed=repr(value),
                        # Writing our dataset again writes its settings as they should be.
                        fix="mstool export DATASET --format v3.0 --output DATASET-repaired" if data.record else "",
                    )


_WORDS: dict[type, str] = {int: "a whole number", float: "a number", str: "a text", dict: "a table"}


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)
