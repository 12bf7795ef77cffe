"""The two kinds of data that openpi's training configs for single arms read, and what they do with them.

Read in openpi at commit 15a9616: `training/config.py` (LeRobotLiberoDataConfig, LeRobotDROIDDataConfig and the
configs), `policies/libero_policy.py` and `policies/droid_policy.py` (outputs), `examples/libero/main.py` and
`examples/droid/main.py` (how often the clients ask).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class OpenpiUse:
    """How openpi trains on a dataset and asks a policy of it."""

    # What openpi calls this kind of data.
    data: str
    # The class in `training/config.py` whose columns the dataset has.
    data_config: str
    # openpi's own config for it, by which `mstool.norm_stats.configs` knows columns and horizon.
    config: str
    # Actions that its outputs cut a model's 32 dimensions to.
    action_dims: int
    # Actions that openpi's own client executes before it asks again.
    replan: int
    # What the names of our configs for it end with.
    suffix: str = ""
    # Control frequency of the checkpoints' data, Hz, where it is worth a note; ManiSkill has 20.
    fps: int | None = None
    # A word in the names of checkpoints whose own statistics openpi advises to keep.
    keeps_stats: str | None = None


LIBERO_DATA = OpenpiUse(
    data="LIBERO",
    data_config="LeRobotLiberoDataConfig",
    config="pi05_libero",
    action_dims=7,
    replan=5,
)
DROID_DATA = OpenpiUse(
    data="DROID",
    data_config="LeRobotDROIDDataConfig",
    config="pi05_droid_finetune",
    action_dims=8,
    replan=8,
    suffix="_droid",
    fps=15,
    keeps_stats="droid",
)
