"""Tests that need the extra `libero`."""

import importlib.util

import h5py
import numpy as np
import pytest

from mstool.maniskill2lerobot.plan import ConvertRequest, build, make_recipes
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.libero.tasks import find_task
from support.converted import once

needs_libero = pytest.mark.skipif(
    importlib.util.find_spec("libero") is None, reason="make setup EXTRAS=libero brings LIBERO"
)


ENV = "libero_spatial/0"


def expert_demos(base):
    """Return the expert's demo of `ENV` with seed 1000, made once per test run in a folder that its processes share."""

    def generate(out):
        assert benchmark_of(ENV).generate(ENV, episodes=1, seed=1000, out_dir=out, workers=1).seeds == (1000,)

    return once(base, "libero_demos", generate)


def expert_dataset(base):
    """Return that demo as a dataset, 32 px from both cameras, converted once per test run as well."""

    def convert(root):
        request = ConvertRequest(image_size="32", demos=str(expert_demos(base)), episodes=1)
        formats = {"v3.0": "video"}
        recipes = make_recipes([ENV], request, formats, per_task=False)
        (converted,) = build(recipes, request, root, repo_id="me/l", formats=formats, workers=1)
        assert (converted.converted, converted.fps) == (1, 20)

    return once(base, "libero_dataset", convert)


def write_demos(path, bddl="chiliocosm/bddl_files/libero_spatial/{}.bddl", *, states=True, steps=6):
    """Write a file in the shape of LIBERO's own; integration tests meet its simulator's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_group("data").attrs["bddl_file_name"] = bddl.format(find_task("libero_spatial/3").name)
        demo = file["data"].create_group("demo_0")
        demo["actions"] = np.zeros((steps, 7))
        if states:
            demo["states"] = np.zeros((steps, 92))
        demo.attrs["model_file"] = (
            "<mujoco><worldbody><body name='wooden_cabinet_1_main' pos='1 2 3' quat='0 0 0 1'/></worldbody></mujoco>"
        )
    return path
