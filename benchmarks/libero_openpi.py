"""Whether `mstool eval` and openpi's LIBERO evaluation are the same experiment, episode by episode, to the bit.

python benchmarks/libero_openpi.py --env libero_spatial/0 --episodes 2

openpi's protocol, as its `examples/libero/main.py` (commit 15a9616) has it, is written out here on LIBERO's own
environment, and mstool's runs beside it with the same policies:

replay   the scripted expert's actions of each initial state: solves it, and is blind
digest   actions drawn from a digest of all it is shown, pictures and state, to the bit: one bit that differs anywhere
         makes all that follows differ

Compared are every input of the policy (both pictures at 224 px, by their digests; the state), every action,
the outcome and the number of steps.
"""

import argparse
import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mstool.contract import Array
from mstool.evaluation.default_conventions import plain_conventions
from mstool.evaluation.policy import Observation
from mstool.evaluation.rollout import EvalJob, roll_out
from mstool.evaluation.scene import Scene
from mstool.simulators.libero.expert import LiberoExpert
from mstool.simulators.libero.library import choose_gl, load_libero
from mstool.simulators.libero.tasks import find_task

RESULTS = Path(__file__).parent / "results" / "libero_openpi.json"
# openpi's settings.
SEED, SETTLING, REPLAN, RENDERED, SHOWN = 7, 10, 5, 256, 224

type Act = Callable[[dict[str, Any], int, int], Array]


def padded(picture: Array) -> Array:
    """Bring a square picture to 224 px, as openpi's client does before it sends it."""
    return np.asarray(Image.fromarray(picture).resize((SHOWN, SHOWN), Image.Resampling.BILINEAR))


def axis_angle(quaternion: Array) -> Array:
    """Turn x, y, z, w into openpi's axis times angle: the angle between 0 and 2 pi."""
    w = float(np.clip(quaternion[3], -1, 1))
    sine = np.sqrt(1 - w * w)
    return np.zeros(3) if np.isclose(sine, 0) else quaternion[:3] * 2 * np.arccos(w) / sine


def openpis(env_id: str, episodes: int, horizon: int, act: Act) -> list[dict[str, Any]]:
    """Play the first initial states of a task in one environment, one after the other, as openpi does."""
    from libero.libero.envs import OffScreenRenderEnv

    task = find_task(env_id)
    np.random.seed(SEED)
    env = OffScreenRenderEnv(bddl_file_name=str(task.bddl), camera_heights=RENDERED, camera_widths=RENDERED)
    env.seed(SEED)
    found = []
    for episode in range(episodes):
        env.reset()
        seen = env.set_init_state(task.initial_states()[episode])
        for _ in range(SETTLING):
            seen = env.step([0.0] * 6 + [-1.0])[0]
        asked, plan, steps, solved = [], [], 0, False
        while steps < horizon and not solved:
            if not plan:
                shown = {
                    "image": padded(seen["agentview_image"][::-1, ::-1]),
                    "wrist_image": padded(seen["robot0_eye_in_hand_image"][::-1, ::-1]),
                    "state": np.concatenate(
                        [seen["robot0_eef_pos"], axis_angle(seen["robot0_eef_quat"]), seen["robot0_gripper_qpos"]]
                    ).astype(np.float32),
                    "prompt": task.sentence,
                }
                plan = list(act(shown, episode, steps)[:REPLAN])
                asked.append(told(shown, plan))
            seen, _, solved, _ = env.step(plan.pop(0).tolist())
            steps += 1
        found.append({"success": bool(solved), "steps": steps, "asked": asked})
    env.close()
    return found


def ours(env_id: str, episodes: int, horizon: int, act: Act) -> list[dict[str, Any]]:
    """Play the same, the last initial state first, with the code behind `mstool eval --protocol openpi`."""
    conventions = plain_conventions([env_id])
    conventions = replace(conventions, record=replace(conventions.record, image_size=(RENDERED, RENDERED)))
    scene, task = Scene(conventions, env_id), find_task(env_id)
    found: dict[int, dict[str, Any]] = {}
    for episode in reversed(range(episodes)):
        asked: list[dict[str, Any]] = []

        def ask(seen: Observation, asked: list[dict[str, Any]] = asked) -> Array:
            shown = {
                "image": padded(seen.images["base"]),
                "wrist_image": padded(seen.images["wrist"]),
                "state": seen.state,
                "prompt": seen.prompt,
            }
            plan = act(shown, seen.seed, seen.step)[:REPLAN]
            asked.append(told(shown, list(plan)))
            return plan

        outcome = roll_out(scene, EvalJob(env_id, episode, task.sentence, horizon), ask, hold=0)
        found[episode] = {"success": outcome.success_once, "steps": outcome.steps, "asked": asked}
    scene.close()
    return [found[episode] for episode in range(episodes)]


def told(shown: dict[str, Any], plan: list[Array]) -> dict[str, Any]:
    """Return what a policy was shown and answered, to compare."""
    return {
        **{name: digest(shown[name]).hex() for name in ("image", "wrist_image")},
        "prompt": shown["prompt"],
        "state": shown["state"],
        "actions": np.stack(plan),
    }


def digest(value: Array) -> bytes:
    """Return eight bytes that depend on every bit."""
    return hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=8).digest()


def replayed(env_id: str, episodes: int) -> Act:
    """Return the policy `replay`."""
    expert, solutions = LiberoExpert(env_id), []
    for seed in range(episodes):
        expert.solve(seed)
        solutions.append(np.stack(expert.actions))
    expert.close()

    def act(_: dict[str, Any], episode: int, step: int) -> Array:
        rest = solutions[episode][step : step + REPLAN]
        return np.concatenate([rest, np.repeat(solutions[episode][-1:], REPLAN - len(rest), axis=0)])

    return act


def digested(shown: dict[str, Any], _: int, step: int) -> Array:
    """Act as the policy `digest`."""
    parts = digest(shown["image"]) + digest(shown["wrist_image"]) + digest(np.round(shown["state"], 5) + 0.0)
    random = np.random.default_rng([*parts, step])
    return random.uniform(-1, 1, (2 * REPLAN, 7)).astype(np.float32)


def compared(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Say of each episode where the two differ."""
    rows = []
    for episode, (theirs, mine) in enumerate(zip(first, second, strict=True)):
        pairs = list(zip(theirs["asked"], mine["asked"], strict=False))
        rows.append(
            {
                "episode": episode,
                "success": [theirs["success"], mine["success"]],
                "steps": [theirs["steps"], mine["steps"]],
                "asked": [len(theirs["asked"]), len(mine["asked"])],
                **{
                    f"equal_{name}": sum(np.array_equal(a[name], b[name]) for a, b in pairs)
                    for name in ("image", "wrist_image", "prompt", "actions")
                },
                "state_difference": max(float(np.abs(a["state"] - b["state"]).max()) for a, b in pairs),
            }
        )
    return rows


def main() -> None:
    """Run both with both policies, print a line per episode and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", nargs="+", default=["libero_spatial/0"])
    parser.add_argument("--episodes", type=int, default=2, help="initial states per task, from the first on")
    parser.add_argument("--digest-steps", type=int, default=30, help="horizon of the policy that never succeeds")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    load_libero()
    rows = []
    for env_id in options.env:
        horizon = find_task(env_id).described().horizon
        policies: dict[str, tuple[Act, int]] = {
            "digest": (digested, options.digest_steps),
            "replay": (replayed(env_id, options.episodes), horizon),
        }
        for name, (act, steps) in policies.items():
            both = [run(env_id, options.episodes, steps, act) for run in (openpis, ours)]
            for row in compared(*both):
                rows.append({"env_id": env_id, "policy": name, **row})
                print(json.dumps(rows[-1]), flush=True)
    versions = {name: metadata.version(name) for name in ("hf-libero", "robosuite", "mujoco", "numpy")}
    about = {"machine": platform.machine(), "gl": choose_gl(), "when": datetime.now(UTC).date().isoformat(), **versions}
    options.output.write_text(json.dumps({"about": about, "episodes": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
