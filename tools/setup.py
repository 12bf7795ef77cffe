"""Set up a checkout: a Python 3.12, `.venv` with the locked packages, a Vulkan driver to render with.

    python3 tools/setup.py              whatever is missing; at once when nothing is
    python3 tools/setup.py --no-driver  the packages only
    python3 tools/setup.py --extra libero  LIBERO too, kept by later set-ups: 0.9 GB of packages, 0.6 GB of assets, EGL
    python3 tools/setup.py --force      look at everything again
    python3 tools/setup.py --lock       write requirements.lock anew (add --upgrade for new versions)

Any Python from 3.9 on runs it, with its standard library alone. Exit status 0 or, when a person has to act, 1.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import platform
import sys
import time
from pathlib import Path

if sys.version_info < (3, 9):
    sys.exit("tools/setup.py needs Python 3.9 or newer to start (and finds or gets the 3.12 it installs into)")

ROOT = Path(__file__).resolve().parent.parent
# The folder of this file is on the path; `mstool.driver` needs nothing that must be installed.
sys.path.insert(1, str(ROOT))

from setup_steps.environment import EXTRA_LOCKS, Environment  # noqa: E402

from mstool.driver.lavapipe import libraries_there  # noqa: E402
from mstool.driver.shell import SetupError, run, say  # noqa: E402

WITHOUT_DRIVER = (
    "Everything else is set up. Without the driver, what needs no simulator works:\n"
    '  python3 tools/setup.py --no-driver && .venv/bin/python -m pytest -m "not sim"'
)


def complete(environment: Environment, *, driver: bool) -> bool:
    """Whether the last set-up still holds; reads four small files and starts nothing."""
    stamp = environment.read_stamp()
    return bool(stamp) and environment.has_extras() and (not driver or libraries_there(stamp.get("libraries")))


def set_up(environment: Environment, *, driver: bool, force: bool) -> None:
    """Do what is missing, in the order in which it can fail early."""
    started = time.time()
    if platform.system() != "Linux" or platform.machine() not in {"x86_64", "AMD64"}:
        raise SetupError(
            f"the packages are locked for Linux on x86_64, this is {platform.system()} {platform.machine()}"
        )
    if force or not environment.read_stamp() or not environment.has_extras():
        if not environment.works():
            environment.create()
        environment.install()
        environment.write_stamp()
    if driver:
        from mstool.driver.install import ensure_driver

        try:
            render = ensure_driver(environment.python)
        except SetupError as error:
            raise SetupError(f"{error}\n{WITHOUT_DRIVER}") from error
        environment.write_stamp(device=render.device, libraries=list(render.libraries))
        if "libero" in environment.extras:
            from setup_steps.opengl import ensure_opengl

            ensure_opengl()
        say(f"SAPIEN renders on {'the GPU' if render.device == 'cuda' else 'the processor (lavapipe)'}")
    say(f"Set up in {time.time() - started:.0f} s")


def lock(environment: Environment, arguments: list[str]) -> None:
    """Resolve pyproject.toml into requirements.lock: names, versions and hashes, no addresses."""
    if not environment.works():
        environment.create()
    if not environment.install_uv():
        raise SetupError("uv could not be installed, and only uv writes the lock")
    common = [
        "--python-version",
        "3.12",
        "--generate-hashes",
        "--no-emit-index-url",
        "--no-header",
        "--quiet",
    ]
    extras = ["--extra", "train", "--extra", "ray", "--extra", "docs", "--extra", "dev"]
    compile_ = [environment.uv, "pip", "compile", "pyproject.toml", *extras, *common, *arguments]
    os.chdir(ROOT)
    if run([*compile_, "-o", "requirements.lock"], env=environment.index()) != 0:
        raise SetupError("the requirements of pyproject.toml could not be resolved (see above)")
    whole = ROOT / ".setup" / "with-libero.lock"
    wider = [environment.uv, "pip", "compile", "pyproject.toml", *extras, "--extra", "libero", *common, *arguments]
    if run([*wider, "-c", "requirements.lock", "-o", str(whole)], env=environment.index()) != 0:
        raise SetupError("the extra libero could not be resolved beside the others (see above)")
    added = only_new(whole.read_text(), (ROOT / "requirements.lock").read_text())
    (ROOT / EXTRA_LOCKS["libero"]).write_text(added)


def only_new(whole: str, base: str) -> str:
    """Return the requirements of a lock that another one does not name, with their hashes."""
    known = {line.split("==")[0] for line in base.split("\n") if "==" in line}
    kept, keep = [], False
    for line in whole.split("\n"):
        if line and not line[0].isspace():
            keep = "==" in line and line.split("==")[0] not in known
        if keep and not line.lstrip().startswith("#"):
            kept.append(line)
    return "\n".join(kept).rstrip("\n") + "\n"


def exclusive(root: Path) -> object:
    """Wait until no other set-up of this checkout runs; the system frees the lock whatever happens to us."""
    folder = root / ".setup"
    folder.mkdir(exist_ok=True)
    handle = (folder / "lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Another set-up of this checkout is running: waiting for it")
        fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def main() -> int:
    """Run the set-up; 0 when the checkout is ready."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--no-driver", action="store_true", help="leave the Vulkan driver out")
    parser.add_argument("--force", action="store_true", help="check everything again, stamp or not")
    parser.add_argument("--lock", action="store_true", help="write requirements.lock anew")
    parser.add_argument("--upgrade", action="store_true", help="with --lock: take the newest versions")
    parser.add_argument("--extra", action="append", default=[], choices=list(EXTRA_LOCKS), help="install it too")
    options = parser.parse_args()
    environment, driver = Environment(ROOT), not options.no_driver
    environment.extras |= set(options.extra)
    if not (options.force or options.lock) and complete(environment, driver=driver):
        return 0
    try:
        handle = exclusive(ROOT)
        if options.lock:
            lock(environment, ["--upgrade"] * options.upgrade)
        elif options.force or not complete(environment, driver=driver):  # the one we waited for may have done it
            set_up(environment, driver=driver, force=options.force)
        del handle
    except SetupError as error:
        say(f"\n{error}")
        return 1
    except PermissionError as error:
        say(f"\ncannot write {error.filename}: run the set-up as the owner of {ROOT}")
        return 1
    except KeyboardInterrupt:
        say("\ninterrupted; run the same command again, it repairs what is half done")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
