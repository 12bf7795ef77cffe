"""MS301 to MS303: whether pictures open, are as many as the rows, and are of the declared size."""

from collections.abc import Iterator

from mstool.dataset.files import INFO_NAME, Unavailable, video_file
from mstool.dataset.frames import video_header
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.checks.structure_files import short
from mstool.validators.report import Issue
from mstool.validators.sampling import SampledView


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
                    if header is not None and self._declared(context, path, camera) > header.frames:
                        continue  # fewer frames than rows is MS302's
                try:
                    data.pictures(row, camera, [0, row.length - 1])
                except Unavailable as why:
                    yield Issue(f"an image cannot be decoded: {why}", feature=camera, episode=row.index)

    @staticmethod
    def _declared(context: Context, path: object, camera: str) -> int:
        data = context.data
        return sum(
            row.length
            for row in data.episodes
            if camera in row.videos and video_file(data.root, data.info, row.videos[camera].place, camera) == path
        )


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
        declared: dict[object, int] = {}
        for row in data.episodes:
            for camera, span in row.videos.items():
                path = video_file(data.root, data.info, span.place, camera)
                declared[path] = declared.get(path, 0) + row.length
        if not declared:
            raise Skip("there are no videos")
        for path, camera in data.video_files():
            header = video_header(path)
            if header is not None and header.frames != declared[path]:
                yield Issue(
                    f"{short(data, path)} has another number of frames than its episodes have rows",
                    feature=camera,
                    observed=str(header.frames),
                    expected=str(declared[path]),
                )


@register
class PictureSize(Check):
    """MS303."""

    code, family = "MS303", "video"
    title = "images have the declared height and width"
    meaning = "a batch cannot be stacked, or height and width change places"
    fix = f"write the true size into {INFO_NAME}'s features: [height, width, 3]"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare headers, or decoded pictures, with the description."""
        data = context.data
        need_cameras(context)
        seen = set()
        for path, camera in data.video_files():
            header = video_header(path)
            if header is not None and camera not in seen:
                yield from self._compare(context, camera, header.height, header.width)
                seen.add(camera)
        for camera, feature in data.cameras.items():
            if feature["dtype"] == "image":
                for height, width in self._sizes(data, camera):
                    yield from self._compare(context, camera, height, width)

    @staticmethod
    def _sizes(data: SampledView, camera: str) -> list[tuple[int, int]]:
        """Return the sizes that occur among pictures at the ends and in the middle of episodes."""
        sizes = {
            data.pictures(row, camera, [position])[0].shape[:2]
            for row in data.pictured
            for position in {0, row.length // 2, row.length - 1}
        }
        return sorted((height, width) for height, width in sizes)

    @staticmethod
    def _compare(context: Context, camera: str, height: int, width: int) -> Iterator[Issue]:
        feature = context.data.features[camera]
        shape, names = feature["shape"], feature.get("names")
        axes = dict(zip(names, shape, strict=False)) if isinstance(names, list) else {}
        wanted = (axes.get("height", shape[0]), axes.get("width", shape[1] if len(shape) > 1 else 0))
        if wanted != (height, width):
            yield Issue(
                "images have another size than declared",
                feature=camera,
                observed=f"{height}x{width}",
                expected=f"{wanted[0]}x{wanted[1]}",
            )
        info = feature.get("info") or {}
        for name, value in (("video.height", height), ("video.width", width)):
            if info.get(name) not in {None, value}:
                yield Issue(
                    f"{name} is not that of the file", feature=camera, observed=str(info[name]), expected=str(value)
                )
