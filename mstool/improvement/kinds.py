"""The methods by name, and which policies each of them improves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mstool.dataset.files import STEERING_FILE
from mstool.errors import UsageError
from mstool.improvement.bc_success import BcSuccess
from mstool.improvement.best_of_n import BestOfNMethod
from mstool.improvement.dsrl import Dsrl
from mstool.improvement.fql import Fql
from mstool.improvement.method import Method
from mstool.improvement.options import ImproveOptions
from mstool.training.steering import TYPES

KINDS: Mapping[str, type[Method]] = {
    "fql": Fql, "best-of-n": BestOfNMethod, "bc-success": BcSuccess, "dsrl": Dsrl,
}  # fmt: skip


def check_kind(options: ImproveOptions, model: Path, config: Mapping[str, Any]) -> None:
    """Check that a checkpoint, by its configuration, is one that the method can improve.

    Raises
    ------
    UsageError
        It is of another type, was improved already, or predicts fewer actions than are to be executed.

    """
    kind = str(config.get("type"))
    if kind in TYPES and options.method != "dsrl":
        raise UsageError(
            f"{options.checkpoint} is of type {kind}: {options.method} works on the bundled flow policy alone; dsrl "
            "asks only for actions that go with a given noise",
            fix=options.command(method="dsrl"),
        )
    if kind != "flow" and kind not in TYPES:
        raise UsageError(
            f"{options.checkpoint} is of type {kind}: improved are policies of the type flow, and by dsrl those of "
            f"{', '.join(TYPES)}; finetune trains one of the type flow",
            fix="mstool finetune DATASET --policy flow",
        )
    sampler = "steered" if (model / STEERING_FILE).is_file() else config.get("sampler", "ode")
    if sampler != "ode":
        raise UsageError(
            f"{options.checkpoint} was improved already ({sampler})",
            fix="give the checkpoint that it was made from, with other options: mstool improve CHECKPOINT",
        )
    if options.method == "fql" and config.get("head") != "flow":
        raise UsageError(
            f"{options.checkpoint} has the head {config.get('head')}: one step of it is no action, as fql needs",
            fix=options.command(method="best-of-n"),
        )
    if not 0 < options.replan <= int(config["chunk_size"]):
        raise UsageError(
            f"--replan {options.replan}: the policy predicts {config['chunk_size']} actions",
            fix=options.command(replan=min(8, int(config["chunk_size"]))),
        )
