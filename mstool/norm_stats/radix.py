"""Exact order statistics of a stream of numbers, in bounded memory, by radix selection.

IEEE floats sort like their bit patterns once negative ones are flipped, so the k-th smallest value can be found
digit by digit: count how many values start with each 16-bit digit, keep the digit that holds rank k, count
the next digit among those values only. 32-bit values take two passes over the data, 64-bit values four. Memory is
one counter per possible digit, however many values go by; nothing is sampled and nothing is rounded.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

DIGIT_BITS = 16
DIGITS = 1 << DIGIT_BITS
LOW = DIGITS - 1
# How many values to gather before counting them: a count of later digits costs a megabyte of zeros each time.
_FLUSH = 1 << 21
_NO_SLOT = 255

type Ints = npt.NDArray[np.int64]
type Floats = npt.NDArray[np.floating]
type RadixKeys = npt.NDArray[np.int32] | npt.NDArray[np.int64]


def sort_keys(values: Floats) -> RadixKeys:
    """Give each float a signed integer of its own width that sorts the same way (-0.0 just below 0.0).

    Parameters
    ----------
    values
        Contiguous float32 or float64, without NaN.

    """
    # A negative float's magnitude grows with its bits: flip everything but the sign.
    if values.dtype == np.float32:
        narrow = values.view(np.int32)
        return narrow ^ ((narrow >> 31) & np.int32(0x7FFF_FFFF))
    wide = values.view(np.int64)
    return wide ^ ((wide >> 63) & np.int64(0x7FFF_FFFF_FFFF_FFFF))


def value_of(key: int, width: int) -> float:
    """Turn an unsigned key (sort key + half its range) of `width` bits back into the float it stands for."""
    signed = key - (1 << (width - 1))
    kind: tuple[type, type] = (np.int32, np.float32) if width == 32 else (np.int64, np.float64)
    bits = signed if signed >= 0 else signed ^ ((1 << (width - 1)) - 1)
    # Adding zero turns -0.0 into 0.0: the same number, and no "-0.0" in a file.
    return float(np.array([bits], dtype=kind[0]).view(kind[1])[0]) + 0.0


class RadixSelector:
    """Find the values at given ranks of a weighted stream that can be read several times.

    Call `add` with every value of the stream, then `end_pass`, and repeat until `done`. The ranks are given once, in
    the first pass (`set_ranks`), because they usually depend on the count, which that pass finds.

    Parameters
    ----------
    width
        32 for float32 streams (2 passes), 64 for float64 streams (4 passes).

    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.passes = width // DIGIT_BITS
        self.level = 0
        self._ranks: list[int] = []
        # Per rank: the digits settled so far, and how many values are smaller than anything that begins with them.
        self._prefix: list[int] = []
        self._below: list[int] = []
        # The different prefixes, ascending; a value's slot is its prefix's place here.
        self._active: Ints = np.zeros(0, dtype=np.int64)
        self._lookup = np.full(DIGITS, _NO_SLOT, dtype=np.uint8)
        # This pass: codes (slot, digit) not yet counted with their weights, and counts per code once there are many.
        self._codes: list[Ints] = []
        self._weights: list[Ints] = []
        self._gathered = 0
        self._counts: Ints | None = None

    @property
    def done(self) -> bool:
        """Whether every pass has been made."""
        return self.level == self.passes

    def add(self, values: Floats, weights: Ints | None = None) -> None:
        """Take a piece of the stream: finite floats of this selector's width, each counted `weights` times."""
        keys = sort_keys(values)
        first = (keys >> (self.width - DIGIT_BITS)) + (DIGITS >> 1)
        if self.level == 0:
            self._add_counts(_count(first, weights, DIGITS))
            return
        slots = self._lookup.take(first)
        hit = np.flatnonzero(slots != _NO_SLOT)
        if hit.size == 0:
            return
        shift = self.width - DIGIT_BITS * (self.level + 1)
        kept = keys.take(hit)
        if self.level == 1:
            slot = slots.take(hit).astype(np.int64)
        else:
            prefix = (kept >> (shift + DIGIT_BITS)) + (1 << (DIGIT_BITS * self.level - 1))
            slot = np.searchsorted(self._active, prefix).clip(max=len(self._active) - 1)
            same = np.flatnonzero(self._active[slot] == prefix)
            hit, kept, slot = hit.take(same), kept.take(same), slot.take(same)
        self._codes.append((slot << DIGIT_BITS) | ((kept >> shift) & LOW).astype(np.int64))
        if weights is not None:
            self._weights.append(weights.take(hit))
        self._gathered += hit.size
        if self._gathered >= _FLUSH:
            self._flush()

    def set_ranks(self, ranks: Iterable[int]) -> None:
        """Say which ranks (0 = smallest) are wanted; between the first pass's last `add` and its `end_pass`."""
        self._ranks = list(ranks)
        self._below = [0] * len(self._ranks)
        self._prefix = [0] * len(self._ranks)

    def total(self) -> int:
        """Count the stream, weights included; after the first pass's last `add`."""
        return 0 if self._counts is None else int(self._counts.sum())

    def end_pass(self) -> None:
        """Settle one more digit of every wanted value."""
        codes, upto = self._cumulated()
        for i, rank in enumerate(self._ranks):
            slot = 0 if self.level == 0 else int(np.searchsorted(self._active, self._prefix[i]))
            begin = int(np.searchsorted(codes, slot << DIGIT_BITS))
            base = int(upto[begin - 1]) if begin else 0
            at = int(np.searchsorted(upto, base + rank - self._below[i], side="right"))
            self._below[i] += (int(upto[at - 1]) if at else 0) - base
            self._prefix[i] = (self._prefix[i] << DIGIT_BITS) | int(codes[at] & LOW)
        self.level += 1
        self._active = np.unique(np.array(self._prefix, dtype=np.uint64)).astype(np.int64)
        if not self.done:
            self._lookup.fill(_NO_SLOT)
            heads = self._active >> (DIGIT_BITS * (self.level - 1))
            # Past the second digit several prefixes share a first one: the lookup only says "look closer".
            self._lookup[heads] = np.arange(len(heads)) if self.level == 1 else 0

    def values(self) -> list[float]:
        """Give the value at each wanted rank, in the order the ranks were given; once `done`."""
        return [value_of(prefix, self.width) for prefix in self._prefix]

    def _cumulated(self) -> tuple[Ints, Ints]:
        """Give the codes that occurred in this pass, ascending, and how many values lie at or below each."""
        if self._counts is None and self._gathered < self._size() >> 3:
            # Few values: sorting them is quicker than clearing and adding up a counter for every code.
            codes, weights = self._take()
            order = np.argsort(codes)
            codes = codes[order]
            upto = np.cumsum(np.ones(codes.size, dtype=np.int64) if weights is None else weights[order])
            ends = np.flatnonzero(np.append(codes[1:] != codes[:-1], codes.size > 0))
            return codes[ends], upto[ends]
        self._flush()
        counts = self._counts if self._counts is not None else np.zeros(0, dtype=np.int64)
        self._counts = None
        codes = np.flatnonzero(counts)
        return codes, np.cumsum(counts[codes])

    def _size(self) -> int:
        return max(1, len(self._active)) << DIGIT_BITS

    def _take(self) -> tuple[Ints, Ints | None]:
        codes = np.concatenate(self._codes) if self._codes else np.zeros(0, dtype=np.int64)
        weights = np.concatenate(self._weights) if self._weights else None
        self._codes, self._weights, self._gathered = [], [], 0
        return codes, weights

    def _flush(self) -> None:
        if self._gathered:
            self._add_counts(_count(*self._take(), self._size()))

    def _add_counts(self, counts: Ints) -> None:
        if self._counts is None:
            self._counts = counts
        else:
            self._counts += counts


def _count(codes: npt.NDArray[np.signedinteger], weights: Ints | None, size: int) -> Ints:
    # bincount sums weights as float64: whole numbers, exact below 2**53.
    return np.bincount(codes, weights, minlength=size).astype(np.int64)
