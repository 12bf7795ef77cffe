"""MS301 to MS303: whether pictures open, are as many as the rows, and are of the declared size."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mstool.dataset.files import INFO_NAME, Unavailable, video_file
from mstool.dataset.frames import image_shapes, video_header
from mstool.dataset.view import channels
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.structure_files import short
from mstool.validators.report import Issue


def need_cameras(context: Context) -> list[str]:
    """Return the camera columns, or skip."""
    cameras = list(context.data.cameras)
    if not cameras:
        raise Skip("the dataset has no camera")
    return cameras


@register
class PicturesOpen(Check):
    """MS301."""

    code, family = "MS301", "video"
    title = "every video or image can be decoded to its end"
    meaning = "training stops, hours in, at the first image that cannot be decoded"
    fix = "download or encode the file again"

    def run(self, context: Context) -> Iterator[Issue]:
        """Open every file; decode the first and last picture of a few episodes."""
        data = context.data
        need_cameras(context)
        broken = set()
        for path, camera in data.video_files():
            if video_header(path) is None:
                broken.add(path)
                yield Issue(f"{short(data, path)} cannot be opened, or breaks off", feature=camera)
        for camera, feature in data.cameras.items():
            for row in data.pictured:
                if feature["dtype"] == "video" and camera in row.videos:
                    path = video_file(data.root, data.info, row.videos[camera].place, camera)
                    if path in broken or not path.is_file():
                        continue
                    header = video_header(path)
                    if header is not None and _rows_in(context, path) > header.frames:
                        continue  # fewer frames than rows is MS302's
                # One at a time: images of several sizes are MS303's.
                for position in (0, row.length - 1):
                    try:
                        data.pictures(row, camera, [position])
                    except Unavailable as why:
                        yield Issue(f"an image cannot be decoded: {why}", feature=camera, episode=row.index)
                        break


@register
class FrameCounts(Check):
    """MS302."""

    code, family = "MS302", "video"
    title = "every video has as many frames as its episodes have rows"
    meaning = "images and rows drift apart: the policy sees another moment than the one it acts in"
    fix = "encode the video again from all frames, at the dataset's fps"

    def run(self, context: Context) -> Iterator[Issue]:
        """Count packets against the episode table."""
        data = context.data
        if not data.filmed:
            raise Skip("there are no videos")
        for path, camera in data.video_files():
            header = video_header(path)
            if header is not None and header.frames != (declared := _rows_in(context, path)):
                yield Issue(
                    f"{short(data, path)} has another number of frames than its episodes have rows",
                    feature=camera,
                    observed=str(header.frames),
                    expected=str(declared),
                )


@register
class PictureSize(Check):
    """MS303."""

    code, family = "MS303", "video"
    title = "images have the declared height, width and channels"
    meaning = "a batch cannot be stacked, or height and width change places"
    fix = f"write the true size into {INFO_NAME}'s features: [height, width, 3]"
    ONE_SIZE = "write all images of a camera again in one size, the one declared"
    RGB = 'write the images again as RGB (Pillow: image.convert("RGB"))'

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare the headers of all videos, and of the images in data files, with the description."""
        data = context.data
        images = [name for name, feature in data.features.items() if feature["dtype"] == "image"]
        if not images:
            need_cameras(context)
        for camera in dict.fromkeys(camera for _, camera in data.video_files()):
            sizes: dict[tuple[int, int], list[Path]] = {}
            for path in (path for path, name in data.video_files() if name == camera):
                if header := video_header(path):
                    sizes.setdefault((header.height, header.width), []).append(path)
            for size, paths in sizes.items():
                yield from self._video(data.features[camera], camera, size, short(data, paths[0]), len(sizes) > 1)
        for camera in images:
            found = sum((image_shapes(data.root, path, camera) for path in data.image_files()), Counter())
            yield from self._images(data.features[camera], camera, found)

    def _video(
        self, feature: dict[str, Any], camera: str, size: tuple[int, int], name: str, mixed: bool
    ) -> Iterator[Issue]:
        wanted = _declared(feature)
        if wanted[:2] != size:
            yield Issue(
                f"{name} has another size than declared",
                feature=camera,
                observed="x".join(map(str, size)),
                expected="x".join(map(str, wanted[:2])),
                fix=self.ONE_SIZE if mixed else "",
            )
            return
        info = feature.get("info") or {}
        for key, value in (("video.height", size[0]), ("video.width", size[1])):
            if info.get(key) not in {None, value}:
                yield Issue(
                    f"{key} is not that of the file", feature=camera, observed=str(info[key]), expected=str(value)
                )

    def _images(self, feature: dict[str, Any], camera: str, found: Counter[tuple[int, int, int]]) -> Iterator[Issue]:
        wanted, total = _declared(feature), found.total()
        for shape, count in found.items():
            if shape == wanted:
                continue
            another = "size" if shape[:2] != wanted[:2] else "number of channels"
            fix = self.RGB if another != "size" else self.ONE_SIZE if len(found) > 1 else ""
            yield Issue(
                f"{count} of {total} images have another {another} than declared",
                feature=camera,
                observed="x".join(map(str, shape)),
                expected="x".join(map(str, wanted)),
                fix=fix,
            )


def _rows_in(context: Context, path: Path) -> int:
    return sum(row.length for row, _ in context.data.filmed[path])


def _declared(feature: dict[str, Any]) -> tuple[int, int, int]:
    """Return (height, width, channels)."""
    shape, names = feature["shape"], feature.get("names")
    axes = dict(zip(names, shape, strict=False)) if isinstance(names, list) else {}
    return axes.get("height", shape[0]), axes.get("width", shape[1]), channels(feature)
