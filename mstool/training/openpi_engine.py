"""The engine `openpi`: the dataset is validated for openpi, then a script is written for the user's own openpi."""

from typing import TYPE_CHECKING

from mstool.dataset.fingerprint import content_hash
from mstool.dataset.locate import locate
from mstool.progress import Notify
from mstool.training import gate
from mstool.training.options import FinetuneOptions

if TYPE_CHECKING:
    from mstool.training.openpi.report import OpenpiReport


def write(options: FinetuneOptions, notify: Notify) -> "OpenpiReport":
    """Check everything, the dataset's content last, and write the run.

    Raises
    ------
    UsageError
        No dataset, a layout that openpi does not know, or another script is there.
    DataError
        The dataset is not of openpi's version, or not valid for it.

    """
    from mstool.training.openpi.recipe import VERSION
    from mstool.training.openpi.write import write_openpi_run

    root = locate(options.dataset, prefer=VERSION)
    return write_openpi_run(
        root,
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
        before_writing=lambda: gate.check(options, gate.choose_target(root), content_hash(root), notify),
    )
