"""Seeds attempted in their order until enough are solved: what `demos generate` does, whoever attempts them."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import tee
from pathlib import Path

from mstool.errors import MstoolError
from mstool.progress import Progress
from mstool.simulators.attempt_files import attempts_in
from mstool.simulators.demos import Attempt, most_attempts


def coming(
    work: Path, seeds: Iterable[int], attempts: Callable[[Iterator[int]], Generator[Attempt]]
) -> Generator[Attempt]:
    """Yield an attempt at each of the seeds, which may have no end: those that an earlier run left, then new ones.

    Parameters
    ----------
    work
        The folder of an earlier run's attempts.
    seeds
        In the order in which they are wanted.
    attempts
        Yields attempts at the seeds that it is given, in their order; it may end before they do.

    """
    done = attempts_in(work)
    wanted, left = tee(seeds)
    with closing(attempts(seed for seed in left if seed not in done)) as new:
        for seed in wanted:
            attempt = done[seed] if seed in done else next(new, None)
            if attempt is None:
                return
            yield attempt


def take_enough(env_id: str, attempts: Iterator[Attempt], episodes: int, seed: int, *, hopeless: int) -> list[Attempt]:
    """Take attempts until `episodes` of them were solved.

    Parameters
    ----------
    env_id
        What they are at.
    attempts
        In the order of seeds.
    episodes, seed
        How many solved ones are wanted, and the first seed.
    hopeless
        Failures in a row after which nothing more is expected.

    Raises
    ------
    MstoolError
        It is hopeless, most seeds failed (`most_attempts`), or there are no more.

    """
    taken: list[Attempt] = []
    kept = in_a_row = 0
    with Progress(env_id, episodes, "episode") as progress:
        while kept < episodes:
            given_up = in_a_row >= hopeless or len(taken) >= most_attempts(episodes)
            attempt = None if given_up else next(attempts, None)
            if attempt is None:
                raise _too_few(env_id, taken, episodes, seed, in_a_row)
            taken.append(attempt)
            if attempt.success:
                kept, in_a_row = kept + 1, 0
                progress.update()
            else:
                in_a_row += 1
                progress.note = f"{len(taken) - kept} failed"
    return taken


def failures(attempts: Sequence[Attempt]) -> dict[str, int]:
    """Count the attempts that failed, by reason, the commonest first."""
    return dict(Counter(attempt.failure for attempt in attempts if not attempt.success).most_common())


@contextmanager
def told_of_interrupts(out_dir: Path, work: Path | None) -> Iterator[None]:
    """Say what Ctrl-C leaves: what was at `out_dir`, and the attempts in `work`, or nothing."""
    left = f"{out_dir} is as it was" if out_dir.exists() else f"nothing was written to {out_dir}"
    try:
        yield
    except KeyboardInterrupt:
        if work is None:
            raise MstoolError(
                f"interrupted: {left}, and demos that are not complete are not kept",
                fix="run the same command again: the same seeds give the same demos",
                change={},
            ) from None
        kept = len(attempts_in(work))
        seeds = f"{kept} seed{'s' if kept > 1 else ''} that {'were' if kept > 1 else 'was'} attempted"
        raise MstoolError(
            f"interrupted: {left}; {seeds} {'are' if kept > 1 else 'is'} kept" if kept else f"interrupted: {left}",
            fix="run the same command again" + (": it goes on with them" if kept else ""),
            change={},
        ) from None


def _too_few(env_id: str, attempts: Sequence[Attempt], episodes: int, seed: int, in_a_row: int) -> MstoolError:
    kept = sum(attempt.success for attempt in attempts)
    reasons = ", ".join(f"{reason} {count}" for reason, count in failures(attempts).items())
    failed = f", the last {in_a_row} seeds all failed" if in_a_row else ""
    return MstoolError(
        f"{env_id}: gave up after {len(attempts)} seeds from {seed} with {kept} of {episodes} "
        f"episodes solved{failed}" + (f" ({reasons})" if reasons else ""),
        fix="start from another seed (--seed) or ask for fewer episodes (--episodes)",
        change={"--episodes": kept} if kept else {"--seed": seed + len(attempts)},
    )
