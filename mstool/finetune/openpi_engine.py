"""The engine `openpi`: the dataset is validated for openpi, then a script is written for the user's own openpi."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mstool.dataset.locate import locate
from mstool.dataset.record import read_record
from mstool.errors import UsageError
from mstool.finetune import gate
from mstool.finetune.options import Options

if TYPE_CHECKING:
    from mstool.finetune.openpi.report import OpenpiReport


def write(options: Options, notify: Callable[[str], None]) -> "OpenpiReport":
    """Check the dataset and write the run.

    Raises
    ------
    UsageError
        Options that mean something to LeRobot's training alone, or no dataset.
    DataError
        The dataset is not valid for openpi.

    """
    from mstool.finetune.openpi.write import write_openpi_run

    lerobots = ("tokenizer", "head", "num_workers", "save_every", "log_every", "device")
    given = [f"--{name.replace('_', '-')}" for name in lerobots if getattr(options, name) is not None]
    if options.resume:
        given.append("--resume")
    if given:
        raise UsageError(
            f"{', '.join(given)}: --engine openpi writes a script, openpi trains",
            fix="leave them out; what openpi's training knows can be added after the script's `train`",
        )
    gate.check(options, _target(options), notify)
    return write_openpi_run(
        options.dataset,
        options.output,
        policy=options.policy,
        steps=options.steps,
        batch_size=options.batch_size,
        lora=options.lora,
        init=options.init,
        horizon=options.chunk_size,
        lr=options.lr,
        seed=options.seed,
        wandb=options.wandb,
        overwrite=options.overwrite,
    )


def _target(options: Options) -> str:
    root = locate(options.dataset, prefer="v2.1")
    return "pi05_droid" if read_record(root).get("layout") == "droid" else "pi05_libero"
