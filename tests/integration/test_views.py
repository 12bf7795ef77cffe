"""Views of environments without an exterior camera, of other robots' hands, of two arms; episodes that failed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support.demos import write_demo
from support.records import read_record

from mstool.errors import MstoolError, UsageError
from mstool.maniskill2lerobot.executors.base import Done
from mstool.maniskill2lerobot.executors.job import ConvertWorker
from mstool.maniskill2lerobot.plan import ConvertRequest, build, make_recipes
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.maniskill.environment import ManiSkillSimulator
from mstool.simulators.maniskill.environments import known_environments
from mstool.simulators.maniskill.registry import env_ids

FORMATS = {"v3.0": "image"}


def look(env_id, views, mode="pd_joint_delta_pos"):
    simulator = ManiSkillSimulator(SimulatorSpec(env_id, mode, views=views, image_size=(32, 48)))
    try:
        simulator.reset(0)
        return simulator.images(), simulator.camera_facts()
    finally:
        simulator.close()


def test_the_table_has_every_environment():
    assert [facts.env_id for facts in known_environments()] == env_ids()


@pytest.mark.parametrize(
    ("env_id", "mounts"),
    [
        ("MS-HopperStand-v1", {"base": "torso_dummy_1", "render_cam": "torso_dummy_1"}),
        pytest.param("UnitreeG1Stand-v1", {"base": "", "base2": "", "render_camera": ""}, marks=pytest.mark.proof),
        ("PickCubeSO100-v1", {"base": "", "wrist": "Fixed_Jaw"}),
        (
            "TwoRobotPickCube-v1",
            {"wrist_left": "panda_wristcam-0.panda_hand", "wrist_right": "panda_wristcam-1.panda_hand"},
        ),
    ],
)
def test_what_there_is_is_seen(env_id, mounts):
    images, facts = look(env_id, tuple(mounts))
    assert {view: each.mount for view, each in facts.items()} == mounts
    assert all(image.shape == (32, 48, 3) and image.std() > 2 for image in images.values())
    if "base" in facts and len(mounts) > 1 and env_id.startswith("MS"):
        np.testing.assert_array_equal(images["base"], images["render_cam"])


def test_a_camera_of_the_environments_own_is_the_base_view_by_another_name():
    images, facts = look("PickCube-v1", ("base", "base_camera"))
    np.testing.assert_array_equal(images["base"], images["base_camera"])
    assert facts["base"] == facts["base_camera"]


@pytest.mark.parametrize(
    ("env_id", "said"), [("MS-HopperStand-v1", "nothing is known of a hand"), ("TwoRobotPickCube-v1", "2 robots")]
)
def test_a_view_that_is_not_there_lists_those_that_are(env_id, said):
    with pytest.raises(UsageError, match=said) as error:
        look(env_id, ("base", "wrist"))
    assert "choose from --cameras base," in error.value.fix


def here(jobs, _workers):
    worker = ConvertWorker()
    yield from (Done(job, worker.do(job)) for job in jobs)
    worker.close()


def test_failures_are_kept_and_marked(tmp_path, mstool):
    demos = write_demo(tmp_path / "demos", "PushCube-v1", np.zeros((3, 8), np.float32))
    request = ConvertRequest(layout="native", cameras="render_camera", image_size="32", demos=str(demos))

    def convert(request):
        recipes = make_recipes(["PushCube-v1"], request, FORMATS, per_task=False)
        return build(recipes, request, tmp_path / "out", repo_id="me/x", formats=FORMATS, executor=here)

    with pytest.raises(MstoolError, match="1 x not successful"):
        convert(request)
    convert(replace(request, keep_failures=True))
    assert mstool("export", tmp_path / "out", "--format", "v2.1", "--output", tmp_path / "v21") == 0
    for root, column in (
        (tmp_path / "out", "observation.images.render_camera"),
        (tmp_path / "v21", "render_camera_image"),
    ):
        (line,) = map(json.loads, (root / "meta/mstool/episodes.jsonl").read_text().splitlines())
        assert line["solved"] is False
        assert any("did not solve the task" in text for text in read_record(root)["warnings"])
        assert column in json.loads((root / "meta/info.json").read_text())["features"]
