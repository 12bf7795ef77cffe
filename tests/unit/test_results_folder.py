"""Where a checkpoint's results belong."""

from mstool.evaluation.policies.checkpoint import checkpoint_in, results_folder


def test_a_run_s_last_checkpoint_has_the_results_of_its_step(tmp_path):
    step = tmp_path / "run" / "checkpoints" / "000004" / "pretrained_model"
    step.mkdir(parents=True)
    (step / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "run" / "checkpoints" / "last").symlink_to("000004")
    last = checkpoint_in(tmp_path / "run")
    assert last is not None
    assert last.parent.name == "last"
    assert results_folder(last) == results_folder(step) == tmp_path / "run" / "eval" / "000004"
