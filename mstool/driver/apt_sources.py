"""Read apt's sources, in both of its formats, and derive a backports source from the machine's own mirror."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable

# deb822's option names -> the one-line format's; these a derived source shares with the mirror's own.
OPTIONS = {
    "architectures": "arch",
    "signed-by": "signed-by",
    "trusted": "trusted",
    "check-valid-until": "check-valid-until",
    "allow-insecure": "allow-insecure",
}


@dataclass(frozen=True)
class Source:
    """One binary package source: an address, its suites and components."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)


def parse_one_line(text: str) -> list[Source]:
    """Read the one-line format: `deb [signed-by=... arch=amd64] URI suite component ...`."""
    sources = []
    for raw in text.split("\n"):
        line = raw.split("#", 1)[0].strip()
        if not line.startswith(("deb ", "deb\t")):
            continue
        rest, options = line[3:].strip(), {}
        if rest.startswith("["):
            inside, _, rest = rest[1:].partition("]")
            pairs = (word.partition("=") for word in inside.split())
            options = {name.lower(): value for name, _, value in pairs if name.lower() in OPTIONS.values()}
        words = rest.split()
        if len(words) >= 2:
            sources.append(Source(words[0], (words[1],), tuple(words[2:]), options))
    return sources


def parse_deb822(text: str) -> list[Source]:
    """Read the deb822 format: stanzas of `Types:`, `URIs:`, `Suites:`, `Components:`; not the disabled."""
    sources = []
    for fields in _stanzas(text):
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in {
            "no",
            "false",
        }:
            continue
        # A key written out in the stanza takes many lines and has no place in a one-line source.
        options = {
            one_line: ",".join(fields[name].split())
            for name, one_line in OPTIONS.items()
            if fields.get(name) and "\n" not in fields[name]
        }
        suites, components = (
            tuple(fields.get("suites", "").split()),
            tuple(fields.get("components", "").split()),
        )
        sources += [Source(uri, suites, components, options) for uri in fields.get("uris", "").split()]
    return sources


def _stanzas(text: str) -> list[dict[str, str]]:
    stanzas: list[dict[str, str]] = [{}]
    name = ""
    for line in text.split("\n"):
        if line.startswith("#"):
            continue
        if not line.strip():
            stanzas.append({})
            name = ""
        elif line[0] in " \t":
            if name:
                stanzas[-1][name] += "\n" + line.strip()
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            stanzas[-1][name] = value.strip()
    return [stanza for stanza in stanzas if stanza]


def read_sources(etc_apt: Path) -> list[Source]:
    """Read every source apt reads under `/etc/apt`."""
    one_line = [etc_apt / "sources.list", *sorted(etc_apt.glob("sources.list.d/*.list"))]
    sources = [s for path in one_line if path.is_file() for s in parse_one_line(path.read_text(errors="replace"))]
    for path in sorted(etc_apt.glob("sources.list.d/*.sources")):
        sources += parse_deb822(path.read_text(errors="replace"))
    return sources


def has_suite(sources: Iterable[Source], suite: str) -> bool:
    """Whether a suite is configured with its main component."""
    return any(suite in source.suites and "main" in source.components for source in sources)


def backports_line(sources: Iterable[Source], codename: str) -> str:
    """Write a release's backports as a source on the mirror that serves the release ("" when none does)."""
    for source in sources:
        if "main" in source.components and {codename, "stable", "oldstable"} & set(source.suites):
            options = " ".join(f"{name}={value}" for name, value in source.options.items())
            return " ".join(
                filter(None, ["deb", f"[{options}]" * bool(options), source.uri, f"{codename}-backports main"])
            )
    return ""
