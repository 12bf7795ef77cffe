"""Demos of LIBERO's expert: the same bytes for any number of processes and after any interruption."""

import h5py
import pytest
from support.libero import needs_libero
from support.libero_expert import FakeExpert, serve

from mstool.errors import MstoolError, UsageError
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.libero import generate
from mstool.simulators.libero.demos import LiberoDemos

pytestmark = needs_libero
ENV = "libero_spatial/3"


@pytest.fixture
def fake(monkeypatch):
    class Fake(FakeExpert):
        tried: list[int] = []  # noqa: RUF012

    monkeypatch.setattr(generate, "LiberoExpert", Fake)
    monkeypatch.setattr(generate, "_serve", serve)
    return Fake


def make(folder, **options):
    return generate.generate_demos(ENV, **{"episodes": 5, "seed": 1000, "out_dir": folder, "workers": 1, **options})


def test_any_number_of_processes_and_any_interruption_give_the_same_bytes(fake, tmp_path):
    whole = make(tmp_path / "whole")
    assert (whole.seeds, whole.failures) == ((1000, 1001, 1003, 1004, 1006), {"not successful": 2})
    fake.tried.clear()
    fake.stop_at = 1004
    with pytest.raises(MstoolError, match=r"nothing was written to .*; 4 seeds that were attempted are kept"):
        make(tmp_path / "resumed")
    assert not (tmp_path / "resumed").exists()
    # What a process that is killed while it writes may leave.
    (work,) = (tmp_path / ".resumed.work").iterdir()
    (work / "seed_1001.hdf5").write_bytes(b"\x89HDF")
    fake.stop_at = -1
    fake.tried.clear()
    assert make(tmp_path / "resumed").seeds == whole.seeds
    assert fake.tried == [1001, 1004, 1005, 1006]
    assert make(tmp_path / "together", workers=2).seeds == whole.seeds
    expected = whole.h5.read_bytes()
    assert {(tmp_path / name / whole.h5.name).read_bytes() for name in ("resumed", "together")} == {expected}
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "resumed", "together"}


def test_what_is_written_is_read_as_demos(fake, tmp_path):
    report = make(tmp_path / "out", episodes=2)
    demos = LiberoDemos(tmp_path / "out")
    assert (demos.env_id, len(demos), demos.problems()) == (ENV, 2, {})
    assert [demos.read(position).seed for position in range(2)] == list(report.seeds)
    with h5py.File(report.h5) as file:
        assert file["data"].attrs["num_demos"] == 2


def test_initial_states_come_to_an_end(fake, tmp_path):
    with pytest.raises(MstoolError, match="gave up after 2 seeds from 48 with 1 of 5 episodes solved"):
        make(tmp_path / "out", seed=48)
    with pytest.raises(UsageError, match="has 50 initial states, 0 to 49; 50 is none of them"):
        make(tmp_path / "out", seed=50)


def test_demos_begin_where_evaluation_does_not():
    libero = benchmark_of(ENV)
    libero.check_seed(ENV, libero.first_demo_seed)
    assert libero.first_demo_seed >= 1000 > 49 > libero.first_seed


def test_nothing_is_replaced_unasked(fake, tmp_path):
    make(tmp_path / "out")
    with pytest.raises(UsageError, match="is there already") as caught:
        make(tmp_path / "out")
    assert caught.value.fix.endswith("--overwrite")
    make(tmp_path / "out", overwrite=True)


def test_what_the_expert_cannot_do_is_refused_with_what_works(tmp_path):
    for options in ({"disturb": 0.3}, {"robot": "panda"}):
        with pytest.raises(UsageError, match="cannot be disturbed, nor move another robot") as caught:
            benchmark_of(ENV).generate(ENV, episodes=1, seed=1000, out_dir=tmp_path / "out", **options)
        assert f"mstool demos generate --env {ENV}" in caught.value.fix
    spec = SimulatorSpec(ENV, "osc_pose")
    with pytest.raises(UsageError, match="cannot go on from where a policy came to") as caught:
        benchmark_of(ENV).correct(spec, iter(()), source="runs/x", episodes=1, seed=0, out_dir=tmp_path / "out")
    assert caught.value.change == {"--correct": None}
