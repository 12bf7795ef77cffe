"""What a run begins with, and what it would take."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mstool.errors import SetupError
from mstool.evaluation.policies.lerobot import LerobotPolicy
from mstool.improvement.demos import demo_lines, stride
from mstool.improvement.estimate import estimate, own_rows
from mstool.improvement.frozen_policy import FrozenPolicy, freeze
from mstool.improvement.kinds import KINDS
from mstool.improvement.method import Hyper, Method
from mstool.improvement.options import ImproveOptions
from mstool.improvement.prepare import Prepared
from mstool.improvement.report import ImprovePlan
from mstool.improvement.rows import Sizes
from mstool.paths import no_space
from mstool.torch_device import leave_cores
from mstool.training.problems import no_memory


def open_policy(prepared: Prepared) -> LerobotPolicy:
    """Load the checkpoint."""
    options = prepared.options
    with told_of_limits(options):
        return LerobotPolicy(str(prepared.model), prepared.conventions, device=options.device, slots=prepared.workers)


def make_method(prepared: Prepared, frozen: FrozenPolicy, device: str) -> Method:
    """Return the method at its beginning."""
    options = prepared.options
    hyper = Hyper(
        lr=options.lr, batch_size=options.batch_size, alpha=options.alpha, gamma=options.gamma, hidden=options.hidden
    )
    return KINDS[options.method](frozen.base, hyper, device, options.seed)


def row_sizes(method: Method) -> Sizes:
    """Return what a row of the replay holds."""
    base = method.base
    return Sizes(base.tokens, base.width, base.chunk, base.steps, base.action, method.extra)


def make_plan(prepared: Prepared, policy: LerobotPolicy) -> ImprovePlan:
    """Say what a run would take; some updates are tried."""
    options = prepared.options
    method = make_method(prepared, freeze(policy, options.replan, prepared.tokens), policy.device)
    frames = [int(line["frames"]) for line in demo_lines(prepared.demos, prepared.envs)] if prepared.demos else []
    every = stride(sum(frames), options.replan)
    own = own_rows(options.episodes, max(task.horizon for task in prepared.tasks), options.replan)
    with told_of_limits(options), on_left_cores(prepared):
        sizes, demos = row_sizes(method), sum(-(-each // every) for each in frames)
        frozen = sum(each.numel() * each.element_size() for each in policy.policy.parameters())
        takes = estimate(method, sizes, demos, own, frozen)
    return ImprovePlan(prepared, policy.device, takes)


@contextmanager
def on_left_cores(prepared: Prepared) -> Iterator[None]:
    """Compute on the cores that the workers leave, as an evaluation does it."""
    before = torch.get_num_threads()
    leave_cores(prepared.workers)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def told_of_limits(options: ImproveOptions) -> Iterator[None]:
    """Say what to do where the block runs out of memory, or of space on the disk.

    Raises
    ------
    SetupError
        It did.

    """
    try:
        yield
    except Exception as error:
        if no_memory(error):
            raise SetupError(
                f"out of memory with batches of {options.batch_size}: a smaller batch takes less of the GPU, "
                "fewer --workers less of both",
                fix=options.command(batch_size=max(1, options.batch_size // 2)),
            ) from error
        if no_space(error):
            raise SetupError(
                "no space is left on the disk: what was saved before is complete; free some space",
                fix=options.command(resume=True, overwrite=False),
            ) from error
        raise
