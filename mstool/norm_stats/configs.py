"""What openpi's training configs do to a dataset before they look at its statistics.

Read in openpi's `src/openpi/training/config.py` and `src/openpi/policies/*_policy.py`: which columns become `state`
and `actions` (repack and policy inputs), whether actions become deltas, how long a window is, and whether z-scores or
quantiles normalise (`use_quantile_norm` is on for every model type but PI0).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mstool.errors import UsageError
from mstool.layouts import LAYOUTS
from mstool.nearest import unknown

type Mask = tuple[bool, ...]

# Column names in order of preference: openpi's own (v2.1), then those a LeRobot v3.0 dataset has for the same thing.
_LIBERO_STATE = (("state",), ("observation.state",))
_DROID_STATE = (("joint_position", "gripper_position"), ("observation.state",), ("state",))
_ACTIONS = (("actions",), ("action",))
_JOINTS_NOT_GRIPPER: Mask = (True,) * 6 + (False,)


@dataclass(frozen=True)
class TrainingConfig:
    """How a training config reads a dataset."""

    name: str
    # Actions per window (`action_horizon` of the model).
    horizon: int
    # Which action dimensions the config turns into differences from the state (`DeltaActions`); () for none.
    delta: Mask
    # Whether the model normalises by q01 and q99, else by mean and std.
    quantiles: bool
    # Columns to be put one after the other, in order of preference.
    state: tuple[tuple[str, ...], ...]
    actions: tuple[tuple[str, ...], ...]
    # Action dimensions that are a gripper, where the dataset does not name them.
    gripper: tuple[int, ...]
    # Whether its actions are differences (or velocities), of the data or by `delta`; else what the data has will do.
    differences: bool = True

    @property
    def layout(self) -> str:
        """The first layout of `mstool convert` with the columns that it reads first; "" where none is expected."""
        return next((layout.name for layout in LAYOUTS.values() if self.reads(layout.name)), "")

    def reads(self, layout: str) -> bool:
        """Whether the columns that it reads first are those of a layout."""
        return layout in LAYOUTS and tuple(name for name, _ in LAYOUTS[layout].openpi_state) == self.state[0]


def _libero(name: str, horizon: int, *, delta: bool, quantiles: bool) -> TrainingConfig:
    mask = _JOINTS_NOT_GRIPPER if delta else ()
    return TrainingConfig(name, horizon, mask, quantiles, _LIBERO_STATE, _ACTIONS, (6,))


def _droid(name: str, horizon: int, *, quantiles: bool) -> TrainingConfig:
    return TrainingConfig(name, horizon, (), quantiles, _DROID_STATE, _ACTIONS, (7,))


CONFIGS = {
    config.name: config
    for config in (
        _libero("pi05_libero", 10, delta=False, quantiles=True),
        # LIBERO's actions are deltas already; these older checkpoints subtract the state all the same.
        _libero("pi0_libero", 50, delta=True, quantiles=False),
        _libero("pi0_libero_low_mem_finetune", 50, delta=True, quantiles=False),
        _libero("pi0_fast_libero", 10, delta=True, quantiles=True),
        _libero("pi0_fast_libero_low_mem_finetune", 10, delta=True, quantiles=True),
        _droid("pi05_droid", 15, quantiles=True),
        # openpi advises to go on with DROID's own statistics here; these say how far the data is from them (--check).
        _droid("pi05_droid_finetune", 16, quantiles=True),
        _droid("pi0_droid", 10, quantiles=False),
        _droid("pi0_fast_droid", 10, quantiles=True),
        # LeRobot's own pi0 and pi05 policies: chunks of 50 actions, whatever the robot.
        # They take targets as well as differences.
        TrainingConfig(
            "lerobot",
            horizon=50,
            delta=(),
            quantiles=True,
            state=(("observation.state",), ("state",)),
            actions=(("action",), ("actions",)),
            gripper=(),
            differences=False,
        ),
    )
}
# Known to openpi, but not computable from a LeRobot dataset's columns alone.
_ELSEWHERE = {
    "aloha": "rescales joints and grippers with the ALOHA robot's own geometry (adapt_to_pi) before normalising",
    "full_droid": "reads the RLDS release of DROID, not a LeRobot dataset",
    "polaris": "reads the RLDS release of DROID, not a LeRobot dataset",
}


def find_config(name: str) -> TrainingConfig:
    """Look a config up by name.

    Raises
    ------
    UsageError
        It is unknown, or one whose statistics cannot be had from parquet columns.

    """
    if name in CONFIGS:
        return CONFIGS[name]
    for part, reason in _ELSEWHERE.items():
        if part in name:
            raise UsageError(
                f"config {name!r} is not supported: openpi {reason}", fix="use openpi's scripts/compute_norm_stats.py"
            )
    raise unknown("config", name, CONFIGS, "--config")


def default_config(layout: str, features: Sequence[str], action_dims: int) -> TrainingConfig:
    """Choose the config a dataset was most likely made for: by its layout, else by its columns and action size."""
    use = LAYOUTS[layout].openpi if layout in LAYOUTS else None
    if use is not None:
        return CONFIGS[use.config]
    if "joint_position" in features:
        return CONFIGS["pi05_droid_finetune"]
    return CONFIGS["pi05_libero" if "actions" in features or action_dims == 7 else "lerobot"]


def parse_mask(text: str) -> Mask:
    """Read a delta mask in the numbers of openpi's `make_bool_mask`: `6,-1` is six differences and one absolute.

    Raises
    ------
    UsageError
        It is neither `none` nor whole numbers other than 0.

    """
    if text.strip().lower() in {"none", "off", ""}:
        return ()
    mask: list[bool] = []
    for part in text.split(","):
        try:
            run = int(part)
        except ValueError:
            run = 0
        if run == 0 or abs(run) > 1000:
            raise UsageError(
                f"--delta {text!r} is not a mask",
                fix="--delta 6,-1 (six differences, one absolute)",
                change={"--delta": "6,-1"},
            )
        mask += [run > 0] * abs(run)
    return tuple(mask)


def format_mask(mask: Mask) -> str:
    """Write a mask the way `parse_mask` reads it."""
    runs: list[int] = []
    for on in mask:
        if runs and (runs[-1] > 0) == on:
            runs[-1] += 1 if on else -1
        else:
            runs.append(1 if on else -1)
    return ",".join(map(str, runs)) or "none"
