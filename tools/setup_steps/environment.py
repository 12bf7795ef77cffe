"""The virtual environment: made, found half-made, filled from the lock, and stamped when it is complete."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

from mstool.driver.lavapipe import read_system
from mstool.driver.shell import SetupError, capture, run, say
from setup_steps.package_index import EXTRA, parse_pip_config, uv_environment
from setup_steps.pythons import candidates, find_python, how_to_install

GIB = 1024**3
NEEDED_GIB = 8.0
# Beside the project itself: what makes LeRobot's own commands know its environment and its policy.
PLUGIN = "plugins/lerobot_env_maniskill"
# What is installed only where it is asked for, beside the lock.
EXTRA_LOCKS = {"libero": "requirements-libero.lock"}
LOCKS = ("requirements.lock", *EXTRA_LOCKS.values(), "pyproject.toml", "tools/uv.lock.txt", f"{PLUGIN}/pyproject.toml")
# What takes longest to import, and nearly all of it.
HEAVY_IMPORTS = ("mani_skill.envs", "lerobot.scripts.lerobot_train", "ray")
PIP_QUIET = ("-q", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:")


class Environment:
    """One checkout's `.venv`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / ".venv"
        self.python = str(self.path / "bin" / "python")
        self.uv = str(self.path / "bin" / "uv")
        self.stamp = self.path / "mstool-setup.json"
        # There while packages are being installed; found at the start of a run, the last one was cut off.
        self.unfinished = self.path / "mstool-setup.unfinished"
        # Extras asked for now, or by an earlier set-up.
        self.extras = set(self._stamped().get("extras", ()))

    def key(self) -> str:
        """Hash what decides the installation: locks, project, interpreter, place (a venv cannot move)."""
        digest = hashlib.sha256(str(self.root).encode())
        for name in LOCKS:
            digest.update((self.root / name).read_bytes())
        config = self.path / "pyvenv.cfg"
        digest.update(config.read_bytes() if config.is_file() else b"")
        digest.update(os.path.realpath(self.python).encode())
        return digest.hexdigest()

    def _stamped(self) -> dict[str, object]:
        try:
            stamp = json.loads(self.stamp.read_text())
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def read_stamp(self) -> dict[str, object]:
        """Return what the last complete set-up left; {} when there is none or it is for something else."""
        stamp = self._stamped()
        return stamp if Path(self.python).exists() and stamp.get("key") == self.key() else {}

    def has_extras(self) -> bool:
        """Whether the last complete set-up installed what is asked for."""
        return self.extras <= set(self.read_stamp().get("extras", ()))

    def write_stamp(self, **facts: object) -> None:
        """Say that the packages are complete, and what else is known."""
        beside = self.stamp.with_suffix(".new")
        beside.write_text(json.dumps({"key": self.key(), "extras": sorted(self.extras), **facts}, indent=1))
        beside.replace(self.stamp)

    def works(self) -> bool:
        """Whether what is there is a finished venv of the right Python with pip in it."""
        if self.unfinished.exists() or not Path(self.python).exists():
            return False
        code, out, _ = capture([self.python, "-c", "import sys, pip; print(sys.version_info[:2] == (3, 12))"])
        return code == 0 and out.strip() == "True"

    def create(self) -> None:
        """Make an empty `.venv`, in place of a broken one."""
        python = choose_python(self.root)
        if self.path.is_symlink() or self.path.is_file():
            self.path.unlink()
        elif self.path.exists():
            say(f"{self.path} is incomplete or rests on another Python: making it again")
            shutil.rmtree(self.path)
        self.path.mkdir()
        self.unfinished.touch()
        say(f"Making .venv with {python}")
        if run([python, "-m", "venv", str(self.path)]) != 0:
            raise SetupError(f"{python} -m venv {self.path} failed (see above)")

    def index(self, *, extra: bool = False) -> dict[str, str]:
        """Return the process environment for uv with pip's index settings in it, its extra indexes if asked."""
        _, config, _ = capture([self.python, "-m", "pip", "config", "list"])
        env = dict(os.environ)
        settings = uv_environment(parse_pip_config(config), env)
        only_local = "UV_NO_INDEX" in settings
        env.update({name: v for name, v in settings.items() if extra or only_local or name not in EXTRA})
        env["UV_PYTHON_DOWNLOADS"] = "never"
        cache = Path(env.get("UV_CACHE_DIR") or Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "uv")
        if not _same_disk_and_writable(cache, self.root):
            # uv links files from its cache: on another disk it would copy all 6 GB a second time.
            env["UV_CACHE_DIR"] = str(self.root / ".setup" / "uv-cache")
        return env

    def install_uv(self) -> bool:
        """Put the pinned uv into the venv with the machine's own pip settings; False when it does not run."""
        lock = self.root / "tools" / "uv.lock.txt"
        wanted = next(line.split()[0].replace("==", " ") for line in lock.read_text().split("\n") if "==" in line)
        if capture([self.uv, "--version"])[1].startswith(wanted):
            return True
        run([self.python, "-m", "pip", "install", *PIP_QUIET, "--require-hashes", "-r", str(lock)])
        return capture([self.uv, "--version"])[0] == 0

    def install(self) -> None:
        """Make the venv hold what the lock names, nothing else, and this checkout in editable form."""
        self.stamp.unlink(missing_ok=True)
        fresh = self.unfinished.exists()
        self.unfinished.touch()
        if fresh:
            check_disk(self.root)
            say("Installing the locked packages: 6.1 GB on disk; under a minute from uv's cache, else minutes")
        names = ["requirements.lock", *(EXTRA_LOCKS[extra] for extra in sorted(self.extras))]
        locks = [str(self.root / name) for name in names]
        here = ["--no-deps", "--no-build-isolation", "-e", str(self.root), "-e", str(self.root / PLUGIN)]
        if self.install_uv():
            env, wider = self.index(), self.index(extra=True)
            sync = [self.uv, "pip", "sync", "--python", self.python, "--require-hashes", *locks]
            done = run(sync, env=env, brief=True) == 0 or (wider != env and run(sync, env=wider, brief=True) == 0)
            install = [self.uv, "pip", "install", "-q", "--python", self.python, *here]
            done = done and run(install, env=env, brief=True) == 0
        else:
            say("uv cannot be used here: installing with pip, which takes longer")
            pip = [
                self.python,
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--progress-bar",
                "off",
            ]
            wanted = [word for lock in locks for word in ("-r", lock)]
            done = run([*pip, "--require-hashes", "--no-deps", *wanted]) == 0 and run([*pip, "-q", *here]) == 0
        if not done:
            raise SetupError(
                "The packages could not be installed (see above). They come from where pip is told to look:\n"
                f"  {self.python} -m pip config list    (PIP_INDEX_URL, PIP_CERT, ... change it)"
            )
        self.quiet_first_import()
        self.keep_bytecode()
        self.unfinished.unlink()

    def quiet_first_import(self) -> None:
        """Compile the packages whose doc strings make Python warn, once, when they are first compiled."""
        where = capture([self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])[1].strip()
        folders = [str(Path(where) / name) for name in ("toppra", "sapien", "mani_skill")]
        capture([self.python, "-W", "ignore", "-m", "compileall", "-q", *folders], timeout=300)

    def keep_bytecode(self) -> None:
        """Compile once what the commands import, where Python may not: each would do it anew, for 7 to 20 s."""
        env = dict(os.environ)
        if env.pop("PYTHONDONTWRITEBYTECODE", ""):
            for heavy in HEAVY_IMPORTS:
                capture([self.python, "-W", "ignore", "-c", f"import {heavy}"], env=env, timeout=300)


def choose_python(root: Path) -> str:
    """Return a Python 3.12, through uv if it can bring one, or raise with what to install."""
    home = os.environ.get("HOME") or str(Path("~").expanduser())
    env = dict(os.environ)
    if not os.access(home, os.W_OK):
        env.setdefault("UV_CACHE_DIR", str(root / ".setup" / "uv-cache"))
        env.setdefault("UV_PYTHON_INSTALL_DIR", str(root / ".setup" / "python"))
    python, refused = find_python(candidates(env, home))
    if not python:
        uv = shutil.which("uv") or bootstrap_uv(root)
        if uv:
            say("No Python 3.12 here: letting uv fetch one (about 30 MB)")
            run([uv, "python", "install", "--no-config", "3.12"], env=env)
            python, refused = find_python(candidates(env, home))
    if not python:
        raise SetupError(how_to_install(read_system(), refused))
    return python


def bootstrap_uv(root: Path) -> str:
    """Install uv beside `.venv` with the Python that runs this file; "" when that Python cannot."""
    folder = root / ".setup" / "uv"
    if run([sys.executable, "-m", "venv", str(folder)]) != 0:
        return ""
    lock = str(root / "tools" / "uv.lock.txt")
    run([str(folder / "bin" / "python"), "-m", "pip", "install", *PIP_QUIET, "--require-hashes", "-r", lock])
    uv = folder / "bin" / "uv"
    return str(uv) if uv.exists() else ""


def check_disk(root: Path) -> None:
    """Raise before the first byte is written when the packages cannot fit."""
    free = shutil.disk_usage(root).free / GIB
    if free < NEEDED_GIB:
        raise SetupError(f"{root} has {free:.1f} GB free; the packages and their cache need {NEEDED_GIB:.0f} GB")


def _same_disk_and_writable(cache: Path, root: Path) -> bool:
    there = cache
    while not there.exists():
        there = there.parent
    return os.access(there, os.W_OK) and there.stat().st_dev == root.stat().st_dev
