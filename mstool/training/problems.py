"""What goes wrong inside a training, in words that end with what to change."""

import re
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mstool.errors import DataError, MstoolError, SetupError
from mstool.paths import no_space, quoted
from mstool.training.batches import BrokenLoss
from mstool.training.interrupts import Interrupted
from mstool.training.memory import Memory
from mstool.training.options import FinetuneOptions
from mstool.training.resume import newest

_GIB = 2**30
# torch's words (DataLoader.cpp, `_error_if_any_worker_fails`), which are strsignal's.
_KILLED = re.compile(r"is killed by signal: (.+?)\.")
# By these words: the signal, what usually sends it, and whether fewer such processes help.
_ENDINGS = {
    "Killed": (
        "SIGKILL",
        "probably memory was full, the machine's or the container's (a guess: it says no reason)",
        True,
    ),
    "Bus error": ("SIGBUS", "shared memory is full, or too small for the batches: df -h /dev/shm", True),
    "Segmentation fault": ("SIGSEGV", "a library crashed in it, usually the one that decodes the videos", True),
    "Terminated": ("SIGTERM", "somebody asked it to end: a person, a job scheduler, a shutdown", False),
}


# What torch says of a GPU, of the machine's memory, and cuBLAS of its own.
_NO_MEMORY = re.compile(r"out of memory|can't allocate memory|ALLOC_FAILED", re.IGNORECASE)


class Stopped(MstoolError):  # noqa: N818  # not an error: a wish of the user's
    """The user stopped the training; its checkpoint is kept."""


@contextmanager
def explained(options: FinetuneOptions, train: Any, memory: Memory | None, device_bytes: int | None) -> Iterator[None]:
    """Turn what torch, LeRobot and the system raise into errors for people; let bugs through.

    Parameters
    ----------
    options
        What was asked.
    train
        LeRobot's TrainPipelineConfig.
    memory, device_bytes
        The estimate and what the device has, where they are known.

    """
    try:
        yield
    except MstoolError:
        raise
    except Interrupted as stop:
        raise Stopped(
            f"stopped after step {stop.step}; a checkpoint is kept", fix=options.command(resume=True)
        ) from None
    except KeyboardInterrupt:
        began = options.overwrite or options.output.is_dir()
        stopped_at_once(options.output, began=began, kept=newest(options.output) is not None, again=_again(options))
        raise
    except BrokenLoss as broken:
        raise _broken(options, broken) from None
    except Exception as error:
        known = _explain(error, options, train, memory, device_bytes)
        if known is None:
            raise
        raise known from error


def stopped_at_once(output: Path, *, began: bool, kept: bool, again: str) -> None:
    """Say what a run leaves that Ctrl-C ended without a checkpoint of that moment; nothing where it changed nothing.

    Parameters
    ----------
    output
        The run's folder.
    began
        Whether it is there, or an earlier run was removed from it.
    kept
        Whether it holds a checkpoint.
    again
        The command that goes on, or begins again in the same folder.

    Raises
    ------
    Stopped
        There is something to say.

    """
    if kept:
        raise Stopped("interrupted; checkpoints that were saved are kept", fix=again) from None
    if began:
        raise Stopped(f"interrupted before a checkpoint was saved in {output}", fix=again) from None


def _explain(
    error: Exception, options: FinetuneOptions, train: Any, memory: Memory | None, device_bytes: int | None
) -> MstoolError | None:
    text = str(error)
    if no_memory(error):
        return _out_of_memory(options, train.batch_size, memory, device_bytes, text)
    if no_space(error):
        return SetupError(
            f"no space left for {options.output}: what was saved before is complete; free some space",
            fix=_again(options),
        )
    if "DataLoader worker" in text:
        return _worker_ended(error, options, train.num_workers)
    return None


def no_memory(error: Exception) -> bool:
    """Tell whether an error says that memory ended, the machine's or a GPU's."""
    return isinstance(error, MemoryError) or bool(_NO_MEMORY.search(str(error)))


def _worker_ended(error: BaseException, options: FinetuneOptions, num_workers: int) -> SetupError:
    """Name the signal that ended a data loader's process, and what usually sends it."""
    words, each = "", error
    while each is not None and not words:
        found = _KILLED.search(str(each))
        words = found[1].strip() if found else _exit_signal(each)
        each = each.__cause__ or each.__context__  # type: ignore[assignment]
    name, why, fewer = next(
        (ending for text, ending in _ENDINGS.items() if words.startswith(text)),
        (words or "no signal", "what it said itself is above", True),
    )
    changes = {"num_workers": num_workers // 2} if fewer else {}
    return SetupError(f"a process that loads data was ended by {name}: {why}", fix=_again(options, **changes))


def _exit_signal(error: BaseException) -> str:
    """Return strsignal's words for what ended a process of the loader that raised; torch may notice the end alone."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for process in getattr(frame.f_locals.get("self"), "_workers", ()):  # torch's _MultiProcessingDataLoaderIter
            if (getattr(process, "exitcode", None) or 0) < 0:
                return signal.strsignal(-process.exitcode) or ""
    return ""


def _out_of_memory(
    options: FinetuneOptions, batch_size: int, memory: Memory | None, device_bytes: int | None, text: str
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
    return SetupError("; ".join(lines), fix=_again(options, batch_size=smaller))


def _broken(options: FinetuneOptions, broken: BrokenLoss) -> DataError:
    kept = newest(options.output)
    lower = f"--lr {options.lr / 3:.1g}" if options.lr else "a third of the learning rate (--lr)"
    if "is not finite in" in broken.batch:
        return DataError(
            f"{broken}: the data holds NaN or infinite numbers there",
            fix=f"mstool validate {quoted(options.dataset)} --full",
        )
    back = f"; the checkpoint of step {kept.step} is from before" if kept else ""
    return DataError(
        f"{broken}: the training diverged{back}", fix=f"start again with {lower}, and look at mstool stats"
    )


def _again(options: FinetuneOptions, **changes: object) -> str:
    """Return the command that goes on from the newest checkpoint, or starts anew where there is none."""
    if newest(options.output) is not None:
        return options.command(resume=True, **changes)
    return options.command(overwrite=True, resume=False, **changes)
