"""mstool installed as people install things, each way in an empty Python 3.12 environment.

    python benchmarks/install.py [--ways uv,tool,wheel,sdist,docker,pip] [--work FOLDER]

`uv`: `uv pip install FOLDER`; `tool`: `uv tool install FOLDER`; `wheel` and `sdist`: built, then installed with uv;
`docker`: the steps of the Dockerfile, its last (`mstool doctor`, which draws) among them, in a folder that stands for
the image's root and on this system's packages; `pip`: `pip install FOLDER`, which downloads what pip has not cached
(some 3 GB). Nothing of the clone's set-up is used but its uv, where the PATH has none; uv gets pip's index settings.
After each, outside the source folder: `mstool --version`, the imports that fault where packages do not go together, and
`mstool doctor --no-draw`. Writes `benchmarks/results/install.json` and `.md`; other ways keep their rows.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]
from setup_steps.package_index import parse_pip_config, uv_environment  # noqa: E402
from support.dockerfile import run_steps  # noqa: E402

from mstool.cli.output import table  # noqa: E402

PYTHON = f"{sys.base_prefix}/bin/python3"
WAYS = ("uv", "tool", "wheel", "sdist", "docker", "pip")
# What is imported: a broken cv2 and an mplib under numpy 2 show here.
IMPORTS = (
    "import mstool, cv2, numpy, lerobot.datasets, mani_skill.envs; cv2.imencode('.png', numpy.zeros((2, 2, 3), 'u1'))"
)


def run(words: Sequence[object], env: dict[str, str], folder: Path) -> tuple[int, str, float]:
    """Run a command: exit code, what it printed, seconds."""
    print("$", *words, flush=True)
    began = time.monotonic()
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout, round(time.monotonic() - began, 1)


def environment() -> dict[str, str]:
    """Return this process's environment without a virtual one, with pip's index settings for uv."""
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME"}}
    config = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    env.update(uv_environment(parse_pip_config(config), env))
    env["UV_PYTHON_DOWNLOADS"] = "never"
    return env


def install(way: str, source: Path, folder: Path, uv: str, env: dict[str, str]) -> dict[str, Any]:
    """Install one way into a folder of its own, and look at what came of it."""
    venv = folder / "venv"
    steps: list[tuple[list[object], int, str, float]] = []

    def step(*words: object) -> bool:
        code, text, seconds = run(words, env, folder)
        steps.append(([*words], code, text, seconds))
        return code == 0

    pip_install = [uv, "pip", "install", "-q", "--python", venv / "bin" / "python"]
    if way == "tool":
        env = {**env, "UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
        good = step(uv, "tool", "install", "-q", "--python", PYTHON, source)
        venv = folder / "tools" / "maniskill2lerobot"
    elif way == "docker":
        image, began = folder / "image", time.monotonic()
        # The base image's Python.
        bare = {**env, "PATH": f"{Path(PYTHON).parent}:/usr/bin:/bin"}
        for words, code, text in run_steps(source, image, bare):
            print("RUN", words, flush=True)
            steps.append(([words], code, text, round(time.monotonic() - began, 1)))
            began = time.monotonic()
        good = steps[-1][1] == 0
        venv = image / "opt" / "venv"
    elif way == "pip":
        good = step(PYTHON, "-m", "venv", venv)
        good = good and step(venv / "bin" / "python", "-m", "pip", "install", "-q", source)
    else:
        good = step(uv, "venv", "-q", "--python", PYTHON, venv)
        what: object = source
        if way != "uv":
            good = good and step(uv, "build", "-q", f"--{way}", "--out-dir", folder / "dist", source)
            what = next(iter((folder / "dist").glob("*.whl" if way == "wheel" else "*.tar.gz")), source)
        good = good and step(*pip_install, what)
    python = venv / "bin" / "python"
    found: dict[str, Any] = {"way": way, "seconds": round(sum(each[3] for each in steps), 1)}
    if not good:
        return {**found, "failed": steps[-1][2][-1500:]}
    found["size_mb"] = round(sum(path.lstat().st_size for path in venv.rglob("*") if path.is_file()) / 1e6)
    listed = json.loads(
        run([uv, "pip", "list", "--format", "json", "--python", python], env, folder)[1].splitlines()[-1]
    )
    kept = ("numpy", "opencv-python", "opencv-python-headless", "mplib")
    found["packages"] = {each["name"]: each["version"] for each in listed if each["name"] in kept}
    found["version"] = run([venv / "bin" / "mstool", "--version"], env, folder)[1].strip()
    code, text, _ = run([python, "-c", IMPORTS], env, folder)
    found["imports"] = "ok" if code == 0 else text[-1500:]
    text = run([venv / "bin" / "mstool", "doctor", "--no-draw", "--json"], env, folder)[1]
    lines = json.loads(text[text.index("{") :])["lines"]
    found["doctor"] = [f"{each['name']}: {each['status']}" for each in lines if each["status"] != "ok"] or ["ok"]
    return found


def main() -> None:
    """Install every way and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--work", type=Path, help="a folder to keep; otherwise a temporary one")
    options = parser.parse_args()
    env = environment()
    uv = shutil.which("uv") or str(ROOT / ".venv" / "bin" / "uv")
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        source = work / "source"
        source.mkdir(parents=True)
        archive = subprocess.run(["git", "-C", str(ROOT), "archive", "HEAD"], check=True, stdout=subprocess.PIPE).stdout
        subprocess.run(["tar", "x", "-C", str(source)], input=archive, check=True)
        for way in options.ways.split(","):
            folder = work / way
            folder.mkdir()
            results.append(install(way, source, folder, uv, env))
            print(
                json.dumps({key: value for key, value in results[-1].items() if key != "doctor"}, indent=1), flush=True
            )
            if options.work is None:
                shutil.rmtree(folder)
    kept = RESULTS / "install.json"
    before = {each["way"]: each for each in json.loads(kept.read_text())} if kept.is_file() else {}
    after = {**before, **{each["way"]: each for each in results}}
    results = [after[way] for way in WAYS if way in after]
    text = json.dumps(results, indent=1).replace(str(work), "WORK")
    kept.write_text(text + "\n")
    rows = [
        {
            "way": each["way"],
            "seconds": each["seconds"],
            "MB": each.get("size_mb", ""),
            "imports": each.get("imports", "not installed"),
            "doctor": "; ".join(each.get("doctor", [])),
            "OpenCV, mplib": ", ".join(f"{name} {version}" for name, version in each.get("packages", {}).items()),
        }
        for each in results
    ]
    told = "Packages from uv's cache where it has them; pip downloads them all."
    heading = f"# Installed in an empty environment\n\n{told}\n\n"
    (RESULTS / "install.md").write_text(f"{heading}```\n{table(rows, list(rows[0]))}\n```\n")


if __name__ == "__main__":
    main()
