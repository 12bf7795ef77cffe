"""Where a checkpoint's results belong, and what its card says of them."""

from mstool.evaluation.policies.checkpoint import checkpoint_in, results_folder
from mstool.training.publish import _evaluation


def test_a_run_s_last_checkpoint_has_the_results_of_its_step(tmp_path):
    step = tmp_path / "run" / "checkpoints" / "000004" / "pretrained_model"
    step.mkdir(parents=True)
    (step / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "run" / "checkpoints" / "last").symlink_to("000004")
    last = checkpoint_in(tmp_path / "run")
    assert last is not None
    assert last.parent.name == "last"
    assert results_folder(last) == results_folder(step) == tmp_path / "run" / "eval" / "000004"


def test_the_card_says_how_long_the_episodes_were():
    rate = {"successes": 0, "episodes": 1, "rate": 0.0, "low": 0.0, "high": 0.79}
    task = {"env_id": "PickCube-v1", "horizon": 30, "success_once": rate, "success_at_end": rate}
    assert _evaluation({"tasks": [task]}).endswith("| `PickCube-v1` | 0 of 1 = 0 % | 0 to 79 % | 0 % | 30 |")
