import pytest
from support.workers import moody

from mstool.errors import SetupError
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.executors import local as executor
from mstool.maniskill2lerobot.executors.job import ConvertJob


@pytest.fixture
def jobs(tmp_path):
    recipe = Recipe("PickCube-v1", "pick", 10)
    return lambda *positions: [ConvertJob(tmp_path / "d.h5", p, recipe, tmp_path / str(p)) for p in positions]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_dying_worker_costs_its_episode_one_more_attempt(monkeypatch, jobs, tmp_path, workers):
    monkeypatch.setattr(executor, "serve", moody)
    done = {d.job.position: d for d in executor.run_local(jobs(0, 1, 2, 3, 4, 5, 7), workers)}
    assert sorted(done) == [0, 1, 2, 3, 4, 5, 7]
    assert all(done[p].mark for p in (0, 1, 3, 5, 7))
    assert done[2].mark is None
    assert done[2].dropped.endswith("ValueError: no good")
    assert done[4].dropped == "its worker died (signal 9)"
    tries = {p: len(list((tmp_path / str(p)).iterdir())) for p in done}
    assert tries == {0: 1, 1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 7: 2}


def test_what_only_the_user_can_mend_ends_the_run(monkeypatch, jobs):
    monkeypatch.setattr(executor, "serve", moody)
    with pytest.raises(SetupError, match="no device"):
        list(executor.run_local(jobs(0, 6, 8, 10), 1))
