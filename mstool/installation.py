"""Packages that only some commands need: which extra brings them, and how it gets into this installation."""

import importlib.util
import json
import shlex
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from mstool.errors import SetupError

DISTRIBUTION = "maniskill2lerobot"
# The extra that brings a package, by the name it is imported under; others are installed by themselves.
_EXTRAS = {
    "accelerate": "train",
    "diffusers": "train",
    "num2words": "train",
    "peft": "train",
    "transformers": "train",
    "wandb": "train",
    "ray": "ray",
}
_DISTRIBUTIONS = {"rerun": "rerun-sdk"}
# What LeRobot's policies import beside what LeRobot itself needs: lerobot 0.6.1, `require_package` in its policies;
# SmolVLA's processor (transformers) asks for num2words.
_POLICIES = {
    "diffusion": ("diffusers",),
    "smolvla": ("transformers", "num2words", "accelerate"),
    "pi0": ("transformers",),
    "pi05": ("transformers",),
}


def policy_packages(policy: str, *, adapters: bool = False) -> list[str]:
    """Return what a LeRobot policy of this type needs to run, with LoRA `adapters` or without."""
    return [*_POLICIES.get(policy, ()), *(["peft"] if adapters else [])]


def require(what: str, packages: Iterable[str]) -> None:
    """Check that packages are installed, without importing them.

    Parameters
    ----------
    what
        What needs them, as the user asked for it: `--executor ray`.
    packages
        Names that they are imported under.

    Raises
    ------
    SetupError
        Some are not.

    """
    missing = [name for name in dict.fromkeys(packages) if importlib.util.find_spec(name) is None]
    if not missing:
        return
    extras = sorted({_EXTRAS[name] for name in missing if name in _EXTRAS})
    others = [_DISTRIBUTIONS.get(name, name) for name in missing if name not in _EXTRAS]
    names = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
    from_extra = f" (extra {', '.join(extras)})" if extras else ""
    raise SetupError(
        f"{what} needs {names}, which {'is' if len(missing) == 1 else 'are'} not installed{from_extra}",
        fix=install_command(extras, others),
    )


def install_command(extras: Sequence[str] = (), packages: Sequence[str] = ()) -> str:
    """Return the command that adds extras and packages to the installation that is running."""
    prefix, source = Path(sys.prefix), _source()
    own = [_requirement(extras, source)] if extras else []
    if source and (Path(source) / "Makefile").is_file() and Path(source) in prefix.parents and not packages:
        # A clone's own environment: its set-up installs every extra.
        return f"make -C {shlex.quote(source)} setup"
    if (prefix / "uv-receipt.toml").is_file():
        with_packages = [word for name in packages for word in ("--with", name)]
        return shlex.join(["uv", "tool", "install", *(own or [_requirement((), source)]), *with_packages])
    if importlib.util.find_spec("pip") is not None:
        return shlex.join([sys.executable, "-m", "pip", "install", *own, *packages])
    return shlex.join(["uv", "pip", "install", "--python", sys.executable, *own, *packages])


def _source() -> str:
    """Return where this installation came from: a folder, a git+URL, or "" for a package index (PEP 610)."""
    try:
        origin = json.loads(distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return ""
    url = str(origin.get("url", ""))
    if "vcs_info" in origin:
        return f"{origin['vcs_info'].get('vcs', 'git')}+{url}@{origin['vcs_info'].get('commit_id', 'main')}"
    return url.removeprefix("file://")


def _requirement(extras: Sequence[str], source: str) -> str:
    wanted = f"[{','.join(extras)}]" if extras else ""
    if not source:
        return f"{DISTRIBUTION}{wanted}"
    return f"{source}{wanted}" if source.startswith("/") else f"{DISTRIBUTION}{wanted} @ {source}"
