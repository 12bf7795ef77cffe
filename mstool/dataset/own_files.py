"""Which files of a folder are a dataset's own, LeRobot's and ours, by their paths: all others are the user's."""

import re
from pathlib import PurePosixPath
from string import Formatter

from mstool.dataset import files

# LeRobot's two kinds of paths for pictures that it has not encoded yet, and v2.1's for pictures that it keeps.
_IMAGES = re.compile(r"images/[^/]+/episode[-_]\d+/frame[-_]\d+\.(png|jpe?g)")


def _pattern(template: str) -> str:
    """Return a regular expression of the paths that a template makes: numbers, and the name of a view."""
    fields = {None: "", "video_key": "[^/]+"}
    return "".join(re.escape(text) + fields.get(name, r"\d+") for text, name, _, _ in Formatter().parse(template))


_OWN = re.compile(
    "|".join(
        _pattern(template)
        for template in (
            *files.LEROBOT_META,
            *(files.V3_DATA, files.V3_VIDEO, files.V3_EPISODES, files.V2_DATA, files.V2_VIDEO),
            *(files.NORM_STATS_FILE, files.RECORD_FILE, files.EPISODE_LOG_FILE, files.HISTOGRAMS_FILE),
            *(files.VALIDATION_FILE, files.SOURCES_FILE, files.CONTACT_SHEET_FILE),
        )
    )
)


def is_own_file(path: PurePosixPath) -> bool:
    """Tell whether a path below a dataset's folder is one that a dataset has; its card is the user's."""
    return bool(_OWN.fullmatch(str(path)) or _IMAGES.fullmatch(str(path)))
