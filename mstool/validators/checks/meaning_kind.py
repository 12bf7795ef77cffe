"""MS501, MS506, MS507, MS509: the gripper's sign, what the state is, what the actions are, and of which episode."""

from collections.abc import Iterator
from math import comb

import numpy as np

from mstool.dataset.vectors import action_columns, actions_of, dimension, state_columns, state_of
from mstool.layouts import LAYOUTS
from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.classify import classify_state, contradicts, is_absolute
from mstool.validators.commanded import CONTACT, ODD_EPISODE, Commanded
from mstool.validators.meanings import SETTLE, Meaning, meaning_of
from mstool.validators.report import Curve, Issue, Note
from mstool.validators.tracks import WORDS, Track, tracks

# Fingers move when their distance changes by more than this share of what they ever do, in one step.
_FINGERS_MOVE = 0.03
# Fingers that are pressed on something give way, by up to 1.2 mm in PushCube: no command moved them, m.
_GIVE_WAY = 0.003
# Fewer motions than this may be opposite by chance; and how unlikely chance must be where only numbers tell.
_FEW_MOTIONS = 3
_CHANCE = 0.05


def _known_senses() -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield the layouts' senses of a gripper's command: whose it is, and what opens and closes."""
    for layout in LAYOUTS.values():
        for mode in layout.control_modes:
            gripper = layout.action_facts(mode).gripper
            yield layout.owner, (gripper.open, gripper.closed)


def _by_chance(agree: int, moves: int) -> float:
    """Probability that `agree` or more of `moves` tosses of a coin are heads."""
    return sum(comb(moves, k) for k in range(agree, moves + 1)) / 2.0**moves


@register
class GripperSign(Check):
    """MS501."""

    code, family = "MS501", "meaning"
    title = "the gripper's command opens and closes the fingers in the sense that is expected"
    meaning = "ManiSkill opens at +1, LIBERO closes at +1, DROID closes at 1: the policy drops what it should grasp"
    fix = (
        "write the command in the expected sense where the actions are made, or convert the demos again: mstool convert"
    )

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Compare the sense of the command with that of the fingers' motion after it."""
        meaning, found = tracks(context)
        if not found or any(track.opening is None for track in found):
            raise Skip("the state does not hold the fingers")
        agree, moves = self._votes(found)
        if moves < 2:
            raise Skip(f"the fingers open or close {moves} times in the sampled episodes: too few to tell")
        if meaning.source == "numbers":
            yield self._inferred(meaning, found, agree, moves)
            return
        text = f"the command agrees with the fingers in {agree} of {moves} motions; meaning {meaning.said}"
        yield Note(text, (self._curve(found[0]),))
        column, index, _ = dimension(context.data, action_columns(context.data), meaning.gripper)
        if agree <= 0.25 * moves:
            yield Issue(
                f"the gripper's command is flipped: {meaning.gripper_open:+g} should open {meaning.said}; by chance "
                f"{_by_chance(moves - agree, moves):.2g}",
                meaning.severity if moves >= _FEW_MOTIONS else "warning",
                feature=column,
                dimension=index,
                observed=f"{moves - agree} of {moves} motions are opposite",
                expected=f"{meaning.gripper_open:+g} open, {meaning.gripper_closed:+g} closed",
                evidence=(self._curve(found[0]),),
                fix=meaning.fix,
            )
        elif agree < 0.75 * moves:
            yield Issue(
                "the gripper's command does not say which way the fingers move",
                "warning",
                feature=column,
                dimension=index,
                observed=f"{agree} of {moves} motions agree",
                expected="nearly all",
                evidence=(self._curve(found[0]),),
            )

    def _inferred(self, meaning: Meaning, found: list[Track], agree: int, moves: int) -> Note:
        """Say which end opens where nothing declares it; skip where so many motions may agree by chance."""
        opens, closes = meaning.gripper_open, meaning.gripper_closed
        if agree < moves - agree:
            opens, closes, agree = closes, opens, moves - agree
        chance = min(1.0, 2 * _by_chance(agree, moves))
        told = f"the fingers open at {opens:+.2g} and close at {closes:+.2g} in {agree} of {moves} motions"
        if chance > _CHANCE:
            raise Skip(f"nothing declares the gripper's sense; {told}, as may be chance ({chance:.2g}); {SETTLE}")
        same = [name for name, sense in _known_senses() if np.allclose(sense, (opens, closes), atol=0.05)]
        like = f", as {same[0]} does" if same else ""
        return Note(
            f"nothing declares the gripper's sense; {told}{like} (by chance {chance:.2g})", (self._curve(found[0]),)
        )

    @staticmethod
    def _votes(found: list[Track]) -> tuple[int, int]:
        """Count the fingers' separate motions, and those that go where the command of the frames before points."""
        reach = max(float(np.ptp(track.opening)) for track in found if track.opening is not None)
        agree = moves = 0
        for track in found:
            if track.opening is None or reach < 1e-4:
                continue
            change = np.diff(track.opening)
            moving = np.abs(change) > _FINGERS_MOVE * reach
            edges = np.flatnonzero(np.diff(np.concatenate([[0], moving.astype(int), [0]])))
            for start, end in zip(edges[::2], edges[1::2], strict=True):
                if abs(change[start:end].sum()) < _GIVE_WAY:
                    continue
                # A command lasts longer than the motion it starts: looking on a little forgives one that is late.
                command = track.wanted_opening[start : end + 3]
                moves += 1
                agree += bool(np.sign(change[start:end].sum()) == np.sign(np.median(command) - 0.5))
        return agree, moves

    @staticmethod
    def _curve(track: Track) -> Curve:
        time = np.arange(len(track.actions))
        opening = track.opening if track.opening is not None else np.zeros(len(time))
        scaled = opening / max(float(opening.max()), 1e-9)
        return Curve(
            f"gripper, episode {track.episode}",
            "frame",
            "share open",
            (("fingers", time, scaled), ("command", time, track.wanted_opening)),
        )


@register
class StateKind(Check):
    """MS506."""

    code, family = "MS506", "meaning"
    title = "the state is what it is taken for: joints, or an end effector pose"
    meaning = (
        "the model reads joint angles as metres (qpos[:8] where LIBERO has eef position, axis-angle and "
        "fingers): loss falls, success is 0 %"
    )
    fix = "convert the demos with the layout that is meant: mstool convert --layout libero, or droid for joints"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Classify by numbers alone: joint limits, unit quaternions."""
        data = context.data
        expected: Meaning | None
        try:
            expected = meaning_of(context)
        except Skip:
            expected = None
        state = np.concatenate([state_of(data, rows) for rows in data.sample])
        kind = classify_state(state)
        words = WORDS[kind] if kind else "neither joints nor an end effector pose"
        yield Note(f"by its numbers the state is {words}")
        if expected is None or expected.source == "numbers":
            return
        if kind is None:
            raise Skip("the numbers fit nothing known: their size is checked elsewhere (MS404, MS410)")
        if contradicts(expected.state, state):
            yield Issue(
                f"the state is {words}, not {WORDS[expected.state]} as {expected.said} (layout {expected.layout})",
                feature="+".join(state_columns(data)),
                observed=words,
                expected=WORDS[expected.state],
            )


@register
class ActionKind(Check):
    """MS507."""

    code, family = "MS507", "meaning"
    title = "actions are differences or absolute targets, as expected"
    meaning = "absolute targets executed as differences (or the reverse) move the arm at once to its limits"
    fix = (
        "convert the demos with the control mode that is meant: mstool convert --control-mode pd_ee_delta_pose, "
        "pd_joint_delta_pos or pd_joint_pos"
    )

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """See whether the actions trail the state."""
        meaning, data = meaning_of(context), context.data
        state = np.concatenate([state_of(data, rows) for rows in data.sample])
        actions = np.concatenate([actions_of(data, rows) for rows in data.sample])
        width = 3 if meaning.action == "ee_delta" else len(meaning.robot.joints)
        if min(state.shape[1], actions.shape[1]) < width:
            raise Skip(f"fewer than {width} dimensions")
        if meaning.action == "ee_delta" and meaning.state == "joints":
            _, found = tracks(context)
            where = np.concatenate([track.position for track in found])
            actions = np.concatenate([track.actions for track in found])
        else:
            where = state[:, :width]
        absolute = is_absolute(actions[:, :width], where)
        yield Note(f"actions {'trail' if absolute else 'do not trail'} the state; {meaning.action} {meaning.said}")
        wanted = meaning.action == "joint_position"
        if absolute != wanted:
            yield Issue(
                f"actions are {'absolute targets' if absolute else 'differences'}, expected "
                f"{'absolute targets' if wanted else 'differences'} {meaning.said}",
                feature=action_columns(data)[0],
                observed="absolute" if absolute else "differences",
                expected="absolute" if wanted else "differences",
            )


@register
class EpisodeActions(Check):
    """MS509."""

    code, family = "MS509", "meaning"
    title = "each episode's actions belong to its states"
    meaning = "episodes whose rows were shuffled or paired with another's teach noise"
    fix = (
        "convert the demos again (mstool convert); sort episodes by number, not by name (traj_10 comes before traj_2 "
        "as text)"
    )

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Predict each episode's motion from its commands, with coefficients of all."""
        meaning, found = tracks(context)
        usable = [track for track in found if len(track.moved) > 10]
        if len(usable) < 2:
            raise Skip("fewer than two episodes")
        commanded_motion = Commanded(usable)
        scores, unhindered = zip(*commanded_motion.scores(), strict=True)
        typical, commanded = float(np.median(scores)), float(np.median(unhindered))
        if typical < 0.3:
            raise Skip("commands explain the motion in no episode (MS505)")
        yield Note(
            f"commands explain {typical:.0%} of an episode's motion; of each, contacts allowed for, "
            f"{min(unhindered):.0%} to {max(unhindered):.0%}"
        )
        for number, (track, score, share) in enumerate(zip(usable, scores, unhindered, strict=True)):
            odd = score < ODD_EPISODE * typical and share < CONTACT * commanded
            if odd and not commanded_motion.unlike_others(number):
                yield Issue(
                    "the actions do not explain this episode's motion, but the others'",
                    "warning" if meaning.source == "numbers" else "error",
                    episode=track.episode,
                    feature=action_columns(context.data)[0],
                    observed=f"R² {score:.2f}",
                    expected=f"about {typical:.2f}",
                )
