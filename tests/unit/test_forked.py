"""Commands that tests fork (`support.forked`) are processes as any other; each command is started fresh once too."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import forked
from support.converted import FRESH, RECIPES
from support.processes import workers_of

TESTS = Path(__file__).parents[1]
FORKED = "import sys; assert 'torch' in sys.modules; "


def run(code, *words, **options):
    return forked.run([sys.executable, "-c", code, *words], capture_output=True, text=True, **options)


@pytest.mark.parametrize(
    ("code", "ends"),
    [
        ("print('out'); print('error', file=sys.stderr)", (0, "out\n", "error\n")),
        ("sys.exit('no good')", (1, "", "no good\n")),
        ("sys.exit(2)", (2, "", "")),
        ("import atexit; atexit.register(print, 'last')", (0, "last\n", "")),
        ("import os; os.abort()", (-signal.SIGABRT, "", "")),
    ],
)
def test_how_it_ends(code, ends):
    done = run(FORKED + code)
    assert (done.returncode, done.stdout, done.stderr) == ends


def test_a_program_that_raises_says_where():
    done = run(FORKED + "1 / 0")
    assert done.returncode == 1
    assert done.stderr.endswith('File "<string>", line 1, in <module>\nZeroDivisionError: division by zero\n')


def test_it_has_what_it_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    code = (
        "import json, os, tempfile; print(json.dumps([sys.argv, os.getcwd(), tempfile.gettempdir(), os.getppid(), "
        "sys.stdin.read(), os.getpid() == os.getsid(0), os.environ.get('HF_TOKEN'), __name__, sys.path[0]]))"
    )
    process = forked.start(
        [sys.executable, "-c", FORKED + code, "a", "b c"], cwd=tmp_path, env={**os.environ, "HF_TOKEN": "x"}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    out, _ = process.communicate("told")
    seen = [["-c", "a", "b c"], str(tmp_path), str(tmp_path), os.getpid(), "told", True, "x", "__main__", ""]
    assert json.loads(out) == seen


def test_chance_is_not_shared():
    code = FORKED + "import random, numpy; print(random.random(), numpy.random.random())"
    assert run(code).stdout.split()[0] != run(code).stdout.split()[0]
    assert run(code).stdout.split()[1] != run(code).stdout.split()[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 7), (signal.SIGTERM, -15), (signal.SIGKILL, -9)])
def test_signals_reach_it_alone(number, code):
    wait = "import time\ntry:\n print(1, flush=True); time.sleep(60)\nexcept KeyboardInterrupt: sys.exit(7)"
    with forked.start([sys.executable, "-c", FORKED + wait], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(number)
    assert process.returncode == code


def test_what_is_read_at_import_is_read_anew(monkeypatch):
    code = FORKED + "import huggingface_hub.constants as c; print(c.HF_HUB_OFFLINE)"
    assert run(code, env={**os.environ, "HF_HUB_OFFLINE": "1"}).stdout == "True\n"
    fresh = "import sys, os; print('torch' in sys.modules, os.environ['HF_HOME'])"
    assert run(fresh, env={**os.environ, "HF_HOME": "there"}).stdout == "False there\n"
    monkeypatch.setenv("HF_HOME", "here")
    assert run(fresh).stdout == "False here\n"


def test_its_workers_are_forked_and_end_with_it():
    code = (
        "from mstool.processes import start_worker; from support.workers import say_what_you_are\n"
        "pipe, worker = start_worker(say_what_you_are, 'HF_TOKEN', imports=['mani_skill.envs'])\n"
        "print(*pipe.recv(), worker.pid, flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "HF_TOKEN": "x"}
    path = f"import sys; sys.path.insert(0, {str(TESTS)!r}); "
    with forked.start(
        [sys.executable, "-c", path + FORKED + code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=environment,
    ) as process:  # fmt: skip
        said = process.stdout.readline()
        pid = int(said.split()[0])
        assert said == f"{pid} {{'HF_TOKEN': 'x'}} True 1 {pid}\n"
        assert workers_of(process.pid) == [pid]
    assert process.returncode == 0


def test_every_command_starts_fresh_somewhere():
    """Faults of an import, and of what is done only once it happens, are met there."""
    called = r'command\(\s*"(\w+)"[^\n]*?'
    paths = [*TESTS.glob("journey/*.py"), *TESTS.glob("integration/*.py")]
    source = "\n".join(path.read_text() for path in paths)
    source = source.replace("online(", "command(")
    fresh = {*re.findall(called + "fresh=", source), *(RECIPES[name][0] for name in FRESH), "serve"}
    assert {*re.findall(called, source), *(words[0] for words in RECIPES.values())} <= fresh
    assert '[*MSTOOL, "serve"' in source
