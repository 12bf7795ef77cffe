"""How many workers a machine gets: cores, memory, and what is free on its GPUs."""

import os
import stat

import pytest
import typer

from mstool.cli.workers import count
from mstool.simulators import capacity


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with so many cores, so much memory (GiB) and a `nvidia-smi` that prints so many MiB per GPU."""

    def build(cores, memory, gpus, visible=None):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
        monkeypatch.setattr(os, "sysconf", {"SC_AVPHYS_PAGES": memory * 1024**3, "SC_PAGE_SIZE": 1}.get)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        if gpus is not None:
            tool = tmp_path / "nvidia-smi"
            tool.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/asked\nprintf '{gpus}'\n")
            tool.chmod(tool.stat().st_mode | stat.S_IXUSR)

    return build


@pytest.mark.parametrize(
    ("cores", "memory", "gpus", "workers"),
    [
        (8, 64, None, 8),  # cores
        (8, 9, None, 4),  # memory
        (1, 1, None, 1),  # too little of all: one has to do
        (16, 64, "8000\\n", 7),  # a laptop's GPU
        (16, 64, "100\\n", 1),
        (32, 256, "80000\\n3000\\n", 4),  # two in turn: two on the fuller one
        (32, 256, "No devices were found\\n", 32),
    ],
)
def test_auto_workers(machine, cores, memory, gpus, workers):
    machine(cores, memory, gpus)
    assert capacity.auto_workers() == workers


def test_cores_are_kept_for_inference(machine):
    machine(8, 64, None)
    assert capacity.waiting_workers() == 7
    machine(1, 64, None)
    assert capacity.waiting_workers() == 1


def test_workers_that_wait_for_a_gpu_are_two_per_core(machine):
    machine(8, 64, "80000\\n")
    assert capacity.waiting_workers() == 16


def test_only_visible_gpus_are_asked(machine, tmp_path):
    machine(8, 64, "700\\n", visible="1")
    assert capacity.free_gpu_bytes() == [700 * 1024**2]
    assert (tmp_path / "asked").read_text().split()[-1] == "--id=1"
    machine(8, 64, "700\\n", visible="")
    assert capacity.free_gpu_bytes() == []


@pytest.mark.parametrize(("said", "workers"), [("auto", None), ("1", 1), ("14", 14)])
def test_number_of_workers_as_it_is_said(said, workers):
    assert count(said) == workers


@pytest.mark.parametrize("said", ["0", "-2", "1.5", "many", ""])
def test_no_number_of_workers(said):
    with pytest.raises(typer.BadParameter, match="give 1 or more, or auto"):
        count(said)
