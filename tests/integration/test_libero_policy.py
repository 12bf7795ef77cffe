"""A policy that was trained on LIBERO's demos, evaluated there: by its checkpoint, once more, and through a server."""

from dataclasses import replace

import pytest
from support import light_libero  # noqa: F401
from support.checkpoints import make_checkpoint
from support.converted import copied
from support.libero import ENV, needs_libero
from support.openpi_server import served

from mstool.api.stats import compute_stats
from mstool.api.validate import validate
from mstool.dataset.conventions import load_conventions
from mstool.evaluation.evaluate import evaluate
from mstool.evaluation.policies.lerobot import LerobotPolicy
from mstool.evaluation.request import EvalRequest
from mstool.evaluation.results import read_results

pytestmark = [needs_libero, pytest.mark.filterwarnings("ignore")]
STEPS = 4


def told(results):
    """Return what an evaluation found, without the time that it took."""
    return [replace(outcome, seconds=0.0) for task in results.tasks for outcome in task.outcomes]


def test_demos_become_a_policy_that_is_evaluated_by_its_checkpoint_and_through_a_server(libero_dataset, tmp_path):
    """Generate, convert, stats, validate, finetune, eval: each on what the one before wrote."""
    root = copied(libero_dataset, tmp_path / "data")
    compute_stats(root)
    report = validate(root)
    assert not report.codes("failed") | report.codes("error"), report.headline()
    run = make_checkpoint(root, tmp_path / "run", "flow", steps=2)
    asked = EvalRequest(
        policy=str(run), envs=(ENV,), episodes=1, horizon=STEPS, workers=1, device="cpu", output=tmp_path / "own",
    )  # fmt: skip
    own = evaluate(asked, print)
    (outcome,) = told(own)
    assert (outcome.seed, outcome.steps, outcome.looks, outcome.crashed) == (0, STEPS, 1, False)
    # It goes on with what is left: nothing.
    again = evaluate(asked, print)
    assert (told(again), again.timing["kept_episodes"], again.timing["episodes"]) == (told(own), 1, 0)
    assert read_results(tmp_path / "own")["configuration"]["protocol"] == "openpi"
    assert "in LIBERO" in (tmp_path / "own" / "report.md").read_text().partition("\n")[0]
    conventions = load_conventions(root)
    with served(LerobotPolicy(str(run), conventions, device="cpu"), conventions) as url:
        theirs = evaluate(replace(asked, policy=url, dataset=root, output=tmp_path / "served"), print)
    assert told(theirs) == told(own)
