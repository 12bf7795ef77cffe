"""A conversion without a terminal says how far it is, in frames, within the first episode."""

import re

import pytest
from conftest import DEMOS

from mstool import Step, convert, progress, progress_to


def test_lines_by_frames(mstool, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.3)
    words = ("--demos", DEMOS / "PickCube-v1", "--episodes", 2, "--image-size", 64, "--workers", 1)
    words += ("--render-detail", "fast")
    assert mstool("convert", "--env", "PickCube-v1", *words, "--output", tmp_path / "data") == 0
    err = capsys.readouterr().err
    seen = re.findall(r"convert after \d+:\d\d: (\d+)/(\d+) frames, .*; (\d) of 2 episodes, (\d) dropped", err)
    first = [int(done) for done, _, episodes, _ in seen if episodes == "0"]
    assert len(set(first)) > 2, err
    assert first == sorted(first)
    totals = {int(total) for _, total, _, _ in seen}
    assert len(totals) <= 3
    assert max(totals) == pytest.approx(74 + 74, abs=20)


def test_frames_held_still_are_of_the_total_from_the_start(tmp_path):
    """In the demos' own control mode every frame is known beforehand."""
    told = []
    with progress_to(told.append):
        (report,) = convert(
            ["PickCube-v1"],
            demos=str(DEMOS / "PickCube-v1"),
            episodes=2,
            layout="joint",
            control_mode="pd_joint_pos",
            hold_steps=7,
            image_size=32,
            render_detail="fast",
            workers=1,
            output=tmp_path / "data",
        )
    steps = [step for step in told if isinstance(step, Step) and step.what == "convert"]
    assert report.converted == 2
    assert {step.total for step in steps} == {report.frames} == {steps[-1].done}
