"""All that can be said of a policy's failures, from one evaluation and, where it is at hand, its dataset."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mstool.dataset.conventions import Conventions
from mstool.dataset.training_stats import TrainingStats
from mstool.evaluation.diagnose.motion import look_at_actions, look_at_states, names_of
from mstool.evaluation.diagnose.pictures import compare_first_pictures, look_at_pictures
from mstool.evaluation.diagnose.recorder import Recorder
from mstool.evaluation.diagnose.stored import EPISODES, divergence, open_loop, read_stored
from mstool.evaluation.outcomes import Outcome
from mstool.evaluation.rollout import EvalJob

# Runs jobs with the recorder as policy.
type Play = Callable[[Sequence[EvalJob]], list[Outcome]]


def diagnose(
    recorder: Recorder,
    conventions: Conventions,
    stats: TrainingStats,
    jobs: Sequence[EvalJob],
    *,
    replan: int | None,
    dataset: Path | None,
    play: Play,
) -> dict[str, Any]:
    """Look at what was recorded, then, with a dataset, at its own episodes.

    Parameters
    ----------
    recorder
        The policy, after an evaluation.
    conventions
        What it was trained on.
    stats
        Statistics of the training data.
    jobs
        The evaluation's episodes.
    replan
        How many actions of a chunk are executed.
    dataset
        Stored episodes: those trained on, or held out.
    play
        Runs further jobs with the recorder.

    Returns
    -------
    Plain JSON data: `findings` in words, and the tables behind them.

    """
    traces = recorder.traces
    asked = [trace for trace in traces if sum(len(part) for part in trace.actions)]
    found: dict[str, Any] = {"statistics": stats.source, "episodes": len(traces), "findings": []}
    if not asked:
        return {**found, "findings": ["the policy gave no action in any episode"]}
    names = names_of(conventions.features, len(asked[0].states[0]), asked[0].all_actions().shape[1])
    found["actions"], said = look_at_actions(asked, stats, names)
    findings = said
    found["states"], said = look_at_states(asked, stats, names)
    findings += said
    found["cameras"], said = look_at_pictures(asked)
    findings += said
    if dataset is not None:
        envs = list(dict.fromkeys(job.env_id for job in jobs))
        episodes = read_stored(dataset, conventions, [env for env in envs if env in conventions.env_ids])
        sees = recorder.traits.sees
        first = {(e.env_id, e.seed): e.pictures[0] for e in episodes if sees and e.pictures}
        if not recorder.traits.stateful and not recorder.traits.ends_episodes:
            found["open_loop"], said = open_loop(recorder, episodes, stats, names.action, replan)
            findings += said
        recorder.forget()
        horizons = {job.env_id: job.horizon for job in jobs}
        again = [EvalJob(e.env_id, e.seed, e.prompt, horizons[e.env_id]) for e in episodes]
        outcomes = play(again)
        found["training_seeds"] = {
            "episodes": len(outcomes),
            "solved": sum(outcome.success_once for outcome in outcomes),
        }
        found["divergence"], said = divergence(recorder.traces, episodes, stats, names.state)
        findings += said
        now = {(trace.env_id, trace.seed): trace.first for trace in recorder.traces}
        found["first_pictures"], said = compare_first_pictures(now, first)
        findings += said
        findings.append(
            f"{found['training_seeds']['solved']} of {len(outcomes)} episodes of the dataset's own seeds are solved "
            f"(the first {EPISODES} of each task)"
        )
    return {**found, "findings": findings}
