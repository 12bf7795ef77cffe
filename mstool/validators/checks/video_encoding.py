"""MS318: whether videos are encoded as the dataset says."""

from collections.abc import Iterator

from mstool.contract import PIX_FMTS
from mstool.dataset.files import INFO_NAME
from mstool.dataset.frames import video_header
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.structure_files import short
from mstool.validators.report import Issue


@register
class VideoEncoding(Check):
    """MS318."""

    code, family = "MS318", "video"
    title = f"videos have the pixel format that {INFO_NAME} and the record say"
    meaning = "LeRobot's tools encode what they cut out in the declared format, and refuse to join it with the rest"
    fix = "mstool export DATASET --video-profile exact --output DATASET-repaired"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare the headers of all videos with the description, once for each view and format."""
        data = context.data
        if not data.filmed:
            raise Skip("there are no videos")
        profile = data.record.video_profile
        seen = set()
        for path, camera in data.video_files():
            header = video_header(path)
            if header is None or (camera, header.pix_fmt) in seen:
                continue
            seen.add((camera, header.pix_fmt))
            said = {"video.pix_fmt": (data.features[camera].get("info") or {}).get("video.pix_fmt")}
            if profile:
                said[f"video profile {profile!r}"] = PIX_FMTS[profile]
            for what, expected in said.items():
                if expected not in {None, header.pix_fmt}:
                    yield Issue(
                        f"{what} is not that of {short(data, path)}",
                        "warning",
                        feature=camera,
                        observed=header.pix_fmt,
                        expected=str(expected),
                        fix="" if data.record else f"write the true one into {INFO_NAME}'s features",
                    )
