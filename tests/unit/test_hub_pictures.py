import io
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server.datasets import CAMERA, LENGTHS, colour, make_v21, make_v30
from PIL import Image

from mstool.dataset.episode_table import read_episodes
from mstool.dataset.frames import read_pictures
from mstool.dataset.info import read_info
from mstool.errors import DataError
from mstool.hub.contact_sheet import MOMENTS, contact_sheet


def expected(episode):
    return [colour(episode, round(moment * (LENGTHS[episode] - 1))) for moment in MOMENTS]


def middles(pictures):
    return [np.asarray(picture)[24, 32].astype(int) for picture in pictures]


@pytest.mark.parametrize("kind", ["v3.0 video", "v3.0 image", "v2.1 video"])
@pytest.mark.parametrize("episode", [0, 1])
def test_pictures_are_of_the_right_episode_and_moment(tmp_path, kind, episode):
    version, storage = kind.split()
    root = make_v21(tmp_path / "d") if version == "v2.1" else make_v30(tmp_path / "d", storage=storage)
    info = read_info(root)
    row = next(row for row in read_episodes(root, info.raw, info.videos) if row.index == episode)
    positions = [round(moment * (row.length - 1)) for moment in MOMENTS]
    found = middles(read_pictures(root, info.raw, row, CAMERA, positions))
    # One step of time is 30 in green, one episode 200 in red: the codec's error is far below.
    assert np.abs(np.array(found) - np.array(expected(episode))).max() < 8


@pytest.fixture
def coloured(tmp_path):
    return make_v30(tmp_path / "d")


def test_the_sheet_shows_them_in_rows_and_columns(coloured):
    data = contact_sheet(coloured, read_info(coloured))
    sheet = np.asarray(Image.open(io.BytesIO(data))).astype(int)
    height, width = 128, round(64 * 128 / 48)
    for row, episode in enumerate((0, 1)):
        for column, wanted in enumerate(expected(episode)):
            at = sheet[16 + row * 144 + height // 2, 4 + column * (width + 4) + width // 2]
            assert np.abs(at - np.array(wanted)).max() < 12
    assert contact_sheet(coloured, read_info(coloured)) == data


def test_no_camera_no_sheet(coloured):
    info = read_info(coloured)
    without = {name: feature for name, feature in info.features.items() if name != CAMERA}
    assert contact_sheet(coloured, replace(info, features=without)) is None


def test_a_damaged_video_is_named(coloured):
    path = next(coloured.rglob("*.mp4"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=CAMERA) as error:
        contact_sheet(coloured, read_info(coloured))
    assert error.value.fix.startswith("mstool validate")


def test_a_video_that_ends_too_early_is_named(coloured):
    table = next((coloured / "meta/episodes").rglob("*.parquet"))
    rows = pq.read_table(table).to_pylist()
    rows[-1] |= {f"videos/{CAMERA}/from_timestamp": 60.0}
    pq.write_table(pa.Table.from_pylist(rows), table)
    with pytest.raises(DataError, match="ends before 60"):
        contact_sheet(coloured, read_info(coloured))
