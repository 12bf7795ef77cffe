"""MS207 to MS210: whether episodes are episodes: recorded once, whole, without gaps, and more than one."""

from collections.abc import Iterator, Sequence
from hashlib import sha256

import numpy as np

from mstool.contract import Array
from mstool.dataset.vectors import actions_of, state_columns, state_of
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.report import Issue, Note, Severity
from mstool.validators.tracks import tracks

# Share of an episode's states that another holds to the bit before it counts as recorded twice: a simulator gives 0.
# Of two episodes that begin alike, each has at least this share for itself, up to its end.
_SAME_SHARE = 0.2
# The hand's greatest step, as a multiple of a fast step of all episodes, and m.
_JUMP, _JUMP_M = 2.2, 0.01
# An episode goes on where another ends when the two states are nearer than this many typical steps, while beginnings
# are usually this much further away.
_FOLLOWS, _ELSEWHERE = 2.0, 10.0
# Frames in which every number stays as it is, s.
_HELD_S = 0.4


def states(context: Context) -> dict[int, Array]:
    """Return {episode: state (T, S)} of the sampled episodes, as float64."""
    found = {rows.episode: state_of(context.data, rows).astype(np.float64) for rows in context.data.sample}
    return {episode: state for episode, state in found.items() if len(state) > 2 and np.isfinite(state).all()}


@register
class RecordedOnce(Check):
    """MS210."""

    code, family = "MS210", "timing"
    title = "no episode holds rows of another"
    meaning = "what is stored twice weighs twice, and is on both sides of a split into training and validation"
    fix = "leave the copy out: lerobot-edit-dataset with delete_episodes, or convert the demos again"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Look up every moving row of the sampled episodes in those before."""
        seen: dict[bytes, int] = {}
        beginnings, longest = Beginnings(), (0, 0, -1)
        severity: Severity = "error" if context.data.record.converted else "warning"
        for episode, state in states(context).items():
            # Rows that stand still are alike in any episode that waits.
            moving = np.flatnonzero(np.abs(np.diff(state, axis=0)).max(axis=1) > 0)
            keys = [state[i].tobytes() for i in moving]
            alike = beginnings.common(keys)
            longest = max(longest, (alike, len(keys), episode))
            owners = [seen[key] for key in keys[alike:] if key in seen]
            if keys and len(owners) > _SAME_SHARE * len(keys):
                other = max(set(owners), key=owners.count)
                yield Issue(
                    f"an episode has the states of episode {other}",
                    severity,
                    episode=episode,
                    feature="+".join(state_columns(context.data)),
                    observed=f"{len(owners)} of {len(keys)} rows are the same to the bit",
                    expected="none",
                )
            beginnings.add(keys)
            seen |= {key: episode for key in keys if key not in seen}
        alike, count, episode = longest
        if alike > _SAME_SHARE * count:
            yield Note(
                f"episodes begin alike, as a script's do: {alike} of {count} moving rows of episode {episode} are those"
                " with which another begins, and then they differ"
            )


class Beginnings:
    """The rows with which episodes begin: a script's are alike until what differs in the scene matters to it."""

    def __init__(self) -> None:
        # {the first rows of an episode: how many rows the shortest episode has that begins with them}.
        self._shortest: dict[bytes, int] = {}

    def add(self, keys: Sequence[bytes]) -> None:
        """Take note of an episode."""
        for first in _first_rows(keys):
            self._shortest[first] = min(len(keys), self._shortest.get(first, len(keys)))

    def common(self, keys: Sequence[bytes]) -> int:
        """Count the rows from the first on that another episode has as well, before the two go different ways.

        Where either has nearly nothing of its own after them, it is no beginning: one is a copy of the other, or of a
        part of it, and 0 is returned.
        """
        alike = 0
        for alike, first in enumerate(_first_rows(keys)):
            if first not in self._shortest:
                break
            if alike + 1 > (1 - _SAME_SHARE) * min(len(keys), self._shortest[first]):
                return 0
        return alike


def _first_rows(keys: Sequence[bytes]) -> Iterator[bytes]:
    """Yield a digest of the first row, of the first two, and so on."""
    rows = sha256()
    for key in keys:
        rows.update(key)
        yield rows.digest()


@register
class Gapless(Check):
    """MS207."""

    code, family = "MS207", "timing"
    title = "the hand goes from frame to frame without jumps"
    meaning = "frames were dropped, or two episodes joined: the policy learns to jump, and time runs at two rates"
    fix = "keep every frame of an episode, and end an episode where its recording ends"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare each step with what is fast in this dataset, and with what was commanded."""
        meaning, found = tracks(context)
        if not found:
            raise Skip("no episode has numbers")
        steps = {t.episode: np.linalg.norm(np.diff(t.position, axis=0), axis=1) for t in found}
        fast = float(np.quantile(np.concatenate(list(steps.values())), 0.95))
        severity: Severity = "error" if meaning.source == "record" else "warning"
        for episode, step in steps.items():
            # A jump is one step: what is around it is not as fast.
            around = np.maximum(np.r_[step[1:], 0], np.r_[0, step[:-1]])
            jumps = np.flatnonzero((step > _JUMP * np.maximum(around, fast / 2)) & (step > max(_JUMP_M, 0.8 * fast)))
            if episode in context.data.disturbed:
                # It begins in the middle of a motion, of which the first step may be the end.
                jumps = jumps[jumps > 0]
            if jumps.size:
                yield Issue(
                    f"the hand jumps in {jumps.size} step{'s' if jumps.size > 1 else ''}, the first",
                    severity,
                    episode=episode,
                    frame=int(jumps[0]) + 1,
                    feature="+".join(state_columns(context.data)),
                    observed=f"{step[jumps[0]] * 100:.1f} cm in a frame, beside {around[jumps[0]] * 100:.1f} cm",
                    expected=f"{fast * 100:.1f} cm where it is fast",
                )


@register
class Whole(Check):
    """MS208."""

    code, family = "MS208", "timing"
    title = "no episode goes on where another ends"
    meaning = "one recording was cut in two: the second part begins in the middle of the task, as no evaluation does"
    fix = "join the parts, or convert the demos again"

    def run(self, context: Context) -> Iterator[Issue]:
        """Compare each beginning with the end of the episode before."""
        found = states(context)
        if len(found) < 2:
            raise Skip("fewer than two episodes")
        step = float(np.median(np.concatenate([np.linalg.norm(np.diff(s, axis=0), axis=1) for s in found.values()])))
        gaps = {
            episode: float(np.linalg.norm(found[episode][0] - found[episode - 1][-1]))
            for episode in found
            if episode - 1 in found and episode not in context.data.disturbed
        }
        for episode, gap in gaps.items():
            start = np.array([s[0] for e, s in found.items() if e != episode])
            usual = float(np.linalg.norm(found[episode][0] - np.median(start, axis=0)))
            if gap < _FOLLOWS * step and usual > _ELSEWHERE * step:
                yield Issue(
                    f"the episode begins where episode {episode - 1} ends, and not where others begin",
                    "error" if context.data.record.converted else "warning",
                    episode=episode,
                    feature="+".join(state_columns(context.data)),
                    observed=f"{gap:.3g} from that end, {usual:.3g} from the usual beginning",
                )


@register
class Held(Check):
    """MS209."""

    code, family = "MS209", "timing"
    title = "no frame is repeated"
    meaning = "padding: the policy learns to stand still, and the last action is taught many times"
    fix = "store an episode's own frames alone: what fills windows is the loader's business"

    def run(self, context: Context) -> Iterator[Issue]:
        """Look for rows that stay the same to the bit."""
        data = context.data
        # A robot that was told to stay may come to rest to the bit.
        most = max(3, int(_HELD_S * data.fps)) + max(data.record.hold_steps.values(), default=0)
        for rows in data.sample:
            both = np.concatenate([state_of(data, rows), actions_of(data, rows)], axis=1)
            state = state_of(data, rows)
            run = longest_run((np.diff(state, axis=0) == 0).all(axis=1))
            if run[1] >= most:
                same = bool((np.diff(both[run[0] : run[0] + run[1] + 1], axis=0) == 0).all())
                yield Issue(
                    "a frame is repeated" if same else "the state is repeated while actions go on",
                    "error" if data.record.converted else "warning",
                    episode=rows.episode,
                    frame=run[0] + 1,
                    feature="+".join(state_columns(data)),
                    observed=f"{run[1]} times",
                    expected=f"below {most}",
                )


def longest_run(true: Array) -> tuple[int, int]:
    """Return where the longest run of true values (n,) begins, and how long it is."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], true.astype(int), [0]])))
    if not edges.size:
        return 0, 0
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    at = int(lengths.argmax())
    return int(starts[at]), int(lengths[at])
