"""Where torch computes, as every command takes it."""

import pytest
import torch

from mstool.errors import MstoolError
from mstool.torch_device import choose_device


@pytest.fixture(params=[0, 2])
def gpus(request, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    return request.param


def test_the_best_there_is(gpus):
    assert choose_device(None) == choose_device("auto") == ("cuda" if gpus else "cpu")
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("asked", "least", "code"), [("cuda", 1, 1), ("cuda:1", 2, 1), ("cuda:2", 3, 1), ("gpu", 9, 2), ("cuda:x", 9, 2)]
)
def test_one_that_is_not_there(gpus, asked, least, code):
    if gpus >= least:
        assert choose_device(asked) == asked
        return
    with pytest.raises(MstoolError, match=f"--device {asked}: ") as told:
        choose_device(asked)
    assert told.value.exit_code == code
