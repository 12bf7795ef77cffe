"""How far a run is, with a terminal and without one."""

import io
import os
import pty
import re
import subprocess
import sys
import threading
import time

import pytest
from support.edited import GOLDEN

from mstool import progress
from mstool.progress import Progress

PROGRAM = """
import time
from mstool.progress import Progress, print_line
with Progress("convert", 200, "frame") as progress:
    progress.update(50)
    time.sleep(2.5)
    print_line("a line in between")
    time.sleep(0.5)
print("done")
"""


def test_without_a_terminal_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.2)
    with Progress("convert", 200, "frame") as bar:
        bar.note = "1 of 4 episodes"
        bar.update(50)
        time.sleep(0.5)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert 1 <= len(lines) <= 3
    assert re.fullmatch(r"convert after 0:00: 50/200 frames, \d+\.\d frames/s, 0:0\d left; 1 of 4 episodes", lines[0])


def test_a_short_run_says_nothing(capsys):
    with Progress("convert", 3, "frame") as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""


def test_without_stderr_nothing_is_shown_and_nothing_fails(capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.05)
    for stderr in (None, io.StringIO()):
        if stderr is not None:
            stderr.close()
        monkeypatch.setattr(sys, "stderr", stderr)
        with Progress("convert", 3, "frame") as bar:
            bar.update(3)
            time.sleep(0.2)
        progress.print_line("a line")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("closed", ["2>&-", "2>&- <&-"])
def test_a_command_whose_stderr_is_closed_prints_its_result(closed):
    command = f"{sys.executable} -m mstool.cli validate '{GOLDEN / 'libero'}' --no-record --select MS1 {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "valid for " in done.stdout


def test_nothing_done_yet_is_said_too():
    assert Progress("hash", 3_500_000, "B").line() == "hash after 0:00: 0.0/3.5 MB, 0.0 MB/s"


def test_the_total_is_corrected_and_work_undone():
    bar = Progress("convert", 100, "frame")
    bar.update(30)
    bar.update(-30)
    bar.update(40, more=-10)
    assert ": 40/90 frames, " in bar.line()


def test_the_rate_is_that_of_the_last_lines(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    bar = Progress("convert", 10_000, "frame")
    bar.update(5000)  # finished by the run before
    for _ in range(6):
        now[0] += 30
        bar.update(300)
        line = bar.line()
    assert line == "convert after 3:00: 6800/10000 frames, 10.0 frames/s, 5:20 left"


def test_threads_are_counted_whole():
    bar = Progress("download", 40_000, "file")

    def work():
        for _ in range(10_000):
            bar.update()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ": 40000/40000 files, " in bar.line()


def test_no_bar_and_no_clock_is_left_by_an_error():
    with pytest.raises(ValueError, match="broken"), Progress("convert", 3, "frame") as bar:
        raise ValueError("broken")
    assert not bar._clock.is_alive()


def test_on_a_terminal_the_clock_goes_on():
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        said += piece
    assert process.wait() == 0
    text = said.decode()
    assert {"00:01<", "00:02<"} <= set(re.findall(r"\d\d:\d\d<", text))
    assert "50/200" in text
    assert "\ra line in between\r\n" in text
    assert text.splitlines()[-1].strip().endswith("done")
