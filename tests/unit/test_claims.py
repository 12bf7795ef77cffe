"""What a person says of a dataset made elsewhere: believed where the data agree, refused where they do not."""

import json
import shutil

import numpy as np
import pytest
from support.edited import BASE, GOLDEN, edit_episodes, edit_info, edit_rows, edit_video, undeclare

from mstool.contract import ControllerFacts, RobotFacts
from mstool.dataset.conventions import load_conventions
from mstool.dataset.files import EPISODE_LOG_FILE, RECORD_FILE
from mstool.dataset.record import read_record
from mstool.errors import DataError, UsageError
from mstool.maniskill2lerobot.rewrite.merge_export import export, merge
from mstool.validators import validate
from mstool.validators.claimed_record import ALL, Claims, Simulated
from mstool.validators.claims import describe_by_claims

PICK = Claims("libero", envs={ALL: "PickCube-v1"})


def elsewhere(folder, name="libero"):
    """Real episodes without a record, their dimensions under other names."""
    root = shutil.copytree(GOLDEN / name, folder / name)
    undeclare(root)
    return root


@pytest.mark.parametrize("name", ["libero", "droid"])
def test_claims_that_hold_become_a_record_that_every_command_knows(tmp_path, name):
    root = elsewhere(tmp_path, name)
    report = describe_by_claims(root, Claims(name, envs={ALL: "PickCube-v1"}))
    assert report.stated["gripper"].startswith("holds: ")
    assert not any(outcome.startswith("contradicted") for outcome in report.stated.values())
    record, golden = read_record(root), read_record(GOLDEN / name)
    # It is what conversion had said.
    for entry in ("layout", "control_mode", "views", "image_size", "goal", "env_ids", "robot", "units"):
        assert getattr(record, entry) == getattr(golden, entry), entry
    for fact, value in golden.controller.items():
        assert record.controller[fact] == pytest.approx(value, rel=1e-6), fact
    assert record.stated == dict(report.stated)
    conventions = load_conventions(root)
    assert conventions.env_ids == ("PickCube-v1",)
    assert not conventions.seeds("PickCube-v1")
    with pytest.raises(UsageError, match="was described, not converted"):
        conventions.need_seeds()
    after = validate(root, "lerobot")
    assert after.valid, after.codes("failed")


def test_without_an_environment_nothing_is_said_of_one(tmp_path):
    root = elsewhere(tmp_path)
    report = describe_by_claims(root, Claims("libero"))
    assert not {"rate", "goal"} & set(report.stated)
    assert read_record(root).env_ids == []


def half_a_second_late(columns):
    columns["action"][:] = np.roll(columns["action"], 3, axis=0)


@pytest.mark.parametrize(
    ("change", "contradicted"),
    [
        (lambda c: c["action"][:, 6].__imul__(-1), "gripper (MS501)"),
        (lambda c: c["action"][:, 3:6].__imul__(-1), "direction of rotations (MS504)"),
        (lambda c: c["action"][:, 0].__imul__(-1), "direction of positions (MS502)"),
        (lambda c: c["action"][:, :3].__imul__(0.5), "size of a unit (MS503)"),
        (lambda c: c["observation.state"][:, :3].__imul__(1000), "state (MS404)"),
        (half_a_second_late, "time of actions (MS505)"),
    ],
    ids=["gripper", "rotation", "position", "unit", "millimetres", "late"],
)
def test_claims_that_the_rows_contradict_are_refused_with_what_was_measured(tmp_path, change, contradicted):
    root = elsewhere(tmp_path)
    edit_rows(root, change)
    with pytest.raises(DataError) as error:
        describe_by_claims(root, PICK)
    assert contradicted in error.value.message, error.value.message
    assert not (root / RECORD_FILE).exists()
    assert not (root / EPISODE_LOG_FILE).exists()


def test_another_layout_another_rate_and_other_views_are_refused(tmp_path):
    root = elsewhere(tmp_path)
    for claims, contradicted in (
        (Claims("tcp"), "state (MS408)"),
        (Claims("joint"), "state (MS506)"),
        (Claims("droid", views=_views("base", "wrist")), "dimensions (MS401)"),
    ):
        with pytest.raises(DataError) as error:
            describe_by_claims(root, claims)
        assert contradicted in error.value.message
    with pytest.raises(DataError, match=r"views \(MS307\)"):
        describe_by_claims(root, Claims("libero", views=_views("wrist", "base")))
    edit_video(root / BASE, lambda frames: [frame[::-1].copy() for frame in frames])
    with pytest.raises(DataError, match=r"views \(MS310\)"):
        describe_by_claims(root, PICK)
    edit_info(root, lambda info: info.update(fps=10))
    with pytest.raises(DataError, match=r"rate \(MS202\).*20"):
        describe_by_claims(root, PICK)


def _views(first, second):
    return {"observation.images.image": first, "observation.images.image2": second}


def test_what_cannot_be_decided_is_marked(tmp_path):
    root = elsewhere(tmp_path)
    # What is never commanded contradicts nothing.
    edit_rows(root, lambda c: c["action"][:, 3:6].__imul__(0))
    report = describe_by_claims(root, PICK)
    assert report.stated["direction of rotations"].startswith("not tested: ")
    assert report.stated["direction of positions"].startswith("holds")


def test_the_record_travels_with_export_and_merge(tmp_path):
    root = elsewhere(tmp_path)
    describe_by_claims(root, PICK)
    export(root, tmp_path / "old", version="v2.1")
    export(tmp_path / "old", tmp_path / "new", version="v3.0")
    assert read_record(tmp_path / "new") == read_record(root)
    other = shutil.copytree(root, tmp_path / "other")
    merge([root, other], tmp_path / "both")
    assert read_record(tmp_path / "both").stated["gripper"] == read_record(root).stated["gripper"]
    lines = [json.loads(line) for line in (tmp_path / "both" / EPISODE_LOG_FILE).read_text().splitlines()]
    assert [line["episode_index"] for line in lines] == list(range(8))


def test_words_that_cannot_be(tmp_path, mstool, capsys):
    root = elsewhere(tmp_path)
    for words, text in (
        ((), "what is the dataset made of, or what is it?"),
        (("--layout", "native"), "which environment, which control mode (mstool envs)?"),
        (("--layout", "libero", "--env", "PickCube-v1", "--env", "PushCube-v1"), "which episodes are of which?"),
        (("--layout", "libero", "--env", "no such words=PickCube-v1"), "no episode has the sentence 'no such words'"),
        (("--claims", root / "meta/info.json", "--layout", "libero"), "what is it?"),
        (("--claims", root / "claims.yaml", "--env", "PickCube-v1"), "--view go with --layout"),
        (("--layout", "libero", "--view", "observation.images.imag=base"), "no camera 'observation.images.imag'"),
        (("--layout", "libero", "--view", "observation.images.image"), "--view is COLUMN=VIEW"),
        (("--layout", "libero", "--goal", "x"), "unknown goal 'x'; there are: "),
        (("--layout", "libero", "--control-mode", "x"), "no meaning in control mode"),
        (("--layout", "libero", "--view", "observation.images.image=wrist"), "two cameras are wrist"),
    ):
        assert mstool("describe", root, *words) == 2
        assert text in capsys.readouterr().err
    assert mstool("describe", root, "--layout", "libero", "--json") == 0
    assert json.loads(capsys.readouterr().out)["layout"] == "libero"
    assert mstool("describe", root, "--layout", "libero") == 2
    assert "has a record" in capsys.readouterr().err
    assert mstool("describe", GOLDEN / "libero", "--layout", "libero", "--overwrite") == 2
    assert "was made by mstool" in capsys.readouterr().err


def several_sentences(root):
    """The episodes alternate between two tasks."""
    edit_episodes(root, lambda rows: [{**row, "tasks": [("pick it", "push it")[k % 2]]} for k, row in enumerate(rows)])


def test_several_environments_are_told_apart_by_their_sentences(tmp_path):
    root = elsewhere(tmp_path)
    several_sentences(root)
    envs = {"pick it": "PickCube-v1", "push it": "PushCube-v1"}
    with pytest.raises(UsageError, match="which environment is of the sentence 'push it'") as error:
        describe_by_claims(root, Claims("libero", envs={"pick it": "PickCube-v1"}))
    assert error.value.fix == "--env 'pick it=ENV' --env 'push it=ENV'"
    describe_by_claims(root, Claims("libero", envs=envs))
    conventions = load_conventions(root)
    assert conventions.env_ids == ("PickCube-v1", "PushCube-v1")
    assert [line["env_id"] for line in conventions.episodes] == ["PickCube-v1", "PushCube-v1"] * 2
    lengths = [line["frames"] for line in conventions.episodes]
    assert conventions.record.horizon == {"PickCube-v1": max(lengths[::2]), "PushCube-v1": max(lengths[1::2])}


def test_layout_native_has_the_names_of_the_simulated_robot(tmp_path):
    root = elsewhere(tmp_path, "joint")
    joints, actions = (tuple(f"{what}{k}" for k in range(n)) for what, n in (("joint", 8), ("action", 7)))
    facts = RobotFacts(joints, ("rad",) * 8, actions, ("",) * 7)
    said = Claims("native", "some_mode", {ALL: "PickCube-v1"}, simulated=Simulated("arm", facts, ControllerFacts(20)))
    report = describe_by_claims(root, said)
    record = read_record(root)
    assert (record.layout, record.control_mode, record.robot, record.robot_uids) == ("native", "some_mode", "arm", None)
    assert record.units == {"observation.state": ["rad"] * 8, "action": [""] * 7}
    assert report.stated["gripper"].startswith("not tested")
    assert validate(root, "lerobot").valid
    wrong = Simulated("arm", RobotFacts(joints[:7], ("rad",) * 7, actions, ("",) * 7), ControllerFacts(10))
    with pytest.raises(DataError) as error:
        describe_by_claims(root, Claims("native", "m", {ALL: "PickCube-v1"}, simulated=wrong), overwrite=True)
    assert "observation.state has 8 numbers, arm in m has 7" in error.value.message
    assert "20 fps, the environment is controlled at 10 Hz" in error.value.message


def test_a_file_says_the_same_and_what_is_wrong_in_it_is_listed(tmp_path, mstool, capsys):
    root, path = elsewhere(tmp_path), tmp_path / "claims.yaml"
    for text, message in (
        ("layout: [", "is not valid YAML"),
        ("env: PickCube-v1", "does not say `layout: NAME`"),
        ("layout: libero\nenvs: x\nviews: front", "unknown entry 'envs', did you mean 'env'?; views must be a table"),
        ("layout: libero\nenv: PickCub-v1", "PickCub-v1"),
    ):
        path.write_text(text)
        assert mstool("describe", root, "--claims", path) in {1, 2}
        assert message in capsys.readouterr().err
    path.write_text("layout: libero\nenv: PickCube-v1\nviews: {observation.images.image: base}\n")
    assert mstool("describe", root, "--claims", path) == 0
    assert read_record(root).env_ids == ["PickCube-v1"]
