"""Which options contradict each other or mean nothing to the chosen policy: everything at once, before any work."""

import math
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, get_args

from mstool.errors import UsageError
from mstool.nearest import nearest, unknown
from mstool.seeds import MOST_SEED
from mstool.training.presets import HEADS, NETWORKS, PRESETS, get_preset

if TYPE_CHECKING:
    from mstool.training.options import FinetuneOptions

# What LeRobot's training knows and a script for openpi does not.
_LEROBOT_ONLY = (
    "tokenizer",
    "minutes",
    "head",
    "network",
    "image_size",
    "compile",
    "num_workers",
    "save_every",
    "log_every",
    "eval_split",
    "eval_freq",
    "device",
    "resume",
    "dry_run",
    "cache_frames",
)

_FLOW_ONLY = ("image_size", "network", "compile", "head")
# What is not None where nobody gives it.
_UNSAID = {"resume": False, "dry_run": False, "compile": "auto", "cache_frames": "auto"}

# One cell of the network's, and room around it.
SMALLEST_IMAGE = 32

# What is wrong, and by which fields of the options it is put right: {name: value}, None as by default.
type Wrong = tuple[str, dict[str, object]]


def check(options: "FinetuneOptions") -> None:
    """Raise UsageError with everything that is wrong, and the command without it."""
    wrong = list(_wrong(options))
    if wrong:
        right = {name: value for _, change in wrong for name, value in change.items()}
        raise UsageError(
            "\n  ".join(message for message, _ in wrong),
            fix=options.command(**right),
            change={_option(name): value for name, value in right.items()},
        )


def _wrong(options: "FinetuneOptions") -> Iterator[Wrong]:
    from mstool.training.compiling import Compile
    from mstool.training.options import CacheFrames, Engine

    for name, kind in {"cache_frames": CacheFrames, "engine": Engine, "compile": Compile}.items():
        yield from _unknown(options, name, get_args(kind))
    if options.lr is not None and not (options.lr > 0 and math.isfinite(options.lr)):
        yield f"--lr {options.lr:g}: must be above 0", {"lr": None}
    if options.minutes is not None and not (options.minutes > 0 and math.isfinite(options.minutes)):
        yield f"--minutes {options.minutes:g}: must be above 0", {"minutes": None}
    elif options.minutes is not None and options.steps is not None:
        yield "--minutes and --steps both say when to end", {"steps": None}
    if options.seed is not None and not 0 <= options.seed <= MOST_SEED:
        yield f"--seed {options.seed}: seeds are 0 to {MOST_SEED}", {"seed": None}
    if options.eval_split is not None and not 0 <= options.eval_split < 1:
        yield f"--eval-split {options.eval_split:g}: a share is 0 to less than 1", {"eval_split": None}
    if options.eval_freq is not None and options.save_every is not None:
        yield "--eval-freq and --save-every both say when a checkpoint is kept", {"save_every": None}
    if options.resume and options.overwrite:
        yield "--resume goes on with a run and --overwrite removes it", {"overwrite": None}
    if options.resume and options.init:
        yield "--resume takes the checkpoint's weights, --init others", {"init": None}
    yield from _openpi(options) if options.engine == "openpi" else _lerobot(options)


def _openpi(options: "FinetuneOptions") -> Iterator[Wrong]:
    from mstool.training.openpi.recipe import POLICIES

    if options.policy not in POLICIES:
        yield (
            f"openpi trains {' and '.join(POLICIES)}, not {options.policy!r}"
            + (": LeRobot does, without --engine" if options.policy in PRESETS else ""),
            {"engine": None} if options.policy in PRESETS else {"policy": "pi05"},
        )
    given = [name for name in _LEROBOT_ONLY if getattr(options, name) != _UNSAID.get(name)]
    if given:
        words = ", ".join(map(_option, given))
        more = "what that knows can be added after the script's `train`"
        yield f"{words}: --engine openpi writes a script, openpi trains; {more}", dict.fromkeys(given)


def _lerobot(options: "FinetuneOptions") -> Iterator[Wrong]:
    if options.policy not in PRESETS:
        yield from _unknown(options, "policy", PRESETS)
        return
    preset = get_preset(options.policy)
    if options.lora and preset.lora_targets is None:
        able = ", ".join(each.policy for each in PRESETS.values() if each.lora_targets)
        yield f"--lora: {preset.policy} is trained in full, adapters are for {able}", {"lora": None}
    if preset.policy != "flow":
        own = [name for name in _FLOW_ONLY if getattr(options, name) != _UNSAID.get(name)]
        for name in own:
            yield f"{_option(name)} is of flow alone, not of {preset.policy}", {name: None}
    elif options.image_size is not None and options.image_size < SMALLEST_IMAGE:
        yield (
            f"--image-size {options.image_size}: below {SMALLEST_IMAGE} pixels nothing is left to see",
            {"image_size": SMALLEST_IMAGE},
        )
    if preset.policy == "flow":
        yield from _unknown(options, "head", HEADS)
        yield from _unknown(options, "network", NETWORKS)
        if options.network in NETWORKS and options.loads_weights:
            yield "--network: the weights of --init are of one size", {"network": None}
        if options.image_size is not None and options.loads_weights:
            yield "--image-size: the weights of --init see images of one size", {"image_size": None}
    if options.tokenizer is not None and preset.policy != "pi05":
        yield f"--tokenizer is pi05's, {preset.policy} takes none", {"tokenizer": None}
    elif options.tokenizer is not None and not (options.tokenizer / "tokenizer_config.json").is_file():
        yield (
            f"--tokenizer {options.tokenizer}: transformers cannot load it, no tokenizer_config.json",
            {"tokenizer": None},
        )
    if options.chunk_size and options.loads_weights and not preset.any_chunk:
        yield f"--chunk-size: the weights of {preset.policy} hold the length of the window", {"chunk_size": None}


def _unknown(options: "FinetuneOptions", name: str, known: Collection[str]) -> Iterator[Wrong]:
    value = getattr(options, name)
    if value is not None and value not in known:
        said = unknown(name.replace("_", " "), value, known, _option(name))
        yield said.message, {name: nearest(value, known)}


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
