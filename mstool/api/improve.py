"""A better policy from a policy's own episodes."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from mstool.api.arguments import PathLike, Words, path_or_none, words
from mstool.evaluation.ready import check_ready
from mstool.folders import training_alone
from mstool.improvement.options import ImproveOptions
from mstool.improvement.prepare import prepare
from mstool.improvement.report import ImprovePlan, ImproveReport
from mstool.progress import notify


def improve(
    checkpoint: PathLike,
    *,
    env: Words | None = None,
    dataset: PathLike | None = None,
    method: str | None = None,
    minutes: float | None = None,
    episodes: int | None = None,
    demo_updates: int | None = None,
    critic_episodes: int | None = None,
    updates: int | None = None,
    horizon: int | None = None,
    replan: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    alpha: float | None = None,
    gamma: float | None = None,
    seed: int | None = None,
    seed_start: int | None = None,
    workers: int | None = None,
    device: str | None = None,
    output: PathLike | None = None,
    resume: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    on_plan: Callable[[ImprovePlan], object] | None = None,
) -> ImproveReport | ImprovePlan:
    """Improve a trained policy by reinforcement learning on its own episodes.

    Parameters
    ----------
    checkpoint
        A flow policy, for "dsrl" pi05 too: a run, a checkpoint in it, or OWNER/NAME.
    env
        Tasks, by default those trained on.
    dataset
        The demos that it was trained on, by default as the training noted it; "dsrl" needs none.
    method
        "fql" (by default), "best-of-n", "bc-success" or "dsrl".
    minutes
        How long, demos and own episodes together, by default 20.
    episodes
        The most own episodes.
    demo_updates
        Updates on demos alone, before the first own episode, by default 2000; after as many the actor of "fql" may
        play.
    critic_episodes
        Own episodes before the policy learns, by default 64; "fql" distills its actor on meanwhile.
    updates
        Updates that go with each own episode, by default 8.
    horizon
        The most control steps of an own episode, by default the manifest's.
    replan
        Actions executed of each chunk, which are what the critic judges, by default 8.
    batch_size
        Rows of an update, by default 256.
    lr
        Learning rate of the critic, by default 3e-4; a third of it for an actor, a tenth for the flow.
    alpha
        How much the policy stays with what imitation taught ("fql"), by default 30.
    gamma
        Discount per action, by default 0.99.
    seed
        Of everything that is drawn, by default 0.
    seed_start
        Seed of the first own episode, by default 2000000 and a million more for each `seed`.
    workers
        Processes that simulate; None looks at cores, memory and GPUs.
    device
        Where it learns: "auto" (by default), "cpu" or "cuda".
    output
        Folder of the run, by default runs/improve-METHOD-NAME.
    resume
        Go on from the run's last checkpoint; what is not given is as the run began.
    overwrite
        Remove the run that is there.
    dry_run
        Check everything, try an update, return the plan and stop.
    on_plan
        Told the plan before anything is written.

    Returns
    -------
    What came out; with `dry_run` the plan.

    Raises
    ------
    UsageError
        The checkpoint is of another kind, options contradict each other, or the output is taken.
    Stopped
        Ctrl-C; a checkpoint is kept.
    MstoolError
        The learning diverged or collapsed, or an environment cannot be built.

    """
    asked: dict[str, Any] = {
        "envs": tuple(words(env)) or None,
        "dataset": path_or_none(dataset),
        "method": method,
        "minutes": minutes,
        "episodes": episodes,
        "demo_updates": demo_updates,
        "critic_episodes": critic_episodes,
        "updates": updates,
        "horizon": horizon,
        "replan": replan,
        "batch_size": batch_size,
        "lr": lr,
        "alpha": alpha,
        "gamma": gamma,
        "seed": seed,
        "seed_start": seed_start,
        "workers": workers,
        "device": device,
        "output": path_or_none(output),
    }
    given = {name: value for name, value in asked.items() if value is not None}
    options = ImproveOptions(
        str(checkpoint), **given, given=frozenset(given), resume=resume, overwrite=overwrite, dry_run=dry_run
    )
    return run_options(options, on_plan)


def run_options(
    options: ImproveOptions, on_plan: Callable[[ImprovePlan], object] | None = None
) -> ImproveReport | ImprovePlan:
    """Improve by options, the hidden ones too."""
    tell_line = notify()
    prepared = prepare(options)
    check_ready(prepared.conventions, prepared.envs, tell_line, imports=not options.dry_run)
    # torch and LeRobot wait until the cheap checks are done.
    from mstool.improvement.plan import make_plan, open_policy
    from mstool.improvement.run import Run, make_way

    with nullcontext() if options.dry_run else training_alone(prepared.output):
        policy = open_policy(prepared)
        try:
            plan = make_plan(prepared, policy)
            if on_plan is not None:
                on_plan(plan)
            elif not options.dry_run:
                tell_line(plan.text())
            if options.dry_run:
                return plan
            make_way(prepared)
            return Run(prepared, policy, plan, tell_line).run()
        finally:
            policy.close()
