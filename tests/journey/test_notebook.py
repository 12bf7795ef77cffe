"""docs/notebook.ipynb still runs, in an empty folder, and prints what it shows."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from generated_pages import notebook
from support import forked

ROOT = Path(__file__).resolve().parents[2]
NUMBER = re.compile(r"-?\d+(\.\d+)?")


def printed(path):
    """Return what each cell printed or showed, numbers aside: another processor trains to another loss."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        [(sorted(output.get("data", ())), NUMBER.sub("#", notebook.text(output)).split()) for output in cell["outputs"]]
        for cell in cells
        if cell["cell_type"] == "code"
    ]


@pytest.mark.proof
def test_it_prints_what_it_shows(tmp_path):
    words = [sys.executable, ROOT / "docs" / "run_notebook.py", "--output", tmp_path / "executed.ipynb"]
    done = forked.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert printed(tmp_path / "executed.ipynb") == printed(notebook.NOTEBOOK)
