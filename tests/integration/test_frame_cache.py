"""The frame cache gives LeRobot's own items."""

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from mstool.errors import MstoolError
from mstool.training import frame_cache
from mstool.training.device_pictures import DevicePictures, keep
from mstool.training.flow.augmentation import reduce_to
from mstool.training.frame_cache import COMPLETE, cached

DELTAS = {"action": [i / 20 for i in range(8)]}


@pytest.fixture(scope="module")
def dataset(pickcube):
    def load(**options):
        return LeRobotDataset(
            "local/pickcube",
            root=pickcube / "v3.0",
            delta_timestamps=DELTAS,
            video_backend="pyav",
            return_uint8=True,
            **options,
        )

    return load


def same(ours, theirs):
    assert set(ours) == set(theirs)
    for key, value in theirs.items():
        if isinstance(value, torch.Tensor):
            assert ours[key].dtype == value.dtype, key
            assert torch.equal(ours[key], value), key
        else:
            assert ours[key] == value


def test_items_are_lerobots_own(dataset, tmp_path):
    theirs = dataset()
    ours = cached(theirs, tmp_path, None, processes=1)
    assert len(ours) == len(theirs)
    first = int(theirs.meta.episodes["dataset_to_index"][0])
    for index in (0, 1, first - 3, first - 1, first, len(theirs) - 1):
        same(ours[index], theirs[index])
    batch = ours.__getitems__([3, 0, first])
    same(batch[1].item(), theirs[0])
    same(batch[2].item(), theirs[first])


def test_batches_are_what_torch_would_collate(dataset, tmp_path):
    ours = cached(dataset(), tmp_path, (32, 32), processes=1)
    loader = torch.utils.data.DataLoader(ours, batch_size=4, num_workers=0)
    expected = torch.utils.data.default_collate([ours[i] for i in range(4)])
    same(next(iter(loader)), expected)
    rows = ours.__getitems__([0, 1, 2, 3])
    same(
        torch.utils.data.default_collate(rows[::-1]), torch.utils.data.default_collate([ours[i] for i in (3, 2, 1, 0)])
    )


def test_of_some_episodes_and_reduced(dataset, tmp_path):
    theirs = dataset(episodes=[1])
    ours = cached(theirs, tmp_path, (64, 64), processes=1)
    assert len(ours) == theirs.num_frames
    item, other = ours[4], theirs[4]
    for camera in theirs.meta.camera_keys:
        # What the policy makes of a whole picture, but for the rounding of halves.
        expected = reduce_to(other.pop(camera)[None], (64, 64))[0] * 255
        assert item[camera].shape == expected.shape
        assert float((item.pop(camera) - expected).abs().max()) <= 0.5 + 1e-3
    same(item, other)


def test_several_processes_decode_the_same(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(frame_cache, "PICTURES_PER_PROCESS", 1)
    for processes in (1, 2):
        cached(dataset(), tmp_path / str(processes), (32, 32), processes=processes)
    for path in (tmp_path / "1").glob("*.u8"):
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes()


def test_a_finished_cache_is_taken_again_and_another_is_not(dataset, tmp_path):
    theirs = dataset()
    cached(theirs, tmp_path, (32, 32), processes=1)
    stamp = (tmp_path / COMPLETE).stat().st_mtime_ns
    cached(theirs, tmp_path, (32, 32), processes=1)
    assert (tmp_path / COMPLETE).stat().st_mtime_ns == stamp
    cached(theirs, tmp_path, (16, 16), processes=1)
    assert (tmp_path / COMPLETE).stat().st_mtime_ns != stamp


def test_two_runs_decode_one_after_the_other_and_none_changes_what_another_reads(dataset, tmp_path, monkeypatch):
    theirs = dataset()
    first = cached(theirs, tmp_path, (32, 32), processes=1)
    before = {camera: first[0][camera].clone() for camera in theirs.meta.camera_keys}
    (tmp_path / COMPLETE).unlink()  # as one with another path of the same dataset does
    fill, busy, told = frame_cache._fill, threading.Event(), []

    def slowly(*words):
        busy.set()
        assert not told, "the second one decodes too"
        end = time.monotonic() + 60
        while not told and time.monotonic() < end:
            time.sleep(0.01)
        fill(*words)
        assert all(torch.equal(first[0][camera], picture) for camera, picture in before.items())

    monkeypatch.setattr(frame_cache, "_fill", slowly)
    monkeypatch.setattr(frame_cache, "notify", lambda: told.append)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(cached, theirs, tmp_path, (32, 32), processes=1)
        busy.wait(60)
        other = pool.submit(cached, theirs, tmp_path, (32, 32), processes=1)
        same(one.result()[3], other.result()[3])
    assert told == [f"waiting: another run decodes the frames into {tmp_path}"]
    assert {path.name for path in tmp_path.iterdir()} >= {"lock", COMPLETE}
    assert not list(tmp_path.glob(".*"))


def test_loaders_in_other_processes_read_the_same_file(dataset, tmp_path):
    ours = cached(dataset(), tmp_path, (32, 32), processes=1)
    ours[0]
    copy = pickle.loads(pickle.dumps(ours))
    same(copy[5], ours[5])


@pytest.mark.parametrize("episodes", [None, [1]])
def test_pictures_on_the_device_come_back_into_the_batches(dataset, tmp_path, episodes):
    ours = cached(dataset(episodes=episodes), tmp_path, (32, 32), processes=1)

    def batches():
        return list(torch.utils.data.DataLoader(ours, batch_size=16))

    whole = batches()
    kept = DevicePictures(ours, torch.device("cpu"))
    bare = batches()
    assert not set(ours.cameras) & set(bare[0])
    filled = list(kept.fill(bare))
    assert len(filled) == len(whole)
    for one, other in zip(filled, whole, strict=True):
        same(one, other)


def test_pictures_stay_with_the_loader_where_no_gpu_has_room(dataset, tmp_path, monkeypatch):
    ours = cached(dataset(), tmp_path, (32, 32), processes=1)
    needed, free = 2 * len(ours) * 3 * 32 * 32, 10**9
    assert keep(ours, "cpu", needed, 0) is None
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free, free))
    assert keep(ours, "cuda", needed, None) is None
    assert keep(ours, "cuda", needed, free - needed + 1) is None
    assert ours.gives_pictures


def test_past_frames_are_refused(dataset, pickcube, tmp_path):
    camera = dataset().meta.camera_keys[0]
    past = LeRobotDataset(
        "local/pickcube", root=pickcube / "v3.0", delta_timestamps={camera: [-0.05, 0.0]}, video_backend="pyav"
    )
    with pytest.raises(MstoolError, match="past frames"):
        cached(past, tmp_path, None, processes=1)
