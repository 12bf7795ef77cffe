"""What a dataset decides about its openpi configs: names, columns, horizon, differences from the state."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from mstool.dataset.conventions import Conventions, load_conventions
from mstool.dataset.locate import is_dataset
from mstool.errors import DataError, UsageError, WrongWordError
from mstool.layouts import DEFAULT_LAYOUT, LAYOUTS, Layout, get_layout
from mstool.layouts.openpi import LIBERO_DATA, OpenpiUse
from mstool.norm_stats.configs import CONFIGS

POLICIES = ("pi05", "pi0")
# `create_torch_dataset` reads LeRobot v2.1 (openpi pins lerobot 0cf8648).
VERSION = "v2.1"


@dataclass(frozen=True)
class OpenpiRecipe:
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
    # What openpi does with this kind of data.
    use: OpenpiUse

    @property
    def plain(self) -> bool:
        """Whether openpi's own data config fits as it is."""
        return not self.delta and self.action_dims == self.use.action_dims

    def config_name(self, policy: str, *, lora: bool) -> str:
        """Return the name of a training config."""
        return f"{policy}_{self.name}{'_lora' if lora else ''}"


def read_recipe(root: Path, horizon: int | None = None) -> OpenpiRecipe:
    """Look at a dataset and decide.

    Raises
    ------
    UsageError
        Its layout has no meaning for openpi, or the horizon is none.
    DataError
        It was not written by `mstool convert`, is not LeRobot v2.1, or lacks a column that openpi's configs read.

    """
    conventions = load_conventions(root)
    layout, mode = get_layout(conventions.record.layout), conventions.record.control_mode
    _check_version(root, conventions)
    use = layout.openpi
    if use is None:
        why = "is any robot's own" if layout.robot is None else "is not one that openpi reads"
        trained = " and ".join(_trained_on())
        raise UsageError(
            f"{root}: layout {layout.name!r} {why}; openpi's models are trained on layouts {trained}",
            fix=f"convert with --layout {DEFAULT_LAYOUT}, or train with --engine lerobot",
        )
    if horizon is not None and horizon < 1:
        libero = CONFIGS[LIBERO_DATA.config]
        raise UsageError(f"a horizon of {horizon} actions", fix=f"{libero.horizon} is what openpi's {libero.name} has")
    _check_columns(root, conventions, layout, use)
    return OpenpiRecipe(
        root=root.resolve(),
        name=f"maniskill_{_task(conventions)}{use.suffix}",
        layout=layout.name,
        control_mode=mode,
        fps=conventions.fps,
        action_dims=int(conventions.features["actions"]["shape"][0]),
        delta=_delta(layout, mode),
        horizon=horizon or CONFIGS[use.config].horizon,
        use=use,
    )


def _trained_on() -> tuple[str, ...]:
    """Return the layouts that openpi's data configs were made for: of each config the first that goes through it."""
    first: dict[OpenpiUse, str] = {}
    for layout in LAYOUTS.values():
        if layout.openpi is not None:
            first.setdefault(layout.openpi, layout.name)
    return tuple(first.values())


def _delta(layout: Layout, mode: str) -> tuple[int, ...]:
    """Return the mask of absolute joint targets, where the state holds the same joints.

    The joints become differences from the state, the gripper stays: openpi does so with DROID's joint positions.
    """
    facts = layout.action_facts(mode)
    if facts.kind == "joint_position" and layout.state_kind == "joints":
        return (facts.gripper.dimension, -1)
    return ()


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


def _check_columns(root: Path, conventions: Conventions, layout: Layout, use: OpenpiUse) -> None:
    """Check for what openpi's repack transform takes: every camera of the layout, the state, the actions."""
    wanted = [*(camera.openpi for camera in layout.cameras), *(name for name, _ in layout.openpi_state), "actions"]
    missing = [name for name in wanted if name not in conventions.features]
    if missing:
        raise DataError(
            f"{root} has no column {', '.join(missing)}, which openpi's {use.data} config reads",
            fix=f"convert with --cameras {','.join(camera.view for camera in layout.cameras)}",
        )


def _task(conventions: Conventions) -> str:
    """Return `pickcube` of `PickCube-v1`; several tasks have the dataset's name."""
    envs = conventions.env_ids
    name = re.sub(r"-v\d+$", "", envs[0]) if len(envs) == 1 else conventions.dataset
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "tasks"
