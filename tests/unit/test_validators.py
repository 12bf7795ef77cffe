"""The runner, the report, targets, and the numerical tools under the checks."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mstool.cli.validate import _print
from mstool.errors import UsageError
from mstool.layouts.rotations import axis_angle_to_quat
from mstool.robots import PANDA
from mstool.validators import validate
from mstool.validators.check import CHECKS, Check, Context, Skip, register
from mstool.validators.classify import classify_state
from mstool.validators.kinematics import share_within_limits, tool_centre
from mstool.validators.regression import fit
from mstool.validators.report import Issue, Note, ValidationReport
from mstool.validators.runner import all_checks, choose_checks, run_check
from mstool.validators.sampling import SampledView
from mstool.validators.targets import TARGETS, Expectation, get_target

GOLDEN = Path(__file__).parent.parent / "golden" / "validate_data"


def context(root=GOLDEN / "libero", target="maniskill"):
    return Context(SampledView(root), get_target(target))


def outcome(run):
    class Made(Check):
        code, family, title, meaning, fix = "MS000", "test", "a title", "a meaning", "a fix"

    Made.run = run
    Made.__abstractmethods__ = frozenset()
    return run_check(Made(), context())


def test_every_check_is_documented():
    for check in all_checks():
        for name in ("code", "family", "title", "meaning", "fix"):
            assert len(getattr(check, name)) > 2, f"{check.__name__} has no {name}"
        assert check.code.startswith("MS")
        assert len(check.code) == 5


def test_families_are_all_there():
    families = {check.family for check in all_checks()}
    expected = "structure,timing,video,state and actions,meaning,statistics,contract,provenance,replay"
    assert families == set(expected.split(","))


def test_a_code_is_used_once():
    all_checks()
    with pytest.raises(ValueError, match="MS101 is used"):
        register(type("Second", (CHECKS["MS101"],), {}))


def test_every_expectation_has_a_source():
    for target in TARGETS.values():
        for name, value in vars(target).items():
            if isinstance(value, Expectation):
                assert len(value.source) > 2, f"{target.name}.{name}"


def test_status_follows_the_worst_issue():
    assert outcome(lambda self, context: iter([])).status == "passed"
    assert outcome(lambda self, context: iter([Note("n")])).status == "passed"
    assert outcome(lambda self, context: iter([Issue("w", "warning")])).status == "warned"
    assert outcome(lambda self, context: iter([Issue("w", "warning"), Issue("e")])).status == "failed"


def test_skip_gives_its_reason():
    def run(self, context):
        yield Note("before")
        raise Skip("too little motion")

    result = outcome(run)
    assert (result.status, result.reason) == ("skipped", "too little motion")


def test_an_issue_found_before_a_skip_stays():
    def run(self, context):
        yield Issue("bad")
        raise Skip("the rest cannot be seen")

    assert outcome(run).status == "failed"


def test_a_check_that_raises_is_our_bug_and_invalid():
    def run(self, context):
        raise ZeroDivisionError("oops")
        yield

    result = outcome(run)
    assert result.status == "error"
    assert "ZeroDivisionError: oops" in result.reason


def test_many_issues_are_counted_and_few_kept():
    result = outcome(lambda self, context: (Issue(str(i)) for i in range(1000)))
    assert result.found == 1000
    assert len(result.issues) == 20


def test_no_check_fails_itself_on_an_empty_or_garbled_folder(tmp_path):
    with pytest.raises(UsageError, match="is not a LeRobot dataset"):
        validate(tmp_path, "pi05_libero")
    (tmp_path / "meta").mkdir()
    for garbage in ("[]", "{}", '{"features": 3}', '{"features": {"a": 1, "action": {"dtype": "float32"}}, "fps": -1}'):
        (tmp_path / "meta/info.json").write_text(garbage)
        for target in TARGETS:
            report = validate(tmp_path, target)
            assert report.codes("error") == set(), [r.reason for r in report.with_status("error")]
            assert not report.valid


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_check_fails_itself_whatever_info_says(data, tmp_path_factory):
    root = tmp_path_factory.mktemp("junk") / "dataset"
    shutil.copytree(GOLDEN / "libero", root, ignore=shutil.ignore_patterns("*.mp4"))
    info = json.loads((root / "meta/info.json").read_text())
    for _ in range(3):
        where = data.draw(st.sampled_from([info, info["mstool"], info["features"], *info["features"].values()]))
        if isinstance(where, dict) and where:
            where[data.draw(st.sampled_from(sorted(where)))] = data.draw(JUNK)
        if not isinstance(info.get("features"), dict) or not isinstance(info.get("mstool"), dict):
            break
    (root / "meta/info.json").write_text(json.dumps(info))
    report = validate(root, "maniskill", ignore=["MS3"])
    assert report.codes("error") == set(), [r.reason[-800:] for r in report.with_status("error")]
    shutil.rmtree(root)


def test_selection_by_code_and_family():
    assert {check.code for check in choose_checks(["MS2"], [])} == {c.code for c in all_checks() if c.code[2] == "2"}
    assert "MS201" not in {check.code for check in choose_checks(["MS2"], ["MS201"])}
    with pytest.raises(UsageError, match="MS999"):
        choose_checks(["MS999"], [])


def test_missing_dataset_and_statistics_are_usage_errors(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        validate(tmp_path / "nothing", "maniskill")
    with pytest.raises(UsageError, match="norm-stats"):
        validate(GOLDEN / "libero", "maniskill", norm_stats=tmp_path / "norm_stats.json")


def test_strict_makes_warnings_invalid(tmp_path):
    root = tmp_path / "dataset"
    shutil.copytree(GOLDEN / "libero", root)
    info = json.loads((root / "meta/info.json").read_text())
    info["mstool"]["conventions"]["gripper_action"] = "edited"
    (root / "meta/info.json").write_text(json.dumps(info))
    assert validate(root, "maniskill", select=["MS8"]).valid
    assert not validate(root, "maniskill", select=["MS8"], strict=True).valid


def test_words_of_an_earlier_version_are_no_warning():
    assert validate(GOLDEN / "libero", "maniskill", select=["MS801"], strict=True).valid


@pytest.mark.parametrize(
    ("text", "codes", "told"),
    [
        ("{}", {"MS804"}, "the record says nothing"),
        ('{"lay', {"MS801"}, "the record cannot be read (MS801)"),
        (None, {"MS804"}, "the record is missing"),
    ],
)
def test_a_record_that_is_there_is_not_called_missing(tmp_path, text, codes, told):
    root = tmp_path / "dataset"
    shutil.copytree(GOLDEN / "libero", root)
    info = json.loads((root / "meta/info.json").read_text())
    del info["mstool"]
    (root / "meta/info.json").write_text(json.dumps(info))
    if text is not None:
        (root / "meta/mstool/record.json").write_text(text)
    report = validate(root, "maniskill", select=["MS8"])
    assert report.codes("failed", "warned") == codes
    said = [issue.message for result in report.results for issue in result.issues if result.code == "MS804"]
    said += [result.reason for result in report.with_status("skipped")]
    assert said
    assert all(message.startswith(told) for message in said)


def test_replay_is_judged_by_its_rate():
    def replay(solved):
        return lambda ours, lines, actions: {i: i < solved for i in range(len(lines))}

    good = validate(GOLDEN / "libero", "maniskill", select=["MS901"], replay=replay(4))
    bad = validate(GOLDEN / "libero", "maniskill", select=["MS901"], replay=replay(2))
    assert good.codes("passed") == {"MS901"}
    assert "50%" in bad.results[0].issues[0].observed
    assert validate(GOLDEN / "libero", "maniskill", select=["MS901"]).results[0].status == "skipped"


def test_what_was_made_from_recorded_states_is_not_executed(tmp_path):
    root = tmp_path / "dataset"
    shutil.copytree(GOLDEN / "libero", root)
    info = json.loads((root / "meta/info.json").read_text())
    info["mstool"]["observations"] = "states"
    (root / "meta/info.json").write_text(json.dumps(info))
    report = validate(root, "maniskill", select=["MS901"], replay=lambda *_: {0: False})
    assert report.results[0].status == "skipped"
    assert "made from recorded states" in str(report.results[0])


def test_given_statistics_are_compared(tmp_path):
    """For a consumer of norm_stats.json only: the dataset's own is right, another's is not."""
    stale = json.loads((GOLDEN / "libero/norm_stats.json").read_text())
    stale["norm_stats"]["actions"]["q99"][0] *= 2
    (tmp_path / "stale.json").write_text(json.dumps(stale))
    own = validate(GOLDEN / "libero", "pi05_libero", select=["MS603"])
    other = validate(GOLDEN / "libero", "pi05_libero", select=["MS603"], norm_stats=tmp_path / "stale.json")
    assert own.valid
    assert other.flatten(("code", "dimension")) == [("MS603", 0)]


# Numerical tools


def test_panda_kinematics_at_a_known_pose():
    """ManiSkill's keyframe `rest` of the Panda: tool 0.615 m ahead of the base, pointing down."""
    rest = np.array([[0.0, np.pi / 8, 0, -np.pi * 5 / 8, 0, np.pi * 3 / 4, np.pi / 4]])
    position, rotation = tool_centre(PANDA, rest)
    np.testing.assert_allclose(position[0], [0.615, 0.0, 0.1698], atol=1e-4)
    np.testing.assert_allclose(rotation[0] @ [0, 0, 1], [0, 0, -1], atol=1e-6)
    np.testing.assert_allclose(rotation[0] @ rotation[0].T, np.eye(3), atol=1e-12)


def test_panda_kinematics_agree_with_the_simulator():
    """The same demos stored as joints and as end effector poses; ManiSkill's Panda stands at x = -0.615 m."""

    def state(layout):
        return np.stack(pq.read_table(GOLDEN / layout / "data")["observation.state"].to_pylist())

    position, _ = tool_centre(PANDA, state("joint")[:, :7])
    np.testing.assert_allclose(position - [0.615, 0, 0], state("libero")[:, :3], atol=2e-6)


def test_joint_limits():
    assert share_within_limits(PANDA, np.array([[0, 0, 0, -1.5, 0, 1.5, 0.7]])) == 1
    assert share_within_limits(PANDA, np.array([[0, 0, 0, 1.5, 0, 1.5, 0.7]])) == 0


def test_states_are_told_apart():
    rng = np.random.default_rng(0)
    position = rng.uniform(-0.5, 0.5, (50, 3))
    turn = np.array([np.pi, 0, 0]) + rng.normal(0, 0.1, (50, 3))
    fingers = np.full((50, 2), 0.02)
    assert classify_state(np.hstack([position, turn, fingers])) == "eef_axis_angle"
    assert classify_state(np.hstack([position, axis_angle_to_quat(turn), fingers[:, :1]])) == "eef_quaternion"
    joints = np.array([0, 0.4, 0, -1.9, 0, 2.3, 0.8]) + rng.normal(0, 0.1, (50, 7))
    assert classify_state(np.hstack([joints, fingers[:, :1]])) == "joints"
    assert classify_state(np.hstack([np.rad2deg(joints), fingers[:, :1]])) is None


@given(gain=st.floats(-2, 2).filter(lambda g: abs(g) > 0.05), seed=st.integers(0, 1000))
def test_regression_is_robust_to_outliers(gain, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(120, 1))
    y = gain * x[:, 0] + rng.normal(0, 0.01, 120)
    y[::15] += 3.0
    result = fit(x, y)
    assert abs(result.gain - gain) < 0.05
    assert result.gain_error < 0.05


def test_regression_widens_its_error_for_autocorrelated_residuals():
    rng = np.random.default_rng(1)
    x = np.cumsum(rng.normal(size=400))[:, None] * 0.1
    slow = np.convolve(rng.normal(size=420), np.ones(20) / 20, "valid")[:400]
    white = rng.normal(size=400) * slow.std()
    assert fit(x, x[:, 0] + slow).gain_error > 2 * fit(x, x[:, 0] + white).gain_error


def test_regression_does_not_see_signs_in_noise():
    wrong = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        wrong += fit(rng.normal(size=(60, 2)), rng.normal(size=60)).certain_sign
    assert wrong <= 2


def test_what_differs_from_the_dataset_that_a_target_was_trained_on_is_told_and_no_fault():
    results = {code: run_check(CHECKS[code](), context(target="pi05_libero")) for code in ("MS202", "MS703")}
    assert {result.status for result in results.values()} == {"passed"}
    said = [note.text for result in results.values() for note in result.notes]
    assert any(text.startswith("fps is 20, and 10 in the dataset that pi05_libero was trained on") for text in said)
    assert any("images of 64x64 pixels, and 256x256 in the dataset that" in text for text in said)
    assert not any("trained on" in note.text for note in run_check(CHECKS["MS202"](), context()).notes)


@pytest.mark.parametrize("verbose", [False, True])
def test_the_report_in_text_tells_what_differs_from_the_dataset_that_a_target_was_trained_on(capsys, verbose):
    known = {check.code: check for check in all_checks()}
    results = tuple(run_check(known[code](), context(target="pi05_libero")) for code in ("MS202", "MS703"))
    _print(ValidationReport("data/set", "pi05_libero", {}, results), verbose=verbose)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    start = "{}: " if verbose else "note {}: "
    assert any(line.startswith(f"{start.format('MS202')}fps is 20, and 10 in the dataset that") for line in lines)
    assert any(line.startswith(f"{start.format('MS703')}images of 64x64 pixels, and 256x256") for line in lines)
    assert any("2 cameras, on the hand" in line for line in lines) is verbose
    assert ("measured" in lines) is verbose
