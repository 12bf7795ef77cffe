"""Execute docs/notebook.ipynb in an empty folder and keep what was seen in it: `python docs/run_notebook.py`.

The cells run one after another in IPython's shell, in a process of this script, as Jupyter would run them; the first
that fails ends it. `--output FILE` leaves the notebook as it is and writes the executed one elsewhere.
"""

import argparse
import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).resolve().parent / "notebook.ipynb"


def execute(notebook: dict[str, Any]) -> None:
    """Run every cell of code in the current folder, and put its outputs into the notebook."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False  # nothing is kept of it at home
    shell = InteractiveShell.instance(config=config)
    shell.run_line_magic("colors", "nocolor")
    values: list[object] = []
    shell.display_trap.hook = values.append
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells, start=1):
        values.clear()
        with capture_output() as seen:
            result = shell.run_cell("".join(cell["source"]), store_history=True)
        if not result.success:
            raise SystemExit(f"cell {number} failed:\n{seen.stdout}{seen.stderr}")
        cell["execution_count"] = number
        streams = (("stdout", seen.stdout), ("stderr", seen.stderr))
        cell["outputs"] = [_stream(name, text) for name, text in streams if text]
        shown = [shell.display_formatter.format(value)[0] for value in values if value is not None]
        cell["outputs"] += [_shown(data, number) for data in shown]


def _stream(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "output_type": "stream", "text": text.splitlines(keepends=True)}


def _shown(data: dict[str, str], number: int) -> dict[str, Any]:
    return {"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"}


def main() -> None:
    """Execute and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=NOTEBOOK)
    output = parser.parse_args().output.resolve()
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        execute(notebook)
    output.write_text(json.dumps(notebook, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
