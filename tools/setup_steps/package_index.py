"""Give uv the package index settings that the machine's pip has: uv does not read pip's configuration."""

from __future__ import annotations

import ast
import os
import re
from typing import Callable, Mapping
from urllib.parse import unquote, urlsplit

# pip's option -> uv's variable, one value each
ONE_VALUE = {
    "index-url": "UV_DEFAULT_INDEX",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "proxy": "ALL_PROXY",
    "keyring-provider": "UV_KEYRING_PROVIDER",
}
# What pip has besides its main index. uv takes a version's files from one index only: a local index with another
# Python's wheel of that version hides the right one. Installing tries without these first; locking never uses them.
EXTRA = ("UV_INDEX", "UV_INDEX_STRATEGY", "UV_FIND_LINKS")
KEY = re.compile(r"^(global|install|:env:)\.([\w-]+)=(.*)$")


def parse_pip_config(text: str) -> dict[str, str]:
    r"""Read the output of `pip config list`; like pip, environment over `install` over `global`.

    >>> parse_pip_config("global.timeout='60'\n:env:.timeout='180'")
    {'timeout': '180'}
    """
    order = ("global", "install", ":env:")
    found: dict[str, dict[str, str]] = {section: {} for section in order}
    for line in text.split("\n"):
        match = KEY.match(line.strip())
        if match:
            section, name, value = match.groups()
            try:
                found[section][name] = str(ast.literal_eval(value))
            except (SyntaxError, ValueError):
                found[section][name] = value
    return {name: value for section in order for name, value in found[section].items()}


def uv_environment(
    pip: Mapping[str, str],
    environ: Mapping[str, str],
    exists: Callable[[str], bool] = os.path.exists,
) -> dict[str, str]:
    """Translate pip's settings into uv's variables; what the user set for uv himself stays.

    Local folders that do not exist are left out: pip passes over them with a warning, uv stops.
    """
    env = {uv: pip[name] for name, uv in ONE_VALUE.items() if pip.get(name)}
    if env.get("UV_KEYRING_PROVIDER") not in {None, "subprocess", "disabled"}:
        del env["UV_KEYRING_PROVIDER"]
    extra = [url for url in pip.get("extra-index-url", "").split() if _usable(url, exists)]
    if extra:
        # uv takes all versions from the first index that has the name; pip looks at every index, as this nearly does.
        # The lock's hashes decide in the end, whichever index answers.
        env["UV_INDEX"] = " ".join(extra)
        env["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    links = [link for link in pip.get("find-links", "").split() if _usable(link, exists)]
    if links:
        env["UV_FIND_LINKS"] = ",".join(links)
    if pip.get("trusted-host"):
        env["UV_INSECURE_HOST"] = " ".join(pip["trusted-host"].split())
    if pip.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        env["UV_NO_INDEX"] = "1"
    return {name: value for name, value in env.items() if name not in environ}


def _usable(where: str, exists: Callable[[str], bool]) -> bool:
    parts = urlsplit(where)
    if parts.scheme == "file":
        return exists(unquote(parts.path))
    return bool(parts.netloc) or exists(where)
