"""What the folder of a run holds, of a training or of an improvement."""

from pathlib import PurePath

# CHECKPOINTS/<step>/MODEL and STATE; CHECKPOINTS/LAST and BEST are links.
CHECKPOINTS, LAST, BEST, MODEL, STATE = "checkpoints", "last", "best", "pretrained_model", "training_state"
# Of a training: a line per report of progress, one per evaluation on held-out seeds, and where these lie.
TRAIN_LOG, EVAL_LOG, EVALUATIONS = "train_log.jsonl", "eval_log.jsonl", "eval"
# Of an improvement: rows of its own episodes, and how it went.
REPLAY, CURVE, CURVE_PICTURE = "replay", "curve.json", "curve.png"

_OWN = frozenset({CHECKPOINTS, TRAIN_LOG, EVAL_LOG, EVALUATIONS, "wandb", REPLAY, CURVE, CURVE_PICTURE})


def is_own(path: PurePath) -> bool:
    """Tell whether a file's path is one of a run's folder; all that lies in a checkpoint is the checkpoint's."""
    first, *rest = path.parts
    if first != CHECKPOINTS:
        return first in _OWN
    return bool(rest) and (rest[0].lstrip(".")[:1].isdigit() or (len(rest) == 1 and rest[0] in {LAST, BEST}))
