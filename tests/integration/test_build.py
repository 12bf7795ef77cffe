"""Environments that cannot be built, on ManiSkill itself: one error, its cause, what mends it."""

import pytest

from mstool.errors import DataError, SetupError, UsageError
from mstool.simulators.maniskill.build import build_env
from mstool.simulators.maniskill.solve import other_demos


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"my_argument": 3}, "with my_argument=3, as demos.json says: TypeError: .* unexpected keyword argument"),
        (
            {"robot_uids": "nosuch"},
            "with robot_uids='nosuch', as demos.json says: RuntimeError: Agent nosuch not found",
        ),
        ({"robot_uids": ["panda", "panda"]}, r"with robot_uids=\('panda', 'panda'\), as demos.json says: "),
        ({"sim_config": {"nosuch": 1}}, "UnexpectedDataError"),
        ({"obs_mode": "rgb"}, "multiple values for keyword argument 'obs_mode'"),
    ],
)
def test_arguments_that_the_environment_does_not_take(arguments, cause):
    with pytest.raises(DataError, match=f"PickCube-v1 cannot be built .*{cause}") as error:
        build_env("PickCube-v1", "pd_joint_pos", arguments, said_in="demos.json")
    assert error.value.fix == (
        "correct env_kwargs in demos.json, or convert other demos: mstool convert --env PickCube-v1 --demos generate"
    )


def test_robots_as_json_holds_them():
    env = build_env("PickCube-v1", "pd_joint_pos", {"robot_uids": ["panda"]})
    assert env.unwrapped.agent.uid == "panda"
    env.close()


def test_a_control_mode_that_the_robot_does_not_have():
    with pytest.raises(UsageError, match=r"'pd_nosuch': pd_nosuch not in supported modes: .*pd_ee_delta_pose") as error:
        build_env("PickCube-v1", "pd_nosuch", {})
    assert error.value.fix == "mstool convert --env PickCube-v1 --layout native"


def test_a_reward_mode_that_the_environment_supports():
    env = build_env("DrawTriangle-v1", "pd_joint_pos", {}).unwrapped
    assert env.reward_mode == "sparse"
    env.reset(seed=0)
    assert "success" in env.step(None)[4]
    env.close()


def test_an_environment_that_observes_pictures_alone_is_built_with_them(monkeypatch):
    """As ManiSkill's environments of Bridge are, whose scenes are a download."""
    from mani_skill.utils.registration import REGISTERED_ENVS

    monkeypatch.setattr(REGISTERED_ENVS["PickCube-v1"].cls, "SUPPORTED_OBS_MODES", ["rgb+segmentation"])
    env = build_env("PickCube-v1", "pd_joint_pos", {}).unwrapped
    assert env.reset(seed=0)[0] == {}
    env.close()


def test_a_package_that_the_environment_lacks(monkeypatch):
    from mani_skill.utils.registration import REGISTERED_ENVS

    def lacking(*_):
        raise ImportError("svgpathtools not installed. Install with pip install svgpathtools")

    monkeypatch.setattr(REGISTERED_ENVS["PickCube-v1"].cls, "_load_scene", lacking)
    with pytest.raises(SetupError, match="PickCube-v1 cannot be built: svgpathtools not installed") as error:
        build_env("PickCube-v1", "pd_joint_pos", {})
    assert error.value.fix == "pip install svgpathtools"


def test_files_that_are_not_on_this_machine_are_not_asked_for(monkeypatch, capfd):
    from mani_skill.utils import assets

    monkeypatch.setattr(assets, "is_data_source_downloaded", lambda _: False)
    with pytest.raises(SetupError, match="PickSingleYCB-v1 cannot be built: files of ycb are not on this") as error:
        build_env("PickSingleYCB-v1", "pd_joint_pos", {})
    assert error.value.fix == "python -m mani_skill.utils.download_asset ycb"
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    "env_id",
    [
        "PutCarrotOnPlateInScene-v1",
        "PutEggplantInBasketScene-v1",
        "PutSpoonOnTableClothInScene-v1",
        "StackGreenCubeOnYellowCubeBakedTexInScene-v1",
    ],
)
def test_all_that_simplerenvs_tasks_need_is_fetched_by_one_line(env_id, monkeypatch, mstool, capsys):
    from mani_skill.utils import assets

    monkeypatch.setattr(assets, "is_data_source_downloaded", lambda _: False)
    assert mstool("eval", "--policy", "random", "--env", env_id, "--episodes", "1") == 1
    error = capsys.readouterr().err
    assert f"{env_id} cannot be built: files of bridge_v2_real2sim are not on this machine" in error
    fetch = "python -m mani_skill.utils.download_asset"
    assert f"fix: {fetch} bridge_v2_real2sim && {fetch} widowx250s" in error


def test_other_demos_are_generated_where_there_is_a_solution():
    assert other_demos("StackCube-v1") == "mstool convert --env StackCube-v1 --demos generate"
    assert other_demos("RollBall-v1") == "mstool convert --env RollBall-v1 --demos hub"
