"""Which options contradict each other or mean nothing to the chosen policy: everything at once, before any work."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, get_args

from mstool.errors import UsageError
from mstool.nearest import nearest
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
    "eval_freq",
    "device",
    "resume",
    "dry_run",
)

_UNSAID = {"resume": False, "dry_run": False, "compile": "auto"}

# One cell of the network's, and room around it.
SMALLEST_IMAGE = 32

type Wrong = tuple[str, str]


def check(options: "FinetuneOptions") -> None:
    """Raise UsageError with everything that is wrong, and with what to change of each."""
    wrong = list(_wrong(options))
    if wrong:
        raise UsageError(
            "\n  ".join(message for message, _ in wrong), fix="; ".join(dict.fromkeys(fix for _, fix in wrong))
        )


def _wrong(options: "FinetuneOptions") -> Iterator[Wrong]:
    from mstool.training.compiling import Compile
    from mstool.training.options import CacheFrames, Engine

    words = {"cache_frames": CacheFrames, "engine": Engine, "compile": Compile}
    for name, known in ((name, get_args(kind)) for name, kind in words.items()):
        value = getattr(options, name)
        if value not in known:
            option = _option(name)
            yield f"{option} {value!r}: there are {', '.join(known)}", f"{option} {nearest(value, known) or known[0]}"
    if options.lr is not None and not (options.lr > 0 and math.isfinite(options.lr)):
        yield f"--lr {options.lr}: must be above 0", "leave --lr out for the preset's value"
    if options.minutes is not None and not (options.minutes > 0 and math.isfinite(options.minutes)):
        yield f"--minutes {options.minutes}: must be above 0", "leave --minutes out to train by steps"
    if options.minutes is not None and options.steps is not None:
        yield "--minutes and --steps both say when to end", "give one of the two"
    if options.eval_freq is not None and options.save_every is not None:
        yield "--eval-freq and --save-every both say when a checkpoint is kept", "give one of the two"
    if options.resume and options.overwrite:
        yield "--resume goes on with a run and --overwrite removes it", "give one of the two"
    if options.resume and options.init:
        yield "--resume takes the checkpoint's weights, --init others", "give one of the two"
    yield from _openpi(options) if options.engine == "openpi" else _lerobot(options)


def _openpi(options: "FinetuneOptions") -> Iterator[Wrong]:
    from mstool.training.openpi.recipe import POLICIES

    if options.policy not in POLICIES:
        yield (
            f"openpi trains {' and '.join(POLICIES)}, not {options.policy!r}",
            "--policy pi05" if options.policy not in PRESETS else "leave --engine out: LeRobot trains it",
        )
    given = [_option(name) for name in _LEROBOT_ONLY if getattr(options, name) is not _UNSAID.get(name)]
    if options.cache_frames != "auto":
        given.append("--cache-frames")
    if given:
        yield (
            f"{', '.join(given)}: --engine openpi writes a script, openpi trains",
            "leave them out; what openpi's training knows can be added after the script's `train`",
        )


def _lerobot(options: "FinetuneOptions") -> Iterator[Wrong]:
    try:
        preset = get_preset(options.policy)
    except UsageError as error:
        yield error.message, error.fix
        return
    if options.lora and preset.lora_targets is None:
        able = ", ".join(each.policy for each in PRESETS.values() if each.lora_targets)
        yield f"--lora: {preset.policy} is trained in full, adapters are for {able}", "leave --lora out"
    if preset.policy != "flow":
        unsaid = {"image_size": None, "network": None, "compile": "auto"}
        own = [name for name, value in unsaid.items() if getattr(options, name) != value]
        for name in own:
            yield f"{_option(name)} is of flow alone, not of {preset.policy}", f"leave {_option(name)} out"
    elif options.image_size is not None and options.image_size < SMALLEST_IMAGE:
        yield (
            f"--image-size {options.image_size}: below {SMALLEST_IMAGE} pixels nothing is left to see",
            f"--image-size {SMALLEST_IMAGE} or more",
        )
    if options.head is not None and preset.policy != "flow":
        yield f"--head chooses between the heads of flow, {preset.policy} has one", "leave --head out"
    elif options.head is not None and options.head not in HEADS:
        yield f"--head {options.head!r}: there are {', '.join(HEADS)}", f"--head {HEADS[0]}"
    if options.network is not None and preset.policy == "flow":
        yield from _network(options)
    if options.tokenizer is not None and preset.policy != "pi05":
        yield f"--tokenizer is pi05's, {preset.policy} takes none", "leave --tokenizer out"
    elif options.tokenizer is not None and not (options.tokenizer / "tokenizer_config.json").is_file():
        yield f"--tokenizer {options.tokenizer}: no tokenizer_config.json", "give a folder that transformers can load"
    if options.chunk_size and options.loads_weights and not preset.any_chunk:
        yield f"--chunk-size: the weights of {preset.policy} hold the length of the window", "leave --chunk-size out"


def _network(options: "FinetuneOptions") -> Iterator[Wrong]:
    if options.network not in NETWORKS:
        near = nearest(str(options.network), NETWORKS) or next(iter(NETWORKS))
        yield f"--network {options.network!r}: there are {', '.join(NETWORKS)}", f"--network {near}"
    elif options.loads_weights:
        yield "--network: the weights of --init are of one size", "leave --network out"


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
