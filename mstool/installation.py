"""What this installation lacks, and the command that brings it: an extra, a package, a driver."""

import importlib.util
import json
import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, distribution, version
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
    "libero": "libero",
    "mujoco": "libero",
    "robosuite": "libero",
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


def installed(name: str) -> str:
    """Return a distribution's version, "" when it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def check_opencv() -> None:
    """Refuse two OpenCVs of different versions in the one folder that both own: files of both are mixed there.

    Raises
    ------
    SetupError
        They are.

    """
    plain, headless = installed("opencv-python"), installed("opencv-python-headless")
    if plain and headless and plain != headless:
        raise SetupError(
            f"opencv-python {plain} lies over opencv-python-headless {headless}, in the one folder that both own",
            fix=fix_command(),
        )


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
    source = _source()
    own = [_requirement(extras, source)] if extras else []
    root = _clone(source)
    if root is not None and not packages:
        # A clone's own environment: its set-up installs every extra, this one where it is asked for.
        return _make(root) + (" EXTRAS=libero" if "libero" in extras else "")
    if (Path(sys.prefix) / "uv-receipt.toml").is_file():
        with_packages = [word for name in packages for word in ("--with", name)]
        return shlex.join(["uv", "tool", "install", *(own or [_requirement((), source)]), *with_packages])
    return _pip("install", *own, *packages)


def data_command(extra: str, packages: Sequence[str]) -> str:
    """Return the command that adds packages which hold files alone; a clone's set-up brings them with their extra."""
    return install_command([extra]) if own_clone() is not None else _pip("install", "--no-deps", *packages)


def own_clone() -> Path | None:
    """Return the clone whose own environment is running, None for every other installation."""
    return _clone(_source())


def remove_command(package: str) -> str:
    """Return the command that takes a distribution out of the environment that is running."""
    return _pip("uninstall", package)


def repair_command(package: str = "", *, remove: str = "") -> str:
    """Return the command that puts a package right here that mstool brings with it, in the version that it asks for.

    Parameters
    ----------
    package
        Its requirement; empty for mstool itself.
    remove
        Another distribution, which lies over its files and goes first.

    """
    source = _source()
    root = _clone(source)
    first = _pip("uninstall", remove) + " && " if remove else ""
    if root is not None:
        return f"{first}{_make(root)} ARGS=--force"
    return first + _pip("reinstall", package or _requirement((), source))


def fix_command() -> str:
    """Return the command that puts right what an installation lacks: the Vulkan driver, one OpenCV, no mplib."""
    root = own_clone()
    return "mstool doctor --fix" if root is None else f"{_make(root)} ARGS=--force"


def _clone(source: str) -> Path | None:
    """Return the clone whose own environment this is."""
    root = Path(source)
    return root if source and (root / "Makefile").is_file() and root in Path(sys.prefix).parents else None


def _make(root: Path) -> str:
    where = _typed(root)
    return shlex.join(["make", *([] if where == "." else ["-C", where]), "setup"])


def _python() -> str:
    """Return what a user types for the interpreter that is running: a name on the path, else where it is."""
    here = Path(sys.executable)
    for name in ("python", here.name):
        found = shutil.which(name)
        # Environments share one interpreter: its folder tells them apart.
        if found is not None and Path(found).parent.resolve() == here.parent.resolve():
            return name
    return _typed(here)


def _typed(path: Path) -> str:
    """Return a path as it is typed in the working folder."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _pip(action: str, *packages: str) -> str:
    """Return pip's command, or uv's where an environment has no pip, as those that uv makes."""
    again = action == "reinstall"
    if importlib.util.find_spec("pip") is not None:
        words = [_python(), "-m", "pip", "install" if again else action]
        words += ["--force-reinstall", "--no-deps"] if again else ["-y"] if action == "uninstall" else []
    else:
        words = ["uv", "pip", "install" if again else action, "--python", _python()]
        words += ["--reinstall", "--no-deps"] if again else []
    return shlex.join([*words, *packages])


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
    if not source.startswith("/"):
        return f"{DISTRIBUTION}{wanted} @ {source}"
    where = _typed(Path(source))
    # A folder's bare name would be taken for a distribution's.
    return f"{where if where.startswith(('.', '/')) else f'./{where}'}{wanted}"
