"""Text and tables as Markdown that shows exactly what was meant."""

from collections.abc import Iterable, Sequence

from mstool.markup import markdown_code, markdown_text


def text(words: object) -> str:
    """Return words as a line of Markdown; what stands between backquotes is code."""
    parts = str(words).split("`")
    if len(parts) % 2 == 0:
        return markdown_text(str(words))
    return "".join(
        code(part) if i % 2 else f"{part[:1] * part[:1].isspace()}{markdown_text(part)}{_blank_after(part)}"
        for i, part in enumerate(parts)
        if part
    )


def _blank_after(part: str) -> str:
    return " " if part[-1:].isspace() and part.strip() else ""


def code(words: object) -> str:
    """Return words as inline code; nothing for nothing."""
    return markdown_code(str(words))


def codes(words: Iterable[object]) -> str:
    """Return several words as inline code, with commas."""
    return ", ".join(code(each) for each in words)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
