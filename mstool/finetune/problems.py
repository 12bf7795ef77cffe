"""What goes wrong inside a training, in words that end with what to change."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from mstool.errors import DataError, MstoolError, SetupError
from mstool.finetune.batches import BrokenLoss
from mstool.finetune.interrupts import Interrupted
from mstool.finetune.memory import Memory
from mstool.finetune.options import Options
from mstool.finetune.resume import newest

_GIB = 2**30


class Stopped(MstoolError):  # noqa: N818  # not an error: a wish of the user's
    """The user stopped the training; its checkpoint is kept."""


@contextmanager
def explained(options: Options, batch_size: int, memory: Memory | None, device_bytes: int | None) -> Iterator[None]:
    """Turn what torch, LeRobot and the system raise into errors for people; let bugs through."""
    try:
        yield
    except MstoolError:
        raise
    except Interrupted as stop:
        raise Stopped(
            f"stopped after step {stop.step}; a checkpoint is kept", fix=options.command(resume=True, overwrite=False)
        ) from None
    except BrokenLoss as broken:
        raise _broken(options, broken) from None
    except Exception as error:
        known = _explain(error, options, batch_size, memory, device_bytes)
        if known is None:
            raise
        raise known from error


def _explain(
    error: Exception, options: Options, batch_size: int, memory: Memory | None, device_bytes: int | None
) -> MstoolError | None:
    import torch

    text = str(error)
    if isinstance(error, torch.OutOfMemoryError) or "out of memory" in text.lower():
        return _out_of_memory(options, batch_size, memory, device_bytes, text)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return SetupError(
            f"no space left for {options.output}: what was saved before is complete",
            fix=f"free some space, then {options.command(resume=True, overwrite=False)}",
        )
    if "DataLoader worker" in text:
        shared = "bus error" in text.lower() or "shared memory" in text.lower()
        why = "shared memory (/dev/shm) is full" if shared else "most likely the machine's memory is full"
        return SetupError(
            f"a process that loads data died: {text.splitlines()[0][:200]}; {why}",
            fix=options.command(num_workers=max(0, (options.num_workers or 4) // 2)) + _again(options),
        )
    return None


def _out_of_memory(
    options: Options, batch_size: int, memory: Memory | None, device_bytes: int | None, text: str
) -> SetupError:
    smaller = max(1, batch_size // 2)
    lines = [text.splitlines()[0][:200] if text else "out of memory"]
    if memory is not None:
        lines.append(
            f"estimated: {memory.certain / _GIB:.1f} GiB for weights, gradients and optimizer, and "
            f"{memory.sample / _GIB:.2f} GiB per sample of the {batch_size}"
            + (f"; the device has {device_bytes / _GIB:.1f} GiB" if device_bytes else "")
        )
        if device_bytes and memory.samples_that_fit(device_bytes) < batch_size:
            smaller = max(1, memory.samples_that_fit(device_bytes))
    lora = options.policy == "pi05" and not options.lora
    if lora:
        lines.append("--lora trains adapters alone: by the estimate less than half of the memory")
    if memory is not None and device_bytes and memory.certain > device_bytes and lora:
        return SetupError("; ".join(lines), fix=options.command(lora=True, overwrite=True, resume=False))
    return SetupError("; ".join(lines), fix=options.command(batch_size=smaller) + _again(options))


def _broken(options: Options, broken: BrokenLoss) -> DataError:
    kept = newest(options.output)
    lower = f"--lr {options.lr / 3:.1g}" if options.lr else "a third of the learning rate (--lr)"
    if "is not finite in" in broken.batch:
        return DataError(
            f"{broken}: the data holds NaN or infinite numbers there",
            fix=f"mstool validate {options.dataset} --against maniskill --full",
        )
    back = f"; the checkpoint of step {kept.step} is from before" if kept else ""
    return DataError(
        f"{broken}: the training diverged{back}", fix=f"start again with {lower}, and look at mstool stats"
    )


def _again(options: Options) -> str:
    return "" if newest(options.output) is None or options.resume else " --resume"
