"""What MkDocs is told beside mkdocs.yml: pages made from the code, and the project's files outside docs/ as pages.

A page in docs/ links to `../CONTRIBUTING.md` or `../benchmarks/results/tasks.md`, as it must where a code host shows
it; in the site these files are pages below `project/`. Pages that are made exist in the site alone, so the written ones
do not link to them: here every code of a check and every command in the text becomes a link, and a comment
`fault: CODE` the picture of that fault.
"""

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "docs")]

from generated_pages import IMAGES, PAGES, commands, faults  # noqa: E402

OUTSIDE = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "datasets_manifest.yaml")
FOLDERS = ("benchmarks", "benchmarks/results")
FAULT = re.compile(r"<!-- fault: (MS\d+) -->")
FENCE = re.compile(r"^(```.*?^```)", re.DOTALL | re.MULTILINE)
FETCHED = re.compile(r"<(?:script|link|img|iframe|video|source)\b[^>]*\s(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
CHECK = re.compile(r"`(MS\d{3})`")
SECTION = re.compile(r"<!-- section: (?P<file>\S+) (?P<heading>.+?) -->")


def outside() -> list[str]:
    """Return the files outside docs/ that pages may link to, as paths from the project's folder."""
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.*"))]
    return [*OUTSIDE, *(str(path.relative_to(ROOT)) for path in found if path.suffix in {".md", ".py", ".json"})]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and images that are made, and the files outside docs/."""
    for name, page in PAGES.items():
        files.append(File.generated(config, name, content=page()))
    for name, image in IMAGES.items():
        files.append(File.generated(config, name, content=image()))
    for name in outside():
        files.append(File.generated(config, f"project/{name}", abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put sections of other files in, and turn links that lead out of docs/ to where the site has those files."""
    place = Path(page.file.src_uri)
    if page.parent is None:
        page.meta["hide"] = ["navigation"]  # nothing stands beside it there
    if place.parts[0] == "project":
        up = "../" * (len(place.parts) - 1)
        return re.sub(r"\]\((?:\.\./)*docs/", f"]({up}", markdown)
    markdown = SECTION.sub(lambda found: section(found["file"], found["heading"]), markdown)
    markdown = FAULT.sub(lambda found: faults.shown(found[1]), markdown.replace("](../", "](project/"))
    if page.file.src_uri in PAGES:
        return markdown
    markdown = markdown.replace("](notebook.ipynb)", "](notebook.md)")
    parts = FENCE.split(markdown)
    return "".join(part if part.startswith("```") else linked(part) for part in parts)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """End the build where a page would fetch something from elsewhere."""
    if found := FETCHED.search(output):
        raise PluginError(f"{page.file.src_uri} fetches from elsewhere: {found[0]}")
    return output


def linked(text: str) -> str:
    """Return Markdown whose codes of checks and names of commands, in backquotes, are links."""
    text = CHECK.sub(lambda found: f"[`{found[1]}`](checks.md#{found[1].lower()})", text)
    for words, _ in commands.every():
        name = " ".join(words)
        text = re.sub(rf"(?<!\[)`{name}`(?!\])", f"[`{name}`](commands.md#{'-'.join(words)})", text)
    return text


def section(name: str, heading: str) -> str:
    """Return the text under a heading of the second level."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"{name} has no section {heading!r}")
    return found[1].strip()
