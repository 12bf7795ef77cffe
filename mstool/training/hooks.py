"""THE place where mstool reaches into LeRobot's training loop.

`lerobot.scripts.lerobot_train.train` is one function without callbacks, so its helpers are replaced by name while it
runs, and put back afterwards. Read in lerobot 0.6.1; a name that is missing stops the run before it starts.

============================  =======================================================================================
name                          what mstool adds
============================  =======================================================================================
make_train_eval_datasets      decoded pictures kept in memory (`pictures.Cache`), and on the GPU; held-out demos judged
cycle                         batches get the pictures that are on the GPU, and are made ready a step ahead
make_policy                   what was loaded is compared with the file; `--init random` is drawn on the device and may
                              carry LoRA
policy._validate_peft_config  LoRA on random weights, which the plan has said are for tests, is let through
make_pre_post_processors,     pi05's tokenizer from a local folder, of a checkpoint that is read and of a policy that is
TokenizerProcessorStep        new; a preprocessor that lets pass what was made ready
_dataloader_worker_kwargs     a generator of its own, so that starting workers does not move the noise's random numbers
                              and a resumed run draws what an uninterrupted one draws; workers deaf to Ctrl-C
update_policy                 stops at a loss or gradient that is not finite, and says which batch; sets the learning
                              rate of `--minutes`; tells the network how to launch its passes
should_save_checkpoint        Ctrl-C and the end of `--minutes` ask for a checkpoint; the next `update_policy` stops
                              every process
save_checkpoint               conventions, norm stats and the run's facts, its length among them, beside the weights;
                              loss on held-out demos, evaluation on held-out seeds
init_logging, inside_slurm    short lines and a file of numbers; no progress bar without a terminal
sys.argv                      `--config_path`, which `TrainPipelineConfig.validate` reads there when it resumes
============================  =======================================================================================
"""

import functools
import logging
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from mstool.errors import SetupError
from mstool.installation import install_command
from mstool.progress import listening
from mstool.training import logs
from mstool.training.ahead import Preprocessor, ahead
from mstool.training.batches import BrokenLoss, describe, is_broken
from mstool.training.checkpoint_sidecar import CheckpointSidecar
from mstool.training.clock import Clock, TimeUp
from mstool.training.compiling import prepare
from mstool.training.device_pictures import DevicePictures, keep
from mstool.training.held_out import HeldOut
from mstool.training.held_out_demos import HeldOutDemos, in_words
from mstool.training.interrupts import Interrupted, Interrupts, largest
from mstool.training.loaders import deaf
from mstool.training.pictures import Cache
from mstool.training.weights import Weights, check_loaded

# The loss of a run that wrote no line of progress is the mean of so many steps.
_LAST = 20


@dataclass
class Hooks:
    """What the replaced helpers need."""

    output: Path
    sidecar: CheckpointSidecar
    interrupts: Interrupts
    seed: int
    cache: Cache | None
    # Bytes that the training is expected to take on its device, None if that is not known.
    planned: int | None
    weights: Weights | None
    # `--init random` of a policy that has pretrained weights.
    random_weights: bool
    # Folder of pi05's tokenizer, "" for the one that LeRobot names.
    tokenizer: str
    # Folder of the checkpoint to go on from, None for a new run.
    resumed: Path | None = None
    # Of a run that ends by time.
    clock: Clock | None = None
    # Evaluates every checkpoint.
    held_out: HeldOut | None = None
    # How the network's passes are launched, and whether it was told.
    compile: str = "off"
    prepared: bool = False
    # What of the cache is on the GPU.
    pictures: DevicePictures | None = None
    # The dataset's cameras, and what LeRobot puts a batch through.
    cameras: tuple[str, ...] = ()
    preprocessor: Preprocessor | None = None
    # Demos that are not trained on, and the newest checkpoint's loss on them.
    demos: HeldOutDemos | None = None
    judged: dict[str, float] | None = None
    # accelerate's, which the loop has.
    accelerator: Any = None
    # Called once per step, with the step's number and its loss.
    on_step: Callable[[int, float], None] = lambda _step, _loss: None
    # LeRobot's count of what was seen, and the last losses.
    metrics: Any = None
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=_LAST))
    # The steps that are done, and those that the run ends at.
    step: int = 0
    steps: int = 0
    # All processes know of Ctrl-C, and a checkpoint of `step` is kept.
    stopping: bool = False
    # The minutes are over, and a checkpoint is kept.
    over: bool = False

    def told(self, metrics: Any, loss: float) -> None:
        """Hear of a step that is done."""
        self.metrics = metrics
        self.losses.append(loss)
        self.on_step(self.step, loss)

    def trained(self) -> dict[str, Any]:
        """Return how long was trained, for a checkpoint: steps, epochs, and the loss as `last` has it."""
        judged = {} if self.judged is None else {"held_out": self.judged}
        return {"steps": self.step, "epochs": round(self.metrics.epochs, 3), "loss": self.last().get("loss"), **judged}

    def judge(self, policy: Any) -> None:
        """Take a checkpoint's loss on demos that are not trained on, if there are any and memory for it."""
        import torch

        self.judged = None
        if self.demos is None or self.preprocessor is None:
            return
        try:
            self.judged = self.demos.judge(policy, self.preprocessor, self.accelerator.autocast)
        except torch.OutOfMemoryError:
            logging.warning("step %d: no memory is left to judge held-out demos", self.step)
        else:
            logging.info("step %d: %s", self.step, in_words(self.judged))

    def last(self) -> dict[str, Any]:
        """Return the newest line of progress; of a run that was shorter than its first one, its own losses."""
        own = {"steps": self.step, "loss": sum(self.losses) / len(self.losses)} if self.losses else {}
        return logs.last_line(self.output) or own


@contextmanager
def hooked(hooks: Hooks) -> Iterator[None]:
    """Replace the helpers while the block runs."""
    from lerobot.policies.pi05 import processor_pi05
    from lerobot.scripts import lerobot_train

    with (
        _replaced(lerobot_train, {**_data(hooks, lerobot_train), **_helpers(hooks, lerobot_train)}),
        _replaced(processor_pi05, _tokenizer(hooks, processor_pi05)),
        _replaced(sys, {"argv": ["lerobot-train", *([f"--config_path={hooks.resumed}"] if hooks.resumed else [])]}),
    ):
        yield


@contextmanager
def _replaced(module: ModuleType, names: Mapping[str, Any]) -> Iterator[None]:
    missing = [name for name in names if not hasattr(module, name)]
    if missing:
        raise SetupError(
            f"this LeRobot has no {', '.join(missing)} in {module.__name__}; mstool knows 0.6.1",
            fix=install_command([], ["lerobot==0.6.1"]),
        )
    before = {name: getattr(module, name) for name in names}
    try:
        for name, value in names.items():
            setattr(module, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def _data(hooks: Hooks, train: Any) -> dict[str, Callable[..., Any]]:
    def make_train_eval_datasets(cfg: Any) -> tuple[Any, Any]:
        dataset, unseen = _make_datasets(cfg)
        hooks.cameras = tuple(dataset.meta.camera_keys)
        if hooks.cache:
            dataset = hooks.cache.wrap(dataset)
            hooks.pictures = keep(dataset, cfg.policy.device, hooks.cache.bytes, hooks.planned)
        if unseen is not None:
            episodes = len(unseen.episodes)
            unseen = hooks.cache.wrap(unseen, held_out=True) if hooks.cache else unseen
            complete = hooks.pictures.fill if hooks.pictures else iter
            hooks.demos = HeldOutDemos(unseen, dataset, hooks.cameras, episodes, complete)
        return dataset, None

    def cycle(loader: Any) -> Iterator[Any]:
        from accelerate import PartialState  # type: ignore[import-untyped]

        batches: Iterator[Any] = _cycle(loader)
        if hooks.pictures:
            batches = hooks.pictures.fill(batches)
        # Processes of one training must talk to each other in one order, which a thread beside them would upset; and
        # a loader without processes may draw random numbers, which then came in no order.
        alone = PartialState().num_processes == 1 and loader.num_workers > 0
        return ahead(batches, hooks.cameras, hooks.preprocessor) if alone and hooks.preprocessor else batches

    def dataloader_worker_kwargs(cfg: Any) -> dict[str, Any]:
        import torch

        given, drawn = _worker_kwargs(cfg), torch.Generator().manual_seed(hooks.seed)
        return {**given, "generator": drawn, "multiprocessing_context": deaf(given["multiprocessing_context"])}

    _make_datasets, _cycle = train.make_train_eval_datasets, train.cycle
    _worker_kwargs = train._dataloader_worker_kwargs
    return {
        "make_train_eval_datasets": make_train_eval_datasets,
        "_dataloader_worker_kwargs": dataloader_worker_kwargs,
        "cycle": cycle,
    }


def _helpers(hooks: Hooks, train: Any) -> dict[str, Callable[..., Any]]:
    def make_policy(*args: Any, **kwargs: Any) -> Any:
        import torch

        # Billions of random numbers are drawn where they are used: minutes faster than on the CPU.
        with torch.device(kwargs["cfg"].device) if hooks.random_weights else nullcontext():
            policy = _make_policy(*args, **kwargs)
        if hooks.weights is not None:
            check_loaded(policy, hooks.weights)
        if hooks.random_weights:
            # LeRobot refuses adapters on random weights; the plan has said that they are for tests.
            policy._validate_peft_config = lambda _config: None
        return policy

    def make_pre_post_processors(*args: Any, **kwargs: Any) -> Any:
        if hooks.tokenizer and "preprocessor_overrides" in kwargs:
            kwargs["preprocessor_overrides"]["tokenizer_processor"] = {"tokenizer_name": hooks.tokenizer}
        before, after = _make_processors(*args, **kwargs)
        hooks.preprocessor = Preprocessor(before)
        return hooks.preprocessor, after

    def update_policy(metrics: Any, policy: Any, batch: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        if hooks.stopping:
            raise Interrupted(hooks.step)
        if hooks.over:
            raise TimeUp
        hooks.interrupts.training = True
        hooks.accelerator = kwargs["accelerator"]
        hooks.step = metrics.steps + 1
        if hooks.clock is not None:
            hooks.clock.set_rate(optimizer, largest)
            kwargs["lr_scheduler"] = None
        result = _update(metrics, policy, batch, optimizer, *args, **kwargs)
        if not hooks.prepared:
            # After a step: the first one loads libraries.
            accelerator, hooks.prepared = hooks.accelerator, True
            if said := prepare(accelerator.unwrap_model(policy), hooks.compile, accelerator.num_processes):
                logging.info(said)
        loss = metrics.loss.val
        if is_broken(loss, metrics.grad_norm.val):
            raise BrokenLoss(hooks.step, loss, metrics.grad_norm.val, describe(batch))
        hooks.told(metrics, loss)
        return result

    def should_save_checkpoint(step: int, save_freq: int, total_steps: int) -> bool:
        # No short cut: every process must ask the others at every step.
        hooks.stopping = hooks.interrupts.anywhere()
        hooks.over = hooks.clock is not None and bool(largest(float(not hooks.clock.left)))
        return bool(hooks.stopping or hooks.over or _should_save(step, save_freq, total_steps))

    def save_checkpoint(**kwargs: Any) -> None:
        _save(**kwargs)
        if not hooks.stopping:
            with hooks.clock.paused() if hooks.clock else nullcontext():
                hooks.judge(kwargs["policy"])
        timed = {"seconds": round(hooks.clock.spent, 3)} if hooks.clock else {}
        model = kwargs["checkpoint_dir"] / "pretrained_model"
        hooks.sidecar.write(model, trained=hooks.trained(), **timed)
        if hooks.held_out is not None and not hooks.stopping:
            with hooks.clock.paused() if hooks.clock else nullcontext():
                hooks.held_out.judge(kwargs["step"], model)

    _make_policy, _make_processors = train.make_policy, train.make_pre_post_processors
    _update, _should_save = train.update_policy, train.should_save_checkpoint
    _save, _in_slurm = train.save_checkpoint, train.inside_slurm
    return {
        "make_policy": make_policy,
        "make_pre_post_processors": make_pre_post_processors,
        "update_policy": update_policy,
        "should_save_checkpoint": should_save_checkpoint,
        "save_checkpoint": save_checkpoint,
        "init_logging": functools.partial(logs.set_up, hooks.output),
        "inside_slurm": lambda: _in_slurm() or listening() or not sys.stderr.isatty(),
    }


def _tokenizer(hooks: Hooks, processor: Any) -> dict[str, Any]:
    if not hooks.tokenizer:
        return {}
    step = processor.TokenizerProcessorStep

    def local_tokenizer(**kwargs: Any) -> Any:
        return step(**{**kwargs, "tokenizer_name": hooks.tokenizer})

    return {"TokenizerProcessorStep": local_tokenizer}
