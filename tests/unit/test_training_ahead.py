"""Batches made ready while a step computes."""

import itertools
import threading

import pytest
import torch

from mstool.training.ahead import FIRST, Preprocessor, Ready, ahead


class Pipeline:
    """Doubles what it is given, and notes which thread asked."""

    name = "kept"

    def __init__(self):
        self.threads = []

    def __call__(self, batch):
        self.threads.append(threading.current_thread())
        return {**batch, "state": 2 * batch["state"]}


def batches(count=None):
    for number in itertools.count() if count is None else range(count):
        yield {"state": torch.tensor([float(number)]), "view": torch.full((1, 3, 2, 2), 51, dtype=torch.uint8)}


def test_order_and_values_are_those_of_the_loop():
    pipeline = Pipeline()
    seen = list(itertools.islice(ahead(batches(), ["view", "absent"], Preprocessor(pipeline)), 6))
    assert [float(batch["state"]) for batch in seen] == [0, 2, 4, 6, 8, 10]
    assert all(torch.equal(batch["view"], torch.full((1, 3, 2, 2), 51.0) / 255) for batch in seen)


def test_the_first_steps_have_the_gpu_to_themselves():
    pipeline = Pipeline()
    coming = ahead(batches(), [], pipeline)
    for _ in range(FIRST - 1):
        next(coming)
    assert set(pipeline.threads) == {threading.main_thread()}
    assert len(pipeline.threads) == FIRST - 1
    next(coming)
    coming.close()
    assert threading.main_thread() not in pipeline.threads[FIRST - 1 :]


def test_a_batch_is_preprocessed_once():
    pipeline = Pipeline()
    preprocessor = Preprocessor(pipeline)
    (batch,) = itertools.islice(ahead(batches(), [], preprocessor), 1)
    assert preprocessor(batch) is batch
    assert isinstance(batch, Ready)
    assert float(preprocessor({"state": torch.tensor(3.0)})["state"]) == 6
    assert len(pipeline.threads) == 2
    assert preprocessor.name == "kept"


def test_what_fails_in_the_thread_is_raised_where_the_batch_is_wanted():
    def broken():
        yield from batches(FIRST)
        raise OSError("a loader is gone")

    coming = ahead(broken(), [], Pipeline())
    for _ in range(FIRST):
        next(coming)
    with pytest.raises(OSError, match="a loader is gone"):
        next(coming)
