"""A plan as text for a person."""

import math
from collections.abc import Iterator
from typing import Any

from mstool.hub_files import HubFiles
from mstool.training.clock import MOST_STEPS
from mstool.training.plan import Plan
from mstool.training.presets import network_of

_GIB, _MILLION = 2**30, 1e6


def text(plan: Plan) -> str:
    """Return the plan's lines."""
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    facts, options = plan.facts, plan.options
    samples = int(plan.config["batch_size"])
    per_epoch = math.ceil(plan.epoch / samples)
    yield f"policy      {options.policy}, {plan.start}"
    yield from (f"download    {_download(files)}" for files in plan.downloads if not files.cached)
    yield f"dataset     {options.dataset}: {facts.episodes} episodes, {facts.frames} frames at {facts.fps} Hz"
    if any(plan.held_out):
        episodes, frames = plan.held_out
        yield f"held out    {episodes} episodes, {frames} frames of it judge checkpoints (--eval-split 0: none)"
    if plan.conventions is None:
        yield "meaning     not recorded: mstool eval of the policy will ask for a dataset that says it (--dataset)"
    first = f"from step {plan.first_step} " if plan.first_step else ""
    if plan.minutes:
        yield f"steps       {first}for {plan.minutes:g} minutes in all, {samples} samples each; {per_epoch} per epoch"
    else:
        yield (
            f"steps       {first}to {plan.steps}, {samples} samples each; {per_epoch} per epoch, "
            f"{plan.steps / per_epoch:.1f} epochs"
        )
    yield f"device      {plan.device}" + (f", {plan.device_bytes / _GIB:.0f} GiB" if plan.device_bytes else "")
    if plan.device == "cpu" and network_of(plan.config["policy"]) == "base":
        yield "            slow for this network: --network small is made for machines without a GPU"
    yield f"memory      {_memory(plan)}"
    yield f"images      {_pictures(plan)}"
    yield f"checkpoints {_checkpoints(plan)}"
    yield ""
    if rows := [each.row() for each in plan.expected]:
        yield "success measured on unseen seeds; fewer demos or epochs, other data and other pictures change it"
        yield from _table([{name: name for name in rows[0]}, *rows])
        yield ""
    yield from _table(plan.normalised(), ["column", "input", "shape", "normalisation"])
    yield from (f"{key}: an empty image, masked" for key in plan.keys.empty)
    yield from (f"{key}: not read, the weights have no input for it" for key in plan.keys.unread)
    yield ""
    yield from _table([{"value": f"{name} = {_short(value)}", "why": why} for name, value, why in plan.reasons])
    yield ""
    yield f"several GPUs: {plan.launch}"


def _download(files: HubFiles) -> str:
    return f"{files.name} is MISSING: {files.missing}" if files.missing else f"{files.name}, from the hub"


def _memory(plan: Plan) -> str:
    memory = plan.memory
    if memory is None:
        return "not known: the policy's parts are described on a hub that cannot be reached"
    part = "all" if memory.trained == memory.parameters else f"{memory.trained / _MILLION:.1f}"
    words = (
        f"{memory.parameters / _MILLION:.1f} M parameters, {part} trained; about {memory.total / _GIB:.1f} GiB: "
        f"weights {memory.weights / _GIB:.1f}, gradients {memory.gradients / _GIB:.1f}, "
        f"optimizer {memory.optimizer / _GIB:.1f}, samples {memory.sample * memory.samples / _GIB:.1f}"
    )
    if plan.device_bytes and memory.total > plan.device_bytes:
        words += f"; more than there is: --batch-size {memory.samples_that_fit(plan.device_bytes)} should fit"
    return words


def _pictures(plan: Plan) -> str:
    sizes = ", ".join(f"{height}x{width}" for height, width in plan.facts.cameras.values())
    if plan.cache is None:
        return f"{sizes}; decoded at every use ({plan.config['dataset']['video_backend']})"
    to = f" as {'x'.join(map(str, plan.cache.size))}" if plan.cache.size else ""
    return f"{sizes}; decoded once{to}, {plan.cache.bytes / _GIB:.2f} GiB in {plan.cache.folder}"


def _checkpoints(plan: Plan) -> str:
    often, where = plan.config["save_freq"], f"in {plan.options.output}/checkpoints"
    every = f"every {often} steps, {plan.checkpoints} in all, {where}"
    if plan.minutes:
        every = f"at the end, {f'and every {often} steps, ' if often < MOST_STEPS else ''}{where}"
    if plan.memory is None or plan.disk is None:
        return every
    return f"{every}; {plan.memory.checkpoint / _GIB:.2f} GiB each, {plan.disk / _GIB:.1f} GiB"


def _table(rows: list[dict[str, Any]], columns: list[str] | None = None) -> Iterator[str]:
    if not rows:
        return
    columns = columns or list(rows[0])
    widths = [max(len(str(row[name])) for row in rows) for name in columns]
    for row in rows:
        yield "  ".join(str(row[name]).ljust(width) for name, width in zip(columns, widths, strict=True)).rstrip()


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
