"""Single pictures out of a dataset, in both formats, without LeRobot."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

type Row = dict[str, Any]


def from_video(root: Path, info: dict[str, Any], camera: str, episode: int, moments: Sequence[float]) -> list["Image"]:
    """Decode the frames at `moments` (0 first .. 1 last) of an episode's video."""
    import av

    if str(info["codebase_version"]).startswith("v2"):
        chunk = episode // int(info["chunks_size"])
        name = info["video_path"].format(episode_chunk=chunk, video_key=camera, episode_index=episode)
        start, length = 0.0, None
    else:
        row = _episode_row(root, episode)
        place = {key: row[f"videos/{camera}/{key}"] for key in ("chunk_index", "file_index")}
        name = info["video_path"].format(video_key=camera, **place)
        start, length = float(row[f"videos/{camera}/from_timestamp"]), int(row["length"])
    pictures = []
    with av.open(str(root / name)) as container:
        stream = container.streams.video[0]
        count = length or stream.frames
        for moment in moments:
            seconds = start + round(moment * (count - 1)) / float(info["fps"])
            # Half a frame early: rounding of timestamps must not lead to the frame after.
            wanted = seconds - 0.5 / float(info["fps"])
            container.seek(max(0, int(seconds / stream.time_base)), stream=stream)
            frame = next((f for f in container.decode(stream) if f.time is None or f.time >= wanted), None)
            if frame is None:
                raise ValueError(f"{name} ends before {seconds:.2f} s")
            pictures.append(frame.to_image())
    return pictures


def from_table(root: Path, info: dict[str, Any], camera: str, episode: int, moments: Sequence[float]) -> list["Image"]:
    """Decode the pictures at `moments` that an episode keeps in its parquet file."""
    import pyarrow.parquet as pq
    from PIL import Image

    if str(info["codebase_version"]).startswith("v2"):
        chunk = episode // int(info["chunks_size"])
        name = info["data_path"].format(episode_chunk=chunk, episode_index=episode)
    else:
        row = _episode_row(root, episode)
        name = info["data_path"].format(chunk_index=row["data/chunk_index"], file_index=row["data/file_index"])
    file = pq.ParquetFile(root / name)
    pictures: list[Image.Image] = []
    # One row group per episode where our writer or LeRobot's wrote it: read only the groups of this episode.
    cells: list[Any] = []
    for group in range(file.num_row_groups):
        numbers = file.read_row_group(group, columns=["episode_index"]).column(0).to_numpy()
        if (numbers == episode).any():
            column = file.read_row_group(group, columns=[camera]).column(0)
            cells += [column[int(i)] for i in (numbers == episode).nonzero()[0]]
    for moment in moments:
        cell = cells[round(moment * (len(cells) - 1))].as_py()
        pictures.append(Image.open(io.BytesIO(cell["bytes"])).convert("RGB"))
    return pictures


def _episode_row(root: Path, episode: int) -> Row:
    import pyarrow.parquet as pq

    for path in sorted((root / "meta" / "episodes").rglob("*.parquet")):
        table = pq.read_table(path)
        found = (table.column("episode_index").to_numpy() == episode).nonzero()[0]
        if len(found):
            row: Row = table.slice(int(found[0]), 1).to_pylist()[0]
            return row
    raise KeyError(f"episode {episode} is in no episode table")
