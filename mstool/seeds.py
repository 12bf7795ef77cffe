"""Which numbers are seeds, of whatever draws."""

from mstool.errors import UsageError

# numpy's `RandomState`, with which benchmarks and trainings draw, takes 32 bits.
MOST_SEED = 2**32 - 1


def check_number(seed: int, option: str) -> None:
    """Raise UsageError unless a number can be a seed; `option` is what gave it, or the first of several."""
    if not 0 <= seed <= MOST_SEED:
        raise UsageError(
            f"{option} {seed}: seeds are 0 to {MOST_SEED}", fix=f"leave {option} out", change={option: None}
        )
