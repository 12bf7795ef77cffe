"""Copy every command out of README.md and the guides, and run it as it stands, in an empty folder beside a fresh clone.

    python benchmarks/readme.py [--work FOLDER] [--out FOLDER]

A command is a line of a code block; in README.md also an inline code span that holds a blank. `COMMANDS` knows each
of them: the words that make it tiny, what fills its placeholders, and what is run instead where it cannot be run
here. One that the table does not know, or that no page has, fails the script before anything is run. `make demo` sets
the clone up (6 GB from uv's cache or a package index); all other commands take the clone's programs and run beside
each other's results, in the table's order. With `--work` the folder is kept, and the same line goes on after the last
command that ended well. Writes `readme.json` and `readme.md`.
"""

import argparse
import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 3600  # a command that takes longer hangs
TINY_CONVERT = "--episodes 1 --image-size 32 --workers 1"
TINY_TRAIN = "--steps 2 --batch-size 2 --device cpu"
TINY_EVAL = "--episodes 1 --horizon 6 --workers 1 --device cpu"
MODEL = "runs/pick/checkpoints/last/pretrained_model"
TINY_IMPROVE = (
    "--minutes 1 --episodes 1 --critic-episodes 1 --demo-updates 1 --updates 1 --batch-size 2 --workers 1 --device cpu"
)
LEROBOT_EVAL = "--policy.device=cpu --env.episode_length=4 --eval.n_episodes=1 --eval.batch_size=1"
LIBERO_SERVED = (
    "mstool eval --policy ws://localhost:8000 --dataset data/libero_spatial/v3.0 --env libero_spatial --episodes 50"
)
# What a Ray cluster of one machine is; Ctrl-C ends it.
RAY_HEAD = """
import signal
from ray.cluster_utils import Cluster
node = {"num_cpus": 1, "memory": 3 << 30, "object_store_memory": 100 << 20, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args={**node, "gcs_server_port": PORT})
try:
    print("ray is ready", flush=True)
    signal.pause()
except KeyboardInterrupt:
    cluster.shutdown()
"""


@dataclass(frozen=True)
class Run:
    """How a command of the pages is run here."""

    more: str = ""  # words put after it
    fill: tuple[str, str] = ("", "")  # a placeholder, and what stands for it here
    instead: str = ""  # the whole command, where it cannot be run here as it is shown
    note: str = ""
    codes: tuple[int, ...] = (0,)
    until: str = ""  # it is a server: it is left running once it has said this, and stopped by Ctrl-C at the end
    clone: bool = False  # run in the clone, where a user types it too
    beside: str = ""  # Python that runs beside it, and says "ready" first


PI05 = "mstool finetune data/PickCube-v1 --policy pi05 --lora"
EXPORT = "mstool export data/PickCube-v1 --format v2.1 --output data/PickCube-v1-openpi"
OPENPI_NOTE = "openpi cannot be installed beside numpy 2: the error that says so; `benchmarks/openpi_engine.py` runs it"
EDIT = """lerobot-edit-dataset --repo_id=local/PickCube-v1 --root=data/PickCube-v1 --new_repo_id=local/edited \
--new_root=data/edited --operation.type=delete_episodes --operation.episode_indices=[0]""".replace("\\\n", "")
VIEW = """lerobot-dataset-viz --repo-id local/PickCube-v1 --root data/PickCube-v1 --episode-index 0 --save 1 \
--output-dir shown""".replace("\\\n", "")
LEROBOT_TRAIN = """lerobot-train --dataset.repo_id=local/PickCube-v1 --dataset.root=data/PickCube-v1 \
--dataset.video_backend=pyav --policy.type=flow --policy.push_to_hub=false --env.type=maniskill \
--env.dataset=data/PickCube-v1 --env_eval_freq=1000 --output_dir=runs/lerobot""".replace("\\\n", "")
SNIPPET = """from lerobot.datasets import LeRobotDataset

LeRobotDataset("local/PickCube-v1", root="data/{}")"""
RAY = "mstool convert --env PickCube-v1 --demos generate --executor ray --ray-address HEAD:6379 --output data/by_ray"
MIRROR = ("https://your-mirror", "http://127.0.0.1:{hub}")
SERVER = ("HOST:8000", "127.0.0.1:{serve}")

INSTALLED = Run(instead="mstool --version", note="`benchmarks/install.py` runs it")
STEPS = Run(
    instead="mstool --version", note="no container engine here: `benchmarks/install.py` takes the Dockerfile's steps"
)

COMMANDS: dict[str, Run] = {
    "make demo": Run(f'ARGS="{TINY_CONVERT}"', clone=True),
    "make test": Run('ARGS="-n 0 tests/unit/test_layouts.py"', clone=True, note="one file; `.ci/run`: all"),
    "make docs": Run(clone=True),
    "source .venv/bin/activate": Run(instead="bash -c 'source .venv/bin/activate'", clone=True),
    "uv pip install .": INSTALLED,
    "pip install .": INSTALLED,
    "uv tool install --python 3.12 .": INSTALLED,
    "mstool doctor --fix": Run(
        instead="mstool doctor --no-draw", codes=(0, 1), note="`--fix` would change the system"),
    "docker build -t mstool .": STEPS,
    'docker run --rm -v "$PWD":/data mstool convert --env PickCube-v1 --demos generate': STEPS,
    'docker run --rm --gpus all -v "$PWD":/data mstool finetune data/PickCube-v1': STEPS,
    "mstool --help": Run(),
    "mstool doctor": Run(codes=(0, 1), note="1: something is missing here"),
    "mstool layouts": Run(),
    "mstool show data/pickcube_demo": Run(clone=True),
    SNIPPET.format("pickcube_demo"): Run(clone=True),
    "mstool convert --env PickCube-v1 --demos generate --episodes 20": Run(
        "--episodes 2 --image-size 64 --workers 2"
    ),
    "mstool show data/PickCube-v1 --output shown": Run(),
    "mstool validate data/PickCube-v1 --html report.html": Run(),
    "mstool validate DATASET --html report.html": Run(fill=("DATASET", "data/PickCube-v1")),
    "mstool stats data/PickCube-v1 --config pi05_libero --plot stats.png": Run(),
    SNIPPET.format("PickCube-v1"): Run(),
    "mstool finetune data/PickCube-v1 --output runs/pick --steps 300 --batch-size 8": Run(TINY_TRAIN),
    "mstool convert --env PushCube-v1 --demos generate --episodes 80 --image-size 64 --render-detail fast": Run(
        "--episodes 1 --workers 1"
    ),
    "mstool finetune data/PushCube-v1 --network small --steps 2500 --output runs/push": Run(TINY_TRAIN),
    "mstool eval --policy runs/push --episodes 50 --replan 8": Run(TINY_EVAL),
    "mstool finetune data/PickCube-v1 --output runs/pick --resume": Run("--steps 3 --device cpu"),
    "mstool finetune data/PickCube-v1 --output runs/pick": Run(f"--output runs/readme {TINY_TRAIN}"),
    "mstool finetune data/PickCube-v1 --init runs/pick/checkpoints/last/pretrained_model --output runs/on": Run(
        TINY_TRAIN
    ),
    "accelerate launch --num_processes 2 -m mstool.cli finetune data/PickCube-v1 --output runs/two": Run(
        TINY_TRAIN, ("--num_processes", "--cpu --num_processes"), note="on two CPU processes"
    ),
    "mstool eval --policy runs/pick --episodes 10 --output eval/pick": Run(TINY_EVAL),
    "mstool eval --policy runs/pick --episodes 50": Run(TINY_EVAL),
    "mstool eval --policy planner --env PickCube-v1 --episodes 10": Run(f"{TINY_EVAL} --output eval/planner"),
    "mstool eval --policy replay:data/PickCube-v1": Run("--episodes 1 --workers 1 --output eval/replay"),
    "mstool eval --policy runs/pick --dataset data/PickCube-v1 --diagnose --episodes 4 --output eval/why": Run(
        TINY_EVAL
    ),
    "mstool convert --env PickCube-v1 --demos generate --episodes 300 --output data/pick300": Run(TINY_CONVERT),
    "mstool finetune data/pick300 --output runs/pick300": Run(TINY_TRAIN),
    "mstool eval --policy runs/pick300 --episodes 50 --output eval/pick300": Run(TINY_EVAL),
    "mstool eval --compare eval/pick300 eval/pick": Run(),
    "mstool improve runs/pick --dry-run": Run(TINY_IMPROVE),
    "mstool improve runs/pick": Run(TINY_IMPROVE),
    "mstool improve runs/pick --method best-of-n --output runs/n": Run(TINY_IMPROVE),
    "mstool improve runs/pick --resume": Run(f"{TINY_IMPROVE} --episodes 2"),
    "mstool eval --policy runs/improve-fql-pick --episodes 100": Run(TINY_EVAL),
    f"{PI05} --dry-run": Run(codes=(0, 1), note="without the hub: what is missing, after the plan"),
    f"HF_ENDPOINT=https://your-mirror {PI05} --output runs/pi05": Run(
        fill=MIRROR,
        instead=f"env HF_ENDPOINT=https://your-mirror {PI05} --output runs/pi05",
        codes=(1,),
        note="the mirror, `tests/hub_server`, has no weights: the error that says so",
    ),
    EXPORT: Run(),
    "mstool export data/PickCube-v1 --video-profile portable --output data/PickCube-v1-portable": Run(),
    "mstool validate data/PickCube-v1-openpi --against pi05_libero": Run(),
    "mstool finetune data/PickCube-v1-openpi --policy pi05 --engine openpi --output runs/openpi": Run(),
    "uv run .../run_openpi.py train": Run(
        instead="python runs/openpi/run_openpi.py train", codes=(1,), note=OPENPI_NOTE
    ),
    "uv run .../run_openpi.py serve": Run(
        instead="python runs/openpi/run_openpi.py serve", codes=(1,), note=OPENPI_NOTE
    ),
    "mstool serve runs/pick": Run("--port {serve} --device cpu", until="serving"),
    "mstool eval --policy ws://HOST:8000 --dataset data/PickCube-v1": Run(
        f"{TINY_EVAL} --output eval/served", SERVER, note="the server is `mstool serve`"
    ),
    VIEW: Run(),
    "rerun shown/local_PickCube-v1_episode_0.rrd": Run(
        instead="rerun rrd verify shown/local_PickCube-v1_episode_0.rrd", note="read without a window"
    ),
    "mstool show data/PickCube-v1 --output shown --rerun": Run(),
    "rerun shown/episode.rrd": Run(instead="rerun rrd verify shown/episode.rrd", note="read without a window"),
    "mstool push data/PickCube-v1 --repo-id you/pickcube --dry-run": Run("--endpoint http://127.0.0.1:{hub}"),
    "mstool push data/PickCube-v1 --repo-id you/pickcube --endpoint https://your-mirror": Run(
        fill=MIRROR, note="the mirror is `tests/hub_server`"
    ),
    "mstool pull you/pickcube --endpoint https://your-mirror --output data/pulled": Run(fill=MIRROR),
    EDIT: Run(),
    "mstool describe DATASET --layout libero --env PickCube-v1": Run(
        instead="bash -c 'cp -r data/edited data/foreign && "
        "mstool describe data/foreign --layout libero --env PickCube-v1'"
    ),
    "mstool validate DATASET --open": Run(fill=("DATASET", "data/foreign")),
    "mstool describe data/edited --from data/PickCube-v1": Run(),
    "mstool convert --env PickCube-v1 --demos generate --episodes 20 --seed 100 --output data/new": Run(
        "--episodes 2 --image-size 64 --workers 2"
    ),
    "mstool merge data/edited data/new --output data/both": Run(),
    "mstool demos generate --policy runs/pick --correct --episodes 150 --seed 50000 --output demos/corrected": Run(
        "--episodes 1 --horizon 6 --workers 1 --device cpu"
    ),
    "mstool convert --env PickCube-v1 --demos demos/corrected --hold-steps 20 --output data/corrected": Run(
        "--image-size 64 --workers 1"
    ),
    "mstool merge data/PickCube-v1 data/corrected --output data/more": Run(),
    "mstool finetune data/more --output runs/corrected": Run(f"{TINY_TRAIN} --force"),
    "pip install ./plugins/lerobot_env_maniskill": Run(
        "--no-deps --target plugin", clone=True, note="into a folder of its own: the set-up has installed it"
    ),
    "lerobot-eval --policy.path=... --env.type=maniskill --env.dataset=data/PickCube-v1": Run(
        f"{LEROBOT_EVAL} --output_dir=eval/lerobot", ("=...", f"={MODEL}")
    ),
    LEROBOT_TRAIN: Run(f"--steps=1 --batch_size=2 --num_workers=0 {LEROBOT_EVAL}", ("=1000", "=1")),
    "lerobot-train --config_path=CHECKPOINT/train_config.json --resume=true": Run(
        "--steps=4", ("CHECKPOINT", MODEL)
    ),
    "python -m lerobot_env_maniskill.policy_server": Run(
        "--host=127.0.0.1 --port={policy}",
        codes=(1,),
        until="PolicyServer started",
        note="where LeRobot's extra `async` is not installed: the error that says so",
    ),
    "mstool convert --env PickCube-v1": Run("--episodes 1 --image-size 32 --workers 1 --output data/readme"),
    RAY: Run(
        TINY_CONVERT,
        ("HEAD:6379", "127.0.0.1:{ray}"),
        beside=RAY_HEAD.replace("PORT", "{ray}"),
        note="a cluster of one node, this machine",
    ),
    "mstool convert --env PickCube-v1 --demos generate --render-detail fast --output data/fast": Run(TINY_CONVERT),
    "mstool convert --all --output data/ten_tasks": Run("--episodes 1 --image-size 32 --workers 2"),
    "mstool build datasets_manifest.yaml --env PickCube-v1,StackCube-v1 --format both --output data/two_tasks": Run(
        TINY_CONVERT, clone=True
    ),
    "mstool serve CHECKPOINT --own-keys": Run(
        "--port 0 --device cpu", fill=("CHECKPOINT", "runs/pick"), until="serving"
    ),
    "make setup EXTRAS=libero": Run(clone=True),
    "mstool demos generate --env libero_spatial --episodes 40": Run("--episodes 1"),
    "mstool convert --env libero_spatial --demos data/demos --format both": Run(TINY_CONVERT),
    "mstool validate data/libero_spatial/v2.1 --against pi05_libero": Run(),
    LIBERO_SERVED: Run(
        f"{TINY_EVAL} --output eval/libero_served",
        ("localhost:8000", "127.0.0.1:{serve}"),
        note="the server is `mstool serve`, of a policy that knows PickCube",
    ),
    "mstool eval --policy runs/libero --env libero_spatial/3,libero_object --protocol lerobot": Run(
        f"{TINY_EVAL} --output eval/libero", ("runs/libero", "runs/pick300"), note="a policy that knows PickCube"
    ),
    "mstool envs PickCubeSO100-v1": Run(),
    "mstool convert --env PickCubeSO100-v1 --layout native --demos generate --episodes 4": Run(TINY_CONVERT),
}  # fmt: skip


def blocks(text: str) -> list[str]:
    """Return the commands in a Markdown text's blocks of code: a line each, or a block of Python."""
    found = []
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        lines = block.splitlines()
        found += [block.strip()] if language == "python" else [re.split(r"\s+#", line)[0].strip() for line in lines]
    return [each for each in dict.fromkeys(found) if each]


def spans(text: str) -> list[str]:
    """Return the commands in its sentences: code that holds a blank."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    found = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose))
    return [each for each in dict.fromkeys(found) if " " in each]


def shown(readme: str, guides: Sequence[str]) -> list[str]:
    """Return what the pages tell their reader to run, each once."""
    found = [*blocks(readme), *spans(readme), *(command for guide in guides for command in blocks(guide))]
    return list(dict.fromkeys(found))


def pages() -> tuple[str, list[str]]:
    """Return README.md, and the guides."""
    guides = sorted((ROOT / "docs").glob("*.md"))
    return (ROOT / "README.md").read_text(encoding="utf-8"), [each.read_text(encoding="utf-8") for each in guides]


def problems(readme: str, guides: Sequence[str]) -> list[str]:
    """Return where the pages and `COMMANDS` differ."""
    there = shown(readme, guides)
    found = [f"a page has a command that COMMANDS does not know: {each}" for each in there if each not in COMMANDS]
    return found + [f"COMMANDS has a command that no page has: {each}" for each in COMMANDS if each not in there]


def line(command: str) -> str:
    """Return the words that are run for a command of the pages; {ports} are still to be filled in."""
    how = COMMANDS[command]
    if command.startswith("from "):
        return shlex.join(["python", "-c", command])
    words = f"{how.instead or command} {how.more}".strip()
    return words.replace(*how.fill) if how.fill[0] else words


class Reader:
    """A new user: a folder, the clone's programs on the path, the servers that run meanwhile."""

    def __init__(self, work: Path) -> None:
        self.work, self.clone = work, work / "mstool"
        self.ports = {name: free_port() for name in ("hub", "serve", "ray", "policy")}
        foreign = ("HF_", "PYTHONPATH", "VIRTUAL_ENV")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.environment |= {"HF_TOKEN": "hf_test", "NO_PROXY": "127.0.0.1", "RAY_USAGE_STATS_ENABLED": "0"}
        self.environment["RAY_worker_niceness"] = "0"  # Ray's workers wait for everything else otherwise
        self.environment["PATH"] = f"{self.clone / '.venv/bin'}:{os.environ['PATH']}"
        if not self.clone.exists():
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.clone)], check=True)

    def fill(self, words: str) -> str:
        """Put the ports in."""
        return re.sub(
            r"\{(\w+)\}", lambda found: str(self.ports[found[1]]) if found[1] in self.ports else found[0], words
        )

    def run(self, command: str, stack: contextlib.ExitStack) -> dict[str, object]:
        """Run one command to its end, or until it serves; `stack` stops what serves."""
        how = COMMANDS[command]
        shown = self.fill(line(command))
        started = time.monotonic()
        with contextlib.ExitStack() as beside:
            if how.beside:
                words = ["python", "-c", self.fill(how.beside)]
                beside.enter_context(served(words, "ready", self.work, self.environment))
            words, folder = shlex.split(shown), self.clone if how.clone else self.work
            code: int | None = None
            if how.until:
                try:
                    said = stack.enter_context(served(words, how.until, folder, self.environment))
                except EndedError as ended:
                    code, said = ended.args
            else:
                done = subprocess.run(
                    words, cwd=folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, text=True, errors="replace", check=False, timeout=SECONDS,
                )  # fmt: skip
                code, said = done.returncode, done.stdout
        last = next((text.strip() for text in reversed(said.splitlines()) if text.strip(" \r-─╰╯|")), "")
        return {
            "shown": command,
            "run": "" if shown == command else shown,
            "code": code,
            # Libraries print some with what they only warn of; a command that fails says what is wrong in words.
            "well": code in {None, *how.codes} and not (code and "Traceback (most recent call last)" in said),
            "seconds": round(time.monotonic() - started, 1),
            "last": last.replace(str(self.work), "FOLDER").replace(str(Path.home()), "~"),
            "note": how.note,
            "said": "" if code in {None, *how.codes} else said[-4000:],
        }


class EndedError(Exception):
    """A server ended before it served: its exit code, and what it said."""


@contextlib.contextmanager
def served(words: list[str], ready: str, folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Start a server and yield the line by which it says that it serves; Ctrl-C at the end."""
    process = subprocess.Popen(
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    try:
        said = []
        for text in process.stdout:
            said.append(text)
            if ready in text:
                break
        else:
            raise EndedError(process.wait(), "".join(said))
        # What it goes on to say is read, or it would wait for that.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield text
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def run_all(work: Path) -> list[dict[str, object]]:
    """Run the table; what ended well in this folder before is not run again, unless it is a server."""
    sys.path.insert(0, str(ROOT / "tests"))
    from hub_server.server import HubServer, User

    work.mkdir(parents=True, exist_ok=True)
    kept = work / "rows.json"
    before = {row["shown"]: row for row in json.loads(kept.read_text())} if kept.exists() else {}
    reader, rows = Reader(work), []
    with contextlib.ExitStack() as stack:
        users = {"hf_test": User("you")}
        stack.enter_context(HubServer(work / "hub", users=users, port=reader.ports["hub"]))
        for command, how in COMMANDS.items():
            row = before.get(command)
            if row is None or how.until or not row["well"]:
                row = reader.run(command, stack)
                print(
                    f"{'ok' if row['well'] else 'FAILED'} {row['seconds']} s: {command}\n   {row['last']}", flush=True
                )
            rows.append(row)
            before[command] = row
            kept.write_text(json.dumps(list(before.values())))
    return rows


def markdown(rows: list[dict[str, object]]) -> str:
    """Lay the rows out."""
    lines = [
        "# The commands of README.md and the guides, copied and run",
        "",
        "Written by `benchmarks/readme.py`: a fresh clone, an empty folder, every command with as few episodes, steps",
        "and pixels as it takes. `as run` is empty where the command was run to the letter.",
        "",
        "| as shown | as run | exit | s | last line | remark |",
        "|---|---|---|---|---|---|",
    ]

    def code(text: object) -> str:
        return f"`{' '.join(str(text).split())}`".replace("|", "\\|") if text else ""

    for row in rows:
        left = "serves" if row["code"] is None else row["code"]
        lines.append(
            f"| {code(row['shown'])} | {code(row['run'])} | {left} | {row['seconds']} | {code(row['last'])} "
            f"| {row['note']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Compare the pages with the table, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args()
    # A shell's background jobs ignore Ctrl-C, and so would the servers that are started here and stopped with it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if found := problems(*pages()):
        print(*found, sep="\n", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="readme-") as folder:
        rows = run_all((options.work or Path(folder)).resolve())
    for row in rows:
        if row["said"]:
            print(f"\n{row['shown']}: exit code {row['code']}\n{row['said']}", file=sys.stderr)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "readme.json").write_text(json.dumps(rows, indent=2) + "\n")
    (options.out / "readme.md").write_text(markdown(rows))
    return 0 if all(row["well"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
