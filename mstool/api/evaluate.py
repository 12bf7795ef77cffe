"""How often a policy solves ManiSkill's tasks."""

from pathlib import Path

from mstool.api.arguments import PathLike, Words, path_or_none, words
from mstool.evaluation.compare import Comparison
from mstool.evaluation.compare import compare as compare_results
from mstool.evaluation.evaluate import evaluate as run_evaluation
from mstool.evaluation.request import HOLD, EvalRequest
from mstool.evaluation.results import Results, read_results
from mstool.progress import notify


def evaluate(
    policy: PathLike,
    *,
    env: Words | None = None,
    suite: str | None = None,
    episodes: int | None = None,
    seed_start: int | None = None,
    protocol: str | None = None,
    workers: int | None = None,
    replan: int | None = None,
    ensemble: bool = False,
    hold: int = HOLD,
    dataset: PathLike | None = None,
    instruction: str | None = None,
    horizon: int | None = None,
    device: str = "auto",
    timeout: float = 60.0,
    video: PathLike | None = None,
    output: PathLike | None = None,
    fresh: bool = False,
    diagnose: bool = False,
) -> Results:
    """Run a policy in ManiSkill or LIBERO, closed loop, on unseen seeds, and count how often it succeeds.

    The environment is the one its dataset was converted in. Success rates come with Wilson's 95 % intervals.

    Parameters
    ----------
    policy
        A LeRobot checkpoint (a run, a checkpoint in it, or OWNER/NAME), "ws://HOST:PORT" of an openpi server,
        "replay:DATASET", "planner" or "random".
    env
        Tasks, by default those trained on.
    suite
        "seed6" or "all", in the place of `env`.
    episodes
        Per task, by default 40; of a replay all, of a diagnosis 10.
    seed_start
        First seed, by default 10000 (LIBERO's initial states from 0); none may be a training seed.
    protocol
        "openpi" or "lerobot": LIBERO's horizons and replanning as they have them.
    workers
        Processes that simulate; None looks at cores, memory and GPUs.
    replan
        Actions executed of each chunk; by default as the policy says, or all.
    ensemble
        Average overlapping chunks, as ACT does; replans at every step.
    hold
        Control steps that go on after the first success, for the success at the end.
    dataset
        The training dataset, where it is not beside the checkpoint.
    instruction
        The sentence to give, by default the dataset's, or the manifest's.
    horizon
        The most control steps of an episode, by default the manifest's.
    device
        Where a checkpoint runs: "auto", "cpu" or "cuda".
    timeout
        Seconds that a server may take for an answer.
    video
        Folder for an mp4 of every episode.
    output
        Folder of the results, by default RUN/eval/STEP or eval/NAME.
    fresh
        Forget what was measured of these tasks in this configuration, and measure again.
    diagnose
        Say why it fails.

    Returns
    -------
    Outcomes, rates and timing of what was asked; episodes that `crashed` have no outcome, and the same call tries them
    once more. `results.json` in the results' `folder` has all that was measured in this configuration.

    Raises
    ------
    UsageError
        There is no such policy or task, or options contradict each other.
    MstoolError
        The policy cannot be loaded or does not answer, or an environment cannot be built.

    Notes
    -----
    Worker processes import the main module again: a script needs `if __name__ == "__main__":`.

    """
    request = EvalRequest(
        policy=str(policy),
        envs=words(env),
        suite=suite,
        episodes=episodes,
        seed_start=seed_start,
        protocol=protocol,
        workers=workers,
        replan=replan,
        ensemble=ensemble,
        hold=hold,
        instruction=instruction,
        horizon=horizon,
        dataset=path_or_none(dataset),
        device=device,
        timeout_s=timeout,
        video=path_or_none(video),
        output=path_or_none(output),
        fresh=fresh,
        diagnose=diagnose,
    )
    return run_evaluation(request, notify())


def compare(first: PathLike, second: PathLike) -> Comparison:
    """Compare two evaluations on the seeds that both ran.

    Parameters
    ----------
    first, second
        Folders of results, or their results.json.

    Raises
    ------
    DataError
        One holds no results.

    """
    return compare_results(read_results(Path(first)), read_results(Path(second)))
