"""Episodes that several datasets hold, told by their numbers: indices, sentences and pictures may differ."""

from collections import Counter
from collections.abc import Sequence

from mstool.dataset.episode_content import episode_digests, vector_columns
from mstool.maniskill2lerobot.rewrite.elsewhere.source import Source


def repeated(sources: Sequence[Source]) -> int:
    """Return how many episodes of datasets that become one are there a second time.

    Raises
    ------
    DataError
        A data file cannot be read.

    """
    first = sources[0]
    columns = [name for name, old in first.columns.items() if old in vector_columns(first.info.features)]
    if len(sources) < 2 or not columns:
        return 0
    digests = Counter(
        digest for source in sources for digest in episode_digests(source.root, [source.columns[n] for n in columns])
    )
    return sum(count - 1 for count in digests.values())
