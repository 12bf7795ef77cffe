"""Which GPU a worker process renders on."""

import multiprocessing
from types import SimpleNamespace

import pytest
import torch

from mstool.simulators.maniskill import devices


@pytest.mark.parametrize(
    ("process", "gpus", "device"),
    [("MainProcess", 2, "gpu:0"), ("ForkServerProcess-1", 2, "gpu:0"), ("ForkServerProcess-2", 2, "gpu:1"),
     ("ForkServerProcess-3", 2, "gpu:0"), ("ForkServerProcess-12", 8, "gpu:3"), ("ForkServerProcess-5", 1, "gpu:0"),
     ("ForkServerProcess-5", 0, "gpu:0")],
)  # fmt: skip
def test_worker_processes_share_the_gpus_in_turn(monkeypatch, process, gpus, device):
    monkeypatch.setattr(multiprocessing, "current_process", lambda: SimpleNamespace(name=process))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(devices, "render_backend", lambda: "gpu")
    assert devices.render_device() == device


def test_without_a_gpu_pictures_are_made_on_the_cpu(monkeypatch):
    monkeypatch.setattr(devices, "render_backend", lambda: "cpu")
    assert devices.render_device() == "cpu"
