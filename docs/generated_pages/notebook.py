"""notebook.md, from docs/notebook.ipynb as `docs/run_notebook.py` left it: cells, and what was seen when they ran."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebook.ipynb"
IMAGE = "images/notebook_{}.png"
FILE = """
[The notebook itself](notebook.ipynb), for Jupyter. What is shown is what `python docs/run_notebook.py` saw.
"""


def cells() -> list[dict[str, Any]]:
    """Return the cells; the text of each is one string."""
    found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in found]


def page() -> str:
    """Return the page."""
    parts, pictures = [], len(_pictures())
    names = iter(IMAGE.format(number) for number in range(pictures))
    for cell in cells():
        if cell["cell_type"] == "markdown":
            parts.append(cell["source"] + "\n")
            continue
        parts.append(f"```python\n{cell['source']}\n```\n")
        parts += [_output(output, names) for output in cell["outputs"]]
    return "\n".join([*parts, FILE])


def images() -> dict[str, Callable[[], bytes]]:
    """Return {path in the site: what gives its bytes} of the pictures among the outputs."""
    return {IMAGE.format(number): lambda data=data: data for number, data in enumerate(_pictures())}


def text(output: dict[str, Any]) -> str:
    """Return what an output says in words."""
    return "".join(output.get("text") or output["data"].get("text/plain", ()))


def _pictures() -> list[bytes]:
    outputs = [output for cell in cells() for output in cell.get("outputs", ())]
    return [base64.b64decode("".join(each["data"]["image/png"])) for each in outputs if _is_picture(each)]


def _is_picture(output: dict[str, Any]) -> bool:
    return "image/png" in output.get("data", {})


def _output(output: dict[str, Any], names: Iterator[str]) -> str:
    if _is_picture(output):
        return f"![what the cell shows]({next(names)})\n"
    return f'``` {{.text title="Out"}}\n{text(output).rstrip()}\n```\n'
