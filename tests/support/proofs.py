"""Many cases of one kind: a few in the suite, the others in `benchmarks/proofs.py`."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def some(cases: Iterable[Any], kept: Callable[[Any], bool]) -> list[Any]:
    """Return parameters for all cases, of which those that are not `kept` are marked as proofs; a tuple is several."""
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=() if kept(case) else pytest.mark.proof)
        for case in cases
    ]
