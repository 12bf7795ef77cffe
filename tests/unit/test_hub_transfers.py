import threading
import time

import pytest

from mstool.hub.transfers import StoppedError, Transfers


def test_the_first_failure_stops_the_others_at_once():
    begun, ended = threading.Barrier(3), []

    def work(kind):
        if kind == "late":
            return  # whether the worker that failed still takes it up is a matter of luck
        begun.wait(timeout=30)
        if kind == "fails":
            raise ValueError("this one")
        try:
            for _ in range(2000):
                transfers.moved(1)
                time.sleep(0.01)
        except StoppedError:
            ended.append(kind)
            raise

    started = time.monotonic()
    with Transfers("test", 10, 3) as transfers, pytest.raises(ValueError, match="this one"):
        transfers.run(work, ["slow", "fails", "slower", "late"])
    assert time.monotonic() - started < 5, "a slow transfer of 20 s was not waited for"
    assert sorted(ended) == ["slow", "slower"]


def test_all_is_done_and_counted():
    done = []
    with Transfers("test", 3, 2) as transfers:
        transfers.run(lambda item: (transfers.moved(1), done.append(item)), [1, 2, 3])
    assert sorted(done) == [1, 2, 3]
