"""targets.md: what each consumer of datasets expects and where that was read, from the targets themselves."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from generated_pages.markdown import code, codes, table, text
from mstool.validators.targets import TARGETS, Expectation, Target

INTRODUCTION = """# Targets

A target is a consumer of datasets: which files and columns it reads, what it takes them to mean, how much fits into
it. `mstool validate DATASET --against TARGET` holds a dataset against one; without the option the one that fits is
chosen and named. Every expectation has the project, file and version in which it was read. This page is made from the
code.
"""
WORDS = {
    "versions": "LeRobot versions",
    "state": "state columns",
    "actions": "action columns",
    "min_cameras": "fewest cameras",
    "state_dims": "dimensions of the state",
    "action_dims": "dimensions of the actions",
    "max_dims": "most dimensions",
    "chunk": "actions per window",
    "max_tokens": "tokens for the prompt",
    "state_in_prompt": "state is text in the prompt",
    "stats": "statistics in",
    "stats_names": "normalised by",
    "image_size": "image size",
    "fps": "frames per second",
}


def page() -> str:
    """Return the page."""
    rows = [[f"[{name}](#{name})", text(target.summary)] for name, target in TARGETS.items()]
    parts = [INTRODUCTION, table(["target", "who reads"], rows)]
    for target in TARGETS.values():
        parts += [f"## {target.name}\n", text(target.summary) + ".\n"]
        parts.append(table(["expects", "value", "read in"], _expectations(target)))
        if target.includes:
            parts.append(f"A dataset that is valid for it is valid for {codes(target.includes)}.\n")
    return "\n".join(parts)


def _expectations(target: Target) -> Iterator[list[str]]:
    for field in fields(target):
        expectation = getattr(target, field.name)
        if isinstance(expectation, Expectation):
            name = WORDS.get(field.name, field.name.replace("_", " "))
            yield [name, _value(expectation.value), text(expectation.source)]


def _value(value: Any) -> str:
    if value is None or value == "":
        return "any"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return " or ".join(codes(each) for each in value)
    if isinstance(value, tuple):
        return codes(value) or "any"
    return code(value) if isinstance(value, str) else str(value)
