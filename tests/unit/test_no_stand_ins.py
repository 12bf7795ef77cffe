"""Nothing that consumes a dataset is tested on a record that a person wrote: it would not be what `convert` writes."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
# What makes a dictionary a record: no other one has these together.
RECORD = {"layout", "control_mode"}
# Where a record cannot be had from a command, and why.
NEEDED = {
    "unit/test_openpi_client.py": "metadata that a server sends over the wire, from another version of ours",
}


def hand_made(path: Path) -> list[int]:
    """Return the lines on which a test writes a record, or the entry of info.json that held it before 0.2."""
    lines = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict):
            keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
            values = dict(zip([getattr(key, "value", None) for key in node.keys], node.values, strict=True))
            if keys >= RECORD or isinstance(values.get("mstool"), ast.Dict):
                lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_records_come_from_the_command_that_writes_them(path):
    name = str(path.relative_to(TESTS))
    found = hand_made(path)
    assert bool(found) == (name in NEEDED), f"{name}, lines {found}: take the dataset from the fixture `made`"


@pytest.mark.parametrize(
    "text", ['{"layout": "libero", "control_mode": "x"}', 'info = {"mstool": {"layout": "libero"}}']
)
def test_the_rule_sees_a_record(tmp_path, text):
    path = tmp_path / "test_it.py"
    path.write_text(text)
    assert hand_made(path) == [1]
