"""From a dataset to openpi: the script that `finetune --engine openpi` writes, executed with openpi's fields."""

import importlib.util
import shlex
import sys

from support import openpi_stand_in
from support.converted import command, copied


def test_v30_is_sent_to_export_and_its_export_is_written_for(made, tmp_path, monkeypatch):
    source = copied(made("merged"), tmp_path / "merged")
    run = tmp_path / "run"
    refused = command("finetune", source, "--policy", "pi05", "--engine", "openpi", "--output", run, code=None)
    assert refused.returncode in {1, 2}
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("fix: ")]
    assert line.startswith("fix: mstool export ")
    # The fix is a command that works as it stands; what it wrote is what the engine takes.
    words = shlex.split(line.removeprefix("fix: mstool "))
    command(*words)
    exported = words[words.index("--output") + 1]
    done = command("finetune", exported, "--policy", "pi05", "--engine", "openpi", "--output", run)
    assert f"uv run {run}" in done.stdout.replace("'", "")
    script = next(run.rglob("run_openpi.py"))
    for name, module in openpi_stand_in.modules(tmp_path / "openpi").items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("HF_LEROBOT_HOME", "")
    spec = importlib.util.spec_from_file_location("run_openpi", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert any(name.startswith("pi05_") for name in module.CONFIGS)
    assert not list(run.rglob("*.partial"))
