"""Seeds attempted until enough are solved."""

from itertools import count

import pytest

from mstool.errors import MstoolError
from mstool.simulators.attempt_files import kept_attempts, write_attempt
from mstool.simulators.demos import Attempt
from mstool.simulators.enough import coming, failures, take_enough, told_of_interrupts


def attempt(seed, solved=True):
    return Attempt(seed, success=solved, steps=10, failure="" if solved else "planner")


def attempts_at(seeds, asked):
    try:
        for seed in seeds:
            asked.append(seed)
            yield attempt(seed, seed % 3 > 0)
    finally:
        asked.append("closed")


def test_what_an_earlier_run_left_is_not_attempted_again(tmp_path):
    asked = []
    with kept_attempts(tmp_path / "work"):
        for seed in (1, 3):
            write_attempt(tmp_path / "work", attempt(seed), lambda _file: None)
        found = coming(tmp_path / "work", count(), lambda seeds: attempts_at(seeds, asked))
        taken = take_enough("PushCube-v1", found, 4, 0, hopeless=5)
        found.close()
    assert [(each.seed, each.success) for each in taken] == [(0, False), (1, True), (2, True), (3, True), (4, True)]
    assert asked == [0, 2, 4, "closed"]
    assert failures(taken) == {"planner": 1}


def test_seeds_that_come_to_an_end(tmp_path):
    with kept_attempts(tmp_path / "work"):
        found = coming(tmp_path / "work", range(4), lambda seeds: attempts_at(seeds, []))
        with pytest.raises(MstoolError, match=r"after 4 seeds from 0 with 2 of 3 episodes .*\(planner 2\)"):
            take_enough("PushCube-v1", found, 3, 0, hopeless=5)


def test_it_is_given_up_after_failures_in_a_row():
    with pytest.raises(MstoolError, match=r"gave up after 6 seeds .*, the last 5 seeds all failed") as told:
        take_enough("PushCube-v1", (attempt(seed, seed == 0) for seed in count()), 3, 0, hopeless=5)
    assert told.value.change == {"--episodes": 1}
    with pytest.raises(MstoolError, match="with 0 of 3") as told:
        take_enough("PushCube-v1", (attempt(seed, solved=False) for seed in count(7)), 3, 7, hopeless=5)
    assert told.value.change == {"--seed": 12}


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("kept", [None, 0, 1, 2])
def test_after_ctrl_c_the_same_command_goes_on(tmp_path, kept, there):
    out, work = tmp_path / "out", tmp_path / "work"
    if there:
        out.mkdir()
    for seed in range(kept or 0):
        work.mkdir(exist_ok=True)
        write_attempt(work, attempt(seed, solved=False), lambda _: None)

    def interrupted():
        with told_of_interrupts(out, work if kept is not None else None):
            raise KeyboardInterrupt

    with pytest.raises(MstoolError) as told:
        interrupted()
    left = "interrupted: " + (f"{out} is as it was" if there else f"nothing was written to {out}")
    more = {
        None: ", and demos that are not complete are not kept",
        0: "",
        1: "; 1 seed that was attempted is kept",
        2: "; 2 seeds that were attempted are kept",
    }
    assert told.value.message == left + more[kept]
    assert ("goes on" in told.value.fix) is bool(kept)
    assert told.value.change == {}
