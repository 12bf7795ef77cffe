"""Numbers that are no seeds are refused before anything is built."""

import pytest

from mstool.errors import UsageError
from mstool.seeds import MOST_SEED, check_number


def test_seeds_have_32_bits():
    check_number(0, "--seed")
    check_number(MOST_SEED, "--seed")
    for wrong in (-1, MOST_SEED + 1):
        with pytest.raises(UsageError, match=rf"--seed {wrong}: seeds are 0 to 4294967295"):
            check_number(wrong, "--seed")


@pytest.mark.parametrize(
    "words",
    [
        ("demos", "generate", "--env", "PickCube-v1", "--episodes", 1, "--seed", MOST_SEED + 1, "--output", "demos"),
        (
            "convert",
            "--env",
            "PickCube-v1",
            "--demos",
            "generate",
            "--episodes",
            1,
            "--seed",
            5 * 10**9,
            "--output",
            "x",
        ),
        ("eval", "--policy", "planner", "--env", "PickCube-v1", "--episodes", 2, "--seed-start", MOST_SEED),
    ],
)
def test_commands_refuse_other_numbers(mstool, capsys, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    assert mstool(*words) == 2
    assert "seeds are 0 to 4294967295" in capsys.readouterr().err


def test_a_seed_is_of_generated_demos(mstool, capsys, pickcube, tmp_path):
    demos = pickcube.parent / "nowhere"
    assert mstool("convert", "--env", "PickCube-v1", "--demos", demos, "--seed", 5, "--output", tmp_path / "x") == 2
    said = capsys.readouterr().err
    assert "--seed is of demos that are generated" in said
    assert said.endswith(f"fix: mstool convert --env PickCube-v1 --demos {demos} --output {tmp_path / 'x'}\n")
