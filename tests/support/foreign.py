"""Datasets as other people have them: written by LeRobot's own writer, of robots that mstool does not know."""

import shutil
from pathlib import Path

import numpy as np

ARM = [f"{name}.pos" for name in ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")]
HAND = ["waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", "gripper"]
BIMANUAL = [f"{side}_{name}" for side in ("left", "right") for name in HAND]
PICTURE = ["height", "width", "channels"]


def cameras(*names, dtype="video", size=(48, 64)):
    """Features of RGB cameras."""
    return {f"observation.images.{name}": {"dtype": dtype, "shape": (*size, 3), "names": PICTURE} for name in names}


def vectors(names):
    """Features of a state and an action of the same joints."""
    spec = {"dtype": "float32", "shape": (len(names),), "names": list(names)}
    return {"observation.state": dict(spec), "action": dict(spec)}


SO101 = {"fps": 30, "robot_type": "so101_follower", "features": vectors(ARM) | cameras("front", "wrist")}
ALOHA = {
    "fps": 50,
    "robot_type": "aloha",
    "features": vectors(BIMANUAL) | cameras("cam_high", "cam_left_wrist", "cam_right_wrist"),
}
IMAGES = {"fps": 10, "robot_type": "koch", "features": vectors(ARM) | cameras("top", dtype="image")}
# A column of text, a number of its own, a matrix, a truth value, several sentences in an episode.
RICH = {
    "fps": 15,
    "robot_type": "so100",
    "features": vectors(ARM)
    | cameras("front")
    | {
        "operator": {"dtype": "string", "shape": (1,), "names": None},
        "next.reward": {"dtype": "float32", "shape": (1,), "names": None},
        "observation.forces": {"dtype": "float32", "shape": (2, 3), "names": None},
        "next.done": {"dtype": "bool", "shape": (1,), "names": None},
    },
}

# Two arms, six cameras, a sentence of somebody's in every frame, slow.
SIX = {
    "fps": 10,
    "robot_type": "bi_so100_follower",
    "features": vectors([f"{side}_{name}" for side in ("left", "right") for name in ARM])
    | cameras("top", "overhead", "left", "table", "left_wrist", "right_wrist", size=(32, 48))
    | {"language_instruction": {"dtype": "string", "shape": (1,), "names": None}},
}


def write(root: Path, spec, lengths=(9, 12, 7), tasks=("lift it", "push it"), seed=0, **more) -> Path:
    """Write episodes of `lengths` frames with LeRobot's writer; every frame has its own colour and numbers."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    shutil.rmtree(root, ignore_errors=True)
    data = LeRobotDataset.create("local/foreign", root=root, image_writer_threads=0, use_videos=True, **spec, **more)
    random = np.random.default_rng(seed)
    for episode, length in enumerate(lengths):
        for t in range(length):
            frame = {name: _value(name, f, random, episode, t) for name, f in spec["features"].items()}
            half = len(spec["features"]) > 6 and t >= length // 2
            data.add_frame(frame | {"task": tasks[(episode + half) % len(tasks)]})
        data.save_episode()
    data.finalize()
    return root


def _value(name, feature, random, episode, t):
    shape, dtype = feature["shape"], feature["dtype"]
    if dtype == "string":
        return f"operator {episode} at {t}"
    if dtype == "bool":
        return np.array([t % 3 == 0])
    if dtype in {"image", "video"}:
        height, width, _ = shape
        picture = np.zeros(shape, np.uint8)
        picture[...] = (40 + 30 * episode, 10 * t, sum(map(ord, name)) % 200)
        picture[: height // 4, (3 * t) % width : (3 * t) % width + 8] = 255
        return picture
    return random.normal(size=shape).astype(dtype)
