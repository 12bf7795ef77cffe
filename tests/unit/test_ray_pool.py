"""The pool of Ray actors against a stand-in for Ray: who is retried, what is dropped, what ends the run."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from support.workers import mark

from mstool import __version__
from mstool.errors import MstoolError, SetupError, UsageError
from mstool.installation import install_command
from mstool.maniskill2lerobot.episode.recipe import Recipe
from mstool.maniskill2lerobot.executors import ray as ray_executor
from mstool.maniskill2lerobot.executors import ray_cluster
from mstool.maniskill2lerobot.executors.choose import choose_executor
from mstool.maniskill2lerobot.executors.job import ConvertJob
from mstool.maniskill2lerobot.executors.ray_worker import Node, RayWorker
from mstool.simulators.capacity import WORKER_BYTES

GOOD = Node("n", __version__, "cpu")


class Died(Exception):
    pass


class Reference:
    def __init__(self, value):
        self.value = value


class FakeRay:
    """Actors that answer as told, in the order in which they were asked; no processes."""

    exceptions = SimpleNamespace(RayError=Died)

    def __init__(self, answers, looks=(), room=2):
        self.answers, self.looks, self.room = answers, list(looks), room
        self.alive, self.asked, self.options = set(), [], {}

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": self.room, "memory": 9 * WORKER_BYTES}}]

    def remote(self, **options):
        self.options = options
        return lambda _: SimpleNamespace(remote=self.hire)

    def hire(self):
        actor = Reference(None)
        self.alive.add(actor)
        look = self.looks.pop(0) if self.looks else GOOD
        actor.look = SimpleNamespace(remote=lambda _env_id, _paths: Reference(look))
        actor.do = SimpleNamespace(remote=lambda job: self.ask(actor, job))
        return actor

    def ask(self, actor, job):
        assert actor in self.alive
        assert job.shard.is_absolute()
        assert job.demos.is_absolute()
        self.asked.append(job.position)
        return Reference(self.answers(job, self.asked.count(job.position)))

    def wait(self, references, timeout):
        ready = [r for r in references if r.value != "pending"]
        return ready[:1], references

    def get(self, reference):
        if isinstance(reference.value, Died):
            raise reference.value
        return reference.value

    def kill(self, actor):
        self.alive.discard(actor)


@pytest.fixture
def run(monkeypatch, tmp_path):
    def run(ray, positions, workers=2):
        monkeypatch.setattr(ray_executor, "connect", lambda address: ray)
        recipe = Recipe("PickCube-v1", "pick", 10)
        jobs = [ConvertJob(Path("d.h5"), p, recipe, tmp_path / "env" / str(p)) for p in positions]
        done = {d.job.position: d for d in ray_executor.on_ray("auto")(jobs, workers)}
        assert all(d.job in jobs for d in done.values())  # the caller's own, not the one with absolute paths
        return done

    return run


def answers(job, attempt):
    if job.position == 4 or (job.position % 2 and attempt == 1):
        return Died("The actor died unexpectedly.\n")
    return "Traceback\nValueError: no good" if job.position == 2 else mark(job)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_dying_actor_costs_its_episode_one_more_attempt(run, workers, tmp_path):
    ray = FakeRay(answers)
    done = run(ray, [0, 1, 2, 3, 4, 5, 7], workers)
    assert sorted(done) == [0, 1, 2, 3, 4, 5, 7]
    assert all(done[p].mark for p in (0, 1, 3, 5, 7))
    assert done[2].dropped.endswith("ValueError: no good")
    assert done[4].dropped == "its worker died (The actor died unexpectedly.)"
    assert {p: ray.asked.count(p) for p in done} == {0: 1, 1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 7: 2}
    assert not ray.alive
    assert list(tmp_path.iterdir()) == []  # the token is gone
    assert ray.options == {"num_cpus": 1, "num_gpus": 0.0, "memory": WORKER_BYTES, "max_restarts": 0}


def test_what_only_the_user_can_mend_ends_the_run(run):
    ray = FakeRay(lambda job, attempt: SetupError("no device"))
    with pytest.raises(SetupError, match="no device"):
        run(ray, [0, 1, 2])
    assert not ray.alive


def test_actors_that_never_find_room_do_not_hold_up_the_run(run):
    """As after a node died: one actor does all the work, its replacement waits for ever."""
    ray = FakeRay(answers, looks=[GOOD, "pending", "pending", "pending"])
    assert all(d.mark for d in run(ray, [0, 6, 8]).values())
    assert not ray.alive
    with pytest.raises(MstoolError, match="started no worker: no node had room"):
        run(FakeRay(answers, looks=["pending", "pending"]), [0, 6])


def test_actors_that_cannot_start_end_the_run_with_their_reason(run):
    looks = [Died("The actor died because:\nModuleNotFoundError: No module named 'mstool'")] * 20
    with pytest.raises(MstoolError, match="started no worker: ModuleNotFoundError"):
        run(FakeRay(answers, looks=looks), [0, 6])
    # One that fails, as when its node dies meanwhile, is replaced.
    assert run(FakeRay(answers, looks=looks[:1]), [0])[0].mark


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Node("far", __version__, "cpu", (Path("/data/x"),)), "node far does not see /data/x"),
        (Node("old", "0.0.1", "cpu"), "node old has mstool 0.0.1"),
        (Node("big", __version__, "gpu"), "node big renders on its GPU, node n on its CPU"),
        (SetupError("node blind: no device"), "node blind"),
    ],
)
def test_a_node_that_would_make_other_shards_is_named(run, node, message):
    ray = FakeRay(answers, looks=[GOOD, node])
    with pytest.raises(MstoolError, match=message):
        run(ray, [0, 6, 8])
    assert not ray.alive


def test_a_worker_sees_what_its_node_lacks(monkeypatch, tmp_path):
    from mstool.maniskill2lerobot.executors import ray_worker

    monkeypatch.setattr(ray_worker, "SEEN_SECONDS", 0.0)
    monkeypatch.setattr("mstool.simulators.maniskill.benchmark.render_backend", lambda: "cpu")
    node = RayWorker().look("PickCube-v1", [tmp_path, tmp_path / "absent"])
    assert node.missing == (tmp_path / "absent",)
    assert node.version == __version__


def test_room_is_counted_where_workers_can_be():
    small = {"Alive": True, "Resources": {"CPU": 8.0, "memory": 3 * WORKER_BYTES}}
    gpu = {"Alive": True, "Resources": {"CPU": 4.0, "memory": 99 * WORKER_BYTES, "GPU": 2.0}}
    dead = {"Alive": False, "Resources": {"CPU": 64.0, "memory": 99 * WORKER_BYTES, "GPU": 8.0}}
    assert ray_cluster.capacity([small, small, dead]) == 6
    assert ray_cluster.capacity([small, gpu, dead]) == 4
    assert ray_cluster.capacity([dead]) == 0
    assert ray_cluster.gpu_share([small], 3) == 0
    # Two GPUs, three workers: two of them on one GPU.
    assert ray_cluster.gpu_share([small, gpu, dead], 3) == 0.5
    assert 6 * ray_cluster.gpu_share([gpu], 12) <= 1


def test_no_room_at_all(run):
    with pytest.raises(MstoolError, match="no room for a worker"):
        run(FakeRay(answers, room=0), [0])


def test_without_ray(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(SetupError) as error:
        choose_executor("ray", "auto")
    assert error.value.message.startswith("--executor ray needs ray")
    assert error.value.fix == install_command(["ray"])


def test_executor_that_does_not_exist():
    with pytest.raises(UsageError, match="unknown executor 'slurm'; there are: "):
        choose_executor("slurm", "auto")
    assert choose_executor("local", "auto").__name__ == "run_local"


@pytest.mark.parametrize("address", ["junk", "ray://head:10001", "head:", ":6379"])
def test_addresses_that_are_none(address):
    pytest.importorskip("ray")
    with pytest.raises(UsageError, match="is not HOST:PORT"):
        ray_cluster.connect(address)
