"""Seeds of the policy's own episodes: none of the demos', none that an evaluation takes by itself."""

from collections.abc import Sequence

from mstool.dataset.conventions import Conventions
from mstool.errors import UsageError
from mstool.seeds import check_number
from mstool.simulators.benchmarks import benchmark_of
from mstool.training.held_out import SEED_START as HELD_OUT

# Each --seed has its own million from here on: far from evaluation's and from `finetune --eval-freq`'s.
SEED_START, APART = 2_000_000, 1_000_000
# So many seeds from evaluation's first one on are never learnt from, and as many of the held-out ones.
KEPT = 10_000


def first_seed(conventions: Conventions, envs: Sequence[str], seed: int, start: int | None, command: str) -> int:
    """Return the seed of the first own episode.

    Parameters
    ----------
    conventions
        What the policy was trained on.
    envs
        The tasks.
    seed, start
        `--seed`, and `--seed-start` where it was given.
    command
        The command without `--seed-start`, for the fix.

    Raises
    ------
    UsageError
        A benchmark has no such seeds, or they are those of demos or of an evaluation.

    """
    first = SEED_START + APART * seed if start is None else start
    check_number(seed, "--seed")
    # Own episodes take a million seeds from the first one on.
    check_number(first + APART, "--seed" if start is None else "--seed-start")
    for env_id in envs:
        benchmark = benchmark_of(env_id)
        try:
            benchmark.check_seed(env_id, SEED_START)
        except UsageError as error:
            raise UsageError(
                f"{env_id} has a fixed set of initial states, and evaluation takes them all: nothing would be unseen",
                fix="choose a ManiSkill task with --env",
            ) from error
        taken = {"the demos": conventions.seeds(env_id)}
        taken["mstool eval"] = frozenset(range(benchmark.first_seed, benchmark.first_seed + KEPT))
        taken["finetune --eval-freq"] = frozenset(range(HELD_OUT, HELD_OUT + KEPT))
        for whose, seeds in taken.items():
            # Own episodes take seeds from the first one upwards, a million at most.
            overlap = [each for each in seeds if first <= each < first + APART]
            if overlap:
                raise UsageError(
                    f"--seed-start {first}: {env_id} would learn from seed {min(overlap)}, which is of {whose}",
                    fix=command,
                )
    return first
