"""What a dataset decides about its openpi configs: names, columns, horizon, differences from the state."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from mstool.dataset.conventions import Conventions, load_conventions
from mstool.dataset.locate import is_dataset
from mstool.errors import DataError, UsageError, WrongWordError
from mstool.layouts import get_layout

POLICIES = ("pi05", "pi0")
# `create_torch_dataset` reads LeRobot v2.1 (openpi pins lerobot 0cf8648).
VERSION = "v2.1"
# action_horizon of openpi's pi05_libero and pi05_droid_finetune.
HORIZONS = {"droid": 16}
HORIZON_ELSE = 10
# The configs whose columns `mstool.norm_stats` knows under these names.
STATS_CONFIGS = {"droid": "pi05_droid_finetune"}
STATS_CONFIG_ELSE = "pi05_libero"
# Actions that LiberoOutputs and DroidOutputs cut a model's 32 dimensions to.
OPENPI_DIMS = {"droid": 8}
OPENPI_DIMS_ELSE = 7
# Seven joints become differences from the state, the gripper stays: openpi does so with DROID's joint positions.
JOINTS = (7, -1)


@dataclass(frozen=True)
class Recipe:
    """A dataset as openpi's configs see it."""

    root: Path
    # Without the policy's prefix: `maniskill_pickcube`, `maniskill_pickcube_droid`.
    name: str
    layout: str
    control_mode: str
    fps: int
    action_dims: int
    # Arguments of openpi's `make_bool_mask`; () for actions that are differences already.
    delta: tuple[int, ...]
    horizon: int
    # The config under which `mstool.norm_stats` knows the columns.
    stats_config: str

    @property
    def droid(self) -> bool:
        """Whether openpi reads it as DROID data, else as LIBERO data."""
        return self.layout == "droid"

    @property
    def plain(self) -> bool:
        """Whether openpi's own data config fits as it is."""
        dims = OPENPI_DIMS.get(self.layout, OPENPI_DIMS_ELSE)
        return not self.delta and self.action_dims == dims

    def config_name(self, policy: str, *, lora: bool) -> str:
        """Return the name of a training config."""
        return f"{policy}_{self.name}{'_lora' if lora else ''}"


def read_recipe(root: Path, horizon: int | None = None) -> Recipe:
    """Look at a dataset and decide.

    Raises
    ------
    UsageError
        Its layout has no meaning for openpi, or the horizon is none.
    DataError
        It was not written by `mstool convert`, is not LeRobot v2.1, or lacks a column that openpi's configs read.

    """
    conventions = load_conventions(root)
    layout, mode = conventions.record.layout, conventions.record.control_mode
    _check_version(root, conventions)
    if layout == "native":
        raise UsageError(
            f"{root}: layout 'native' is any robot's own; openpi's models are trained on layouts libero and droid",
            fix="convert with --layout libero, or train with --engine lerobot",
        )
    if horizon is not None and horizon < 1:
        raise UsageError(f"a horizon of {horizon} actions", fix=f"{HORIZON_ELSE} is what openpi's pi05_libero has")
    _check_columns(root, conventions, layout)
    return Recipe(
        root=root.resolve(),
        name=f"maniskill_{_task(conventions)}" + ("_droid" if layout == "droid" else ""),
        layout=layout,
        control_mode=mode,
        fps=conventions.fps,
        action_dims=int(conventions.features["actions"]["shape"][0]),
        # Absolute joint targets, where the state holds the same joints.
        delta=JOINTS if mode == "pd_joint_pos" and layout in {"droid", "joint"} else (),
        horizon=horizon or HORIZONS.get(layout, HORIZON_ELSE),
        stats_config=STATS_CONFIGS.get(layout, STATS_CONFIG_ELSE),
    )


def _check_version(root: Path, conventions: Conventions) -> None:
    if "actions" in conventions.features:
        return
    here = root.resolve()
    exported = here.with_name(f"{here.name}-openpi")
    why = f"{root} is LeRobot v3.0, and openpi reads {VERSION} alone"
    for other in (root.parent / VERSION, root.with_name(exported.name)):
        if here.name != VERSION and is_dataset(other):
            raise WrongWordError(f"{why}: {other} is its twin", given=root, instead=other)
    command = shlex.join(["mstool", "export", str(root), "--format", VERSION, "--output", str(exported)])
    raise DataError(why, fix=command)


def _check_columns(root: Path, conventions: Conventions, layout: str) -> None:
    """Check for what openpi's repack transform takes: every camera of the layout, the state, the actions."""
    known = get_layout(layout)
    wanted = [*(camera.openpi for camera in known.cameras), *(name for name, _ in known.openpi_state), "actions"]
    missing = [name for name in wanted if name not in conventions.features]
    if missing:
        raise DataError(
            f"{root} has no column {', '.join(missing)}, which openpi's "
            f"{'DROID' if layout == 'droid' else 'LIBERO'} config reads",
            fix=f"convert with --cameras {','.join(camera.view for camera in known.cameras)}",
        )


def _task(conventions: Conventions) -> str:
    """Return `pickcube` of `PickCube-v1`; several tasks have the dataset's name."""
    envs = conventions.env_ids
    name = re.sub(r"-v\d+$", "", envs[0]) if len(envs) == 1 else conventions.dataset
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "tasks"
