"""Episodes that several datasets hold, told by their numbers: indices, sentences and pictures may differ."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mstool.dataset.episode_content import episode_digests


def repeated(sources: Sequence[tuple[Path, Sequence[str]]]) -> int:
    """Return how many episodes of datasets that become one are there a second time.

    Parameters
    ----------
    sources
        Each dataset's folder, and its columns of vectors, in the same order.

    Raises
    ------
    DataError
        A data file cannot be read.

    """
    if len(sources) < 2:
        return 0
    digests = Counter(digest for root, columns in sources if columns for digest in episode_digests(root, columns))
    return sum(count - 1 for count in digests.values())
