"""Demonstrations that a planner or a policy makes."""

from pathlib import Path

from mstool.api.arguments import PathLike, path_or_none
from mstool.dataset.target import refuse_in_dataset
from mstool.errors import UsageError, WrongWordError
from mstool.evaluation.demos import generate as record_policy
from mstool.evaluation.policies.checkpoint import GENERATE
from mstool.evaluation.request import EvalRequest
from mstool.paths import writable_folder
from mstool.progress import notify
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.demos import GenerateReport

# First seed of what is corrected: beyond those that demos and evaluation begin with.
CORRECTED_FROM = 50_000


def generate(
    env: str | None = None,
    *,
    policy: PathLike | None = None,
    episodes: int = 10,
    seed: int | None = None,
    output: PathLike | None = None,
    workers: int | None = None,
    robot: str | None = None,
    disturb: float = 0.0,
    correct: bool = False,
    dataset: PathLike | None = None,
    instruction: str | None = None,
    horizon: int | None = None,
    replan: int | None = None,
    device: str = "auto",
    overwrite: bool = False,
) -> list[GenerateReport]:
    """Solve a task with ManiSkill's own motion-planning solution, or with a policy, and record it.

    The same seed gives the same demonstration, bit for bit, whatever the number of workers.

    Parameters
    ----------
    env
        The environment, as "PickCube-v1", or a suite of them; a policy's is by default the one that it was trained on.
    policy
        Record its successful episodes instead of the planner's: a checkpoint, "ws://HOST:PORT", "replay:DATASET" or
        "random".
    episodes
        How many successful episodes to keep.
    seed
        First seed, by default 0, in LIBERO 1000, with `correct` 50000; failures are skipped and the next is tried.
    output
        Folder for `trajectory.h5` and `trajectory.json`, by default data/demos/ENV/motionplanning (policy, corrected).
    workers
        Processes that plan and simulate; None looks at cores and episodes.
    robot
        ManiSkill's name of the robot that the planner moves, by default the environment's own.
    disturb
        Share of the seeds on which the hand is taken up to 6 cm and 0.3 rad away before one of the planner's motions.
    correct
        Record how the planner goes on from what `policy` met: from a step drawn among those before which it holds
        nothing.
    dataset
        What the policy was trained on, where it does not say so itself.
    instruction
        The sentence to give to the policy, by default the dataset's, or the manifest's.
    horizon
        The most control steps of a policy's episode, by default the manifest's.
    replan
        Actions executed of each of a policy's chunks; by default as the policy says, or all.
    device
        Where a checkpoint runs: "auto", "cpu" or "cuda".
    overwrite
        Replace demonstrations that are there.

    Returns
    -------
    One report per task.

    Raises
    ------
    UsageError
        No such environment or policy, no planner for it, demonstrations are there, or `output` is a dataset.
    MstoolError
        Too many seeds in a row failed.

    """
    if output is not None:
        writable_folder(Path(output), "--output", beside=True)
        refuse_in_dataset(Path(output), "--output", "demos")
    if policy is None:
        given = {"--dataset": dataset, "--instruction": instruction, "--horizon": horizon, "--replan": replan}
        given |= {"--correct": correct or None}
        if used := [name for name, value in given.items() if value is not None]:
            raise UsageError(
                f"{', '.join(used)}: for policies",
                fix="leave it out, or add --policy runs/NAME",
                # A policy may know its task, the planner does not.
                change=dict.fromkeys(used) if env else {"--policy": "runs/NAME"},
            )
        if env is None:
            raise UsageError("missing option '--env' / '-e'", fix="mstool demos generate --help")
        if "," in env:
            names = [name.strip() for name in env.split(",") if name.strip()]
            first = next((name for name in names if name in benchmark_of(name).solvable()), next(iter(names), ""))
            raise WrongWordError(
                f"demos of one environment, or of one suite, are generated per call, and these are {env}",
                given=env,
                instead=first,
                fix=f"mstool demos generate --env {first}",
            )
        kind = f"motionplanning-{robot}" if robot else "motionplanning"
        return [
            benchmark_of(task).generate(
                task,
                episodes=episodes,
                seed=benchmark_of(task).first_demo_seed if seed is None else seed,
                out_dir=path_or_none(output) or Path("data/demos") / task / kind,
                overwrite=overwrite,
                workers=workers,
                robot=robot,
                disturb=disturb,
            )
            for task in benchmark_of(env).suite(env)
        ]
    if disturb or robot:
        raise UsageError(
            "--disturb and --robot are for the planner",
            fix="leave them out, or --policy",
            change={"--disturb": None, "--robot": None},
        )
    # Unlike a planner, it meets nothing new where it learnt.
    seed = CORRECTED_FROM if correct and seed is None and not str(policy).startswith("replay:") else seed
    request = EvalRequest(
        policy=str(policy),
        envs=(env,) if env else (),
        episodes=episodes,
        seed_start=seed,
        workers=workers,
        replan=replan,
        hold=0,
        instruction=instruction,
        horizon=horizon,
        dataset=path_or_none(dataset),
        device=device,
        command=GENERATE,
    )
    return [record_policy(request, path_or_none(output), correct=correct, overwrite=overwrite, notify=notify())]
