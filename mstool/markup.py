"""Strangers' words as text, in each language that we write: one function per language.

Sentences of tasks, names of features, robots and environments come from a dataset. Where they are written into a page,
a card or a plot they must be read as they are, and do nothing.
"""

import html
import re
from typing import Any

from mstool.progress import plain

# What Markdown makes something of within a line; `<` and `&` begin HTML there, and `$` formulas on hubs.
_MARKDOWN = re.compile(r"[\\`*\[\]#~$|<>&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
# And at the beginning of one: lists, headings' underlines, rules.
_MARKDOWN_START = re.compile(r"^(?:[-+=:](?=[-+=: ]*$|\s)|\d(?=\d*[.)](?:\s|$)))")
# Hubs make links of addresses that stand alone, escaped or not; within code they do not.
_ADDRESS = re.compile(r"://|www\.|\w@\w", re.IGNORECASE)
_PLOT_LETTERS = 120


def one_line(text: str) -> str:
    """Return text as one line, control characters and direction marks shown: for a terminal, and for all below."""
    return plain(" ".join(str(text).split()))


def html_text(text: str | None) -> str:
    """Return text for HTML, within elements and quoted attributes; for SVG as well."""
    return html.escape(plain(text or ""))


def markdown_text(text: str) -> str:
    """Return text for a line of Markdown, a table's cell included."""
    line = one_line(text)
    if _ADDRESS.search(line):
        return markdown_code(line)
    # As HTML's numbers: a backslash would show where a table's cell or a link's text is read twice.
    escaped = _MARKDOWN.sub(lambda found: f"&#{ord(found[0])};", line)
    return _MARKDOWN_START.sub(lambda found: f"&#{ord(found[0])};", escaped)


def markdown_code(text: str) -> str:
    """Return text as code within a line of Markdown; empty for none."""
    line = one_line(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    # One blank at either end is taken away again.
    pad = " " if line[:1] in {"`", " "} or line[-1:] in {"`", " "} else ""
    return f"{fence}{pad}{line}{pad}{fence}" if line else ""


def markdown_block(text: str, language: str) -> list[str]:
    """Return text as the lines of a block of code."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return [f"{fence}{language}", text, fence]


def front_matter(head: dict[str, Any]) -> str:
    """Return the YAML head of a Markdown page."""
    import yaml

    class OneLine(yaml.SafeDumper):
        """Writes text of several lines in quotes, its line ends escaped: a line of dashes would end the head."""

    def text(dumper: yaml.SafeDumper, words: str) -> yaml.ScalarNode:
        one = words.splitlines() in ([], [words])
        return dumper.represent_scalar("tag:yaml.org,2002:str", words, style=None if one else '"')

    OneLine.add_representer(str, text)
    return f"---\n{yaml.dump(head, Dumper=OneLine, sort_keys=False, width=2**31 - 1)}---"


def plot_text(text: str) -> str:
    r"""Return text for matplotlib, which reads `$` as the beginning of a formula unless it is written `\$`."""
    line = one_line(text)
    line = line if len(line) <= _PLOT_LETTERS else f"{line[: _PLOT_LETTERS - 3]}..."
    return line.replace("$", r"\$")
