"""Demo files as ManiSkill writes them, made by hand."""

import json

import h5py


def write_demo(folder, env_id, actions, *, mode="pd_joint_delta_pos", per_episode=None, kwargs=None, seed=3):
    """A demo file as ManiSkill writes it, with the actions given: an array, or one per robot."""
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "trajectory.h5", "w") as file:
        group = file.create_group("traj_0")
        if isinstance(actions, dict):
            for key, values in actions.items():
                group[f"actions/{key}"] = values
        else:
            group["actions"] = actions
    episode = {
        "episode_id": 0,
        "episode_seed": seed,
        "reset_kwargs": {"seed": seed},
        "control_mode": per_episode or mode,
    }
    info = {"env_id": env_id, "env_kwargs": {"control_mode": mode, **(kwargs or {})}}
    (folder / "trajectory.json").write_text(json.dumps({"env_info": info, "episodes": [episode]}))
    return folder


def edit_json(folder, change):
    path = folder / "trajectory.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
