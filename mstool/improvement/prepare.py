"""Everything that is checked before anything is learnt or written, the cheap first."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mstool.dataset.conventions import Conventions, load_conventions
from mstool.dataset.locate import is_dataset
from mstool.dataset.target import refuse_in_dataset
from mstool.dataset.view import DatasetView
from mstool.errors import UsageError
from mstool.evaluation.plan import EvalTask, choose_envs, dataset_prompts, plan_task
from mstool.evaluation.policies.checkpoint import checkpoint_conventions, find_checkpoint
from mstool.evaluation.request import HOLD
from mstool.folders import check_no_training, check_nothing_else, check_spared
from mstool.improvement.began import asked, check_left, check_unchanged, taken_over
from mstool.improvement.demos import demo_lines
from mstool.improvement.kinds import check_kind
from mstool.improvement.options import ImproveOptions
from mstool.improvement.saving import read_state, resumable
from mstool.improvement.seeds import first_seed
from mstool.installation import require
from mstool.json_files import load_json
from mstool.paths import free_beside, writable_folder
from mstool.simulators.benchmarks import benchmark_of
from mstool.simulators.capacity import auto_workers
from mstool.training.checkpoint_sidecar import CONFIG_FILE, read_part, read_run
from mstool.training.run_folder import CHECKPOINTS, is_own

COMMAND = "mstool improve"
# Episodes of a round for each worker: a worker that is done early waits for the others.
ROUND = 2


@dataclass(frozen=True)
class Prepared:
    """What a run works with."""

    options: ImproveOptions
    output: Path
    # The checkpoint's folder, its configuration and its run's facts.
    model: Path
    config: Mapping[str, Any]
    run: Mapping[str, Any]
    conventions: Conventions
    tasks: tuple[EvalTask, ...]
    # None for a method that learns from own episodes alone.
    dataset: Path | None
    demos: Conventions | None
    first_seed: int
    workers: int
    # Own episodes of a round, and steps that go on after success.
    round: int
    hold: int
    # Tokens of a frame that are ever looked at, of a flow policy.
    tokens: int
    # What the last checkpoint keeps of the run that goes on; empty for one that begins.
    state: Mapping[str, Any]

    @property
    def envs(self) -> list[str]:
        """The tasks' names."""
        return [task.env_id for task in self.tasks]

    @property
    def frames(self) -> Path:
        """Where decoded frames lie: where the training left them, else beside the output."""
        runs = [self.output.parent, *([self.model.parents[3]] if in_run(self.model) else [])]
        return next((each for each in runs[::-1] if (each / ".frames").is_dir()), runs[0]) / ".frames"


def prepare(options: ImproveOptions) -> Prepared:
    """Check what was asked.

    Raises
    ------
    UsageError
        The checkpoint is of another kind, the output is taken, seeds overlap, a task has no success signal.
    DataError
        Checkpoint and dataset contradict each other, or a file of the checkpoint cannot be read.

    """
    model = find_checkpoint(options.checkpoint, COMMAND)
    config = read_part(model, CONFIG_FILE)
    require(COMMAND, ["matplotlib"])
    output = options.output or Path("runs") / f"improve-{options.method}-{run_name(model)}"
    _check_output(options, output)
    state = read_state(output) if options.resume else {}
    if state:
        options = taken_over(options, state["asked"])
    check_kind(options, model, config)
    dataset = options.dataset or _trained_on(model)
    if options.overwrite:
        another = options.command(output="runs/ANOTHER", overwrite=False)
        check_spared(output, "--output", {"the policy": model, "the dataset": dataset}, fix=another)
    conventions = checkpoint_conventions(model, dataset, COMMAND)
    envs = choose_envs(options.envs, None, conventions)
    for env_id in envs:
        _check_judged(env_id)
    demos = None
    if options.method != "dsrl":
        if dataset is None:
            raise UsageError(
                f"{options.method} learns from demos too, and {model} does not say where its dataset is",
                fix=options.command(dataset="DATASET"),
            )
        demos = load_conventions(dataset)
        missing = [env_id for env_id in envs if not demo_lines(demos, [env_id])]
        if missing:
            raise UsageError(
                f"{dataset} has no demo of {', '.join(missing)}: it holds {', '.join(demos.env_ids)}",
                fix=options.command(env=demos.env_ids[0]),
            )
    prompts = dataset_prompts(dataset, load_conventions(dataset)) if dataset is not None else {}
    tasks = tuple(plan_task(env_id, (), conventions, prompts.get(env_id), options.horizon) for env_id in envs)
    start = first_seed(conventions, envs, options.seed, options.seed_start, options.command(seed_start=None))
    if state:
        check_unchanged(options, state["asked"], asked(options, tasks, start))
        check_left(options, state)
    workers = options.workers or auto_workers(kept_cores=1)
    sentences = {task.prompt for task in tasks}
    if dataset is not None and demos is not None:
        sentences |= {sentence for row in DatasetView(dataset).episodes for sentence in row.tasks}
    return Prepared(
        options=options,
        output=output,
        model=model,
        config=config,
        run=read_run(model),
        conventions=conventions,
        tasks=tasks,
        dataset=dataset if demos is not None else None,
        demos=demos,
        first_seed=start,
        workers=workers,
        round=max(4, ROUND * workers) if options.episodes is None else max(1, min(options.episodes, ROUND * workers)),
        hold=max(HOLD, 2 * options.replan),
        tokens=_tokens(config, sentences) if config["type"] == "flow" else 0,
        state=state,
    )


def _check_output(options: ImproveOptions, output: Path) -> None:
    writable_folder(output, "--output", beside=True)
    refuse_in_dataset(output, "--output", "run")
    check_no_training(output)
    if options.resume and not resumable(output):
        raise UsageError(
            f"{output}: no checkpoint to go on from; without --resume the run starts",
            fix=options.command(resume=False),
            change={"--resume": None},
        )
    if not options.resume and not options.overwrite and output.is_dir() and any(output.iterdir()):
        goes_on = "--resume goes on with it, " if resumable(output) else ""
        change = {"resume": True} if resumable(output) else {"output": "runs/ANOTHER"}
        raise UsageError(
            f"{output} exists already: {goes_on}--overwrite removes it, another --output keeps it",
            fix=options.command(**change),
            change={f"--{name}": value for name, value in change.items()},
        )
    if options.overwrite and output.is_dir() and any(output.iterdir()) and not (output / CHECKPOINTS).is_dir():
        raise UsageError(
            f"{output} is not the folder of a run: it is not removed",
            fix="choose another --output",
            change={"--output": free_beside(output)},
        )
    if options.overwrite and output.is_dir():
        check_nothing_else(output, "a run", is_own)


def _check_judged(env_id: str) -> None:
    facts = next((each for each in benchmark_of(env_id).environments() if each.env_id == env_id), None)
    if facts is not None and facts.success is False:
        raise UsageError(
            f"{env_id} does not say when it is solved, so nothing can be rewarded",
            fix="choose an environment that has a success signal: mstool envs",
        )


def _trained_on(model: Path) -> Path | None:
    """Return the dataset that the training noted, where it is still there."""
    try:
        root = Path(load_json(model / "train_config.json")["dataset"]["root"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return root if is_dataset(root) else None


def run_name(model: Path) -> str:
    """Return the run's name of .../NAME/checkpoints/STEP/pretrained_model, else the folder's."""
    return model.parts[-4] if in_run(model) else model.name


def in_run(model: Path) -> bool:
    """Tell whether a checkpoint is .../checkpoints/STEP/pretrained_model."""
    return len(model.parts) > 4 and model.parts[-3] == CHECKPOINTS


def _tokens(config: Mapping[str, Any], sentences: set[str]) -> int:
    """Count the tokens of a frame: of the cameras' cells, the state, and the longest sentence."""
    height, width = config["image_size"]
    cameras = sum(each["type"] == "VISUAL" for each in config["input_features"].values())
    words = max((len(re.findall(r"[a-z0-9]+", sentence.lower())) for sentence in sentences), default=0)
    return cameras * -(-height // 32) * -(-width // 32) + 1 + min(words, int(config["max_words"]))
